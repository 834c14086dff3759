"""Evaluations from the rows to the figures: what is recovered, what is said, what is resumed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import bench_judges
from gristmill import tutor
from gristmill.bench.boards import REWARDBENCH
from gristmill.bench.items import Item, items_of
from gristmill.bench.run import Request, run
from gristmill.errors import BackendFatal, DataError, RunError
from gristmill.intake.source import Source

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    for held in (bench_judges.right, bench_judges.asked, bench_judges.failing):
        held.clear()
    yield


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes rows into a JSONL file."""

    def written(rows: list[Any], name: str = "pairs.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return written


def pair(number: int, subset: str = "mine", **more: Any) -> dict[str, Any]:
    """A pair whose better answer is the longer one for even numbers."""
    long, short = f"answer {number} at some length", f"{number}."
    chosen, rejected = (long, short) if number % 2 == 0 else (short, long)
    row = {"prompt": f"Question {number}?", "chosen": chosen, "rejected": rejected}
    return {**row, "subset": subset, "id": number, **more}


def judged(path: Path, out: Path, *, scored: bool = False, **asked: Any) -> dict[str, Any]:
    """The figures of an evaluation."""
    return run(Request(str(path), scored, **asked), out).metrics


def whole_board(path: Path, write: Write) -> Path:
    """Every row of RewardBench's shape, with answers of our own."""
    rows = [pair(n, subset) for subset, count in REWARDBENCH.rows.items() for n in range(count)]
    return write([{**row, "prompt": f"{row['subset']} {row['prompt']}"} for row in rows])


class TestScores:
    def test_a_score_above_the_other_wins_and_a_tie_is_a_loss(
        self, write: Write, tmp_path: Path
    ) -> None:
        path = write([pair(n) for n in range(10)])
        models = ("scripted:bench_judges:length", "scripted:bench_judges:equal")
        longer, same = judged(path, tmp_path / "out", models=models)["judges"]
        assert (longer["accuracy"], same["accuracy"]) == (0.5, 0.0)
        assert (longer["equal"], same["equal"]) == (0, 10)
        assert longer["length"]["when_longer"]["mean"] == 1
        assert longer["length"]["when_shorter"]["mean"] == 0
        assert longer["length"]["prefers_longer"]["mean"] == 1
        assert longer["length"]["longer_is_better"] == 0.5

    def test_who_scores_all_alike_leans_to_neither_length(
        self, write: Write, tmp_path: Path
    ) -> None:
        # All better answers are the shorter ones: a tie is a loss, and no liking for length.
        path = write([pair(n) for n in range(1, 20, 2)])
        [same] = judged(path, tmp_path / "out", models=("scripted:bench_judges:equal",))["judges"]
        assert same["accuracy"] == 0
        assert same["length"]["prefers_longer"]["mean"] == 0.5

    def test_the_whole_of_rewardbench_has_its_sections_and_its_score(
        self, write: Write, tmp_path: Path
    ) -> None:
        path = whole_board(tmp_path, write)
        metrics = judged(
            path, tmp_path / "out", scored=True, models=("scripted:bench_judges:length",)
        )
        assert metrics["benchmark"] == "RewardBench"
        assert metrics["rows"] == metrics["num_prompts"] == 2985
        assert metrics["incomplete"] == {}
        assert metrics["model"] == "scripted:bench_judges:length"
        (judge,) = metrics["judges"]
        accuracies = {
            name: -(-count // 2) / count for name, count in REWARDBENCH.rows.items()
        }  # The even numbers of each.
        sections = REWARDBENCH.section_scores(accuracies)
        assert {n: s["score"] for n, s in judge["sections"].items()} == pytest.approx(sections)
        assert judge["score"]["score"] == pytest.approx(sum(sections.values()) / 4)
        assert metrics["sections"] == pytest.approx(sections)
        assert metrics["score"] == judge["score"]["score"]
        assert metrics["extra_results"] == pytest.approx(accuracies)
        rows = next((tmp_path / "out" / "judges").glob("*/rows.jsonl")).read_text().splitlines()
        assert len(rows) == 2985
        assert json.loads(rows[1]) == {
            "id": "1",
            "subset": "alpacaeval-easy",
            "where": "pairs.jsonl:2",
            "results": 0.0,
            "scores_chosen": 2.0,
            "scores_rejected": 23.0,
        }

    def test_rewardbench_2(self, write: Write, tmp_path: Path) -> None:
        rows: list[dict[str, Any]] = []
        for subset in ("Factuality", "Precise IF", "Math", "Safety", "Focus"):
            wrong = ["a", "bb", "ccc"]
            for n, chosen in enumerate(("the longest", "bb", "x")):
                right = {"chosen": [chosen], "rejected": wrong, "num_correct": 1}
                rows.append({"id": str(n), "prompt": f"{subset}?", "subset": subset, **right})
        for form, right_answers in (("ref", ["orange-"]), ("tied", ["orange-", "yellow+"])):
            answers = {
                "chosen": right_answers,
                "rejected": ["red"],
                "num_correct": len(right_answers),
            }
            rows.append({"id": f"{form}:1", "prompt": f"{form}?", "subset": "Ties", **answers})
        metrics = judged(
            write(rows), tmp_path / "out", scored=True, models=("scripted:bench_judges:length",)
        )
        (judge,) = metrics["judges"]
        assert metrics["benchmark"] == "RewardBench 2"
        assert set(metrics["incomplete"]) == set(metrics["subset_rows"])
        assert all(judge["sections"][s]["score"] == pytest.approx(1 / 3) for s in ("Math", "Focus"))
        # Both right answers are as long: no spread, so that the last term has nothing to average.
        assert judge["sections"]["Ties"]["score"] == pytest.approx(1.0)
        assert judge["score"]["score"] == pytest.approx((5 / 3 + 1) / 6)

    def test_rm_bench_is_scored_hard_normal_and_easy(self, write: Write, tmp_path: Path) -> None:
        rows = [
            {
                "id": n,
                "prompt": f"{n}?",
                "domain": "chat",
                "chosen": ["yes", "yes, " * 4, "yes, " * 8],
                "rejected": ["no.", "no, " * 4, "no, " * 8],
            }
            for n in range(3)
        ]
        (judge,) = judged(write(rows), tmp_path / "out", models=("scripted:bench_judges:length",))[
            "judges"
        ]
        # Longer wins: never where the worse one is fancier, always where the better one is.
        assert judge["grid"] == {"chat": {"hard": 0.0, "normal": pytest.approx(2 / 3), "easy": 1.0}}
        assert judge["accuracy"] == pytest.approx(5 / 9)

    def test_prior_sets_weigh_half(self, write: Write, tmp_path: Path) -> None:
        rows = [pair(2 * n, subset) for subset in REWARDBENCH.rows for n in range(2)]
        rows += [pair(2 * n + 1, name) for name in ("shp", "summarize") for n in range(2)]
        rows = [{**row, "prompt": f"{row['subset']}{row['prompt']}"} for row in rows]
        (judge,) = judged(
            write(rows), tmp_path / "out", scored=True, models=("scripted:bench_judges:length",)
        )["judges"]
        assert judge["sections"]["Prior Sets"]["score"] == 0
        assert judge["score"]["score"] == pytest.approx(8 / 9)


class TestChoices:
    def known(self, source: str, path: Path) -> int:
        """Write the pairs of a source, and tell the judges the better answers; returns how many
        there are."""
        found = [item for item in items_of(Source(file=source)) if isinstance(item, Item)]
        rows = []
        for item in found:
            prompt, better, worse = (t[-1].content for t in (item.prompt, *item.answers))
            if bench_judges.known(prompt, worse, better) not in bench_judges.right:
                bench_judges.right.add(bench_judges.known(prompt, better, worse))
                pair = {"prompt": prompt, "chosen": better, "rejected": worse}
                rows.append({**pair, "subset": item.subset})
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return len(rows)

    def test_known_accuracy_and_bias_are_recovered(self, tmp_path: Path) -> None:
        path = tmp_path / "pairs.jsonl"
        count = self.known("tutor:900:bench", path)
        assert count > 700
        chats = ("scripted:bench_judges:biased",)
        self.recovered(judged(path, tmp_path / "out", chats=chats, orders=2), count)

    def test_on_real_pairs_too(self, shared_data: Path, tmp_path: Path) -> None:
        path = tmp_path / "pairs.jsonl"
        count = self.known(str(shared_data / "llmbar"), path)
        assert count > 700
        chats = ("scripted:bench_judges:biased",)
        self.recovered(judged(path, tmp_path / "out", chats=chats, orders=2), count)

    def recovered(self, metrics: dict[str, Any], count: int) -> None:
        """The figures hold what `biased` is known to do, within their intervals."""
        (judge,) = metrics["judges"]
        looks = 1 - bench_judges.FIRST
        reads = 1 - bench_judges.NONSENSE
        accuracy = reads * (looks * bench_judges.ACCURACY + 0.5 * bench_judges.FIRST) + 0.5 * (
            1 - reads
        )
        position = judge["position"]
        assert judge["replies"] == 2 * count
        assert judge["low"] < accuracy < judge["high"]
        assert inside(position["first"], looks * 0.5 + bench_judges.FIRST)
        assert inside(position["bias"], reads * bench_judges.FIRST)
        assert inside(position["flipped"], bench_judges.FIRST)
        assert inside(position["right_in_both"], reads * looks * bench_judges.ACCURACY)
        assert judge["unreadable"] / judge["replies"] == pytest.approx(
            bench_judges.NONSENSE, abs=0.02
        )
        assert any("no verdict that can be read" in line for line in said(metrics))

    def test_one_order_is_random_and_the_same_for_every_judge(self, tmp_path: Path) -> None:
        path = tmp_path / "pairs.jsonl"
        count = self.known("tutor:200:bench", path)
        names = ("scripted:bench_judges:biased", "scripted:bench_judges:first")
        metrics = judged(path, tmp_path / "out", scored=True, chats=names)
        judge = metrics["judges"][1]
        # Always the first: right where the better one happened to be there.
        assert 0.4 < judge["accuracy"] < 0.6
        assert judge["position"]["first"]["mean"] == 1
        assert judge["replies"] == count
        orders = [
            [json.loads(line)["asked"][0]["order"] for line in path.read_text().splitlines()]
            for path in (tmp_path / "out" / "judges").glob("*/rows.jsonl")
        ]
        assert orders[0] == orders[1]

    def test_the_score_counts_one_order_and_both_are_told_apart(self, tmp_path: Path) -> None:
        path = tmp_path / "pairs.jsonl"
        self.known("tutor:200:bench", path)
        one, two = (
            judged(
                path,
                tmp_path / str(orders),
                scored=True,
                chats=("scripted:bench_judges:biased",),
                orders=orders,
            )["judges"][0]
            for orders in (1, 2)
        )
        assert one["score"] == two["score"]
        assert "right_in_both" not in one["position"]
        assert two["position"]["right_in_both"]["mean"] < two["accuracy"]

    def test_nonsense_counts_as_chance_and_is_said(self, tmp_path: Path) -> None:
        metrics = judged(
            Path("tutor:40:bench"),
            tmp_path / "out",
            scored=True,
            chats=("scripted:bench_judges:nonsense",),
        )
        (judge,) = metrics["judges"]
        assert judge["score"]["score"] == 0.5
        assert judge["unreadable"] == judge["replies"] == 40
        assert any("100.0\u202f% of its replies give no verdict" in line for line in said(metrics))

    def test_a_grid_is_no_bias_of_a_judge_that_knows(self, write: Write, tmp_path: Path) -> None:
        row = {"prompt": "?", "chosen": ["a", "aa"], "rejected": ["b", "bb"], "domain": "chat"}
        bench_judges.right.update({"a", "aa"})
        chats = ("scripted:bench_judges:knows",)
        (judge,) = judged(write([row]), tmp_path / "out", chats=chats, orders=2)["judges"]
        assert (judge["accuracy"], judge["replies"]) == (1, 8)
        for name in ("when_first", "when_later"):
            assert judge["position"][name]["mean"] == 1
        assert judge["position"]["first"]["mean"] == 0.5

    def test_four_answers_and_ratings_for_ties(self, write: Write, tmp_path: Path) -> None:
        rows = [
            {
                "id": "1",
                "subset": "Math",
                "prompt": "1+1?",
                "chosen": ["two"],
                "rejected": ["3", "4", "5"],
            },
            {
                "id": "tied:1",
                "subset": "Ties",
                "prompt": "A colour?",
                "chosen": ["red", "blue"],
                "rejected": ["iron"],
            },
        ]
        bench_judges.right.update({"two", "red", "blue"})
        metrics = judged(
            write(rows), tmp_path / "out", scored=True, chats=("scripted:bench_judges:knows",)
        )
        (judge,) = metrics["judges"]
        assert judge["sections"]["Math"]["score"] == 1
        assert judge["sections"]["Ties"]["score"] == pytest.approx(0.3)  # No `ref` form of it.
        assert judge["score"] is None
        assert any("no overall score" in line for line in said(metrics))

    def test_a_rating_that_cannot_be_read_is_no_rating(self, write: Write, tmp_path: Path) -> None:
        row = {
            "id": "tied:1",
            "subset": "Ties",
            "prompt": "?",
            "chosen": ["a", "b"],
            "rejected": ["c"],
        }
        metrics = judged(
            write([row]), tmp_path / "out", scored=True, chats=("scripted:bench_judges:nonsense",)
        )
        assert metrics["judges"][0]["failed"] == {"unreadable": 1}
        assert metrics["judges"][0]["accuracy"] is None


def inside(found: dict[str, Any], value: float) -> bool:
    return found["low"] < value < found["high"]


def said(metrics: dict[str, Any]) -> list[str]:
    from gristmill.bench.words import warnings

    return warnings(metrics)


class TestComparison:
    def test_two_judges_on_the_same_rows(self, write: Write, tmp_path: Path) -> None:
        path = write([pair(n) for n in range(40)])
        bench_judges.right.update(
            f"answer {n} at some length" if n % 2 == 0 else f"{n}." for n in range(40)
        )
        request = Request(
            str(path),
            False,
            models=("scripted:bench_judges:length",),
            chats=("scripted:bench_judges:knows",),
        )
        (found,) = run(request, tmp_path / "out").metrics["comparisons"]
        assert (found["only_first"], found["only_second"]) == (0, 20)
        assert found["p"] == pytest.approx(2 / 2**20)
        assert found["difference"]["mean"] == pytest.approx(-0.5)
        assert found["difference"]["high"] < 0
        assert (found["agreement"], found["items"]) == (0.5, 40)


class TestResume:
    def test_what_is_judged_is_not_judged_again(self, write: Write, tmp_path: Path) -> None:
        path = write([pair(n) for n in range(12)])
        bench_judges.failing.update({"answer 3 ", "answer 4 "})
        asked = {"models": ("scripted:bench_judges:length",)}
        metrics = judged(path, tmp_path / "out", **asked)
        (judge,) = metrics["judges"]
        assert judge["failed"] == {"server": 2}
        assert judge["num_prompts"] == 10
        assert judge["if_missing_wrong"] == pytest.approx(5 / 12)
        assert any("2 rows without a verdict (server 2)" in line for line in said(metrics))
        bench_judges.failing.clear()
        bench_judges.asked.clear()
        judge = judged(path, tmp_path / "out", **asked)["judges"][0]
        assert (judge["failed"], judge["num_prompts"]) == ({}, 12)
        # Both answers of the two pairs that had failed, and nothing else.
        assert len(bench_judges.asked) == 4
        fresh = judged(path, tmp_path / "fresh", **asked)["judges"][0]
        assert {**judge, "seconds": 0} == {**fresh, "seconds": 0}

    def test_more_rows_and_another_order_reuse_what_is_there(
        self, write: Write, tmp_path: Path
    ) -> None:
        judged(
            write([pair(n) for n in range(6)]),
            tmp_path / "out",
            models=("scripted:bench_judges:length",),
        )
        bench_judges.asked.clear()
        path = write([pair(n) for n in reversed(range(8))], "more.jsonl")
        judge = judged(path, tmp_path / "out", models=("scripted:bench_judges:length",))["judges"][
            0
        ]
        assert (judge["num_prompts"], len(bench_judges.asked)) == (8, 4)

    def test_the_same_question_twice_is_asked_once_and_counted_twice(
        self, write: Write, tmp_path: Path
    ) -> None:
        path = write([pair(2), pair(2), pair(3)])
        judge = judged(path, tmp_path / "out", models=("scripted:bench_judges:length",))["judges"][
            0
        ]
        assert judge["num_prompts"] == 3
        assert len(bench_judges.asked) == 4

    def test_a_model_trained_anew_is_judged_anew(self, write: Write, tmp_path: Path) -> None:
        path = write([{**pair(2), "chosen": "good", "rejected": "bad"}])
        script = tmp_path / "grades.jsonl"
        for better, worse in ((2, 1), (1, 22)):
            lines = ({"response": "good", "reward": better}, {"response": "bad", "reward": worse})
            script.write_text("".join(json.dumps(line) + "\n" for line in lines))
            judge = judged(path, tmp_path / "out", models=(f"scripted:{script}",))["judges"][0]
            assert judge["accuracy"] == (better > worse)


class TestBadInput:
    def test_rows_that_cannot_be_used_are_counted_with_their_lines(
        self, write: Write, tmp_path: Path
    ) -> None:
        rows: list[Any] = [pair(2), pair(3)]
        del rows[1]["rejected"]
        rows += [{**pair(4), "chosen": "  "}, pair(5, chosen="x", rejected="x"), ["no row"]]
        metrics = judged(write(rows), tmp_path / "out", models=("scripted:bench_judges:length",))
        assert metrics["refused"] == {
            "missing_field": 1,
            "empty_response": 1,
            "identical_pair": 1,
            "bad_json": 1,
        }
        lines = [
            json.loads(x) for x in (tmp_path / "out" / "refused.jsonl").read_text().splitlines()
        ]
        assert [line["where"] for line in lines] == [f"pairs.jsonl:{n}" for n in (2, 3, 4, 5)]
        assert lines[0]["detail"] == "no 'rejected' beside 'chosen'"
        assert any("4 rows could not be used" in line for line in said(metrics))

    def test_a_prompt_on_one_side_alone(self, write: Write, tmp_path: Path) -> None:
        whole = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "a"}]
        rows = [pair(2), {**pair(3), "chosen": whole}, {**pair(4), "chosen": [whole, "b"]}]
        rows.append({"prompt": "?", "chosen": [whole], "rejected": ["c"]})
        metrics = judged(write(rows), tmp_path / "out", models=("scripted:bench_judges:length",))
        assert metrics["rows"] == 1
        assert metrics["refused"]["bad_turns"] >= 1

    def test_lines_of_files_with_one_name_are_told_apart(self, tmp_path: Path) -> None:
        for name in ("Natural", "Manual"):
            (tmp_path / "data" / name).mkdir(parents=True)
            rows = [{"input": f"{name}?", "output_1": "a", "output_2": "b", "label": 1}, {"x": 1}]
            (tmp_path / "data" / name / "dataset.json").write_text(json.dumps(rows))
        metrics = judged(
            tmp_path / "data", tmp_path / "out", models=("scripted:bench_judges:equal",)
        )
        assert metrics["subset_rows"] == {"Manual": 1, "Natural": 1}
        lines = (tmp_path / "out" / "refused.jsonl").read_text().splitlines()
        places = [json.loads(line)["where"] for line in lines]
        assert places == ["Manual/dataset.json:2", "Natural/dataset.json:2"]

    def test_no_row_that_can_be_used(self, write: Write, tmp_path: Path) -> None:
        with pytest.raises(
            DataError, match=r"none of 2 rows can be used; the first, pairs.jsonl:1: empty_"
        ):
            judged(
                write([{**pair(2), "prompt": ""}] * 2),
                tmp_path / "out",
                models=("scripted:bench_judges:length",),
            )

    def test_an_empty_file(self, write: Write, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="holds no rows"):
            judged(write([]), tmp_path / "out", models=("scripted:bench_judges:length",))

    def test_an_unknown_subset_is_named_with_the_nearest(
        self, write: Write, tmp_path: Path
    ) -> None:
        path = write([pair(2, "hep-cpp"), pair(3, "hep-pyhton")])
        wrong = r"pairs.jsonl:2: unknown subset 'hep-pyhton': did you mean 'hep-python'\?"
        with pytest.raises(DataError, match=wrong):
            judged(path, tmp_path / "out", scored=True, models=("scripted:bench_judges:length",))

    def test_the_case_of_a_subset_does_not_matter(self, write: Write, tmp_path: Path) -> None:
        path = write([pair(2, "LLMBar-Adver-GPTInst"), pair(3, "HEP-cpp")])
        models = ("scripted:bench_judges:length",)
        metrics = judged(path, tmp_path / "out", scored=True, models=models)
        assert set(metrics["subset_rows"]) == {"llmbar-adver-GPTInst", "hep-cpp"}
        # Categories of one's own stay as they are.
        metrics = judged(path, tmp_path / "own", models=models)
        assert set(metrics["subset_rows"]) == {"LLMBar-Adver-GPTInst", "HEP-cpp"}

    def test_two_boards_in_one_file(self, write: Write, tmp_path: Path) -> None:
        path = write([pair(2, "hep-cpp"), pair(3, "Focus")])
        with pytest.raises(
            DataError, match="'Focus' is of RewardBench 2, the rows before it are of"
        ):
            judged(path, tmp_path / "out", scored=True, models=("scripted:bench_judges:length",))

    def test_fewer_rows_than_published_are_said(self, write: Write, tmp_path: Path) -> None:
        path = write([pair(n, "hep-cpp") for n in range(160)])
        metrics = judged(
            path, tmp_path / "out", scored=True, models=("scripted:bench_judges:length",)
        )
        assert metrics["incomplete"]["hep-cpp"] == [160, 164]
        (line, *_) = said(metrics)
        assert "fewer rows than the published RewardBench" in line
        assert "hep-cpp 160 of 164" in line
        page = (tmp_path / "out" / "report.html").read_text()
        assert "hep-cpp 160 of 164" in page

    def test_a_score_that_is_no_number_is_no_score(self, write: Write, tmp_path: Path) -> None:
        path = write([pair(n) for n in range(3)])
        metrics = judged(path, tmp_path / "out", models=("scripted:bench_judges:not_finite",))
        (judge,) = metrics["judges"]
        assert judge["accuracy"] is None
        assert judge["failed"] == {"bad_reply": 3}
        assert (tmp_path / "out" / "report.html").exists()

    def test_a_model_that_is_down_stops_the_evaluation(self, write: Write, tmp_path: Path) -> None:
        path = write([pair(n) for n in range(200)])
        with pytest.raises(RunError, match="64 calls in a row failed, the last with connection"):
            judged(path, tmp_path / "out", models=("scripted:bench_judges:down",))

    def test_a_wrong_key_stops_it_at_once(self, write: Write, tmp_path: Path) -> None:
        with pytest.raises(BackendFatal, match="the key is wrong"):
            judged(write([pair(2)]), tmp_path / "out", models=("scripted:bench_judges:locked_out",))


class TestTutor:
    def test_the_tutor_world_has_a_board_of_its_own(self, tmp_path: Path) -> None:
        metrics = judged(
            Path("tutor:50:bench"),
            tmp_path / "out",
            scored=True,
            models=("scripted:bench_judges:length",),
        )
        assert metrics["benchmark"] == "Tutor world"
        assert list(metrics["judges"][0]["sections"]) == list(tutor.BENCH_SECTIONS)

    @pytest.mark.slow
    def test_tiny_reward_gets_its_four_sections(self, tmp_path: Path) -> None:
        metrics = judged(
            Path("tutor:800:bench"), tmp_path / "out", scored=True, models=("tiny:reward",)
        )
        (judge,) = metrics["judges"]
        scores = {name: section["score"] for name, section in judge["sections"].items()}
        assert list(scores) == ["Chat", "Chat Hard", "Safety", "Reasoning"]
        assert scores["Chat"] > 0.95
        assert scores["Reasoning"] > 0.6
        assert judge["failed"] == {}
