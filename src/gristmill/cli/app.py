"""All commands, the entry point, and what becomes of an error."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from typing import Annotated

import typer

from gristmill.cli.arena import app as arena
from gristmill.cli.benching import judge_eval, rewardbench, rows
from gristmill.cli.caching import cache
from gristmill.cli.comparing import compare, quantize
from gristmill.cli.console import ERR, INTERRUPTED, OUT
from gristmill.cli.guide import guide
from gristmill.cli.milling import flywheel, quickstart, report, run, score
from gristmill.cli.planning import plan
from gristmill.cli.prompts import prompts
from gristmill.cli.pushing import export, push
from gristmill.cli.serving import serve
from gristmill.cli.training import training
from gristmill.errors import GristmillError, InputError, RunError
from gristmill.parts import no_code
from gristmill.terminal.console import show_warnings

app = typer.Typer(
    name="gristmill",
    help="Turn a base model and a domain into graded, traceable training data, and the data "
    "into a measurably better model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    epilog="Anywhere on the line: `--debug` gives the traceback behind an error; `--no-code` "
    "refuses a config that would run code of its own.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from gristmill import __version__

        OUT.print(f"gristmill {__version__}")
        raise typer.Exit


@app.callback()
def _global(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and exit.")
    ] = False,
) -> None:
    """What stands before the command."""


for command in (
    quickstart,
    run,
    prompts,
    score,
    report,
    flywheel,
    rewardbench,
    judge_eval,
    compare,
    quantize,
    rows,
    plan,
    serve,
    cache,
    export,
    push,
    guide,
):
    app.command()(command)
app.add_typer(training, name="train")
app.add_typer(arena, name="arena")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _anywhere(flag: str) -> bool:
    """Whether a flag stands on the line, from which it is taken."""
    given = flag in sys.argv
    if given:
        sys.argv.remove(flag)
    return given


def main() -> None:
    """The entry point: one clear line for what the user can act on, the traceback with --debug."""
    debug, guarded = _anywhere("--debug"), _anywhere("--no-code")
    show_warnings()
    try:
        with no_code() if guarded else nullcontext():
            app()
    except GristmillError as error:
        if debug:
            raise
        # What is wrong with a config or file, each of a machine's processes finds.
        if os.environ.get("LOCAL_RANK", "0") == "0" or isinstance(error, RunError):
            ERR.print(f"error: {_line(error)}", style="red", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        ERR.print("interrupted", style="red")
        sys.exit(INTERRUPTED)
    except Exception as error:
        if debug:
            raise
        said, code = f"unexpected {type(error).__name__}: {_line(error)}", 1
        more = "run again with --debug for the traceback, and please report it"
        if isinstance(error, OSError) and error.filename:
            # A file that may not be looked at, or that went away: nothing of ours to put right.
            said, code = f"{error.filename}: {error.strerror}", InputError.exit_code
            more = "--debug shows the traceback"
        ERR.print(f"error: {said} ({more})", style="red", markup=False, soft_wrap=True)
        sys.exit(code)
