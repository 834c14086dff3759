"""Shards as processes: started, killed, taken up and decided over, on this machine and on Slurm.

There is no Slurm here: a fake `sbatch` runs what it is given, in the order that was asked for.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from commands import Gristmill
from gristmill.jobs.shards import run_shards
from gristmill.mill import Outcome
from mills import data_of, write_prompts
from processes import run, start, wait_until, write_config
from servers import FaultyServer

PROMPTS = 120
CALLS = PROMPTS * 2 * 2
IN_FLIGHT = 16


def config_on(folder: Path, server: FaultyServer) -> Path:
    return write_config(folder, write_prompts(folder, PROMPTS), server, responses=2)


def data(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "data").iterdir()}


def test_killed_shards_are_taken_up_and_the_data_is_that_of_one_process(tmp_path: Path) -> None:
    """Three shards beside each other; one is killed, and one that is through takes it up."""
    out = tmp_path / "many"
    with FaultyServer(latency=0.02) as server:
        config = config_on(tmp_path, server)
        assert run("run", config, "--out", tmp_path / "one")[0] == 0
        assert server.requests == CALLS
        shards = [start("run", config, "--out", out, "--shard", f"{n}/3") for n in (1, 2, 3)]
        first = out / "checkpoint" / "001-of-003" / "finished.jsonl"
        assert wait_until(lambda: first.exists() and first.stat().st_size > 0, shards[0])
        shards[0].kill()
        said = [shard.communicate(timeout=60) for shard in shards]
        assert [shard.returncode for shard in shards] == [-signal.SIGKILL, 0, 0]
        assert sum("took up shard 1 of 3" in out for out, _ in said) == 1
        before = server.requests
        code, _, err = run("run", config, "--out", out)
        assert (code, err) == (0, "")
        # Nothing was left to the run that decides, and what was repeated had been in flight.
        assert server.requests == before
        assert before - 2 * CALLS <= IN_FLIGHT
    assert data(out) == data(tmp_path / "one")


def test_all_of_them_with_one_command(tmp_path: Path) -> None:
    """The processes are started, one that is killed is started again, and then it is decided."""
    out = tmp_path / "many"
    with FaultyServer(latency=0.02) as server:
        config = config_on(tmp_path, server)
        assert run("run", config, "--out", tmp_path / "one")[0] == 0
        with start("run", config, "--out", out, "--shards", "2") as driver:
            log = out / "checkpoint" / "002-of-002" / "finished.jsonl"
            assert wait_until(lambda: log.exists() and log.stat().st_size > 0, driver)
            shards = psutil.Process(driver.pid).children()
            next(shard for shard in shards if shard.cmdline()[-1] == "2/2").kill()
            said, err = driver.communicate(timeout=60)
        assert (driver.returncode, err) == (0, "")
        assert server.requests <= 2 * CALLS + IN_FLIGHT
    assert "2 shards, 2 through: 120 prompts finished" in said
    assert "every prompt is done" in said
    assert data(out) == data(tmp_path / "one")


def test_what_is_wrong_is_said_once_and_nothing_is_started(
    gristmill: Gristmill, tmp_path: Path
) -> None:
    prompts = write_prompts(tmp_path, 3)
    config = tmp_path / "c.yaml"
    config.write_text(f"prompts: {{file: {prompts}}}\ngenerate: {{model: 'scripted:echo'}}\n")
    for on in ("kubernetes", "job", "../x"):
        found = gristmill("run", config, "--shards", "2", "--on", on)
        assert (found.code, f"cannot be started on '{on}'" in found.line) == (2, True)
    assert "--shard: '3' is no shard" in gristmill("run", config, "--shard", "3").line
    prompts.unlink()
    found = gristmill("run", config, "--shards", "2")
    assert (found.code, str(prompts) in found.line) == (2, True)
    assert not (tmp_path / "out").exists()


def test_an_error_of_the_shards_is_the_commands(gristmill: Gristmill, tmp_path: Path) -> None:
    with FaultyServer(status=401, error="wrong key") as server:
        config = config_on(tmp_path, server)
        found = gristmill("run", config, "--out", tmp_path / "out", "--shards", "2")
    assert found.code == 1
    assert "wrong key" in found.line and "said.log" in found.line


SBATCH = """#!{python}
import os, subprocess, sys
options = [a for a in sys.argv[1:] if a.startswith("--")]
with open({log!r}, "a") as log:
    print(*options, file=log)
tasks = [o.split("-")[-1] for o in options if o.startswith("--array=1-")]
number = str(7 + sum(1 for _ in open({log!r})))
running = []
for task in range(1, 1 + int(tasks[0])) if tasks else [0]:
    env = {{**os.environ, "SLURM_ARRAY_TASK_ID": str(task)}}
    running.append(subprocess.Popen(["sh", sys.argv[-1]], env=env, stdout=subprocess.DEVNULL))
assert not any(one.wait() for one in running)
print("this site says hello")
print(number + ";cluster")
"""


def test_slurm_gets_an_array_and_a_job_that_decides(
    gristmill: Gristmill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = tmp_path / "a folder"
    prompts = write_prompts(where, 30)
    config = where / "c.yaml"
    config.write_text(
        f"name: some run\nprompts: {{file: '{prompts.name}'}}\n"
        "generate: {model: 'scripted:echo', responses: 2}\n"
        "judges: [{reward: {model: 'scripted:echo'}}]\n"
    )
    assert gristmill("run", config, "--out", tmp_path / "one").code == 0
    with monkeypatch.context() as without:
        without.setenv("PATH", "/nowhere")
        found = gristmill("run", config, "--out", where / "out", "--shards", "3", "--on", "slurm")
    assert (found.code, "no `sbatch` on this machine" in found.line) == (2, True)
    log, fake = tmp_path / "asked", tmp_path / "bin" / "sbatch"
    fake.parent.mkdir()
    fake.write_text(SBATCH.format(python=sys.executable, log=str(log)))
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    found = gristmill("run", config, "--out", where / "out", "--shards", "3", "--on", "slurm")
    assert (found.code, found.err) == (0, "")
    assert "submitted: job 8, 3 shards, and then job 9, which decides" in found.out
    first, second = log.read_text().splitlines()
    assert "--array=1-3" in first and "--requeue" in first and "--job-name=some run" in first
    assert "--dependency=afterany:8" in second
    assert data(where / "out") == data(tmp_path / "one")
    fake.write_text("#!/bin/sh\necho 'sbatch: error: invalid partition' >&2; exit 1\n")
    found = gristmill("run", config, "--out", where / "out", "--shards", "3", "--on", "slurm")
    assert (found.code, "invalid partition; put that right" in found.line) == (1, True)


def test_in_python(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 10)
    config = tmp_path / "c.yaml"
    config.write_text(f"prompts: {{file: {prompts.name}}}\ngenerate: {{model: 'scripted:echo'}}\n")
    outcome = run_shards(config, tmp_path / "out", 2, quiet=True)
    assert isinstance(outcome, Outcome) and outcome.status == "complete"
    assert len(data_of(tmp_path / "out")["sft"]) == 40
    assert json.loads((outcome.folder / "metrics.json").read_text())["prompts"]["finished"] == 10
