"""A few prompts run to their end, to be looked at before the others are paid for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console

from gristmill.errors import CheckpointError
from gristmill.intake.calls import written
from gristmill.intake.turns import messages_of
from gristmill.jobs.run import run
from gristmill.jobs.summary import show_text
from gristmill.mill.config import Config
from gristmill.mill.outcome import Outcome
from gristmill.page.text import label
from gristmill.records import ATTRIBUTES
from gristmill.storage import folder_of, read_saved

Row = dict[str, Any]

MOST = 256
"""Rows that one prompt may have in a table: as many as it may have responses."""


def preview(config: Config, out: Path | None, count: int, console: Console, **how: Any) -> Outcome:
    """Run the first `count` lines of the prompts into the run's folder, and print what came of
    them: `gristmill run --preview N`. A folder that has more than that is shown, and not touched.

    how: as for `run`. Raises what `run` raises.
    """
    folder = folder_of(out, config.name)
    try:
        metrics = read_saved(folder / "metrics.json")
        more = metrics["prompts"]["read"] > count
    except (OSError, CheckpointError, LookupError, TypeError):
        metrics, more = {}, False
    if more:
        outcome = Outcome(folder, metrics["status"], metrics["detail"], metrics)
    else:
        outcome = run(config, folder, limit=count, **how)
    show_answers(console, folder, count)
    return outcome


def show_answers(console: Console, folder: Path, count: int) -> None:
    """Print the first prompts of a run with their answers, grades and reasons."""
    prompts: dict[str, list[Row]] = {}
    for row in _rows(folder, count):
        prompts.setdefault(row["prompt_id"] or "", []).append(row)
    several = len({_model(row) for rows in prompts.values() for row in rows} - {""}) > 1
    for number, (name, rows) in enumerate(list(prompts.items())[:count], 1):
        title = f"\nprompt {number}: {label(name or rows[0]['source'])}"
        console.print(title, style="bold", markup=False, soft_wrap=True)
        show_text(console, rows[0]["prompt"] or "")
        for row in sorted(rows, key=lambda row: not row["kept"]):
            _show_answer(console, row, _model(row) if several else "")


def _model(row: Row) -> str:
    return (row.get("provenance") or {}).get("model") or ""


def _rows(folder: Path, count: int) -> list[Row]:
    """A row for each answer to the first prompts, and for each line that is no prompt, in the order
    of the input."""
    found: dict[Any, Row] = {}
    for name in ("scored", "sft", "rejected"):
        path = folder / "data" / f"{name}.parquet"
        for number, row in enumerate(_beginning(path, MOST * count)):
            if name == "sft":
                *before, last = row["messages"]
                said = "\n\n".join(turn["content"] for turn in before)
                row = {**row, "prompt": said, "response": last["content"]}
            key = row["response_id"] or (name, number)
            row["kept"] = name != "rejected"
            found[key] = {**row, **found.get(key, {}), **({} if row["kept"] else row)}
    return list(found.values())


def _beginning(path: Path, rows: int) -> list[Row]:
    if not path.exists():
        return []
    with pq.ParquetFile(path) as file:
        batch = next(file.iter_batches(rows), None)
    return [] if batch is None else batch.to_pylist()


def _show_answer(console: Console, row: Row, model: str) -> None:
    grades = [f"{n} {row[n]:.2f}" for n in ("reward", *ATTRIBUTES) if row.get(n) is not None]
    detail = f" ({label(row['detail'], 500)})" if row.get("detail") else ""
    fate = "kept" if row["kept"] else f"dropped: {label(row['reason'])}{detail}"
    who = f" by {label(model)}" if model else ""
    head = f"  {label(row['response_id'] or 'no prompt')}{who}: {fate}"
    console.print(head, style="cyan", markup=False, highlight=False, soft_wrap=True)
    if grades:
        console.print(f"    {', '.join(grades)}", style="dim", highlight=False, soft_wrap=True)
    for one in row.get("judgements") or ():
        reward = "no reward" if one["reward"] is None else f"{one['reward']:.2f}"
        show_text(console, f"{one['judge']}: {reward}. {one['detail'] or ''}", "    ")
    if row.get("steps"):
        show_text(console, written(messages_of(row["steps"], "steps")), "    : ")
    show_text(console, row.get("response") or "", "    | ")
