"""A failure that comes hundreds of times is told once, with its count, wherever it is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands import Gristmill, Result
from pages import Page
from servers import FaultyServer

MANY = 60
"""Below the number of failures in a row after which a run gives up."""
WORDS = "worker overheated"


class Refusing(FaultyServer):
    """Refuses everything, each time with another number in its words."""

    @property
    def error(self) -> str:
        return f"{WORDS}: request req_{self.requests}, {self.requests * 7} ms"

    @error.setter
    def error(self, _: str) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[FaultyServer]:
    with Refusing(status=400) as server:
        yield server


def say(name: str, values: dict[str, Any]) -> str:
    Path(name).write_text(yaml.safe_dump(values))
    return name


def told_once(done: Result, kind: str, count: int) -> None:
    assert done.code == 1
    said = done.out + done.err
    assert said.count(WORDS) == 1
    assert f"{kind} {count}" in said.replace("error:", "")


def run_of(generate: str, judge: str) -> str:
    return say(
        "run.yaml",
        {
            "prompts": {"file": f"tutor:{MANY}"},
            "generate": {"model": generate, "responses": 1},
            "judges": [{"reward": {"model": judge}}],
        },
    )


@pytest.mark.parametrize("of", ["responses", "verdicts"])
def test_a_run(gristmill: Gristmill, refusing: FaultyServer, of: str) -> None:
    models = (refusing.chat, "scripted:scripts:grade")
    if of == "verdicts":
        models = ("scripted:echo", refusing.reward)
    done = gristmill("run", run_of(*models), "--out", "out", "--log", "log.jsonl")
    told_once(done, "bad_request", MANY)
    assert done.err.startswith(f"error: all {MANY} {of} failed (error:bad_request), the first: ")
    assert ("the first: reward: " in done.err) == (of == "verdicts")
    assert "failed" not in done.out
    page = Page(Path("out/report.html").read_text("utf-8"))
    assert page.text.count(WORDS) == 1
    assert any(tag == "details" and "open" in a for tag, a in page.tags)
    events = [json.loads(line)["event"] for line in Path("log.jsonl").read_text().splitlines()]
    assert events.count("failure") == 1


class Small(FaultyServer):
    """Takes every other request, and says of the rest that they are too large."""

    @property
    def status(self) -> int | None:
        return 413 if self.requests % 2 else None

    @status.setter
    def status(self, _: int | None) -> None:
        pass


def test_of_what_is_too_long_nobody_says_that_it_may_be_tried_again(gristmill: Gristmill) -> None:
    with Small() as server:
        values = {
            "prompts": {"file": "tutor:8"},
            "generate": {"model": server.chat, "responses": 1, "concurrency": 1},
        }
        done = gristmill("run", say("run.yaml", values), "--out", "out")
    assert done.code == 0
    assert "4 responses failed: too long for a model's context; shorten them" in done.out
    assert "tried again" not in done.out


def test_a_recipe(gristmill: Gristmill, refusing: FaultyServer) -> None:
    recipe = {"recipe": "open_qa", "topics": 3, "model": refusing.chat, "count": 9}
    config = say("run.yaml", {"prompts": recipe, "generate": {"model": "scripted:echo"}})
    done = gristmill("run", config, "--out", "out")
    told_once(done, "bad_request", 3)
    # Nothing is there that would say more.
    assert "rejected.parquet says" not in done.err
    done = gristmill(
        *("prompts", "open_qa", "--model", refusing.chat, "--count", "5", "--out", "p.jsonl")
    )
    assert (done.code, (done.out + done.err).count(WORDS)) == (1, 1)


def test_scores_a_benchmark_and_a_comparison(gristmill: Gristmill, refusing: FaultyServer) -> None:
    graded = ("--model", refusing.reward, "--out")
    gristmill("rows", f"tutor:{MANY}:rated", "--out", "rated.jsonl")
    told_once(gristmill("score", "rated.jsonl", *graded, "out.jsonl"), "bad_request", MANY)
    bench = gristmill("rewardbench", "--data", f"tutor:{MANY}:bench", *graded, "bench")
    told_once(bench, "bad_request", MANY)
    assert Page(Path("bench/report.html").read_text("utf-8")).text.count(WORDS) == 1
    both = ("compare", "scripted:scripts:grade", refusing.reward, "--kind", "reward")
    done = gristmill(*both, "--data", "rated.jsonl", "--out", "compared")
    assert (done.code, (done.out + done.err).count(WORDS)) == (1, 1)


def test_a_battle(gristmill: Gristmill, refusing: FaultyServer) -> None:
    duel = {
        "models": [{"model": "scripted:echo", "name": "a"}, {"model": refusing.chat, "name": "b"}],
        "prompts": {"file": f"tutor:{MANY}"},
        "judges": [{"reward": {"model": "scripted:scripts:grade"}}],
    }
    told_once(gristmill("arena", "battle", say("d.yaml", duel)), "bad_request", MANY)


def test_the_same_bad_row_of_two_files(gristmill: Gristmill) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        Path(name).write_text('{"prompt": "What is 1 plus 1?"}\n' + '{"prompt": 3}\n' * 20)
    config = say(
        "run.yaml",
        {
            "prompts": [{"file": "a.jsonl"}, {"file": "b.jsonl"}],
            "generate": {"model": "scripted:echo"},
        },
    )
    done = gristmill("run", config, "--out", "out")
    assert done.code == 0
    assert "  input:bad_prompt" in done.out and "40" in done.out
    page = Page(Path("out/report.html").read_text("utf-8"))
    assert page.text.count("a.jsonl:2: ") == 1 and "b.jsonl:2: " not in page.text


def test_retries_are_told_with_what_was_retried(gristmill: Gristmill) -> None:
    with FaultyServer(faults=("500",), share=1.0, latency=0.3) as server:
        values = {
            "prompts": {"file": "tutor:6"},
            "generate": {"model": server.chat, "responses": 1},
        }
        done = gristmill("run", say("run.yaml", values), "--out", "out")
    assert done.code == 0
    assert "6 retries (server 6)" in done.out
