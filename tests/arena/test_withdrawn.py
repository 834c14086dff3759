"""Votes that were taken back: honest reasons are flagged at the stated rate at most, others are."""

from __future__ import annotations

from dataclasses import replace
from math import comb, exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.arena.battles import Battle, Battles
from gristmill.arena.columns import joined
from gristmill.arena.rank import rank
from gristmill.arena.read import read
from gristmill.arena.settings import Settings
from gristmill.arena.store import Votes, read_withdrawn
from gristmill.arena.withdrawn import chance, withdrawn

MODELS = tuple("abcd")


def vote(rng: np.random.Generator, number: int, judge: str = "v") -> Battle:
    """An honest vote; of the models the later ones are better."""
    first = int(rng.integers(len(MODELS)))
    second = (first + int(rng.integers(1, len(MODELS)))) % len(MODELS)
    won = rng.random() < 1 / (1 + exp(second - first))
    return Battle(
        id=str(number),
        model_a=MODELS[first],
        model_b=MODELS[second],
        winner="tie" if rng.random() < 0.2 else "model_a" if won else "model_b",
        judge=judge,
    )


def turned(battle: Battle) -> Battle:
    other = {"model_a": "model_b", "model_b": "model_a"}
    return replace(battle, winner=other.get(battle.winner, battle.winner))


def of(kept: list[Battle], taken: list[Battle]) -> Battles:
    return replace(Battles.of(kept), withdrawn=tuple(taken))


@pytest.mark.parametrize("slips", [0.0, 0.5])
def test_honest_withdrawing_is_flagged_at_the_stated_rate_at_most(slips: float) -> None:
    """slips: the share of what is taken back that hit the other model's button instead."""
    rng, flagged = np.random.default_rng(1), 0
    for _ in range(60):
        votes = [vote(rng, n) for n in range(150)]
        taken = [turned(v) if rng.random() < slips else v for v in votes[:40]]
        found = withdrawn(of(votes[40:], taken), 0.05)
        assert found is not None
        flagged += bool(found["flagged"])
    assert flagged <= 5, f"{flagged} of 60 at 0.05"


def test_one_model_s_losses_are_found_among_honest_votes() -> None:
    rng = np.random.default_rng(2)
    votes = [vote(rng, n, f"v{n % 50}") for n in range(1000)]
    mine = [vote(rng, n, "rigger") for n in range(2000, 2200)]
    lost = {b for b in mine if (b.model_a, b.winner) == ("a", "model_b")}
    lost |= {b for b in mine if (b.model_b, b.winner) == ("a", "model_a")}
    found = withdrawn(of([*votes, *(b for b in mine if b not in lost)], [*lost, *votes[:20]]), 0.01)
    assert found is not None
    assert {"a"} <= {row["model"] for row in found["flagged"]}
    assert "rigger" in {row["judge"] for row in found["flagged"]}
    assert found["votes"] == len(lost) + 20


def test_what_is_too_little_or_nothing() -> None:
    rng = np.random.default_rng(3)
    votes = [vote(rng, n) for n in range(50)]
    assert withdrawn(of(votes, []), 0.01) is None
    few = withdrawn(of(votes, [replace(votes[0], winner="model_a")] * 4), 0.99)
    assert few is not None
    assert (few["votes"], few["tested"], few["flagged"]) == (4, 0, [])
    ties = withdrawn(of(votes, [replace(votes[0], winner="tie")] * 40), 0.99)
    assert ties is not None
    assert ties["tested"] == 0
    strange = replace(votes[0], model_a="gone", winner="model_a", judge="nobody")
    assert withdrawn(of(votes, [strange] * 9), 0.99) is not None


def test_the_exact_chances() -> None:
    # Of 3 taken back none won, of 3 that stand all: one way of comb(6, 3), and of a coin 1/8.
    assert chance(0, 3, 3, 0) == pytest.approx(2 / 8)
    assert chance(0, 30, 30, 0) == pytest.approx(2 / 2**30)
    # The lady tasting tea, Fisher's own example: 3 of 4 right has p = 17/70 in one direction.
    assert chance(1, 3, 3, 1) == pytest.approx(min(1, 2 * max(17 / 70, 5 / 16)))
    assert chance(0, 12, 12, 12) == pytest.approx(2 * comb(24, 12) / comb(36, 12))


@given(*[st.integers(0, 3000)] * 4)
def test_a_chance_is_one_and_the_sides_are_alike(w: int, x: int, y: int, z: int) -> None:
    found = chance(w, x, y, z)
    assert 0 <= found <= 1
    assert found == pytest.approx(chance(x, w, z, y))


def test_only_what_would_count_and_was_not_put_right(tmp_path) -> None:
    votes = Votes(tmp_path / "votes.sqlite")
    rng = np.random.default_rng(4)
    one, two, three, four = (vote(rng, n) for n in range(4))
    votes.add(one, key="1")
    votes.add(two, key="2")
    votes.add(three, key="3", counted=False, reason="error")
    votes.add(four, key="4")
    for key in "1234":
        votes.withdraw(key)
    votes.add(one, key="1")
    votes.add(two, key="2", counted=False, reason="after_reveal")
    votes.close()
    assert [b.id for b in read_withdrawn(tmp_path / "votes.sqlite")] == ["1", "3"]
    found = read([tmp_path / "votes.sqlite", tmp_path / "votes.sqlite"], {"judge"})
    assert (len(found), len(found.withdrawn)) == (1, 2)


def test_copies_of_a_file_and_boards_of_some_battles() -> None:
    rng = np.random.default_rng(5)
    votes = [replace(vote(rng, n), categories=("coding",)) for n in range(60)]
    lots = of(votes, votes[:30])
    assert joined([lots, lots]).withdrawn == lots.withdrawn
    assert rank(lots)["withdrawn"]["votes"] == 30
    assert rank(lots, Settings(category="coding"))["withdrawn"] is None
