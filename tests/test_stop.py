"""`stop`, words that end an answer: every chat model gets it, and it decides what is asked anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gristmill
from gristmill.arena.contestants import Contestant
from gristmill.arena.duel.config import Config
from gristmill.arena.duel.run import battle
from gristmill.backends.identity import identity
from gristmill.errors import GristmillError
from gristmill.judges.llm import Llm
from gristmill.mill.config import Generate
from mills import settings, write_prompts
from servers import FaultyServer

Work = Callable[[str, list[str]], None]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pairs.jsonl").write_text(json.dumps({"prompt": "a", "chosen": "b", "rejected": "c"}))
    Path("said.jsonl").write_text('{"response": "b"}\n')


def run(**changes: Any) -> None:
    prompts = write_prompts(Path(), 1, rubric=[{"criterion": "Is it short?", "points": 1}])
    gristmill.run({**settings(prompts, **changes), "keep": []}, "out", quiet=True)


def recipe(chat: str, stop: list[str]) -> None:
    gristmill.write_prompts("open_qa", "x.jsonl", model=chat, count=1, stop=stop, quiet=True)


def generate(chat: str, stop: list[str]) -> None:
    run(generate={"model": chat, "stop": stop, "responses": 1}, judges=[])


def judging(name: str) -> Work:
    def work(chat: str, stop: list[str]) -> None:
        run(judges=[{name: {"model": chat, "stop": stop}}])

    work.__name__ = name
    return work


def fight(models: list[Any], judges: list[Any]) -> None:
    values = {"models": models, "prompts": {"file": "pairs.jsonl"}, "judges": judges}
    battle(Config.of(values), Path("x"))


def contestant(chat: str, stop: list[str]) -> None:
    models = [{"model": chat, "name": "a", "stop": stop}, {"model": "scripted:echo"}]
    fight(models, [{"reward": {"model": "scripted:echo"}}])


def choice(chat: str, stop: list[str]) -> None:
    models = [{"model": "scripted:echo"}, {"model": "scripted:said.jsonl"}]
    fight(models, [{"choice": {"model": chat, "stop": stop}}])


@pytest.mark.parametrize(
    "work",
    [recipe, generate, *map(judging, ("llm", "rubric", "genrm")), contestant, choice],
    ids=lambda work: work.__name__,
)
def test_it_is_sent_and_another_is_another_call(work: Work) -> None:
    asked = []
    with FaultyServer() as server:
        for stop in (["Q:", "\n\n"], ["A:"]):
            before, refused = len(server.bodies), ""
            try:
                work(server.chat, stop)
            except GristmillError as error:
                refused = str(error)
            asked.append([body.get("stop") for body in server.bodies[before:]])
            # Where nothing was stored, the folder may become another's.
            assert not refused or "stop" in refused or "no battle" in refused
    assert asked[0] and all(stop == ["Q:", "\n\n"] for stop in asked[0])
    assert all(stop == ["A:"] for stop in asked[1])


def test_none_is_no_other_identity_than_before_there_was_one() -> None:
    for part in (Contestant(model="scripted:echo"), Llm(model="scripted:echo")):
        assert "stop" not in identity(part)
        assert "stop" in identity(part.model_copy(update={"stop": ("Q:",)}))


def test_one_word_needs_no_list() -> None:
    assert Generate.model_validate({"model": "scripted:echo", "stop": "Q:"}).stop == ("Q:",)
