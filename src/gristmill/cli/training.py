"""`gristmill train`: the commands of training."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gristmill.cli.console import OUT, interruptible

training = typer.Typer(
    help="Train a model: pretrain, sft, reward, dpo, rpo, or several of them in a row.",
    no_args_is_help=True,
)
_TrainingConfig = Annotated[
    Path, typer.Argument(help="The training config (YAML).", show_default=False)
]
_TrainingFolder = Annotated[
    Path | None, typer.Option(help="The run's folder; by default `out/` and the run's name.")
]


def _train(kind: str, config: Path, out: Path | None) -> None:
    from gristmill.train import load_config
    from gristmill.train import run as run_training
    from gristmill.train.progress import Shown, show_result

    loaded = load_config(kind, config)
    console = _speaker()
    with interruptible(console), Shown(console, loaded.name) as watch:
        trained = run_training(loaded, out or Path("out") / loaded.name, watch=watch)
    show_result(console, trained)


def _speaker() -> Console:
    """Of several processes on one training, the first alone speaks."""
    first = os.environ.get("RANK", "0") == "0"
    return OUT if first else Console(quiet=True)


@training.command()
def pretrain(config: _TrainingConfig, out: _TrainingFolder = None) -> None:
    """Predict the next token of plain text, in phases.

    Continues a model, or begins a new one of the Nemotron architecture (`preset`, `tokenizer`).
    """
    _train("pretrain", config, out)


@training.command()
def sft(config: _TrainingConfig, out: _TrainingFolder = None) -> None:
    """Fine-tune on conversations: what the assistant says is learned, all else only read."""
    _train("sft", config, out)


@training.command()
def reward(config: _TrainingConfig, out: _TrainingFolder = None) -> None:
    """Train a reward model: five attributes (HelpSteer2), preference pairs, or both.

    Run it again with the same folder and it goes on from its checkpoint. The result is a folder
    that `gristmill score --model hf:DIR/model` and a config's `judges` take.
    """
    _train("reward", config, out)


@training.command()
def dpo(config: _TrainingConfig, out: _TrainingFolder = None) -> None:
    """Direct preference optimisation on chosen and rejected responses."""
    _train("dpo", config, out)


@training.command()
def rpo(config: _TrainingConfig, out: _TrainingFolder = None) -> None:
    """Reward-aware preference optimisation: pairs with a reward model's scores of both sides."""
    _train("rpo", config, out)


@training.command()
def staged(config: _TrainingConfig, out: _TrainingFolder = None) -> None:
    """Several trainings in a row, each from the last one's model (`stages:`)."""
    from gristmill.train.progress import Shown, show_result
    from gristmill.train.stages import load_stages, run_stages

    loaded, stages = load_stages(config)
    console = _speaker()
    folder = out or Path("out") / loaded.name
    with interruptible(console):
        for trained in run_stages(stages, loaded.model, folder, lambda s: Shown(console, s.name)):
            show_result(console, trained)
