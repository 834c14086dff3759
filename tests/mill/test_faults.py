"""The whole mill against a real HTTP server that misbehaves in every way."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gristmill import mill
from gristmill.mill import Config
from mills import config, data_of, tables, write_prompts
from servers import FORMS, FaultyServer

FAULTS = ("reset", "half", "html", "broken", "empty", "null", "error", "408", "500", "503")
PROMPTS, RESPONSES = 40, 4
CALLS = PROMPTS * RESPONSES * 2


def against(server: FaultyServer, prompts: Path, **changes: Any) -> Config:
    return config(
        prompts,
        generate={"model": server.chat, "responses": RESPONSES, "concurrency": 64},
        judges=[{"reward": {"model": server.reward, "concurrency": 64}}],
        **changes,
    )


def test_every_fault_every_form_and_a_limit_of_16(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, PROMPTS)
    with FaultyServer(latency=0.01, forms=FORMS) as calm:
        mill.run(against(calm, prompts), tmp_path / "calm")
    with FaultyServer(
        limit=16, latency=0.01, faults=(*FAULTS, "stall"), share=0.4, stall=5.0, forms=FORMS
    ) as server:
        outcome = mill.run(against(server, prompts), tmp_path / "out")
    assert set(server.met) == {*FAULTS, "stall"}
    assert server.statuses[429] > 0
    assert outcome.status == "complete"
    metrics = outcome.metrics
    assert metrics["responses"]["failed"] == 0
    # All rows arrive, each once, the same as from a server without faults.
    ids = [row["response_id"] for row in tables(tmp_path / "out")["scored"]]
    assert ids == [f"p{i}.{k}" for i in range(PROMPTS) for k in range(RESPONSES)]
    assert without_models(tmp_path / "out") == without_models(tmp_path / "calm")
    # Every request is accounted for: sent by our count and by the server's.
    requests = metrics["requests"]
    assert requests["sent"] == server.requests
    assert requests["sent"] == CALLS + requests["retries"]
    assert requests["retries"] == sum(requests["failures"].values())
    assert calm.requests == CALLS


def without_models(folder: Path) -> dict[str, Any]:
    """The data without the servers' addresses."""
    found = data_of(folder)
    for table in found.values():
        for row in table:
            row.pop("provenance")
    return found


def test_a_stall_beyond_the_timeout_is_sent_again(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 10)
    with FaultyServer(faults=("stall",), share=0.2, stall=5.0) as server:
        settings = {"timeout": 0.5, "responses": 2, "model": server.chat}
        judges = [{"reward": {"model": server.reward, "timeout": 0.5}}]
        outcome = mill.run(config(prompts, generate=settings, judges=judges), tmp_path / "out")
    assert server.met["stall"] > 0
    assert outcome.metrics["requests"]["failures"] == {"timeout": server.met["stall"]}
    assert outcome.metrics["responses"]["failed"] == 0
    assert outcome.metrics["requests"]["sent"] == server.requests


@pytest.mark.parametrize("form", [*FORMS, "reward", "reward_token"])
def test_each_form_of_a_grade_arrives(tmp_path: Path, form: str) -> None:
    prompts = write_prompts(tmp_path, 5)
    with FaultyServer(forms=(form,)) as server:
        outcome = mill.run(against(server, prompts, keep=[]), tmp_path / "out")
    rows = tables(tmp_path / "out")["scored"]
    assert len(rows) == 5 * RESPONSES
    scalar = form.startswith("reward")
    assert all((row["helpfulness"] is None) == scalar for row in rows)
    assert all(row["reward"] is not None for row in rows)
    assert outcome.metrics["responses"]["scored"] == len(rows)


def test_faults_that_do_not_end_become_rejected_rows_and_resume_mends_them(
    tmp_path: Path,
) -> None:
    prompts = write_prompts(tmp_path, 12)
    with FaultyServer(faults=("500", "empty"), share=0.3, repeat=2) as server:
        patient = against(server, prompts)
        hasty = {"retries": 0, "model": server.chat, "responses": RESPONSES}
        judges = [{"reward": {"model": server.reward, "retries": 0}}]
        outcome = mill.run(config(prompts, generate=hasty, judges=judges), tmp_path / "out")
        failed = outcome.metrics["responses"]["failed"]
        assert failed > 0
        reasons = Counter(row["reason"] for row in tables(tmp_path / "out")["rejected"])
        assert failed == reasons["error:server"] + reasons["error:bad_reply"]
        before = server.requests
        outcome = mill.run(patient, tmp_path / "out")
        assert outcome.metrics["responses"]["failed"] == 0
        # The rest was not asked for again: a failed response costs two calls and its retries.
        assert server.requests - before <= 4 * failed
        assert outcome.metrics["requests"]["sent"] == server.requests
    ids = [row["response_id"] for row in tables(tmp_path / "out")["scored"]]
    assert len(ids) == len(set(ids)) == 12 * RESPONSES
