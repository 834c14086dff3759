"""The judge `llm` in whole runs: what is picked, what is rejected, and that no call is repeated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import llm_judges
import scripts
from gristmill.backends.use import Asked
from gristmill.errors import BackendFatal
from gristmill.judges._matches import Record
from gristmill.judges.llm import Llm
from gristmill.mill import run
from mills import config, tables, write_prompts


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    for memory in (llm_judges, scripts):
        memory.forget()
    yield
    for memory in (llm_judges, scripts):
        memory.forget()


class TestInTheMill:
    """Answers are `Question 0?/2`, and the number of the response is its quality."""

    def settings(self, folder: Path, count: int, judge: str = "perfect", **changes: Any) -> Any:
        options = {"model": f"scripted:llm_judges:{judge}", **changes.pop("llm", {})}
        return config(
            write_prompts(folder, count),
            generate={"model": "scripted:scripts:answer", "responses": 3, "concurrency": 8},
            judges=[*changes.pop("others", []), {"llm": options}],
            keep=changes.pop("keep", []),
            **changes,
        )

    @pytest.mark.parametrize("how", ["pairwise", "tournament", "pointwise"])
    def test_the_best_is_picked_and_paired_with_the_worst(self, tmp_path: Path, how: str) -> None:
        outcome = run(self.settings(tmp_path, 5, llm={"how": how}), tmp_path / "out")
        assert outcome.status == "complete"
        found = tables(tmp_path / "out")
        assert [r["response_id"] for r in found["sft"]] == [f"p{n}.2" for n in range(5)]
        assert len(found["scored"]) == 15
        for row in found["preference"]:
            assert row["chosen"][-1]["content"].endswith("/2")
            assert not row["rejected"][-1]["content"].endswith("/2")
        for row in found["scored"]:
            (said,) = row["judgements"]
            assert (said["judge"], said["reward"]) == ("llm", row["reward"])
            assert "I " in said["detail"]
            assert (row["correctness"] is None) == (how != "pointwise")
        judged = sum(r for r in llm_judges.asked.values())
        assert judged == 5 * Llm(model="m", how=how).may_take(Asked(), 3, 0).calls  # type: ignore[arg-type]
        assert outcome.metrics["tokens"]["judge"] > 0

    def test_beside_a_reward_model_the_two_combine_by_weight(self, tmp_path: Path) -> None:
        reward = {"reward": {"model": "scripted:scripts:grade"}}
        settings = self.settings(
            tmp_path, 4, others=[reward], select={"weights": {"reward": 0, "llm": 2}}
        )
        run(settings, tmp_path / "out")
        for row in tables(tmp_path / "out")["scored"]:
            assert [j["judge"] for j in row["judgements"]] == ["reward", "llm"]
            assert row["reward"] == row["judgements"][1]["reward"]

    def test_nonsense_is_rejected_and_never_scored(self, tmp_path: Path) -> None:
        outcome = run(self.settings(tmp_path, 3, "nonsense"), tmp_path / "out")
        found = tables(tmp_path / "out")
        assert found["scored"] == found["sft"] == found["preference"] == []
        assert outcome.metrics["reasons"] == {"error:unreadable": 9}
        assert all(Record.read(row["detail"]) for row in found["rejected"])

    def test_one_response_has_no_reward_and_is_kept(self, tmp_path: Path) -> None:
        settings = self.settings(tmp_path, 2)
        generate = settings.generate[0].model_copy(update={"responses": 1})
        run(settings.model_copy(update={"generate": (generate,)}), tmp_path / "out")
        found = tables(tmp_path / "out")
        assert [row["reward"] for row in found["scored"]] == [None, None]
        assert len(found["sft"]) == 2 and not found["preference"] and not llm_judges.asked

    @pytest.mark.parametrize("how", ["pairwise", "tournament", "pointwise"])
    def test_a_higher_budget_repeats_no_call(self, tmp_path: Path, how: str) -> None:
        llm = {"how": how}
        whole = run(self.settings(tmp_path, 6, llm=llm), tmp_path / "whole")
        expected = tables(tmp_path / "whole")
        needed = whole.metrics["requests"]["sent"]
        for memory in (llm_judges, scripts):
            memory.forget()
        spent = 0
        for requests_ in (11, 14, 19, 30, needed):
            settings = self.settings(tmp_path, 6, llm=llm, budget={"requests": requests_})
            spent = run(settings, tmp_path / "out").metrics["requests"]["sent"]
            assert spent <= requests_
            assert "error:budget" not in {r["reason"] for r in tables(tmp_path / "out")["rejected"]}
        final = run(self.settings(tmp_path, 6, llm=llm), tmp_path / "out")
        assert set(llm_judges.asked.values()) == {1} == set(scripts.asked.values())
        assert final.metrics["requests"]["sent"] == needed >= spent
        assert tables(tmp_path / "out") == expected

    def test_after_a_judge_that_broke_off_only_that_call_is_made_again(
        self, tmp_path: Path
    ) -> None:
        llm_judges.fatal.add("Question 2?/1")
        with pytest.raises(BackendFatal):
            run(self.settings(tmp_path, 6), tmp_path / "out")
        llm_judges.fatal.clear()
        assert run(self.settings(tmp_path, 6), tmp_path / "out").status == "complete"
        again = {request for request, n in llm_judges.asked.items() if n > 1}
        assert all("Question 2?/1" in request for request in again) and len(again) <= 4
        assert set(scripts.asked.values()) == {1}

    def test_a_failed_call_is_tried_again_and_no_other(self, tmp_path: Path) -> None:
        llm_judges.failing["Question 1?/0"] = "timeout"
        outcome = run(self.settings(tmp_path, 3), tmp_path / "out")
        assert outcome.metrics["reasons"] == {"error:timeout": 3}
        llm_judges.failing.clear()
        outcome = run(self.settings(tmp_path, 3), tmp_path / "out")
        assert outcome.metrics["reasons"] == {} and outcome.metrics["responses"]["scored"] == 9
        again = [request for request, n in llm_judges.asked.items() if n > 1]
        assert len(again) == 4 and all("Question 1?/0" in request for request in again)

    def test_blank_responses_are_left_out(self, tmp_path: Path) -> None:
        file = tmp_path / "prompts.jsonl"
        file.write_text('{"prompt": "blank"}\n')
        settings = self.settings(tmp_path / "other", 1)
        settings = settings.model_copy(update={"prompts": config(file).prompts})
        outcome = run(settings, tmp_path / "out")
        assert outcome.metrics["reasons"] == {"empty_response": 1}
        assert [row["reward"] for row in tables(tmp_path / "out")["scored"]] == [0, 1]
