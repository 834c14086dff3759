"""A run with a cache: the same data as without one, and nothing paid for twice."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import llm_judges
from gristmill.arena.duel.config import Config as Duel
from gristmill.arena.duel.run import battle
from gristmill.bench.run import rewardbench
from gristmill.jobs.score import score
from gristmill.mill import Config, run
from gristmill.mill.write_prompts import write_prompts as synthesize
from gristmill.storage import cache as module
from mills import config, settings, tables, write_prompts
from servers import FaultyServer

PRICED = {"price": {"input": 2.0, "output": 10.0}}


def every_file(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (folder / "data").iterdir()}


def test_the_data_is_that_of_a_run_without_cache(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 30)
    judges = [
        {"reward": {"model": "scripted:scripts:grade", **PRICED}},
        {"llm": {"model": "scripted:llm_judges:perfect", "how": "pairwise", **PRICED}},
        {"embedding": {"model": "scripted:echo"}},
    ]
    generate = {"model": "scripted:scripts:answer", "responses": 3, **PRICED}
    changes: dict[str, Any] = {"judges": judges, "generate": generate, "keep": []}
    bare = run(config(prompts, **changes), tmp_path / "bare")
    cache = {"cache": str(tmp_path / "cache")}
    cold = run(config(prompts, **changes, **cache), tmp_path / "cold")
    warm = run(config(prompts, **changes, **cache), tmp_path / "warm")
    assert every_file(tmp_path / "bare") == every_file(tmp_path / "cold")
    assert every_file(tmp_path / "bare") == every_file(tmp_path / "warm")
    assert bare.metrics["requests"] == {**cold.metrics["requests"], "cached": 0}
    assert bare.metrics["tokens"] == cold.metrics["tokens"]
    assert bare.metrics["cost_usd"] == cold.metrics["cost_usd"] > 0
    assert warm.metrics["requests"]["sent"] == 0
    assert warm.metrics["requests"]["cached"] == bare.metrics["requests"]["sent"]
    assert warm.metrics["tokens"] == {"prompt": 0, "completion": 0, "judge": 0}
    assert warm.metrics["cost_usd"] == 0


def test_only_what_is_new_is_paid_for_and_the_budget_is_exact(tmp_path: Path) -> None:
    cache = {"cache": str(tmp_path / "cache"), "judges": [], "keep": []}
    with FaultyServer() as server:
        model = {"generate": {"model": server.chat, "responses": 1, "concurrency": 1}}
        run(config(write_prompts(tmp_path, 10), **model, **cache), tmp_path / "one")
        assert server.requests == 10
        more = write_prompts(tmp_path, 16, "more.jsonl")
        budget = {"budget": {"requests": 4}}
        second = run(config(more, **model, **cache, **budget), tmp_path / "two")
        assert (second.status, server.requests) == ("budget", 14)
        assert second.metrics["requests"]["cached"] == 10
        assert second.metrics["prompts"]["finished"] == 14


@pytest.mark.parametrize(
    "changed",
    [
        {"generate": {"system": "Be brief."}},
        {"generate": {"temperature": 0.1}},
        {"generate": {"max_tokens": 7}},
        {"generate": {"body": {"stop": ["x"]}}},
        {"seed": 1},
    ],
)
def test_a_changed_run_gets_no_stale_answer(tmp_path: Path, changed: dict[str, Any]) -> None:
    with FaultyServer() as server:
        prompts = write_prompts(tmp_path, 3)
        base = {"cache": str(tmp_path / "cache"), "judges": [], "keep": []}
        model = {"model": server.chat, "responses": 1}
        run(config(prompts, generate=model, **base), tmp_path / "one")
        other = {**base, **changed, "generate": {**model, **changed.get("generate", {})}}
        outcome = run(config(prompts, **other), tmp_path / "two")
        assert server.requests == 6 and outcome.metrics["requests"]["cached"] == 0


def test_failures_are_not_kept(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 20)
    cache = {"cache": str(tmp_path / "cache"), "judges": [], "keep": []}
    with FaultyServer(faults=("500",), repeat=99) as server:
        model = {"model": server.chat, "responses": 1, "retries": 0}
        run(config(prompts, generate=model, **cache), tmp_path / "one")
        failed = [r for r in tables(tmp_path / "one")["rejected"] if r["reason"] == "error:server"]
        server.faults = ()
        again = run(config(prompts, generate=model, **cache), tmp_path / "two")
    assert failed and again.metrics["responses"]["failed"] == 0
    assert again.metrics["requests"]["cached"] == 20 - len(failed)


def test_a_relative_folder_starts_from_the_config_s(tmp_path: Path) -> None:
    write_prompts(tmp_path, 1)
    here = settings(tmp_path / "prompts.jsonl")
    assert Config.of({**here, "cache": "kept"}, tmp_path).cache == str(tmp_path / "kept")
    assert Config.of(here, tmp_path).cache is None
    assert Config.of({**here, "cache": "kept"}).identity() == Config.of(here).identity()


@pytest.mark.parametrize("key", [{"precision": "bf16"}, {"stop": ["Q:"]}])
def test_what_decides_an_answer_is_in_a_run_s_identity_where_it_is_given(key: dict) -> None:
    plain = Config.of(settings(Path("prompts.jsonl")))
    assert not {"precision", "stop"} & plain.identity()["generate"].keys()
    here = settings(Path("prompts.jsonl"))
    changed = Config.of({**here, "generate": {**here["generate"], **key}})
    assert changed.identity()["generate"] == {**plain.identity()["generate"], **key}


def test_a_run_that_stops_being_cached_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "WRITTEN_AT_ONCE", 1)

    def full(self: module.Cache) -> None:
        self._give_up(sqlite3.OperationalError("database or disk is full"))

    monkeypatch.setattr(module.Cache, "flush", full)
    prompts = write_prompts(tmp_path, 5)
    outcome = run(config(prompts, cache=str(tmp_path / "c")), tmp_path / "out")
    assert outcome.status == "complete" and len(caplog.messages) == 1


def test_prompts_scores_battles_and_benchmarks_have_it_too(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    with FaultyServer() as server:
        rows = write_prompts(tmp_path, 4, "rows.jsonl")
        rows.write_text('{"prompt": "Why?", "response": "So."}\n{"prompt": "2", "response": "3"}\n')
        before = 0
        for place in ("one", "two"):
            score(rows, server.reward, tmp_path / place / "scored.jsonl", cache=cache, quiet=True)
            duel = {
                "models": [
                    {"model": server.chat, "name": "a"},
                    {"model": "scripted:echo", "name": "b"},
                ],
                "prompts": [{"file": str(write_prompts(tmp_path, 3))}],
                "judges": [{"reward": {"model": server.reward}}],
                "votes": str(tmp_path / place / "votes.sqlite"),
                "cache": cache,
            }
            summary = battle(Duel.of(duel), tmp_path / place / "duel")
            bench = rewardbench(
                server.reward,
                data="tutor:6:bench",
                out=tmp_path / place / "bench",
                cache=cache,
                quiet=True,
            )
            sent, before = server.requests - before, server.requests
            if place == "two":
                assert sent == 0
                assert summary["cached"] > 3 + 6 and bench.metrics["cached"] >= 12
            else:
                assert sent > 0
        scored = [(tmp_path / p / "scored.jsonl").read_bytes() for p in ("one", "two")]
        assert scored[0] == scored[1]


def test_prompts_have_it_too(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    keys = {"model": "scripted:writers:write", "count": 6, "topics": 2}
    found = []
    for place in ("one", "two"):
        out = tmp_path / f"{place}.jsonl"
        synthesize("open_qa", out, cache=cache, quiet=True, **keys)
        report = json.loads((tmp_path / f"{place}.jsonl.work" / "report.json").read_text())
        found.append((out.read_bytes(), report["spent"]))
    (first, spent), (second, again) = found
    assert first == second
    assert (spent["cached"], again["requests"]) == (0, 0)
    assert again["cached"] == spent["requests"] > 0
    assert again["tokens"] == {"prompt": 0, "completion": 0}


@pytest.mark.parametrize("how", ["pairwise", "pointwise"])
def test_verdicts_that_could_not_be_read_are_asked_for_again(tmp_path: Path, how: str) -> None:
    llm_judges.forget()
    prompts = write_prompts(tmp_path, 3)
    judges = [{"llm": {"model": "scripted:llm_judges:nonsense", "how": how}}]
    generate = {"model": "scripted:scripts:answer", "responses": 2}
    made = {"judges": judges, "generate": generate, "keep": [], "cache": str(tmp_path / "c")}
    for place in ("one", "two"):
        outcome = run(config(prompts, **made), tmp_path / place)
        assert outcome.metrics["reasons"] == {"error:unreadable": 6}
    assert set(llm_judges.asked.values()) == {2}
    assert outcome.metrics["requests"]["cached"] == 6  # the answers that were to be judged
    llm_judges.forget()
