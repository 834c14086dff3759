"""The command `prompts`: prompt synthesis alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gristmill.cli.caching import CacheFolder
from gristmill.cli.console import OUT, SHORT, interruptible
from gristmill.cli.settings import Settings
from gristmill.errors import RunError
from gristmill.page.text import plural


def prompts(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A recipe's name (open_qa, writing, closed_qa, math, coding, instructions, "
            "two_turn, dialogue, evolve, self_instruct), or a YAML file with `recipe: ...` or "
            "`mix: [...]` and their keys.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where to write the prompts: a .jsonl file.")],
    model: Annotated[
        str | None, typer.Option(help="The model that writes them, for instance http://...#name.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="How many prompts.")] = None,
    language: Annotated[
        str | None, typer.Option(help="What they are written in: a code or name; en by default.")
    ] = None,
    set_: Settings = None,
    key_env: Annotated[
        str | None, typer.Option(help="The environment variable that holds the endpoint's key.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Requests in flight at most; 64 by default.")
    ] = None,
    max_requests: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many requests, retries among them.")
    ] = None,
    cache: CacheFolder = None,
) -> None:
    """Write prompts: topics, questions, dialogues, tasks, by one of the recipes.

    Each line has the prompt and its lineage: the topic, the subtopic and the draft that it was
    made from. Run it again with the same file and it goes on where it was: no call is repeated.
    It ends when the count is reached, the budget is spent, or the model brings nothing new, and
    says which.
    """
    from gristmill.mill.write_prompts import write_prompts
    from gristmill.mill.writing_bar import WritingBar

    given = {
        **{"model": model, "count": count, "language": language},
        **{"key_env": key_env, "concurrency": concurrency},
    }
    bar = WritingBar(OUT)
    bar.says_last = False  # What came of it is said below.
    with interruptible(), bar as watch:
        settings = set_ or ()
        writing = write_prompts(
            recipe, out, requests=max_requests, cache=cache, settings=settings, watch=watch, **given
        )
    _show(writing, out)
    if not writing.delivered:
        first = f", the first: {writing.said}" if writing.said else ""
        raise RunError(f"no prompt was written: {writing.short}{first}")
    if writing.short:
        raise typer.Exit(SHORT)


def _show(writing: Any, out: Path) -> None:
    there = plural(writing.delivered, "prompt")
    if writing.delivered < writing.wanted:
        there = f"{writing.delivered:,} of {plural(writing.wanted, 'prompt')}"
    said = f"{there} in {plural(writing.calls, 'call')}: {out}"
    OUT.print(said, markup=False, soft_wrap=True, highlight=False)
    if writing.short and writing.delivered:
        OUT.print(f"fewer than wanted: {writing.short}", markup=False, soft_wrap=True)
    for report in writing.reports:
        if lost := report.lost():
            OUT.print(f"  {report.recipe}: {lost}", markup=False, soft_wrap=True, highlight=False)
    OUT.print(f"calls, items and report: {out}.work", markup=False, soft_wrap=True)
