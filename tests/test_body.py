"""`body`, more fields of a request, decides what a model says: changed, the call is made anew, or
the folder is refused; unchanged, it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import gristmill
from commands import Gristmill
from gristmill.backends.calling import Calling
from gristmill.backends.identity import NO_MATTER, known_as
from gristmill.errors import GristmillError
from mills import settings, write_prompts
from servers import FaultyServer

Body = dict[str, Any]
PAIR = {"prompt": "a", "chosen": "b", "rejected": "c"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("pairs.jsonl").write_text(json.dumps(PAIR) + "\n")
    return tmp_path


def prompts(server: FaultyServer, body: Body) -> None:
    more = {"count": 2, "body": body, "topics": 2}
    gristmill.write_prompts("open_qa", "x.jsonl", model=server.chat, quiet=True, **more)


def run(server: FaultyServer, **changes: Any) -> None:
    values = settings(write_prompts(Path(), 2), **changes)
    gristmill.run({**values, "keep": []}, "out", quiet=True)


def supply(server: FaultyServer, body: Body) -> None:
    """A recipe in a run, called as `generate` says."""
    values = settings(write_prompts(Path(), 2))
    recipe = {"recipe": "open_qa", "count": 2, "model": server.chat, "body": body, "topics": 2}
    gristmill.run({**values, "prompts": recipe}, "out", quiet=True)


def generate(server: FaultyServer, body: Body) -> None:
    run(server, generate={"model": server.chat, "body": body})


def reward(server: FaultyServer, body: Body) -> None:
    run(server, judges=[{"reward": {"model": server.reward, "body": body}}])


def llm(server: FaultyServer, body: Body) -> None:
    run(server, judges=[{"llm": {"model": server.chat, "body": body}}])


def score(server: FaultyServer, body: Body) -> None:
    gristmill.score("pairs.jsonl", server.reward, "x.jsonl", body=body, quiet=True)


def of_yaml(model: str, body: Body) -> str:
    Path("model.yaml").write_text(yaml.safe_dump({"model": model, "body": body}))
    return "model.yaml"


def rewardbench(server: FaultyServer, body: Body) -> None:
    gristmill.rewardbench(of_yaml(server.reward, body), data="tutor:10:bench", out="x", quiet=True)


def judge_eval(server: FaultyServer, body: Body) -> None:
    judge = of_yaml(server.chat, body)
    gristmill.judge_eval("pairs.jsonl", judge, out="x", quiet=True)


def compare(server: FaultyServer, body: Body) -> None:
    model = of_yaml(server.reward, body)
    more = {"kind": "reward", "data": "pairs.jsonl", "quiet": True}
    gristmill.compare(model, "scripted:echo", "x", **more)


def battle(server: FaultyServer, body: Body) -> None:
    from gristmill.arena.duel.config import Config
    from gristmill.arena.duel.run import battle

    models = [{"model": server.chat, "name": "a", "body": body}, {"model": "scripted:echo"}]
    judges = [{"reward": {"model": "scripted:echo"}}]
    values = {"models": models, "prompts": {"file": "pairs.jsonl"}, "judges": judges}
    battle(Config.of(values), Path("x"))


def duel_judge(server: FaultyServer, body: Body) -> None:
    from gristmill.arena.duel.config import Config
    from gristmill.arena.duel.run import battle

    Path("said.jsonl").write_text('{"response": "b"}\n')
    models = [{"model": "scripted:echo"}, {"model": "scripted:said.jsonl"}]
    judges = [{"reward": {"model": server.reward, "body": body}}]
    values = {"models": models, "prompts": {"file": "pairs.jsonl"}, "judges": judges}
    battle(Config.of(values), Path("x"))


def cached(server: FaultyServer, body: Body) -> None:
    file = f"{len(server.bodies)}.jsonl"
    gristmill.score("pairs.jsonl", server.reward, file, body=body, cache="cache", quiet=True)


REFUSED = (generate, reward, llm, battle, duel_judge)
"""Who has one folder for one model."""
ALL = (prompts, supply, score, rewardbench, judge_eval, compare, cached, *REFUSED)


@pytest.mark.parametrize("work", ALL, ids=lambda work: work.__name__)
def test_another_body_is_another_call(work: Callable[[FaultyServer, Body], None]) -> None:
    asked = []
    with FaultyServer() as server:
        for effort in (1, 1, 2):
            before, refused = len(server.bodies), ""
            try:
                work(server, {"effort": effort})
            except GristmillError as error:
                refused = str(error)
            said = [body.get("effort") for body in server.bodies[before:]]
            asked.append(set(said))
            if work in REFUSED and effort == 2:
                assert "another config" in refused or "other settings" in refused
    assert asked[0] == {1}
    # Of what is in the folder already nothing is asked again; what failed is tried again.
    assert asked[1] <= ({1} if work is judge_eval else set())
    assert asked[2] == (set() if work in REFUSED else {2})


def test_two_judges_of_one_run_with_one_model_are_two(gristmill: Gristmill) -> None:
    with FaultyServer() as server:
        judges = [{"llm": {"model": server.chat, "body": {"effort": n}}} for n in (1, 2)]
        values = settings(write_prompts(Path(), 2), judges=judges, keep=[])
        Path("run.yaml").write_text(yaml.safe_dump(values))
        gristmill("run", "run.yaml", "--quiet")
    assert {body["effort"] for body in server.bodies} == {1, 2}


def test_every_setting_of_a_call_matters_or_does_not() -> None:
    """A new one must be put into one of the two."""
    assert {*Calling.model_fields} - NO_MATTER == {
        "model", "route", "body", "reference", "precision",
    }  # fmt: skip
    assert {*Calling.model_fields} >= NO_MATTER


def test_a_log_knows_a_model_by_its_string_where_nothing_else_decides(place: Path) -> None:
    model = "http://a:1/v1#m"
    assert known_as(Calling(model=model, timeout=3), model) == model
    assert known_as(Calling(model=model, body={"x": 1}), model) == [model, {"body": {"x": 1}}]
    (place / "config.json").write_text("{}")
    here = f"hf:{place}"
    first = known_as(Calling(model=here), here)
    (place / "config.json").write_text("{ }")
    assert first[0] == here != known_as(Calling(model=here), here)
    assert first != known_as(Calling(model=here), here)
