"""Does the data make the next model better? The flywheel over several seeds.

    python benchmarks/flywheel.py [--config benchmarks/flywheel.yaml] [--seeds 3] [--out DIR]

Each seed deals the prompts anew and samples and trains anew; the questions that are measured on
stay. Prints accuracy by round and arm, the gain on round 0, how far the reward filter is ahead of
each other arm, and what share of the oracle's gain it has: means over the seeds with 95 %
intervals of Student's t. Run it again with the same folder and it goes on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from gristmill.flywheel import load, run

HERE = Path(__file__).parent


def interval(values: list[float]) -> tuple[float, float]:
    """Mean, and half of its 95 % interval over the seeds."""
    n = len(values)
    if n < 2:
        return float(np.mean(values)), float("nan")
    half = float(student.ppf(0.975, n - 1)) * float(np.std(values, ddof=1)) / n**0.5
    return float(np.mean(values)), half


def said(values: list[float]) -> str:
    """In per cent or points."""
    mean, half = interval([100 * v for v in values])
    return f"{mean:.1f} ± {half:.1f}"


def table(found: list[dict[str, Any]]) -> list[str]:
    """The figures of all seeds' `metrics.json`, as Markdown rows."""
    main = found[0]["main"]
    lines = [
        "| arm | rows right, last round | round 0 | round 1 | round 2 | gain | greedy gain "
        f"| {main} ahead by | its standard errors, pooled |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in found[0]["arms"]:
        arms = [m["arms"][name] for m in found]
        rounds = [a["rounds"] for a in arms]
        count = min(len(r) for r in rounds)
        cells = [said([r[i]["accuracy"]["mean"] for r in rounds]) for i in range(count)]
        cells += ["–"] * (3 - count)
        gains = [r[-1]["gain"]["mean"] for r in rounds]
        greedy = [r[-1]["greedy_gain"]["mean"] for r in rounds]
        ahead = [a["against_main"]["mean"] for a in arms]
        # Questions are shared by the seeds, so the errors over questions do not average out.
        error = np.mean([a["against_main"]["se"] for a in arms])
        other = "–" if name == main else said(ahead)
        errors = "–" if name == main or not error else f"{np.mean(ahead) / error:+.1f}"
        right = said([r[-1]["right_picked"] for r in rounds])
        row = [name, right, *cells, said(gains), said(greedy), other, errors]
        lines.append("| " + " | ".join(row) + " |")
    return lines


def oracle_share(found: list[dict[str, Any]]) -> str:
    """The main arm's gain over the oracle's, seed by seed."""
    shares = []
    for m in found:
        gain = {n: a["rounds"][-1]["gain"]["mean"] for n, a in m["arms"].items()}
        if gain.get("oracle", 0) > 0:
            shares.append(gain[m["main"]] / gain["oracle"])
    return f"share of the oracle's gain: {said(shares)} %" if shares else "no oracle arm"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=HERE / "flywheel.yaml")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("out/benchmark-flywheel"))
    args = parser.parse_args()
    found = []
    for seed in range(args.seeds):
        outcome = run(load(args.config, [f"seed={seed}"]), args.out / f"seed-{seed}")
        found.append(outcome.metrics)
    lines = [*table(found), oracle_share(found)]
    print(f"{args.seeds} seeds, {found[0]['evaluation_prompts']} held-out questions")
    print("\n".join(lines))
    (args.out / "flywheel.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
