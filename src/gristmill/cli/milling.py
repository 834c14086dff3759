"""The commands of the mill: quickstart, run, score, report, flywheel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gristmill.cli.caching import CacheFolder
from gristmill.cli.columns import Columns, columns_of
from gristmill.cli.console import INTERRUPTED, OUT, SHORT, interruptible
from gristmill.cli.settings import Settings
from gristmill.errors import ConfigError, RunError
from gristmill.page.text import plural


def quickstart(
    out: Annotated[Path, typer.Option(help="The run's folder.")] = Path("quickstart"),
) -> None:
    """The whole job on the embedded tiny family: no GPU, no network, under a minute.

    200 questions, 4 answers each, graded, filtered and exported, with a report. It needs the
    extra `local`. Because the tiny world's truth is known, it ends with how many answers were
    right before grading and after.
    """
    from gristmill.jobs.quickstart import quickstart as make

    with interruptible():
        status = make(out, OUT)["status"]
    if status == "interrupted":
        raise typer.Exit(INTERRUPTED)


def run(
    config: Annotated[Path, typer.Argument(help="The run's config (YAML).", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="The run's folder; by default `out/` and the run's name.")
    ] = None,
    set_: Settings = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Look at the first N lines of the prompt files only.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the forecast and three prompts; call no model."),
    ] = False,
    preview: Annotated[
        int | None,
        typer.Option(
            min=1, help="Run the first N lines to the end, and show answers, grades and reasons."
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print the last line alone, and errors.")
    ] = False,
    log: Annotated[
        Path | None,
        typer.Option(help="A file to add JSON lines to: start, phases, progress, failures, end."),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="A port of this machine, or HOST:PORT, where Prometheus may ask; 0 takes a free "
            "one.",
            metavar="PORT",
        ),
    ] = None,
    export: Annotated[
        str | None,
        typer.Option(help="`jsonl`: the data sets as JSON lines, too, beside the Parquet files."),
    ] = None,
    shard: Annotated[
        str,
        typer.Option(
            help="Make one share of the prompts, I/N, beside the others; decide later.",
            show_default=False,
        ),
    ] = "",
    shards: Annotated[
        int | None,
        typer.Option(min=1, max=512, help="Start so many shards, and decide when they are done."),
    ] = None,
    on: Annotated[
        str, typer.Option(help="Where shards are started: local, ray or slurm.")
    ] = "local",
) -> None:
    """Run the mill: prompts in, graded data sets out.

    Run it again with the same folder and it resumes: what was finished is kept, what failed is
    tried again. `keep`, `select`, `export`, `target` and `budget` may change in between; they
    are applied anew to what is there, at no cost. Ctrl-C lets the requests in flight finish,
    writes the data sets, and exits with 130; a second one drops them.

    `--preview 3` does three prompts and shows what came of them; a run of the same folder goes on
    from there.

    With `--shard 3/16` it makes a sixteenth of the prompts and no data; sixteen such processes, on
    one machine or many, share the folder, and a run without `--shard` then decides over all.
    `--shards 16` starts them, on this machine or as jobs of Slurm.
    """
    from gristmill.jobs.summary import show_forecast, show_line, show_outcome, show_shard
    from gristmill.mill import Config

    settings = set_ or ()
    if dry_run:
        show_forecast(OUT, Config.load(config, settings), limit)
        return
    from gristmill.jobs.preview import preview as run_preview
    from gristmill.jobs.run import run as run_config
    from gristmill.jobs.shards import run_shard, run_shards

    # While requests are in flight the mill sees to Ctrl-C itself; this is while recipes write.
    with interruptible():
        if (shard or shards) and (log or metrics):
            raise ConfigError(
                "--log and --metrics are of one process: leave them out of shards, and give them "
                "to the run that decides"
            )
        if shard and export:
            raise ConfigError("--export: a shard writes no data; give it to the run that decides")
        if preview and (shard or shards or limit or export):
            raise ConfigError(
                "--preview is of one process, and says how many lines: leave out the others"
            )
        values = Config.load(config, settings)
        if shard:
            made = run_shard(values, out, shard, limit=limit, quiet=quiet)
            show_shard(OUT, made)
            raise typer.Exit({"interrupted": INTERRUPTED, "budget": SHORT}.get(made.status, 0))
        if shards:
            told = {"limit": limit, "quiet": quiet, "settings": settings, "export": export}
            outcome = run_shards(config, out, shards, on=on, **told)
        elif preview:
            outcome = run_preview(values, out, preview, OUT, quiet=quiet, log=log, metrics=metrics)
        else:
            how = {"limit": limit, "quiet": quiet, "log": log, "metrics": metrics, "export": export}
            outcome = run_config(values, out, **how)
    if isinstance(outcome, str):
        OUT.print(outcome, markup=False, soft_wrap=True)
        return
    (show_line if quiet or preview else show_outcome)(OUT, outcome)
    if outcome.status == "failed":
        first = f", the first: {outcome.said}" if outcome.said else ""
        rows = outcome.metrics["rows"].get("rejected")
        all_ = f"; {outcome.folder}/data/rejected.parquet says why of each" if rows else ""
        again = "put it right and run again: only what failed is tried again"
        raise RunError(f"{outcome.detail}{first}{all_}; {again}")
    if outcome.status == "interrupted":
        raise typer.Exit(INTERRUPTED)
    if outcome.short and not preview:
        raise typer.Exit(SHORT)


def score(
    file: Annotated[
        str,
        typer.Argument(
            help="Conversations or pairs: a file, a folder, a pattern, `-`, hf:org/name:split.",
            show_default=False,
        ),
    ],
    model: Annotated[str, typer.Option(help="The reward model, for instance tiny:reward.")],
    out: Annotated[Path, typer.Option(help="Where to write: a .jsonl or .parquet file.")],
    columns: Columns = "",
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight at most.")] = 64,
    key_env: Annotated[
        str | None, typer.Option(help="The environment variable that holds the endpoint's key.")
    ] = None,
    route: Annotated[
        str, typer.Option(help="Where an endpoint listens: chat, classify or pooling.")
    ] = "chat",
    reference: Annotated[
        str | None,
        typer.Option(help="The reference of a DPO-trained model, to grade by its implicit reward."),
    ] = None,
    cache: CacheFolder = None,
) -> None:
    """Grade answers that are already there: five attributes and the reward.

    Every row of FILE is in the output, in order, with its scores (of a pair `chosen_score` and
    `rejected_score`), or with `error` saying why it has none. Run it again with the same output
    and it goes on where it was; what failed is tried again.
    """
    from gristmill.intake.source import COLUMNS
    from gristmill.jobs.score import score as score_file

    given = {"concurrency": concurrency, "key_env": key_env, "route": route, "reference": reference}
    with interruptible():
        named = columns_of(columns, COLUMNS)
        done = score_file(file, model, out, columns=named, cache=cache, **given)
    graded = done.rows - done.failed
    known = f", {plural(done.cached, 'answer')} out of the cache" if done.cached else ""
    said = f"{plural(graded, 'row')} graded, {done.failed:,} with an error{known}: {out}"
    OUT.print(said, markup=False, soft_wrap=True)


def report(
    folder: Annotated[Path, typer.Argument(help="A run's folder.", show_default=False)],
) -> None:
    """Rebuild the report and the data card of a run from its data."""
    from gristmill.report import write_card, write_report

    write_card(folder)
    OUT.print(f"report: {write_report(folder)}")


def flywheel(
    config: Annotated[
        Path,
        typer.Argument(help="A run's config with `flywheel:` (YAML).", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The flywheel's folder; by default `out/`, the name and `-flywheel`."),
    ] = None,
    set_: Settings = None,
) -> None:
    """Turn the flywheel: in each round a model makes data, what passes trains the next model.

    Every round is measured on prompts that were never trained on, and the flywheel stops when one
    is not better. `ablations` run beside it: no filter, chance, the known truth. Run it again with
    the same folder and it goes on where it was.
    """
    from gristmill.flywheel import load
    from gristmill.flywheel.run import run as run_flywheel
    from gristmill.flywheel.summary import show_rounds

    show_rounds(OUT, run_flywheel(load(config, set_ or ()), out))
