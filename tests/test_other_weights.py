"""Folders in which an embedded model worked whose weights are others now: told, or asked anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import gristmill
from gristmill import mill
from gristmill.arena.duel.config import Config as Duel
from gristmill.arena.duel.run import battle
from gristmill.backends import identity
from gristmill.errors import CheckpointError
from gristmill.flywheel import loaded
from gristmill.flywheel.deal import deal_all
from gristmill.flywheel.place import claim, write_figures
from gristmill.mill import Config
from gristmill.train import config_of, run
from mills import config, settings, write_prompts
from trainings import chat_rows, values_of, write_rows

REWARD = {"reward": {"model": "tiny:reward"}}
OTHERS = "the model's weights are others now"


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on the embedded models' files hold something else."""

    def change() -> None:
        monkeypatch.setattr(identity, "_sampled", lambda path, size, time: b"others")

    return change


def older(file: Path, *keys: str) -> None:
    """Make a file of identities one of a version that knew nothing of such models' files."""
    read, write = (
        (json.loads, json.dumps) if file.suffix == ".json" else (yaml.safe_load, yaml.safe_dump)
    )
    file.write_text(write(_without(read(file.read_text()), keys)))


def _without(value: Any, keys: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {k: _without(v, keys) for k, v in value.items() if k not in keys}
    return [_without(v, keys) for v in value] if isinstance(value, list) else value


def test_a_run(tmp_path: Path, others: Callable[[], None]) -> None:
    prompts, out = write_prompts(tmp_path, 2), tmp_path / "out"
    mine = config(prompts, judges=[REWARD])
    mill.run(mine, out)
    others()
    with pytest.raises(CheckpointError, match=f"reward: {OTHERS}"):
        mill.run(mine, out)
    older(out / "run.yaml", "files")
    assert mill.run(mine, out).metrics["requests"]["sent_now"] == 0


def test_a_flywheel(tmp_path: Path, others: Callable[[], None]) -> None:
    values = settings(write_prompts(tmp_path, 9), judges=[REWARD])
    measured = str(write_prompts(tmp_path, 2, "measured.jsonl"))
    values["generate"]["model"] = "tiny:instruct"
    values["flywheel"] = {
        "train": [{"sft": {"steps": 1}}],
        "evaluate": {"prompts": {"file": measured}},
    }
    found = loaded(Config.of(values), tmp_path)
    out = tmp_path / "out"
    (out / "round-0").mkdir(parents=True)
    claim(found, deal_all(found), out)
    write_figures(out / "round-0", {"round": 0})
    others()
    with pytest.raises(CheckpointError, match=f"generate: {OTHERS}; judges.*reward: {OTHERS}"):
        claim(found, deal_all(found), out)
    older(out / "flywheel.yaml", "files")
    claim(found, deal_all(found), out)


def test_a_training(tmp_path: Path, others: Callable[[], None]) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", chat_rows(8))
    mine, out = config_of("sft", values_of("tiny:base", rows, steps=1)), tmp_path / "out"
    run(mine, out)
    weights = (out / "model/model.safetensors").stat().st_mtime_ns
    others()
    with pytest.raises(CheckpointError, match=rf"\({OTHERS}\); name another folder"):
        run(mine, out)
    text = yaml.safe_load((out / "run.yaml").read_text())
    del text["identity"]["files"]["tiny:base"]
    (out / "run.yaml").write_text(yaml.safe_dump(text))
    run(mine, out)
    assert (out / "model/model.safetensors").stat().st_mtime_ns == weights


def test_battles(tmp_path: Path, others: Callable[[], None]) -> None:
    mine = Duel.of(
        {
            "models": [{"model": "tiny:instruct"}, {"model": "scripted:echo", "name": "echo"}],
            "prompts": {"file": str(write_prompts(tmp_path, 3))},
            "judges": [REWARD],
        },
        tmp_path,
    )
    out = tmp_path / "out"
    battle(mine, out)
    said = (out / "answers.log").stat().st_size, (out / "verdicts.log").stat().st_size
    others()
    with pytest.raises(CheckpointError, match=rf"'tiny:instruct' had .*\({OTHERS}\)"):
        battle(mine, out)
    # In a folder of an older version what was said is found.
    older(out / "identity.json", "embedded")
    battle(mine, out)
    assert ((out / "answers.log").stat().st_size, (out / "verdicts.log").stat().st_size) == said


def test_what_lies_by_who_said_it_is_asked_anew(tmp_path: Path, others: Callable[[], None]) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", [{"prompt": "1 + 1?", "response": "2"}])
    two = "tiny:reward", "scripted:echo"
    pairs: dict[str, Any] = {"data": "tutor:4:bench", "quiet": True}

    def asked() -> list[int]:
        """How often the embedded model was asked for each of three folders, in all."""
        gristmill.rewardbench(two[0], out=tmp_path / "bench", **pairs)
        gristmill.compare(*two, tmp_path / "both", **pairs)
        gristmill.score(rows, two[0], tmp_path / "graded.jsonl", quiet=True)
        logs = "bench/judges/tiny*/*.log", "both/models/a-tiny*/*.log", "graded.jsonl.work/*.log"
        return [
            sum(len(log.read_bytes().splitlines()) for log in tmp_path.glob(each)) for each in logs
        ]

    assert asked() == [4, 8, 1]
    assert asked() == [4, 8, 1]
    others()
    assert asked() == [8, 16, 2]
