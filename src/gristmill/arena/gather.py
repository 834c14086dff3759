"""Columns gathered from records, one at a time: a record's texts are looked at and let go."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gristmill.arena.battles import UNNAMED, Battle, Battles, Names
from gristmill.arena.fields import Wanted
from gristmill.arena.style import FEATURES, excess
from gristmill.arena.tags import derive
from gristmill.errors import DataError
from gristmill.intake.cells import Unusable, number_of
from gristmill.intake.outcomes import OUTCOMES

NAMED = ("id", "prompt", "judge", "language")
_OUTCOME = {name: place for place, name in enumerate(OUTCOMES)}


def gathered(
    place: str, wanted: Wanted, records: Iterable[tuple[Battle, Mapping[str, Any]]]
) -> Battles:
    """The columns of battles and their rows. place: of the rows, for errors."""
    columns = _Columns(place, wanted)
    for battle, row in records:
        columns.add(battle, row)
    return columns.battles()


class _Columns:
    """The columns so far."""

    def __init__(self, place: str, wanted: Wanted) -> None:
        self._place = place
        self._wanted = wanted.kinds
        self._models: dict[str, int] = {}
        self._a, self._b, self._outcome = array("i"), array("i"), array("b")
        self._names = {key: (array("i"), {}) for key in NAMED if key in self._wanted}
        self._time, self._turns = array("d"), array("i")
        self._tags: dict[str, list[int]] = {}
        self._given = {name: array("d") for name in wanted.covariates}
        self._style = {name: array("d") for name in FEATURES} if "style" in self._wanted else {}
        self._with_text = False

    def add(self, battle: Battle, row: Mapping[str, Any]) -> None:
        """Take one battle; `row` holds its covariates."""
        number = len(self._a)
        self._a.append(self._models.setdefault(battle.model_a, len(self._models)))
        self._b.append(self._models.setdefault(battle.model_b, len(self._models)))
        self._outcome.append(_OUTCOME[battle.winner])
        for key, (codes, place) in self._names.items():
            value = getattr(battle, key)
            codes.append(place.setdefault(value, len(place)) if value else UNNAMED)
        self._time.append(np.nan if battle.time is None else battle.time)
        self._turns.append(battle.turns)
        if "tags" in self._wanted:
            for tag in dict.fromkeys((*battle.categories, *derive(battle))):
                self._tags.setdefault(tag, []).append(number)
        for name, values in self._given.items():
            values.append(self._covariate(row, name, number))
        if self._style:
            found = excess(battle.conversation_a, battle.conversation_b)
            self._with_text |= found is not None
            for name, value in zip(FEATURES, found or (0.0,) * len(FEATURES), strict=True):
                self._style[name].append(value)

    def _covariate(self, row: Mapping[str, Any], name: str, number: int) -> float:
        try:
            value = number_of(row.get(name), name, "bad_covariate")
        except Unusable as error:
            raise DataError(f"{self._place}: row {number + 1}: {error.detail}") from None
        if value is None:
            raise DataError(f"{self._place}: row {number + 1}: no number in '{name}'")
        return value

    def battles(self) -> Battles:
        """The columns."""
        size = len(self._a)
        models = sorted(self._models)
        place = np.empty(len(models), dtype=np.int32)
        place[[self._models[name] for name in models]] = np.arange(len(models), dtype=np.int32)
        time = np.frombuffer(self._time, dtype=np.float64)
        # What no answer is known of has no part in style, unless that is all there is.
        style = self._style if self._with_text else {}
        return Battles(
            models=models,
            a=place[np.frombuffer(self._a, dtype=np.int32)],
            b=place[np.frombuffer(self._b, dtype=np.int32)],
            outcome=np.frombuffer(self._outcome, dtype=np.int8),
            names={
                key: Names(np.frombuffer(codes, dtype=np.int32), list(known))
                for key, (codes, known) in self._names.items()
                if known
            },
            time=None if "time" not in self._wanted or np.isnan(time).all() else time,
            turns=np.frombuffer(self._turns, dtype=np.int32) if "turns" in self._wanted else None,
            tags={name: _rows(rows, size) for name, rows in sorted(self._tags.items())},
            covariates={
                name: np.frombuffer(values, dtype=np.float64)
                for name, values in {**style, **self._given}.items()
            },
        )


def _rows(places: list[int], size: int) -> np.ndarray:
    found = np.zeros(size, dtype=bool)
    found[places] = True
    return found
