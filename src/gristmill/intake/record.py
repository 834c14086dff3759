"""What a row of a user's file says, whatever its form: a prompt, and answers to it.

A prompt has no answer, a conversation one, a pair two, a benchmark's item several; a text has
neither. Whoever reads rows says what is needed (`KINDS`), and a row that does not give it is
refused with the same line everywhere.

Named tuples, for some are made of every row: a frozen dataclass takes three times as long to make.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from gristmill.intake.cells import Row, Unusable
from gristmill.intake.labels import Labels
from gristmill.intake.turns import Turns, is_plain
from gristmill.records import Message, Prompt, as_dicts

PROMPT, CONVERSATION, RATED, PAIR, ITEM, TEXT = (
    "prompt", "conversation", "rated", "pair", "item", "text",
)  # fmt: skip
KINDS = {
    PROMPT: ("prompts", "run and battle"),
    CONVERSATION: ("conversations", "sft"),
    RATED: ("rated responses", "reward (loss: regression)"),
    PAIR: ("preference pairs", "dpo, rpo, or reward with loss: bradley_terry"),
    ITEM: ("pairs or rankings", "judge-eval"),
    TEXT: ("texts", "pretrain"),
}
"""What a row can give, in words, and what learns from it."""


class Answer(NamedTuple):
    """What follows a prompt: turns, the last the assistant's. score: a reward model's or a
    person's, by which answers to one prompt are ordered."""

    turns: Turns
    score: float | None = None

    @property
    def text(self) -> str:
        """What the last turn says."""
        return self.turns[-1].content


class Content(NamedTuple):
    """What a form's reader finds in a row.

    answers: the first `right` of them are better than all others; 0 where nobody says. grid:
    RM-Bench's form, as many better answers as worse, each in several styles in the same order.
    strength: how clear the preference is, above 0. text: of a row that is one.
    rated: of rated responses, how many turns there are up to each, and its labels.
    flaw: what is wrong with the answers, where the prompt can be used alone.
    """

    prompt: Turns = ()
    answers: tuple[Answer, ...] = ()
    right: int = 0
    grid: bool = False
    strength: float | None = None
    text: str = ""
    rated: tuple[tuple[int, Labels], ...] = ()
    flaw: Unusable | None = None

    @property
    def turns(self) -> Turns:
        """The conversation of a row with one answer."""
        return (*self.prompt, *self.answers[0].turns)


def whatever_answers(prompt: Turns, read: Callable[[], Content]) -> Content:
    """What `read` gives; where it raises Unusable, the prompt, and that as the flaw."""
    try:
        return read()
    except Unusable as error:
        return Content(prompt, flaw=error)


class Record(NamedTuple):
    """A row that was understood. where: `file:line`. form: its name in `forms`. kind: of `KINDS`,
    what it is read as.

    prompt: what is asked, with what stands beside it; without messages in a text.
    asked: `prompt_id` of what is asked, whatever the prompt's own id is; empty of other kinds.
    facts: more that was asked for, as `subset` of a benchmark's item.
    """

    where: str
    form: str
    kind: str
    prompt: Prompt
    content: Content
    asked: str = ""
    facts: Mapping[str, str] = MappingProxyType({})

    @property
    def answers(self) -> tuple[Answer, ...]:
        return self.content.answers


def check_kinds(
    form: str, gives: Collection[str], wanted: Collection[str], columns: Iterable[str]
) -> str:
    """The first kind that is wanted and given. Raises Unusable, saying what each is."""
    for kind in wanted:
        if kind in gives:
            return kind
    # Nearly every row has a prompt, and every pair is an item: worth a word only where it is all.
    told = [k for k in KINDS if k in gives and k not in (PROMPT, ITEM)] or gives
    said = " or ".join(f"{KINDS[kind][0]}, for {KINDS[kind][1]}" for kind in told)
    needs = " or ".join(KINDS[kind][0] for kind in wanted)
    named = ", ".join(map(str, columns))
    detail = f"a row of '{form}' gives {said}; {needs} are needed (columns: {named})"
    raise Unusable("wrong_kind", detail)


def row_of(prompt: Prompt, answer: Message | None = None) -> Row:
    """A prompt, or a conversation, as a row of a file that reads back as the same.

    What it does not have is left out.
    """
    turns = prompt.messages if answer is None else (*prompt.messages, answer)
    said: Row = {"messages": [_turn(turn, as_dicts([turn])[0]) for turn in turns]}
    if len(turns) == 1 and turns[0].role == "user" and is_plain(turns[0].content):
        said = {"prompt": turns[0].content}
    facts = {
        "id": prompt.id,
        "answer": prompt.answer,
        "category": prompt.category,
        "language": prompt.language,
        "source": prompt.source,
        "parents": list(prompt.parents),
        "tests": prompt.tests,
        "constraints": [orjson.loads(text) for text in prompt.constraints],
        "tools": orjson.loads(prompt.tools) if prompt.tools else None,
        "rubric": [criterion._asdict() for criterion in prompt.rubric],
    }
    facts = {name: value for name, value in facts.items() if value not in (None, "", [])}
    if prompt.calls is not None:
        facts["calls"] = orjson.loads(prompt.calls)
    return {**said, **facts}


def _turn(turn: Message, said: dict[str, Any]) -> dict[str, Any]:
    return said if turn.learned else {**said, "weight": 0}
