"""The pipeline: read prompts, sample, judge, checkpoint, decide, select, write."""

from gristmill.mill.config import Config
from gristmill.mill.forecast import Forecast, forecast
from gristmill.mill.run import Outcome, Session, run
from gristmill.mill.synthesis import Writing

__all__ = [
    "Config",
    "Forecast",
    "Outcome",
    "Session",
    "Writing",
    "forecast",
    "run",
]
