"""What a row of a battles file may say, under whichever name the field's files have for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from gristmill.arena.battles import OUTCOMES, Battle
from gristmill.intake.turns import Unusable, messages_of
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
_MILLISECONDS = 1e11
"""Numbers from here on are no seconds: as such they would lie beyond the year 5000."""


def battle_of(row: Mapping[str, Any]) -> Battle:
    """The battle of a row. Raises Unusable, which says which field is wrong."""
    model_a, model_b = model_of(row, "model_a"), model_of(row, "model_b")
    if model_a == model_b:
        raise Unusable("same_model", f"'{model_a}' fights against itself")
    conversation_a, conversation_b = (_conversation(row, name) for name in TEXTS)
    turns = turns_of(found(row, "turns"))
    if turns is None:
        turns = sum(m.role == "user" for m in conversation_a) or 1
    prompt = _prompt(found(row, "prompt"))
    if not prompt:
        prompt = next((m.content for m in conversation_a if m.role == "user"), "")
    given = text_of(found(row, "id"))
    said = [[m.role, m.content] for side in (conversation_a, conversation_b) for m in side]
    return Battle(
        id=given or (digest([prompt, said]) if said else ""),
        model_a=model_a,
        model_b=model_b,
        winner=winner_of(row.get("winner")),
        prompt=prompt,
        conversation_a=conversation_a,
        conversation_b=conversation_b,
        judge=text_of(found(row, "judge")) or "",
        time=time_of(found(row, "time")),
        turns=turns,
        language=text_of(found(row, "language")),
        categories=categories_of(found(row, "categories")),
    )


def found(row: Mapping[str, Any], name: str) -> Any:
    """What the row has under one of the names of a field; None where it has none."""
    return next((v for alias in ALIASES[name] if (v := row.get(alias)) is not None), None)


def model_of(row: Mapping[str, Any], side: str) -> str:
    """The name of one side's model."""
    name = row.get(side)
    if not isinstance(name, str) or name.strip().casefold() in MISSING:
        missing = f" (columns: {', '.join(map(str, row))})" if side not in row else ""
        raise Unusable("no_model", f"'{side}' names no model{missing}")
    return name


def winner_of(said: Any) -> str:
    """The outcome, as one of `OUTCOMES`. Raises Unusable: what is unknown is never a tie."""
    outcome = SPELLINGS.get(said) if isinstance(said, str) else None
    if outcome is None:
        known = ", ".join(OUTCOMES)
        raise Unusable("unknown_winner", f"'winner' is {said!r:.60}, not one of {known}")
    return outcome


def text_of(value: Any) -> str | None:
    """A name given as text or number; None for none."""
    if value is None or value == "":
        return None
    if isinstance(value, bool | float) or not isinstance(value, str | int):
        raise Unusable("bad_name", f"{value!r:.60} is no name; give a text or a whole number")
    return str(value)


def turns_of(value: Any) -> int | None:
    """A number of turns, 1 or more; None where the row does not say."""
    if value is None or value == "":
        return None
    try:
        turns = float(value)
    except (TypeError, ValueError):
        turns = math.nan
    if isinstance(value, bool) or not turns >= 1 or turns != int(turns):
        raise Unusable("bad_turns", f"'turns' is {value!r:.40}, not a whole number from 1 on")
    return int(turns)


def time_of(value: Any) -> float | None:
    """Seconds since 1970 from seconds, milliseconds, a date or an ISO 8601 text (UTC if it does
    not say); None where the row has none."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        zoned = value if value.tzinfo else value.replace(tzinfo=UTC)
        return zoned.timestamp()
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise Unusable("bad_time", f"'time' is {value!r:.40}: give seconds since 1970 or a date")
    return seconds / 1000 if seconds >= _MILLISECONDS else seconds


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


def _prompt(given: Any) -> str:
    if isinstance(given, list):
        turns = messages_of(given, "prompt")
        return next((m.content for m in turns if m.role == "user"), "")
    return text_of(given) or ""
