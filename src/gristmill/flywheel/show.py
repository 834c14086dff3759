"""What the flywheel says while it turns, and how it runs the mill and the trainings."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rich.console import Console

from gristmill import pipeline
from gristmill.display import Display
from gristmill.errors import RunError
from gristmill.mill import Config, Outcome
from gristmill.train.progress import Shown
from gristmill.train.stages import Stage


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run of the mill, which has ended in order."""


class Show:
    """console: where to say it; None says nothing."""

    def __init__(self, console: Console | None) -> None:
        self.console = console
        self.where = ""

    def at(self, where: str) -> None:
        """Name the arm and round that comes."""
        self.where = where

    def say(self, text: str) -> None:
        """One line."""
        if self.console:
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def mill(self, config: Config, out: Path, what: str) -> Outcome:
        """Run the mill, or what is left of it. Raises RunError where not one response came back."""
        self.say(f"{self.where}: {what}")
        if self.console:
            with Display(self.console, config, None) as watch:
                outcome = pipeline.run(config, out, watch=watch)
        else:
            outcome = pipeline.run(config, out)
        if outcome.status == "interrupted":
            raise Interrupted
        if outcome.status == "failed":
            raise RunError(f"{self.where}: {outcome.detail}; {out}/data/rejected.parquet says why")
        return outcome

    def stage(self, stage: Stage) -> AbstractContextManager[Any]:
        """The progress of one training."""
        return Shown(self.console or Console(quiet=True), f"{self.where}: {stage.name}")
