"""Votes on two answers, in the forms that arenas publish them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

from gristmill.foreign import read_json
from gristmill.intake.cells import Row, Unusable, name_of
from gristmill.intake.fastchat import vote_of
from gristmill.intake.outcomes import OUTCOMES, RESPONSES, TEXTS, winner_in
from gristmill.intake.pairs import two
from gristmill.intake.record import Answer, Content, whatever_answers
from gristmill.intake.turns import Turns, answered, checked, messages_of
from gristmill.page.text import plural
from gristmill.records import Message


def conversations_in(row: Mapping[str, Any]) -> tuple[Turns, Turns]:
    """What was said with A and with B; empty where the row does not have it."""
    if any(name in row for name in TEXTS):
        return tuple(_conversation(row.get(name), name) for name in TEXTS)  # type: ignore[return-value]
    if not all(name in row for name in (*RESPONSES, "prompt")):
        return (), ()
    asked = _texts(row["prompt"], "prompt")
    first, second = (_woven(asked, _texts(row[name], name), name) for name in RESPONSES)
    return first, second


def first_asked(given: Any) -> str:
    """The user's first turn in a vote's `prompt`: a text, a list of texts or messages, or its JSON;
    or a name for it. Empty where there is none. Raises Unusable."""
    given = _loaded(given)
    if isinstance(given, list) and not isinstance(given[0] if given else "", str | None):
        return next((m.content for m in messages_of(given, "prompt") if m.role == "user"), "")
    if isinstance(given, list):
        return next(iter(_texts(given, "prompt")), "")
    return name_of(given, "prompt") or ""


def vote(row: Row) -> Content:
    """A vote as a pair; refused where neither won."""
    a, b = conversations_in(row)
    if not a or not b:
        raise Unusable("missing_field", "no 'conversation_a' and 'conversation_b': a vote alone")
    a, b = answered(a, "conversation_a"), answered(b, "conversation_b")
    if a[:-1] != b[:-1]:
        raise Unusable("no_common_prompt", "the conversations differ before the last answers")
    return whatever_answers(a[:-1], lambda: _pair(row, a, b))


def _pair(row: Row, a: Turns, b: Turns) -> Content:
    outcome = winner_in(row)
    if outcome not in OUTCOMES[:2]:
        raise Unusable("no_preference", f"'winner' is {outcome}: neither is better")
    better, worse = (a, b) if outcome == "model_a" else (b, a)
    return two(a[:-1], Answer(better[-1:]), Answer(worse[-1:]))


def logged(row: Row) -> Content:
    """A vote of FastChat's log as a pair."""
    return vote(vote_of(row))


def _conversation(given: Any, name: str) -> Turns:
    return () if given is None or given == [] else messages_of(given, name)


def _loaded(given: Any) -> Any:
    """A list that a cell holds as JSON, else what it holds: a text may begin with a bracket."""
    if isinstance(given, str) and given.lstrip()[:1] == "[":
        with suppress(orjson.JSONDecodeError):
            listed = read_json(given)
            if all(isinstance(one, str | dict | None) for one in listed):
                return listed
    return given


def _texts(given: Any, name: str) -> list[str]:
    """The 55k set's columns: a text, or the JSON of a list of texts, one a turn."""
    given = _loaded(given)
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list):
        raise Unusable("bad_turns", f"'{name}' is not a text, nor a list of them")
    return [text if isinstance(text, str) else "" for text in given]


def _woven(asked: list[str], said: list[str], name: str) -> Turns:
    if len(asked) != len(said):
        raise Unusable(
            "bad_turns", f"'{name}' has {plural(len(said), 'turn')}, 'prompt' has {len(asked)}"
        )
    found: list[Message] = []
    for question, reply in zip(asked, said, strict=True):
        found += [Message("user", question), Message("assistant", reply)]
    return checked(found, name)
