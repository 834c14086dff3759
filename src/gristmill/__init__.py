"""gristmill: graded, traceable training data from a model and a domain.

    from gristmill import Config, run

    outcome = run(Config.load("support-bot.yaml"), "out/support-bot")
    print(outcome.metrics["prompts"]["accepted"])

Importing this package loads neither torch, transformers nor ray; what is named below is loaded
when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gristmill.errors import GristmillError
    from gristmill.jobs.score import score
    from gristmill.mill import Config, Outcome, forecast
    from gristmill.pipeline import run

__version__ = "0.1.0"

__all__ = ["Config", "GristmillError", "Outcome", "forecast", "run", "score"]

_HOMES = {
    "Config": "gristmill.mill",
    "GristmillError": "gristmill.errors",
    "Outcome": "gristmill.mill",
    "forecast": "gristmill.mill",
    "run": "gristmill.pipeline",
    "score": "gristmill.jobs.score",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gristmill' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
