"""A section for a model card: the results as Markdown, and as the metadata that the Hub reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from gristmill.bench import words
from gristmill.page import markdown
from gristmill.page.text import label
from gristmill.storage import write_atomically


def write_card(folder: Path, metrics: dict[str, Any]) -> Path:
    """Write `card.md`; returns its path."""
    path = folder / "card.md"
    write_atomically(path, card(metrics).encode("utf-8", "replace"))
    return path


def card(metrics: dict[str, Any]) -> str:
    """The Markdown of an evaluation: a table of judges, one of subsets, what to know, how."""
    judges = metrics["judges"]
    title = metrics["benchmark"] if metrics["benchmark"] != "pairs" else "Judge evaluation"
    sections = list(dict.fromkeys(name for judge in judges for name in judge["sections"]))
    parts = [f"## {title}: {_md(metrics['data'])}", words.verdict(metrics)]
    if sections:
        rows = [
            [
                _md(j["name"]),
                words.share(j["score"]),
                *(words.share(j["sections"].get(s)) for s in sections),
            ]
            for j in judges
        ]
        parts.append(_table(["judge", "score", *sections], rows))
    rows = [
        [_md(name), f"{count:,}", *(words.share(j["parts"].get(name)) for j in judges)]
        for name, count in metrics["subset_rows"].items()
    ]
    rows.append(
        ["all rows", f"{metrics['rows']:,}", *(words.share(words.accuracy(j)) for j in judges)]
    )
    parts.append(_table(["subset", "rows", *(_md(j["name"]) for j in judges)], rows))
    notes = [*words.warnings(metrics), *words.rules(metrics)]
    parts.append("\n".join(f"- {_md(line, 1000)}" for line in notes))
    if len(judges) == 1 and judges[0]["accuracy"] is not None:
        head = yaml.safe_dump(_model_index(metrics), sort_keys=False, allow_unicode=True)
        parts.append(f"For the head of the model's README.md:\n\n```yaml\n{head}```")
    return "\n\n".join(parts) + "\n"


def _model_index(metrics: dict[str, Any]) -> dict[str, Any]:
    """What the Hub reads as a model's results."""
    judge = metrics["judges"][0]
    values = {"accuracy": judge["accuracy"]}
    if judge["score"] is not None:
        values = {"score": judge["score"]["score"]}
    values |= {name: section["score"] for name, section in judge["sections"].items()}
    name = metrics["benchmark"] if metrics["benchmark"] != "pairs" else metrics["data"]
    result = {
        "task": {"type": "preference_evaluation"},
        "dataset": {"name": label(name), "type": label(metrics["data"])},
        "metrics": [
            {"type": "accuracy", "name": key, "value": round(100 * value, 2)}
            for key, value in values.items()
        ],
    }
    return {"model-index": [{"name": label(judge["name"]), "results": [result]}]}


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _md(text: Any, limit: int = 120) -> str:
    return markdown.plain(label(text, limit))
