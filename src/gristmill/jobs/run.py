"""A whole run: the mill, then the pages that show what came out of it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson

from gristmill import mill, report
from gristmill.backends import loop
from gristmill.errors import InputError
from gristmill.jobs.display import Display
from gristmill.jobs.jsonl import write_jsonl
from gristmill.jobs.log import RunLog
from gristmill.jobs.watching import Told, Watcher, Watchers
from gristmill.mill.config import Config, Given
from gristmill.mill.session import Watch
from gristmill.report.agreement import measure_judges
from gristmill.report.folder import open_run
from gristmill.storage import folder_of, write_atomically
from gristmill.terminal.console import speaker


def run(
    config: Given,
    out: str | Path | None = None,
    *,
    limit: int | None = None,
    watch: Watch | None = None,
    quiet: bool = False,
    log: str | Path | None = None,
    metrics: str | int | None = None,
    export: str | None = None,
) -> mill.Outcome:
    """Run a config into a folder and write its card and report: `gristmill run`.

    config: a file, its values, or a `Config`. out: the folder; by default `out/` and the run's
    name; with the same folder again, it resumes. limit: look at the first so many lines of the
    prompt files only. watch: see `gristmill.mill.run`, in place of the display; quiet: show
    nothing. log: a file that gets a line of JSON for whatever happens (`jobs.log`). metrics: a port
    or HOST:PORT where Prometheus may ask (`jobs.exposing`). export: `jsonl` for the data sets as
    JSON lines, too, beside the Parquet files. Raises InputError for what the user
    must put right and RunError for what failed; whatever was finished by then stays in the
    checkpoint.
    """
    check_export(export)
    config = Config.read(config)
    folder = folder_of(out, config.name)
    console = speaker(quiet)
    watchers: list[Watcher] = [RunLog(Path(log), config, folder, limit)] if log else []
    port = None
    if metrics is not None:
        from gristmill.jobs.exposing import MetricsPort  # brings an HTTP server

        watchers.append(port := MetricsPort(str(metrics), config))
    watchers.append(Told(watch) if watch else Display(console, config, limit))
    with Watchers(watchers) as seen:
        if port is not None and watch is None:
            console.print(f"metrics: {port.address}", markup=False, soft_wrap=True)
        outcome = mill.run(config, folder, limit=limit, watch=seen)
        outcome = finished(outcome)
        if export:
            write_jsonl(outcome.folder)
        seen.ended(outcome)
    return outcome


async def arun(
    config: Given,
    out: str | Path | None = None,
    *,
    limit: int | None = None,
    watch: Watch | None = None,
    quiet: bool = False,
    log: str | Path | None = None,
    metrics: str | int | None = None,
    export: str | None = None,
) -> mill.Outcome:
    """`run`, awaited: what else runs in the caller's loop goes on meanwhile, other runs too.

    watch is called in another thread. Where it is cancelled (a notebook's stop button,
    `asyncio.timeout`), the requests in flight finish, the data is written, and CancelledError is
    raised; cancelled again, they are dropped.
    """
    options = {"limit": limit, "watch": watch, "quiet": quiet, "log": log, "metrics": metrics}
    return await loop.awaited(lambda: run(config, out, **options, export=export))


def check_export(export: str | None) -> None:
    """Raise InputError for what a run cannot export to."""
    if export not in (None, "jsonl"):
        raise InputError(
            f"--export {export}: a run writes `jsonl` besides Parquet; for trainers' formats see "
            "`gristmill export`"
        )


def finished(outcome: mill.Outcome, **more: Any) -> mill.Outcome:
    """Write the pages of a run that the mill has done.

    `metrics.json` says beside the mill's counts how far several judges agree, and `more`.
    """
    judges = measure_judges(open_run(outcome.folder))
    metrics = {**outcome.metrics, "judges": asdict(judges) if judges else None, **more}
    write_atomically(
        outcome.folder / "metrics.json", orjson.dumps(metrics, option=orjson.OPT_INDENT_2)
    )
    report.write_card(outcome.folder)
    report.write_report(outcome.folder)
    return replace(outcome, metrics=metrics)
