"""The flywheel: each round's model makes the next one's data, and says whether it got better."""

from gristmill.flywheel.config import FlywheelConfig, load
from gristmill.flywheel.run import Outcome, run

__all__ = ["FlywheelConfig", "Outcome", "load", "run"]
