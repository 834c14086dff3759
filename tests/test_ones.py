"""One of each thing: no command and no page speaks of it as of several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from commands import Gristmill
from fights import row, write_rows
from pages import Page, plurals_of_one

ASK = {"prompt": "What is 1 plus 1?", "answer": "2"}
ECHO, GRADE = "scripted:echo", "scripted:scripts:grade"


def say(name: str, values: dict[str, Any]) -> str:
    Path(name).write_text(yaml.safe_dump(values))
    return name


def lines(name: str, *rows: dict[str, Any]) -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def mill(name: str, **changes: Any) -> list[str]:
    values = {
        "prompts": {"file": "one.jsonl"},
        "generate": {"model": ECHO, "responses": 1},
        "judges": [{"reward": {"model": GRADE}}],
    }
    return ["run", say(f"{name}.yaml", values | changes), "--out", name]


def commands() -> list[list[str]]:
    """Of every kind one, on one row, prompt, vote or answer, with what it reads written."""
    lines("one.jsonl", ASK)
    lines("answered.jsonl", {**ASK, "response": "2"})
    lines("pair.jsonl", {"prompt": "Which?", "chosen": "long one", "rejected": "no"})
    lines("bad.jsonl", ASK, ASK, {"promt": "x"})
    write_rows(Path("votes.csv"), [row("a", "b", "model_a", judge="j", time=1)])
    fights = {
        "models": [{"model": ECHO, "name": "a"}, {"model": ECHO, "name": "b"}],
        "prompts": {"file": "one.jsonl"},
        "judges": [{"reward": {"model": GRADE}}],
    }
    judges = ["--model", "scripted:bench_judges:length", "--judge", "scripted:bench_judges:first"]
    both = ["scripted:compared:up", "scripted:compared:half", "--kind", "reward"]
    score = ["score", "answered.jsonl", "--model", GRADE, "--out"]
    writer = ["--model", "scripted:writers:write", "--count", "1"]
    return [
        mill("run"),
        [*mill("forecast"), "--dry-run"],
        [*mill("preview"), "--preview", "1"],
        [*mill("shard"), "--shard", "1/1"],
        mill("target", target=1),
        mill("several", generate={"model": ECHO, "responses": 2}),
        mill("failed", generate={"model": f"{ECHO}?fail=1", "responses": 1}),
        mill("lines", prompts={"file": "bad.jsonl"}),
        ["prompts", "open_qa", *writer, "--out", "prompts.jsonl"],
        [*score, "scored.jsonl"],
        ["score", "answered.jsonl", "--model", f"{ECHO}?fail=1", "--out", "unscored.jsonl"],
        ["judge-eval", "pair.jsonl", *judges, "--out", "bench"],
        ["compare", *both, "--data", "pair.jsonl", "--limit", "1", "--out", "compared"],
        ["arena", "rank", "votes.csv", "--out", "board.html"],
        ["arena", "heatmap", "votes.csv", "--out", "heat.html"],
        ["arena", "battle", say("fights.yaml", fights), "--out", "fights"],
        ["rows", "tutor:1", "--out", "rows.jsonl"],
        [*score, "kept.jsonl", "--cache", "kept"],
        [*score, "again.jsonl", "--cache", "kept"],
        ["cache", "kept"],
        ["cache", "kept", "--clear"],
        ["export", "one.jsonl", "--for", "trl", "--out", "grpo.jsonl"],
    ]


def test_one_is_not_spoken_of_as_several(gristmill: Gristmill, tmp_path: Path) -> None:
    for command in commands():
        done = gristmill(*command)
        assert done.code != 2, done.err
        assert plurals_of_one(done.out + done.err) == [], command
    pages = {page: Page(page.read_text("utf-8")).text for page in tmp_path.rglob("*.html")}
    cards = {card: card.read_text("utf-8") for card in tmp_path.rglob("*.md")}
    assert len(pages) >= 9 and cards
    for file, text in (pages | cards).items():
        assert plurals_of_one(text) == [], file


def test_what_would_be_found() -> None:
    said = "1 prompts, 21 rows, 1.1 times, 1 row, of 1 models."
    assert plurals_of_one(said) == ["1 prompts", "1 models"]
