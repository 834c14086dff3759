"""`gristmill flywheel` as a process: exit codes, what it prints, and what interrupts it."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch")

from gristmill.flywheel import load, run
from local_models import chat_model, one_thread
from processes import run as call
from processes import start, wait_until
from wheels import SFT, settings

INTERRUPTIONS = (
    (signal.SIGKILL, "arms/reward/round-1/mill/checkpoint/finished.jsonl"),
    (signal.SIGINT, "arms/reward/round-1/1-sft/log.jsonl"),
    (signal.SIGKILL, "arms/none/round-1/evaluation"),
)
"""At what, and at what file's appearance, each process ends."""


def written(home: Path, student: str, **changes: Any) -> Path:
    """A config of scripted answers and grades, with no truth; a process can read it."""
    models = {
        "generate": {"model": "scripted:echo?latency=0.02", "responses": 2, "max_tokens": 8,
                     "concurrency": 4},
        "judges": [{"reward": {"model": "scripted:echo"}}],
    }  # fmt: skip
    values = settings(home, student, mill=models, ablations=["none"], **changes)
    del values["flywheel"]["evaluate"]["truth"]
    file = home / "config.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def figures(folder: Path) -> Any:
    """All figures but what the clock says, wherever the folder is."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if k != "seconds"}
        if isinstance(value, list):
            return [plain(v) for v in value]
        return value.replace(str(folder), "OUT") if isinstance(value, str) else value

    return plain(json.loads((folder / "metrics.json").read_text()))


@pytest.mark.parametrize(
    ("wheel", "said"),
    [
        ({"round": 3}, "config.yaml: flywheel.round: unknown key; did you mean 'rounds'?"),
        ({"rounds": 99}, "flywheel.prompts: too few for 99 rounds"),
        ({"prompts": {"file": "gone.jsonl"}}, "gone.jsonl"),
    ],
)
def test_an_error_is_one_line_and_bad_usage(
    tmp_path: Path, wheel: dict[str, Any], said: str
) -> None:
    code, out, err = call("flywheel", written(tmp_path, "tiny:instruct", **wheel), "--out",
                          tmp_path / "out")  # fmt: skip
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and said in err and err.count("\n") == 1
    assert not (tmp_path / "out" / "arms").exists()


@pytest.mark.slow
def test_killed_and_interrupted_it_goes_on_to_the_same_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    student = f"hf:{chat_model(tmp_path / 'student')}"
    config = written(tmp_path, student, train=[{"sft": {**SFT, "steps": 6, "save_every": 1}}])
    whole, out = tmp_path / "whole", tmp_path / "out"
    with one_thread():
        run(load(config), whole)
    rng = random.Random(5)
    for sent, appears in INTERRUPTIONS:
        with start("flywheel", config, "--out", out) as process:
            assert wait_until((out / appears).exists, process)
            time.sleep(rng.uniform(0, 0.1))
            process.send_signal(sent)
            said, err = process.communicate(timeout=60)
        assert not (out / "metrics.json").exists()
        if sent == signal.SIGINT:
            assert (process.returncode, err) == (130, "")
            assert "interrupted: run again, it goes on from here" in said
        else:
            assert process.returncode == -signal.SIGKILL
    code, said, err = call("flywheel", config, "--out", out)
    assert (code, err) == (0, "")
    assert figures(out) == figures(whole)
    # Without a terminal it is plain lines, each of what it does beginning with where it is.
    assert "\x1b" not in said and "\r" not in said
    doing, _, done = said.partition("\n'small'")
    assert all(re.match(r"(round 0|\w+ \(arm \d of 2\), round 1 of 1): ", line)
               or " requests/s" in line for line in doing.splitlines())  # fmt: skip
    assert f"best model: {json.loads((out / 'metrics.json').read_text())['best_model']}" in done
    assert f"report: {out / 'report.html'}" in done
    assert not list(out.rglob("*.new"))
