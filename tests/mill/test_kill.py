"""`kill -9` at random moments, and Ctrl-C: what was paid for is never paid for again."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from mills import data_of, tables, write_prompts
from processes import run, start, wait_until, write_config
from servers import FaultyServer

KILLS = 20
IN_FLIGHT = 16
PROMPTS = 150
CALLS = PROMPTS * 4 * 2


def metrics(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.slow
def test_killed_twenty_times_the_data_is_that_of_an_uninterrupted_run(tmp_path: Path) -> None:
    moments = sorted(random.Random(20).sample(range(CALLS), KILLS))
    out = tmp_path / "killed"
    with FaultyServer(latency=0.02) as server:
        config = write_config(tmp_path, write_prompts(tmp_path, PROMPTS), server)
        assert run("run", config, "--out", tmp_path / "whole")[0] == 0
        assert server.requests == CALLS
        for moment in moments:
            # What was repeated counts too, so that some are killed before their first request.
            with start("run", config, "--out", out) as process:
                assert wait_until(lambda at=moment: server.requests >= CALLS + at, process)
                process.kill()
            assert process.returncode == -signal.SIGKILL
        writing = out / "data" / ".scored.new"
        with start("run", config, "--out", out) as process:
            wait_until(writing.exists, process)
            process.kill()
        code, _, err = run("run", config, "--out", out)
        assert (code, err) == (0, "")
        repeated = server.requests - 2 * CALLS
    assert 0 <= repeated <= KILLS * IN_FLIGHT
    assert data_of(out) == data_of(tmp_path / "whole")
    ids = [row["response_id"] for row in tables(out)["scored"]]
    assert len(ids) == len(set(ids)) == PROMPTS * 4
    # A kill forgets the cost of what was in flight, and no more.
    sent = metrics(out)["requests"]["sent"]
    assert CALLS <= sent <= CALLS + repeated


def test_ctrl_c_finishes_what_is_in_flight_and_repeats_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with FaultyServer(latency=0.02) as server:
        config = write_config(tmp_path, write_prompts(tmp_path, 60), server)
        with start("run", config, "--out", out) as process:
            assert wait_until(lambda: server.requests > 100, process)
            process.send_signal(signal.SIGINT)
            output, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (130, "")
        assert "interrupted: run again, it goes on from here" in output
        found = metrics(out)
        assert found["status"] == "interrupted"
        assert found["requests"]["sent"] == server.requests
        done = found["prompts"]["finished"]
        assert 0 < done < 60
        assert found["responses"]["sampled"] == found["responses"]["scored"] == 4 * done
        assert len(tables(out)["scored"]) == 4 * done
        assert (out / "report.html").exists()
        assert run("run", config, "--out", out)[0] == 0
        assert server.requests == 60 * 4 * 2
    assert metrics(out)["prompts"]["finished"] == 60


def test_a_second_ctrl_c_drops_what_is_in_flight(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with FaultyServer() as server:
        config = write_config(tmp_path, write_prompts(tmp_path, 30), server)
        with start("run", config, "--out", out) as process:
            assert wait_until(lambda: server.requests > 40, process)
            server.latency = 100.0
            assert wait_until(lambda: server.in_flight == IN_FLIGHT, process)
            process.send_signal(signal.SIGINT)
            with pytest.raises(TimeoutError):
                wait_a_little(process)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        assert process.returncode == 130
        assert metrics(out)["status"] == "interrupted"
        assert len(tables(out)["scored"]) == metrics(out)["responses"]["scored"]
        server.latency = 0.0
        assert run("run", config, "--out", out)[0] == 0
        assert server.requests <= 30 * 4 * 2 + IN_FLIGHT
        assert metrics(out)["requests"]["sent"] == server.requests
    assert metrics(out)["prompts"]["finished"] == 30


def wait_a_little(process: Any) -> None:
    """TimeoutError if the process goes on, as it should."""
    import subprocess

    try:
        process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
