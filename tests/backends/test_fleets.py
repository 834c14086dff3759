"""A model whose servers are started with it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("fastapi")

from gristmill.backends import open_chat, open_reward
from gristmill.backends.calling import Calling
from gristmill.backends.fleets import ChatFleet
from gristmill.backends.identity import identity
from gristmill.errors import ConfigError
from gristmill.fleet.settings import Fleet
from gristmill.fleet.shared import end_all
from gristmill.records import Message, Prompt, Response, Sampling

QUESTIONS = [Prompt(f"p{n}", (Message("user", f"What is {n} plus {n + 3}?"),)) for n in range(12)]
SAMPLING = Sampling(temperature=0.8, max_tokens=24, seed=5)


async def answers(**options: object) -> list[Response]:
    async with open_chat("tiny:instruct", options) as chat:
        return list(await asyncio.gather(*(chat.sample(q, 0, SAMPLING) for q in QUESTIONS)))


async def grade(answer: Response, **options: object) -> tuple[float, ...]:
    async with open_reward("tiny:reward", options) as judge:
        score = await judge.score((*QUESTIONS[0].messages, Message("assistant", answer.text)))
        assert score.attributes is not None
        return score.attributes


def serving() -> list[int]:
    found = subprocess.run(
        ["pgrep", "-f", "^[^ ]*python[^ ]* -P -m gristmill.cli serve tiny:instruct --port 0"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return [int(pid) for pid in found.stdout.split()]


def test_it_answers_as_the_model_in_this_process_and_is_gone_at_the_end() -> None:
    own = asyncio.run(answers())
    there = asyncio.run(answers(fleet={"replicas": 2}))
    assert [r.text for r in there] == [r.text for r in own]
    assert {r.model for r in there} == {"tiny:instruct"}
    wanted, graded = asyncio.run(grade(own[0])), asyncio.run(grade(own[0], fleet={}))
    assert graded == pytest.approx(wanted, abs=1e-4)
    # The next run finds it still there, though its event loop is another.
    before = serving()
    os.kill(before[0], signal.SIGKILL)
    assert asyncio.run(answers(fleet={"replicas": 2})) == there
    end_all()
    assert not serving()


def test_a_fleet_changes_nothing_of_what_a_model_says() -> None:
    alone = Calling(model="tiny:instruct")
    assert identity(alone) == identity(Calling(model="tiny:instruct", fleet=Fleet(replicas=9)))
    assert open_chat("tiny:instruct", {"fleet": {}}).licence == "Apache-2.0"


@pytest.mark.parametrize(
    ("model", "options", "why"),
    [
        ("http://127.0.0.1:1/v1#m", {}, "need none: leave `fleet` out"),
        ("hf:./nowhere", {}, "no directory nowhere"),
        ("tiny:instruct", {"reference": "tiny:base"}, "leave `fleet` out"),
    ],
)
def test_what_cannot_be_started_is_told_before_anything_is(
    model: str, options: dict[str, str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=why):
        open_reward(model, {"fleet": {"replicas": 1}, **options})
    with pytest.raises(ConfigError, match="have it started, with `fleet"):
        open_chat("vllm:org/name")
    assert isinstance(open_chat("vllm:org/name", {"fleet": {}}), ChatFleet)
