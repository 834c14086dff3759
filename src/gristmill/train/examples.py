"""What is trained on: four kinds of example, and the row that is none.

Each is small, frozen and says where it came from, so that whatever is wrong with one can be
looked up in the user's file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from gristmill.intake.cells import Refused
from gristmill.intake.labels import Labels
from gristmill.intake.record import CONVERSATION, PAIR, RATED, TEXT, Record
from gristmill.records import Message


@dataclass(frozen=True, slots=True)
class Rated:
    """One rated response, the answer alone: what was thought before it is not rated.

    where: `file.jsonl:12`; tools: what may be called, as `Prompt.tools`; both here as below.
    """

    prompt: tuple[Message, ...]
    response: str
    labels: Labels
    where: str
    tools: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """A preference pair.

    chosen, rejected: the turns after the common prompt, each ending with the assistant's.
    strength: how clear the preference is, above 0; HelpSteer2-Preference's run from 1 to 3.
    chosen_score, rejected_score: a reward model's.
    """

    prompt: tuple[Message, ...]
    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    where: str
    strength: float | None = None
    chosen_score: float | None = None
    rejected_score: float | None = None
    tools: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation to imitate; it ends with the assistant's turn."""

    messages: tuple[Message, ...]
    where: str
    tools: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """Text to pretrain on."""

    text: str
    where: str


Example = Rated | Compared | Conversation | Document

KIND_OF: dict[type, str] = {
    Rated: RATED,
    Compared: PAIR,
    Conversation: CONVERSATION,
    Document: TEXT,
}
"""What the intake calls a row that gives such an example."""


def examples_of(record: Record) -> list[Example]:
    """The examples in a row: of several rated turns one each, of several answers the best beside
    the worst."""
    where, content = record.where, record.content
    prompt, tools = record.prompt.messages, record.prompt.tools
    if record.kind == TEXT:
        return [Document(content.text, where)]
    if record.kind == CONVERSATION:
        return [Conversation(content.turns, where, tools)]
    if record.kind == PAIR:
        better, worse = content.answers[0], content.answers[content.right if content.grid else -1]
        # Ranks and people's ratings order answers; only a reward model's scores are rewards.
        given = record.form == "preference"
        scores = (better.score, worse.score) if given else (None, None)
        pair = Compared(prompt, better.turns, worse.turns, where, content.strength, *scores, tools)
        return [pair]
    turns = content.turns
    return [
        Rated(turns[: end - 1], turns[end - 1].content, labels, where, tools)
        for end, labels in content.rated
    ]


def counts_of(refused: Iterable[Refused]) -> dict[str, int]:
    """How many rows were put aside for each reason, most first."""
    return dict(Counter(row.reason for row in refused).most_common())


def prompt_of(example: Example) -> str:
    """The key that examples are split by: 16 hex digits of the first thing that the user says.

    Case and white space do not count, so that neither a prompt nor two conversations that begin
    alike lie on both sides of a split. A conversation in which no user speaks is known by its
    first turn, a document by its text.
    """
    text = example.text if isinstance(example, Document) else _opening(example)
    plain = " ".join(text.casefold().split())
    return blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _opening(example: Rated | Compared | Conversation) -> str:
    turns = example.messages if isinstance(example, Conversation) else example.prompt
    said = [turn.content for turn in turns if turn.role == "user"]
    return (said or [turn.content for turn in turns] or [""])[0]
