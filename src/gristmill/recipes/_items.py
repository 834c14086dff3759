"""What flows through a recipe: items, each with what it was made from, and the finished prompt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

import orjson

from gristmill.records import Message, as_dicts, prompt_id


@dataclass(frozen=True)
class Item:
    """One thing that a stage made: a topic, a draft, a document, a persona.

    stage: what it is. text: itself. parent: what it was made from. note: where it comes from, for
    what the user brought (`file:line`). persona: who it was written as, if as anybody.
    """

    stage: str
    text: str
    parent: Item | None = None
    note: str = ""
    persona: str = ""

    @cached_property
    def id(self) -> str:
        """`stage:` and 16 hex digits of text and ancestry: equal items, equal id, everywhere."""
        before = self.parent.id if self.parent else ""
        data = f"{before}\0{self.stage}\0{self.text}".encode("utf-8", "surrogatepass")
        return f"{self.stage}:{blake2b(data, digest_size=8).hexdigest()}"

    def line(self) -> tuple[Item, ...]:
        """The item and all before it, oldest first."""
        return (*(self.parent.line() if self.parent else ()), self)

    def nearest(self, stage: str) -> Item | None:
        """The item itself or the closest before it that is of a stage."""
        found: Item | None = self
        while found is not None and found.stage != stage:
            found = found.parent
        return found


@dataclass(frozen=True)
class Draft:
    """A finished prompt: its messages, the last of them the user's, and its item.

    facts: more of its row (`category`, `language`, `answer`, `constraints`, `tools`, ...).
    among: the prompts among which it must be new, by a name that they share; by default all. None
    where the recipe has looked after that itself: two questions on one long document are alike as
    wholes, and only an equal one is dropped.
    """

    messages: tuple[Message, ...]
    item: Item
    facts: dict[str, Any] = field(default_factory=dict)
    among: str | None = ""

    @property
    def asked(self) -> str:
        """The user's last turn: what must be new, and in the right language."""
        return self.messages[-1].content

    def row(self, recipe: str, language: str, model: str = "") -> dict[str, Any]:
        """The prompt as a line of a prompt file. language: a code, and model: who wrote it, where
        the facts do not say otherwise."""
        only = len(self.messages) == 1
        said = {"prompt": self.asked} if only else {"messages": as_dicts(self.messages)}
        line = self.item.line()
        persona = next((item.persona for item in reversed(line) if item.persona), "")
        facts = {"category": recipe, "language": language, "written_by": model, **self.facts}
        written_by = facts.pop("written_by")
        facts["persona"] = persona
        tools = facts.get("tools")
        return {
            "id": prompt_id(self.messages, orjson.dumps(tools).decode() if tools else ""),
            **said,
            **{name: value for name, value in facts.items() if value not in (None, "", ())},
            "source": f"recipe:{recipe}",
            "parents": [item.id for item in line[:-1]],
            "lineage": list(_lineage(line)),
            **({"written_by": written_by} if written_by else {}),
        }


MOST_SHOWN = 600
"""Characters of an item in a prompt's lineage; the whole text is in the file of its stage."""


def _lineage(line: tuple[Item, ...]) -> Iterator[dict[str, str]]:
    for item in line:
        cut = item.text if len(item.text) <= MOST_SHOWN else item.text[:MOST_SHOWN] + " …"
        yield {"stage": item.stage, "text": cut, **({"from": item.note} if item.note else {})}
