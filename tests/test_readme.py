"""The README's commands and code, run as a reader would, one after the other in one folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gristmill.backends.calling import Calling

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def runnable() -> list[tuple[str, str]]:
    """All blocks but those that clone the repository or install from it."""
    skipped = ("git clone", "pip install")
    return [(kind, code) for kind, code in BLOCKS if not any(word in code for word in skipped)]


@pytest.mark.slow
def test_the_commands_and_code_run_in_order(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    assert len(runnable()) == 3
    for kind, code in runnable():
        command = ["bash", "-euc", code] if kind == "sh" else [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "out/bot/report.html").is_file()
    assert (tmp_path / "graded.jsonl").is_file()
    assert len((tmp_path / "demands.jsonl").read_text().splitlines()) == 10
    board = json.loads((tmp_path / "out/board.json").read_text())
    assert {row["model"] for row in board["ratings"]} == {"before", "after"}


def test_the_commands_of_the_page_for_agents_run(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    gristmill = [sys.executable, "-m", "gristmill", "guide"]
    page = subprocess.run(gristmill, capture_output=True, text=True, check=True).stdout
    assert page == (ROOT / "docs/agents.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        ["bash", "-euc", "".join(blocks)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "complete" in done.stdout and "threshold:correctness" in done.stdout


def test_the_configs_it_shows_are_valid() -> None:
    from gristmill.mill import Config

    blocks = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        assert Config.of(yaml.safe_load(block)).prompts


def test_the_clone_block_names_a_target_of_the_makefile() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"^make (\w+)", "\n".join(code for _, code in BLOCKS), re.MULTILINE)
    assert named
    assert set(named) <= set(targets)


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_config_key_is_documented() -> None:
    from gristmill.mill.config import Budget, Config, Generate, Select

    page = (ROOT / "docs/run.md").read_text(encoding="utf-8")
    for model in (Config, Generate, Calling, Select, Budget):
        for name in model.model_fields:
            assert re.search(rf"\b{name}\b", page), f"docs/run.md does not mention '{name}'"


def test_every_training_key_is_documented() -> None:
    from gristmill.intake.labels import Scale
    from gristmill.intake.source import Source
    from gristmill.train.config import KINDS, Batch, Lora, Optimizer, Phase
    from gristmill.train.sources import TrainingSource
    from gristmill.train.stages import StagesConfig

    page = (ROOT / "docs/train.md").read_text(encoding="utf-8")
    parts = (Batch, Lora, Optimizer, Phase, Source, TrainingSource, Scale, StagesConfig)
    for model in (*KINDS.values(), *parts):
        for name in model.model_fields:
            assert re.search(rf"\b{name}\b", page), f"docs/train.md does not mention '{name}'"


@pytest.mark.parametrize("room", ["intake", "train", "bench"])
def test_every_reason_of_a_refusal_is_documented(room: str) -> None:
    """A room's own reasons on its page, those of rows on the page on data."""
    pages = {"intake": ("data",), "train": ("train", "data"), "bench": ("bench", "data")}[room]
    text = "\n".join((ROOT / f"docs/{page}.md").read_text(encoding="utf-8") for page in pages)
    code = "\n".join(p.read_text() for p in (ROOT / "src/gristmill" / room).glob("*.py"))
    named = set(re.findall(r'(?:Unusable|Refused)\(\s*(?:[\w.]+, )?"(\w+)"', code))
    assert named or room == "bench"
    for reason in named | set(re.findall(r'"((?:empty|bad)_[a-z]+)"', code)):
        assert f"`{reason}`" in text, f"docs/{pages[0]}.md does not mention '{reason}'"


def test_every_key_of_the_arena_is_documented() -> None:
    from gristmill.arena.contestants import Contestant
    from gristmill.arena.duel.config import Config
    from gristmill.arena.settings import Settings
    from gristmill.arena.web.config import LeaderboardOptions, Limits, PageConfig

    page = (ROOT / "docs/arena.md").read_text(encoding="utf-8")
    for name in [*Config.model_fields, *(set(Contestant.model_fields) - set(Calling.model_fields))]:
        assert re.search(rf"\b{name}\b", page), f"docs/arena.md does not mention '{name}'"
    for part in (PageConfig, Limits, LeaderboardOptions):
        for name in part.model_fields:
            assert re.search(rf"\b{name}\b", page), f"docs/arena.md does not mention '{name}'"
    for name in Settings.model_fields:
        option = f"--{name.replace('_', '-')}"
        assert option in page, f"docs/arena.md does not mention '{option}'"


def test_every_flywheel_key_is_documented() -> None:
    from gristmill.flywheel.config import Evaluation, FlywheelConfig, Retraining

    page = (ROOT / "docs/flywheel.md").read_text(encoding="utf-8")
    for model in (FlywheelConfig, Evaluation, Retraining):
        for name in model.model_fields:
            assert re.search(rf"\b{name}\b", page), f"docs/flywheel.md does not mention '{name}'"


def test_the_example_configs_are_valid(tmp_path: Path) -> None:
    from gristmill.flywheel import load
    from gristmill.mill import Config
    from gristmill.train import load_config
    from gristmill.train.stages import load_stages

    examples = ROOT / "examples"
    assert load(examples / "tutor.yaml").main.filter == "reward"
    assert load(ROOT / "benchmarks/flywheel.yaml").arms
    for name in ("tutor", "support-bot"):
        assert Config.load(examples / f"{name}.yaml").prompts
    for name in ("helpsteer2-reward", "reward-tiny"):
        assert load_config("reward", examples / f"{name}.yaml").data
    assert [s.kind for s in load_stages(examples / "align.yaml")[1]].count("rpo") == 3
