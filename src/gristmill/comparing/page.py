"""The page of a comparison: the table, where the two differ, and how it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from gristmill.bench.words import chance
from gristmill.bench.words import points as in_points
from gristmill.comparing import words
from gristmill.comparing.plot import scatter
from gristmill.comparing.sides import REWARD
from gristmill.comparing.table import lines, size
from gristmill.intake.turns import Turns
from gristmill.judges._asking import transcript
from gristmill.page.frame import Tile, environment
from gristmill.page.text import LONGEST, decimal, label, percent, plural, visible, whole
from gristmill.storage import write_atomically


def write_page(
    folder: Path,
    metrics: dict[str, Any],
    examples: Sequence[dict[str, Any]],
    points: Sequence[tuple[float, float]] = (),
) -> Path:
    """Write `report.html`; returns its path. points: of two reward models, both rewards of each
    answer."""
    a, b = (label(one["name"], 60) for one in metrics["models"])
    one_scale = metrics["kind"] == REWARD and metrics["reward"]["gap"]["mean"] is not None
    context = {
        "name": f"{a} and {b}",
        "state": _state(metrics),
        "tiles": _tiles(metrics),
        "m": metrics,
        "a": a,
        "b": b,
        "lines": lines(metrics),
        "lede": words.verdict(metrics),
        "warnings": words.warnings(metrics),
        "rules": words.rules(metrics),
        "plot": scatter(points, one_scale=one_scale),
        "examples": [_example(metrics["kind"], each) for each in examples],
    }
    page = _environment().get_template("page.html").render(context)
    # Lone surrogates can come out of a model; a page must not fail over one.
    write_atomically(folder / "report.html", page.encode("utf-8", "replace"))
    return folder / "report.html"


def _state(metrics: dict[str, Any]) -> tuple[str, str]:
    failed = sum(sum(one["failed"].values()) for one in metrics["models"])
    if failed:
        return f"{plural(failed, 'call')} failed", "warn"
    if metrics["limit"] is not None or metrics["refused"]:
        return "not all rows", "warn"
    return "complete", "good"


def _tiles(m: dict[str, Any]) -> list[Tile]:
    found = []
    if m["kind"] == REWARD:
        if m["accuracy"]:
            found.append(_gap("Better answer preferred", m["accuracy"]["paired"]))
        if m["verdicts"]["prompts"]:
            pairs = f"of {plural(m['verdicts']['pairs'], 'pair')}"
            found.append(Tile("Same verdict", percent(m["verdicts"]["mean"]), pairs))
        if m["reward"]["r"] is not None:
            r = decimal(m["reward"]["r"], 3)
            found.append(Tile("Rewards' r", r, plural(m["answers"], "answer")))
    else:
        if m["right"]:
            found.append(_gap("Right answers", m["right"]))
        if m["equal"]["n"]:
            of = f"of {whole(m['equal']['n'])}"
            found.append(Tile("Equal texts", percent(m["equal"]["mean"]), of))
        if m["likely"] and all(m["likely"]["models"]):
            one, other = (decimal(each["perplexity"], 3) for each in m["likely"]["models"])
            found.append(Tile("Perplexity", other, f"against {one}"))
    sizes = [one["weight_bytes"] for one in m["models"]]
    if all(sizes):
        found.append(Tile("Weights", size(sizes[1]), f"against {size(sizes[0])}"))
    return found


def _gap(name: str, found: dict[str, Any]) -> Tile:
    value = found["difference"]
    return Tile(name, f"{in_points(value)}", f"points, p {chance(found['p'])}")


def _example(kind: str, each: dict[str, Any]) -> dict[str, Any]:
    if kind == REWARD:
        item = each["item"]
        names = ("better", "worse") if each["known"] else ("one answer", "another")
        answers = [
            {"title": name, "text": _said(turns), "a": each["a"][n], "b": each["b"][n]}
            for n, (name, turns) in enumerate(zip(names, item.answers, strict=True))
        ]
        return {"where": item.where, "prompt": _said(item.prompt), "answers": answers}
    asked = each["asked"]
    answers = [
        {"title": f"{name}: {right}", "text": _cut(each[key].text)}
        for key, name, right in zip("ab", "AB", each["right"], strict=True)
    ]
    return {"where": asked.where, "prompt": _said(asked.prompt.messages), "answers": answers}


def _said(turns: Turns) -> str:
    return _cut(transcript(turns))


def _cut(text: str) -> str:
    return visible(text[:LONGEST]) + (" …" if len(text) > LONGEST else "")


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    made = environment("gristmill.comparing", style="page.css")
    made.filters["label"] = label
    return made
