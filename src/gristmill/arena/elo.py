"""Elo ratings online: each battle moves two ratings a little, in the order of time.

After a battle the winner's rating rises and the loser's falls by K (s - e), s being 1, 0 or, for a
tie, 1/2, and e = 1 / (1 + 10^((other - own) / 400)) what was expected (Elo 1978). Recent battles
count more, and another order gives other ratings: Bradley and Terry's are better where models do
not change. K = 4 is what chatbot arenas used.
"""

from __future__ import annotations

import numpy as np

from gristmill.arena.battles import Battles
from gristmill.arena.fit import CENTRE

K = 4.0
_SCORE = np.array([1.0, 0.0, 0.5, 0.5])
_CHUNK = 4096
"""Battles whose weights in all rounds are drawn at once."""


def elo(battles: Battles) -> np.ndarray:
    """Each model's rating after the last battle, having begun at 1000. Battles in order of time."""
    ratings = [CENTRE] * len(battles.models)
    scores = _SCORE[battles.outcome].tolist()
    for a, b, score in zip(battles.a.tolist(), battles.b.tolist(), scores, strict=True):
        expected = 1 / (1 + 10 ** ((ratings[b] - ratings[a]) / 400))
        change = K * (score - expected)
        ratings[a] += change
        ratings[b] -= change
    return np.array(ratings)


def elo_rounds(battles: Battles, rounds: int, seed: int) -> np.ndarray:
    """(rounds, models): ratings of resampled battles, in their order of time.

    In each round a battle counts Poisson(1) times (the online bootstrap, Oza and Russell 2001),
    so that one pass makes all rounds.
    """
    rng = np.random.default_rng(seed)
    ratings = np.full((len(battles.models), rounds), CENTRE)
    scores = _SCORE[battles.outcome]
    for start in range(0, len(battles), _CHUNK):
        rows = range(start, min(start + _CHUNK, len(battles)))
        times = K * rng.poisson(1.0, (len(rows), rounds))
        for row, weight in zip(rows, times, strict=True):
            a, b = battles.a[row], battles.b[row]
            expected = 1 / (1 + 10 ** ((ratings[b] - ratings[a]) / 400))
            change = weight * (scores[row] - expected)
            ratings[a] += change
            ratings[b] -= change
    return ratings.T
