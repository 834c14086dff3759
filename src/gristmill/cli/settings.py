"""The option `--set` of every command that reads a config."""

from __future__ import annotations

from typing import Annotated

import typer

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A key of the config anew, its value in YAML: --set generate.temperature=1. May be "
        "repeated.",
        show_default=False,
    ),
]
