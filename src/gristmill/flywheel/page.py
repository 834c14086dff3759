"""The flywheel's report: one self-contained page, made from the folder alone."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from gristmill.flywheel import words
from gristmill.flywheel.answers import texts
from gristmill.flywheel.chart import NUMBER, SHARE, Chart, Line, chart
from gristmill.intake.cells import Refused
from gristmill.intake.source import Source
from gristmill.mill.source import read_prompts
from gristmill.page.frame import Tile, environment
from gristmill.page.text import LONGEST, percent, plural, visible
from gristmill.storage import read_saved, write_atomically

EXAMPLES = 8
"""Prompts whose answers of the first and the last round are shown."""


def write_page(folder: Path) -> Path:
    """Write `report.html` into a flywheel's folder from its `metrics.json` and evaluations."""
    metrics = read_saved(folder / "metrics.json", "run the flywheel again")
    main = metrics["arms"][metrics["main"]]["rounds"]
    context = {
        "m": metrics,
        "name": metrics["name"],
        "state": _state(metrics, main[-1]["round"]),
        "verdicts": words.verdicts(metrics),
        "charts": _charts(metrics),
        "tiles": _tiles(metrics),
        "judged": judged(metrics),
        "arms": list(metrics["arms"]),
        "main_rounds": main,
        "wins": metrics["arms"][metrics["main"]]["wins"],
        "examples": _examples(folder, metrics["main"], main[-1]["round"]),
        "links": _links(folder, metrics),
    }
    page = _environment().get_template("page.html").render(context)
    # Lone surrogates can come out of JSON escapes; a page must not fail over one.
    write_atomically(folder / "report.html", page.encode("utf-8", "replace"))
    return folder / "report.html"


def _state(metrics: dict[str, Any], last: int) -> tuple[str, str]:
    """What became of it, and whether that is good or warn."""
    if not metrics["stopped"]:
        return "complete", "good"
    early = last < metrics.get("rounds", 1000)
    return "stopped early" if early else "the last round is not better", "warn"


def _tiles(metrics: dict[str, Any]) -> list[Tile]:
    """The headline figures."""
    by, rounds = metrics["by"], metrics["arms"][metrics["main"]]["rounds"]
    first, last = rounds[0], rounds[-1]
    synthetic = metrics["synthetic"]
    found = []
    for label, key in (("Right, sampled", "accuracy"), ("Right, greedy", "greedy")):
        if by == "accuracy":
            value = percent(last[key]["mean"])
            found.append(Tile(label, value, f"from {percent(first[key]['mean'])}"))
    if judged(metrics):
        value = words.plain(last["reward"])
        found.append(Tile("Mean reward", value, f"from {words.plain(first['reward'])}"))
    note = f"of {plural(synthetic['rows'] + synthetic['human'], 'row')}"
    return [
        *found,
        Tile("Rounds", str(last["round"]), f"best: round {metrics['best_round']}"),
        Tile("Synthetic", percent(synthetic["share"]), note),
    ]


def judged(metrics: dict[str, Any]) -> bool:
    """Whether any answer has a reward; without judges there is none, and nothing to say of it."""
    rounds = (r for arm in metrics["arms"].values() for r in arm["rounds"])
    return any(r["reward"]["mean"] is not None for r in rounds)


def _charts(metrics: dict[str, Any]) -> list[Chart]:
    wanted = [
        ("Right, sampled", "accuracy", SHARE),
        ("Right, greedy", "greedy", SHARE),
        ("Mean reward, sampled", "reward", NUMBER),
    ]
    found = []
    for title, key, unit in wanted:
        lines: dict[str, Line] = {
            name: [(r["round"], r[key]) for r in arm["rounds"]]
            for name, arm in metrics["arms"].items()
        }
        found.append(chart(title, lines, unit))
    return [one for one in found if one is not None]


def _examples(folder: Path, arm: str, last: int) -> list[dict[str, str]]:
    """The first answers of the first and the last round to the same prompts, where they differ."""
    if last == 0:
        return []
    before = _first(folder / "round-0" / "sampled")
    after = _first(folder / "arms" / arm / f"round-{last}" / "evaluation" / "sampled")
    rows = []
    for prompt in read_prompts([Source(file=str(folder / "prompts" / "evaluation.jsonl"))]):
        if isinstance(prompt, Refused):
            continue
        pair = before.get(prompt.id), after.get(prompt.id)
        if None not in pair and pair[0] != pair[1]:
            said = (prompt.messages[-1].content, *map(str, pair))
            shown = (visible(text[:LONGEST]) for text in said)
            rows.append(dict(zip(("prompt", "before", "after"), shown, strict=True)))
        if len(rows) == EXAMPLES:
            break
    return rows


def _first(folder: Path) -> dict[str, str]:
    """The first response to each prompt."""
    found = texts(folder)
    return {name: text for (name, index), text in found.items() if index == 0}


def _links(folder: Path, metrics: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """For each arm and round, the pages of what it was made of."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, arm in metrics["arms"].items():
        for figures in arm["rounds"][1:]:
            place = f"arms/{name}/round-{figures['round']}"
            pages = [("data", f"{figures['mill']}/report.html")]
            pages += [(s["name"], f"{place}/{s['name']}/report.html") for s in figures["stages"]]
            pages.append(("answers", f"{place}/evaluation/sampled/report.html"))
            there = [(what, link) for what, link in pages if (folder / link).exists()]
            found[f"{name}/{figures['round']}"] = there
    return found


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    made = environment("gristmill.flywheel", style="page.css")
    made.globals["words"] = words
    return made
