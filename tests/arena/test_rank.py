"""The leaderboard: what a rank is, what has no rating, and what must not change anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from fights import battles_of, davidson_outcomes, decided, drawn_pairs, fair, judged, write_rows
from gristmill.arena.battles import A, B, Battles, names_of
from gristmill.arena.boards import LEAST, of_category, there
from gristmill.arena.fit import SCALE, cells_of
from gristmill.arena.groups import bounded
from gristmill.arena.likelihood import Method
from gristmill.arena.rank import rank
from gristmill.arena.read import read
from gristmill.arena.settings import Settings
from gristmill.errors import ConfigError, DataError
from gristmill.parts import build

METHODS: tuple[Method, ...] = get_args(Method)
CHANCE = 0.025


def ranked(battles: Battles, **values: Any) -> dict[str, Any]:
    return rank(battles, Settings(**values))


def by_model(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["model"]: row for row in found["ratings"]}


def ratings(battles: Battles, **values: Any) -> dict[str, float]:
    return {m: row["rating"] for m, row in by_model(ranked(battles, **values)).items()}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two leaderboards say the same of every model, up to rounding."""
    first, second = by_model(one), by_model(other)
    assert first.keys() == second.keys()
    for model, row in first.items():
        for key, value in row.items():
            told = second[model][key]
            close = isinstance(told, float) and value == pytest.approx(told, abs=1e-3, rel=1e-6)
            # Groups of one size are numbered as they come.
            if not (close or value == told or key == "group"):
                return False
    return True


def exchanged(battles: Battles) -> Battles:
    """The same battles with their sides the other way round."""
    outcome = np.array([B, A, 2, 3], dtype=np.int8)[battles.outcome]
    covariates = {name: -values for name, values in battles.covariates.items()}
    return Battles(battles.models, battles.b, battles.a, outcome, covariates=covariates)


@st.composite
def battles(draw: st.DrawFn, style: bool = False) -> Battles:
    models = draw(st.integers(2, 5))
    fought = draw(
        st.lists(
            st.tuples(
                st.integers(0, models - 1), st.integers(1, models - 1), st.sampled_from([0, 1, 2])
            ),
            min_size=1,
            max_size=40,
        )
    )
    a, step, outcome = np.array(fought).T
    rng = np.random.default_rng(len(fought))
    more = {"covariates": {"x": rng.normal(0, 1, len(a))}} if style else {}
    return battles_of(a, (a + step) % models, outcome, models, **more)


class TestRanks:
    @pytest.mark.parametrize("method", [*METHODS, "elo"])
    def test_a_rank_is_one_and_the_intervals_above(self, method: str) -> None:
        found = ranked(fair(12, 4000), method=method, rounds=50)
        rows = found["ratings"]
        for row in rows:
            assert row["rank"] == 1 + sum(o["lower"] > row["upper"] for o in rows)
            assert row["lower"] < row["rating"] < row["upper"]
        assert [r["rating"] for r in rows] == sorted((r["rating"] for r in rows), reverse=True)
        assert 1 < rows[-1]["rank"] < 12
        assert np.mean([row["rating"] for row in rows]) == pytest.approx(1000)

    def test_what_a_leaderboard_holds(self) -> None:
        found = orjson.loads(orjson.dumps(ranked(fair())))
        assert (found["method"], found["battles"], found["warnings"]) == ("bt", 600, [])
        assert {"model", "rating", "lower", "upper", "se", "rank", "battles"} <= set(
            found["ratings"][0]
        )
        assert sum(row["battles"] for row in found["ratings"]) == 1200

    @pytest.mark.parametrize("method", [*METHODS, "elo"])
    def test_an_anchor_moves_all_and_changes_nothing_else(self, method: str) -> None:
        plain, moved = (
            by_model(ranked(fair(), method=method, rounds=20, anchor=anchor))
            for anchor in (None, ("m01", 1200))
        )
        assert moved["m01"]["rating"] == pytest.approx(1200)
        shift = 1200 - plain["m01"]["rating"]
        for model, row in plain.items():
            for key in ("rating", "lower", "upper"):
                assert moved[model][key] == pytest.approx(row[key] + shift)
            assert (moved[model]["rank"], moved[model]["se"]) == (row["rank"], row["se"])

    def test_an_anchor_that_is_not_there(self) -> None:
        with pytest.raises(ConfigError, match=r"no battle of 'm1'; did you mean 'm\d\d'"):
            ranked(fair(), anchor=("m1", 1000))
        with pytest.raises(ConfigError, match="no battle of 'gpt'; known: m00, m01, m02, m03"):
            ranked(fair(), anchor=("gpt", 1000))

    def test_an_anchor_without_a_rating(self) -> None:
        top = decided(("t", "a", "model_a", 5), ("a", "b", "model_a", 2), ("b", "a", "model_a", 2))
        with pytest.raises(ConfigError, match="'t' has no finite rating"):
            ranked(top, anchor=("t", 1000))

    def test_two_models(self) -> None:
        found = ranked(decided(("x", "y", "model_a", 3), ("y", "x", "model_a", 1)))
        first, second = found["ratings"]
        assert first["rating"] - second["rating"] == pytest.approx(SCALE * np.log(3))
        assert (first["model"], first["rank"], second["rank"]) == ("x", 1, 1)
        # Of a share of 3/4 in four battles: sqrt(p q / n) over the slope p q, half of it each.
        se = SCALE * np.sqrt(1 / (4 * 0.75 * 0.25)) / 2
        assert first["se"] == second["se"] == pytest.approx(se)
        assert first["upper"] - first["lower"] == pytest.approx(2 * 1.959964 * se)


class TestGroups:
    def test_groups_are_ranked_apart(self) -> None:
        found = ranked(
            decided(
                ("a", "b", "model_a", 30),
                ("b", "a", "model_a", 10),
                ("c", "b", "tie", 4),
                ("x", "y", "model_a", 50),
                ("y", "x", "model_a", 1),
            )
        )
        assert [row["group"] for row in found["ratings"]] == [1, 1, 1, 2, 2]
        assert [row["model"] for row in found["ratings"][3:]] == ["x", "y"]
        assert [row["rank"] for row in found["ratings"][3:]] == [1, 2]
        for group in (1, 2):
            rows = [row for row in found["ratings"] if row["group"] == group]
            assert np.mean([row["rating"] for row in rows]) == pytest.approx(1000)
        assert any("2 groups" in line for line in found["warnings"])

    def test_an_anchor_moves_its_own_group(self) -> None:
        lots = decided(*((a, b, w, 3) for a, b in ("ab", "xy") for w in ("model_a", "model_b")))
        found = ratings(lots, anchor=("x", 1500))
        assert found == pytest.approx({"a": 1000, "b": 1000, "x": 1500, "y": 1500})

    @pytest.mark.parametrize("count", [1, 5, 40])
    @pytest.mark.parametrize("method", METHODS)
    def test_undefeated_and_winless(self, method: Method, count: int) -> None:
        """The closed form: p^n = 2.5 % against models that are all equal."""
        equal = [(a, b, w, 6) for a, b in ("ab", "bc", "ca") for w in ("model_a", "model_b")]
        found = ranked(
            decided(
                *equal,
                ("top", "a", "model_a", count),
                ("c", "low", "model_a", count),
                ("top", "low", "model_a", 2),
            ),
            method=method,
        )
        rows = by_model(found)
        top, low = rows["top"], rows["low"]
        assert [row["model"] for row in found["ratings"]] == ["top", "a", "b", "c", "low"]
        p = CHANCE ** (1 / count)
        end = SCALE * np.log(p / (1 - p))
        assert (top["rating"], top["upper"], top["note"]) == (None, None, "undefeated")
        assert (low["rating"], low["lower"], low["note"]) == (None, None, "winless")
        assert top["lower"] == pytest.approx(1000 + end)
        assert low["upper"] == pytest.approx(1000 - end)
        assert any(line.startswith("top never lost") for line in found["warnings"])
        assert any(line.startswith("low never won") for line in found["warnings"])

    @pytest.mark.parametrize("method", ["davidson", "rao-kupper"])
    def test_ties_make_an_undefeated_record_rarer(self, method: Method) -> None:
        """As many ties as wins among equals: 1 : 1 : 1 wins against an equal, a third."""
        equal = [("a", "b", w, 8) for w in ("model_a", "model_b", "tie")]
        found = by_model(ranked(decided(*equal, ("top", "a", "model_a", 3)), method=method))
        strength = (found["top"]["lower"] - 1000) / SCALE
        up = np.exp(strength / (2 if method == "davidson" else 1))
        p = up / (up + 1 / up + 1) if method == "davidson" else up / (up + 2)
        assert p**3 == pytest.approx(CHANCE)

    def test_a_chain_without_a_loop_can_be_placed_nowhere(self) -> None:
        chain = decided(("a", "b", "model_a", 5), ("b", "c", "model_a", 5))
        found = ranked(chain)
        assert {(r["rating"], r["lower"], r["upper"], r["note"]) for r in found["ratings"]} == {
            (None, None, None, "not comparable")
        }
        assert any("a, b, c cannot be placed" in line for line in found["warnings"])

    @pytest.mark.parametrize("method", METHODS)
    def test_with_a_prior_everything_is_finite(self, method: Method) -> None:
        one_sided = decided(
            ("a", "b", "model_a", 5), ("b", "c", "model_a", 5), ("x", "y", "model_a", 1)
        )
        found = ranked(one_sided, method=method, l2=0.5)
        for row in found["ratings"]:
            assert row["lower"] < row["rating"] < row["upper"]
            assert row["note"] == ""
        assert [r["model"] for r in found["ratings"]] == ["a", "b", "c", "x", "y"]

    @given(battles(), st.sampled_from(METHODS))
    def test_what_is_said_is_finite_or_has_a_reason(self, lots: Battles, method: Method) -> None:
        lots.names["judge"] = judged(np.zeros(len(lots), dtype=int))
        for row in ranked(lots, method=method)["ratings"]:
            assert (row["rating"] is None) == (row["note"] != "")
            assert row["rating"] is None or abs(row["rating"] - 1000) < 4000
        assert all(r["rating"] is not None for r in ranked(lots, method=method, l2=1)["ratings"])


class TestTies:
    @pytest.mark.parametrize("method", [*METHODS, "elo"])
    @pytest.mark.parametrize("l2", [0, 1])
    def test_ties_alone_tell_nothing_apart(self, method: str, l2: float) -> None:
        lots = decided(("a", "b", "tie", 9), ("b", "c", "both_bad", 5))
        lots.names["judge"] = judged(np.zeros(14, dtype=int))
        for ci in ("sandwich", "bootstrap"):
            if method == "elo" and (l2 or ci == "sandwich"):
                continue
            found = ranked(lots, method=method, l2=l2, ci=ci, rounds=20)
            # Nothing varied, which is no reason to be certain.
            assert {(r["rank"], r["lower"], r["upper"]) for r in found["ratings"]} == {
                (1, None, None)
            }
            assert [r["rating"] for r in found["ratings"]] == pytest.approx([1000] * 3)
            assert any("nothing tells the models apart" in line for line in found["warnings"])

    @pytest.mark.parametrize(
        "lots",
        [
            (("a", "b", "model_a", 3), ("a", "b", "tie", 5)),
            (("a", "b", "tie", 3), ("b", "c", "tie", 5), ("a", "c", "model_a", 3)),
        ],
    )
    @pytest.mark.parametrize("method", ["davidson", "rao-kupper"])
    def test_wins_and_ties_on_one_side_have_no_maximum(
        self, method: Method, lots: tuple[Any, ...]
    ) -> None:
        """Strengths that grow with the parameter of ties explain them ever better."""
        found = ranked(decided(*lots), method=method)
        assert {row["note"] for row in found["ratings"]} == {"no maximum"}
        assert any("use bt" in line for line in found["warnings"])
        assert None not in ratings(decided(*lots), method="bt").values()
        # One battle the other way, and there is one.
        more = decided(*lots, (lots[-1][1], "a", "model_a", 1))
        assert None not in ratings(more, method=method).values()

    @given(battles())
    def test_whether_there_is_one_is_a_linear_programme(self, lots: Battles) -> None:
        cells = cells_of(lots)
        size, tie = cells.size, cells.outcome == 2
        ahead = np.zeros((len(tie), size))
        ahead[np.arange(len(tie)), cells.i] = np.where(cells.outcome == B, -1, 1)
        ahead[np.arange(len(tie)), cells.j] = np.where(cells.outcome == B, 1, -1)
        # Winners ahead by 1, tied models at most 1 apart.
        rows = np.vstack([-ahead[~tie], ahead[tie], -ahead[tie]])
        most = np.repeat([-1.0, 1.0], [(~tie).sum(), 2 * tie.sum()])
        found = linprog(np.zeros(size), rows, most, bounds=(None, None))
        needed = tie.any() and not tie.all()
        assert bounded(cells) == (not needed or found.status == 2)

    @pytest.mark.parametrize("method", ["davidson", "rao-kupper"])
    def test_rounds_without_a_maximum_open_the_interval(self, method: Method) -> None:
        lots = decided(("a", "b", "model_a", 9), ("a", "b", "tie", 9), ("b", "a", "model_a", 1))
        first = ranked(lots, method=method, ci="bootstrap", rounds=100)["ratings"][0]
        assert first["rating"] is not None
        assert first["upper"] is None

    def test_without_ties_that_is_said(self) -> None:
        lots = decided(("a", "b", "model_a", 3), ("b", "a", "model_a", 3))
        for method in ("davidson", "rao-kupper"):
            assert any("No battle was tied" in w for w in ranked(lots, method=method)["warnings"])


class TestWhatChangesNothing:
    @given(battles(), st.sampled_from(METHODS))
    def test_exchanging_the_sides(self, lots: Battles, method: Method) -> None:
        assert same(ranked(lots, method=method), ranked(exchanged(lots), method=method))

    @given(st.integers(0, 10**6), st.sampled_from(METHODS))
    @settings(max_examples=20)
    def test_exchanging_the_sides_with_style(self, seed: int, method: Method) -> None:
        rng = np.random.default_rng(seed)
        lots = fair(4, 200, seed, covariates={"x": rng.normal(0.5, 1, 200)})
        one, other = (
            ranked(each, method=method, covariates=["x"]) for each in (lots, exchanged(lots))
        )
        assert same(one, other)
        assert one["style"][0]["coefficient"] == pytest.approx(other["style"][0]["coefficient"])

    @given(battles(), st.randoms(use_true_random=False), st.sampled_from(METHODS))
    def test_another_order(self, lots: Battles, random: Any, method: Method) -> None:
        order = list(range(len(lots)))
        random.shuffle(order)
        assert same(ranked(lots, method=method), ranked(lots.take(np.array(order)), method=method))

    def test_exchanging_some_sides_only(self) -> None:
        lots = fair()
        half = np.arange(len(lots)) % 2 == 0
        back = exchanged(lots)
        mixed = battles_of(
            np.where(half, lots.a, back.a),
            np.where(half, lots.b, back.b),
            np.where(half, lots.outcome, back.outcome),
            4,
        )
        assert same(ranked(lots), ranked(mixed))


class TestElo:
    def test_by_hand(self) -> None:
        found = ratings(decided(("a", "b", "model_a", 1), ("b", "a", "tie", 1)), method="elo")
        # 1000 each: 2 points change hands. Then 4 (1/2 - e), e = 1 / (1 + 10^(-4/400)), go back.
        back = 4 * (1 / (1 + 10 ** (-4 / 400)) - 0.5)
        assert found == pytest.approx({"a": 1002 - back, "b": 998 + back})

    def test_the_order_of_time_counts(self) -> None:
        lots = fair(3, 300)
        times = np.random.default_rng(0).permutation(300).astype(float)
        timed = battles_of(lots.a, lots.b, lots.outcome, 3, time=times)
        backwards = timed.take(np.arange(300)[::-1])
        in_order = lots.take(np.argsort(times))
        assert ratings(timed, method="elo") == ratings(backwards, method="elo")
        assert ratings(timed, method="elo") == ratings(in_order, method="elo")
        assert ratings(timed, method="elo") != ratings(lots, method="elo")
        assert ratings(lots, method="elo") != ratings(lots.take(np.arange(300)[::-1]), method="elo")

    def test_battles_without_a_time_come_last(self) -> None:
        lots = decided(("a", "b", "model_a", 1), ("b", "a", "model_a", 1))
        late = Battles(lots.models, lots.a, lots.b, lots.outcome, time=np.array([np.nan, 5.0]))
        assert ratings(late, method="elo") == ratings(
            lots.take(np.array([1, 0])), method="elo", rounds=2
        )

    def test_a_file_s_times_are_heeded(self, tmp_path: Path) -> None:
        wins = [("a", "b", "2024-01-02"), ("b", "a", "2024-01-01"), ("a", "b", "2024-01-03")]
        rows = [{"model_a": a, "model_b": b, "winner": "model_a", "time": t} for a, b, t in wins]
        chosen = Settings(method="elo", rounds=2)
        one, other = (
            rank(read([write_rows(tmp_path / f"{n}.csv", each)], chosen.wanted), chosen)
            for n, each in enumerate((rows, sorted(rows, key=lambda r: r["time"])))
        )
        assert one["ratings"] == other["ratings"]


class TestSettings:
    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"method": "elo", "ci": "sandwich"}, "elo has no sandwich intervals; use bootstrap"),
            ({"method": "elo", "ci": "cluster"}, "elo has no cluster intervals"),
            ({"method": "elo", "style": True}, "elo has no style control"),
            ({"method": "elo", "covariates": ["len"]}, "elo has no style control"),
            ({"method": "elo", "l2": 1.0}, "no prior"),
            ({"ci": "jackknife"}, "ci: "),
            ({"method": "glicko"}, "method: "),
            ({"cluster_by": "model"}, "cluster_by: "),
            ({"rounds": 1}, "rounds: "),
            ({"l2": -1}, "l2: "),
            ({"l2": float("inf")}, "l2: "),
            ({"flag_rate": 1}, "flag_rate: "),
            ({"roudns": 10}, "roudns: unknown key; did you mean 'rounds'?"),
        ],
    )
    def test_a_wrong_one_is_a_line(self, values: dict[str, Any], said: str) -> None:
        with pytest.raises(ConfigError) as error:
            build(Settings, values, "")
        assert said in str(error.value)
        assert len(str(error.value).splitlines()) == 1

    def test_clusters_need_their_column(self) -> None:
        with pytest.raises(DataError, match="--cluster-by judge"):
            ranked(fair(), ci="cluster", cluster_by="judge")

    def test_style_needs_texts(self) -> None:
        with pytest.raises(DataError, match="style control needs the answers"):
            ranked(fair(), style=True)
        with pytest.raises(DataError, match="covariate 'len'"):
            ranked(fair(), covariates=["len"])

    def test_style_of_files_of_which_one_has_no_texts(self, tmp_path: Path) -> None:
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "**x**"}]
        plain = {"model_a": "a", "model_b": "b", "winner": "tie"}
        full = {**plain, "conversation_a": turns, "conversation_b": turns}
        paths = [write_rows(tmp_path / "1.jsonl", [full]), write_rows(tmp_path / "2.csv", [plain])]
        chosen = Settings(style=True)
        assert rank(read(paths[:1], chosen.wanted), chosen)["style"] == []
        with pytest.raises(DataError, match="of every battle"):
            rank(read(paths, chosen.wanted), chosen)


def logistic(battles: Battles, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and sandwich errors of a plain logistic regression, models as dummies, by
    iterated least squares on every single battle."""
    size = len(battles.models)
    x = np.zeros((len(battles), size))
    x[np.arange(len(battles)), battles.a] = 1
    x[np.arange(len(battles)), battles.b] -= 1
    x = np.hstack([x, z])
    y = np.array([1, 0, 0.5, 0.5])[battles.outcome]
    beta = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ beta))
        inverse = np.linalg.pinv((x * (p * (1 - p))[:, None]).T @ x, hermitian=True)
        beta = beta + inverse @ (x.T @ (y - p))
    scores = x * (y - p)[:, None]
    return beta, np.sqrt(np.diag(inverse @ (scores.T @ scores) @ inverse))


class TestStyle:
    COLUMNS = ("len", "header", "list", "bold")

    def test_real_votes_are_a_logistic_regression(self, shared_data: Path) -> None:
        path = shared_data / "llmfao" / "battles_style.csv"
        lots = read([path], (), self.COLUMNS)
        found = ranked(lots, covariates=self.COLUMNS)
        z = np.stack([lots.covariates[name] for name in self.COLUMNS], axis=1)
        beta, se = logistic(lots, z / np.sqrt((z**2).mean(axis=0)))
        theta, size = beta[: len(lots.models)], len(lots.models)
        ours = by_model(found)
        theirs = 1000 + SCALE * (theta - theta.mean())
        assert [ours[m]["rating"] for m in lots.models] == pytest.approx(theirs, abs=1e-4)
        assert [ours[m]["se"] for m in lots.models] == pytest.approx(SCALE * se[:size], rel=1e-6)
        assert [s["name"] for s in found["style"]] == list(self.COLUMNS)
        assert [s["coefficient"] for s in found["style"]] == pytest.approx(beta[size:], abs=1e-7)
        assert [s["se"] for s in found["style"]] == pytest.approx(se[size:], rel=1e-6)
        for s in found["style"]:
            assert s["points"] == pytest.approx(SCALE * s["coefficient"])
            assert s["lower"] < s["coefficient"] < s["upper"]

    def test_the_unit_of_a_covariate_does_not_matter(self) -> None:
        rng = np.random.default_rng(3)
        x = rng.normal(0, 1, 600)
        one, other = (
            ranked(fair(covariates={"x": scale * x}), covariates=["x"]) for scale in (1, 1000)
        )
        assert one["style"][0]["points"] == pytest.approx(other["style"][0]["points"])
        assert same(one, other)

    def test_what_never_differs_is_left_out(self) -> None:
        lots = fair(covariates={"x": np.zeros(600)})
        assert ranked(lots, covariates=["x"])["style"] == []
        assert same(ranked(lots, covariates=["x"]), ranked(lots))

    def test_counted_style_is_told_from_strength(self, tmp_path: Path) -> None:
        """Votes for the longer answer, by models that are equal."""
        rng = np.random.default_rng(5)
        a, b = drawn_pairs(rng, 3, 3000)
        sizes = rng.integers(1, 40, (3000, 2)) * np.stack([1 + a, 1 + b], axis=1)
        excess = (sizes[:, 0] - sizes[:, 1]) / (sizes.sum(axis=1) + 4)
        outcome = davidson_outcomes(rng, 3 * excess, 0.5)

        def talk(size: int) -> list[dict[str, str]]:
            return [
                {"role": "user", "content": "?"},
                {"role": "assistant", "content": "word " * size},
            ]

        rows = [
            {
                "model_a": f"m{a[n]}",
                "model_b": f"m{b[n]}",
                "winner": ("model_a", "model_b", "tie")[outcome[n]],
                "conversation_a": talk(sizes[n, 0]),
                "conversation_b": talk(sizes[n, 1]),
            }
            for n in range(3000)
        ]
        path = write_rows(tmp_path / "x.jsonl", rows)
        plain, styled = (
            ratings(read([path], chosen.wanted), **chosen.model_dump(exclude_unset=True))
            for chosen in (Settings(), Settings(style=True))
        )
        assert plain["m2"] - plain["m0"] > 100
        assert abs(styled["m2"] - styled["m0"]) < 30


class TestBoards:
    def lots(self) -> Battles:
        language = ["en"] * 560 + ["de"] * LEAST + ["fr"] * (600 - 560 - LEAST)
        rows = np.arange(600)
        return fair(
            tags={"coding": rows < 200, "short_query": rows % 2 == 0, "nothing": rows < 0},
            turns=np.where(rows < 50, 2, 1).astype(np.int32),
            names={"language": names_of(language)},
        )

    def test_the_boards_that_there_are(self) -> None:
        boards = there(self.lots())
        assert list(boards) == ["overall", "coding", "multi_turn", "exclude_short", "en", "de"]
        assert [int(rows.sum()) for rows in boards.values()] == [600, 200, 50, 300, 560, LEAST]
        assert list(there(fair())) == ["overall"]

    @pytest.mark.parametrize("name", ["coding", "multi_turn", "exclude_short", "de"])
    def test_a_board_is_the_leaderboard_of_its_battles(self, name: str) -> None:
        lots = self.lots()
        found = ranked(lots, category=name)
        alone = lots.take(there(lots)[name])
        assert found["battles"] == len(alone) == len(of_category(lots, name))
        assert found["ratings"] == ranked(alone)["ratings"]
        assert found["category"] == name

    def test_a_board_that_is_not_there(self) -> None:
        with pytest.raises(ConfigError, match="no battles of 'codign'; did you mean 'coding'"):
            ranked(self.lots(), category="codign")
        with pytest.raises(ConfigError, match="there are: overall, coding, multi_turn"):
            ranked(self.lots(), category="zh")

    @pytest.mark.parametrize("kind", [".csv", ".jsonl", ".parquet"])
    def test_categories_out_of_a_file(self, tmp_path: Path, kind: str) -> None:
        rows = [
            {
                "model_a": "a",
                "model_b": "b",
                "winner": "model_a" if n % 3 else "model_b",
                "categories": ["coding"] if n < 12 else [],
                "turns": 2 if n < 9 else 1,
                "language": "en" if n < LEAST else "de",
            }
            for n in range(40)
        ]
        path = write_rows(tmp_path / f"x{kind}", rows)
        counts = {
            name: ranked(read([path], Settings(category=name).wanted), category=name)["battles"]
            for name in ("coding", "multi_turn", "en")
        }
        assert counts == {"coding": 12, "multi_turn": 9, "en": LEAST}
