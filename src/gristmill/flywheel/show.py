"""What the flywheel says while it turns, and how it runs the mill and the trainings."""

from __future__ import annotations

import gc
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rich.console import Console

from gristmill.errors import RunError
from gristmill.jobs.display import Display
from gristmill.jobs.run import run
from gristmill.mill import Config, Outcome
from gristmill.train.progress import Shown
from gristmill.train.stages import Stage


class Show:
    """console: where to say it; None says nothing."""

    def __init__(self, console: Console | None) -> None:
        self._console = console or Console(quiet=True)
        self._where = ""

    def at(self, where: str) -> None:
        """Name the arm and round that comes."""
        self._where = where

    def say(self, text: str) -> None:
        """One line, after where it is at."""
        line = f"{self._where}: {text}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def mill(self, config: Config, out: Path, what: str) -> Outcome:
        """Run the mill, or what is left of it, and write its pages.

        Raises KeyboardInterrupt after Ctrl-C, which the mill has ended in order, and RunError
        where not one response came back or the budget does not reach to the end.
        """
        self.say(what)
        with Display(self._console, config, None) as watch:
            outcome = run(config, out, watch=watch)
        # A local model's weights hang in cycles: else they lie beside those that are trained next.
        gc.collect()
        if outcome.status == "interrupted":
            raise KeyboardInterrupt
        if outcome.status == "failed":
            raise RunError(f"{self._where}: {outcome.detail}; {out}/data/rejected.parquet says why")
        if outcome.status == "budget":
            raise RunError(
                f"{self._where}: {outcome.detail}; `budget` is each mill run's: raise it and run "
                "again, it goes on from here"
            )
        return outcome

    def stage(self, stage: Stage) -> AbstractContextManager[Any]:
        """The progress of one training."""
        return Shown(self._console, f"{self._where}: training {stage.name}")
