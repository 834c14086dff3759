"""The instruct model: a short fine-tuning on few answers of mixed quality.

Little and noisy on purpose. The base knows more than the instruct model shows,
which is what a filter can find and a flywheel can win back.
"""

from __future__ import annotations

import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from gristmill.nemotron.chat import TURN, chat_prompt
from gristmill.nemotron.presets import PRESETS, Preset
from gristmill.tutor import Question, answer, questions

from . import lean
from .lean import Weights
from .loop import Plan, run
from .pretrain import language_loss
from .text import ANSWER_WEIGHT, Piece, tokenize, tokenizer_at

# Per cent of each quality among the answers: what makes the instruct model's own
# answers right a little over six times in ten. Measured, not derived.
MIX = {
    "right": 24,
    "terse": 9,
    "rambling": 9,
    "wrong": 36,
    "off_point": 4,
    "garbled": 9,
    "incomplete": 9,
}
STOPS = (0, 2)  # ids of <|endoftext|> and <extra_id_1>; a test holds them


def prompt_of(question: Question) -> str:
    """The chat prompt of a question."""
    return chat_prompt([{"role": "user", "content": question.text}])


def documents(count: int, seed: int) -> list[list[Piece]]:
    """`count` conversations over training questions; only the answers carry weight."""
    rng = random.Random(f"sft:{seed}")
    out: list[list[Piece]] = []
    for question in questions(count, 100 + seed, held_out=False):
        quality = rng.choices(list(MIX), list(MIX.values()))[0]
        text = answer(question, quality, rng)
        out.append([(prompt_of(question), 0), (f"{text}\n{TURN}", ANSWER_WEIGHT)])
    return out


def instruct(work: Path, *, count: int, seed: int = 0, workers: int = 2) -> Weights:
    """Fine-tune the base found at `work/base.safetensors` for one epoch."""
    out = work / "instruct"
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_at(work / "tokenizer")
    tokenize(tokenizer, documents(count, seed)).save(out / "documents.npz")
    plan = Plan(
        PRESETS["tiny"],
        out,
        work / "base.safetensors",
        language_loss,
        steps=count // 128,
        rates=(0.01, 1.5e-3),
        decay=0.8,
        seed=seed,
        workers=workers,
    )
    return run(plan)


def sample(
    preset: Preset,
    w: Weights,
    tokenizer: Any,
    asked: list[Question],
    how: tuple[int, float, int],
) -> list[list[str]]:
    """Answers to each question; `how` is (answers each, temperature, seed)."""
    each, temperature, seed = how
    prompts = tokenizer([prompt_of(q) for q in asked])["input_ids"]
    repeated = [p for p in prompts for _ in range(each)]
    half = {k: v.bfloat16() for k, v in w.items()}
    ids = lean.generate(
        preset, half, repeated, stops=STOPS, temperature=temperature, max_tokens=120, seed=seed
    )
    texts = [text.strip() for text in tokenizer.batch_decode(ids)]
    return [texts[i : i + each] for i in range(0, len(texts), each)]


def _sample_part(work: str, asked: list[Question], how: tuple[int, float, int]) -> list[list[str]]:
    import torch

    torch.set_num_threads(1)
    w = load_file(Path(work) / "instruct.safetensors")
    return sample(PRESETS["tiny"], w, tokenizer_at(Path(work) / "tokenizer"), asked, how)


def own_answers(
    work: Path, asked: list[Question], each: int, *, seed: int = 0, workers: int = 2
) -> list[list[str]]:
    """The instruct model's own answers at temperature 0.8, `each` to every question.

    Sampled by `workers` processes of one thread each, or right here by one.
    """
    parts = [
        asked[i * len(asked) // workers : (i + 1) * len(asked) // workers] for i in range(workers)
    ]
    hows = [(each, 0.8, seed + i) for i in range(workers)]
    if workers == 1:
        return _sample_part(str(work), parts[0], hows[0])
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        done = pool.map(_sample_part, [str(work)] * workers, parts, hows)
        return [answers for part in done for answers in part]


def keep(weights: Weights, path: Path) -> None:
    """Store weights for the next stage."""
    save_file({k: v.contiguous() for k, v in weights.items()}, path)
