"""The page of an evaluation: scores, where it fails, how the judges compare, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import orjson
from markupsafe import Markup

from gristmill.bench import words
from gristmill.bench.boards import BOARDS, REWARDBENCH, Board
from gristmill.bench.outcomes import Outcome
from gristmill.bench.plot import MARKS, plot
from gristmill.bench.tally import Tally
from gristmill.intake.turns import Turns
from gristmill.judges._asking import transcript
from gristmill.page.frame import Tile, environment
from gristmill.page.text import LONGEST, dollars, duration, label, percent, plural, visible, whole
from gristmill.storage import write_atomically

EXAMPLES = 6
"""Failures of each judge that are shown."""


def write_page(folder: Path, metrics: dict[str, Any], tallies: Sequence[Tally]) -> Path:
    """Write `report.html` and the plot alone, `sections.svg`; returns the page's path."""
    board = board_named(metrics["benchmark"])
    published = reference_rows(board)
    drawn = _plot(metrics, board, [p for p in published if p["drawn"]])
    sections = _sections(metrics, board)
    pictures = _environment()
    context = {
        "name": f"{metrics['benchmark'] if board else 'Judges'} on {label(metrics['data'], 80)}",
        "state": _state(metrics),
        "tiles": _tiles(metrics),
        "m": metrics,
        "board": board,
        "judges": metrics["judges"],
        "published": published,
        "marks": MARKS,
        "warnings": words.warnings(metrics),
        "lede": words.verdict(metrics),
        "plot": drawn and Markup(_svg(pictures, drawn, alone=False)),
        "guessing": drawn and drawn.chance is not None,
        "examples": [_examples(tally) for tally in tallies],
        "sections": sections,
        "weighted": len({weight for each in sections.values() for weight in each.values()}) > 1,
    }
    page = pictures.get_template("page.html").render(context)
    # Lone surrogates can come out of a model; a page must not fail over one.
    write_atomically(folder / "report.html", page.encode("utf-8", "replace"))
    if drawn is not None:
        names = [j["name"] for j in metrics["judges"]]
        marks = [p["model"] for p in published if p["drawn"]]
        alone = _svg(pictures, drawn, alone=True, legend=names, published=marks)
        write_atomically(folder / "sections.svg", alone.encode("utf-8", "replace"))
    return folder / "report.html"


def board_named(name: str) -> Board | None:
    """The board of `metrics.json`, None for pairs of the user's own."""
    return next((board for board in BOARDS if board.name == name), None)


@lru_cache(maxsize=1)
def _published() -> list[dict[str, Any]]:
    return orjson.loads(files("gristmill.bench").joinpath("published.json").read_bytes())


def reference_rows(board: Board | None) -> list[dict[str, Any]]:
    """Published results of well-known models on this board, best first, with their sources."""
    if board is not REWARDBENCH:
        return []
    return sorted(_published(), key=lambda row: -row["score"])


def _state(metrics: dict[str, Any]) -> tuple[str, str]:
    """What became of it, and whether that is good or warn."""
    failed = sum(sum(j["failed"].values()) for j in metrics["judges"])
    if failed:
        return f"{plural(failed, 'row')} without a verdict", "warn"
    if metrics["incomplete"] or metrics["refused_rows"] or metrics["limit"] is not None:
        return "not the whole set", "warn"
    return "complete", "good"


def _tiles(metrics: dict[str, Any]) -> list[Tile]:
    """The headline figures: of the one judge, or of the best of each."""
    judges = metrics["judges"]
    first = judges[0]
    if len(judges) > 1:
        return [
            Tile(label(judge["name"], 28), percent(score["score"]), words.ends(score))
            for judge in judges[:5]
            if (score := words.headline(judge))
        ]
    found = []
    score = words.headline(first)
    if score is not None:
        found.append(
            Tile(
                "Score" if first["score"] else "Accuracy",
                percent(score["score"]),
                words.ends(score),
            )
        )
    for name, section in list(first["sections"].items())[:4]:
        found.append(Tile(name, percent(section["score"]), words.ends(section)))
    if not first["sections"]:
        found.append(
            Tile("Rows judged", whole(first["num_prompts"]), f"of {whole(metrics['rows'])}")
        )
    return found


def _sections(metrics: dict[str, Any], board: Board | None) -> dict[str, dict[str, float | None]]:
    """Section -> its subsets that there are, with their weight, None where they have none."""
    present = metrics["subset_rows"]
    if board is None:
        return {"": dict.fromkeys(present)}
    found: dict[str, dict[str, float | None]] = {
        section: {name: weight for name, weight in weights.items() if name in present}
        for section, weights in board.sections.items()
    }
    other = [name for name in present if name not in board.subsets]
    return {name: subsets for name, subsets in found.items() if subsets} | (
        {"in no section": dict.fromkeys(other)} if other else {}
    )


def _plot(metrics: dict[str, Any], board: Board | None, published: Sequence[dict[str, Any]]) -> Any:
    judges = []
    for judge in metrics["judges"]:
        values = dict(judge["sections"])
        if not values:
            values = {
                name: {"score": part["accuracy"], "low": part["low"], "high": part["high"]}
                for name, part in judge["parts"].items()
            }
        score = words.headline(judge)
        if score is not None:
            values["Score" if judge["score"] else "All rows"] = score
        judges.append({"name": judge["name"], "values": values})
    names = list(dict.fromkeys(name for judge in judges for name in judge["values"]))
    marks = [
        {
            "name": row["model"],
            "values": {n: s / 100 for n, s in {**row["sections"], "Score": row["score"]}.items()},
        }
        for row in published
    ]
    pairs = board is None or board.name != "RewardBench 2"
    return plot(names, judges, marks, chance=0.5 if pairs else None)


def _svg(made: jinja2.Environment, drawn: Any, **context: Any) -> str:
    empty = {"legend": [], "published": []}
    return made.get_template("plot.svg").render({"p": drawn, **empty, **context})


def _examples(tally: Tally) -> dict[str, Any]:
    """The worst failures of a judge, the worst of each subset first: by how far a wrong answer was
    above the right one."""
    by_subset = (
        enumerate(sorted(found, key=lambda entry: (-entry[0], -entry[1])))
        for found in tally.worst.values()
    )
    ranked = sorted(
        ((rank, *entry) for subset in by_subset for rank, entry in subset),
        key=lambda entry: (entry[0], -entry[1], -entry[2]),
    )
    shown = []
    for _, _, _, item, outcome in ranked[:EXAMPLES]:
        scores = outcome.scores
        worst = item.right
        if scores is not None:
            worst = max(range(item.right, len(scores)), key=scores.__getitem__)
        elif outcome.asked and outcome.asked[0].pick:
            worst = outcome.asked[0].pick
        shown.append(
            {
                "subset": item.subset,
                "where": item.where,
                "prompt": _said(item.prompt),
                "right": _said(item.answers[0]),
                "wrong": _said(item.answers[worst]),
                "scores": None if scores is None else (scores[0], scores[worst]),
                "reply": _reply(outcome),
            }
        )
    return {"name": tally.judge.name, "rows": shown}


def _reply(outcome: Outcome) -> str:
    said = [a.said for a in outcome.asked] or list(outcome.said)
    return visible(said[0][:LONGEST]) if said else ""


def _said(turns: Turns) -> str:
    text = transcript(turns)
    return visible(text[:LONGEST]) + (" …" if len(text) > LONGEST else "")


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    made = environment("gristmill.bench", style="page.css")
    made.globals["words"] = words
    made.filters |= {"label": label, "duration": duration, "dollars": dollars}
    return made
