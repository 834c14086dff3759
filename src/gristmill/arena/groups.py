"""Who can be compared with whom, and who has no finite rating.

Ratings of models that no chain of battles joins mean nothing beside each other. And where models
fall into two sets of which one never lost a point to the other, the likelihood grows for ever as
they move apart: there is a finite maximum if and only if every model can be reached from every
other by a chain of wins and ties (Ford 1957). A parameter of ties asks for more: see `bounded`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gristmill.arena.battles import TIE, A, B
from gristmill.arena.fit import Cells


@dataclass(frozen=True, slots=True)
class Group:
    """Models joined by battles. models: their places. core: those among them that have finite
    ratings, the largest set that are joined by wins and ties both ways; empty where there is none.

    above: models that beat the core, directly or by others, and never lost to it; below: the
    opposite; apart: what stands in neither relation to it.
    """

    models: np.ndarray
    core: np.ndarray
    above: np.ndarray
    below: np.ndarray
    apart: np.ndarray


def groups_of(cells: Cells) -> list[Group]:
    """The groups, largest first. Models without a battle are in none."""
    size = cells.size
    beat = np.zeros((size, size), dtype=bool)
    first, second = cells.outcome != B, cells.outcome != A
    beat[cells.i[first], cells.j[first]] = True
    beat[cells.j[second], cells.i[second]] = True
    met = beat | beat.T
    left = met.any(axis=1)
    found = []
    while left.any():
        members = _reached(met, int(left.argmax()))
        left &= ~members
        found.append(_group(beat, members, cells))
    return sorted(found, key=lambda group: (-len(group.models), -len(group.core)))


def bounded(cells: Cells) -> bool:
    """Whether a parameter of ties has a maximum together with the strengths of a core.

    It has none where strengths can be given so that every winner is ahead by 1 or more and tied
    models are at most 1 apart: the larger they grow, together with the parameter, the likelier is
    every battle. Then no cycle of battles has more wins than ties. Battles that are all tied, or
    none of them, do not need the parameter.
    """
    tie = cells.outcome == TIE
    if tie.all() or not tie.any():
        return True
    won = cells.outcome == A
    winner, loser = np.where(won, cells.i, cells.j)[~tie], np.where(won, cells.j, cells.i)[~tie]
    if np.isin(winner * np.int64(cells.size) + loser, loser * np.int64(cells.size) + winner).any():
        return True
    # Shortest paths (Bellman and Ford): they exist unless a cycle is negative.
    start = np.concatenate([winner, cells.i[tie], cells.j[tie]])
    end = np.concatenate([loser, cells.j[tie], cells.i[tie]])
    most = np.where(np.arange(len(start)) < len(winner), -1, 1)
    reached = np.zeros(cells.size, dtype=np.int64)
    for _ in range(cells.size + 1):
        before = reached.copy()
        np.minimum.at(reached, end, before[start] + most)
        if (reached == before).all():
            return False
    return True


def _group(beat: np.ndarray, members: np.ndarray, cells: Cells) -> Group:
    fought = np.bincount(cells.i, cells.weight, cells.size)
    fought += np.bincount(cells.j, cells.weight, cells.size)
    left, best = members.copy(), np.zeros_like(members)
    over = under = best
    while left.any():
        one = int(np.where(left, fought, -1).argmax())
        beaten, beating = _reached(beat, one), _reached(beat.T, one)
        joined = beaten & beating
        left &= ~joined
        if joined.sum() > best.sum():
            best, over, under = joined, beating & ~joined, beaten & ~joined
    if best.sum() < 2:
        best = over = under = np.zeros_like(members)
    rest = members & ~best & ~over & ~under
    return Group(*(np.flatnonzero(each) for each in (members, best, over, under, rest)))


def _reached(joined: np.ndarray, start: int) -> np.ndarray:
    """The models that can be reached from one, itself among them."""
    seen = np.zeros(len(joined), dtype=bool)
    seen[start] = True
    edge = seen
    while edge.any():
        edge = joined[edge].any(axis=0) & ~seen
        seen = seen | edge
    return seen
