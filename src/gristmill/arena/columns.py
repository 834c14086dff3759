"""Several lots of battles as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from gristmill.arena.battles import UNNAMED, Battles, Names


def joined(parts: Sequence[Battles]) -> Battles:
    """One lot of battles out of several. What only some of them have is kept, and unknown in the
    others; a covariate has to be in all."""
    if len(parts) == 1:
        return parts[0]
    models = sorted({name for part in parts for name in part.models})
    place = {name: i for i, name in enumerate(models)}
    maps = [np.array([place[n] for n in p.models], dtype=np.int32) for p in parts]

    def column(get: Any, default: float, kind: Any) -> np.ndarray | None:
        given = [get(part) for part in parts]
        if all(g is None for g in given):
            return None
        filled = (
            np.full(len(part), default, dtype=kind) if g is None else g
            for g, part in zip(given, parts, strict=True)
        )
        return np.concatenate(list(filled))

    tags = sorted({tag for part in parts for tag in part.tags})
    shared = [name for name in parts[0].covariates if all(name in p.covariates for p in parts)]
    return Battles(
        models=models,
        a=np.concatenate([m[p.a] for m, p in zip(maps, parts, strict=True)]),
        b=np.concatenate([m[p.b] for m, p in zip(maps, parts, strict=True)]),
        outcome=np.concatenate([p.outcome for p in parts]),
        names=_joined_names(parts),
        time=column(lambda p: p.time, np.nan, np.float64),
        turns=column(lambda p: p.turns, 1, np.int32),
        tags={t: column(lambda p, t=t: p.tags.get(t), False, bool) for t in tags},  # type: ignore[misc]
        covariates={n: np.concatenate([p.covariates[n] for p in parts]) for n in shared},
        notes=tuple(note for p in parts for note in p.notes),
        unused=sum((Counter(p.unused) for p in parts), Counter()),
        # A copy of a file holds what the file holds.
        withdrawn=tuple(dict.fromkeys(each for p in parts for each in p.withdrawn)),
    )


def _joined_names(parts: Sequence[Battles]) -> dict[str, Names]:
    found = {}
    for key in sorted({key for part in parts for key in part.names}):
        place: dict[str, int] = {}
        codes = []
        for part in parts:
            given = part.names.get(key)
            if given is None:
                codes.append(np.full(len(part), UNNAMED, dtype=np.int32))
                continue
            seats = [place.setdefault(name, len(place)) for name in given.names]
            codes.append(np.array([*seats, UNNAMED], dtype=np.int32)[given.codes])
        found[key] = Names(np.concatenate(codes), list(place))
    return found
