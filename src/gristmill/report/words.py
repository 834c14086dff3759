"""States and empty charts in plain words, with what to do about each; `reasons` has the rest."""

from __future__ import annotations

from typing import Any

from gristmill.page.text import LARGEST, decimal, label, plural
from gristmill.records import ATTRIBUTES
from gristmill.report.folder import Run

ASKS = {
    "helpfulness": "does it help with what was asked?",
    "correctness": "is it true and complete?",
    "coherence": "is it clear and consistent?",
    "complexity": "how much expertise does it show?",
    "verbosity": "how long is it for what was asked?",
    "reward": "the one number that selection ranks by",
}
"""What each measured column asks of a response."""

STATES = {
    "complete": ("Complete", "good", "Every prompt was used."),
    "target": ("Target reached", "good", "It stopped when the target was reached."),
    "budget": (
        "Stopped at the budget",
        "warn",
        "Raise `budget` and run again with the same --out to go on; nothing is paid for twice.",
    ),
    "interrupted": (
        "Interrupted",
        "warn",
        "Run again with the same --out to go on from here; nothing is paid for twice.",
    ),
    "out_of_prompts": (
        "Out of prompts",
        "warn",
        "The prompts ran out before the target was reached: give more prompts, more `responses` "
        "to each, or lower thresholds.",
    ),
}


def thresholds(config: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The bounds that `keep: threshold` sets, by what they bound."""
    found: dict[str, dict[str, float]] = {}
    for name, options in parts(config, "keep"):
        if name != "threshold":
            continue
        for column, bound in options.items():
            bound = bound if isinstance(bound, dict) else {"min": bound}
            known = {
                str(k): float(v)
                for k, v in bound.items()
                if isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < LARGEST
            }
            if known and column in (*ATTRIBUTES, "reward"):
                found.setdefault(str(column), {}).update(known)
    return found


def parts(config: dict[str, Any], key: str) -> list[tuple[str, dict[str, Any]]]:
    """The parts listed under a key of a config, as (name, options)."""
    listed = config.get(key)
    found: list[tuple[str, dict[str, Any]]] = []
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict):
            found += [(str(n), o if isinstance(o, dict) else {}) for n, o in each.items()]
        elif isinstance(each, str):
            found.append((each, {}))
    return found


def generators(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of `generate`: one, or a list of them."""
    found = config.get("generate")
    return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, dict)]


def sampling(entry: dict[str, Any]) -> str:
    """How a model was asked, in one line: `responses 4, temperature 0.8, few-shot examples`."""
    names = ("responses", "weight", "temperature", "top_p", "max_tokens")
    unset = {"weight": None, "top_p": 1}
    said = [f"{n} {entry[n]}" for n in names if entry.get(n, unset.get(n)) != unset.get(n)]
    said += ["few-shot examples"] if entry.get("examples") else []
    return ", ".join([*said, *([f"max_steps {entry['max_steps']}"] if entry.get("tools") else [])])


def state(run: Run) -> tuple[str, str, str]:
    """(label, tone, what to do) of the run's status."""
    status = str(run.metrics.get("status") or "unknown")
    if status == "target":
        target = run.count("prompts", "target")
        return (*STATES["target"][:2], f"It stopped at {plural(target, 'accepted prompt')}.")
    if status == "budget" and run.metrics.get("detail"):
        return (*STATES["budget"][:2], f"{label(_limit(run))} {STATES['budget'][2]}")
    if status == "complete" and not run.count("responses", "kept"):
        return ("Nothing kept", "warn", "Every prompt was used. The table of reasons says why.")
    return STATES.get(status, (label(status).replace("_", " ").capitalize(), "warn", ""))


def _limit(run: Run) -> str:
    """Which limit of the budget was met."""
    which = str(run.metrics["detail"]).removeprefix("budget").strip(" :._")
    return f"The limit of {which} was met." if which else ""


def why_no_pairs(run: Run) -> str:
    """Why there is no preference pair, and which setting to change."""
    exported = run.config.get("export")
    if isinstance(exported, list) and "preference" not in exported:
        return "This run does not export pairs. Add `preference` to `export` and run again."
    if not run.count("responses", "scored"):
        return "No response was scored, and a pair needs two scores."
    if run.count("responses", "sampled") <= run.count("prompts", "finished"):
        return (
            "Each prompt has one response, and a pair needs two. Raise `generate: responses` to "
            "4 or more; that makes a new run."
        )
    if not run.count("responses", "kept"):
        return (
            "No response passed the filters, so there is nothing to choose. Loosen "
            "`keep: threshold`; the responses and scores are kept, so that costs nothing."
        )
    select = run.config.get("select")
    gap = select.get("min_gap") if isinstance(select, dict) else None
    asked = f" of {decimal(gap)}" if isinstance(gap, int | float) else ""
    return (
        f"No two responses to one prompt are as far apart as the least gap{asked}. Lower "
        "`select: min_gap`, or raise `generate: temperature` for responses that differ more."
    )


def why_no_sft(run: Run) -> str:
    """Why there is no row for fine-tuning, and which setting to change."""
    exported = run.config.get("export")
    if isinstance(exported, list) and "sft" not in exported:
        return "This run does not export them. Add `sft` to `export` and run again."
    if not run.count("responses", "scored") and run.count("responses", "failed"):
        return "Every call failed: the table of reasons says how."
    return "No response passed: see which reason weighs most, and loosen that filter under `keep`."


def why_no_scores(run: Run, graded: bool) -> str:
    """Why there is no distribution to show. graded: whether the run has a judge that grades."""
    if not graded:
        return "This run has no judge. Add one under `judges` to have the responses scored."
    exported = run.config.get("export")
    if isinstance(exported, list) and "scored" not in exported:
        return "This run does not export scores. Add `scored` to `export` and run again."
    return "No response was scored."
