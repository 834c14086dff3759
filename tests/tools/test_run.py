"""A run whose model calls tools: how each conversation ends, and what of it is in the data."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from callers import DOES, LOG, CallingServer
from gristmill import mill
from gristmill.errors import ConfigError, DataError
from gristmill.intake.record import CONVERSATION
from gristmill.intake.source import Source
from gristmill.jobs import run as jobs
from gristmill.jobs.score import score
from gristmill.mill import Config, forecast
from gristmill.tools.toolbox import Listed, open_source
from mills import settings, tables
from processes import run, start, wait_until

pytest.importorskip("jsonschema")

OWN = [{"name": "order_status", "parameters": {"properties": {"id": {"type": "string"}}}}]


@pytest.fixture
def server() -> Iterator[CallingServer]:
    with CallingServer() as found:
        yield found


def write(folder: Path, *does: str, **beside: Any) -> Path:
    path = folder / "prompts.jsonl"
    rows = [{"id": f"p{i}", "prompt": f"Please {what}", **beside} for i, what in enumerate(does)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def values(server: CallingServer, prompts: Path, **changes: Any) -> dict[str, Any]:
    generate = {
        "model": server.chat, "responses": 1, "concurrency": 16, "retries": 0,
        "tools": {"python": "callers"}, "max_steps": 3, **changes.pop("generate", {}),
    }  # fmt: skip
    return settings(prompts, generate=generate, **{"judges": [], "keep": [], **changes})


def ran(folder: Path, server: CallingServer, *does: str, **changes: Any) -> dict[str, Any]:
    """The tables of a run of prompts that make the model do so."""
    beside = changes.pop("beside", {})
    mill.run(Config.of(values(server, write(folder, *does, **beside), **changes)), folder / "out")
    return tables(folder / "out")


def said(row: dict[str, Any]) -> list[tuple[str, Any]]:
    """A row's turns behind the user's: texts, and of turns that call the calls."""
    return [
        (t["role"], [(c["function"]["name"], json.loads(c["function"]["arguments"]))
                     for c in t["tool_calls"]] if t.get("tool_calls") else t["content"])
        for t in row["messages"][1:]
    ]  # fmt: skip


def test_each_way_of_calling_ends_as_it_should(tmp_path: Path, server: CallingServer) -> None:
    data = ran(tmp_path, server, *DOES, "forever")
    found = {row["prompt_id"]: said(row) for row in data["sft"]}
    once, twice, chain, wrong, broken, unknown, raises, none = (found[f"p{i}"] for i in range(8))
    assert once[0] == ("assistant", [("add", {"a": 11})]) and once[1] == ("tool", '{"sum": 12}')
    assert once[2][1].startswith('once: {"sum": 12} / ')
    assert twice[:3] == [
        ("assistant", [("add", {"a": 1}), ("weekday", {"day": "2026-02-02"})]),
        ("tool", '{"sum": 2}'), ("tool", "Monday"),
    ]  # fmt: skip
    assert [role for role, _ in chain] == ["assistant", "tool"] * 2 + ["assistant"]
    assert wrong[1][1].startswith("Error: ") and wrong[3] == ("tool", '{"sum": 13}')
    assert broken[0][1] == [("add", '{"a": 2')], "as the model wrote it"
    assert broken[1][1].startswith("Error: its arguments are not JSON")
    there = "there are: add, boom, nap, weekday"
    assert unknown[1][1] == f"Error: there is no tool 'launch_rocket'; {there}"
    assert raises[1][1] == "Error: SystemExit: it was the tool"
    assert len(none) == 1
    ids = [c["id"] for t in data["sft"][1]["messages"] for c in t["tool_calls"] or ()]
    assert ids == ["call00000", "call00001"], "ids where the model gave none"
    (row,) = data["rejected"]
    assert (row["prompt_id"], row["reason"]) == ("p8", "max_steps")
    assert row["detail"] == "it would go on to call add"
    assert sum(turn["role"] == "tool" for turn in json.loads(row["steps"])) == 3
    names = [t["function"]["name"] for t in json.loads(data["sft"][0]["tools"])]
    assert names == ["add", "boom", "nap", "weekday"]


def test_a_tool_that_hangs_is_given_up_and_holds_up_nothing(
    tmp_path: Path, server: CallingServer
) -> None:
    tools = [{"python": "callers", "timeout": 0.2}]
    data = ran(tmp_path, server, "slow", "once", generate={"tools": tools})
    slow, once = (said(row) for row in data["sft"])
    assert slow[1] == ("tool", "Error: no answer within 0.2 seconds")
    assert once[1] == ("tool", '{"sum": 12}')


@pytest.mark.parametrize("thinks", ["must", "must not"])
def test_a_thinking_model_is_told_its_thought_until_it_answers_if_its_server_takes_it(
    tmp_path: Path, server: CallingServer, thinks: str
) -> None:
    server.thinks = thinks
    data = ran(tmp_path, server, "chain")
    thoughts = [t["reasoning_content"] for t in data["sft"][0]["messages"]]
    assert thoughts == [None, "Let me see.", None, "Let me see.", None, None]


def test_tokens_add_up_and_the_budget_counts_each_request(
    tmp_path: Path, server: CallingServer
) -> None:
    prompts = write(tmp_path, *["chain"] * 1, "once", "none")
    tight = values(server, prompts, budget={"requests": 4}, generate={"concurrency": 1})
    first = mill.run(Config.of(tight), tmp_path / "out")
    assert first.status == "budget" and server.requests <= 4
    whole = mill.run(Config.of({**tight, "budget": {"requests": 100}}), tmp_path / "out")
    assert server.requests == 3 + 2 + 1 == whole.metrics["requests"]["sent"]
    assert whole.metrics["tokens"]["completion"] == 5 * 6


def test_a_rows_own_tools_are_played_by_a_model_that_knows_what_it_said(
    tmp_path: Path, server: CallingServer
) -> None:
    player = {"model": f"{server.url}#player", "licence": "MIT", "price": {"output": 1_000_000}}
    tools = [{"simulate": player}, {"python": "callers", "only": ["weekday"]}]
    own = json.dumps([{"name": "add", "parameters": {"properties": {"a": {"type": "integer"}}}},
                      {"name": "weekday"}])  # fmt: skip
    data = ran(tmp_path, server, "chain", beside={"tools": own}, generate={"tools": tools})
    (row,) = data["sft"]
    (_, played), (_, real) = (turn for turn in said(row) if turn[0] == "tool")
    assert played == 'played {"name":"add","arguments":{"a":12}}' and "Tuesday" in real
    assert row["provenance"]["simulated"] == f"{server.url}#player"
    assert "MIT" in row["provenance"]["licences"]
    (asked,) = (b for b in server.bodies if b["model"] == "player")
    assert '"name": "add"' in asked["messages"][0]["content"]
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["cost_usd"] == 5


def test_tools_that_nobody_answers_for_cost_nothing(tmp_path: Path, server: CallingServer) -> None:
    data = ran(tmp_path, server, "once", beside={"tools": json.dumps(OWN)})
    (row,) = data["rejected"]
    assert row["reason"] == "error:bad_tools" and "'order_status'" in row["detail"]
    assert server.requests == 0


def test_judges_pairs_and_the_pages_see_the_whole(tmp_path: Path, server: CallingServer) -> None:
    judges = [{"reward": {"model": server.reward}}, {"tools": {}}]
    config = Config.of(
        values(server, write(tmp_path, "once", "wrong", "forever"), judges=judges,
               generate={"responses": 2}, select={"min_gap": 0.0})
    )  # fmt: skip
    jobs.run(config, tmp_path / "out", quiet=True)
    data = tables(tmp_path / "out")
    read = next(b for b in server.bodies if b["model"] == "reward")["messages"][-1]["content"]
    assert "<tool_call>" in read and "<tool_response>" in read and read.count("once: ") == 1
    scored = {row["response_id"]: row for row in data["scored"]}
    right = {v["judge"]: v["reward"] for v in scored["p0.0"]["judgements"]}
    assert right["tools"] == 1.0
    assert {v["judge"]: v["reward"] for v in scored["p1.0"]["judgements"]}["tools"] == 0.0
    pair = data["preference"][0]
    assert [t["role"] for t in pair["chosen"]] == [t["role"] for t in pair["rejected"]]
    assert pair["chosen"][1]["role"] == "tool"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "launch" not in page and "<details" in page


def test_several_models_have_the_same_tools_and_a_cache_knows_each_step(
    tmp_path: Path, server: CallingServer
) -> None:
    one = {"model": server.chat, "responses": 1, "tools": [{"python": "callers"}]}
    two = [one, {**one, "model": f"{server.url}#other", "max_steps": 1}]
    given = values(server, write(tmp_path, "chain", "twice"), cache=str(tmp_path / "cache"))
    config = Config.of({**given, "generate": two, "select": {"best": None}})
    mill.run(config, tmp_path / "out")
    sent, data = server.requests, tables(tmp_path / "out")
    assert sent == 3 + 2 + 2 + 2
    (row,) = data["rejected"]
    assert row["reason"] == "max_steps" and row["provenance"]["model"].endswith("#other")
    again = mill.run(config, tmp_path / "again")
    assert server.requests == sent and again.metrics["requests"]["cached"] == sent
    assert tables(tmp_path / "again") == data
    with pytest.raises(ConfigError, match="give all entries the same ones"):
        Config.of({**given, "generate": [one, {**one, "tools": []}]})


def test_its_data_are_read_back_whole(tmp_path: Path, server: CallingServer) -> None:
    ran(tmp_path, server, "twice", "none", judges=[{"reward": {"model": server.reward}}])
    asked = [b["messages"] for b in server.bodies if b["model"] == "reward"]
    for name in ("sft", "scored"):
        file = tmp_path / "out" / "data" / f"{name}.parquet"
        score(file, server.reward, tmp_path / f"{name}.jsonl", quiet=True)
        again = [b["messages"] for b in server.bodies if b["model"] == "reward"]
        assert sorted(again[-2:], key=str) == sorted(asked, key=str), name
    (record, _) = Source(file=str(tmp_path / "out/data/scored.parquet")).records(CONVERSATION)
    (answer,) = record.answers
    assert [turn.role for turn in answer.turns] == ["assistant", "tool", "tool", "assistant"]
    assert [c.name for c in answer.turns[0].tool_calls] == ["add", "weekday"]
    assert answer.turns[1].tool_call_id == "call00000"


def test_a_column_of_other_steps_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [{"prompt": "q", "response": "a", "steps": s} for s in (["x", "y"], "1. x", "[1]", None)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for record in Source(file=str(file)).records(CONVERSATION):
        assert [turn.content for turn in record.answers[0].turns] == ["a"]


def test_other_tools_are_another_run(tmp_path: Path, server: CallingServer) -> None:
    ran(tmp_path, server, "once")
    with pytest.raises(Exception, match="belongs to another config"):
        ran(tmp_path, server, "once", generate={"tools": [{"python": "callers", "only": ["add"]}]})


@pytest.mark.parametrize(
    ("generate", "said"),
    [
        ({"tools": [{"pyton": "x"}]}, r"generate.tools\[0\]: write {python"),
        ({"tools": "callers"}, "write a list"),
        ({"tools": [{"python": "callers", "only": ["ad"]}]}, "did you mean 'add'"),
        ({"tools": [{"python": "callers"}] * 2}, r"has a tool 'add', and so has generate.tools\[0"),
        ({"tools": [{"python": "no_such_module_x"}]}, "cannot load 'no_such_module_x"),
        ({"tools": [{"python": "callers:add"}]}, "name the module alone"),
        ({"tools": [{"python": "callers.py"}]}, "{file: callers.py}"),
        ({"tools": [{"mcp": {"command": "uvx x"}}]}, "write a list"),
        ({"tools": [{"mcp": {"command": ["uvx"], "args": ["x"]}}]}, "it is part of `command`"),
        ({"tools": [{"file": "schemas.json"}]}, "simulate"),
        ({"tools": [{"mcp": {}}]}, "give `command"),
        ({"tools": [{"simulate": {"model": "no"}}, {"python": "callers"}]}, "unknown model 'no'"),
        ({"batch_api": "openai"}, "wait hours"),
        ({"tools": {"simulate": {"model": "scripted:echo"}}}, "no prompt has 'tools'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_spent(
    tmp_path: Path, server: CallingServer, generate: dict[str, Any], said: str
) -> None:
    with pytest.raises((ConfigError, DataError), match=said):
        mill.run(
            Config.of(values(server, write(tmp_path, "once"), generate=generate)), tmp_path / "out"
        )
    assert not (tmp_path / "out").exists() and not server.requests


def test_the_forecast_is_bounded_by_the_steps(tmp_path: Path, server: CallingServer) -> None:
    found = forecast(Config.of(values(server, write(tmp_path, "once", "chain"))))
    assert found.calls == 2 * 4
    assert any("generate.max_steps" in line for line in found.limits)
    assert "[tools]" in found.first[0][1] and "weekday" in found.first[0][1]


def test_ctrl_c_ends_after_the_step_and_not_after_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent), prepend=":")
    with CallingServer(latency=0.05) as server:
        given = values(server, write(tmp_path, "forever"), generate={"max_steps": 30})
        config = tmp_path / "config.yaml"
        config.write_text(yaml.safe_dump(given))
        with start("run", config, "--out", tmp_path / "out") as process:
            assert wait_until(lambda: server.requests > 2, process)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        assert process.returncode == 130 and server.requests < 20
        assert run("run", config, "--out", tmp_path / "out")[0] == 0
        assert server.requests == 31
    (row,) = tables(tmp_path / "out")["rejected"]
    assert row["reason"] == "max_steps"


def killed(
    tmp_path: Path, kills: int, prompts: int, monkeypatch: pytest.MonkeyPatch, played: bool = False
) -> None:
    """Run whole, then killed at so many moments: equal data, and nothing repeated but what was in
    flight, neither requests nor calls of the tool."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent), prepend=":")
    does = [["once", "twice", "chain", "wrong", "forever"][i % 5] for i in range(prompts)]
    with CallingServer(latency=0.01) as server:
        given = values(server, write(tmp_path, *does), generate={"responses": 2})
        given["judges"] = [{"reward": {"model": server.reward}}]
        if played:
            schemas = tmp_path / "schemas.json"
            schemas.write_text(Listed([open_source({"python": "callers"}, "")]).tools)
            player = {"model": f"{server.url}#player"}
            given["generate"]["tools"] = [{"simulate": player, "file": str(schemas)}]
        config = tmp_path / "config.yaml"
        config.write_text(yaml.safe_dump(given))
        log = tmp_path / "calls"
        log.touch()
        monkeypatch.setenv(LOG, str(log))
        assert run("run", config, "--out", tmp_path / "whole")[0] == 0
        needed, called = server.requests, log.stat().st_size
        moments = sorted(random.Random(7).sample(range(needed), kills))
        for moment in moments:
            with start("run", config, "--out", tmp_path / "killed") as process:
                assert wait_until(lambda at=moment: server.requests >= needed + at, process)
                process.kill()
            assert process.returncode == -signal.SIGKILL
        assert run("run", config, "--out", tmp_path / "killed")[0] == 0
        repeated, again = server.requests - 2 * needed, log.stat().st_size - 2 * called
    assert tables(tmp_path / "killed") == tables(tmp_path / "whole")
    # A prompt's two responses begin together, so that one more than 16 may be in flight.
    assert 0 <= repeated <= kills * 17
    assert 0 <= again <= kills * 17 * 2
    print(f"{needed} requests, {called} calls; {kills} kills repeated {repeated} and {again}")


def test_killed_it_repeats_only_what_was_in_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(tmp_path, 2, 20, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("played", [False, True])
def test_killed_twenty_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, played: bool) -> None:
    killed(tmp_path, 20, 100, monkeypatch, played)
