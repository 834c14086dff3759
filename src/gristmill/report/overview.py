"""The top of the page and its end: what was made of what, how far it got, how it was set up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import sqrt
from typing import Any

import yaml

from gristmill.page.frame import Tile
from gristmill.page.text import (
    LONGEST,
    decimal,
    dollars,
    duration,
    label,
    plural,
    visible,
    whole,
    without_keys,
)
from gristmill.report import words
from gristmill.report.agreement import embeds, grades
from gristmill.report.folder import Run

MOST = 12
"""Names in one sentence."""


@dataclass(frozen=True)
class Step:
    """One bar of the funnel.

    bar: its length, 0 to 1. share: of the first bar of its group, where that says something.
    lost: what left on the way here.
    """

    label: str
    count: int
    bar: float
    share: float | None
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
    verb = "answered" if sampled else "was asked"
    who = models_of(run.config)
    if len(who) > 1:
        verb = "answered" if sampled else "were asked"
    said = [part for name in who for part in ((" and ", False), (name, True))][1:]
    said.append((f" {verb} {plural(prompts, 'prompt')}", False))
    if not sampled:
        return [*said, (" and gave no response.", False)]
    if sampled > prompts:
        said.append((f" with {plural(sampled, 'response')} in all", False))
    judges = [
        str(o.get("model") or n) for n, o in words.parts(run.config, "judges") if not embeds(n)
    ]
    judges = judges if run.count("responses", "scored") else []
    for i, judge in enumerate(judges):
        said += [("; " if i == 0 else " and ", False), (label(judge), True)]
    if judges:
        said.append((" graded them", False))
    kept = run.count("responses", "kept")
    said.append((f". {plural(kept, 'response')} passed {filters_of(run.config)}.", False))
    return said


def models_of(config: dict[str, Any]) -> list[str]:
    """The models that answered, as the config names them."""
    found = [label(one["model"]) for one in words.generators(config) if one.get("model")]
    return list(dict.fromkeys(found))[:MOST] or ["the model"]


def filters_of(config: dict[str, Any]) -> str:
    """The filters in a few words."""
    names = [label(name, 40) for name, _ in words.parts(config, "keep")]
    if not names:
        return "(no filter was set)"
    return f"the {'filter' if len(names) == 1 else 'filters'} ({', '.join(names)})"


def tiles(run: Run) -> list[Tile]:
    """The figures that people look for first."""
    read, target = run.count("prompts", "read"), run.number("prompts", "target")
    seconds = run.number("seconds")
    # A resumed run knows the time of its last part alone, which gives no rate for the whole.
    resumed = run.count("requests", "sent_now") < run.count("requests", "sent")
    known = run.number("requests", "sent_now") is None or not resumed
    pace = rate(run.count("responses", "sampled"), seconds) if known else "since the last resume"
    tokens = sum(run.count("tokens", k) for k in ("prompt", "completion", "judge"))
    of = f"target {whole(target)}" if target else f"of {whole(read)} read"
    pairs = Tile("Preference pairs", whole(run.rows("preference")), run.place("preference"))
    return [
        Tile("Prompts accepted", whole(run.count("prompts", "accepted")), of),
        Tile("Rows for fine-tuning", whole(run.rows("sft")), run.place("sft")),
        *([pairs] if grades(run.config) else []),
        Tile("Time", duration(seconds), pace),
        Tile("Cost", *cost(run, tokens)),
    ]


def rate(count: int, seconds: float | None) -> str:
    """Responses a second, or a minute or an hour where that reads better."""
    if not seconds or not count:
        return ""
    each = ((seconds, "s"), (seconds / 60, "min"), (seconds / 3600, "h"))
    time, unit = next((pair for pair in each if count / pair[0] >= 1), each[-1])
    return f"{decimal(count / time, 0 if count / time >= 100 else 1)} responses/{unit}"


def cost(run: Run, tokens: int) -> tuple[str, str]:
    """The cost and what it was for. No price given is not the same as free."""
    usd = run.number("cost_usd")
    note = plural(tokens, "token") if tokens else ""
    if usd is None:
        return "–", ", ".join(part for part in ("no price set", note) if part)
    return dollars(usd) if usd else "$0", note


def truth(run: Run) -> Truth | None:
    """The figures by the known truth, where the run has them."""
    before, after = (run.share("truth", name) for name in ("right_before", "right_after"))
    sampled, kept = run.count("truth", "sampled"), run.count("truth", "kept")
    if before is None or after is None or not sampled or not kept:
        return None
    return Truth(before, after, sampled, kept)


def funnel(run: Run) -> list[Step]:
    """From prompts read to rows written, with what left at each step."""
    p = {k: run.count("prompts", k) for k in ("read", "bad_input", "duplicates", "finished")}
    r = {k: run.count("responses", k) for k in ("sampled", "scored", "kept", "failed")}
    accepted, failed = run.count("prompts", "accepted"), plural(r["failed"], "call")
    unusable = _lost(
        (p["bad_input"], "unusable"),
        (p["duplicates"], "duplicate" if p["duplicates"] == 1 else "duplicates"),
    )
    over = "over_target" in run.counts("reasons")
    without = "with nothing kept" + (" or over the target" if over else "")
    waiting = p["read"] - p["bad_input"] - p["duplicates"] - p["finished"]
    graded, unscored = grades(run.config), _lost((r["sampled"] - r["scored"], "not scored"))
    scored = ("Responses", "Scored", r["scored"], unscored)
    steps = [
        ("Prompts", "Read", p["read"], ""),
        ("Prompts", "Done", p["finished"], ", ".join(
            part for part in (unusable, _lost((waiting, "not reached"))) if part
        )),
        ("Prompts", "With a kept response", accepted, _lost((p["finished"] - accepted, without))),
        ("Responses", "Sampled", r["sampled"], f"{failed} failed for good" if r["failed"] else ""),
        *([scored] if graded else []),
        ("Responses", "Passed the filters", r["kept"], _lost((
            (r["scored"] or r["sampled"]) - r["kept"], "dropped"
        ))),
    ]  # fmt: skip
    rows = [("sft", "For fine-tuning"), ("preference", "Preference pairs")][: 1 + graded]
    first = {"Prompts": p["read"], "Responses": max(r["sampled"], r["scored"])}
    found = []
    for group, title, n, lost in steps:
        bar = min(1.0, n / max(1, first[group]))
        found.append(Step(title, n, bar, bar if first[group] else None, lost, group))
    for name, title in rows:
        bar = min(1.0, run.rows(name) / max(1, first["Responses"]))
        note = words.why_no_sft(run) if name == "sft" and not run.rows(name) else ""
        found.append(Step(title, run.rows(name), bar, None, note, "Rows written"))
    return found


def notes(run: Run) -> list[str]:
    """What was noticed on the way, and kept nothing out: columns of the user's that nothing used,
    and words for an ending that nobody knows."""
    found = []
    if unused := run.counts("unused_columns"):
        found.append(f"Columns that nothing used: {listed(unused, 'row')}.")
    if endings := run.counts("endings"):
        found.append(
            "Responses that ended in a word of the server's that nobody knows, and count as "
            f"answers: {listed(endings, 'response')}."
        )
    return found


def listed(counts: dict[str, int], what: str) -> str:
    """Names with their counts, the first few of them."""
    some = [f"{label(name, 40)} ({plural(n, what)})" for name, n in list(counts.items())[:MOST]]
    more = [f"{len(counts) - MOST:,} more"] if len(counts) > MOST else []
    return ", ".join([*some, *more])


def _lost(*parts: tuple[int, str]) -> str:
    return ", ".join(f"−{n:,} {what}" for n, what in parts if n > 0)


def _servers(run: Run) -> list[tuple[str, str]]:
    """What each server of a model on several did: of the last session."""
    found: Any = run.metrics.get("requests")
    named = found.get("servers") if isinstance(found, dict) else None
    told = []
    for server in named if isinstance(named, dict) else ():
        counts = run.counts("requests", "servers", server)
        failed, out = counts.get("failures", 0), counts.get("out", 0)
        said = plural(counts.get("requests", 0), "request")
        said += f", {failed:,} failed" if failed else ""
        said += f", left out {plural(out, 'time')}" if out else ""
        told.append((label(server, 60), said))
    return told


def details(run: Run) -> list[tuple[str, list[tuple[str, str]] | str]]:
    """The sections at the end: tables of (name, value), and the config as text."""
    failures = [
        (f"failed: {label(k, 40)}", whole(n)) for k, n in run.counts("requests", "failures").items()
    ]
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
    started = run.config.get("last_started")
    times = [("last started", _moment(started))] if started else []
    versions = run.metrics.get("versions") or run.config.get("versions")
    hashes = run.config.get("hashes")
    rows = [(name, whole(table.rows)) for name, table in run.tables.items()]
    shown = {
        k: v
        for k, v in run.config.items()
        if k not in ("versions", "hashes", "identity", "last_started")
    }
    found: list[tuple[str, list[tuple[str, str]] | str]] = [
        ("Rows", [*rows, *times, ("written", when(run))]),
        ("Requests", requests),
        ("Servers", _servers(run)),
        ("Tokens", tokens),
        ("Versions", _strings(versions)),
        ("Hashes", _strings(hashes)),
    ]
    config = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, default_flow_style=False)
    return [(title, body) for title, body in found if body] + [("Config", _config(config))]


def when(run: Run) -> str:
    """When the run ended: what the metrics say, else when they were written."""
    for key in ("finished_at", "finished", "ended"):
        if isinstance(run.metrics.get(key), str):
            return _moment(run.metrics[key])
    stamp = (run.path / "metrics.json").stat().st_mtime
    return datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _moment(stamp: object) -> str:
    """2026-01-31 13:05:00 UTC, of a time as files have it."""
    said = label(stamp)
    return said[:19].replace("T", " ") + (" UTC" if said.endswith(("+00:00", "Z")) else "")


def _config(shown: str) -> str:
    cut = "\n… the rest is in run.yaml" if len(shown) > LONGEST * 4 else ""
    return visible(without_keys(shown[: LONGEST * 4])) + cut


def _strings(value: Any) -> list[tuple[str, str]]:
    items = value.items() if isinstance(value, dict) else ()
    return [(label(k), label(v)) for k, v in items]
