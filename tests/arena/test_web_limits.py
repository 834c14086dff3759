"""How often something may be done, and who is drawn."""

import random
from collections import Counter

from gristmill.arena.contestants import Contestant
from gristmill.arena.web import limits
from gristmill.arena.web.draw import REST, Draw
from gristmill.arena.web.limits import Hourly


def test_any_hour_holds_so_many():
    now = 0.0
    hourly = Hourly(2, lambda: now)
    hourly.take("a")
    now = 600.0
    hourly.take("a")
    assert hourly.wait("a") == 3000.0
    assert hourly.wait("b") == 0.0
    now = 3599.0
    assert hourly.wait("a") == 1.0
    now = 3600.0
    assert hourly.wait("a") == 0.0
    hourly.take("a")
    assert hourly.wait("a") == 600.0


def test_visitors_of_long_ago_are_forgotten(monkeypatch):
    monkeypatch.setattr(limits, "MANY", 10)
    now = 0.0
    hourly = Hourly(1, lambda: now)
    hourly._forget_at = 10
    for number in range(10):
        hourly.take(f"old {number}")
    now = 4000.0
    for number in range(30):
        hourly.take(f"new {number}")
    assert hourly.wait("new 0") > 0
    assert len(hourly._taken) == 30


def models(*names: str) -> list[Contestant]:
    return [Contestant(model="scripted:echo", name=name) for name in names]


def drawn(weights: dict[str, float], count: int = 6000, names: str = "abc"):
    draw = Draw(models(*names), weights, random.Random(5))
    return [tuple(side.called for side in draw.pair()) for _ in range(count)]


def test_pairs_and_sides_are_even():
    pairs = Counter(drawn({}))
    assert set(pairs) == {(x, y) for x in "abc" for y in "abc" if x != y}
    assert all(abs(count - 1000) < 120 for count in pairs.values())


def test_a_heavy_model_fights_more_often_and_on_both_sides():
    pairs = drawn({"a": 4.0})
    fights = Counter(name for pair in pairs for name in pair)
    assert fights["a"] > 1.4 * fights["b"]
    left = sum(pair[0] == "a" for pair in pairs)
    assert abs(left - fights["a"] / 2) < 150


def test_a_model_without_weight_never_fights():
    assert not any("c" in pair for pair in drawn({"c": 0.0}))


def test_a_seed_repeats_the_draw():
    assert drawn({}, 20) == drawn({}, 20)


def test_a_model_that_did_not_answer_is_left_out_for_a_while():
    now = 0.0
    four = models(*"abcd")
    draw = Draw(four, {}, random.Random(5), lambda: now)
    draw.rest(four[0])
    draw.rest(four[1])
    assert {side.called for _ in range(50) for side in draw.pair()} == {"c", "d"}
    draw.rest(four[2])
    assert {side.called for _ in range(50) for side in draw.pair()} == set("abcd")
    now = REST
    assert {side.called for _ in range(50) for side in draw.pair()} == set("abcd")
