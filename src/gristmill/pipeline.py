"""A whole run: the mill, then the pages that show what came out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson

from gristmill import mill, report
from gristmill.mill.run import Watch
from gristmill.report.agreement import measure_judges
from gristmill.report.folder import open_run
from gristmill.storage import write_atomically


def run(
    config: mill.Config,
    out: str | Path,
    *,
    limit: int | None = None,
    watch: Watch | None = None,
    truth: Callable[[Path], dict[str, Any]] | None = None,
) -> mill.Outcome:
    """Run a config into a folder and write its card and report; see `gristmill.mill.run`.

    `metrics.json` says beside the mill's counts how far several judges agree, and where `truth` can
    tell from the folder, how right it all is.
    """
    outcome = mill.run(config, out, limit=limit, watch=watch)
    judges = measure_judges(open_run(outcome.folder))
    metrics = {**outcome.metrics, "judges": asdict(judges) if judges else None}
    if truth is not None:
        metrics["truth"] = truth(outcome.folder)
    write_atomically(
        outcome.folder / "metrics.json", orjson.dumps(metrics, option=orjson.OPT_INDENT_2)
    )
    report.write_card(outcome.folder)
    report.write_report(outcome.folder)
    return replace(outcome, metrics=metrics)
