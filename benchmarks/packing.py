"""Steps of the optimizer beside TRL's trainers, and grading beside a padded loop, in one run.

    python benchmarks/packing.py
    python benchmarks/packing.py --model tiny --shapes 100/100 --rounds 9 --json out.json

Training: same weights, same pairs, 32 a step, AdamW, no dropout, no checkpointing; DPO's reference
is given to both. Each side has what was fastest for it: TRL's trainer so many pairs at once, in the
order in which they come or grouped by length (its padding-free DPO needs FlashAttention and is
switched off in 1.16, its reward trainer has none); ours so many tokens at once. Then both take the
same steps in turn. Ours is timed from the tokens of each text, TRL's from its collated batches. The
losses must agree, so that both have done the same.

Grading: 8 responses to each prompt, conversations in and grades out; the loop pads batches of
texts sorted by length, of the size that was fastest for it.

Figures are the medians of the pairs' ratios, the other side's seconds over ours.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

KINDS = ["reward", "dpo", "scoring"]
RESPONSES = 8
TARGETS = {
    ("reward", "400/100"): 1.8,
    ("dpo", "400/100"): 1.8,
    ("reward", "100/100"): 1.4,
    ("dpo", "100/100"): 1.4,
    ("scoring", "400/100"): 2.5,
}
HEAD = (
    "what     shape      ours s  other s    tokens, k each  ratio  (min to max)  target   off"
    "  fastest for the other"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", choices=["tiny", "small", "medium"], default="small")
    parser.add_argument("--shapes", nargs="+", default=["400/100", "100/100"])
    parser.add_argument("--what", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--rounds", type=int, default=5, help="pairs of measurements")
    parser.add_argument("--prompts", type=int, default=24, help="for grading")
    parser.add_argument("--threads", type=int, default=2, help="cores for both sides")
    parser.add_argument("--cpu-time", action="store_true",
                        help="seconds of the CPU, with one thread: for a busy machine")  # fmt: skip
    parser.add_argument("--bf16", action="store_true", help="autocast, in both trainers")
    parser.add_argument("--peak-tflops", type=float, help="of the GPU: print the share reached")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    args.threads = 1 if args.cpu_time else args.threads
    # Before torch and the threads of the local models see how many cores there are.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    rows = run(args)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Everything that was asked for, a row each."""
    import torch

    import grading
    import steps
    import trl_side
    from shapes import Shape, write_model

    torch.set_num_threads(args.threads)
    if args.cpu_time:
        trl_side.clock = time.process_time
    print(HEAD)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for kind in args.what:
            folder = Path(temporary) / kind
            parameters = write_model(kind, args.model, folder)
            for text in args.shapes:
                shape = Shape(*map(int, text.split("/")))
                if kind == "scoring":
                    coroutine = grading.compare(folder, shape, args.prompts, RESPONSES, args.rounds)
                    result = asyncio.run(coroutine)
                else:
                    result = steps.compare(kind, folder, shape, args)
                row = {"what": kind, "shape": text, "model": args.model, **figures(result)}
                row["target"] = TARGETS.get((kind, text))
                show(row)
                if args.peak_tflops and kind != "scoring":
                    done = 6 * parameters * row["ours_tokens"] / row["ours_s"]
                    row["share_of_peak"] = done / (args.peak_tflops * 1e12)
                    print(f"    {row['share_of_peak']:.1%} of the peak")
                rows.append(row)
    return rows


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """Medians in place of the single measurements."""
    ours, theirs = result.pop("ours"), result.pop("theirs")
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    return {
        "ours_s": statistics.median(ours),
        "other_s": statistics.median(theirs),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        **result,
    }


def show(row: dict[str, Any]) -> None:
    """A line of the table."""
    tokens = f"{row['ours_tokens'] / 1000:.1f} / {row['theirs_tokens'] / 1000:.1f}"
    target = "" if row["target"] is None else f"{row['target']:.1f}"
    print(
        f"{row['what']:<8} {row['shape']:<8} {row['ours_s']:>8.2f} {row['other_s']:>8.2f}"
        f"  {tokens:>16}  {row['ratio']:>5.2f}  ({row['ratio_min']:.2f} to {row['ratio_max']:.2f})"
        f"  {target:>6}  {row['difference']:.0e}  {row['best']}",
        flush=True,
    )


if __name__ == "__main__":
    main()
