"""The judge `rubric`: criteria that come with the prompt, from the row to the reward."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scripts
from gristmill import rewards
from gristmill.errors import BackendError, BackendFatal, DataError
from gristmill.intake.cells import Refused, Unusable
from gristmill.intake.facts import prompt_of
from gristmill.intake.record import PROMPT, row_of
from gristmill.intake.source import Source
from gristmill.judges.rubric import Rubric, holding_in
from gristmill.mill import forecast, run
from gristmill.records import Criterion, Message, Prompt, Response
from mills import config, tables

Q = (Message("user", "How much?"),)

asked: Counter[str] = Counter()
failing: set[str] = set()
fatal: set[str] = set()


@pytest.fixture(autouse=True)
def _forget() -> None:
    for memory in (asked, failing, fatal):
        memory.clear()
    scripts.forget()


def grades(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """A judge by whom a criterion holds if its last word is in the answer."""
    request = messages[-1]["content"]
    asked[request] += 1
    if any(word in request for word in fatal):
        raise BackendFatal("the judge is gone")
    if any(word in request for word in failing):
        raise BackendError("server", "told to fail")
    blocks = dict(re.findall(r"<<< the (\w+) begins \(\w+\) >>>\n(.*?)\n<<< the", request, re.S))
    said = []
    for number, text in re.findall(r"^(\d+)\. (.+)$", blocks["criteria"], re.M):
        word = text.rstrip(".").split()[-1]
        verdict = "perhaps" if word == "unclear" else "yes" if word in blocks["answer"] else "no"
        said.append(f"{number}: {verdict}")
    return "<think>1: no</think>I looked.\n\n" + "\n".join(said)


RUBRIC = (Criterion("Says 12", 5), Criterion("Says euro", 3), Criterion("Says perhaps", -4))


def judged(text: str, rubric: tuple[Criterion, ...] = RUBRIC, **options: Any) -> Any:
    judge = Rubric(model=f"scripted:{__name__}:grades", **options)

    async def main() -> Any:
        async with judge.open() as backend:
            prompt = Prompt("p", Q, rubric=rubric)
            return await judge.compare(backend, prompt, [Response(text, "m")])

    (found,) = asyncio.run(main())
    return found


class TestReading:
    @pytest.mark.parametrize(
        ("text", "count", "found"),
        [
            ("Fine.\n1: yes", 1, [True]),
            ("**1: No.**", 1, [False]),
            ("1. yes\n2) no\r\n3 - YES", 3, [True, False, True]),
            ("1: no\nOn second thought\n1: yes", 1, [True]),
            ("yes", 1, None),
            ("1: yes or no", 1, None),
            ("1: yes\n3: no", 2, None),
            ("2: yes\n1: no", 2, None),
            ("1: yes", 2, None),
            ("1: perhaps", 1, None),
        ],
    )
    def test_lines(self, text: str, count: int, found: list[bool] | None) -> None:
        assert holding_in(Response(text, "m"), count) == found

    def test_a_reply_that_was_cut_off_says_nothing(self) -> None:
        assert holding_in(Response("1: yes", "m", "length"), 1) is None

    @given(st.lists(st.booleans(), min_size=1, max_size=20), st.text(max_size=60))
    def test_whatever_stands_before(self, held: list[bool], before: str) -> None:
        lines = "\n".join(f"{n}: {'yes' if h else 'no'}" for n, h in enumerate(held, 1))
        assert holding_in(Response(f"{before}\n{lines}", "m"), len(held)) == held


class TestReward:
    @pytest.mark.parametrize("at_once", [1, 2, 10])
    def test_the_share_of_the_points(self, at_once: int) -> None:
        found = judged("12 euro", at_once=at_once)
        assert found.reward == 1
        assert sum(asked.values()) == -(-3 // at_once)
        assert judged("12", at_once=at_once).reward == 5 / 8
        found = judged("12 euro perhaps", at_once=at_once)
        assert found.reward == 4 / 8
        first, *lines = found.detail.splitlines()
        assert first == "4 of 8 points, 3 of 3 criteria hold"
        assert [line for line in lines if "(" in line] == [
            "holds (+5): Says 12", "holds (+3): Says euro", "holds (-4): Says perhaps",
        ]  # fmt: skip

    def test_below_nothing_is_nothing(self) -> None:
        found = judged("perhaps")
        assert found.reward == 0 and found.detail.startswith("-4 of 8 points")

    def test_one_that_cannot_be_read_is_no_reward(self) -> None:
        found = judged("12", (*RUBRIC, Criterion("Is unclear")))
        assert isinstance(found, BackendError) and found.kind == "unreadable"
        assert "“Is unclear”: no verdict in: " in str(found)

    def test_a_call_that_fails_is_no_reward(self) -> None:
        failing.add("euro\n<<<")
        found = judged("12")
        assert isinstance(found, BackendError) and found.kind == "server"

    def test_no_rubric_no_say(self) -> None:
        assert judged("12", ()).reward is None and not asked

    @given(st.lists(st.tuples(st.booleans(), st.integers(-9, 9)), min_size=1, max_size=6))
    def test_the_formula(self, items: list[tuple[bool, int]]) -> None:
        rubric = (Criterion("Says sure", 1), *(Criterion(f"Says w{h:d}", w) for h, w in items))
        found = judged("sure w1", rubric, at_once=100)
        points = 1 + sum(w for h, w in items if h)
        most = 1 + sum(w for _, w in items if w > 0)
        assert found.reward == pytest.approx(min(1, max(0, points / most)))

    def test_as_a_reward_function(self) -> None:
        (reward,) = rewards.functions({"rubric": {"model": f"scripted:{__name__}:grades"}})
        rubric = [c._asdict() for c in RUBRIC]
        assert reward(["How much?"] * 2, ["12", "12 euro"], rubric=[rubric, rubric]) == [5 / 8, 1]


class TestRows:
    def read(self, given: Any, name: str = "rubric") -> tuple[Criterion, ...]:
        return prompt_of({name: given}, Q, "f:1")[0].rubric

    @pytest.mark.parametrize(
        ("given", "found"),
        [
            ([{"text": "A", "weight": 2}, {"text": "B"}], [("A", 2), ("B", 1)]),
            ([{"criterion": "A", "points": -3, "tags": ["x"]}, "B"], [("A", -3), ("B", 1)]),
            ([{"title": "T", "description": "Essential Criteria: D", "weight": 5}],
             [("T: Essential Criteria: D", 5)]),
            ('[{"text": "A", "weight": "2.5"}]', [("A", 2.5)]),
            ("Is polite.", [("Is polite.", 1)]),
            (None, []),
            ([], []),
            ("", []),
        ],
    )  # fmt: skip
    def test_forms(self, given: Any, found: list[tuple[str, float]]) -> None:
        assert self.read(given) == tuple(Criterion(*one) for one in found)
        assert self.read(given, "rubrics") == self.read(given)

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ("[{", "not JSON"),
            ({"criteria": []}, "is dict, not a list"),
            ([3], r"'rubric\[0\]' is int"),
            (["A", {"weight": 2}], r"'rubric\[1\]' has no 'text'"),
            ([{"text": "A", "weight": "much"}], r"'rubric\[0\].weight' is 'much'"),
            ([{"text": "A", "weight": True}], "not a number"),
            ([{"text": "A", "weight": float("nan")}], "not a number"),
            ([{"text": "A", "points": -1}], "no criterion with a weight above 0"),
        ],
    )
    def test_what_is_none_is_refused(self, given: Any, said: str) -> None:
        with pytest.raises(Unusable, match=said):
            self.read(given)

    def test_rows_of_healthbench_and_rar(self, tmp_path: Path) -> None:
        file = tmp_path / "rows.jsonl"
        rows: list[dict[str, Any]] = [
            {"prompt_id": "h1", "prompt": [{"role": "user", "content": "It hurts."}],
             "rubrics": [{"criterion": "Asks where.", "points": 7, "tags": ["level:example"]}],
             "example_tags": ["theme:context_seeking"], "ideal_completions_data": None},
            {"question": "Which imaging?", "reference_answer": "A CT scan.", "rubric_count": 1,
             "rubric": [{"title": "CT", "description": "Names CT.", "weight": 5}],
             "rubric_list": ["Names CT."], "question_source": "x"},
        ]  # fmt: skip
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        first, second = Source(file=str(file)).records(PROMPT)
        assert not isinstance(first, Refused) and not isinstance(second, Refused)
        assert (first.prompt.id, first.prompt.rubric) == ("h1", (Criterion("Asks where.", 7),))
        assert second.prompt.rubric == (Criterion("CT: Names CT.", 5),)

    def test_it_reads_back(self) -> None:
        prompt = Prompt("p", Q, rubric=RUBRIC)
        assert prompt_of(json.loads(json.dumps(row_of(prompt))), Q, "")[0].rubric == RUBRIC


class TestInTheMill:
    """Answers are `Question 0?/2`: one criterion holds of all, one of the last alone."""

    def settings(self, folder: Path, second: str = "Ends in /2", **options: Any) -> Any:
        folder.mkdir(exist_ok=True)
        file = folder / "prompts.jsonl"
        rubric = [{"text": "Says Question", "weight": 1}, {"text": second, "weight": 3}]
        rows = [{"id": f"p{n}", "prompt": f"Question {n}?", "rubric": rubric} for n in range(3)]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return config(
            file,
            generate={"model": "scripted:scripts:answer", "responses": 3},
            judges=[{"rubric": {"model": f"scripted:{__name__}:grades", **options}}],
            keep=[{"threshold": {"judges": {"rubric": 0.5}}}],
        )

    @pytest.mark.parametrize("at_once", [1, 2])
    def test_the_best_is_picked_and_the_criteria_are_kept(
        self, tmp_path: Path, at_once: int
    ) -> None:
        settings = self.settings(tmp_path, at_once=at_once)
        most = forecast(settings)
        outcome = run(settings, tmp_path / "out")
        assert outcome.status == "complete"
        assert sum(asked.values()) == 18 // at_once == most.calls - 9
        assert 0 < outcome.metrics["tokens"]["judge"] <= most.judge_tokens
        found = tables(tmp_path / "out")
        assert [r["response_id"] for r in found["sft"]] == [f"p{n}.2" for n in range(3)]
        (said,) = found["scored"][0]["judgements"]
        assert said["reward"] == 0.25
        assert "holds (+1): Says Question\n" in said["detail"]
        assert "does not hold (+3): Ends in /2\n" in said["detail"]
        dropped = [r for r in found["rejected"] if r["reason"] == "threshold:rubric"]
        assert dropped and all("does not hold (+3): Ends in /2" in r["detail"] for r in dropped)

    def test_another_rubric_is_judged_anew_and_what_stayed_is_not_asked_again(
        self, tmp_path: Path
    ) -> None:
        run(self.settings(tmp_path), tmp_path / "out")
        before = asked.copy()
        assert run(self.settings(tmp_path), tmp_path / "out").status == "complete"
        assert asked == before
        run(self.settings(tmp_path, "Ends in /0"), tmp_path / "out")
        assert sum((asked - before).values()) == 9
        assert all(count == 1 for count in asked.values())
        found = tables(tmp_path / "out")
        assert [r["response_id"] for r in found["sft"]] == [f"p{n}.0" for n in range(3)]

    def test_a_run_that_was_cut_off_pays_nothing_twice(self, tmp_path: Path) -> None:
        fatal.add("Question 2?/1")
        with pytest.raises(BackendFatal):
            run(self.settings(tmp_path), tmp_path / "out")
        fatal.clear()
        before = asked.copy()
        run(self.settings(tmp_path), tmp_path / "out")
        again = {request for request, count in asked.items() if count > 1}
        assert all("Question 2?/1" in request for request in again)
        assert len(asked) == 18 and before

    def test_without_any_rubric_it_does_not_begin(self, tmp_path: Path) -> None:
        settings = self.settings(tmp_path)
        (tmp_path / "prompts.jsonl").write_text('{"prompt": "q"}\n')
        with pytest.raises(DataError, match="no prompt has 'rubric'"):
            run(settings, tmp_path / "out")
