"""gristmill: graded, traceable training data from a model and a domain.

    import gristmill

    outcome = gristmill.run("support-bot.yaml")
    gristmill.score("answers.jsonl", "tiny:reward", "graded.jsonl")
    gristmill.train("sft", {"model": "hf:./base", "data": {"file": "chats.jsonl"}}, "out/model")

Each function does what the command of its name does (docs/python.md), in a script as in a notebook.
Importing this package loads neither torch, transformers nor ray; what is named below is loaded
when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gristmill.arena.run import rank
    from gristmill.bench.run import judge_eval, rewardbench
    from gristmill.comparing.run import compare
    from gristmill.errors import GristmillError
    from gristmill.flywheel.run import run as flywheel
    from gristmill.jobs.push import push
    from gristmill.jobs.run import arun, run
    from gristmill.jobs.score import score
    from gristmill.mill import Config, Outcome, forecast
    from gristmill.mill.write_prompts import write_prompts
    from gristmill.parts import no_code
    from gristmill.plan.command import plan
    from gristmill.precision.quantize import quantize
    from gristmill.train.command import train

__version__ = "0.1.0"

__all__ = [
    "Config",
    "GristmillError",
    "Outcome",
    "arun",
    "compare",
    "flywheel",
    "forecast",
    "judge_eval",
    "no_code",
    "plan",
    "push",
    "quantize",
    "rank",
    "rewardbench",
    "run",
    "score",
    "train",
    "write_prompts",
]

_HOMES = {
    "Config": "gristmill.mill",
    "GristmillError": "gristmill.errors",
    "Outcome": "gristmill.mill",
    "arun": "gristmill.jobs.run",
    "compare": "gristmill.comparing.run",
    "forecast": "gristmill.mill",
    "judge_eval": "gristmill.bench.run",
    "no_code": "gristmill.parts",
    "push": "gristmill.jobs.push",
    "quantize": "gristmill.precision.quantize",
    "rank": "gristmill.arena.run",
    "rewardbench": "gristmill.bench.run",
    "run": "gristmill.jobs.run",
    "score": "gristmill.jobs.score",
    "write_prompts": "gristmill.mill.write_prompts",
}

_ROOMS = ("flywheel", "plan", "train")
"""Rooms that can be called: once one is imported, its name here is the room's."""


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"gristmill.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'gristmill' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
