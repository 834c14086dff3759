"""One function for both: a model, or a run's config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gristmill.mill.config import Config, Given
from gristmill.plan.model import Plan, plan_model
from gristmill.plan.run import plan_run
from gristmill.plan.run_plan import RunPlan


def is_run(given: Given) -> bool:
    """Whether what is to be planned is a run's config, not a model: a dictionary, or YAML."""
    return isinstance(given, Mapping | Config) or Path(given).suffix in (".yaml", ".yml")


def plan(given: Given, **options: Any) -> Plan | RunPlan:
    """What a model or a run takes: `gristmill plan`.

    given: a model as `find_shape` takes it, or a run's config: a .yaml, its values, a `Config`.
    options: of `plan_model` or of `plan_run`. Calls no model, but for a run whose models are tiny
    or scripted, or with `tried`. Raises ConfigError or DataError.
    """
    return plan_run(given, **options) if is_run(given) else plan_model(str(given), **options)
