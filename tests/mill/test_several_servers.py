"""A run whose models are on several servers: killed, resumed, and moved to other servers."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from gristmill import mill
from gristmill.errors import CheckpointError
from mills import config, data_of, tables, write_prompts
from processes import run, start, wait_until
from servers import FaultyServer


def asked(servers: list[FaultyServer]) -> int:
    return sum(server.requests for server in servers)


def of(prompts: Path, servers: list[FaultyServer]):
    """A run on one server by its address, or on several by a list."""
    chat, reward = [s.chat for s in servers], [s.reward for s in servers]
    alone = len(servers) == 1
    return {
        "generate": {"model": chat[0] if alone else chat},
        "judges": [{"reward": {"model": reward[0] if alone else reward}}],
    }


def test_one_server_becomes_three_and_others_and_the_folder_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with ExitStack() as stack:
        servers = [stack.enter_context(FaultyServer()) for _ in range(4)]
        some, more = write_prompts(tmp_path, 4, "some.jsonl"), write_prompts(tmp_path, 12)
        mill.run(config(some, **of(some, servers[:1])), out)
        assert asked(servers) == 16
        found = mill.run(config(more, **of(more, servers[:3])), out)
        assert asked(servers) == 48
        counts = found.metrics["requests"]["servers"]
        assert sum(one["requests"] for one in counts.values()) == 32
        for others in (servers[2::-1], servers[1:], servers[3:]):
            assert mill.run(config(more, **of(more, others)), out).status == "complete"
        assert asked(servers) == 48
        models = [row["provenance"]["model"] for row in tables(out)["scored"]]
        assert set(models) == {servers[3].chat}
        # One address is one server: another may be another model of that name.
        with pytest.raises(CheckpointError, match=r"generate\.model"):
            mill.run(config(more, **of(more, servers[:1])), out)


def test_a_recipe_goes_on_with_more_servers(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with ExitStack() as stack:
        servers = [stack.enter_context(FaultyServer()) for _ in range(3)]
        values = {"prompts": [{"recipe": "open_qa", "count": 4, "topics": 2}], "judges": []}

        def go(some: list[FaultyServer]) -> None:
            model = [s.chat for s in some] if len(some) > 1 else some[0].chat
            given = {**values, "generate": {"model": model, "responses": 1}}
            mill.run(mill.Config.of(given), out)

        go(servers[:1])
        before = asked(servers)
        assert before
        go(servers)
        go(servers[1:] + servers[:1])
        assert asked(servers) == before


def test_kill_and_resume_with_servers_dying_too(tmp_path: Path) -> None:
    out, whole = tmp_path / "killed", tmp_path / "whole"
    prompts = write_prompts(tmp_path, 60)
    with ExitStack() as stack:
        servers = [stack.enter_context(FaultyServer(latency=0.02)) for _ in range(3)]
        values = {"prompts": [{"file": str(prompts)}], **of(prompts, servers)}
        values["generate"] |= {"responses": 2, "concurrency": 12}
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(values))
        assert run("run", path, "--out", whole)[0] == 0
        assert asked(servers) == 240
        with start("run", path, "--out", out) as process:
            assert wait_until(lambda: asked(servers) >= 240 + 100, process)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        servers[1].__exit__()
        code, _, err = run("run", path, "--out", out)
        servers[1].__enter__()
        assert code == 0
        assert err.count("is out") == 2  # for the model and for its judge
        # The responses of a prompt begin together, so one more may be under way.
        assert 0 <= asked(servers) - 480 <= 12 + 1
    found = tables(out)["scored"]
    assert len({row["response_id"] for row in found}) == len(found) == 120
    assert data_of(out) == data_of(whole)
    counts = json.loads((out / "metrics.json").read_text())["requests"]["servers"]
    assert counts[servers[1].url.removesuffix("/v1")]["out"] == 2
