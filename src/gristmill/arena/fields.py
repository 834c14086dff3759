"""What a row of a battles file may say beside its texts, under whichever name it goes by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from itertools import islice
from typing import Any

import orjson

from gristmill.foreign import read_json
from gristmill.intake.cells import Unusable, number_of, switch_of
from gristmill.intake.outcomes import RESPONSES, TEXTS, WINNERS
from gristmill.page.text import one_line

SIDES = ("model_a", "model_b")
ALIASES = {
    "id": ("id", "question_id"),
    "prompt": ("prompt",),
    "judge": ("judge", "judge_hash"),
    "time": ("time", "tstamp", "timestamp"),
    "turns": ("turns", "turn"),
    "language": ("language",),
}
"""Facts of a battle, each by the names that it goes by; the first that a row has is taken."""
MISSING = frozenset(("", "nan", "none", "null"))
"""Names that are no model's: what programs write where they know none."""
MILLISECONDS = 1e11
"""Numbers from here on are no seconds: as such they would lie beyond the year 5000."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be read. kinds, covariates: as in `read.read`. columns: the file's names for ours,
    dots leading into nested ones."""

    kinds: frozenset[str] = frozenset()
    covariates: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def used(self) -> frozenset[str]:
        """Columns that are obeyed, now or by other settings."""
        mapped = (path.partition(".")[0] for path in self.columns.values())
        return frozenset((*NAMES, *self.covariates, *mapped, "criteria"))


def found(row: Mapping[str, Any], name: str) -> Any:
    """What the row has under one of the names of a fact; None where it has none."""
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


def turns_of(value: Any) -> int | None:
    """A number of turns, 1 or more; None where the row does not say."""
    turns = number_of(value, "turns", "bad_turns")
    if turns is not None and (not 1 <= turns < 2**31 or turns != int(turns)):
        raise Unusable("bad_turns", f"'turns' is {value!r:.40}, not a whole number from 1 on")
    return None if turns is None else int(turns)


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


def _categories(value: Any) -> tuple[str, ...]:
    """A list of names, or one text with commas or semicolons between."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = [part.strip() for part in value.replace(";", ",").split(",")]
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
        raise Unusable("bad_categories", f"'categories' is {value!r:.60}, not a list of names")
    return tuple(dict.fromkeys(v for v in value if v))


def _code(value: Any) -> tuple[str, ...]:
    return ("coding",) if value not in (None, "") and switch_of(value, "is_code") else ()


def _tagged(value: Any, name: str) -> tuple[str, ...]:
    """LMArena's annotations, nested by the version of who made them: what holds, and whether it is
    enough to be a hard prompt."""
    from gristmill.arena.tags.hard_prompt import hard_prompt

    true: set[str] = set()
    groups = [_mapping(value, name)]
    for group in groups:
        groups += [inner for inner in group.values() if isinstance(inner, Mapping)]
        true |= {key for key, holds in group.items() if holds is True}
    boards = {"math": "math", "creative_writing": "creative_writing", "if": "instruction_following"}
    hard = ("hard_prompt",) if hard_prompt(true) else ()
    return (*(board for key, board in boards.items() if key in true), *hard)


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    """Names and what they say: an object, or the text that one becomes in a table."""
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        text = value.replace("'", '"').replace("True", "true").replace("False", "false")
        with suppress(orjson.JSONDecodeError):
            value = read_json(text.replace("None", "null"))
    if not isinstance(value, Mapping):
        raise Unusable("bad_field", f"'{name}' is {value!r:.60}, not names with true or false")
    return value


CATEGORIES: dict[str, Callable[[Any], tuple[str, ...]]] = {
    "categories": _categories,
    "is_code": _code,
    "category_tag": lambda value: _tagged(value, "category_tag"),
    "criteria_tag": lambda value: _tagged(value, "criteria_tag"),
}
"""Columns that say which boards a battle is on, ours and LMArena's."""


def _hidden(value: Any) -> bool:
    return value is None or value == "" or switch_of(value, "anony")


def _sampled(value: Any) -> bool:
    # Of a table, only what is asked for was read.
    said = value if isinstance(value, bool) else _mapping(value, "dedup_tag").get("sampled")
    return said is None or switch_of(said, "dedup_tag")


COUNTS: dict[str, Callable[[Any], bool]] = {"anony": _hidden, "dedup_tag": _sampled}
"""Columns that say whether a vote enters a leaderboard, as LMArena's own do."""
LEFT_OUT = {
    "no_vote": "no votes on a pair",
    "anony": "the models' names were known to the voter (`anony`)",
    "dedup_tag": "prompts that were asked too often, beyond the sample of them (`dedup_tag`)",
}
"""Why a row has no part in ratings."""

NAMES = (
    *SIDES, *WINNERS, *(name for names in ALIASES.values() for name in names),
    *CATEGORIES, *COUNTS, *TEXTS, *RESPONSES,
)  # fmt: skip
"""Every column of a battle that is known."""


def left_out(row: Mapping[str, Any]) -> str | None:
    """The column by which a row has no part in ratings, if there is one. Raises Unusable."""
    return next((name for name, counts in COUNTS.items() if not counts(row.get(name))), None)
