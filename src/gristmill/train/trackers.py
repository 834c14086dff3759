"""Where a training's figures go besides its log: TensorBoard, Weights & Biases, trackio.

Whatever one of these does, the training goes on: a tracker that fails is named once, and is left
out from then on.
"""

from __future__ import annotations

import io
import json
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from gristmill.errors import CheckpointError, MissingExtra
from gristmill.page.text import one_line
from gristmill.storage import read_saved, write_atomically
from gristmill.train.config import TrainConfig

_LOG = logging.getLogger("gristmill.train")
Line = dict[str, Any]


class Tracker(Protocol):
    """One that is open. where: what leads to the figures."""

    where: str

    def log(self, values: dict[str, float], step: int) -> None: ...
    def finish(self, failed: bool) -> None: ...


class TensorBoard:
    """Event files in the run's folder."""

    def __init__(self, config: TrainConfig, folder: Path, run_id: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        place = folder / "tensorboard"
        self._writer = SummaryWriter(str(place))
        self.where = f"tensorboard --logdir {place}"

    def log(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def finish(self, failed: bool) -> None:
        self._writer.close()


class Wandb:
    """A run of Weights & Biases, whose environment variables hold (WANDB_MODE, WANDB_PROJECT, ...),
    the key among them."""

    def __init__(self, config: TrainConfig, folder: Path, run_id: str) -> None:
        # Else it asks for a key on a terminal, and the training waits for the answer.
        os.environ.setdefault("WANDB_SILENT", "true")
        self._run = import_module("wandb").init(
            project=_project("WANDB_PROJECT"),
            name=config.name,
            id=run_id,
            resume="allow",
            # Not one that is open in the caller's own process.
            reinit="create_new",
            dir=str(folder),
            config=_values(config, folder),
            # Figures alone: neither code nor what is on the terminal.
            save_code=False,
            settings={"console": "off", "disable_git": True},
        )
        self.where = self._run.url or f"wandb sync {self._run.dir.removesuffix('/files')}"

    def log(self, values: dict[str, float], step: int) -> None:
        self._run.log(values, step=step)

    def finish(self, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))


class Trackio:
    """A run of trackio, in its own folder (TRACKIO_DIR), or where TRACKIO_SPACE_ID says. A name is
    all that it knows a run by."""

    def __init__(self, config: TrainConfig, folder: Path, run_id: str) -> None:
        project = _project("TRACKIO_PROJECT")
        self._trackio = import_module("trackio")
        with redirect_stdout(io.StringIO()):
            self._run = self._trackio.init(
                project=project,
                name=f"{config.name}-{run_id}",
                resume="allow",
                config=_values(config, folder),
                embed=False,
            )
        self.where = f"trackio show --project {project}"

    def log(self, values: dict[str, float], step: int) -> None:
        self._run.log(values, step=step)

    def finish(self, failed: bool) -> None:
        with redirect_stdout(io.StringIO()):
            # Of a run that is ended by itself it speaks again when the process ends.
            self._trackio.finish()


KINDS: dict[str, Callable[[TrainConfig, Path, str], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": Wandb,
    "trackio": Trackio,
}


def _project(variable: str) -> str:
    return os.environ.get(variable) or "gristmill"


def _values(config: TrainConfig, folder: Path) -> dict[str, Any]:
    values = config.model_dump(mode="json", exclude={"report_to", "tensorboard"})
    return {"kind": config.kind, **values, "folder": str(folder)}


def check(config: TrainConfig) -> None:
    """Raise MissingExtra for a tracker that is not installed."""
    for name in config.trackers:
        # A folder of that name, such as wandb's own, is no package.
        if getattr(find_spec(name), "origin", None) is None:
            raise MissingExtra(f"report_to: {name}", name)


class Tracked:
    """The trackers of one training. Call it with each line of the log. where: of each, what leads
    to its figures; failures: what was said of those that failed."""

    def __init__(self, config: TrainConfig, folder: Path) -> None:
        self.where: dict[str, str] = {}
        self.failures: list[str] = []
        self._open: dict[str, Tracker] = {}
        if not config.trackers:
            return
        run_id = _id_of(folder)
        for name in config.trackers:
            with self._going_on(name):
                self._open[name] = KINDS[name](config, folder, run_id)
                self.where[name] = self._open[name].where

    def __call__(self, line: Line) -> None:
        part, values = (
            ("validation", line["validation"]) if "validation" in line else ("train", line)
        )
        numbers: dict[str, float] = {
            f"{part}/{name}": value
            for name, value in values.items()
            if isinstance(value, int | float) and name not in ("step", "of")
        }
        for name, tracker in list(self._open.items()):
            with self._going_on(name):
                tracker.log(numbers, line["step"])

    def finish(self, failed: bool = False) -> None:
        """End them. failed: whether the training did not come to its end."""
        for name, tracker in list(self._open.items()):
            with self._going_on(name):
                tracker.finish(failed)
        self._open.clear()

    @contextmanager
    def _going_on(self, name: str) -> Iterator[None]:
        """What a tracker raises, network and key among it, is said, and the tracker dropped."""
        try:
            yield
        except Exception as error:  # whatever their libraries raise
            self._open.pop(name, None)
            self.failures.append(f"{name}: {one_line(error, 200)}; the training went on without it")
            _LOG.warning("%s", self.failures[-1])


@contextmanager
def tracked(config: TrainConfig, folder: Path) -> Iterator[Tracked]:
    """The trackers that a config names, open until the work is done or has failed."""
    trackers = Tracked(config, folder)
    try:
        yield trackers
    except BaseException:
        trackers.finish(failed=True)
        raise
    trackers.finish()


def _id_of(folder: Path) -> str:
    """What trackers know this training by, also when it goes on from its checkpoint. The steps that
    are taken again then are told again, and have the same figures."""
    file = folder / "trackers.json"
    if (folder / "checkpoint" / "latest.json").exists():
        with suppress(OSError, CheckpointError, KeyError):
            return str(read_saved(file)["id"])
    fresh = secrets.token_hex(4)
    write_atomically(file, json.dumps({"id": fresh}) + "\n")
    return fresh
