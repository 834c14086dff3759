"""GRPO on `tiny:instruct` with a judge as its reward, by TRL: held-out accuracy before and after.

    python benchmarks/grpo.py                 a judge that always has a verdict
    python benchmarks/grpo.py --fail 0.5      one that fails half the time
    python benchmarks/grpo.py --fail 0.5 --as-zero    the same, a failure counted as a wrong answer

Questions of the tutor world with their answers; the reward is the judge `truth`. Measured on
held-out questions at temperature 0.8, four answers each, by the world's own truth.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

import gristmill
from gristmill import rewards, tutor
from gristmill.intake.record import PROMPT
from gristmill.intake.source import Source
from gristmill.intervals import mean_of
from gristmill.nemotron.tiny import tiny_path

HELD_OUT = 250


def accuracy(model: str, out: Path) -> tuple[float, float]:
    """Share of right answers, and its standard error over questions."""
    config = {
        "prompts": {"file": f"tutor:{HELD_OUT}:held-out"},
        "generate": {"model": model, "responses": 4, "temperature": 0.8, "max_tokens": 64},
        "judges": [{"truth": {"match": "contains"}}],
    }
    outcome = gristmill.run(config, out, quiet=True)
    right: dict[str, list[bool]] = {}
    for row in outcome.table("scored").to_pylist():
        question = tutor.parse_question(row["prompt"])
        assert question is not None
        right.setdefault(row["prompt"], []).append(tutor.grade(question, row["response"]).right)
    found = mean_of(np.array([sum(one) / len(one) for one in right.values()]))
    return found["mean"], found["se"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--fail", type=float, default=0.0)
    parser.add_argument("--as-zero", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.manual_seed(asked.seed)
    rows = []
    for record in Source(file="tutor:2000").records(PROMPT):
        turns = [{"role": m.role, "content": m.content} for m in record.prompt.messages]
        rows.append({"prompt": turns, "answer": record.prompt.answer})
    (truth,) = rewards.functions({"truth": {"match": "contains"}})
    chance = random.Random(asked.seed)

    def reward(**given: Any) -> list[float | None]:
        missing = 0.0 if asked.as_zero else None
        return [missing if chance.random() < asked.fail else r for r in truth(**given)]

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = accuracy("tiny:instruct", folder / "before")
        begun = time.monotonic()
        config = GRPOConfig(
            output_dir=str(folder / "trl"),
            max_steps=asked.steps,
            per_device_train_batch_size=32,
            num_generations=8,
            max_completion_length=40,
            learning_rate=5e-5,
            temperature=0.8,
            beta=0.0,
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=5,
            logging_steps=10,
            save_strategy="no",
            report_to=[],
            use_cpu=not torch.cuda.is_available(),
            bf16=False,
            seed=asked.seed,
        )
        model = AutoModelForCausalLM.from_pretrained(tiny_path("instruct"), dtype=torch.float32)
        trainer = GRPOTrainer(
            model=model,
            reward_funcs=reward,
            args=config,
            train_dataset=Dataset.from_list(rows),
            processing_class=AutoTokenizer.from_pretrained(tiny_path("instruct")),
        )
        trainer.train()
        took = time.monotonic() - begun
        trainer.save_model(str(folder / "after"))
        after = accuracy(f"hf:{folder / 'after'}", folder / "measured")
    gain, error = after[0] - before[0], (before[1] ** 2 + after[1] ** 2) ** 0.5
    print(
        f"before {before[0]:.1%} (se {before[1]:.1%}), after {asked.steps} steps {after[0]:.1%} "
        f"(se {after[1]:.1%}): {gain:+.1%}, {gain / error:.1f} standard errors; {took:.0f} s"
    )


if __name__ == "__main__":
    main()
