"""A folder or file of somebody else's as `--out`: all commands refuse it alike, and leave it as it
was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands import Gristmill

PAIRS = "rows.jsonl"
ECHO = {"model": "scripted:echo"}
REWARD = [{"reward": ECHO}]
CONFIGS: dict[str, dict[str, Any]] = {
    "run": {"prompts": {"file": PAIRS}, "generate": ECHO, "judges": REWARD},
    "battle": {
        **{"prompts": {"file": PAIRS}, "judges": REWARD},
        "models": [ECHO, {"model": "tiny:instruct"}],
    },
    "sft": {"model": "tiny:instruct", "data": {"file": PAIRS}, "steps": 1},
    "wheel": {
        **{"prompts": {"file": PAIRS}, "generate": {"model": "tiny:instruct"}, "judges": REWARD},
        "flywheel": {
            **{"rounds": 1, "student": "tiny:instruct", "train": [{"sft": {"steps": 1}}]},
            "evaluate": {"prompts": {"file": PAIRS}},
        },
    },
}
COMMANDS: dict[str, tuple[str, ...]] = {
    "run run.yaml": ("run.yaml", "README.md", "prompts/items.jsonl", "data/sft.parquet"),
    "rewardbench --model scripted:echo --data tutor:10:bench": (
        *("metrics.json", "README.md", "report.html", "refused.jsonl", "judges/theirs.json"),
    ),
    f"judge-eval {PAIRS} --model scripted:echo": ("metrics.json", "judges/README.md"),
    f"compare scripted:echo tiny:reward --kind reward --data {PAIRS}": (
        *("metrics.json", "report.html", "rows.jsonl", "refused.jsonl", "models/theirs.json"),
    ),
    "arena battle battle.yaml": ("summary.json", "refused.jsonl"),
    "train sft sft.yaml": ("model/x", "metrics.json", "report.html", "log.jsonl", "curves.png"),
    "flywheel wheel.yaml": ("anything.txt", "arms/x"),
}
FILES = (
    "prompts open_qa --model scripted:echo --count 2",
    f"score {PAIRS} --model scripted:echo",
)


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> Path:
    rows = [{"prompt": f"a{n}", "chosen": "b", "rejected": "c"} for n in range(8)]
    (tmp_path / PAIRS).write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, values in CONFIGS.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def held(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_of_somebody_elses(gristmill: Gristmill, place: Path, command: str) -> None:
    for number, name in enumerate(COMMANDS[command]):
        theirs = place / f"theirs-{number}"
        (theirs / name).parent.mkdir(parents=True)
        (theirs / name).write_text("theirs")
        before = held(place)
        done = gristmill(*command.split(), "--out", theirs)
        assert done.code == 2
        told = (
            "is there already and not from a run of gristmill like this; name a folder of its own"
        )
        assert f"{theirs}: {name.partition('/')[0]}" in done.line
        assert told in done.line
        assert held(place) == before


@pytest.mark.parametrize(
    ("command", "name", "said"),
    [
        *((c, "file", "cannot write: it is a file; name a folder with --out") for c in COMMANDS),
        *((c, "file.jsonl", "not from a run of gristmill like this; name another file with --out")
          for c in FILES),
    ],
)  # fmt: skip
def test_a_file_of_somebody_elses(
    gristmill: Gristmill, place: Path, command: str, name: str, said: str
) -> None:
    (place / name).write_text("theirs")
    before = held(place)
    done = gristmill(*command.split(), "--out", place / name)
    assert done.code == 2
    assert said in done.line
    assert held(place) == before


@pytest.mark.parametrize("command", [c for c in COMMANDS if "compare" in c or "bench" in c])
def test_ones_own_folder_is_gone_on_with(gristmill: Gristmill, command: str) -> None:
    for _ in range(2):
        assert gristmill(*command.split(), "--out", "mine").code == 0
