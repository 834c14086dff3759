"""A run in shards: the data of one process, whatever the shards' number, order, ends and mixing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import scripts
from gristmill import mill
from gristmill.errors import CheckpointError, ConfigError, RunError
from gristmill.mill import Config
from gristmill.mill.shard import Shard
from gristmill.mill.shards import Made, run_shard
from gristmill.storage import locked
from mills import config, data_of, tables, write_prompts
from writers import forget as forget_writers

GRADED: list[Any] = [{"reward": {"model": "scripted:scripts:grade"}}]


def own(prompts: Path, **changes: Any) -> Config:
    generate = {"model": "scripted:scripts:answer", **changes.pop("generate", {})}
    keep = [{"threshold": {"reward": 4}}, {"dedup": {"of": "response"}}]
    return config(prompts, generate=generate, **{"judges": GRADED, "keep": keep, **changes})


def in_shards(values: Config, out: Path, of: int, **how: Any) -> list[Made]:
    """Every shard of a run, one after the other."""
    return [run_shard(values, out, Shard(number, of), **how) for number in range(1, of + 1)]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "data").iterdir()}


def counts(folder: Path) -> dict[str, Any]:
    """The metrics, without what is of one session alone."""
    found = json.loads((folder / "metrics.json").read_text())
    for name in ("seconds", "finished_at"):
        found.pop(name)
    for name in ("sent_now", "retries", "failures"):
        found["requests"].pop(name)
    return found


def assert_same(there: Path, here: Path) -> None:
    assert files(here) == files(there)
    assert counts(here) == counts(there)


@pytest.mark.parametrize("of", [1, 2, 3, 16])
def test_the_data_is_that_of_one_process_byte_for_byte(tmp_path: Path, of: int) -> None:
    prompts = write_prompts(tmp_path, 60)
    prompts.write_text(prompts.read_text() + '{oops\n{"id": "p3", "prompt": "Question 3?"}\n')
    values = own(prompts, generate={"responses": 3})
    mill.run(values, tmp_path / "one")
    scripts.forget()
    made = in_shards(values, tmp_path / "many", of)
    assert not files(tmp_path / "many")
    assert {m.status for m in made} == {"complete"}
    assert sum(m.finished for m in made) == 60
    assert set(scripts.asked.values()) == set(scripts.graded.values()) == {1}
    scripts.forget()
    mill.run(values, tmp_path / "many")
    assert not scripts.asked and not scripts.graded
    assert_same(tmp_path / "one", tmp_path / "many")


def test_judges_that_compare_and_their_calls(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 30)
    judges = [*GRADED, {"llm": {"model": "scripted:llm_judges:coin"}}]
    values = own(prompts, judges=judges, keep=[], generate={"responses": 3})
    mill.run(values, tmp_path / "one")
    in_shards(values, tmp_path / "many", 3)
    mill.run(values, tmp_path / "many")
    assert_same(tmp_path / "one", tmp_path / "many")


def test_failures_are_tried_again_by_the_shard_or_by_who_decides(tmp_path: Path) -> None:
    values = own(write_prompts(tmp_path, 40))
    mill.run(values, tmp_path / "one")
    scripts.forget()
    scripts.failing |= {"Question 3?", "Question 5?/1", "Question 7?/0", "Question 8?/1"}
    in_shards(values, tmp_path / "many", 3)
    scripts.forget()
    scripts.failing.add("Question 3?")
    in_shards(values, tmp_path / "many", 3)
    assert set(scripts.asked) == {f"Question {n}" for n in ("3?/0", "3?/1", "5?/1", "7?/0", "8?/1")}
    scripts.forget()
    mill.run(values, tmp_path / "many")
    assert set(scripts.asked) == {"Question 3?/0", "Question 3?/1"}
    assert files(tmp_path / "one") == files(tmp_path / "many")


class TestMixed:
    def test_shards_of_another_number_and_plain_runs_ask_nothing_twice(
        self, tmp_path: Path
    ) -> None:
        values, out = own(write_prompts(tmp_path, 60)), tmp_path / "many"
        mill.run(values, tmp_path / "one")
        scripts.forget()
        mill.run(values, out, limit=10)
        for number in (2, 5, 16):
            run_shard(values, out, Shard(number, 16))
        in_shards(values, out, 3, limit=50)
        run_shard(values, out, Shard(2, 2))
        mill.run(values, out)
        assert set(scripts.asked.values()) == {1} and len(scripts.asked) == 120
        assert_same(tmp_path / "one", out)

    def test_what_was_under_way_in_one_journal_is_known_in_all(self, tmp_path: Path) -> None:
        """A shard is cut short in the middle of its prompts; shards of another number go on."""
        values, out = own(write_prompts(tmp_path, 40)), tmp_path / "many"
        scripts.fatal.append("Question 20?")
        for number in (1, 2, 3):
            try:
                run_shard(values, out, Shard(number, 3))
            except RunError:
                continue
        assert scripts.asked.pop("Question 20?/0")
        scripts.fatal.clear()
        scripts.asked.pop("Question 20?/1", None)
        in_shards(values, out, 2)
        mill.run(values, out)
        assert set(scripts.asked.values()) == {1}
        assert len(scripts.asked) == 80


class TestRefused:
    def test_another_config_is_refused_and_named(self, tmp_path: Path) -> None:
        prompts = write_prompts(tmp_path, 10)
        run_shard(own(prompts), tmp_path / "out", Shard(1, 2))
        other = own(prompts, seed=7)
        with pytest.raises(CheckpointError, match=r"belongs to another config \(seed: 0 there, 7"):
            run_shard(other, tmp_path / "out", Shard(2, 2))
        with pytest.raises(CheckpointError, match=r"belongs to another config"):
            mill.run(other, tmp_path / "out")

    def test_the_same_shard_or_a_whole_run_cannot_be_there_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gristmill.mill.shards.PATIENCE", 0.1)
        values, out = own(write_prompts(tmp_path, 10)), tmp_path / "out"
        run_shard(values, out, Shard(1, 2))
        lock = out / "checkpoint" / "lock"
        with locked(out, lock, shared=True):
            with pytest.raises(CheckpointError, match="another gristmill process is writing"):
                mill.run(values, out)
            run_shard(values, out, Shard(1, 2))
            with (
                locked(out, out / "checkpoint" / "001-of-002" / "lock"),
                pytest.raises(CheckpointError, match="shard 1 of 2 is at work in another process"),
            ):
                run_shard(values, out, Shard(1, 2))
            with pytest.raises(CheckpointError, match="other shards are at work here, 2 with"):
                run_shard(values, out, Shard(1, 3))
        with (
            locked(out, lock),
            pytest.raises(CheckpointError, match="another gristmill process is writing"),
        ):
            run_shard(values, out, Shard(2, 2))

    @pytest.mark.parametrize(
        "text", ["", "3", "0/4", "5/4", "-1/4", "1/0", "1/513", "1/2/3", "a/b"]
    )
    def test_what_is_no_shard(self, text: str) -> None:
        with pytest.raises(ConfigError, match="write I/N"):
            Shard.read(text)


def test_prompts_that_a_recipe_writes_are_written_once(tmp_path: Path) -> None:
    forget_writers()
    generate = {"model": "scripted:scripts:answer", "responses": 2}
    recipe = {"recipe": "open_qa", "model": "scripted:writers:write", "count": 30}
    values = Config.of({"prompts": recipe, "generate": generate, "judges": GRADED})
    mill.run(values, tmp_path / "one")
    scripts.forget()
    forget_writers()
    in_shards(values, tmp_path / "many", 3)
    mill.run(values, tmp_path / "many")
    assert set(scripts.asked.values()) == {1}
    assert files(tmp_path / "one") == files(tmp_path / "many")
    sent = [counts(tmp_path / name)["requests"]["sent"] for name in ("one", "many")]
    assert sent[0] == sent[1]


class TestTogether:
    """Targets and budgets, over all shards."""

    @pytest.mark.parametrize("of", [2, 7])
    def test_a_target_is_met_as_one_process_meets_it(self, tmp_path: Path, of: int) -> None:
        values = own(write_prompts(tmp_path, 400), target=60)
        one = mill.run(values, tmp_path / "one")
        scripts.forget()
        made = in_shards(values, tmp_path / "many", of)
        assert {m.status for m in made} == {"target"}
        # No shard goes on when its share is met: what was in flight may still come.
        in_flight = 8 // 2
        assert 60 <= sum(m.accepted for m in made) <= 60 + of * in_flight
        outcome = mill.run(values, tmp_path / "many")
        assert outcome.status == one.status == "target"
        assert set(scripts.asked.values()) == {1}
        assert data_of(tmp_path / "one") == data_of(tmp_path / "many")
        for name in ("sft", "preference", "scored"):
            file = Path("data") / f"{name}.parquet"
            assert (tmp_path / "many" / file).read_bytes() == (tmp_path / "one" / file).read_bytes()

    def test_a_target_that_the_prompts_do_not_reach(self, tmp_path: Path) -> None:
        values = own(write_prompts(tmp_path, 20), target=60)
        mill.run(values, tmp_path / "one")
        in_shards(values, tmp_path / "many", 3)
        assert mill.run(values, tmp_path / "many").status == "out_of_prompts"
        assert_same(tmp_path / "one", tmp_path / "many")

    def test_a_target_below_the_number_of_shards(self, tmp_path: Path) -> None:
        values = own(write_prompts(tmp_path, 40), target=2)
        made = in_shards(values, tmp_path / "many", 5)
        assert [m.requests > 0 for m in made] == [True, True, False, False, False]
        assert mill.run(values, tmp_path / "many").status == "target"

    @pytest.mark.parametrize("of", [2, 3, 16])
    def test_requests_never_go_over_the_budget(self, tmp_path: Path, of: int) -> None:
        values, out = own(write_prompts(tmp_path, 100), budget={"requests": 101}), tmp_path / "out"
        made = in_shards(values, out, of)
        assert {m.status for m in made} == {"budget"}
        sent = sum(m.requests for m in made)
        assert sent <= 101
        # Again, before anything is decided: nothing is left to them.
        made = in_shards(values, out, of)
        assert sum(m.requests for m in made) == sent
        outcome = mill.run(values, out)
        assert outcome.status == "budget"
        assert sent <= outcome.metrics["requests"]["sent"] == 100
        assert scripts.asked.total() + scripts.graded.total() == 100
        more = own(write_prompts(tmp_path, 100), budget={"requests": 160})
        in_shards(more, out, of)
        assert mill.run(more, out).metrics["requests"]["sent"] == 160
        assert scripts.asked.total() + scripts.graded.total() == 160
        assert set(scripts.asked.values()) == {1}

    def test_tokens_and_dollars(self, tmp_path: Path) -> None:
        generate = {"price": {"input": 1000, "output": 1000}, "concurrency": 1, "responses": 1}
        prompts = write_prompts(tmp_path, 200)
        for word, budget in (("tokens", {"tokens": 300}), ("usd", {"usd": 0.3})):
            values = own(prompts, budget=budget, generate=generate, judges=[], keep=[])
            made = in_shards(values, tmp_path / word, 4)
            assert {m.status for m in made} == {"budget"}
            outcome = mill.run(values, tmp_path / word)
            spent = sum(outcome.metrics["tokens"].values())
            # Each process may go over with what it has in flight, one prompt here.
            assert 300 <= spent <= 300 + 5 * 10
            assert len(tables(tmp_path / word)["sft"]) == outcome.metrics["prompts"]["finished"]
