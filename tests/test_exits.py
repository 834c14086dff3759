"""How commands end, as docs/run.md has it: 0 as asked, 3 short of it, 1 failed, 2 input."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from gristmill.cli import main
from mills import settings, write_prompts
from servers import FaultyServer


def leave(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["gristmill", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        main()
    code = caught.value.code
    assert isinstance(code, int | None)
    return code or 0


def run_file(folder: Path, **changes: Any) -> Path:
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(settings(write_prompts(folder, 5), **changes)))
    return path


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"target": 2}, 0),
        ({"target": 5000}, 3),
        ({"budget": {"requests": 8}}, 3),
        ({"keep": [{"length": {"min_words": 999}}]}, 0),
        ({"generate": {"model": "scripted:echo?fail=1"}}, 1),
        ({"judges": [{"reward": {"model": "scripted:echo?fail=1"}}]}, 1),
        ({"keep": [{"threshold": {"judges": {"trth": 1}}}]}, 2),
    ],
)
def test_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], code: int
) -> None:
    assert leave(monkeypatch, "run", run_file(tmp_path, **changes), "--out", tmp_path / "o") == code


@pytest.mark.parametrize(("budget", "code"), [({}, 0), ({"requests": 8}, 3)])
def test_a_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: dict[str, Any], code: int
) -> None:
    config = run_file(tmp_path, budget=budget)
    words = ("run", config, "--out", tmp_path / "o", "--shard", "1/1")
    assert leave(monkeypatch, *words) == code


def test_shards_that_are_short_are_decided_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run_file(tmp_path, budget={"requests": 8})
    assert leave(monkeypatch, "run", config, "--out", tmp_path / "o", "--shards", 1) == 3
    assert (tmp_path / "o/data/sft.parquet").exists()


@pytest.mark.parametrize(("model", "code"), [("write", 0), ("dull", 3), ("mute", 1)])
def test_prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, code: int) -> None:
    words = ("--model", f"scripted:writers:{model}", "--count", 5, "--out", tmp_path / "p.jsonl")
    assert leave(monkeypatch, "prompts", "open_qa", *words) == code


@pytest.mark.parametrize(("judge", "code"), [("first", 0), ("nonsense", 1)])
def test_a_battle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judge: str, code: int) -> None:
    config = {
        "models": [
            {"name": "a", "model": "scripted:echo"},
            {"name": "b", "model": "scripted:scripts:answer"},
        ],
        "prompts": {"file": str(write_prompts(tmp_path, 2))},
        "judges": [{"choice": {"model": f"scripted:llm_judges:{judge}"}}],
        "votes": str(tmp_path / "votes.db"),
    }
    (tmp_path / "b.yaml").write_text(yaml.safe_dump(config))
    words = ("arena", "battle", tmp_path / "b.yaml", "--out", tmp_path / "o")
    assert leave(monkeypatch, *words) == code


def test_a_dry_run_needs_no_key_and_says_which_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with FaultyServer() as server:
        judges = [{"reward": {"model": server.reward, "key_env": "NO_SUCH_KEY"}}]
        config = run_file(tmp_path, judges=judges)
        assert leave(monkeypatch, "run", config, "--dry-run") == 0
        assert "needs a key: set the environment variable NO_SUCH_KEY" in capsys.readouterr().out
        assert leave(monkeypatch, "run", config, "--out", tmp_path / "o") == 2
        assert server.requests == 0


def test_the_quick_start_after_ctrl_c(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "gristmill.cli", "quickstart", "--out", str(tmp_path / "q")]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        partial = tmp_path / "q/checkpoint/partial.jsonl"
        while running.poll() is None and not (partial.exists() and partial.stat().st_size):
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=100) == 130
