"""TRL's trainers for `packing.py`, on rows that are already tokens, a step at a time.

A callback takes the time from the beginning of a step of the optimizer to its end, in which TRL
has its batches collated and on their way already, and then lets the other side have its turn.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from transformers import (
    AutoTokenizer,
    NemotronForCausalLM,
    NemotronForSequenceClassification,
    PrinterCallback,
    TrainerCallback,
)
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer

from gristmill.backends.local_load import quietly
from gristmill.train.encode import Item
from shapes import PAIRS, Reference

clock: Callable[[], float] = time.perf_counter
"""What every time is read from, the other side's too."""


@dataclass
class Steps:
    """What was seen of each step: seconds, loss, tokens computed with the padding."""

    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """kind: reward or dpo. folder: of the model. steps: pairs of each step."""

    kind: str
    folder: Path
    steps: Sequence[Sequence[Item]]
    lr: float
    betas: tuple[float, float]
    bf16: bool
    reference: Reference


class _Watched:
    """Notes losses and tokens; takes rows and reference as they are given. Mixed into a trainer."""

    parts: list[tuple[torch.Tensor, int]]

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        loss = super().compute_loss(model, inputs, *args, **kwargs)  # type: ignore[misc]
        self.parts.append((loss.detach(), inputs["input_ids"].numel()))
        return loss


class _Reward(_Watched, RewardTrainer): ...


class _Dpo(_Watched, DPOTrainer): ...


class _Clock(TrainerCallback):
    def __init__(self, seen: Steps, turn: Callable[[int], None]) -> None:
        self.seen, self.turn, self.trainer, self._begun = seen, turn, None, 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.trainer.parts = []
        self._begun = now()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.seen.seconds.append(now() - self._begun)
        parts = self.trainer.parts
        self.seen.losses.append(sum(loss.item() for loss, _ in parts) / len(parts))
        self.seen.tokens.append(sum(tokens for _, tokens in parts))
        self.turn(len(self.seen.seconds) - 1)


def now() -> float:
    """Seconds, once the GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock()


def train(job: Job, micro: int, turn: Callable[[int], None] = lambda _: None) -> Steps:
    """All steps, `micro` pairs at once; after each, `turn` is called with its index."""
    seen = Steps()
    watch = _Clock(seen, turn)
    disable_progress_bars()
    with quietly(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        watch.trainer = _trainer(job, micro, watch)
        watch.trainer.remove_callback(PrinterCallback)
        watch.trainer.train()
    return seen


def _trainer(job: Job, micro: int, watch: _Clock) -> Any:
    reward = job.kind == "reward"
    arguments = (RewardConfig if reward else DPOConfig)(
        output_dir=str(job.folder / "trl"),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=PAIRS // micro,
        max_steps=len(job.steps),
        train_sampling_strategy="sequential",
        learning_rate=job.lr,
        adam_beta1=job.betas[0],
        adam_beta2=job.betas[1],
        weight_decay=0.0,
        lr_scheduler_type="constant",
        warmup_steps=0,
        max_grad_norm=1.0,
        max_length=None,
        bf16=job.bf16,
        gradient_checkpointing=False,
        use_cpu=not torch.cuda.is_available(),
        report_to=[],
        logging_strategy="no",
        save_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        **({} if reward else {"precompute_ref_log_probs": True}),
    )
    made = NemotronForSequenceClassification if reward else NemotronForCausalLM
    return (_Reward if reward else _Dpo)(
        model=made.from_pretrained(job.folder, dtype=torch.float32),
        args=arguments,
        train_dataset=Dataset.from_list([_row(job, i) for step in job.steps for i in step]),
        processing_class=AutoTokenizer.from_pretrained(job.folder),
        callbacks=[watch],
    )


def _row(job: Job, item: Item) -> dict[str, Any]:
    chosen, rejected = item.sequences
    if job.kind == "reward":
        return {"chosen_ids": chosen.ids.tolist(), "rejected_ids": rejected.ids.tolist()}
    prompt = int(chosen.reads[0]) + 1
    reference = job.reference[id(item)].tolist()
    return {
        "prompt_ids": chosen.ids[:prompt].tolist(),
        "chosen_ids": chosen.ids[prompt:].tolist(),
        "rejected_ids": rejected.ids[prompt:].tolist(),
        "ref_chosen_logps": reference[0],
        "ref_rejected_logps": reference[1],
    }
