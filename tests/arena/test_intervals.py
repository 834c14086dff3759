"""Intervals: equal to what other arithmetic gives, and simulated to cover the truth."""

from __future__ import annotations

import numpy as np
import pytest

from fights import battles_of, davidson_outcomes, drawn_pairs, judged
from gristmill.arena.battles import Battles
from gristmill.arena.fit import SCALE, cells_of, fit
from gristmill.arena.likelihood import Method
from gristmill.arena.rank import rank
from gristmill.arena.settings import Settings
from gristmill.arena.uncertainty import bootstrap, clustered, percentiles, resampled, sandwich

REPEATS = 200


def world(rng: np.random.Generator, models: int = 8) -> np.ndarray:
    theta = rng.normal(0, 0.5, models)
    return theta - theta.mean()


def drawn(rng: np.random.Generator, theta: np.ndarray, count: int, nu: float = 0.8) -> Battles:
    a, b = drawn_pairs(rng, len(theta), count)
    outcome = davidson_outcomes(rng, theta[a] - theta[b], nu)
    return battles_of(a, b, outcome, len(theta))


def best_bt(theta: np.ndarray, nu: float) -> np.ndarray:
    """What Bradley-Terry ratings with half wins tend to when ties are Davidson's: the fit to the
    expected battles."""
    rng = np.random.default_rng(12345)
    a, b = drawn_pairs(rng, len(theta), 400_000)
    d = theta[a] - theta[b]
    battles = battles_of(a, b, davidson_outcomes(rng, d, nu), len(theta))
    return fit(cells_of(battles), "bt").theta


def coverage(covered: list[np.ndarray]) -> float:
    return float(np.mean(covered))


def within(found: dict, truth: np.ndarray, models: list[str]) -> np.ndarray:
    rows = {row["model"]: row for row in found["ratings"]}
    ratings = 1000 + SCALE * truth
    return np.array(
        [rows[m]["lower"] <= r <= rows[m]["upper"] for m, r in zip(models, ratings, strict=True)]
    )


@pytest.mark.parametrize(
    ("method", "ci"),
    [
        ("davidson", "sandwich"),
        ("bt", "sandwich"),
        pytest.param("bt", "bootstrap", marks=pytest.mark.slow),
    ],
)
def test_intervals_cover_the_truth(method: Method, ci: str) -> None:
    """95 +/- 2 %, over 200 boards with ties and unequal pairing."""
    rng = np.random.default_rng(7)
    theta = world(rng)
    truth = theta if method == "davidson" else best_bt(theta, 0.8)
    settings = Settings(method=method, ci=ci, rounds=200)  # type: ignore[arg-type]
    covered = []
    for _ in range(REPEATS):
        battles = drawn(rng, theta, 1200)
        covered.append(within(rank(battles, settings), truth, battles.models))
    assert coverage(covered) == pytest.approx(0.95, abs=0.02)


def clustered_battles(rng: np.random.Generator, theta: np.ndarray, clusters: int) -> Battles:
    """Votes in which each cluster (a judge, a prompt) has tastes of its own about the models."""
    size = 25
    a, b = drawn_pairs(rng, len(theta), clusters * size)
    of = np.repeat(np.arange(clusters), size)
    taste = rng.normal(0, 1.0, (clusters, len(theta)))
    d = theta[a] - theta[b] + taste[of, a] - taste[of, b]
    names = {"judge": judged(of)}
    return battles_of(a, b, davidson_outcomes(rng, d, 0.8), len(theta), names=names)


def test_clustered_votes_need_clustered_intervals() -> None:
    rng = np.random.default_rng(3)
    theta = world(rng)
    wide = clustered_battles(np.random.default_rng(99), theta, 8000)
    truth = fit(cells_of(wide), "davidson").theta
    covered: dict[str, list[np.ndarray]] = {"cluster": [], "sandwich": []}
    for _ in range(REPEATS):
        battles = clustered_battles(rng, theta, 60)
        for ci, rows in covered.items():
            settings = Settings(method="davidson", ci=ci, cluster_by="judge")  # type: ignore[arg-type]
            rows.append(within(rank(battles, settings), truth, battles.models))
    assert coverage(covered["cluster"]) == pytest.approx(0.95, abs=0.02)
    assert coverage(covered["sandwich"]) < 0.9


class TestSandwich:
    def test_it_is_the_sum_of_squared_scores_between_inverses(self) -> None:
        """From the battles one by one, with finite differences for the curvature."""
        rng = np.random.default_rng(2)
        battles = drawn(rng, world(rng, 5), 300)
        cells = cells_of(battles)
        found = fit(cells, "davidson")
        x = np.concatenate([found.theta, [found.ties]])

        def scores(x: np.ndarray) -> np.ndarray:
            d = x[battles.a] - x[battles.b]
            logs = np.stack([d / 2, -d / 2, np.full_like(d, x[5])], axis=1)
            p = np.exp(logs)
            p /= p.sum(axis=1, keepdims=True)
            by_d = np.array([0.5, -0.5, 0])[battles.outcome] - (p[:, 0] - p[:, 1]) / 2
            rows = np.zeros((len(battles), 6))
            rows[np.arange(len(battles)), battles.a] += by_d
            rows[np.arange(len(battles)), battles.b] -= by_d
            rows[:, 5] = (battles.outcome == 2) - p[:, 2]
            return rows

        h = 1e-6
        bread = -np.stack(
            [(scores(x + h * e).sum(0) - scores(x - h * e).sum(0)) / (2 * h) for e in np.eye(6)]
        )
        inverse = np.linalg.pinv(bread, rcond=1e-8)
        rows = scores(x)
        covariance = inverse @ rows.T @ rows @ inverse
        assert sandwich(found, cells).se == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-4)

    def test_every_vote_a_cluster_of_its_own_is_the_sandwich(self) -> None:
        rng = np.random.default_rng(4)
        battles = drawn(rng, world(rng), 500)
        cells = cells_of(battles, rows=True)
        found = fit(cells, "rao-kupper")
        alone, count = clustered(found, cells, np.full(500, -1))
        assert count == 500
        assert alone.se == pytest.approx(sandwich(found, cells).se * np.sqrt(500 / 499))

    def test_a_vote_that_is_there_twice_counts_once(self) -> None:
        rng = np.random.default_rng(5)
        once = drawn(rng, world(rng), 500)
        twice = once.take(np.repeat(np.arange(500), 2))
        cells = cells_of(twice, rows=True)
        found = fit(cells, "bt")
        spread, _ = clustered(found, cells, np.repeat(np.arange(500), 2))
        single = fit(cells_of(once), "bt")
        naive = sandwich(found, cells).se
        assert spread.se == pytest.approx(
            sandwich(single, cells_of(once)).se * np.sqrt(500 / 499), rel=1e-9
        )
        assert naive == pytest.approx(spread.se / np.sqrt(2), rel=0.01)

    def test_one_cluster_says_nothing(self) -> None:
        rng = np.random.default_rng(6)
        battles = drawn(rng, world(rng), 100)
        battles.names["judge"] = judged(np.zeros(100, dtype=int))
        found = rank(battles, Settings(ci="cluster", cluster_by="judge"))
        assert {row["lower"] for row in found["ratings"]} == {None}
        assert any("1 judge as clusters" in line for line in found["warnings"])


class TestBootstrap:
    def test_it_agrees_with_the_sandwich_where_battles_are_many(self) -> None:
        rng = np.random.default_rng(8)
        cells = cells_of(drawn(rng, world(rng), 8000))
        found = fit(cells, "davidson")
        again = bootstrap(found, cells, 400, seed=0)
        assert again.se == pytest.approx(sandwich(found, cells).se, rel=0.15)

    def test_rounds_depend_on_their_seed_alone(self) -> None:
        rng = np.random.default_rng(9)
        cells = cells_of(drawn(rng, world(rng), 300))
        found = fit(cells, "bt")
        one, two, other = (bootstrap(found, cells, 20, seed) for seed in (1, 1, 2))
        assert (one.lower == two.lower).all()
        assert not (one.lower == other.lower).all()

    @pytest.mark.parametrize("battles", [50, 5_000])
    def test_resampling_is_multinomial(self, battles: int) -> None:
        chances = np.array([0.5, 0.3, 0.15, 0.05])
        rng = np.random.default_rng(10)
        rows = np.array([resampled(rng, battles, chances) for _ in range(4000)])
        assert (rows.sum(axis=1) == battles).all()
        assert rows.mean(axis=0) == pytest.approx(battles * chances, rel=0.02)
        covariance = battles * (np.diag(chances) - np.outer(chances, chances))
        assert np.cov(rows.T) == pytest.approx(covariance, abs=0.02 * battles)

    def test_a_round_without_a_maximum_opens_the_interval(self) -> None:
        # m00 lost once in twenty battles: some rounds draw that battle never.
        outcome = np.array([0] * 19 + [1] + [0, 1] * 20)
        a, b = np.array([0] * 20 + [1] * 40), np.array([1] * 20 + [2] * 40)
        found = rank(battles_of(a, b, outcome, 3), Settings(ci="bootstrap", rounds=200))
        first = found["ratings"][0]
        assert first["model"] == "m00"
        assert first["rating"] is not None
        assert first["upper"] is None
        assert first["lower"] is not None

    def test_what_is_not_known_in_a_round_may_be_anywhere(self) -> None:
        table = np.tile(np.arange(100.0)[:, None], (1, 2))
        table[:10, 1] = np.nan
        spread = percentiles(table)
        assert np.isfinite(spread.upper[0])
        assert spread.lower[1] == -np.inf
        assert spread.upper[1] == np.inf


def test_a_handful_of_battles_does_not_make_a_model_certain() -> None:
    """One tie is explained wholly by equal strength: the sandwich alone has no error left."""
    rng = np.random.default_rng(11)
    many = drawn(rng, world(rng, 3), 3000)
    a, b = np.append(many.a, 3), np.append(many.b, 0)
    battles = battles_of(a, b, np.append(many.outcome, 2), 4)
    rows = {row["model"]: row for row in rank(battles)["ratings"]}
    assert rows["m03"]["rating"] == pytest.approx(rows["m00"]["rating"], abs=1e-6)
    # A difference of one battle has a standard error of 2 in natural logarithms.
    assert rows["m03"]["se"] > 200
    assert rows["m00"]["se"] < 120
