"""Whose a folder is: its first stored result says so, and what brought nothing holds nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gristmill import mill
from gristmill.errors import BackendFatal, CheckpointError, RunError
from gristmill.mill.journal import stored_in
from gristmill.mill.shard import Shard
from gristmill.mill.shards import run_shard
from mills import config, data_of, write_prompts
from servers import FaultyServer


def test_a_wrong_address_corrected_goes_on(tmp_path: Path) -> None:
    prompts, out = write_prompts(tmp_path, 4), tmp_path / "out"
    with FaultyServer(status=404) as server, pytest.raises(BackendFatal):
        mill.run(config(prompts, generate={"model": server.chat}), out)
    assert stored_in(out / "checkpoint") == (False, False)
    outcome = mill.run(config(prompts), out)
    assert outcome.status == "complete"
    mill.run(config(prompts), tmp_path / "fresh")
    assert data_of(out) == data_of(tmp_path / "fresh")


def test_rows_that_all_failed_are_tried_again_by_another_model(tmp_path: Path) -> None:
    prompts, out = write_prompts(tmp_path, 4), tmp_path / "out"
    assert mill.run(config(prompts, generate={"model": "scripted:echo?fail=1"}), out).status == (
        "failed"
    )
    assert mill.run(config(prompts), out).metrics["responses"]["failed"] == 0


def test_a_judge_that_was_not_reached_may_be_another_one_and_responses_stay(tmp_path: Path) -> None:
    prompts, out = write_prompts(tmp_path, 4), tmp_path / "out"
    with FaultyServer(status=404) as server, pytest.raises(BackendFatal):
        mill.run(config(prompts, judges=[{"reward": {"model": server.reward}}]), out)
    assert stored_in(out / "checkpoint") == (True, False)
    with pytest.raises(CheckpointError, match=r"another config \(seed: 0 there, 1 now\)"):
        mill.run(config(prompts, seed=1), out)
    outcome = mill.run(config(prompts), out)
    assert outcome.metrics["responses"]["failed"] == 0
    # Of eight responses at least those that were there were not asked for again.
    assert outcome.metrics["requests"]["sent_now"] < 16


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"judges": [{"reward": {"model": "tiny:reward"}}]}]
)
def test_what_is_stored_holds(tmp_path: Path, changes: dict[str, Any]) -> None:
    prompts, out = write_prompts(tmp_path, 2), tmp_path / "out"
    mill.run(config(prompts), out)
    with pytest.raises(CheckpointError, match="belongs to another config"):
        mill.run(config(prompts, **changes), out)


def test_judges_that_differ_are_named_one_by_one(tmp_path: Path) -> None:
    prompts, out = write_prompts(tmp_path, 2, answer="4"), tmp_path / "out"
    reward = {"reward": {"model": "scripted:scripts:grade"}}
    mill.run(config(prompts, judges=[{"truth": {}}, reward]), out)
    with pytest.raises(CheckpointError) as caught:
        mill.run(config(prompts, judges=[reward]), out)
    assert "judges[0].truth: {" in str(caught.value)
    assert "judges[1]: {'reward': {" in str(caught.value)


def test_what_no_judge_was_to_judge_is_not_left_unjudged(tmp_path: Path) -> None:
    prompts, out = write_prompts(tmp_path, 2), tmp_path / "out"
    mill.run(config(prompts, judges=[], keep=[]), out)
    with pytest.raises(CheckpointError, match="belongs to another config"):
        mill.run(config(prompts), out)


def test_a_damaged_checkpoint_is_somebodys(tmp_path: Path) -> None:
    prompts, out = write_prompts(tmp_path, 2), tmp_path / "out"
    mill.run(config(prompts), out)
    (out / "checkpoint/finished.jsonl").write_bytes(b"nothing of ours\n")
    (out / "checkpoint/partial.jsonl").write_bytes(b"")
    with pytest.raises(CheckpointError, match="belongs to another config"):
        mill.run(config(prompts, seed=1), out)


def test_shards_may_begin_anew_where_nothing_came(tmp_path: Path) -> None:
    prompts, out = write_prompts(tmp_path, 4), tmp_path / "out"
    with FaultyServer(status=404) as server, pytest.raises((BackendFatal, RunError)):
        run_shard(config(prompts, generate={"model": server.chat}), out, Shard(1, 2))
    assert run_shard(config(prompts), out, Shard(1, 2)).status == "complete"
    with pytest.raises(CheckpointError, match="belongs to another config"):
        run_shard(config(prompts, seed=1), out, Shard(1, 2))
