"""What a row of a battles file may say, under whichever name the field's files have for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time
from itertools import islice
from typing import Any

from gristmill.arena.battles import OUTCOMES, Battle
from gristmill.intake.turns import Unusable, messages_of
from gristmill.page.text import one_line
from gristmill.records import Message
from gristmill.storage import digest

SIDES = ("model_a", "model_b", "winner")
"""What every battle must have."""
ALIASES = {
    "id": ("id", "question_id"),
    "prompt": ("prompt",),
    "judge": ("judge",),
    "time": ("time", "tstamp", "timestamp"),
    "turns": ("turns", "turn"),
    "language": ("language",),
    "categories": ("categories",),
}
"""The rest, each by the names that it goes by; the first that a file has is taken."""
TEXTS = ("conversation_a", "conversation_b")
SPELLINGS = {
    **{name: name for name in OUTCOMES},
    "tie (bothbad)": "both_bad",
    "bothbad": "both_bad",
}
"""What `winner` may say. LMSYS's files write both_bad in two more ways."""
MISSING = frozenset(("", "nan", "none", "null"))
"""Names that are no model's: what programs write where they know none."""
MILLISECONDS = 1e11
"""Numbers from here on are no seconds: as such they would lie beyond the year 5000."""


def battle_of(row: Mapping[str, Any]) -> Battle:
    """The battle of a row. Raises Unusable, which says which field is wrong."""
    model_a, model_b = model_of(row, "model_a"), model_of(row, "model_b")
    if model_a == model_b:
        raise Unusable("same_model", against_itself(model_a))
    conversation_a, conversation_b = (_conversation(row, name) for name in TEXTS)
    turns = turns_of(found(row, "turns"))
    if turns is None:
        turns = sum(m.role == "user" for m in conversation_a) or 1
    prompt = prompt_of(found(row, "prompt"))
    if not prompt:
        prompt = next((m.content for m in conversation_a if m.role == "user"), "")
    given = text_of(found(row, "id"), "id")
    said = [[m.role, m.content] for side in (conversation_a, conversation_b) for m in side]
    return Battle(
        id=given or (digest([prompt, said]) if said else ""),
        model_a=model_a,
        model_b=model_b,
        winner=winner_of(row.get("winner")),
        prompt=prompt,
        conversation_a=conversation_a,
        conversation_b=conversation_b,
        judge=text_of(found(row, "judge"), "judge") or "",
        time=time_of(found(row, "time")),
        turns=turns,
        language=text_of(found(row, "language"), "language"),
        categories=categories_of(found(row, "categories")),
    )


def found(row: Mapping[str, Any], name: str) -> Any:
    """What the row has under one of the names of a field; None where it has none."""
    return next((v for alias in ALIASES[name] if (v := row.get(alias)) is not None), None)


def model_of(row: Mapping[str, Any], side: str) -> str:
    """The name of one side's model."""
    name = row.get(side)
    if not isinstance(name, str) or name.strip().casefold() in MISSING:
        missing = f" (columns: {listed(row)})" if side not in row else ""
        raise Unusable("no_model", f"'{side}' is {name!r:.60}, which names no model{missing}")
    return name


def against_itself(model: str) -> str:
    """What is wrong with a battle of one model."""
    return f"'{one_line(model, 60)}' fights against itself"


def listed(columns: Iterable[Any]) -> str:
    """The names of columns for an error: in one line, and not all of very many."""
    return one_line(", ".join(map(str, islice(columns, 20))), 300)


def winner_of(said: Any) -> str:
    """The outcome, as one of `OUTCOMES`. Raises Unusable: what is unknown is never a tie."""
    outcome = SPELLINGS.get(said) if isinstance(said, str) else None
    if outcome is None:
        known = ", ".join(OUTCOMES)
        raise Unusable("unknown_winner", f"'winner' is {said!r:.60}, not one of {known}")
    return outcome


def text_of(value: Any, name: str) -> str | None:
    """A name given as text or number; None for none. name: of the column, for the error."""
    if value is None or value == "":
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # What pandas makes of whole numbers where some are missing.
    if isinstance(value, bool | float) or not isinstance(value, str | int):
        raise Unusable("bad_name", f"'{name}' is {value!r:.60}; give a text or a whole number")
    return str(value)


def turns_of(value: Any) -> int | None:
    """A number of turns, 1 or more; None where the row does not say."""
    if value is None or value == "":
        return None
    try:
        turns = float(value)
    except (TypeError, ValueError):
        turns = math.nan
    if isinstance(value, bool) or not 1 <= turns < 2**31 or turns != int(turns):
        raise Unusable("bad_turns", f"'turns' is {value!r:.40}, not a whole number from 1 on")
    return int(turns)


def time_of(value: Any) -> float | None:
    """Seconds since 1970 from seconds, milliseconds, a date or an ISO 8601 text (UTC if it does
    not say); None where the row has none."""
    if value is None or value == "":
        return None
    seconds = math.nan if isinstance(value, bool) else _seconds(value)
    if not math.isfinite(seconds):
        raise Unusable("bad_time", f"'time' is {value!r:.40}: give seconds since 1970 or a date")
    return seconds


def _seconds(value: Any) -> float:
    # A number first: 1712121512345 can be read as a date of the year 1712.
    with suppress(TypeError, ValueError, OverflowError):
        seconds = float(value)
        return seconds / 1000 if seconds >= MILLISECONDS else seconds
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        return math.nan
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()


def categories_of(value: Any) -> tuple[str, ...]:
    """The categories: a list, or one text with commas or semicolons between."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = [part.strip() for part in value.replace(";", ",").split(",")]
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
        raise Unusable("bad_categories", f"'categories' is {value!r:.60}, not a list of names")
    return tuple(dict.fromkeys(v for v in value if v))


def _conversation(row: Mapping[str, Any], name: str) -> tuple[Message, ...]:
    given = row.get(name)
    return () if given is None or given == [] else messages_of(given, name)


def prompt_of(given: Any) -> str:
    """The user's first turn, or a name for it; empty where there is none."""
    if isinstance(given, list):
        turns = messages_of(given, "prompt")
        return next((m.content for m in turns if m.role == "user"), "")
    return text_of(given, "prompt") or ""
