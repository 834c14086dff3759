"""A chat model that answers as real ones do: usefully, and in whatever form it likes.

    chat = ScriptedChat(Messy())

It sees from a request whether a list, a verdict or one text is wanted, makes up an answer from word
lists, and puts it into one of many forms: numbered, bold, JSON, fenced YAML, with a preface and a
remark, after a thought, too short, too long, with repetitions, cut off, or refused. All of it
depends on the call's seed alone, that is on the request and the index of the sample.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from gristmill.records import Response

ADJECTIVES = re.findall(
    r"\w+",
    """amber ancient brittle calm crooked distant eager faded gentle hollow iron jagged
keen lively mellow narrow odd pale quiet rapid silent tidy uneven velvet wary young zealous bright
copper dusty early frozen grand humble idle""",
)

NOUNS = re.findall(
    r"\w+",
    """anchor basket candle dragon engine forest glacier harbour island jacket kettle lantern
meadow needle orchard pencil quarry river saddle temple umbrella valley window yarn zebra almanac
bridge carpet desert emblem feather garden hammer inkwell journal kingdom ladder market notebook
oyster pepper quilt rocket sailor tunnel urn village whistle""",
)

VERBS = re.findall(
    r"\w+",
    """balance borrow carve deliver explain follow gather hoist invent join knead listen measure
navigate observe polish question repair sketch translate unfold varnish weigh yield""",
)

OPENINGS = (
    "Explain how to",
    "Compare two ways to",
    "Plan a day on which you",
    "Write a story of people who",
    "Say why nobody should",
    "List three tools with which to",
    "Describe what it takes to",
)

CLAUSES = (
    "{v} the {a} {n}",
    "{v} every {n} behind a {m}",
    "{v} {n} and {m} together",
    "{v} one {n} without {a} {m}",
    "{v} an {a} {n} for the {m}",
    "{v} whatever the {n} left",
)
"""With four of these drawn at random, two prompts seldom share half of their words."""

LISTS = (
    "numbered", "bold", "json", "yaml", "chatty", "short", "long", "repeated", "thinking", "cut",
    "dashes", "object", "refused",
)  # fmt: skip
TEXTS = ("plain", "announced", "quoted", "thinking", "labelled", "fenced", "cut", "refused")

LISTED = "as a numbered list"
"""What a request for a list says: `_shared/_list.md`."""

_COUNT = re.compile(r"\b(?:name|write|describe|give) (\d+)\b", re.IGNORECASE)
_YES_OR_NO = re.compile(r"\"?yes\"? or \"?no\"?", re.IGNORECASE)
_SHORT = re.compile(r"\b(?:Name \d+|one to \w+ words)")

REFUSAL = "I'm sorry, but I can't help with that."


class Messy:
    """`function(messages, index, seed)` for ScriptedChat.

    lists, texts: the forms that it takes for either, chosen anew for each call. no: terms of which
    it says no, when it is asked for a yes or no. asked: every request that it saw, in the order
    they came, and how often.
    """

    def __init__(
        self,
        lists: Iterable[str] = LISTS,
        texts: Iterable[str] = TEXTS,
        no: Iterable[str] = (),
    ) -> None:
        self.lists, self.texts, self.no = tuple(lists), tuple(texts), tuple(no)
        self.asked: Counter[str] = Counter()

    def __call__(self, messages: list[dict[str, Any]], index: int, seed: int) -> str | Response:
        request = messages[-1]["content"]
        self.asked[request] += 1
        random = Random(seed)
        if LISTED in request:
            first = messages[0]["content"]
            return self._list(random, wanted(request), _SHORT.search(first) is not None)
        if _YES_OR_NO.search(request):
            said = "no" if any(term in request for term in self.no) else "yes"
            return random.choice((said, said.title() + ".", f"**{said}**", f"Answer: {said}"))
        return self._text(random)

    def _list(self, random: Random, count: int, short: bool) -> str | Response:
        make = phrase if short else sentence
        form = random.choice(self.lists)
        number = max(1, count * 2 // 3) if form in ("short", "cut") else count
        number += 3 if form == "long" else 0
        items = [make(random) for _ in range(number)]
        return as_list(form, items)

    def _text(self, random: Random) -> str | Response:
        return as_text(random.choice(self.texts), sentence(random))


def wanted(request: str) -> int:
    """How many items a request asks for."""
    found = _COUNT.search(request)
    assert found is not None, f"no count in the request: {request}"
    return int(found[1])


def phrase(random: Random) -> str:
    """A topic."""
    return f"{random.choice(ADJECTIVES)} {random.choice(NOUNS)} and {random.choice(NOUNS)}"


def sentence(random: Random) -> str:
    """A prompt."""
    clauses = (_clause(random) for _ in range(4))
    return f"{random.choice(OPENINGS)} {', then '.join(clauses)}{random.choice('.?!')}"


def _clause(random: Random) -> str:
    n, m = random.sample(NOUNS, 2)
    words = {"a": random.choice(ADJECTIVES), "v": random.choice(VERBS), "n": n, "m": m}
    return random.choice(CLAUSES).format(**words)


def as_list(form: str, items: list[str]) -> str | Response:
    """Items in one of the forms of `LISTS`."""
    numbered = "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))
    if form == "cut":
        # In the middle of the last item.
        text = f"{numbered}\n{len(items) + 1}. {items[-1][:7]}"
        return Response(text, "messy", "length")
    written: dict[str, Callable[[], str]] = {
        "bold": lambda: "\n".join(f"**{n}. {item}**" for n, item in enumerate(items, 1)),
        "json": lambda: json.dumps(items),
        "object": lambda: f"```json\n{json.dumps({'items': items}, indent=2)}\n```",
        "yaml": lambda: "```yaml\n" + "\n".join(f"- {json.dumps(i)}" for i in items) + "\n```",
        "dashes": lambda: "\n\n".join(f"- {item}" for item in items),
        "chatty": lambda: f"Sure! Here they are:\n\n{numbered}\n\nLet me know if you need more!",
        "repeated": lambda: f"{numbered}\n{len(items) + 1}. {items[0].upper()}",
        "thinking": lambda: f"<think>\n1. a first idea\n2. another one\n</think>\n\n{numbered}",
        "refused": lambda: REFUSAL,
    }
    return written.get(form, lambda: numbered)()


def as_text(form: str, text: str) -> str | Response:
    """A text in one of the forms of `TEXTS`."""
    if form == "cut":
        return Response(text[: len(text) // 2], "messy", "length")
    forms = {
        "announced": f"Here is the rewritten question:\n\n{text}",
        "quoted": f'"{text}"',
        "thinking": f"<think>They want it harder.</think>\n{text}",
        "labelled": f"**Revised question:** {text}",
        "fenced": f"```\n{text}\n```",
        "refused": REFUSAL,
    }
    return forms.get(form, text)
