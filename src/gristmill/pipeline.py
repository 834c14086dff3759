"""A whole run: the mill, then the pages that show what came out of it."""

from __future__ import annotations

from pathlib import Path

from gristmill import mill, report
from gristmill.mill.run import Watch


def run(
    config: mill.Config, out: str | Path, *, limit: int | None = None, watch: Watch | None = None
) -> mill.Outcome:
    """Run a config into a folder and write its card and report; see `gristmill.mill.run`."""
    outcome = mill.run(config, out, limit=limit, watch=watch)
    report.write_card(outcome.folder)
    report.write_report(outcome.folder)
    return outcome
