"""`gristmill cache`: what a cache of answers holds, and clearing it; the option `--cache`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from gristmill.cli.console import OUT
from gristmill.errors import ConfigError
from gristmill.page.text import plural

CacheFolder = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        help="A folder of answers: those in it are not asked for again, new ones are added.",
        show_default=False,
    ),
]
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def cache(
    folder: Annotated[Path, typer.Argument(help="The cache's folder.", show_default=False)],
    clear: Annotated[
        bool, typer.Option("--clear", help="Delete answers: all, or those that the others name.")
    ] = False,
    older_than: Annotated[
        str | None,
        typer.Option(help="With --clear: those at least so old, as in 12h, 30d or 8w."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="With --clear: those of this model string.")
    ] = None,
) -> None:
    """What is in a cache of answers (`cache: DIR` of a run, `--cache DIR`), by model; clear it.

    Runs that use it meanwhile go on.
    """
    from gristmill.storage.cache import clear as clear_answers

    if not clear:
        if older_than or model:
            raise ConfigError("--older-than and --model say what to delete: add --clear")
        _show(folder)
        return
    age = None if older_than is None else _age(older_than)
    deleted = clear_answers(folder, older_than=age, model=model)
    OUT.print(f"{plural(deleted, 'answer')} deleted: {folder}", markup=False, soft_wrap=True)


def _show(folder: Path) -> None:
    from datetime import datetime

    from rich.table import Table

    from gristmill.page.text import NARROW, brief, label, plural
    from gristmill.storage.cache import size_on_disk, survey

    held = survey(folder)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head, side in (("model", "left"), ("answers", "right"), ("bytes", "right")):
        table.add_column(head, justify=side, overflow="fold")  # type: ignore[arg-type]
    for head in ("oldest", "newest"):
        table.add_column(head)
    for one in held:
        days = (datetime.fromtimestamp(at).date().isoformat() for at in (one.oldest, one.newest))
        table.add_row(label(one.name), f"{one.entries:,}", brief(one.size), *days)
    if held:
        OUT.print(table)
    size = brief(size_on_disk(folder)).replace(NARROW, " ")
    entries = sum(one.entries for one in held)
    OUT.print(f"{plural(entries, 'answer')}, {size} bytes: {folder}", markup=False, soft_wrap=True)


def _age(text: str) -> float:
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if found is None:
        raise ConfigError(f"--older-than {text}: write a number and s, m, h, d or w, as in 30d")
    return int(found[1]) * _SECONDS[found[2]]
