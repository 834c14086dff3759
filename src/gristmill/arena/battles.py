"""One battle, and many of them as columns.

A `Battle` is what a person or a judge decided about one pair of answers: it is what the web page
and the judges append, and a line of a file. Ratings are made of hundreds of thousands of them, so
they are read into `Battles`, a few arrays of numbers and names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gristmill.intake.outcomes import OUTCOMES
from gristmill.records import Message, as_dicts

A, B, TIE, BOTH_BAD = range(4)
"""Places in `OUTCOMES`."""

MODEL_JUDGE = "model:"
"""What the name of a judge begins with that is a model, as `arena battle` writes it."""

UNNAMED = -1
"""The code of a value that a row does not give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Battle:
    """One vote on one pair of answers.

    id: of the pair shown (prompt and both answers); several judges may share it.
    winner: one of `OUTCOMES`.
    prompt: the user's first turn, or a name for it.
    conversation_a, conversation_b: what was said with each, from the user's first turn to the
    last answer; empty where it is not known.
    judge: who decided; one that is a model begins with `MODEL_JUDGE`.
    time: seconds since 1970, UTC. turns: of the user. language: as in `en`.
    """

    id: str
    model_a: str
    model_b: str
    winner: str
    prompt: str = ""
    conversation_a: tuple[Message, ...] = ()
    conversation_b: tuple[Message, ...] = ()
    judge: str = ""
    time: float | None = None
    turns: int = 1
    language: str | None = None
    categories: tuple[str, ...] = ()

    def as_row(self) -> dict[str, Any]:
        """The battle as a line of a battles file; what it does not know is left out."""
        row = {
            "id": self.id,
            "prompt": self.prompt,
            "model_a": self.model_a,
            "model_b": self.model_b,
            "winner": self.winner,
            "judge": self.judge,
            "time": self.time,
            "turns": self.turns,
            "language": self.language,
            "categories": list(self.categories),
            "conversation_a": as_dicts(self.conversation_a),
            "conversation_b": as_dicts(self.conversation_b),
        }
        return {name: value for name, value in row.items() if value not in (None, "", [])}


@dataclass(frozen=True, slots=True)
class Names:
    """A column of names: `codes[i]` is the place in `names` of row i's, or `UNNAMED`."""

    codes: np.ndarray
    names: list[str]


@dataclass(frozen=True, slots=True)
class Battles:
    """Many battles. a, b: int32, places in `models` (sorted); outcome: int8, a place in `OUTCOMES`.

    names: of `judge`, `prompt`, `id` and `language`, those that the source has.
    time: float64 seconds, NaN where a row has none; None where no row has one.
    turns: int32 turns of the user; None where no row says. tags: for each category a row's bool.
    covariates: by name, float64: by how much A exceeds B in something that is not its quality.
    notes: what a reader of the ratings should know about how the rows were read.
    unused: how many rows have a column that nothing obeys, by its name.
    withdrawn: votes that were taken back, which are none of the rows.
    """

    models: list[str]
    a: np.ndarray
    b: np.ndarray
    outcome: np.ndarray
    names: dict[str, Names] = field(default_factory=dict)
    time: np.ndarray | None = None
    turns: np.ndarray | None = None
    tags: dict[str, np.ndarray] = field(default_factory=dict)
    covariates: dict[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unused: Mapping[str, int] = field(default_factory=dict)
    withdrawn: tuple[Battle, ...] = ()

    def __len__(self) -> int:
        return len(self.a)

    def take(self, rows: np.ndarray) -> Battles:
        """The battles of some rows: places in the order wanted, or a bool for each row.

        Models keep their places, also those that are left without a battle.
        """
        return replace(
            self,
            a=self.a[rows],
            b=self.b[rows],
            outcome=self.outcome[rows],
            names={k: Names(n.codes[rows], n.names) for k, n in self.names.items()},
            time=None if self.time is None else self.time[rows],
            turns=None if self.turns is None else self.turns[rows],
            tags={k: v[rows] for k, v in self.tags.items()},
            covariates={k: v[rows] for k, v in self.covariates.items()},
        )

    def in_time(self) -> Battles:
        """The battles from the earliest to the latest; those of one time, or of none, stay in
        the order of the source."""
        if self.time is None:
            return self
        return self.take(np.argsort(self.time, kind="stable"))

    @staticmethod
    def of(battles: Iterable[Battle]) -> Battles:
        """Columns of records. Texts stay behind: what is made of them is in `tags`."""
        rows = list(battles)
        models = sorted({m for row in rows for m in (row.model_a, row.model_b)})
        place = {name: i for i, name in enumerate(models)}
        outcome = {name: i for i, name in enumerate(OUTCOMES)}
        times = np.array([np.nan if r.time is None else r.time for r in rows], dtype=np.float64)
        kinds = sorted({c for row in rows for c in row.categories})
        return Battles(
            models=models,
            a=np.array([place[r.model_a] for r in rows], dtype=np.int32),
            b=np.array([place[r.model_b] for r in rows], dtype=np.int32),
            outcome=np.array([outcome[r.winner] for r in rows], dtype=np.int8),
            names={
                key: names_of([getattr(r, key) or None for r in rows])
                for key in ("id", "prompt", "judge", "language")
                if any(getattr(r, key) for r in rows)
            },
            time=None if np.isnan(times).all() else times,
            turns=np.array([r.turns for r in rows], dtype=np.int32),
            tags={k: np.array([k in r.categories for r in rows], dtype=bool) for k in kinds},
        )


def names_of(values: Sequence[str | None]) -> Names:
    """A column of names, numbered in the order in which they first appear."""
    place: dict[str, int] = {}
    codes = [UNNAMED if v is None else place.setdefault(v, len(place)) for v in values]
    return Names(np.array(codes, dtype=np.int32), list(place))
