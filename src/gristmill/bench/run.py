"""An evaluation from a request to its pages: what the commands and Python call."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gristmill.backends.many import Watch
from gristmill.bench.card import write_card
from gristmill.bench.choose import Request, judges_of
from gristmill.bench.evaluate import Evaluation, evaluate
from gristmill.bench.page import write_page
from gristmill.intake.source import Source
from gristmill.parts import build
from gristmill.storage import write_atomically


def run(
    request: Request, out: str | Path | None = None, watch: Watch | None = None
) -> tuple[dict[str, Any], Path]:
    """Evaluate, and write figures and pages. Returns the figures and the folder.

    out: the folder; by default `out/` and the data's name. A name that ends in `.json` is a file
    for the figures, and the folder has the same name without it.
    """
    judges = judges_of(request)
    data = {"file": request.data, "columns": request.columns, "limit": request.limit}
    folder = Path(out) if out else Path("out") / _name(request)
    file = folder if folder.suffix == ".json" else None
    if file is not None:
        folder = file.with_suffix("")
    found = Evaluation(build(Source, data, ""), judges, request.scored)
    metrics, tallies = evaluate(found, folder, watch)
    write_card(folder, metrics)
    write_page(folder, metrics, tallies)
    if file is not None:
        write_atomically(file, (folder / "metrics.json").read_bytes())
    return metrics, folder


def _name(request: Request) -> str:
    words = re.sub(r"[^A-Za-z0-9.]+", "-", Path(request.data).name).strip("-.") or "pairs"
    return f"{'rewardbench' if request.scored else 'judges'}-{words}"
