"""Trackers of a training's figures: told each step, never a reason for the training to end.

wandb and trackio are stood in for by a module that is called as they are; where the real ones are
installed, they are run too, without a network.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from gristmill.errors import MissingExtra
from gristmill.train import config_of, run
from gristmill.train.trackers import Tracked
from local_models import chat_model
from trainings import chat_rows, log_of, write_rows

STAND_IN = """
import json, pathlib, sys
PLACE = pathlib.Path({place!r})
{fault}

class Run:
    dir, url = "there/files", None

    def __init__(self, **asked):
        self.asked, self.told = asked, []

    def log(self, values, step=None):
        if hasattr(sys.modules[__name__], "fail_at") and step == fail_at:
            raise RuntimeError("the network\\x1b[31m is gone")
        self.told.append([step, values])

    def finish(self, exit_code=None):
        runs = json.loads(PLACE.read_text()) if PLACE.exists() else []
        runs.append({{"asked": self.asked, "told": self.told, "exit": exit_code}})
        PLACE.write_text(json.dumps(runs))

def init(**asked):
    global run
    print("* a word on the terminal")
    run = Run(**asked)
    return run

def finish():
    run.finish()
"""


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"hf:{chat_model(tmp_path_factory.mktemp('model'), max_position_embeddings=256)}"


@pytest.fixture
def values(chat: str, tmp_path: Path) -> dict[str, Any]:
    return {
        **{"name": "small", "model": chat, "steps": 6, "save_every": 2, "measure_every": 3},
        "data": {"file": str(write_rows(tmp_path / "rows.jsonl", chat_rows(24)))},
        **{"validation": 0.25, "batch": {"examples": 4, "tokens": 512}, "precision": "fp32"},
    }


@pytest.fixture
def stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Callable[[], list[dict[str, Any]]]]]:
    """Puts a module in the place of a tracker's; returns what gives the runs that it was told."""

    def put(name: str, fault: str = "") -> Callable[[], list[dict[str, Any]]]:
        place, modules = tmp_path / f"{name}.json", tmp_path / "modules"
        modules.mkdir(exist_ok=True)
        (modules / f"{name}.py").write_text(STAND_IN.format(place=str(place), fault=fault))
        monkeypatch.syspath_prepend(modules)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return lambda: json.loads(place.read_text())

    for name in ("WANDB_PROJECT", "TRACKIO_PROJECT", "WANDB_SILENT"):
        # Set first, so that what the training sets is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    yield put
    for name in ("wandb", "trackio"):
        sys.modules.pop(name, None)


def trained(values: dict[str, Any], out: Path, watch: Any = None, **more: Any) -> dict[str, Any]:
    return run(config_of("sft", {**values, **more}), out, watch=watch).metrics


def failures(metrics: dict[str, Any]) -> list[str]:
    return [said for said in metrics["warnings"] if "went on without" in said]


def as_told(folder: Path) -> list[list[Any]]:
    """The lines of a log as trackers get them."""
    found = []
    for line in map(json.loads, (folder / "log.jsonl").read_text().splitlines()):
        part = "validation" if "validation" in line else "train"
        numbers = line.get("validation", line)
        kept = {
            f"{part}/{k}": v
            for k, v in numbers.items()
            if isinstance(v, int | float) and k not in ("step", "of")
        }
        found.append([line["step"], kept])
    return found


def test_each_step_is_told_and_the_same_run_goes_on(
    values: dict[str, Any],
    tmp_path: Path,
    stand_in: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TRACKIO_PROJECT", "mine")
    wandb, trackio = stand_in("wandb"), stand_in("trackio")
    out = tmp_path / "out"

    def stop(line: dict[str, Any]) -> None:
        if line["step"] == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(values, out, stop, report_to=["wandb", "trackio"])
    metrics = trained(values, out, report_to=["wandb", "trackio"])
    known = json.loads((out / "trackers.json").read_text())["id"]
    first, second = wandb()
    assert (first["exit"], second["exit"]) == (1, 0)
    assert first["asked"] == second["asked"]
    asked = first["asked"]
    assert (asked["project"], asked["name"], asked["id"]) == ("gristmill", "small", known)
    assert (asked["resume"], asked["dir"]) == ("allow", str(out))
    assert (asked["config"]["kind"], asked["config"]["steps"]) == ("sft", 6)
    assert [step for step, _ in first["told"]] == [1, 2, 3, 3, 4, 5]
    assert second["told"] == as_told(out)[-3:]
    assert trackio()[1]["asked"]["name"] == f"small-{known}"
    assert trackio()[1]["asked"]["project"] == "mine"
    assert trackio()[1]["told"] == second["told"]
    assert metrics["trackers"] == {
        "wandb": "wandb sync there",
        "trackio": "trackio show --project mine",
    }
    assert failures(metrics) == []
    # What wandb itself says is not shown; the stand-in for it does not know that.
    assert capsys.readouterr().out == "* a word on the terminal\n" * 2


def test_another_training_in_a_folder_is_another_run(
    values: dict[str, Any], tmp_path: Path, stand_in: Any
) -> None:
    stand_in("wandb")
    ids = set()
    for _ in range(2):
        Tracked(config_of("sft", {**values, "report_to": "wandb"}), tmp_path)
        ids.add((tmp_path / "trackers.json").read_text())
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("fail_at = 4", "the network"),
        ("Run.finish = lambda *_, **__: 1 / 0", "division by zero"),
        ("def init(**_): raise SystemError('no key')", "no key"),
    ],
)
def test_one_that_fails_is_named_once_and_the_training_goes_on(
    values: dict[str, Any],
    tmp_path: Path,
    stand_in: Any,
    caplog: pytest.LogCaptureFixture,
    fault: str,
    said: str,
) -> None:
    late = fault.startswith(("Run", "def"))
    stand_in("wandb", "" if late else fault)
    if late:
        with (tmp_path / "modules/wandb.py").open("a") as file:
            file.write(f"\n{fault}\n")
    trackio = stand_in("trackio")
    metrics = trained(values, tmp_path / "out", report_to=["wandb", "trackio"])
    (record,) = caplog.records
    assert record.message.startswith(f"wandb: {said}") and "\x1b" not in record.message
    assert metrics["status"] == "complete"
    if "finish" not in fault:
        assert failures(metrics) == [record.message]
    assert len(trackio()[0]["told"]) == 8
    assert not (tmp_path / "wandb.json").exists()


def test_what_is_not_installed_is_said_before_the_work(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its own folder of runs is no package.
    (tmp_path / "wandb").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("gristmill.train.trackers.find_spec", lambda name: None)
    for name in ("wandb", "trackio", "tensorboard"):
        with pytest.raises(MissingExtra, match=f"pip install 'gristmill\\[{name}\\]'"):
            trained(values, tmp_path / "out", report_to=name)
    with pytest.raises(MissingExtra, match="gristmill\\[tensorboard\\]"):
        trained(values, tmp_path / "out", tensorboard=True)


def test_the_older_key_is_the_same(values: dict[str, Any]) -> None:
    for given in ({"tensorboard": True}, {"tensorboard": True, "report_to": ["tensorboard"]}):
        assert config_of("sft", {**values, **given}).trackers == ["tensorboard"]


def test_where_it_is_told_is_no_part_of_what_is_learned(
    values: dict[str, Any], tmp_path: Path, stand_in: Any
) -> None:
    stand_in("wandb")
    out = tmp_path / "out"
    trained(values, out, report_to="wandb")
    before = log_of(out)
    trained(values, out)
    assert log_of(out) == before
    trained(values, tmp_path / "plain")
    assert [line["loss"] for line in log_of(tmp_path / "plain") if "loss" in line] == [
        line["loss"] for line in before if "loss" in line
    ]
    told = yaml.safe_load((out / "run.yaml").read_text())
    assert "report_to" not in told["identity"]


@pytest.mark.parametrize("name", ["wandb", "trackio", "tensorboard"])
def test_the_real_one(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if getattr(find_spec(name), "origin", None) is None:
        pytest.skip(f"{name} is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "tracked"))
    out = tmp_path / "out"
    metrics = trained(values, out, report_to=name)
    assert (failures(metrics), list(metrics["trackers"])) == ([], [name])
    known = json.loads((out / "trackers.json").read_text())["id"]
    if name == "wandb":
        assert list(out.glob(f"wandb/offline-run-*-{known}/*.wandb"))
    elif name == "trackio":
        assert list((tmp_path / "tracked").glob("gristmill.db"))
    else:
        assert list((out / "tensorboard").iterdir())
