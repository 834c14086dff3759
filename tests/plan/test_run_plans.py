"""The plan of a whole run, against runs that were made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import ConfigError, DataError, RunError
from gristmill.mill import Config, Outcome, run
from gristmill.plan import RunPlan, plan_run
from mills import settings, write_prompts


def plan(given: Any, **options: Any) -> RunPlan:
    return plan_run(given, **options)


def made(values: dict[str, Any], out: Path) -> Outcome:
    return run(Config.of(values), out)


def spent(outcome: Outcome) -> tuple[int, int]:
    """(calls, tokens) of a run, all models together."""
    m = outcome.metrics
    return m["requests"]["sent"] - m["requests"]["retries"], sum(m["tokens"].values())


def expected(found: RunPlan) -> tuple[int, int]:
    return found.calls, found.prompt_tokens + found.completion_tokens


def scripted(folder: Path, count: int = 200, **changes: Any) -> dict[str, Any]:
    # Of one prompt more is known than it asks, so that judges that compare have something to say.
    known = {"answer": "7", "constraints": [{"paragraphs": {"count": 1}}]}
    return {"name": "bot", **settings(write_prompts(folder, count, **known), **changes)}


class TestAgainstARealRun:
    @pytest.mark.parametrize("target", [None, 60])
    def test_calls_and_tokens_of_scripted_models(self, tmp_path: Path, target: int | None) -> None:
        values = scripted(tmp_path, target=target)
        found = plan(values, tried=50)
        for ours, theirs in zip(
            expected(found), spent(made(values, tmp_path / "out")), strict=True
        ):
            assert ours == pytest.approx(theirs, rel=0.15)

    def test_several_judges_that_ask_several_times(self, tmp_path: Path) -> None:
        judge = _script(tmp_path / "judge.jsonl", ["The first is better. [[A]]"])
        answers = _script(tmp_path / "says.jsonl", ["one", "another", "a third", "and a fourth"])
        judges = [
            {"reward": {"model": "scripted:echo"}},
            {"llm": {"model": judge, "how": "tournament"}},
            {"format": {}},
        ]
        generate = {"model": answers, "responses": 4}
        values = scripted(tmp_path, 60, judges=judges, keep=[], generate=generate)
        found = plan(values, tried=20)
        assert [w.role for w in found.works] == ["generate", "reward", "llm"]
        calls, tokens = spent(made(values, tmp_path / "out"))
        assert found.calls == pytest.approx(calls, rel=0.15)
        assert sum(expected(found)[1:]) == pytest.approx(tokens, rel=0.15)

    @pytest.mark.parametrize("weights", [(None, None), (1, 3)])
    def test_several_models_that_answer(self, tmp_path: Path, weights: tuple[Any, Any]) -> None:
        values = scripted(tmp_path)
        one = {**values["generate"], "max_tokens": 3}
        values["generate"] = [
            {**one, "weight": w, "responses": 1 + i} for i, w in enumerate(weights)
        ]
        found = plan(values, tried=150)
        assert [w.role for w in found.works] == ["generate", "generate-2", "reward"]
        outcome = made(values, tmp_path / "out")
        for work, model in zip(found.works, outcome.metrics["models"], strict=False):
            assert work.calls == pytest.approx(model["sampled"], rel=0.3)
        assert plan(values, like=tmp_path / "out").calls == spent(outcome)[0]
        assert plan(values, tried=0).calls == pytest.approx(spent(outcome)[0], rel=0.3)
        values["generate"] = [one | {"responses": 1}, one | {"responses": 1}]
        with pytest.raises(ConfigError, match="more responses to a prompt"):
            plan(values, like=tmp_path / "out")

    def test_a_run_that_was_made_is_measured_as_it_was(self, tmp_path: Path) -> None:
        values = scripted(tmp_path)
        outcome = made(values, tmp_path / "out")
        found = plan(values, like=tmp_path / "out")
        assert expected(found) == spent(outcome)
        prompts = outcome.metrics["prompts"]
        assert found.share == prompts["accepted"] / prompts["finished"]
        assert found.interval and found.interval[0] < found.share < found.interval[1]

    def test_what_lies_over_the_target_does_not_count_as_refused(self, tmp_path: Path) -> None:
        values = scripted(tmp_path, target=40)
        made(values, tmp_path / "out")
        whole = plan(scripted(tmp_path), tried=200)
        assert plan(values, like=tmp_path / "out").share == pytest.approx(whole.share, abs=0.12)

    @pytest.mark.slow
    def test_the_tiny_family(self, tmp_path: Path) -> None:
        pytest.importorskip("torch")
        values = {
            "name": "tiny",
            "prompts": {"file": "tutor:160"},
            "generate": {"model": "tiny:instruct", "responses": 4, "max_tokens": 160},
            "judges": [{"reward": {"model": "tiny:reward"}}],
            "keep": [{"threshold": {"correctness": 2.5}}],
            "target": 90,
        }
        found = plan(values, tried=50)
        for ours, theirs in zip(
            expected(found), spent(made(values, tmp_path / "out")), strict=True
        ):
            assert ours == pytest.approx(theirs, rel=0.15)


def _script(path: Path, texts: list[str]) -> str:
    """A model that answers every prompt with these, in turn."""
    path.write_text("".join(json.dumps({"response": text}) + "\n" for text in texts))
    return f"scripted:{path}"


class TestWithoutMeasuring:
    def test_what_it_says_is_an_upper_bound(self, tmp_path: Path) -> None:
        values = scripted(tmp_path, 50)
        found = plan(values, tried=0)
        calls, tokens = spent(made(values, tmp_path / "out"))
        assert found.calls == calls
        assert expected(found)[1] >= tokens
        assert any("upper bounds" in note for note in found.notes)

    def test_judges_that_ask_several_times_count_with_all_their_calls(self, tmp_path: Path) -> None:
        judge = {"llm": {"model": "scripted:echo", "how": "pairwise", "max_tokens": 100}}
        values = scripted(tmp_path, 10, judges=[judge], generate={"responses": 4}, keep=[])
        found = plan(values, tried=0)
        llm = found.works[1]
        assert llm.calls == 10 * 4 * 3
        assert llm.completion_tokens == llm.calls * 100
        assert llm.prompt_tokens > llm.calls * 2 * 512

    def test_no_key_and_no_extra_is_needed(self, tmp_path: Path, monkeypatch: Any) -> None:
        monkeypatch.delenv("NVIDIA_API_KEY", raising=False)
        judge = {"reward": {"model": "nim:nvidia/nemotron-4-340b-reward"}}
        values = scripted(
            tmp_path, judges=[judge], generate={"model": "nim:nvidia/nemotron-4-340b-instruct"}
        )
        found = plan(values, rows=100, accepted=0.5, gpu="h200", gpu_usd=4.0)
        assert found.prompts == min(200, 200 + 4)
        assert set(found.hours) == {"generate", "reward"}
        for hours in found.hours.values():
            assert hours.engine.layout.gpus == 8
        assert found.hours["reward"].write == 0
        assert found.gpu_cost == pytest.approx(found.held_gpu_hours * 4.0)
        assert found.held_gpu_hours == pytest.approx(found.wall_hours * 16)
        assert found.held_gpu_hours > found.gpu_hours
        floor = sum(h.gpu_hours for h in found.hours.values())
        assert found.gpu_hours == pytest.approx(2 * floor)


class TestMoneyAndHours:
    def test_output_is_paid_at_its_own_price(self, tmp_path: Path) -> None:
        price = {"input": 1.0, "output": 10.0}
        values = scripted(tmp_path, generate={"price": price})
        found = plan(values, tried=50)
        work = found.works[0]
        assert found.usd == pytest.approx((work.prompt_tokens + 10 * work.completion_tokens) / 1e6)

    def test_a_model_is_what_one_says_it_is(self, tmp_path: Path) -> None:
        values = scripted(tmp_path)
        found = plan(values, tried=20, shapes={"generate": "llama-3-8b"})
        assert found.hours["generate"].engine.shape.name == "llama-3-8b"
        assert set(found.missing) == {"reward"}
        with pytest.raises(ConfigError, match="it has generate, reward"):
            plan(values, tried=20, shapes={"jugde": "llama-3-8b"})
        with pytest.raises(ConfigError, match="did you mean llama-3-8b"):
            plan(values, tried=20, shapes={"generate": "lama-3-8b"})

    def test_a_shorter_context_takes_a_smaller_set(self, tmp_path: Path) -> None:
        values = scripted(tmp_path)
        how = {"tried": 0, "shapes": {"generate": "llama-3.1-70b"}}
        sets = [plan(values, context=n, **how).hours["generate"] for n in (None, 10**9, 4096)]
        assert [h.engine.layout.gpus for h in sets] == [4, 4, 2]

    def test_more_in_flight_take_fewer_gpu_hours(self, tmp_path: Path) -> None:
        hours = []
        for concurrency in (1, 64):
            values = scripted(tmp_path, generate={"concurrency": concurrency})
            found = plan(values, tried=0, shapes={"generate": "llama-3-8b"})
            hours.append(found.hours["generate"].gpu_hours)
        assert hours[0] > 10 * hours[1]

    def test_twice_the_rows_are_twice_the_work(self, tmp_path: Path) -> None:
        values = scripted(tmp_path, 10, generate={"concurrency": 2})
        one, two = (plan(values, rows=n, accepted=0.5, tried=0) for n in (1000, 2000))
        assert two.calls / one.calls == pytest.approx(2, rel=0.01)
        assert any("10 prompts there of " in note for note in two.notes)

    def test_two_judges_of_one_kind_have_a_name_each(self, tmp_path: Path) -> None:
        judge = {"reward": {"model": "scripted:echo"}}
        found = plan(scripted(tmp_path, judges=[judge, judge]), tried=10)
        assert [w.role for w in found.works] == ["generate", "reward", "reward-2"]


class TestWhatIsRefused:
    def test_a_run_in_which_nothing_is_accepted(self, tmp_path: Path) -> None:
        values = scripted(tmp_path, keep=[{"threshold": {"correctness": {"min": 3.99}}}])
        with pytest.raises(ConfigError, match="none of 5 prompts was accepted"):
            plan(values, tried=5, rows=10)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"accepted": 0.0}, "--accepted"),
            ({"accepted": 1.5}, "--accepted"),
            ({"reached": 0.0}, "--reached"),
            ({"rows": 0}, "--rows"),
        ],
    )
    def test_numbers_out_of_bounds(self, tmp_path: Path, options: Any, said: str) -> None:
        with pytest.raises(ConfigError, match=said):
            plan(scripted(tmp_path, 3), tried=0, **options)

    def test_a_folder_that_is_no_run(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no finished prompt"):
            plan(scripted(tmp_path, 3), like=tmp_path)

    def test_a_run_with_other_judges(self, tmp_path: Path) -> None:
        made(scripted(tmp_path, 3), tmp_path / "out")
        both = [{"reward": {"model": "scripted:echo"}}, {"math": {}}]
        with pytest.raises(ConfigError, match="judges are reward, the config's are math, reward"):
            plan(scripted(tmp_path, 3, judges=both), like=tmp_path / "out")

    def test_a_trial_in_which_every_call_fails(self, tmp_path: Path) -> None:
        calling = {"model": "scripted:echo?fail=1", "retries": 0}
        with pytest.raises(RunError, match="nothing can be measured: all 6 responses failed"):
            plan(scripted(tmp_path, 3, generate=calling), tried=3)

    def test_trying_leaves_nothing_behind(self, tmp_path: Path, monkeypatch: Any) -> None:
        values = scripted(tmp_path, 20)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        before = sorted(tmp_path.iterdir())
        plan(values, tried=10)
        assert sorted(tmp_path.iterdir()) == before
