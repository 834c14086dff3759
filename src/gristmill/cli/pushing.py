"""`gristmill push` and `gristmill export`: what is there, for others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gristmill.cli.console import OUT
from gristmill.page.text import plural


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


def export(
    source: Annotated[
        str,
        typer.Argument(
            help="A run's folder, or prompts: a file, a folder, tutor:200, hf:org/name:split.",
            show_default=False,
        ),
    ],
    trainer: Annotated[
        str,
        typer.Option(
            "--for",
            help="trl, verl, openrlhf, gym, nemo; openai, hermes; or jsonl.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to write: a .jsonl or .parquet file; for jsonl a folder, by default the "
            "run's data/."
        ),
    ] = None,
) -> None:
    """Write prompts with answers, tests and constraints as RL trainers read them.

    `--for openai` and `--for hermes` write conversations to fine-tune on, a run's sft or those of a
    file, with their tools as OpenAI and Hermes have them. `--for jsonl` writes the data sets of a
    run, sft, preference, scored and rejected, as JSON lines.
    """
    from gristmill.jobs.export import export as export_prompts

    done = export_prompts(source, trainer, out)
    for line in done.refused[:3]:
        OUT.print(f"left out: {line}", markup=False, soft_wrap=True)
    more = f", {len(done.refused):,} left out" if done.refused else ""
    written = {"jsonl": "row", "openai": "conversation", "hermes": "conversation"}
    what = plural(done.rows, written.get(trainer, "prompt"))
    OUT.print(f"{what}{more}: {done.out}", markup=False, soft_wrap=True)
