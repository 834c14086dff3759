"""The plan of a whole run: calls, tokens, GPU-hours and money for N accepted prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

from gristmill.errors import ConfigError, InputError
from gristmill.intervals import wilson
from gristmill.mill import Config, Forecast, forecast
from gristmill.mill.budget import MILLION
from gristmill.mill.config import Given
from gristmill.page.text import plural
from gristmill.plan.assumed import assume
from gristmill.plan.hours import hours
from gristmill.plan.known import find_shape
from gristmill.plan.model import GPU, Plan, plan_model
from gristmill.plan.run_plan import RunPlan
from gristmill.plan.work import Measured, Work, free_to_try, measure, try_out

TRIED = 100
"""Prompts that are tried where that costs nothing: the accepted share is then known to a tenth."""

REACHED = 0.5
"""Share of the bounds' speed that is assumed to be reached: a guess, to be replaced by what an
engine was measured to reach."""


def plan_run(
    config: Given,
    *,
    rows: int | None = None,
    accepted: float | None = None,
    like: str | Path | None = None,
    tried: int | None = None,
    shapes: Mapping[str, str] | None = None,
    gpu: str = GPU,
    precision: str | None = None,
    context: int | None = None,
    gpu_usd: float | None = None,
    reached: float = REACHED,
    watch: Callable[[Any], None] | None = None,
) -> RunPlan:
    """Plan a run of the mill. See docs/plan.md for how each figure comes about.

    rows: accepted prompts, by default the config's target. accepted: the share that is accepted.
    like: the folder of a run to measure. tried: prompts to run now and measure; by default 100
    where every model is a tiny or scripted one, else none. shapes: role -> what `find_shape` takes,
    where a model string does not say it. context: tokens of a sequence that every model must have
    room for; by default, and at most, its own context. Raises ConfigError or DataError.
    """
    config = Config.read(config)
    _check(accepted, reached, rows)
    there = forecast(config, opening=False)
    found = _measured(config, there, like, tried, watch)
    works = _named(found.works if found else assume(config, there))
    target = rows or config.target
    share, interval, how = _share(found, accepted, target)
    prompts = _needed(config, there, target, share)
    scaled = tuple(w.times(prompts) for w in works)
    known, missing = _planned(scaled, shapes or {}, gpu, precision, context)
    return RunPlan(
        name=config.name,
        forecast=there,
        target=target,
        prompts=prompts,
        share=share,
        interval=interval,
        how=how,
        works=scaled,
        hours={w.role: hours(w, known[w.role].engine) for w in scaled if w.role in known},
        missing=missing,
        usd=_usd(scaled),
        gpu_usd=gpu_usd,
        reached=reached,
        notes=tuple(_notes(config, there, target, prompts, share, found)),
    )


def _check(accepted: float | None, reached: float, rows: int | None) -> None:
    for name, value in (("--accepted", accepted), ("--reached", reached)):
        if value is not None and not 0 < value <= 1:
            raise ConfigError(f"{name} {value:g}: give a share above 0 and at most 1")
    if rows is not None and rows < 1:
        raise ConfigError(f"--rows {rows}: give 1 or more")


def _measured(
    config: Config,
    there: Forecast,
    like: str | Path | None,
    tried: int | None,
    watch: Callable[[Any], None] | None,
) -> Measured | None:
    if like is not None:
        return measure(config, Path(like))
    count = tried if tried is not None else (TRIED if free_to_try(config) else 0)
    count = min(count, there.prompts)
    return try_out(config, count, watch) if count else None


def _share(
    found: Measured | None, accepted: float | None, target: int | None
) -> tuple[float, tuple[float, float] | None, str]:
    """The share of prompts that is accepted, its interval, and how both are known."""
    how = found.where if found else "nothing measured: every response max_tokens long"
    if accepted is not None:
        return accepted, None, f"{how}; the accepted share was given"
    if found is None:
        return 1.0, None, f"{how}; every prompt accepted"
    if not found.accepted and target is not None:
        raise ConfigError(
            f"none of {plural(found.seen, 'prompt')} was accepted: loosen `keep`, or give the "
            "share that you expect (--accepted)"
        )
    return found.accepted / found.seen, wilson(found.accepted, found.seen), how


def _named(works: tuple[Work, ...]) -> tuple[Work, ...]:
    """The works with a role of their own each: the second of two `reward` is `reward-2`."""
    seen: dict[str, int] = {}
    named = []
    for work in works:
        seen[work.role] = count = seen.get(work.role, 0) + 1
        named.append(work if count == 1 else replace(work, role=f"{work.role}-{count}"))
    return tuple(named)


def _needed(config: Config, there: Forecast, target: int | None, share: float) -> int:
    """Prompts to be done until so many are accepted, those in flight at that moment among them."""
    if target is None:
        return there.prompts
    in_flight = sum(entry.concurrency for entry in config.generate) // config.lineup().most
    needed = ceil(round(target / share, 6)) + in_flight
    fixed = not any(getattr(s, "parts", ()) for s in config.prompts)
    return min(needed, there.prompts) if fixed and needed - in_flight <= there.prompts else needed


def _planned(
    works: tuple[Work, ...],
    shapes: Mapping[str, str],
    gpu: str,
    precision: str | None,
    context: int | None,
) -> tuple[dict[str, Plan], dict[str, str]]:
    """Each model's plan, by role; and why a role has none."""
    known: dict[str, Plan] = {}
    missing: dict[str, str] = {}
    for role in shapes:
        if role not in {w.role for w in works}:
            raise ConfigError(
                f"--as {role}=...: the run has no such role; it has "
                f"{', '.join(w.role for w in works)}"
            )
    for work in works:
        name = shapes.get(work.role) or _shape_name(work.model)
        try:
            most = find_shape(name).context
        except InputError:
            if work.role in shapes:
                raise
            missing[work.role] = work.model
            continue
        room = None if context is None else min(context, most)
        known[work.role] = plan_model(name, gpu=gpu, precision=precision, context=room)
    return known, missing


def _shape_name(model: str) -> str:
    """What a model string says of which model it is: what follows `#`, or its prefix."""
    name = model.partition("#")[2] or model
    # A file of scripted answers is no config.json.
    return "" if name.startswith("scripted:") else name.removeprefix("nim:")


def _usd(works: tuple[Work, ...]) -> float | None:
    if not any(w.price.input or w.price.output for w in works):
        return None
    return sum(
        (w.price.input * w.prompt_tokens + w.price.output * w.completion_tokens) / MILLION
        for w in works
    )


def _notes(
    config: Config,
    there: Forecast,
    target: int | None,
    prompts: int,
    share: float,
    found: Measured | None,
) -> list[str]:
    notes = []
    if target is not None and prompts > there.prompts:
        notes.append(
            f"{plural(there.prompts, 'prompt')} there of the {prompts:,} needed: at this share "
            f"they give about {int(there.prompts * share):,} accepted ones"
        )
    if found is None:
        notes.append(
            "tokens are upper bounds; --try 50 runs 50 prompts (and pays for them) and measures, "
            "--like DIR measures a run that was made"
        )
    return notes
