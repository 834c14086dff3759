"""What hardware a model or a whole run takes, before any is rented.

    >>> from gristmill.plan import plan_model
    >>> plan_model("nemotron-4-340b", gpu="h200").layout.gpus
    8

The room can be called: `gristmill.plan("nemotron-4-340b", gpu="h200")` is `command.plan`.

Importing this loads neither torch nor transformers.
"""

import sys
from types import ModuleType
from typing import Any

from gristmill.mill.config import Given
from gristmill.plan.command import is_run, plan
from gristmill.plan.gpus import Gpu, gpu_of, gpus
from gristmill.plan.known import find_shape
from gristmill.plan.model import Plan, plan_model
from gristmill.plan.read import read_shape
from gristmill.plan.run import plan_run
from gristmill.plan.run_plan import RunPlan
from gristmill.plan.serving import vllm_line, vllm_words
from gristmill.plan.shape import Shape

__all__ = [
    "Gpu",
    "Plan",
    "RunPlan",
    "Shape",
    "find_shape",
    "gpu_of",
    "gpus",
    "is_run",
    "plan",
    "plan_model",
    "plan_run",
    "read_shape",
    "vllm_line",
    "vllm_words",
]


class _Room(ModuleType):
    """`gristmill.plan` is this module once it is imported, and in a notebook what plans."""

    def __call__(self, given: Given, **options: Any) -> Plan | RunPlan:
        """See `command.plan`."""
        return plan(given, **options)


sys.modules[__name__].__class__ = _Room
