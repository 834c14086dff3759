"""Ratings of a million battles, beside the package `arena-rank`: whole processes, time and memory.

    python benchmarks/arena.py [--battles 1000000] [--models 100] [--rounds 5]

Writes one seeded set of battles as CSV and as Parquet, then runs in turn, each in a process of its
own from the file to a JSON file:

- gristmill from CSV, with 100 bootstrap rounds
- arena-rank 0.1.1 from the same CSV, with its sandwich intervals (pandas and JAX, as its README)
- gristmill from Parquet, with 1,000 bootstrap rounds
- arena-rank from Parquet, with its sandwich intervals

Times are medians over the rounds; memory is the largest resident set of a process. Ratings of both
are compared. arena-rank pins numpy and JAX, so it gets an environment of its own, made the first
time in `.venv/arena-rank`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

PEER = Path(__file__).parent.parent / ".venv" / "arena-rank"
PEER_CODE = """
import json, sys
import pandas as pd
from arena_rank.models.bradley_terry import BradleyTerry
from arena_rank.utils.data_utils import PairDataset
path, out = sys.argv[1:]
columns = ["model_a", "model_b", "winner"]
if path.endswith(".csv"):
    frame = pd.read_csv(path, usecols=columns)
else:
    frame = pd.read_parquet(path, columns=columns)
data = PairDataset.from_pandas(frame)
model = BradleyTerry(n_competitors=len(data.competitors))
found = model.compute_ratings_and_cis(data, significance_level=0.05)
json.dump({k: list(map(str if k == "competitors" else float, v)) for k, v in found.items()},
          open(out, "w"))
"""


def write_battles(folder: Path, battles: int, models: int, seed: int = 0) -> None:
    """Battles of models whose strengths are normal, some drawn ten times as often as others; ties
    by Davidson's model; a thousand judges. The same numbers for the same seed."""
    rng = np.random.default_rng(seed)
    strength = rng.normal(0, 0.6, models)
    often = np.geomspace(1, 10, models)
    rng.shuffle(often)
    a = rng.choice(models, battles, p=often / often.sum())
    b = (a + 1 + rng.integers(0, models - 1, battles)) % models
    d = strength[a] - strength[b]
    shares = np.stack([np.exp(d / 2), np.exp(-d / 2), np.full(battles, 0.8)], axis=1)
    shares /= shares.sum(axis=1, keepdims=True)
    drawn = rng.random(battles)
    outcome = (drawn > shares[:, 0]).astype(np.int8) + (drawn > shares[:, :2].sum(axis=1))
    names = pa.array([f"model-{n:03d}" for n in range(models)])
    winners = pa.array(["model_a", "model_b", "tie"])
    table = pa.table(
        {
            "model_a": names.take(pa.array(a)),
            "model_b": names.take(pa.array(b)),
            "winner": winners.take(pa.array(outcome)),
            "judge": pa.array(rng.integers(0, 1000, battles)).cast(pa.string()),
            "tstamp": pa.array(1.7e9 + np.sort(rng.random(battles)) * 1e7),
        }
    )
    pa.csv.write_csv(table, folder / "battles.csv")
    pa.parquet.write_table(table, folder / "battles.parquet")


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds and megabytes (largest resident set) of a process, which has to succeed."""
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert child.stderr
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command}: {said.decode()[-2000:]}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def peer() -> str:
    """The interpreter of the environment that has arena-rank."""
    python = PEER / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEER], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "arena-rank==0.1.1"], check=True)
    return str(python)


def largest_difference(ours: Path, theirs: Path) -> float:
    """Points between both sets of ratings, each from its mean."""
    mine = {row["model"]: row["rating"] for row in json.loads(ours.read_text())["ratings"]}
    other = json.loads(theirs.read_text())
    own = np.array([mine[name] for name in other["competitors"]])
    rated = np.array(other["ratings"])
    return float(np.abs((own - own.mean()) - (rated - rated.mean())).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--battles", type=int, default=1_000_000)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: a child's largest set is at least what its parent had.
        code = "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; "
        code += (
            "from arena import write_battles as w; w(Path(sys.argv[2]), *map(int, sys.argv[3:]))"
        )
        here = str(Path(__file__).parent)
        sizes = [str(given.battles), str(given.models)]
        subprocess.run([sys.executable, "-c", code, here, name, *sizes], check=True)
        csv, parquet = folder / "battles.csv", folder / "battles.parquet"
        out = {key: folder / f"{key}.json" for key in ("ours", "ours-1000", "theirs")}
        rank = [str(Path(sys.executable).parent / "gristmill"), "arena", "rank"]
        arena = [peer(), "-c", PEER_CODE]

        def ours(path: Path, rounds: int, to: str) -> list[str]:
            ask = ["--ci", "bootstrap", "--rounds", str(rounds), "--out", str(out[to])]
            return [*rank, str(path), *ask]

        commands = {
            "gristmill, CSV, 100 rounds": ours(csv, 100, "ours"),
            "arena-rank, CSV, sandwich": [*arena, str(csv), str(out["theirs"])],
            "gristmill, Parquet, 1,000 rounds": ours(parquet, 1000, "ours-1000"),
            "arena-rank, Parquet, sandwich": [*arena, str(parquet), str(out["theirs"])],
        }
        found: dict[str, list[tuple[float, float]]] = {key: [] for key in commands}
        for _ in range(given.rounds):
            for key, command in commands.items():
                found[key].append(timed(command))
        for key, runs in found.items():
            seconds, memory = zip(*runs, strict=True)
            print(
                f"{key:34} {statistics.median(seconds):6.2f} s "
                f"({min(seconds):.2f} to {max(seconds):.2f}) {max(memory):6.0f} MB"
            )
        names = list(commands)
        for mine, other in (names[:2], names[2:]):
            ratios = sorted(b[0] / a[0] for a, b in zip(found[mine], found[other], strict=True))
            memory = max(m for _, m in found[mine]) / max(m for _, m in found[other])
            print(
                f"{mine}: {statistics.median(ratios):.2f} times as fast ({ratios[0]:.2f} to "
                f"{ratios[-1]:.2f}), {100 * memory:.0f} % of the memory"
            )
        print(f"largest difference: {largest_difference(out['ours'], out['theirs']):.4f} points")


if __name__ == "__main__":
    main()
