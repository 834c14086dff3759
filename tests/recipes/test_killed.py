"""Every recipe through the command, against a server, killed on the way: nothing is asked twice."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gristmill.parts import part_names
from gristmill.records import Response
from messy import Messy
from processes import run, start, wait_until
from servers import FaultyServer

COUNT = 40
IN_FLIGHT = 8
KILLS = 3

OWN: dict[str, tuple[str, ...]] = {
    "closed_qa": ("documents=docs",),
    "dialogue": ("seeds=seeds.jsonl",),
    "evolve": ("seeds=seeds.jsonl",),
    "instructions": ("seeds=seeds.jsonl", "later=0.3", "revise=0.3"),
    "self_instruct": ("seeds=seeds.jsonl",),
    "tool_use": ("tools=tools.jsonl", "tools_each=2"),
    "two_turn": ("seeds=seeds.jsonl",),
}


class WriterServer(FaultyServer):
    """A server whose chat model is the messy one; counts how often each request came."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.model = Messy()
        self.seen: Counter[str] = Counter()

    def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
        self.seen[json.dumps(body, sort_keys=True)] += 1
        said = self.model(body["messages"], 0, body["seed"])
        reply = super()._completion({**body, "model": "chat"})
        choice = reply["choices"][0]
        choice["message"]["content"] = said.text if isinstance(said, Response) else said
        if isinstance(said, Response):
            choice["finish_reason"] = said.finish_reason
        return reply


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with seeds, tools and documents in it."""
    monkeypatch.chdir(tmp_path)
    seeds = ({"prompt": f"Describe the {n}th planet of the star {n * 7}."} for n in range(60))
    Path("seeds.jsonl").write_text("".join(json.dumps(s) + "\n" for s in seeds))
    Path("tools.jsonl").write_text("".join(f'{{"name": "planet_{n}"}}\n' for n in range(5)))
    Path("docs").mkdir()
    for n in range(15):
        Path(f"docs/{n}.md").write_text(f"# Planet {n}\n\nIt has {n} moons.\n\nNobody lives there.")
    return tmp_path


def command(name: str, server: FaultyServer, out: Path) -> list[str | Path]:
    options = [part for text in OWN.get(name, ()) for part in ("--set", text)]
    pace = ["--count", str(COUNT), "--concurrency", str(IN_FLIGHT)]
    return ["prompts", name, "--model", server.chat, *pace, *options, "--out", out]


@pytest.mark.parametrize("name", part_names("gristmill.recipes"))
def test_killed_in_any_stage_it_goes_on_and_ends_the_same(name: str, files: Path) -> None:
    whole, killed = files / "whole.jsonl", files / "killed.jsonl"
    with WriterServer(latency=0.01) as server:
        code, out, err = run(*command(name, server, whole))
        assert (code, err) == (0, ""), out + err
        calls = server.requests
        # Resumes ask for what is missing only, so that the moments lie in all stages.
        for moment in sorted(random.Random(name).sample(range(1, calls), min(KILLS, calls - 1))):
            with start(*command(name, server, killed)) as process:
                wait_until(lambda at=moment: server.requests >= calls + at, process)
                process.kill()
            assert process.returncode in (-signal.SIGKILL, 0)
        code, out, err = run(*command(name, server, killed))
        assert (code, err) == (0, ""), out + err
        repeated = server.requests - 2 * calls
    assert killed.read_bytes() == whole.read_bytes()
    assert 0 <= repeated <= KILLS * IN_FLIGHT
    rows = [json.loads(line) for line in whole.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len({row["id"] for row in rows}) == COUNT
    for row in rows:
        assert row["source"] == f"recipe:{name}"
        assert len(row["lineage"]) == len(row["parents"]) + 1


def test_ctrl_c_says_that_it_goes_on_from_there(files: Path) -> None:
    with WriterServer(latency=0.05) as server:
        made = command("open_qa", server, files / "a.jsonl")
        with start(*made) as process:
            assert wait_until(lambda: server.requests > 5, process)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
        assert process.returncode == 130
        assert "run again, it goes on from the last checkpoint" in out and not err
        assert run(*made)[0] == 0
        assert sum(n - 1 for n in server.seen.values()) <= IN_FLIGHT


def test_a_server_with_schemas_is_asked_for_them_and_one_without_is_not(files: Path) -> None:
    with WriterServer() as server:
        assert run(*command("open_qa", server, files / "a.jsonl"))[0] == 0
        listed = [b for b in server.bodies if "as a numbered list" in b["messages"][0]["content"]]
        assert listed and all(b["response_format"]["type"] == "json_schema" for b in listed)
        others = [b for b in server.bodies if b not in listed]
        assert others and not any("response_format" in b for b in others)

    class Refusing(WriterServer):
        async def _reply(self, request: Any, answer: Any) -> Any:
            body = json.loads(await request.read())
            if "response_format" in body:
                self.bodies.append(body)
                return self._refusal(400)
            return await super()._reply(request, answer)

    with Refusing() as server:
        code, out, err = run(*command("open_qa", server, files / "b.jsonl"))
        assert code == 0 and err.count("takes no `response_format`") == 1, out + err
        refused = [b for b in server.bodies if "response_format" in b]
        # Those under way when the first was refused, and no more.
        assert 1 <= len(refused) <= IN_FLIGHT
        before = server.requests
        assert run(*command("open_qa", server, files / "b.jsonl"))[0] == 0
        assert server.requests == before


def test_what_fails_on_the_way_is_tried_again_and_changes_nothing(files: Path) -> None:
    with WriterServer(share=0.3) as server:
        assert run(*command("open_qa", server, files / "a.jsonl"))[0] == 0
        server.faults = ("reset", "429", "503", "broken")
        code, out, err = run(*command("open_qa", server, files / "b.jsonl"))
        assert (code, err) == (0, ""), out + err
        assert sum(server.met.values()) > 5
    assert (files / "a.jsonl").read_bytes() == (files / "b.jsonl").read_bytes()


def test_a_server_that_is_gone_is_named_and_nothing_is_lost(files: Path) -> None:
    with WriterServer() as server:
        pass
    code, _, err = run(*command("open_qa", server, files / "a.jsonl"), "--set", "retries=0")
    assert code == 1
    assert "is the server running at http://127.0.0.1" in err
    with server:
        code, out, err = run(*command("open_qa", server, files / "a.jsonl"))
        assert (code, err) == (0, ""), out + err


def test_a_model_that_answers_nonsense_for_ever_is_left_and_the_command_says_so(
    files: Path,
) -> None:
    class Nonsense(WriterServer):
        def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
            reply = super()._completion(body)
            reply["choices"][0]["message"]["content"] = "I'm sorry, but I can't help with that."
            return reply

    with Nonsense() as server:
        code, _, err = run(*command("open_qa", server, files / "a.jsonl"))
        assert code == 1
        assert "no prompt was written: the model brought nothing new" in err
        assert server.requests < 20
        made = command("writing", server, files / "b.jsonl")
        code, _, err = run(*made, "--max-requests", "2")
        assert code == 1
        assert "the budget of 2 requests is spent" in err
        assert server.requests < 22
