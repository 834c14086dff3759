"""`gristmill push`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gristmill.cli.console import OUT


def push(
    folder: Annotated[
        Path, typer.Argument(help="A run, a training or a model.", show_default=False)
    ],
    name: Annotated[str, typer.Argument(help="ORG/NAME on the hub.", show_default=False)],
    public: Annotated[bool, typer.Option("--public", help="Let everyone read it.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go where, and send nothing.")
    ] = False,
) -> None:
    """Put a run's data sets, or a trained model, on the Hugging Face hub, with its card.

    Private unless `--public`. `rejected` stays here, and so do config, report and log. The token
    is the hub's own: `hf auth login`, or HF_TOKEN.
    """
    from gristmill.jobs.push import push as push_folder

    pushed = push_folder(folder, name, public=public, dry_run=dry_run)
    for file, size in pushed.parcel.sizes().items():
        OUT.print(f"{size:>12,}  {file}", markup=False, soft_wrap=True)
    who = "private" if pushed.private else "public"
    said = "nothing was sent; this would be" if dry_run else "sent to"
    OUT.print(f"{said} {pushed.url} ({who})", markup=False, soft_wrap=True)
