"""Rows of people's data sets as examples: one small function for each format and kind.

A format is known by the columns of a row (see `recognise`), so that a file needs no settings
unless its columns have other names. What a row gives depends on what is wanted of it: a rated
response is a conversation too, for a job that wants conversations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

from gristmill.intake.turns import (
    Unusable,
    answered,
    messages_of,
    nemotron_turns,
    prompt_of_row,
    text_of,
    with_system,
)
from gristmill.nemotron.chat import TURN
from gristmill.records import ATTRIBUTES, Message
from gristmill.train.examples import Compared, Conversation, Document, Example, Rated, Refused
from gristmill.train.labels import labels_of, listed_labels
from gristmill.train.pairs import numbered_pair, pair

Row = dict[str, Any]

Format = Literal[
    "helpsteer2",
    "helpsteer2_preference",
    "preference",
    "messages",
    "rated_messages",
    "nemotron_text",
    "text",
]
"""What a row can be."""

FORMATS: tuple[Format, ...] = get_args(Format)

WORDS = {
    Rated: "rated responses",
    Compared: "preference pairs",
    Conversation: "conversations",
    Document: "texts",
}

LEARNT_BY = {
    Rated: "reward (loss: regression)",
    Compared: "dpo, rpo, or reward with loss: bradley_terry",
    Conversation: "sft",
    Document: "pretrain",
}
"""What learns from each."""


def examples_of(
    row: Row, where: str, wanted: tuple[type, ...], named: Format | None = None
) -> list[Example] | Refused:
    """What a row gives of the `wanted` kinds, or why it gives nothing.

    named: the row's format, where it is not to be recognised. Of several kinds that a row could
    give, it gives the first that is wanted.
    """
    try:
        found = named or recognise(row)
        kinds = GIVES[found]
        for kind in wanted:
            if kind in kinds:
                return kinds[kind](row, where)
        gives = " or ".join(f"{WORDS[kind]}, for {LEARNT_BY[kind]}" for kind in kinds)
        needs = " or ".join(WORDS[kind] for kind in wanted)
        raise Unusable("wrong_kind", f"a row of '{found}' gives {gives}; {needs} are needed")
    except Unusable as error:
        return Refused(where, error.reason, error.detail)


def recognise(row: Row) -> Format:
    """The format that a row's columns show; raises Unusable where they show none."""
    if "chosen" in row and "rejected" in row:
        return "preference"
    if "response_1" in row and "response_2" in row:
        return "helpsteer2_preference"
    if "messages" in row or "conversations" in row:
        return "rated_messages" if _is_rated(row) else "messages"
    if "prompt" in row and "response" in row:
        return "helpsteer2"
    if isinstance(row.get("text"), str):
        return "nemotron_text" if TURN in row["text"] else "text"
    raise Unusable(
        "unknown_format",
        f"columns {', '.join(row) or 'none'} are no known format ({', '.join(FORMATS)}); "
        "name them with `columns`, for instance {prompt: question, response: reply}",
    )


def _rated(row: Row, where: str) -> list[Example]:
    response = text_of(row, "response", "empty_response")
    return [Rated(prompt_of_row(row), response, labels_of(row), where)]


def _conversation(row: Row, where: str) -> list[Example]:
    field = _turns_field(row)
    if field not in row:
        response = text_of(row, "response", "empty_response")
        return [Conversation((*prompt_of_row(row), Message("assistant", response)), where)]
    turns = with_system(row, messages_of(row[field], field))
    return [Conversation(answered(turns, field), where)]


def _rated_turns(row: Row, where: str) -> list[Example]:
    """One example for each turn with labels; labels of the row itself are its last turn's."""
    field = _turns_field(row)
    if not isinstance(given := row.get(field), list):
        raise Unusable("bad_turns", f"'{field}' is not a list of messages")
    turns = with_system(row, messages_of(given, field))
    if any(row.get(name) is not None for name in ATTRIBUTES):
        prompt, last = _before(answered(turns, field), field)
        return [Rated(prompt, last.content, labels_of(row), where)]
    found: list[Example] = []
    for number, turn in enumerate(given, 1):
        if not _has_labels(turn):
            continue
        if isinstance(turn.get("attributes"), dict):
            labels = labels_of(turn["attributes"])
        else:
            labels = listed_labels(turn["label"])
        before = with_system(row, messages_of(given[:number], field))
        prompt, last = _before(answered(before, f"{field}[:{number}]"), field)
        found.append(Rated(prompt, last.content, labels, where))
    if not found:
        raise Unusable("no_label", f"no turn of '{field}' has 'attributes' or 'label'")
    return found


def _turns_field(row: Row) -> str:
    return "conversations" if "conversations" in row and "messages" not in row else "messages"


def _before(turns: tuple[Message, ...], field: str) -> tuple[tuple[Message, ...], Message]:
    if all(turn.role != "user" for turn in turns):
        raise Unusable("bad_turns", f"in '{field}' no turn of the user's is before the response")
    return turns[:-1], turns[-1]


def _is_rated(row: Row) -> bool:
    turns = row.get(_turns_field(row))
    return any(row.get(name) is not None for name in ATTRIBUTES) or (
        isinstance(turns, list) and any(_has_labels(turn) for turn in turns)
    )


def _has_labels(turn: Any) -> bool:
    return isinstance(turn, dict) and bool(turn.get("attributes") or turn.get("label"))


def _nemotron_rated(row: Row, where: str) -> list[Example]:
    if row.get("label") is None:
        raise Unusable("no_label", "no 'label' beside 'text'")
    turns = answered(nemotron_turns(text_of(row, "text", "empty_text")), "text")
    prompt, last = _before(turns, "text")
    return [Rated(prompt, last.content, listed_labels(row["label"]), where)]


def _nemotron_conversation(row: Row, where: str) -> list[Example]:
    turns = nemotron_turns(text_of(row, "text", "empty_text"))
    return [Conversation(answered(turns, "text"), where)]


def _document(row: Row, where: str) -> list[Example]:
    return [Document(text_of(row, "text", "empty_text"), where)]


def _pair(row: Row, where: str) -> list[Example]:
    return [pair(row, where)]


def _numbered_pair(row: Row, where: str) -> list[Example]:
    return [numbered_pair(row, where)]


GIVES: dict[Format, dict[type, Callable[[Row, str], list[Example]]]] = {
    "helpsteer2": {Rated: _rated, Conversation: _conversation},
    "helpsteer2_preference": {Compared: _numbered_pair},
    "preference": {Compared: _pair},
    "messages": {Conversation: _conversation},
    "rated_messages": {Rated: _rated_turns, Conversation: _conversation},
    "nemotron_text": {
        Rated: _nemotron_rated,
        Conversation: _nemotron_conversation,
        Document: _document,
    },
    "text": {Document: _document},
}
"""What each format can give, and how."""
