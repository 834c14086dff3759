"""Each vote once, however often it stands in the files: exports of an arena often hold the last
one's votes too.

A vote is known by two of `id`, `judge` and `time`, for any one of them alone may be shared: an id
by all who judge a pair, a time of whole seconds or days by many. Two votes are one where they
agree in all that is given of the three, and in models and winner.

Within one file that takes an id and a named judge. Votes of unnamed judges that look the same
there may be several people's, so that all are kept; of another file's only those that exceed them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gristmill.arena.battles import UNNAMED, Battles
from gristmill.page.text import plural

KNOWN_BY = frozenset(("id", "judge", "time"))


def once(battles: Battles, sizes: Sequence[int]) -> Battles:
    """The battles without those that are there twice, which are counted in a note. sizes: of the
    files, whose rows follow each other."""
    size = len(battles)
    none = np.full(size, UNNAMED, dtype=np.int32)
    ids, judges = (
        battles.names[key].codes if key in battles.names else none for key in ("id", "judge")
    )
    times = np.full(size, np.nan) if battles.time is None else battles.time
    known = (ids >= 0).astype(np.int8) + (judges >= 0) + ~np.isnan(times)
    signed = (ids >= 0) & (judges >= 0)
    rows = np.flatnonzero(_shared(ids, times) & (known >= 2 if len(sizes) > 1 else signed))
    file = np.repeat(np.arange(len(sizes)), sizes)
    notes = list(battles.notes)
    if len(sizes) > 1 and len(np.unique(file[known < 2])) > 1:
        notes.append(
            f"{plural(int((known < 2).sum()), 'vote')} have fewer than two of id, judge and time: "
            "whether one of them stands in two files cannot be told, and all are counted."
        )
    if len(rows):
        says = (battles.a.astype(np.int64) * len(battles.models) + battles.b) * 4 + battles.outcome
        again = _again(
            [np.where(np.isnan(times), -np.inf, times), says, judges, ids], signed, file, rows
        )
        if again.any():
            notes.append(
                f"{plural(int(again.sum()), 'vote')} stood there before (the same id, judge and "
                "time, as far as given, models and winner) and are counted once."
            )
            battles = battles.take(~again)
    return replace(battles, notes=tuple(notes))


def _shared(ids: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Votes whose id another one has too, or, without an id, the time: few, in most files."""
    found = np.zeros(len(ids), dtype=bool)
    named = ids >= 0
    found[named] = np.bincount(ids[named], minlength=1)[ids[named]] > 1
    timed = np.flatnonzero(~named & ~np.isnan(times))
    _, place, count = np.unique(times[timed], return_inverse=True, return_counts=True)
    found[timed] = count[place] > 1
    return found


def _again(
    keys: Sequence[np.ndarray], signed: np.ndarray, file: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Which votes stood there before. rows: that may be equal in all keys."""
    order = rows[np.lexsort([rows, *(key[rows] for key in keys)])]
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    vote = np.cumsum(fresh) - 1
    # Of an unsigned vote that a file has three times, the second file's third is the third again.
    starts = fresh.copy()
    starts[1:] |= file[order][1:] != file[order][:-1]
    first = np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
    copy = np.where(signed[order], 0, np.arange(len(order)) - first)
    _, kept = np.unique(vote * (len(order) + 1) + copy, return_index=True)
    found = np.zeros(len(file), dtype=bool)
    found[order] = True
    found[order[kept]] = False
    return found
