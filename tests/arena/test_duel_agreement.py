"""Krippendorff's alpha, and how far people and models agree."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from gristmill.arena.agreement import agreement, krippendorff
from gristmill.arena.battles import Battle, Battles

_ = -1
FOUR = [  # Krippendorff 2011, section C: 4 observers, 12 units, values missing; alpha = 0.743
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]
BINARY = [  # section A: 2 observers, 10 units; alpha = 0.095
    [0, 1, 0, 0, 0, 0, 0, 0, 1, 0],
    [1, 1, 1, 0, 0, 1, 0, 0, 0, 0],
]
LETTERS = ["aabbdcccedda", "babbbcccedddd"[:12]]  # section B: alpha = 0.692


def alpha(table: list[list[int]]) -> float | None:
    values = np.array(table)
    judges, units = np.indices(values.shape)
    order = np.random.default_rng(0).permutation(values.size)
    return krippendorff(units.ravel()[order], judges.ravel()[order], values.ravel()[order])


@pytest.mark.parametrize(
    ("table", "published"),
    [(FOUR, 0.743), (BINARY, 0.095), ([list(map(ord, row)) for row in LETTERS], 0.692)],
)
def test_alpha_is_that_of_krippendorffs_own_examples(
    table: list[list[int]], published: float
) -> None:
    assert alpha(table) == pytest.approx(published, abs=0.0005)


def test_alpha_is_evalicas_on_random_tables() -> None:
    evalica = pytest.importorskip("evalica", exc_type=ImportError)
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(1)
    for _round in range(20):
        truth = rng.integers(0, 4, 60)
        given = np.where(rng.random((5, 60)) < 0.6, truth, rng.integers(0, 4, (5, 60)))
        given = np.where(rng.random(given.shape) < 0.5, -1, given)
        frame = pd.DataFrame(np.where(given < 0, np.nan, given))
        assert alpha(given.tolist()) == pytest.approx(evalica.alpha(frame).alpha, abs=1e-9)


def test_nothing_to_compare_has_no_alpha() -> None:
    assert alpha([[1, 2, 3]]) is None
    assert alpha([[1, 1], [1, 1]]) is None, "nothing could have disagreed"
    assert krippendorff(*np.zeros((3, 0), int)) is None
    with pytest.raises(ValueError, match="nominal"):
        krippendorff(*np.zeros((3, 2), int), level="ordinal")


def test_the_last_value_of_a_judge_counts_and_unnamed_ones_are_several() -> None:
    units, judges = np.array([0, 0, 0, 1, 1]), np.array([7, 7, 8, 7, 8])
    assert krippendorff(units, judges, np.array([1, 0, 0, 1, 1])) == 1
    unnamed = krippendorff(units, np.full(5, -1), np.array([1, 0, 0, 1, 1]))
    assert unnamed is not None and unnamed < 1


def battle(number: int, judge: str, winner: str, *, swap: bool = False) -> Battle:
    models = ("y", "x") if swap else ("x", "y")
    return Battle(id=str(number), model_a=models[0], model_b=models[1], winner=winner, judge=judge)


def test_votes_are_compared_by_model_and_both_bad_is_a_tie() -> None:
    found = agreement(
        Battles.of(
            [
                battle(1, "ann", "model_a"),
                battle(1, "bob", "model_b", swap=True),  # the same model
                battle(2, "ann", "tie"),
                battle(2, "bob", "both_bad", swap=True),
                battle(3, "ann", "model_b"),
                battle(3, "bob", "model_b", swap=True),  # the other one
                battle(4, "ann", "model_b"),  # alone
            ]
        )
    )
    people = found["people"]
    assert (people["units"], people["pairs"], people["agreement"]) == (3, 3, pytest.approx(2 / 3))
    assert found["models"] is None and found["people_with_models"] is None


def test_people_and_models_are_compared_one_of_each() -> None:
    rows = [
        battle(1, "ann", "model_a"),
        battle(1, "bob", "model_a"),
        battle(1, "cyd", "model_b"),
        battle(1, "model:m", "model_a"),
        battle(2, "ann", "model_b"),
        battle(2, "model:m", "model_b"),
    ]
    both = agreement(Battles.of(rows))["people_with_models"]
    assert (both["units"], both["pairs"], both["agreement"]) == (2, 4, 0.75)
    # o_AA = 2 * 2/3, o_BB = 2; n_A = 5/3, n_B = 7/3, n = 4.
    expected = 12 - (5 / 3) * (2 / 3) - (7 / 3) * (4 / 3)
    assert both["alpha"]["value"] == pytest.approx(1 - 3 * (4 - 10 / 3) / expected)


def test_one_person_and_one_model_are_two_observers() -> None:
    rng = np.random.default_rng(2)
    said = rng.choice(["model_a", "model_b", "tie"], (2, 80))
    said[1] = np.where(rng.random(80) < 0.6, said[0], said[1])
    rows = [battle(n, who, str(w)) for who, r in zip(("ann", "model:m"), said, strict=True)
            for n, w in enumerate(r)]  # fmt: skip
    both = agreement(Battles.of(rows))["people_with_models"]["alpha"]
    renamed = [battle(int(r.id), r.judge.removeprefix("model:"), r.winner) for r in rows]
    people = agreement(Battles.of(renamed))["people"]["alpha"]
    assert both["value"] == pytest.approx(people["value"])
    assert people["low"] < people["value"] < people["high"]
    assert both["low"] < both["value"] < both["high"]


def test_without_ids_there_is_nothing_to_compare() -> None:
    rows = [Battle(id="", model_a="x", model_b="y", winner="tie")] * 3
    assert agreement(Battles.of(rows)) == dict.fromkeys(("people", "models", "people_with_models"))


def test_the_interval_covers_and_is_seeded() -> None:
    """With 3 judges who know the answer 7 times in 10, the intervals hold the alpha of infinitely
    many units about as often as they say."""
    rng = np.random.default_rng(3)

    def drawn(units: int) -> Battles:
        truth = rng.integers(0, 3, units)
        said = np.where(rng.random((3, units)) < 0.7, truth, rng.integers(0, 3, (3, units)))
        names = ("model_a", "model_b", "tie")
        return Battles.of(
            battle(u, f"p{j}", names[v]) for j, row in enumerate(said) for u, v in enumerate(row)
        )

    inside = 0
    for _round in range(100):
        found = agreement(drawn(80), rounds=300)["people"]["alpha"]
        inside += found["low"] <= 0.49 <= found["high"]  # 0.7^2, as the rest is chance
    assert inside >= 88
    once = drawn(50)
    assert agreement(once, seed=5) == agreement(once, seed=5)


def test_a_million_votes_take_seconds() -> None:
    rng = np.random.default_rng(4)
    units = rng.integers(0, 300_000, 1_000_000)
    found = krippendorff(units, rng.integers(0, 5000, 1_000_000), rng.integers(0, 3, 1_000_000))
    assert found == pytest.approx(0, abs=0.01)


def llmfao(folder: Path) -> Battles:
    """People's votes, and GPT-4's verdict on each pair."""
    rows = []
    with (folder / "battles.csv").open() as lines:
        for row in csv.DictReader(lines):
            rows.append(Battle(id=row["id"], model_a=row["model_a"], model_b=row["model_b"],
                               winner=row["winner"], judge=row["judge"]))  # fmt: skip
    sides = {"left": "model_a", "right": "model_b", "tie": "tie"}
    with (folder / "gpt4_comparisons.csv").open() as lines:
        for row in csv.DictReader(lines):
            rows.append(Battle(id=row["id"], model_a=row["left"], model_b=row["right"],
                               winner=sides[row["winner"]], judge="model:gpt-4"))  # fmt: skip
    return Battles.of(rows)


def test_llmfao(shared_data: Path) -> None:
    folder = shared_data / "llmfao"
    if not folder.is_dir():
        pytest.skip(f"no LLMFAO at {folder}")
    battles = llmfao(folder)
    found = agreement(battles)
    people, both = found["people"], found["people_with_models"]
    assert found["models"] is None, "GPT-4 alone judged automatically"
    assert (people["units"], both["units"]) == (2124, 2139)
    assert people["agreement"] == pytest.approx(0.532, abs=0.001)
    assert people["alpha"]["value"] == pytest.approx(0.290, abs=0.001)
    assert people["alpha"]["low"] == pytest.approx(0.272, abs=0.003)
    # GPT-4 hardly ever calls a tie, people do so in four votes of ten.
    assert both["agreement"] == pytest.approx(0.415, abs=0.001)
    assert both["alpha"]["value"] == pytest.approx(0.081, abs=0.001)
    evalica = pytest.importorskip("evalica", exc_type=ImportError)
    pd = pytest.importorskip("pandas")
    with (folder / "battles.csv").open() as lines:
        frame = pd.DataFrame(list(csv.DictReader(lines)))
    # By name, as ours: how often each value is expected depends on which model is the first.
    exchanged = frame["model_a"] > frame["model_b"]
    code = frame["winner"].map({"model_a": 0, "model_b": 1, "tie": 2})
    frame["code"] = code.where(~exchanged | (code == 2), 1 - code)
    table = frame.drop_duplicates(["judge", "id"], keep="last").pivot(
        index="judge", columns="id", values="code"
    )
    theirs = evalica.alpha(table).alpha
    assert found["people"]["alpha"]["value"] == pytest.approx(theirs, abs=1e-9)
