"""Who meets whom: balanced, seeded, and the same however often it is asked."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest

from gristmill.arena.duel.pairs import Dealer, battle_id, sides
from gristmill.records import Message


@pytest.mark.parametrize("models", [2, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("each", [1, 2, 3, 5])
def test_pairs_and_models_come_equally_often(models: int, each: int) -> None:
    every = list(combinations(range(models), 2))
    dealer = Dealer(models, each, 7)
    pairs: Counter[tuple[int, int]] = Counter()
    for _prompt in range(60):
        dealt = dealer.deal()
        assert len(dealt) == len(set(dealt)) == min(each, len(every))
        assert set(dealt) <= set(every)
        pairs.update(dealt)
    assert max(pairs.values()) - min(pairs[p] for p in every) <= 1
    seats = Counter(model for pair, n in pairs.items() for model in pair for _ in range(n))
    assert max(seats.values()) - min(seats.values()) <= 2


def test_all_pairs_is_all_pairs_and_a_seed_is_a_seed() -> None:
    assert Dealer(4, None, 0).deal() == list(combinations(range(4), 2))
    one, two, other = (Dealer(6, 2, seed) for seed in (1, 1, 2))
    dealt = [one.deal() for _ in range(20)]
    assert dealt == [two.deal() for _ in range(20)]
    assert dealt != [other.deal() for _ in range(20)]


def test_an_id_does_not_depend_on_sides_but_on_everything_else() -> None:
    turns = (Message("user", "q"),)
    one = battle_id(turns, {"x": "1", "y": "2"})
    assert one == battle_id(turns, {"y": "2", "x": "1"})
    others = [battle_id(turns, {"x": "2", "y": "1"}), battle_id(turns, {"x": "1", "z": "2"}),
              battle_id((Message("user", "p"),), {"x": "1", "y": "2"})]  # fmt: skip
    assert len({one, *others}) == 4


def test_sides_are_a_fair_coin_that_falls_the_same_again() -> None:
    first = [sides(f"battle {n}", ("y", "x"), 0)[0] for n in range(1000)]
    assert first == [sides(f"battle {n}", ("x", "y"), 0)[0] for n in range(1000)]
    assert 440 < first.count("x") < 560
