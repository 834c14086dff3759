"""The flywheel: each round's model makes the next one's data, and says whether it got better."""

from gristmill.flywheel.arms import load, loaded
from gristmill.flywheel.config import FlywheelConfig
from gristmill.flywheel.run import Outcome, run

__all__ = ["FlywheelConfig", "Outcome", "load", "loaded", "run"]
