"""`write_report`: from a run's folder to one self-contained `report.html`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import pyarrow as pa
from markupsafe import Markup, escape

from gristmill.errors import DataError
from gristmill.page.frame import environment
from gristmill.page.text import label
from gristmill.records import ATTRIBUTES
from gristmill.report import words
from gristmill.report.agreement import grades, measure_judges
from gristmill.report.charts import draw_gaps, draw_scores
from gristmill.report.folder import AGAIN, Run, open_run, write_page
from gristmill.report.measure import Scores, measure_gaps, measure_scores
from gristmill.report.models import models
from gristmill.report.overview import details, funnel, lede, notes, tiles, truth
from gristmill.report.pick import pick_pairs, pick_rejected, pick_samples
from gristmill.report.reasons import explain_reasons
from gristmill.report.recipes import recipes

SHORT = ("help", "corr", "coher", "compl", "verb")
"""The attributes where there is room for little."""


def write_report(folder: Path | str) -> Path:
    """Write `report.html` into the folder of a run and return its path.

    Reads the folder's files alone, batch by batch: memory does not grow with the run.
    Raises DataError for a missing or damaged file, StorageError when the disk refuses.
    """
    run = open_run(folder)
    try:
        page = _environment().get_template("report.html.j2").render(_context(run))
    except pa.ArrowException as error:
        # A column of the wrong type shows only once it is computed with.
        cause = " ".join(str(error).split())[:160]
        raise DataError(f"{run.path / 'data'}: not this run's files ({cause}): {AGAIN}") from error
    return write_page(run.path / "report.html", page)


def _context(run: Run) -> dict[str, Any]:
    scores = measure_scores(run)
    gaps = measure_gaps(run)
    reasons = explain_reasons(run, run.counts("reasons"))
    judges = measure_judges(run)
    graded = grades(run.config)
    return {
        "name": label(run.name),
        "state": words.state(run),
        "lede": lede(run),
        "tiles": tiles(run),
        "truth": truth(run),
        "funnel": funnel(run),
        "notes": notes(run),
        "scores": _scores(run, scores),
        "recipes": recipes(run),
        "models": models(run),
        "judges": judges,
        "judge_names": judges and judges.names,
        "reasons": reasons,
        "place": run.place,
        "rejected_rows": sum(reason.count for reason in reasons),
        "examples": {label(k): v for k, v in pick_rejected(run).items()},
        "gaps": gaps and {"chart": draw_gaps(gaps), "counts": gaps},
        "grades": graded,
        "pairs": pick_pairs(run),
        "samples": pick_samples(run),
        "details": details(run),
        "attributes": ATTRIBUTES,
        "short": SHORT,
        "why_no_pairs": words.why_no_pairs(run),
        "why_no_scores": words.why_no_scores(run, graded),
    }


def _scores(run: Run, scores: Scores | None) -> dict[str, Any] | None:
    if scores is None or not scores.distributions:
        return None
    bounds = words.thresholds(run.config)
    return {
        "kept": scores.kept,
        "rejected": scores.rejected,
        "charts": [
            {
                "name": each.name,
                "asks": words.ASKS[each.name],
                "kept": each.kept,
                "rejected": each.rejected,
                "chart": draw_scores(each, bounds.get(each.name, {})),
            }
            for each in scores.distributions
        ],
        "correlation": _matrix(scores),
    }


def _matrix(scores: Scores) -> list[tuple[str, list[float | None]]] | None:
    if scores.correlation is None:
        return None
    rows = scores.correlation.tolist()
    return [
        (name, [None if r != r else r for r in row])
        for name, row in zip(scores.correlated, rows, strict=True)
    ]


def _ticks(said: str) -> Markup:
    """Our own sentences write settings in backticks; the page shows them as code."""
    parts = said.split("`")
    if len(parts) % 2 == 0:
        return escape(said)
    shown = (
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part)
        for i, part in enumerate(parts)
    )
    return Markup("").join(shown)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    made = environment("gristmill.report", "templates", style="report.css", script="report.js")
    made.filters["ticks"] = _ticks
    return made
