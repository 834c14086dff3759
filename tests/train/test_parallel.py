"""Two processes on one run, over gloo on the CPU: the same losses and weights as one process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from gristmill.train import config_of, run
from local_models import chat_model
from trainings import (
    chat_rows,
    log_of,
    losses_of,
    metrics_of,
    pair_rows,
    rated_rows,
    text_rows,
    values_of,
    weights_of,
    write_config,
    write_rows,
)

pytestmark = pytest.mark.slow

PATIENCE = 240.0
"""Seconds after which a test gives up on a busy machine."""

KINDS: dict[str, tuple[str, list[dict[str, Any]], dict[str, Any]]] = {
    "sft": ("sft", chat_rows(24), {}),
    "both": (
        "reward",
        [*rated_rows(14), *pair_rows(10)],
        {"loss": "both", "pairs": "scaled", "centring": 0.1},
    ),
    "dpo": ("dpo", pair_rows(20), {"checkpointing": True}),
    "lora": ("rpo", pair_rows(20), {"lora": {"rank": 2, "alpha": 4}}),
    "phases": (
        "pretrain",
        text_rows(20),
        {
            "preset": "tiny",
            "tokenizer": "tiny:instruct",
            "phases": [{"steps": 3}, {"steps": 2, "decay": True}],
        },
    ),
}


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = chat_model(tmp_path_factory.mktemp("model") / "chat", max_position_embeddings=256)
    return f"hf:{place}"


def values(name: str, chat: str, folder: Path, **changes: Any) -> tuple[str, dict[str, Any]]:
    kind, rows, more = KINDS[name]
    found = values_of(chat, write_rows(folder / "rows.jsonl", rows), **more, **changes)
    # Some steps have fewer parts than processes, some more.
    found["batch"] = {"examples": 4, "tokens": 100}
    if "preset" in found:
        del found["model"]
    return kind, found


TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2")
ACCELERATE = (
    "accelerate.commands.accelerate_cli", "launch",
    "--config_file", str(Path(__file__).parents[2] / "examples" / "accelerate.yaml"),
)  # fmt: skip


def launch(*arguments: str | Path, launcher: Sequence[str] = TORCHRUN) -> subprocess.Popen[str]:
    """Two processes of `gristmill train ...`, and the launcher above them."""
    command = [sys.executable, "-m", *launcher, "-m", "gristmill.cli", "train"]
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def kill(launcher: subprocess.Popen[str]) -> None:
    """`kill -9` for the launcher and its processes, which it starts in sessions of their own."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(launcher.pid)
        every = [parent, *parent.children(recursive=True)]
        for process in every:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(every, timeout=PATIENCE)


def together(*arguments: str | Path, launcher: Sequence[str] = TORCHRUN) -> tuple[int, str, str]:
    """Exit code, output and errors of a launch that ends by itself."""
    with launch(*arguments, launcher=launcher) as process:
        try:
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            kill(process)  # Nobody is left behind, however it ended.
    return process.returncode, out, err


def numbers(found: Any, where: str = "") -> dict[str, float]:
    """Every number in nested mappings and lists."""
    if isinstance(found, dict):
        pairs = [(str(k), v) for k, v in found.items()]
    elif isinstance(found, list):
        pairs = [(str(k), v) for k, v in enumerate(found)]
    else:
        number = isinstance(found, int | float) and not isinstance(found, bool)
        return {where: float(found)} if number else {}
    return {k: v for name, each in pairs for k, v in numbers(each, f"{where}.{name}").items()}


def alike(one: Path, two: Path) -> None:
    """The same losses, figures and weights but for the order of sums."""
    logs = [
        [{k: v for k, v in line.items() if k != "computed"} for line in log_of(folder)]
        for folder in (one, two)
    ]
    losses = [[line["loss"] for line in log if "loss" in line] for log in logs]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5, abs=2e-6)
    # A margin is a small difference of large numbers.
    assert numbers(logs[1]) == pytest.approx(numbers(logs[0]), rel=2e-5, abs=5e-5)
    for key in ("validation_before", "validation", "loss", "examples", "parameters", "tokens"):
        there, here = (numbers(metrics_of(folder)[key]) for folder in (one, two))
        assert here == pytest.approx(there, rel=1e-4, abs=1e-5), key
    there, here = weights_of(one), weights_of(two)
    assert there.keys() == here.keys()
    for name, weight in there.items():
        # Adam makes a whole step of the least difference where a gradient is about 0.
        difference = (here[name].float() - weight.float()).abs()
        assert difference.mean().item() < 1e-5, name
        assert difference.max().item() < 5e-3, name


@pytest.mark.parametrize("sharding", ["replicate", "fsdp"])
@pytest.mark.parametrize("name", KINDS)
def test_two_processes_do_what_one_does(
    name: str, sharding: str, chat: str, tmp_path: Path
) -> None:
    kind, given = values(name, chat, tmp_path)
    run(config_of(kind, given), tmp_path / "one")
    config = write_config(tmp_path / "config.yaml", given | {"sharding": sharding})
    code, out, err = together(kind, config, "--out", tmp_path / "two")
    assert code == 0, err
    alike(tmp_path / "one", tmp_path / "two")
    assert metrics_of(tmp_path / "two")["processes"] == 2
    assert not (tmp_path / "two" / "checkpoint").exists()
    # Only the first of them speaks.
    assert out.count(": preparing") == 1
    assert out.count("report: ") == 1


def test_accelerate_launches_it_with_the_config_of_the_examples(chat: str, tmp_path: Path) -> None:
    kind, given = values("dpo", chat, tmp_path)
    run(config_of(kind, given), tmp_path / "one")
    config = write_config(tmp_path / "config.yaml", given | {"sharding": "fsdp"})
    code, _, err = together(kind, config, "--out", tmp_path / "two", launcher=ACCELERATE)
    assert code == 0, err
    alike(tmp_path / "one", tmp_path / "two")
    assert metrics_of(tmp_path / "two")["processes"] == 2


def steps_of(folder: Path) -> int:
    log = folder / "log.jsonl"
    return log.read_text().count('"loss"') if log.exists() else 0


@pytest.mark.parametrize("name", ["sft", "lora"])
def test_all_killed_they_go_on_to_the_same_end(name: str, chat: str, tmp_path: Path) -> None:
    kind, given = values(name, chat, tmp_path, steps=60, save_every=2)
    config = write_config(tmp_path / "config.yaml", given | {"sharding": "fsdp"})
    code, _, err = together(kind, config, "--out", tmp_path / "whole")
    assert code == 0, err
    out = tmp_path / "killed"
    for moment in (3, 25):
        with launch(kind, config, "--out", out) as process:
            end = time.monotonic() + PATIENCE
            try:
                while steps_of(out) < moment:
                    assert process.poll() is None, process.communicate()
                    assert time.monotonic() < end
                    time.sleep(0.005)
            finally:
                kill(process)
        assert (out / "checkpoint" / "latest.json").exists()
    # Its checkpoint is of two processes with shards, and says so to others.
    for changes, said in (({}, "2 processes"), ({"sharding": "fsdp"}, "2 processes")):
        with pytest.raises(Exception, match=f"the checkpoint is that of {said}, these are 1"):
            run(config_of(kind, given | changes), out)
    whole = write_config(tmp_path / "whole.yaml", given | {"sharding": "replicate"})
    code, _, err = together(kind, whole, "--out", out)
    assert code != 0
    assert "the checkpoint was written with sharding: fsdp; go on with that" in err
    code, said, err = together(kind, config, "--out", out)
    assert code == 0, err
    assert "step 1 of 60" not in said
    # Bit for bit, as of one process.
    assert log_of(out) == log_of(tmp_path / "whole")
    there, here = weights_of(tmp_path / "whole"), weights_of(out)
    assert all(torch.equal(here[name], weight) for name, weight in there.items())
    run(config_of(kind, given), tmp_path / "one")
    assert losses_of(out) == pytest.approx(losses_of(tmp_path / "one"), rel=1e-3)


def test_stages_follow_each_other(chat: str, tmp_path: Path) -> None:
    spec = values_of("", write_rows(tmp_path / "rows.jsonl", pair_rows(12)), steps=2)
    del spec["model"]
    spec["sharding"] = "fsdp"
    given = {"model": chat, "stages": [{"dpo": spec}, {"rpo": spec}]}
    config = write_config(tmp_path / "stages.yaml", given)
    code, out, err = together("staged", config, "--out", tmp_path / "out")
    assert code == 0, err
    assert out.count("report: ") == 2
    for name in ("1-dpo", "2-rpo"):
        assert metrics_of(tmp_path / "out" / name)["status"] == "complete"
    # Again, all find that it is done.
    code, out, err = together("staged", config, "--out", tmp_path / "out")
    assert code == 0, err
    assert out.count("report: ") == 2


def test_an_error_is_said_once_and_nobody_waits_for_ever(chat: str, tmp_path: Path) -> None:
    kind, given = values("sft", chat, tmp_path)
    given["data"] = [{"file": str(tmp_path / "none.jsonl")}]
    code, _, err = together(kind, write_config(tmp_path / "c.yaml", given), "--out", tmp_path / "o")
    assert code != 0
    assert err.count("none.jsonl: no such file") == 1
    # One that only a process of two meets ends the other too.
    kind, given = values("sft", chat, tmp_path)
    given["optimizer"] = {"lr": 1e30, "warmup": 0}
    code, _, err = together(kind, write_config(tmp_path / "d.yaml", given), "--out", tmp_path / "p")
    assert code != 0
    assert "the loss is" in err or "the gradient's norm is" in err
    assert list((tmp_path / "p").glob("nan-batch-*.jsonl"))
