"""Intervals that hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from gristmill.bench.boards import REWARDBENCH
from gristmill.bench.figures import part_of, scores
from gristmill.bench.tally import Bench

REPEATS = 600


@pytest.mark.parametrize("level", [0.55, 0.8, 0.95])
def test_scores_and_sections_cover_the_truth(level: float) -> None:
    """95 % of the intervals hold the true value, give or take chance (2.5 of its errors) and what
    widening small subsets costs."""
    dice = np.random.default_rng(5)
    bench = Bench("simulated", REWARDBENCH, dict(REWARDBENCH.rows))
    truth = {name: float(np.clip(dice.normal(level, 0.05), 0, 1)) for name in REWARDBENCH.rows}
    sections = REWARDBENCH.section_scores(truth)
    score = REWARDBENCH.score(sections)
    assert score is not None
    held = dict.fromkeys((*sections, "score"), 0)
    for _ in range(REPEATS):
        parts = {}
        for name, rows in REWARDBENCH.rows.items():
            part = part_of((dice.random(rows) < truth[name]).astype(float))
            assert part is not None
            parts[name] = part
        found = scores(bench, parts)
        held["score"] += found["score"]["low"] <= score <= found["score"]["high"]
        for name, value in sections.items():
            held[name] += found["sections"][name]["low"] <= value <= found["sections"][name]["high"]
    for name, count in held.items():
        assert 0.925 <= count / REPEATS <= 0.99, name


def test_ten_of_ten_is_not_beyond_doubt() -> None:
    part = part_of(np.ones(10))
    assert part is not None
    assert part.accuracy == 1 and part.high == 1
    assert part.low == pytest.approx(0.722, abs=1e-3)
    assert part.half > 0.1
    assert part_of(np.full(3, np.nan)) is None
