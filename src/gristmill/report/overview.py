"""The top of the page and its end: what was made of what, how far it got, how it was set up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from math import sqrt
from typing import Any

import yaml

from gristmill.report import words
from gristmill.report.folder import Run
from gristmill.report.text import decimal, dollars, duration, percent, plural, visible, whole


@dataclass(frozen=True)
class Tile:
    """One figure of the headline."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Step:
    """One bar of the funnel. `share` is of the first bar of its group, `lost` says what left."""

    label: str
    count: int
    share: float
    lost: str = ""
    group: str = ""


@dataclass(frozen=True)
class Truth:
    """How many responses were right, by the known truth, before and after grading."""

    before: float
    after: float
    sampled: int
    kept: int

    @property
    def points(self) -> float:
        """The lift in percentage points."""
        return (self.after - self.before) * 100

    @property
    def margins(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """95 % intervals (Wilson) of both, each response counted as independent."""
        return wilson(self.before, self.sampled), wilson(self.after, self.kept)


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share seen in n tries."""
    if n <= 0:
        return 0.0, 1.0
    z = 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def lede(run: Run) -> list[tuple[str, bool]]:
    """One paragraph of what was done, as (text, is it a model's name)."""
    prompts, sampled = run.count("prompts", "finished"), run.count("responses", "sampled")
    said: list[tuple[str, bool]] = [
        (model_of(run.config), True),
        (f" answered {plural(prompts, 'prompt')}", False),
    ]
    if prompts and sampled > prompts:
        said.append((f" with {plural(sampled, 'response')} in all", False))
    judges = [str(o.get("model") or n) for n, o in words.parts(run.config, "judges")]
    for i, judge in enumerate(judges):
        said += [("; " if i == 0 else " and ", False), (visible(judge), True)]
    if judges:
        said.append((" graded them", False))
    kept = run.count("responses", "kept")
    said.append((f". {plural(kept, 'response')} passed {filters_of(run.config)}.", False))
    return said


def model_of(config: dict[str, Any]) -> str:
    """The model that answered, as the config names it."""
    generate = config.get("generate")
    model = generate.get("model") if isinstance(generate, dict) else None
    return visible(str(model)) if model else "the model"


def filters_of(config: dict[str, Any]) -> str:
    """The filters in a few words."""
    names = [visible(name) for name, _ in words.parts(config, "keep")]
    if not names:
        return "(no filter was set)"
    return f"the {'filter' if len(names) == 1 else 'filters'} {', '.join(names)}"


def tiles(run: Run) -> list[Tile]:
    """The figures that people look for first."""
    read, target = run.count("prompts", "read"), run.number("prompts", "target")
    seconds = run.number("seconds")
    sampled = run.count("responses", "sampled")
    rate = sampled / seconds if seconds and sampled else None
    tokens = sum(run.count("tokens", k) for k in ("prompt", "completion", "judge"))
    of = f"target {whole(target)}" if target else f"of {whole(read)} read"
    return [
        Tile("Prompts accepted", whole(run.count("prompts", "accepted")), of),
        Tile("Rows for fine-tuning", whole(run.rows("sft")), "data/sft.parquet"),
        Tile("Preference pairs", whole(run.rows("preference")), "data/preference.parquet"),
        Tile("Time", duration(seconds), f"{decimal(rate, 1)} responses/s" if rate else ""),
        Tile("Cost", *cost(run, tokens)),
    ]


def cost(run: Run, tokens: int) -> tuple[str, str]:
    """The cost and what it was for. No price given is not the same as free."""
    usd = run.number("cost_usd")
    note = f"{whole(tokens)} tokens" if tokens else ""
    return (dollars(usd), note) if usd else ("–" if usd is None else "$0", note)


def truth(run: Run) -> Truth | None:
    """The figures by the known truth, where the run has them."""
    before, after = run.number("truth", "right_before"), run.number("truth", "right_after")
    sampled, kept = run.count("truth", "sampled"), run.count("truth", "kept")
    if before is None or after is None or not sampled or not kept:
        return None
    return Truth(before, after, sampled, kept)


def funnel(run: Run) -> list[Step]:
    """From prompts read to rows written, with what left at each step."""
    p = {k: run.count("prompts", k) for k in ("read", "bad_input", "duplicates", "finished")}
    r = {k: run.count("responses", k) for k in ("sampled", "scored", "kept", "failed")}
    accepted = run.count("prompts", "accepted")
    unusable = _lost((p["bad_input"], "unusable"), (p["duplicates"], "duplicates"))
    waiting = p["read"] - p["bad_input"] - p["duplicates"] - p["finished"]
    steps = [
        ("Prompts", "Read", p["read"], ""),
        ("Prompts", "Answered", p["finished"], ", ".join(
            part for part in (unusable, _lost((waiting, "not reached"))) if part
        )),
        ("Prompts", "With a kept response", accepted, _lost(
            (p["finished"] - accepted, "with nothing kept")
        )),
        ("Responses", "Sampled", r["sampled"], ""),
        ("Responses", "Scored", r["scored"], _lost((r["sampled"] - r["scored"], "not scored"))),
        ("Responses", "Passed the filters", r["kept"], _lost((r["scored"] - r["kept"], "dropped"))),
    ]  # fmt: skip
    # `sampled` may or may not count calls that failed before there was a response.
    first = {"Prompts": p["read"], "Responses": max(r["sampled"], r["scored"], 1)}
    found = [
        Step(label, n, min(1.0, n / max(1, first[group])), lost, group)
        for group, label, n, lost in steps
    ]
    for name, label in (("sft", "For fine-tuning"), ("preference", "Preference pairs")):
        share = min(1.0, run.rows(name) / first["Responses"])
        note = words.why_no_sft(run) if name == "sft" and not run.rows(name) else ""
        found.append(Step(label, run.rows(name), share, note, "Rows written"))
    return found


def _lost(*parts: tuple[int, str]) -> str:
    return ", ".join(f"−{n:,} {what}" for n, what in parts if n > 0)


def details(run: Run) -> list[tuple[str, list[tuple[str, str]] | str]]:
    """The sections at the end: tables of (name, value), and the config as text."""
    failures = [(f"failed: {k}", whole(n)) for k, n in run.counts("requests", "failures").items()]
    requests = [
        ("sent", whole(run.count("requests", "sent"))),
        ("of them retries", whole(run.count("requests", "retries"))),
        *failures,
    ]
    tokens = [
        (label, whole(run.count("tokens", key)))
        for key, label in (
            ("prompt", "prompts"),
            ("completion", "responses"),
            ("judge", "judging"),
        )
    ]
    versions = run.metrics.get("versions") or run.config.get("versions")
    hashes = run.config.get("hashes")
    rows = [(name, whole(table.rows)) for name, table in run.tables.items()]
    shown = {k: v for k, v in run.config.items() if k not in ("versions", "hashes", "identity")}
    found: list[tuple[str, list[tuple[str, str]] | str]] = [
        ("Rows", [*rows, ("written", when(run))]),
        ("Requests", requests),
        ("Tokens", tokens),
        ("Versions", _strings(versions)),
        ("Hashes", _strings(hashes)),
    ]
    config = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, default_flow_style=False)
    return [(title, body) for title, body in found if body] + [("Config", without_keys(config))]


def when(run: Run) -> str:
    """When the run ended: what the metrics say, else when they were written."""
    for key in ("finished_at", "finished", "ended"):
        if isinstance(run.metrics.get(key), str):
            return visible(run.metrics[key])
    stamp = (run.path / "metrics.json").stat().st_mtime
    return datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%d %H:%M UTC")


def without_keys(config: str) -> str:
    """The text of a config without what someone may have put into an address by mistake."""
    return visible(re.sub(r"(://)[^/\s@]+@", r"\1…@", config))


def _strings(value: Any) -> list[tuple[str, str]]:
    items = value.items() if isinstance(value, dict) else ()
    return [(visible(str(k)), visible(str(v))) for k, v in items]
