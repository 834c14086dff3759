"""`gristmill train`: the commands of training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gristmill.cli.console import interruptible
from gristmill.cli.settings import Settings
from gristmill.terminal.console import speaker

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


def _train(kind: str, config: Path, out: Path | None, set_: list[str] | None) -> None:
    from gristmill.train.command import is_first, train
    from gristmill.train.job import load_config
    from gristmill.train.progress import show_result

    console = speaker(quiet=not is_first())
    with interruptible(console):
        trained = train(kind, load_config(kind, config, set_ or ()), out)
    show_result(console, trained)


@training.command()
def pretrain(config: _TrainingConfig, out: _TrainingFolder = None, set_: Settings = None) -> None:
    """Predict the next token of plain text, in phases.

    Continues a model, or begins a new one of the Nemotron architecture (`preset`, `tokenizer`).
    """
    _train("pretrain", config, out, set_)


@training.command()
def sft(config: _TrainingConfig, out: _TrainingFolder = None, set_: Settings = None) -> None:
    """Fine-tune on conversations: what the assistant says is learned, all else only read."""
    _train("sft", config, out, set_)


@training.command()
def reward(config: _TrainingConfig, out: _TrainingFolder = None, set_: Settings = None) -> None:
    """Train a reward model: five attributes (HelpSteer2), preference pairs, or both.

    Run it again with the same folder and it goes on from its checkpoint. The result is a folder
    that `gristmill score --model hf:DIR/model` and a config's `judges` take.
    """
    _train("reward", config, out, set_)


@training.command()
def dpo(config: _TrainingConfig, out: _TrainingFolder = None, set_: Settings = None) -> None:
    """Direct preference optimisation on chosen and rejected responses."""
    _train("dpo", config, out, set_)


@training.command()
def rpo(config: _TrainingConfig, out: _TrainingFolder = None, set_: Settings = None) -> None:
    """Reward-aware preference optimisation: pairs with a reward model's scores of both sides."""
    _train("rpo", config, out, set_)


@training.command()
def staged(config: _TrainingConfig, out: _TrainingFolder = None, set_: Settings = None) -> None:
    """Several trainings in a row, each from the last one's model (`stages:`)."""
    from gristmill.train.command import is_first, train_stages
    from gristmill.train.progress import show_result

    console = speaker(quiet=not is_first())
    with interruptible(console):
        train_stages(
            config, out, settings=set_ or (), done=lambda trained: show_result(console, trained)
        )
