"""A run whose calls go through a batch API: prices, prompts under way, and `kill -9`."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from batch_servers import BatchServer, Course
from gristmill.backends import batch_carry, batch_collect
from gristmill.mill import Config, forecast, run
from mills import config, data_of, settings, tables, write_prompts
from processes import run as run_to_the_end
from processes import start, wait_until

PRICES = {"input": 10.0, "output": 100.0}
PROMPTS = 30


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_collect, "QUIET", 0.05)
    for name in ("FIRST_LOOK", "LAST_LOOK", "LISTED"):
        monkeypatch.setattr(batch_carry, name, 0.01)


def batched(server: BatchServer, folder: Path, prompts: int) -> dict[str, Any]:
    """A config of the server's models, asked in batches."""
    values = settings(
        write_prompts(folder, prompts),
        generate={"model": server.chat, "batch_api": "openai", "price": PRICES},
        judges=[{"reward": {"model": server.reward, "batch_api": "openai"}}],
    )
    del values["generate"]["concurrency"]
    return values


@pytest.mark.usefixtures("short_waits")
def test_a_run_in_batches_gives_the_data_of_a_run_in_single_calls(tmp_path: Path) -> None:
    with BatchServer([Course(end="expired", answered=0.5), Course()]) as server:
        given = batched(server, tmp_path, PROMPTS)
        outcome = run(Config.of(given), tmp_path / "out")
        assert max(server.paid.values()) == 1
        assert server.alone == 0
        batches = [len(made.rows) for made in server.made.values()]
        for part in (given["generate"], given["judges"][0]["reward"]):
            del part["batch_api"]
        single = run(Config.of(given), tmp_path / "single")
    assert data_of(tmp_path / "out") == data_of(tmp_path / "single")
    assert sum(batches) == outcome.metrics["requests"]["sent"]
    # All prompts are under way at once, and each answer is graded once it is there.
    assert batches[0] == 2 * PROMPTS and len(batches) == 4
    assert outcome.metrics["cost_usd"] == pytest.approx(0.5 * single.metrics["cost_usd"])
    answers = 2 * PROMPTS
    assert single.metrics["cost_usd"] == pytest.approx(answers * (11 * 10 + 5 * 100) / 1e6)


@pytest.mark.usefixtures("short_waits")
def test_a_judge_in_batches_holds_up_no_samples(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, PROMPTS)
    with BatchServer() as server:
        judges = [{"reward": {"model": server.reward, "batch_api": "openai"}}]
        generate = {"model": server.chat, "concurrency": 4}
        run(config(prompts, generate=generate, judges=judges), tmp_path / "out")
        assert [len(made.rows) for made in server.made.values()] == [2 * PROMPTS]
        assert server.max_in_flight <= 4 + 1


def test_a_forecast_knows_the_price_of_batches(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, PROMPTS)
    given: dict[str, Any] = {"model": "http://127.0.0.1:1/v1#m", "price": PRICES}

    def usd(**changes: Any) -> float:
        found = forecast(config(prompts, generate={**given, **changes}, judges=[], keep=[])).usd
        assert found is not None
        return found

    assert usd(batch_api="openai") == pytest.approx(0.5 * usd())
    share = {"price": {**PRICES, "batch": 0.8}}
    assert usd(batch_api="openai", **share) == pytest.approx(0.8 * usd())
    assert usd(**share) == usd()


IN_A_HURRY = """
from gristmill.backends import batch_carry, batch_collect
from gristmill.cli import main

batch_collect.QUIET = batch_carry.FIRST_LOOK = batch_carry.LAST_LOOK = batch_carry.LISTED = 0.2
main()
"""
"""The command line with shorter waits: hours are the providers', and not the test's."""


@pytest.mark.slow
def test_killed_on_its_way_a_run_pays_nothing_twice(tmp_path: Path) -> None:
    program = tmp_path / "in_a_hurry.py"
    program.write_text(IN_A_HURRY)
    path = tmp_path / "config.yaml"
    out = tmp_path / "out"
    with BatchServer([Course(end="expired", answered=0.5), Course()]) as server:
        path.write_text(yaml.safe_dump(batched(server, tmp_path, 20)))

        def log() -> str:
            return "".join(p.read_text() for p in (out / "checkpoint").rglob("log.jsonl"))

        moments: list[Callable[[], bool]] = [
            lambda: bool(server.uploads),
            lambda: bool(server.made),
            lambda: "read" in log(),
            lambda: len(server.made) >= 2,
        ]
        for moment in moments:
            with start("run", path, "--out", out, program=program) as process:
                assert wait_until(moment, process)
                process.kill()
            # It may have come to its end in the meantime.
            assert process.returncode in (-signal.SIGKILL, 0)
        code, _, err = run_to_the_end("run", path, "--out", out, program=program)
        assert (code, err) == (0, "")
    # An answer and a grade of each sample, in batches or alone.
    assert set(server.paid.values()) == {1}
    assert len(server.paid) == 2 * 2 * 20
    assert len(tables(out)["scored"]) == 2 * 20
