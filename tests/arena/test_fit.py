"""The likelihoods, their derivatives, and the maximum, beside scipy and evalica."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from fights import battles_of, davidson_outcomes, drawn_pairs
from gristmill.arena.battles import Battles
from gristmill.arena.fit import SCALE, Cells, Fit, cells_of, fit, weighted
from gristmill.arena.likelihood import Method, probabilities, terms
from gristmill.arena.rank import rank
from gristmill.arena.read import read
from gristmill.arena.settings import Settings

METHODS: list[Method] = ["bt", "davidson", "rao-kupper"]


def log_likelihood(method: str, x: np.ndarray, cells: np.ndarray, size: int) -> complex:
    """Written down once more from the papers: x has the strengths, then log nu or log eta; cells
    are rows of model a, model b, outcome, number."""
    a, b, outcome, number = cells.T
    p, q = np.exp(x[a]), np.exp(x[b])
    if method == "bt":
        win, loss = p / (p + q), q / (p + q)
        logs = [np.log(win), np.log(loss), (np.log(win) + np.log(loss)) / 2]
    elif method == "davidson":
        tie = np.exp(x[size]) * np.sqrt(p * q)
        total = p + q + tie
        logs = [np.log(p / total), np.log(q / total), np.log(tie / total)]
    else:
        eta = np.exp(x[size])
        tie = (eta**2 - 1) * p * q / ((p + eta * q) * (q + eta * p))
        logs = [np.log(p / (p + eta * q)), np.log(q / (q + eta * p)), np.log(tie)]
    return complex((number * np.choose(outcome, logs)).sum() / number.sum())


def by_scipy(method: str, battles: Battles) -> np.ndarray:
    """Ratings by another optimiser, with derivatives by the complex step, which are exact."""
    size = len(battles.models)
    rows = np.stack([battles.a, battles.b, np.minimum(battles.outcome, 2)], axis=1)
    cells = np.column_stack(np.unique(rows.astype(int), axis=0, return_counts=True))
    start = np.zeros(size + (method != "bt"))
    start[size:] = 0.5
    steps = 1e-30j * np.eye(len(start))

    def slope(x: np.ndarray) -> np.ndarray:
        return np.array([-log_likelihood(method, x + s, cells, size).imag / 1e-30 for s in steps])

    found = minimize(
        lambda x: -log_likelihood(method, x, cells, size).real,
        start,
        jac=slope,
        method="BFGS",
        options={"gtol": 1e-9, "maxiter": 2000},
    )
    assert np.abs(slope(found.x)).max() < 1e-7
    theta = found.x[:size]
    return 1000 + SCALE * (theta - theta.mean())


def small(seed: int = 0, models: int = 6, count: int = 400) -> Battles:
    rng = np.random.default_rng(seed)
    a, b = drawn_pairs(rng, models, count)
    theta = rng.normal(0, 0.7, models)
    return battles_of(a, b, davidson_outcomes(rng, theta[a] - theta[b], 0.9), models)


@pytest.mark.parametrize("method", METHODS)
@given(
    d=st.floats(-6, 6),
    t=st.floats(0.05, 3),
    outcome=st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_derivatives_are_those_of_the_value(
    method: Method, d: float, t: float, outcome: int
) -> None:
    def at(d: float, t: float) -> tuple[float, ...]:
        found = terms(method, np.array([d]), t, np.array([outcome], dtype=np.int8))
        return tuple(
            float(np.broadcast_to(x, 1)[0])
            for x in (found.value, found.d, found.t, found.dd, found.dt, found.tt)
        )

    h = 1e-5
    up, down, over, under = at(d + h, t), at(d - h, t), at(d, t + h), at(d, t - h)
    here = at(d, t)
    assert here[1] == pytest.approx((up[0] - down[0]) / (2 * h), abs=1e-6)
    assert here[3] == pytest.approx(-(up[1] - down[1]) / (2 * h), abs=1e-5)
    if method != "bt":
        assert here[2] == pytest.approx((over[0] - under[0]) / (2 * h), rel=1e-5, abs=1e-6)
        assert here[4] == pytest.approx(-(over[1] - under[1]) / (2 * h), abs=1e-5)
        assert here[5] == pytest.approx(-(over[2] - under[2]) / (2 * h), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_probabilities_sum_to_one_and_are_those_of_the_likelihood(method: Method) -> None:
    d = np.linspace(-5, 5, 11)
    shares = probabilities(method, d, 0.4)
    assert shares.sum(axis=-1) == pytest.approx(1)
    for outcome in (0, 1) if method == "bt" else (0, 1, 2):
        value = terms(method, d, 0.4, np.full(11, outcome, dtype=np.int8)).value
        assert np.log(shares[:, outcome]) == pytest.approx(value)


@pytest.mark.parametrize("method", METHODS)
def test_real_votes_have_the_ratings_that_scipy_finds(method: Method, shared_data: Path) -> None:
    battles = read([shared_data / "llmfao" / "battles.csv"])
    found = rank(battles, Settings(method=method))
    ours = {row["model"]: row["rating"] for row in found["ratings"]}
    theirs = by_scipy(method, battles)
    assert len(ours) == 59
    assert found["gradient"] < 1e-9
    assert [ours[m] for m in battles.models] == pytest.approx(theirs, abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_drawn_battles_have_the_ratings_that_scipy_finds(method: Method) -> None:
    battles = small()
    ours = {r["model"]: r["rating"] for r in rank(battles, Settings(method=method))["ratings"]}
    assert [ours[m] for m in battles.models] == pytest.approx(by_scipy(method, battles), abs=1e-3)


class TestBesideEvalica:
    """evalica 0.4 (D. Ustalov): Newman's iteration, which maximises Davidson's likelihood in a
    parametrisation of its own; Bradley-Terry; Elo."""

    def votes(self, shared_data: Path) -> tuple[Battles, list[str], list[str], list]:
        evalica = pytest.importorskip("evalica")
        battles = read([shared_data / "llmfao" / "battles.csv"])
        kinds = [evalica.Winner.X, evalica.Winner.Y, evalica.Winner.Draw]
        xs = [battles.models[a] for a in battles.a]
        ys = [battles.models[b] for b in battles.b]
        return battles, xs, ys, [kinds[o] for o in battles.outcome]

    def ours(self, battles: Battles, method: str) -> dict[str, float]:
        found = rank(battles, Settings(method=method, rounds=2))  # type: ignore[arg-type]
        return {row["model"]: row["rating"] for row in found["ratings"]}

    def test_bradley_terry(self, shared_data: Path) -> None:
        battles, xs, ys, winners = self.votes(shared_data)
        import evalica

        scores = evalica.bradley_terry(xs, ys, winners, tolerance=1e-12, limit=100_000).scores
        logs = SCALE * np.log(scores)
        ours = self.ours(battles, "bt")
        theirs = dict(zip(scores.index, 1000 + logs - logs.mean(), strict=True))
        assert ours == pytest.approx(theirs, abs=1e-2)

    def test_davidson_by_newman(self, shared_data: Path) -> None:
        battles, xs, ys, winners = self.votes(shared_data)
        import evalica

        found = evalica.newman(xs, ys, winners, tolerance=1e-12, limit=100_000)
        logs = SCALE * np.log(found.scores)
        theirs = dict(zip(found.scores.index, 1000 + logs - logs.mean(), strict=True))
        assert self.ours(battles, "davidson") == pytest.approx(theirs, abs=1e-2)

    def test_elo(self, shared_data: Path) -> None:
        battles, xs, ys, winners = self.votes(shared_data)
        import evalica

        scores = evalica.elo(xs, ys, winners, initial=1000, base=10, scale=400, k=4).scores
        assert self.ours(battles, "elo") == pytest.approx(dict(scores), abs=1e-2)


class TestCells:
    def test_equal_battles_are_one_cell_whichever_the_sides(self) -> None:
        battles = battles_of([0, 1, 0, 1, 2], [1, 0, 1, 0, 0], [0, 1, 2, 3, 0], 3)
        cells = cells_of(battles, rows=True)
        assert cells.weight.sum() == 5
        assert cells.of_row is not None
        # m00 beat m01 twice and tied twice; m02 beat m00.
        assert cells.of_row[0] == cells.of_row[1] != cells.of_row[2] == cells.of_row[3]
        assert sorted(cells.weight) == [1, 2, 2]

    def test_many_models_are_counted_in_another_way_with_the_same_result(self) -> None:
        battles = small(models=30, count=900)
        wide = Battles([f"m{n:04d}" for n in range(1600)], battles.a, battles.b, battles.outcome)
        one, other = cells_of(battles, rows=True), cells_of(wide, rows=True)
        for name in ("i", "j", "outcome", "weight"):
            assert (getattr(one, name) == getattr(other, name)).all()
        assert one.of_row is not None
        assert (one.of_row == other.of_row).all()

    def test_weights_of_nothing_leave_cells_out(self) -> None:
        cells = cells_of(small())
        weight = cells.weight.copy()
        weight[0] = 0
        fewer = weighted(cells, weight)
        assert len(fewer.weight) == len(cells.weight) - 1
        assert weighted(cells, cells.weight * 2).weight.sum() == 2 * cells.weight.sum()


class TestFit:
    def start(self, method: Method = "davidson") -> tuple[Cells, Fit]:
        cells = cells_of(small(3))
        return cells, fit(cells, method)

    @pytest.mark.parametrize("method", METHODS)
    def test_a_start_near_by_saves_steps_and_changes_nothing(self, method: Method) -> None:
        cells, found = self.start(method)
        again = fit(cells, method, start=found)
        assert again.steps < found.steps
        assert again.theta == pytest.approx(found.theta, abs=1e-9)

    def test_large_strengths_are_found(self) -> None:
        rng = np.random.default_rng(0)
        a, b = drawn_pairs(rng, 5, 20_000)
        theta = np.array([-4.0, -2, 0, 2, 4])
        battles = battles_of(a, b, davidson_outcomes(rng, theta[a] - theta[b], 0.5), 5)
        found = fit(cells_of(battles), "davidson")
        assert found.theta == pytest.approx(theta, abs=0.3)
        assert found.gradient < 1e-12

    @pytest.mark.parametrize("method", ["davidson", "rao-kupper"])
    def test_without_ties_both_are_bradley_and_terrys(self, method: Method) -> None:
        battles = small()
        plain = battles.take(battles.outcome < 2)
        found, bt = fit(cells_of(plain), method), fit(cells_of(plain), "bt")
        assert found.ties is None
        assert found.theta == pytest.approx(bt.theta, abs=1e-8)

    def test_a_prior_draws_strengths_to_the_mean(self) -> None:
        cells, _ = self.start("bt")
        spreads = [fit(cells, "bt", l2=l2).theta.std() for l2 in (0, 1, 10, 1000)]
        assert spreads == sorted(spreads, reverse=True)
        assert spreads[-1] < 0.1

    def test_style_is_told_from_strength(self) -> None:
        rng = np.random.default_rng(1)
        a, b = drawn_pairs(rng, 8, 30_000)
        theta = rng.normal(0, 0.5, 8)
        theta -= theta.mean()
        z = rng.normal(0, 1, (len(a), 2)) + 0.8 * (theta[a] - theta[b])[:, None]
        d = theta[a] - theta[b] + z @ [0.4, -0.2]
        battles = battles_of(a, b, davidson_outcomes(rng, d, 0.7), 8)
        found = fit(cells_of(battles, z), "davidson")
        assert found.style == pytest.approx([0.4, -0.2], abs=0.05)
        assert found.theta == pytest.approx(theta, abs=0.12)
        assert found.ties == pytest.approx(np.log(0.7), abs=0.06)
