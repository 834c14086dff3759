"""The whole mill on scripted models: what comes out, and that nothing goes missing."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

import scripts
from gristmill import mill
from gristmill.errors import BackendFatal, CheckpointError, ConfigError, DataError, RunError
from gristmill.mill import Config, Outcome
from mills import config, data_of, tables, write_prompts

OWN = {"model": "scripted:scripts:answer"}
GRADED: list[Any] = [{"reward": {"model": "scripted:scripts:grade"}}]
REWARD_4: list[Any] = [{"threshold": {"reward": 4}}]


def own(prompts: Path | list[Path], **changes: Any) -> Config:
    """A config on the scripted models of `scripts`."""
    generate = {**OWN, **changes.pop("generate", {})}
    return config(
        prompts, generate=generate, **{"judges": GRADED, "keep": REWARD_4, **changes}
    )  # fmt: skip


def assert_accounted(outcome: Outcome) -> None:
    """Every line of the input and every response is somewhere, once, and the metrics say so."""
    metrics, rows = outcome.metrics, tables(outcome.folder)
    assert json.loads((outcome.folder / "metrics.json").read_text()) == metrics
    prompts, responses = metrics["prompts"], metrics["responses"]
    undone = prompts["read"] - sum(prompts[n] for n in ("bad_input", "duplicates", "finished"))
    assert undone >= 0
    if outcome.status in ("complete", "out_of_prompts"):
        assert undone == 0
    assert prompts["finished"] == prompts["accepted"] + prompts["rejected"]
    assert metrics["rows"] == {name: len(table) for name, table in rows.items()}
    bad = [r for r in rows["rejected"] if r["reason"].startswith("input:")]
    assert len(bad) == prompts["bad_input"] + prompts["duplicates"]
    put_aside = [r for r in rows["rejected"] if r["response_id"] is not None]
    scored = [r["response_id"] for r in rows["scored"]]
    everything = set(scored) | {r["response_id"] for r in put_aside}
    n = responses["sampled"] + sum(r["response"] is None for r in put_aside)
    assert len(everything) == n
    assert len(set(scored)) == len(scored)
    assert len({r["response_id"] for r in put_aside}) == len(put_aside)
    assert responses["kept"] == sum(r["kept"] for r in rows["scored"])
    assert responses["failed"] == sum(r["reason"].startswith("error:") for r in put_aside)
    assert Counter(r["reason"] for r in rows["rejected"]) == metrics["reasons"]
    kept = {r["response_id"] for r in rows["scored"] if r["kept"]}
    assert {r["response_id"] for r in rows["sft"]} <= kept
    assert not kept & {r["response_id"] for r in put_aside}
    for row in rows["preference"]:
        assert row["chosen_score"] > row["rejected_score"]
        assert row["chosen_id"] in kept and row["rejected_id"] in scored


def test_a_plain_run(tmp_path: Path) -> None:
    outcome = mill.run(own(write_prompts(tmp_path, 30)), tmp_path / "out")
    assert outcome.status == "complete"
    assert_accounted(outcome)
    assert set(scripts.asked.values()) == set(scripts.graded.values()) == {1}
    assert outcome.metrics["requests"]["sent"] == 30 * 2 * 2
    assert {p.name for p in outcome.folder.iterdir()} == {
        "checkpoint", "data", "metrics.json", "run.yaml",
    }  # fmt: skip
    rows = tables(outcome.folder)
    assert [r["prompt_id"] for r in rows["scored"][:3]] == ["p0", "p0", "p1"]
    provenance = rows["sft"][0]["provenance"]
    assert provenance["model"] == "scripted:scripts:answer"
    assert provenance["recipe"] == "prompts.jsonl"


def test_the_data_does_not_depend_on_who_is_first(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 40)
    keep = [*REWARD_4, {"dedup": {"of": "response"}}]
    folders = []
    for model, concurrency in (("answer", 1), ("late", 3), ("late", 64)):
        generate = {"model": f"scripted:scripts:{model}", "concurrency": concurrency}
        folder = tmp_path / f"{model}{concurrency}"
        mill.run(own(prompts, generate=generate, keep=keep), folder)
        folders.append(folder)
    first, *others = (stripped(f) for f in folders)
    assert all(other == first for other in others)


def stripped(folder: Path) -> dict[str, Any]:
    """The data, without the name of the model that made it."""
    found = data_of(folder)
    for table in found.values():
        for row in table:
            row.pop("provenance")
    return found


class TestBadInput:
    def test_bad_lines_and_duplicates_go_to_rejected_with_their_place(self, tmp_path: Path) -> None:
        prompts = tmp_path / "p.jsonl"
        lines = ['{"prompt": "Q1"}', "{oops", '{"prompt": "Q1"}', '{"text": 1}', '{"prompt": "Q5"}']
        prompts.write_text("\n".join(lines))
        outcome = mill.run(own(prompts), tmp_path / "out")
        assert_accounted(outcome)
        counts = outcome.metrics["prompts"]
        assert (counts["read"], counts["bad_input"], counts["duplicates"]) == (5, 2, 1)
        rejected = tables(outcome.folder)["rejected"]
        bad = {r["source"]: r["reason"] for r in rejected if r["reason"].startswith("input:")}
        assert bad == {
            "p.jsonl:2": "input:bad_json",
            "p.jsonl:3": "input:duplicate",
            "p.jsonl:4": "input:bad_prompt",
        }
        assert "p.jsonl:2: " in next(r["detail"] for r in rejected if r["source"] == "p.jsonl:2")

    def test_nothing_but_bad_lines_is_an_error_and_they_are_listed(self, tmp_path: Path) -> None:
        prompts = tmp_path / "p.jsonl"
        prompts.write_text("{oops\n[1]\n")
        with pytest.raises(DataError, match=r"no line of the input is a prompt.*2 input:bad_json"):
            mill.run(own(prompts), tmp_path / "out")
        assert len(tables(tmp_path / "out")["rejected"]) == 2

    def test_several_files_and_a_limit(self, tmp_path: Path) -> None:
        one, two = write_prompts(tmp_path / "a", 3), write_prompts(tmp_path / "b", 5)
        outcome = mill.run(own([one, two]), tmp_path / "out", limit=4)
        counts = outcome.metrics["prompts"]
        assert (counts["read"], counts["duplicates"], counts["finished"]) == (4, 1, 3)
        outcome = mill.run(own([one, two]), tmp_path / "out")
        assert outcome.metrics["prompts"]["finished"] == 5
        assert set(scripts.asked.values()) == {1}
        assert_accounted(outcome)

    def test_a_file_that_changes_underneath_stops_the_run_and_mixes_nothing(
        self, tmp_path: Path
    ) -> None:
        prompts = write_prompts(tmp_path, 40)
        lines = prompts.read_text().splitlines(keepends=True)

        def edit(_: object) -> None:
            prompts.write_text("".join(reversed(lines)))

        with pytest.raises(DataError, match="a prompt file was changed"):
            mill.run(own(prompts), tmp_path / "out", watch=edit)
        outcome = mill.run(own(prompts), tmp_path / "out")
        assert_accounted(outcome)
        assert set(scripts.asked.values()) == {1}
        for row in tables(tmp_path / "out")["scored"]:
            assert row["response"].startswith(row["prompt"])


class TestFailures:
    def test_a_failure_is_a_rejected_row_and_only_it_is_tried_again(self, tmp_path: Path) -> None:
        prompts = write_prompts(tmp_path, 10)
        scripts.failing |= {"Question 3?", "Question 5?/1", "Question 7?/0"}
        scripts.ungradable.add("Question 8?/0")
        outcome = mill.run(own(prompts), tmp_path / "out")
        assert outcome.status == "complete"
        assert_accounted(outcome)
        reasons = {r["response_id"]: r["reason"] for r in tables(tmp_path / "out")["rejected"]}
        failed = {"p3.0", "p3.1", "p5.1", "p7.0"}
        assert {k for k, v in reasons.items() if v == "error:timeout"} == failed
        assert reasons["p8.0"] == "error:bad_reply"
        scripts.forget()
        outcome = mill.run(own(prompts), tmp_path / "out")
        assert outcome.metrics["responses"]["failed"] == 0
        assert_accounted(outcome)
        again = {"Question 3?/0", "Question 3?/1", "Question 5?/1", "Question 7?/0"}
        assert set(scripts.asked) == again
        assert set(scripts.graded) == again | {"Question 8?/0"}
        mill.run(own(prompts), tmp_path / "fresh")
        assert data_of(tmp_path / "out") == data_of(tmp_path / "fresh")

    def test_a_grade_that_failed_is_asked_again_but_not_its_response(self, tmp_path: Path) -> None:
        prompts = write_prompts(tmp_path, 4)
        scripts.ungradable.add("Question 1?/1")
        outcome = mill.run(own(prompts), tmp_path / "out")
        rows = tables(tmp_path / "out")
        (row,) = [r for r in rows["rejected"] if r["reason"].startswith("error:")]
        assert (row["reason"], row["response_id"]) == ("error:bad_reply", "p1.1")
        assert row["response"] == "Question 1?/1"
        assert "p1.1" not in [r["response_id"] for r in rows["scored"]]
        assert_accounted(outcome)
        scripts.forget()
        mill.run(own(prompts), tmp_path / "out")
        assert (dict(scripts.asked), dict(scripts.graded)) == ({}, {"Question 1?/1": 1})

    def test_a_failed_row_stays_in_the_data_until_it_is_done(self, tmp_path: Path) -> None:
        prompts = write_prompts(tmp_path, 6)
        scripts.failing.add("Question 2?/0")
        mill.run(own(prompts), tmp_path / "out")
        before = data_of(tmp_path / "out")
        # No request is left to try it again.
        outcome = mill.run(own(prompts, budget={"requests": 24}), tmp_path / "out")
        assert outcome.status == "budget"
        assert data_of(tmp_path / "out") == before

    def test_blank_responses_are_put_aside_and_never_graded(self, tmp_path: Path) -> None:
        prompts = tmp_path / "p.jsonl"
        prompts.write_text('{"prompt": "blank 9"}\n{"prompt": "9"}\n')
        outcome = mill.run(own(prompts, keep=[]), tmp_path / "out")
        assert outcome.metrics["reasons"] == {"empty_response": 1}
        assert all(said.strip() for said in scripts.graded)
        assert_accounted(outcome)

    def test_when_everything_fails_the_run_fails_and_goes_on_later(self, tmp_path: Path) -> None:
        prompts = write_prompts(tmp_path, 5)
        scripts.failing |= {f"Question {i}?" for i in range(5)}
        outcome = mill.run(own(prompts), tmp_path / "out")
        assert outcome.status == "failed"
        assert outcome.detail == "all 10 responses failed (error:timeout)"
        assert outcome.said
        assert_accounted(outcome)
        scripts.forget()
        assert mill.run(own(prompts), tmp_path / "out").metrics["responses"]["failed"] == 0

    def test_a_server_that_went_away_does_not_turn_every_prompt_into_a_failure(
        self, tmp_path: Path
    ) -> None:
        prompts = write_prompts(tmp_path, 400)
        scripts.failing |= {f"Question {i}?" for i in range(50, 400)}
        with pytest.raises(RunError, match=r"the last 100 prompts all failed.*no reply in time"):
            mill.run(own(prompts), tmp_path / "out")
        assert len(scripts.asked) < 2 * (50 + 100 + 8)
        scripts.forget()
        outcome = mill.run(own(prompts), tmp_path / "out")
        assert outcome.metrics["prompts"]["finished"] == 400
        assert not any(f"Question {i}?/0" in scripts.asked for i in range(50))

    def test_a_model_that_is_gone_for_good_ends_the_run_and_keeps_what_is_done(
        self, tmp_path: Path
    ) -> None:
        prompts = write_prompts(tmp_path, 30)
        scripts.fatal.append("Question 20?")
        with pytest.raises(BackendFatal, match="the model is gone"):
            mill.run(own(prompts), tmp_path / "out")
        done = set(scripts.asked) - {"Question 20?/0", "Question 20?/1"}
        scripts.forget()
        assert mill.run(own(prompts), tmp_path / "out").status == "complete"
        assert len(done & set(scripts.asked)) <= 8

    def test_a_fault_of_a_judge_of_ones_own_is_not_hidden(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "own_judge.py").write_text(
            "from gristmill.judges.reward import Reward\n"
            "class Broken(Reward):\n"
            "    async def judge(self, backend, prompt, response):\n"
            "        raise KeyError('mine')\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        judges = [{"own_judge:Broken": {"model": "scripted:echo"}}]
        with pytest.raises(KeyError, match="mine"):
            mill.run(own(write_prompts(tmp_path, 3), judges=judges), tmp_path / "out")


class TestResume:
    def test_a_finished_run_costs_nothing_again(self, tmp_path: Path) -> None:
        prompts = write_prompts(tmp_path, 12)
        mill.run(own(prompts), tmp_path / "out")
        before = tables(tmp_path / "out")
        scripts.forget()
        outcome = mill.run(own(prompts), tmp_path / "out")
        assert not scripts.asked and not scripts.graded
        assert outcome.metrics["requests"]["sent_now"] == 0
        assert outcome.metrics["requests"]["sent"] == 48
        assert tables(tmp_path / "out") == before

    def test_another_keep_select_or_export_decides_anew_without_a_call(
        self, tmp_path: Path
    ) -> None:
        prompts = write_prompts(tmp_path, 30)
        mill.run(own(prompts), tmp_path / "out")
        scripts.forget()
        changed: dict[str, Any] = {
            "keep": [{"threshold": {"reward": {"min_quantile": 0.75}}}],
            "select": {"best": None, "min_gap": 2},
        }
        outcome = mill.run(own(prompts, **changed), tmp_path / "out")
        assert not scripts.asked and not scripts.graded
        assert_accounted(outcome)
        mill.run(own(prompts, **changed), tmp_path / "fresh")
        assert data_of(tmp_path / "out") == data_of(tmp_path / "fresh")
        mill.run(own(prompts, export=["sft"]), tmp_path / "out")
        assert set(tables(tmp_path / "out")) == {"sft", "rejected"}

    def test_more_prompts_cost_only_themselves(self, tmp_path: Path) -> None:
        mill.run(own(write_prompts(tmp_path, 5)), tmp_path / "out")
        scripts.forget()
        outcome = mill.run(own(write_prompts(tmp_path, 8)), tmp_path / "out")
        assert len(scripts.asked) == 6
        assert outcome.metrics["prompts"]["finished"] == 8

    def test_partial_results_outlive_a_run_that_looked_at_less(self, tmp_path: Path) -> None:
        prompts = write_prompts(tmp_path, 30)
        scripts.fatal.append("Question 20?")
        with pytest.raises(BackendFatal):
            mill.run(own(prompts), tmp_path / "out")
        lost = len(scripts.asked) - 2
        mill.run(own(prompts), tmp_path / "out", limit=2)
        scripts.forget()
        mill.run(own(prompts), tmp_path / "out")
        assert len(scripts.asked) <= 60 - lost + 8

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"generate": {"temperature": 0.1}}, "generate.temperature: 0.8 there, 0.1 now"),
            ({"seed": 1}, "seed: 0 there, 1 now"),
            ({"generate": {"responses": 3}}, "generate.responses: 2 there, 3 now"),
            ({"judges": []}, "judges[0]: {'reward': "),
            (
                {"judges": [{"reward": {"model": "scripted:echo"}}]},
                "judges[0].reward.model: 'scripted:scripts:grade' there, 'scripted:echo' now",
            ),
        ],
    )
    def test_a_folder_of_another_config_is_refused_and_the_difference_named(
        self, tmp_path: Path, changes: dict[str, Any], named: str
    ) -> None:
        prompts = write_prompts(tmp_path, 3)
        mill.run(own(prompts), tmp_path / "out")
        before = tables(tmp_path / "out")
        if changes == {"judges": []}:
            changes = {"judges": [], "export": ["sft"], "keep": []}
        with pytest.raises(CheckpointError) as caught:
            mill.run(own(prompts, **changes), tmp_path / "out")
        assert named in str(caught.value)
        assert tables(tmp_path / "out") == before
        assert mill.run(own(prompts), tmp_path / "out").metrics["requests"]["sent_now"] == 0

    def test_how_fast_and_with_which_key_is_no_other_config(self, tmp_path: Path) -> None:
        prompts = write_prompts(tmp_path, 3)
        mill.run(own(prompts), tmp_path / "out")
        pace = {"concurrency": 1, "timeout": 3, "retries": 0, "price": {"input": 1}}
        outcome = mill.run(own(prompts, generate=pace), tmp_path / "out")
        assert outcome.metrics["requests"]["sent_now"] == 0

    def test_a_config_that_never_got_to_work_does_not_own_the_folder(self, tmp_path: Path) -> None:
        prompts = write_prompts(tmp_path, 3)
        with pytest.raises(ConfigError, match="unknown model"):
            mill.run(own(prompts, generate={"model": "scipted:echo"}), tmp_path / "out")
        assert mill.run(own(prompts), tmp_path / "out").status == "complete"

    def test_a_folder_with_files_of_somebody_else_is_left_alone(self, tmp_path: Path) -> None:
        folder = tmp_path / "project"
        folder.mkdir()
        (folder / "README.md").write_text("my project")
        with pytest.raises(CheckpointError, match=r"README.md is there already"):
            mill.run(own(write_prompts(tmp_path, 3)), folder)
        assert (folder / "README.md").read_text() == "my project"

    @pytest.mark.parametrize("content", [b"", b"- 1", b"\xff\xfe", b"{", b"name: x"])
    def test_a_damaged_run_yaml_is_said_and_nothing_touched(
        self, tmp_path: Path, content: bytes
    ) -> None:
        prompts = write_prompts(tmp_path, 3)
        mill.run(own(prompts), tmp_path / "out")
        before = tables(tmp_path / "out")
        file = tmp_path / "out" / "run.yaml"
        whole = file.read_bytes()
        file.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"run.yaml: damaged, so"):
            mill.run(own(prompts), tmp_path / "out")
        file.unlink()
        with pytest.raises(CheckpointError, match=r"run.yaml: missing, so"):
            mill.run(own(prompts), tmp_path / "out")
        assert tables(tmp_path / "out") == before
        file.write_bytes(whole)
        assert mill.run(own(prompts), tmp_path / "out").metrics["requests"]["sent_now"] == 0

    def test_run_yaml_says_all_that_was_used(self, tmp_path: Path) -> None:
        mill.run(own(write_prompts(tmp_path, 2)), tmp_path / "out")
        said = yaml.safe_load((tmp_path / "out" / "run.yaml").read_text())
        assert said["generate"]["max_tokens"] == 512
        assert said["judges"][0]["reward"]["weights"]["correctness"] == 0.74
        assert said["versions"]["gristmill"]


class TestTarget:
    @pytest.mark.parametrize("target", [1, 7, 12])
    def test_exactly_so_many_whatever_the_concurrency(self, tmp_path: Path, target: int) -> None:
        prompts = write_prompts(tmp_path, 60)
        found = []
        for concurrency in (1, 5, 64):
            folder = tmp_path / str(concurrency)
            generate = {"model": "scripted:scripts:late", "concurrency": concurrency}
            outcome = mill.run(own(prompts, target=target, generate=generate), folder)
            assert outcome.status == "target"
            assert outcome.metrics["prompts"]["accepted"] == target
            assert_accounted(outcome)
            found.append(data_of(folder))
            assert len(found[-1]["sft"]) == target
        assert found[0] == found[1] == found[2]

    def test_a_target_that_a_filter_with_a_memory_delays_is_met_exactly(
        self, tmp_path: Path
    ) -> None:
        prompts = tmp_path / "p.jsonl"
        prompts.write_text("".join(f'{{"id": "{i}", "prompt": "{i % 9}"}}\n' for i in range(90)))
        keep = [{"dedup": {"of": "response"}}]
        generate = {"responses": 1, "concurrency": 16, "model": "scripted:scripts:late"}
        outcome = mill.run(own(prompts, target=8, generate=generate, keep=keep), tmp_path / "out")
        assert (outcome.status, outcome.metrics["prompts"]["accepted"]) == ("target", 8)
        assert_accounted(outcome)

    def test_it_says_so_when_the_prompts_run_out(self, tmp_path: Path) -> None:
        keep = [{"length": {"min_words": 900}}]
        ours = own(write_prompts(tmp_path, 5), target=50, keep=keep)
        outcome = mill.run(ours, tmp_path / "out")
        assert outcome.status == "out_of_prompts"
        assert outcome.title.endswith("loosen `keep` (length:short put aside the most, 10)")
        assert_accounted(outcome)

    def test_a_run_that_met_its_target_costs_nothing_again(self, tmp_path: Path) -> None:
        prompts = write_prompts(tmp_path, 60)
        mill.run(own(prompts, target=10), tmp_path / "out")
        before = tables(tmp_path / "out")
        scripts.forget()
        outcome = mill.run(own(prompts, target=10), tmp_path / "out")
        assert (outcome.status, dict(scripts.asked)) == ("target", {})
        assert tables(tmp_path / "out") == before

    def test_a_higher_target_goes_on_and_a_lower_one_takes_back(self, tmp_path: Path) -> None:
        prompts = write_prompts(tmp_path, 60)
        mill.run(own(prompts, target=5), tmp_path / "out")
        mill.run(own(prompts, target=15), tmp_path / "out")
        assert set(scripts.asked.values()) == {1}
        mill.run(own(prompts, target=15), tmp_path / "fresh")
        assert data_of(tmp_path / "out") == data_of(tmp_path / "fresh")
        outcome = mill.run(own(prompts, target=5), tmp_path / "out")
        assert outcome.metrics["prompts"]["accepted"] == 5
        assert_accounted(outcome)


class TestQuantiles:
    def test_the_bound_is_that_of_all_responses(self, tmp_path: Path) -> None:
        keep = [{"threshold": {"reward": {"min_quantile": 0.5}}}]
        outcome = mill.run(own(write_prompts(tmp_path, 40), keep=keep), tmp_path / "out")
        scored = tables(tmp_path / "out")["scored"]
        rewards = sorted(r["reward"] for r in scored)
        middle = (rewards[39] + rewards[40]) / 2
        assert [r["kept"] for r in scored] == [r["reward"] >= middle for r in scored]
        assert_accounted(outcome)

    def test_they_do_not_go_with_a_target(self, tmp_path: Path) -> None:
        keep = [{"threshold": {"reward": {"min_quantile": 0.5}}}]
        with pytest.raises(ConfigError, match="target: cannot go with a quantile"):
            own(write_prompts(tmp_path, 4), keep=keep, target=2)


def test_personal_data_is_in_no_data_set_to_train_on(tmp_path: Path) -> None:
    """Neither as a graded answer nor as the worse one of a pair, whoever dropped it first."""
    replies = tmp_path / "replies.jsonl"
    said = [f"Write to jo{n}@mill.org." if n % 3 else f"Turn the stone {n}." for n in range(40)]
    prompts = write_prompts(tmp_path, 40)
    asked = [json.loads(line)["prompt"] for line in prompts.read_text().splitlines()]
    rows = [
        {"prompt": text, "responses": [said[n], f"Grain {n}.", said[-n]]}
        for n, text in enumerate(asked)
    ]
    replies.write_text("".join(json.dumps(row) + "\n" for row in rows))
    generate = {"model": f"scripted:{replies}", "responses": 3}
    for action, keep in itertools.product(("drop", "mask"), (True, False)):
        filters: list[Any] = [{"threshold": {"reward": 0.0}}, {"personal_data": {"action": action}}]
        out = tmp_path / f"{action}-{keep}"
        made = config(prompts, generate=generate, keep=filters if keep else filters[::-1])
        mill.run(made, out)
        found = tables(out)
        for name in ("sft", "preference", "scored"):
            assert found[name] and "@mill.org" not in json.dumps(found[name])
        if action == "drop":
            assert "@mill.org" in json.dumps(found["rejected"])
        else:
            assert "[EMAIL]" in json.dumps(found["scored"])
