"""No command writes over what is somebody else's; one that fails at its start leaves nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gristmill.cli import main
from mills import settings, write_prompts

PAIRS = '{"prompt": "2 + 2?", "chosen": "4", "rejected": "5", "subset": "math-prm"}\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    prompts = write_prompts(tmp_path, 2)
    Path("run.yaml").write_text(yaml.safe_dump(settings(prompts)))
    models = [{"name": n, "model": m} for n, m in (("a", "scripted:echo"), ("b", "tiny:instruct"))]
    battle = {
        "models": models,
        "prompts": {"file": str(prompts)},
        "judges": [{"reward": {"model": "scripted:echo"}}],
        "votes": "votes.db",
    }
    Path("battle.yaml").write_text(yaml.safe_dump(battle))
    Path("pairs.jsonl").write_text(PAIRS)
    return tmp_path


def refused(monkeypatch: pytest.MonkeyPatch, *words: str) -> bool:
    monkeypatch.setattr(sys, "argv", ["gristmill", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code == 2


RUN = ("run", "run.yaml")
COMMANDS: list[tuple[tuple[str, ...], str]] = [
    (RUN, "mine/README.md"),
    (RUN, "mine/report.html"),
    (RUN, "mine/metrics.json"),
    (RUN, "mine/run.yaml"),
    (RUN, "mine/data/votes.parquet"),
    (RUN, "mine"),
    ((*RUN, "--shard", "1/2"), "mine/README.md"),
    (("arena", "battle", "battle.yaml"), "mine/summary.json"),
    (("rewardbench", "--model", "scripted:echo", "--data", "pairs.jsonl"), "mine/metrics.json"),
    (("judge-eval", "pairs.jsonl", "--model", "scripted:echo"), "mine/report.html"),
    (("prompts", "open_qa", "--model", "scripted:writers:write", "--count", "1"), "mine.jsonl"),
    (("score", "pairs.jsonl", "--model", "scripted:echo"), "mine.jsonl"),
]


@pytest.mark.parametrize(("command", "mine"), COMMANDS)
def test_what_is_somebody_elses_stays(
    here: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], mine: str
) -> None:
    Path(mine).parent.mkdir(parents=True, exist_ok=True)
    Path(mine).write_text("mine: alone\n")
    before = sorted(here.rglob("*"))
    assert refused(monkeypatch, *command, "--out", Path(mine).parts[0])
    assert sorted(here.rglob("*")) == before
    assert Path(mine).read_text() == "mine: alone\n"


@pytest.mark.parametrize(
    "changes",
    [
        {"generate": {"model": "http://127.0.0.1:9/v1#m", "key_env": "NO_SUCH_KEY"}},
        {"judges": [{"reward": {"model": "http://127.0.0.1:9/v1#m", "key_env": "NO_SUCH_KEY"}}]},
        {"prompts": {"recipe": "open_qa", "count": 1, "model": "tiny:none"}},
        {"name": "../../esc"},
    ],
)
def test_a_run_that_cannot_begin_leaves_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    values = {**yaml.safe_load(Path("run.yaml").read_text()), **changes}
    Path("run.yaml").write_text(yaml.safe_dump(values))
    before = sorted(here.rglob("*"))
    assert refused(monkeypatch, *RUN)
    assert sorted(here.rglob("*")) == before
