"""The pipeline: read prompts, sample, judge, checkpoint, decide, select, write."""

from gristmill.mill.config import Config
from gristmill.mill.forecast import Forecast, forecast
from gristmill.mill.outcome import Outcome
from gristmill.mill.run import run
from gristmill.mill.session import Session
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
