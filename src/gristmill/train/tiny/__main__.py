"""Make the tiny family: tokenizer, base, instruct, reward, figures, model card.

    python -m gristmill.train.tiny [--minutes 90] [--out DIR] [--work DIR]

Up to three hours on two cores; `--minutes` is the wall time for the two long
stages together. Every stage leaves its result under `--work`, and a run started
again with the same folder goes on where it stopped. Without `--out` the models
shipped inside the package are replaced, at the very end.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill.nemotron.tiny import TINY, tiny_path

BASE_SHARE = 0.75  # of the minutes; the reward model has the rest


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything; a test makes a toy family with small ones."""

    documents: int = 500_000
    sft: int = 12_800
    reward: tuple[int, int, int] = (35_000, 2, 10_000)  # questions, own answers each, made ones
    held_out: int = 500
    workers: int = 2


def make(
    work: Path, out: Path, minutes: float, *, seed: int = 0, sizes: Sizes | None = None
) -> dict[str, Any]:
    """Run every stage that `work` does not hold yet; returns the measured figures."""
    from safetensors.torch import load_file

    from gristmill.nemotron.presets import PRESETS

    from . import card, evaluate, export, pretrain, reward, sft
    from .text import tokenizer_at

    sizes = sizes or Sizes()
    work.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    stages = {
        "base": lambda: pretrain.pretrain(
            work, minutes * BASE_SHARE, seed=seed, documents=sizes.documents, workers=sizes.workers
        ),
        "instruct": lambda: sft.instruct(work, seed=seed, count=sizes.sft, workers=sizes.workers),
        "reward": lambda: reward.reward(
            work, minutes * (1 - BASE_SHARE), seed=seed, sizes=sizes.reward, workers=sizes.workers
        ),
    }
    for name, stage in stages.items():
        done = work / f"{name}.safetensors"
        if not done.exists():
            say(f"{name}: training ({time.monotonic() - began:.0f} s so far)")
            sft.keep(stage(), done)
        tokenizer = tokenizer_at(work / "tokenizer")
        preset = reward.JUDGE if name == "reward" else PRESETS["tiny"]
        export.export(preset, load_file(done), tokenizer, work / "models" / name)
    say("measuring on held-out questions")
    figures = evaluate.evaluate(work / "models", count=sizes.held_out)
    figures["training"] = {name: card.last_line(work / name / "log.jsonl") for name in stages}
    (work / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    note = work / "note.md"  # what a person has to add about this run
    text = card.card(figures, note.read_text() if note.exists() else "")
    (work / "models" / "README.md").write_text(text)
    for name in TINY:
        export.copy(work / "models" / name, out / name)
    (out / "README.md").write_text(text)
    say(f"done: {out}")
    return figures


def say(text: str) -> None:
    """One line of progress on standard error."""
    print(f"tiny: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Read the command line and make the family."""
    parser = argparse.ArgumentParser(prog="python -m gristmill.train.tiny", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--minutes", type=float, default=90.0, help="wall time for base and reward")
    parser.add_argument("--out", type=Path, help="where the three models go (default: the package)")
    parser.add_argument("--work", type=Path, default=Path("build/tiny"), help="stages, logs, text")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    make(args.work, args.out or tiny_path("base").parent, args.minutes, seed=args.seed)


if __name__ == "__main__":
    main()
