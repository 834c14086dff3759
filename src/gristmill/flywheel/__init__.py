"""The flywheel: each round's model makes the next one's data, and says whether it got better.

The room can be called: `gristmill.flywheel(config, out)` is `run`.
"""

import sys
from pathlib import Path
from types import ModuleType

from gristmill.flywheel.arms import Loaded, load, loaded
from gristmill.flywheel.config import FlywheelConfig
from gristmill.flywheel.run import Outcome, run
from gristmill.mill.config import Given

__all__ = ["FlywheelConfig", "Outcome", "load", "loaded", "run"]


class _Room(ModuleType):
    """`gristmill.flywheel` is this module once it is imported, and in a notebook what runs."""

    def __call__(
        self, config: Loaded | Given, out: str | Path | None = None, *, quiet: bool = False
    ) -> Outcome:
        """See `run`."""
        return run(config, out, quiet=quiet)


sys.modules[__name__].__class__ = _Room
