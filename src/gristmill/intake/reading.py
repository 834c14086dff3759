"""A row of a known form as a record of what is wanted of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from gristmill.intake import facts
from gristmill.intake.beside import with_beside
from gristmill.intake.cells import Refused, Row, Unusable
from gristmill.intake.forms import FORMS, Form
from gristmill.intake.pairs import two
from gristmill.intake.ratings import rated
from gristmill.intake.record import (
    CONVERSATION,
    ITEM,
    PROMPT,
    RATED,
    TEXT,
    Answer,
    Content,
    Record,
    check_kinds,
)
from gristmill.records import Prompt, prompt_id


def record_of(row: Row, where: str, form: Form, wanted: Sequence[str]) -> Record:
    """What one row of a form says, as the first of the `wanted` kinds that it gives.

    Raises Unusable.
    """
    kind = check_kinds(form.name, form.gives, wanted, row)
    content, tools = with_beside(row, form.read(row))
    if content.flaw and kind != PROMPT:
        raise content.flaw
    if kind == PROMPT:
        prompt, asked = _asked(row, where, form, content, tools)
        return Record(where, form.name, kind, prompt, content, asked)
    if kind in (CONVERSATION, RATED) and not content.answers:
        raise Unusable("no_answer", f"there is no answer: '{form.name}' ends with the user's turn")
    if kind == RATED:
        content = content._replace(rated=rated(row, content))
    prompt = Prompt("", content.prompt, tools=facts.tools_in(row) or tools)
    about = facts.item_of(row, form.name == "judgebench") if kind == ITEM else {}
    return Record(where, form.name, kind, prompt, content, facts=about)


def _asked(row: Row, where: str, form: Form, content: Content, tools: str) -> tuple[Prompt, str]:
    messages = content.prompt
    if form.name == "turns" and len(messages) > 1:
        detail = f"'turns' has {len(messages)} of the user's turns, and no answers between them"
        raise Unusable("several_turns", detail)
    if not messages or messages[-1].role not in ("user", "tool"):
        raise Unusable("bad_turns", "nothing is asked before the answer")
    return facts.prompt_of(row, messages, where, tools)


@lru_cache(4096)
def unused_of(
    columns: tuple[str, ...], form: str, kind: str, mapped: tuple[str, ...]
) -> tuple[str, ...]:
    """The columns of a row that are neither read for this kind nor its name and origin. mapped:
    those that a source gives another name."""
    used = {*FORMS[form].used(kind, columns), *mapped, *facts.NAMES}
    used |= {*_FACTS.get(kind, facts.OF_TRAINING)}
    return tuple(name for name in columns if name not in used)


def answer_columns(form: str) -> tuple[str, ...]:
    """The columns of a form that hold answers, which a prompt alone does not need."""
    return FORMS[form].answers


_FACTS = {
    PROMPT: facts.OF_PROMPT,
    CONVERSATION: (*facts.OF_TRAINING, *facts.THOUGHT, facts.STEPS),
    RATED: (*facts.OF_TRAINING, *facts.THOUGHT, facts.STEPS),
    ITEM: (*facts.OF_ITEM, *facts.OF_TRAINING),
    TEXT: (),
}


class Unpaired:
    """Rows that say of one answer whether it is good (KTO), until another answer to the same prompt
    makes a pair with it."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[Record]] = {}

    def pair(self, record: Record) -> Record | None:
        """A pair of this answer and an earlier one to its prompt, or None: it waits for one.

        Raises Unusable where both are the same.
        """
        key = prompt_id(record.prompt.messages, record.prompt.tools)
        waiting = self.waiting.setdefault(key, [])
        answer = record.answers[0]
        for other in waiting:
            if other.answers[0].score != answer.score:
                waiting.remove(other)
                sides = sorted((answer, other.answers[0]), key=lambda a: -(a.score or 0.0))
                better, worse = (Answer(side.turns) for side in sides)
                return record._replace(content=two(record.content.prompt, better, worse))
        waiting.append(record)
        return None

    def left(self) -> Iterator[Refused]:
        """Those that found no partner."""
        for record in (one for waiting in self.waiting.values() for one in waiting):
            other = "false" if record.answers[0].score else "true"
            detail = f"no answer to its prompt with label {other} is left to pair it with"
            yield Refused(record.where, "unpaired_label", detail)
