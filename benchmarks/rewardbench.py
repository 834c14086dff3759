"""Scoring pairs: `gristmill rewardbench` beside the padded loop of the `rewardbench` package.

    python benchmarks/rewardbench.py
    python benchmarks/rewardbench.py --model small --pairs 300 --rounds 5 --json out.json

The same model (random weights, one score), the same pairs, the same chat template, in one run. The
loop is the package's (0.1.4, `rewardbench/rewardbench.py`): a transformers text-classification
pipeline, in the data's order, a batch of chosen and then a batch of rejected texts, padded to the
longest of the batch, eight at a time, which is its default; and again with the batch size that is
fastest for it here. Ours is the whole of what the command does to each pair, its log among it. Both
load the model anew in each round.

Pairs: the 781 real ones of LLMBar (MIT, princeton-nlp) where `GRISTMILL_DATA`, or `../shared/data`,
has them, those that fit the context of 2,048 tokens; and pairs of the tutor world, which are short.
The scores must agree, so that both have done the same.

Figures are medians of the rounds' ratios, the other side's seconds over ours.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

BATCHES = (1, 2, 4, 8, 16, 32)
DEFAULT = 8
"""The package's own batch size."""
CONTEXT = 2048


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", choices=["tiny", "small", "medium"], default="small")
    parser.add_argument(
        "--pairs", type=int, default=200, help="of LLMBar; four times as many short ones"
    )
    parser.add_argument("--rounds", type=int, default=5, help="pairs of measurements")
    parser.add_argument("--threads", type=int, default=2, help="cores for both sides")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    # Before torch and the threads of the local models see how many cores there are.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    rows = run(args)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Everything that was asked for, a row each."""
    import torch

    torch.set_num_threads(args.threads)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        write_model(args.model, folder)
        for source, place in sources().items():
            # Short pairs are over so soon that loading the model would be most of it.
            count = args.pairs * (1 if source == "llmbar" else 4)
            items = fitting(place, folder, count)
            print(f"{source}: {len(items)} pairs, {args.model} model")
            rows += measure(source, items, folder, args)
    return rows


def sources() -> dict[str, str]:
    """Name -> where the pairs are."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    llmbar = Path(os.environ.get("GRISTMILL_DATA", beside)).resolve() / "llmbar"
    found = {"tutor": "tutor:4000:bench"}
    return {"llmbar": str(llmbar), **found} if llmbar.is_dir() else found


def write_model(name: str, folder: Path) -> None:
    """A random Nemotron with one score, and a context that real pairs fit."""
    import shutil

    import torch
    from transformers import NemotronConfig, NemotronForSequenceClassification

    from gristmill.backends.local_load import quietly
    from gristmill.nemotron.tiny import tiny_path
    from shapes import settings

    torch.manual_seed(0)
    shape = settings(name) | {"max_position_embeddings": CONTEXT, "initializer_range": 0.1}
    with quietly():
        NemotronForSequenceClassification(NemotronConfig(**shape)).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_path("reward") / file, folder / file)
    head = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(head | {"model_max_length": CONTEXT}))


def fitting(place: str, folder: Path, count: int) -> list[Any]:
    """The first pairs of a source of which neither text is too long, evenly from all its rows."""
    from transformers import AutoTokenizer

    from gristmill.bench.items import Item, items_of
    from gristmill.intake.source import Source

    tokenizer = AutoTokenizer.from_pretrained(folder)
    every = [item for item in items_of(Source(file=place)) if isinstance(item, Item)]
    every = every[:: max(1, len(every) // (2 * count))]

    def longest(item: Any) -> int:
        return max(len(tokenizer.encode(text, verbose=False)) for text in texts(item, tokenizer))

    fit = (item for item in every if longest(item) <= CONTEXT)
    return list(islice(fit, count))


def texts(item: Any, tokenizer: Any) -> list[str]:
    """Both conversations of a pair, as the chat template writes them."""
    from gristmill.records import as_dicts

    return [
        tokenizer.apply_chat_template(as_dicts((*item.prompt, *answer)), tokenize=False)
        for answer in item.answers
    ]


def measure(
    source: str, items: Sequence[Any], folder: Path, args: argparse.Namespace
) -> list[dict[str, Any]]:
    """Ours beside the loop, with its own batch size and with its fastest."""
    timed = {}
    for size in BATCHES:
        timed[size] = padded(items[: max(32, len(items) // 4)], folder, size)[0]
    fastest = min(timed, key=timed.__getitem__)
    rows = []
    for size in dict.fromkeys((DEFAULT, fastest)):
        ratios, mine, theirs = [], [], []
        for _ in range(args.rounds):
            seconds, scores = packed(items, folder)
            other, expected = padded(items, folder, size)
            worst = max(abs(a - b) for a, b in zip(scores, expected, strict=True))
            assert worst < 1e-3, f"scores differ by {worst}"
            mine.append(seconds)
            theirs.append(other)
            ratios.append(other / seconds)
        row = {
            "source": source,
            "model": args.model,
            "pairs": len(items),
            "batch": size,
            "ours_s": statistics.median(mine),
            "other_s": statistics.median(theirs),
            "ratio": statistics.median(ratios),
            "ratio_min": min(ratios),
            "ratio_max": max(ratios),
        }
        rows.append(row)
        what = "its default" if size == DEFAULT else "its fastest"
        print(
            f"  batch {size:>2} ({what}): {row['ours_s']:.2f} s against {row['other_s']:.2f} s, "
            f"{row['ratio']:.2f}x ({row['ratio_min']:.2f} to {row['ratio_max']:.2f})",
            flush=True,
        )
    return rows


def packed(items: Sequence[Any], folder: Path) -> tuple[float, list[float]]:
    """Seconds and scores of our way, chosen and rejected in turn."""
    from gristmill.backends import loop
    from gristmill.backends.kept import Kept
    from gristmill.bench.ask import Progress, ask_all, outcome_of
    from gristmill.bench.choose import Request, judges_of

    (judge,) = judges_of(Request("", False, models=(f"hf:{folder}",)))
    with tempfile.TemporaryDirectory() as temporary:
        began = time.perf_counter()
        with Kept(Path(temporary) / "outcomes.log") as outcomes:
            progress = Progress("", "", 1, 1, len(items))
            loop.run(ask_all(judge, iter(items), outcomes, progress, lambda _: None))
            seconds = time.perf_counter() - began
            found = [outcome_of(outcomes, item) for item in items]
    return seconds, [score for outcome in found for score in outcome.scores]


def padded(items: Sequence[Any], folder: Path, size: int) -> tuple[float, list[float]]:
    """Seconds and scores of the package's way."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    from gristmill.backends.local_load import quietly

    began = time.perf_counter()
    with quietly():
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    pipe = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    kwargs = {
        "batch_size": size,
        "truncation": True,
        "padding": True,
        "max_length": CONTEXT,
        "function_to_apply": "none",
    }
    both = [texts(item, tokenizer) for item in items]
    scores: list[float] = []
    for start in range(0, len(both), size):
        batch = both[start : start + size]
        chosen, rejected = (
            [result["score"] for result in pipe([pair[side] for pair in batch], **kwargs)]
            for side in (0, 1)
        )
        scores += [score for pair in zip(chosen, rejected, strict=True) for score in pair]
    return time.perf_counter() - began, scores


if __name__ == "__main__":
    main()
