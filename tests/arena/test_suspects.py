"""Judges that are flagged: honest ones at the stated rate, the others nearly always."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest

from fights import battles_of, davidson_outcomes, drawn_pairs, fair, judged
from gristmill.arena.battles import Battles, names_of
from gristmill.arena.rank import rank
from gristmill.arena.settings import Settings
from gristmill.arena.suspects import LEAST, suspects

MODELS = 12


def honest(rng: np.random.Generator, votes: np.ndarray) -> tuple[np.ndarray, ...]:
    """Who votes, on which pair, and how: judges who all see the models alike, each with a liking
    for ties of their own, from hardly any ties to three in four."""
    # 520 points from the first to the last, as on the public boards.
    theta = np.linspace(-1.5, 1.5, MODELS)
    judge = np.repeat(np.arange(len(votes)), votes)
    a, b = drawn_pairs(rng, MODELS, len(judge))
    liking = np.exp(rng.uniform(np.log(0.05), np.log(6), len(votes)))
    outcome = davidson_outcomes(rng, theta[a] - theta[b], liking[judge])
    return judge, a, b, outcome


def found_in(judge: np.ndarray, a: np.ndarray, b: np.ndarray, outcome: np.ndarray) -> Battles:
    return battles_of(a, b, outcome, MODELS, names={"judge": judged(judge)})


@pytest.mark.parametrize("seed", [1, 2])
def test_honest_judges_are_flagged_at_the_stated_rate(seed: int) -> None:
    rng = np.random.default_rng(seed)
    votes = rng.integers(3, 60, 2000)
    lots = found_in(*honest(rng, votes))
    found = suspects(lots, 0.05, 0)
    assert found is not None
    tested = found["tested"]
    assert (found["judges"], found["expected"]) == (2000, 0.05 * tested)
    assert 1500 < tested < 2000
    for rate in (0.05, 0.01):
        measured = sum(each["p"] < rate for each in found["flagged"]) / tested
        limit = 3 * sqrt(rate * (1 - rate) / tested)
        assert abs(measured - rate) < limit, f"{measured:.4f} of {tested} at {rate}, seed {seed}"


def test_the_rate_is_only_where_the_line_is_drawn() -> None:
    lots = found_in(*honest(np.random.default_rng(0), np.full(200, 30)))
    wide, narrow = (suspects(lots, rate, 0) for rate in (0.1, 0.02))
    assert wide is not None
    assert narrow is not None
    assert narrow["flagged"] == [each for each in wide["flagged"] if each["p"] < 0.02]
    assert 0 < len(narrow["flagged"]) < len(wide["flagged"])


KINDS = ("random", "left", "inverted")


HONEST = 800


def with_others(kind: str, others: int = 40, decisive: int = 100) -> Battles:
    """Honest judges, and others who vote as `kind` says, without a tie."""
    rng = np.random.default_rng(7)
    lots = honest(rng, np.full(HONEST, 60))
    judge = np.repeat(np.arange(HONEST, HONEST + others), decisive)
    a, b = drawn_pairs(rng, MODELS, len(judge))
    outcome = {
        "random": rng.integers(0, 2, len(judge)),
        "left": np.zeros(len(judge)),
        "inverted": (a > b).astype(int),  # Of drawn strengths the later one is the stronger.
    }[kind]
    return found_in(
        *(
            np.concatenate(pair)
            for pair in zip(lots, (judge, a, b, outcome.astype(int)), strict=True)
        )
    )


@pytest.mark.parametrize("kind", KINDS)
def test_who_does_not_look_is_found(kind: str) -> None:
    found = suspects(with_others(kind), 0.01, 0)
    assert found is not None
    flagged = [int(each["judge"][1:]) for each in found["flagged"]]
    caught = sum(number >= HONEST for number in flagged)
    assert caught >= 38, f"{caught} of 40 {kind} judges"
    assert len(flagged) - caught <= 0.02 * HONEST
    worst = found["flagged"][0]
    assert (worst["votes"], worst["decisive"]) == (100, 100)
    assert worst["agreement"] < 0.65 < worst["expected"]
    assert [e["p"] for e in found["flagged"]] == sorted(e["p"] for e in found["flagged"])


def test_more_votes_than_are_simulated() -> None:
    found = suspects(with_others("random", others=3, decisive=700), 0.01, 0)
    assert found is not None
    assert {each["judge"] for each in found["flagged"][:3]} == {f"j{HONEST + n}" for n in range(3)}


def inverted(count: int, ties: int = 0) -> Battles:
    """Honest battles of one judge, and some of another who is always wrong."""
    rng = np.random.default_rng(0)
    judge, a, b, outcome = honest(rng, np.full(1, 2000))
    high, low = np.full(count + ties, MODELS - 1), np.zeros(count + ties, dtype=int)
    wrong = np.array([1] * count + [2] * ties)
    return found_in(
        np.concatenate([judge, np.ones(count + ties, dtype=int)]),
        np.concatenate([a, high]),
        np.concatenate([b, low]),
        np.concatenate([outcome, wrong]),
    )


def test_few_decisive_votes_are_not_tested() -> None:
    few = suspects(inverted(LEAST - 1, ties=50), 0.01, 0)
    assert few is not None
    assert (few["judges"], few["tested"], few["flagged"]) == (2, 1, [])
    enough = suspects(inverted(LEAST, ties=50), 0.01, 0)
    assert enough is not None
    (flagged,) = enough["flagged"]
    assert enough["tested"] == 2
    assert (flagged["judge"], flagged["votes"], flagged["decisive"]) == ("j1", 55, 5)
    assert flagged["agreement"] == 0


def test_the_seed_alone_decides() -> None:
    lots = found_in(*honest(np.random.default_rng(0), np.full(100, 30)))
    one, again, other = (suspects(lots, 0.05, seed) for seed in (1, 1, 2))
    assert one == again != other


def test_the_sides_do_not_matter() -> None:
    lots = with_others("inverted", others=3)
    swapped = Battles(
        lots.models, lots.b, lots.a, np.array([1, 0, 2, 3], "i1")[lots.outcome], lots.names
    )
    assert suspects(lots, 0.01, 0) == suspects(swapped, 0.01, 0)


def test_models_that_have_no_rating_say_nothing_of_a_judge() -> None:
    a, b = np.array([0, 1] * 10 + [2] * 30), np.array([1, 0] * 10 + [0] * 30)
    lots = battles_of(a, b, np.zeros(50), 3, names={"judge": judged(np.repeat([0, 1], [20, 30]))})
    found = suspects(lots, 0.01, 0)
    assert found is not None
    assert (found["judges"], found["tested"]) == (2, 1)


def ranked(lots: Battles, **values: Any) -> dict[str, Any]:
    return rank(lots, Settings(**values))


def test_no_judge_no_suspects() -> None:
    assert suspects(fair(), 0.01, 0) is None
    assert ranked(fair())["judges"] is None


def test_rows_without_a_judge_are_nobody_s() -> None:
    lots = inverted(5)
    names = [None if code == 0 else "x" for code in lots.names["judge"].codes]
    found = ranked(Battles(lots.models, lots.a, lots.b, lots.outcome, {"judge": names_of(names)}))
    assert (found["judges"]["judges"], found["judges"]["tested"]) == (1, 1)


def test_a_board_counts_its_own_judges() -> None:
    lots = inverted(5)
    lots.tags["coding"] = lots.names["judge"].codes == 1
    assert ranked(lots, category="coding")["judges"]["judges"] == 1


def test_what_is_said_of_them() -> None:
    found = ranked(inverted(40), flag_rate=0.01)
    (line,) = [w for w in found["warnings"] if "judge" in w]
    assert line.startswith("1 judge of 2 vote")
    assert "j1 (0" in line
    assert "Their votes are counted." in line
    assert found["battles"] == 2040
