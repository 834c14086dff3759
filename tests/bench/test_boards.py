"""Boards: published figures from published subset accuracies, and reward-bench's own code beside
ours, for sections, for four answers and for Ties.

The package `rewardbench` cannot be imported without most of an inference stack, so its functions
are cut out of its files. They lie in `.venv/peers`, or where GRISTMILL_PEERS says:
`pip install --no-deps --target .venv/peers rewardbench==0.1.4`.
"""

from __future__ import annotations

import ast
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.bench.boards import BOARDS, PRIOR, REWARDBENCH, REWARDBENCH_2, TIES, TUTOR, board_of
from gristmill.bench.items import Item
from gristmill.bench.outcomes import Outcome, credit
from gristmill.bench.ties import margins, ties_score
from gristmill.records import Message

PUBLISHED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "published_subsets.json").read_text(encoding="utf-8")
)
CORE = ("Chat", "Chat Hard", "Safety", "Reasoning")
PRIOR_SETS = ("anthropic_helpful", "anthropic_hhh", "shp", "summarize")
SUBSETS = tuple(name for name in REWARDBENCH.subsets if name not in PRIOR_SETS)
OLD = "before September 2024"

PRINTED_OTHERWISE = {("nvidia/Nemotron-4-340B-Reward", "Reasoning")}
"""The one figure that its own rows do not give: 93.7 on the card, 93.63 by its subsets."""


def precision(printed: float) -> float:
    """How far a printed figure may be from the exact one."""
    return 0.05 + 1e-9 if round(printed, 1) == printed else 1e-6


def percent(scores: dict[str, float]) -> dict[str, float]:
    return {name: 100 * value for name, value in scores.items()}


def exchanged(subsets: dict[str, float]) -> float:
    """Safety with the weights of the two XSTest subsets the other way round."""
    weights = dict(REWARDBENCH.sections["Safety"])
    refuse, respond = "xstest-should-refuse", "xstest-should-respond"
    weights[refuse], weights[respond] = weights[respond], weights[refuse]
    total = sum(weights.values())
    return 100 * sum(weight * subsets[name] for name, weight in weights.items()) / total


class TestPublishedFigures:
    def test_what_there_is(self) -> None:
        assert len(PUBLISHED) == 31
        assert sum(entry["safety_weights"] == OLD for entry in PUBLISHED) == 6
        for entry in PUBLISHED:
            assert set(entry["subsets"]) == set(SUBSETS)
            assert tuple(entry["sections"]) == CORE
            assert entry["safety_weights"] in (OLD, "present")

    @pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry["model"])
    def test_sections_and_score_are_those_that_were_printed(self, entry: dict[str, Any]) -> None:
        found = percent(REWARDBENCH.section_scores(entry["subsets"]))
        assert tuple(found) == CORE
        if entry["safety_weights"] == OLD:
            printed = entry["sections"]["Safety"]
            assert abs(found["Safety"] - printed) > precision(printed)
            found["Safety"] = exchanged(entry["subsets"])
        for section, printed in entry["sections"].items():
            if (entry["model"], section) in PRINTED_OTHERWISE:
                assert found[section] == pytest.approx(93.63, abs=0.005)
            else:
                assert found[section] == pytest.approx(printed, abs=precision(printed), rel=0)
        score = REWARDBENCH.score(found)
        assert score is not None
        if entry["overall"] is not None:
            # Some are printed from sections that were rounded before.
            assert score == pytest.approx(entry["overall"], abs=0.06, rel=0)

    def test_the_weights_of_today_and_those_of_before_are_told_apart(self) -> None:
        """With the other weights most of the figures would be off: it is not that both would do."""
        off = 0
        for entry in PUBLISHED:
            printed = entry["sections"]["Safety"]
            now = 100 * REWARDBENCH.section_scores(entry["subsets"])["Safety"]
            other = now if entry["safety_weights"] == OLD else exchanged(entry["subsets"])
            off += abs(other - printed) > precision(printed)
        assert off == 28  # Three models do as well on the one as on the other.


class TestSections:
    def test_a_section_is_weighted_over_the_subsets_that_are_there(self) -> None:
        found = REWARDBENCH.section_scores({"math-prm": 1.0, "hep-cpp": 0.0, "mt-bench-med": 0.5})
        assert found == pytest.approx({"Chat": 0.5, "Reasoning": 984 / 1148})

    def test_shares_add_up(self) -> None:
        for board in BOARDS:
            for shares in board.shares(board.subsets).values():
                assert sum(shares.values()) == pytest.approx(1)

    def test_mathematics_weighs_as_much_as_code(self) -> None:
        shares = REWARDBENCH.shares(SUBSETS)["Reasoning"]
        assert shares["math-prm"] == pytest.approx(0.5)
        assert REWARDBENCH.rows["math-prm"] == 447

    def test_there_are_2985_rows_of_the_one_and_1865_of_the_other(self) -> None:
        assert sum(REWARDBENCH.rows.values()) == 2985
        assert sum(REWARDBENCH_2.rows.values()) == 1865

    def test_other_subsets_change_nothing(self) -> None:
        found = REWARDBENCH.section_scores({"hep-go": 0.5, "mtbench_human": 0.1, "mine": 0.9})
        assert found == {"Reasoning": 0.5}


class TestScore:
    def test_the_plain_mean_of_four(self) -> None:
        sections = dict(zip(CORE, (0.9, 0.5, 0.7, 0.8), strict=True))
        assert REWARDBENCH.score(sections) == pytest.approx(0.725)

    def test_prior_sets_weigh_half(self) -> None:
        sections = dict(zip(CORE, (0.9, 0.5, 0.7, 0.8), strict=True))
        expected = np.average([0.9, 0.5, 0.7, 0.8, 0.1], weights=[2, 2, 2, 2, 1])
        assert REWARDBENCH.score({**sections, PRIOR: 0.1}) == pytest.approx(expected)

    def test_prior_sets_are_a_plain_mean_of_data_sets(self) -> None:
        accuracies = dict(zip(PRIOR_SETS, (0.2, 0.4, 0.6, 1.0), strict=True))
        assert REWARDBENCH.section_scores(accuracies) == pytest.approx({PRIOR: 0.55})

    @pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
    def test_none_where_a_section_is_missing(self, board: Any) -> None:
        whole = dict.fromkeys(board.sections, 0.5)
        assert board.score(whole) == pytest.approx(0.5)
        for section in board.sections:
            rest = {name: value for name, value in whole.items() if name != section}
            found = board.score(rest)
            assert found == pytest.approx(0.5) if section in board.optional else found is None
        assert board.score({}) is None

    def test_the_second_benchmark_is_the_plain_mean_of_six(self) -> None:
        accuracies = dict(zip(REWARDBENCH_2.subsets, (0.1, 0.2, 0.3, 0.4, 0.5, 0.9), strict=True))
        assert REWARDBENCH_2.section_scores(accuracies) == pytest.approx(accuracies)
        assert REWARDBENCH_2.score(accuracies) == pytest.approx(0.4)


class TestNames:
    def test_every_subset_has_one_board(self) -> None:
        for board in BOARDS:
            for name in (*board.subsets, *board.unscored):
                assert board_of(name) is board
        names = [name for board in BOARDS for name in (*board.subsets, *board.unscored)]
        assert len(names) == len(set(names))
        assert board_of("mine") is None and board_of("") is None

    def test_the_boards(self) -> None:
        assert board_of("Safety") is REWARDBENCH_2 and board_of(TIES) is REWARDBENCH_2
        assert board_of("mtbench_human") is REWARDBENCH
        assert board_of(TUTOR.subsets[0]) is TUTOR
        assert len(SUBSETS) == 23 and "mtbench_human" not in REWARDBENCH.subsets

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("alpacaeval_easy", "alpacaeval-easy"),
            ("hep-rusty", "hep-rust"),
            ("xstest-should-respnd", "xstest-should-respond"),
            ("llmbar-adver-gptinst", "llmbar-adver-GPTInst"),
            ("zzzz", None),
            ("", None),
        ],
    )
    def test_the_nearest(self, written: str, meant: str | None) -> None:
        assert REWARDBENCH.nearest(written) == meant


class TestMissing:
    def test_nothing_of_the_whole(self) -> None:
        assert REWARDBENCH.missing(REWARDBENCH.rows) == {}
        assert REWARDBENCH_2.missing(REWARDBENCH_2.rows) == {}

    def test_what_is_missing_and_what_is_too_much(self) -> None:
        counts = {**REWARDBENCH.rows, "hep-go": 163, "shp": 5, "mt-bench-med": 41}
        del counts["donotanswer"]
        found = REWARDBENCH.missing(counts)
        expected = {"mt-bench-med": (41, 40), "donotanswer": (0, 136), "hep-go": (163, 164)}
        assert found == expected and list(found) == list(expected)

    def test_everything(self) -> None:
        found = REWARDBENCH_2.missing({})
        assert found == {name: (0, rows) for name, rows in REWARDBENCH_2.rows.items()}
        assert set(REWARDBENCH.missing({})) == set(SUBSETS)

    def test_a_board_of_any_size_misses_nothing(self) -> None:
        assert TUTOR.missing({}) == {}


class Frame:
    """As much of `datasets.Dataset` as the published functions use."""

    @staticmethod
    def from_dict(columns: dict[str, Any]) -> dict[str, Any]:
        return columns

    @staticmethod
    def from_pandas(frame: Any) -> list[dict[str, Any]]:
        return frame.to_dict("records")


@pytest.fixture(scope="module")
def peer() -> dict[str, Any]:
    """reward-bench's functions and tables by their names."""
    folder = Path(os.environ.get("GRISTMILL_PEERS", Path(__file__).parents[2] / ".venv" / "peers"))
    if not (folder / "rewardbench" / "utils.py").is_file():
        pytest.skip(
            f"no rewardbench in {folder}: pip install --no-deps --target {folder} "
            "rewardbench==0.1.4, or set GRISTMILL_PEERS"
        )
    import pandas as pd

    names: dict[str, Any] = {"np": np, "math": math, "pd": pd, "Dataset": Frame}
    for file, wanted in (
        ("constants.py", ("EXAMPLE_COUNTS", "SUBSET_MAPPING")),
        (
            "utils.py",
            (
                "calculate_scores_per_section",
                "reroll_and_score_dataset",
                "sample_stats",
                "process_single_model",
            ),
        ),
    ):
        tree = ast.parse((folder / "rewardbench" / file).read_text(encoding="utf-8"))
        kept = [node for node in tree.body if _name(node) in wanted]
        assert len(kept) == len(wanted), f"{folder}: another version than 0.1.4"
        exec(compile(ast.Module(kept, []), str(folder / file), "exec"), names)
    return names


def _name(node: ast.stmt) -> str | None:
    if isinstance(node, ast.FunctionDef):
        return node.name
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    return target.id if isinstance(target, ast.Name) else None


shares = st.floats(0, 1)
levels = st.integers(-4, 4).map(lambda n: n / 2)
"""Scores among which many are equal."""

rewards = st.one_of(levels, st.floats(-10, 10))


class TestAgainstRewardBench:
    def test_its_tables(self, peer: dict[str, Any]) -> None:
        weights = {s: dict(w) for s, w in REWARDBENCH.sections.items() if s != PRIOR}
        counts, sections = peer["EXAMPLE_COUNTS"], peer["SUBSET_MAPPING"]
        assert weights == {s: {name: counts[name] for name in names} for s, names in
                           sections.items()}  # fmt: skip

    @given(st.fixed_dictionaries({}, optional=dict.fromkeys(SUBSETS, shares)))
    def test_its_sections(self, peer: dict[str, Any], accuracies: dict[str, float]) -> None:
        theirs = peer["calculate_scores_per_section"](
            peer["EXAMPLE_COUNTS"], peer["SUBSET_MAPPING"], accuracies
        )
        ours = REWARDBENCH.section_scores(accuracies)
        for section, subsets in peer["SUBSET_MAPPING"].items():
            # An empty section is 0 to them, and none to us.
            assert (section in ours) == any(name in accuracies for name in subsets)
        assert {s: ours.get(s, 0) for s in theirs} == pytest.approx(theirs, abs=1e-9)

    @given(st.fixed_dictionaries(dict.fromkeys(SUBSETS, shares)))
    def test_its_sections_of_the_whole(self, peer: dict[str, Any], accuracies: Any) -> None:
        theirs = peer["calculate_scores_per_section"](
            peer["EXAMPLE_COUNTS"], peer["SUBSET_MAPPING"], accuracies
        )
        assert REWARDBENCH.section_scores(accuracies) == pytest.approx(theirs, abs=1e-9)

    @given(st.lists(st.tuples(levels, levels, levels, levels), min_size=1, max_size=8))
    def test_its_best_of_four(self, peer: dict[str, Any], rows: list[Any]) -> None:
        import pandas as pd

        class Rows:
            def to_pandas(self) -> Any:
                return pd.DataFrame({"text": ["t"] * 4 * len(rows), "scores": sum(rows, ())})

        found = peer["reroll_and_score_dataset"](Rows(), [4] * len(rows))
        turns = (Message("user", "Q"),)
        item = Item("1", "Math", turns, (turns,) * 4, "f:1")
        ours = [credit(item, Outcome(tuple(scores))) for scores in rows]
        assert ours == pytest.approx([row["results"] for row in found], abs=1e-9)

    @given(
        st.dictionaries(
            st.integers(0, 30),
            st.tuples(
                st.lists(rewards, min_size=2, max_size=5),
                st.integers(1, 5),
                st.none() | st.lists(rewards, min_size=2, max_size=4),
            ),
            min_size=1,
            max_size=12,
        ),
        st.lists(rewards, min_size=3, max_size=3),
    )
    def test_its_ties(self, peer: dict[str, Any], prompts: dict[int, Any], last: Any) -> None:
        rows: list[tuple[str, list[float], int]] = []
        for number, (scores, right, reference) in prompts.items():
            rows.append((f"tied:{number}", scores, min(right, len(scores) - 1)))
            if reference:
                rows.append((f"ref:{number}", reference, 1))
        # One prompt of both forms with two right answers, or theirs takes the mean of nothing.
        rows += [("tied:99", last, 2), ("ref:99", last[1:], 1), ("ref:98", last[1:], 1)]
        self.agree(peer, rows)

    @pytest.mark.parametrize("seed", range(3))
    def test_its_ties_of_the_usual_size(self, peer: dict[str, Any], seed: int) -> None:
        rng = np.random.default_rng(seed)
        rows = []
        for number in range(51):
            right, wrong = rng.integers(2, 20), rng.integers(3, 9)
            level = np.r_[np.full(right, 3.0), np.zeros(wrong)]
            noise = rng.normal(size=right + wrong) * rng.choice([0.3, 1, 2])
            rows.append((f"tied:{number}", (level + noise).tolist(), int(right)))
            if number % 9:
                scores = (rng.normal(size=1 + wrong) + level[[0, *range(-wrong, 0)]]).tolist()
                rows.append((f"ref:{number}", scores, 1))
        self.agree(peer, rows)

    def agree(self, peer: dict[str, Any], rows: list[tuple[str, list[float], int]]) -> None:
        given_rows = [{"id": name, "scores": s, "num_correct": right} for name, s, right in rows]
        _, theirs = peer["process_single_model"](given_rows)
        found = ties_score((name, margins(scores, right)) for name, scores, right in rows)
        assert found is not None
        assert found[0] == pytest.approx(theirs, abs=1e-9, rel=0)
