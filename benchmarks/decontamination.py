"""Decontamination of 100,000 rows against 20,000 benchmark items: time, memory, what is found.

    python benchmarks/decontamination.py
    python benchmarks/decontamination.py --rows 10000 --items 2000 --json out.json

Rows and items are pseudo-English of this file's own: words of letters, by Zipf's law, an item 20 to
120 words, a prompt 10 to 80, a response 50 to 400. In one row of a hundred something of an item is
planted: a run of 13 to 30 words in other case and punctuation, or 120 to 160 letters that are cut
into other words. As many rows have a run of 12 words, which must not be found. Everything else that
is found is a false alarm.

Ours is the filter as the mill calls it, prompt and response of every row, the index among it.
Beside it, on every tenth row, stands what is usually written for this: a set of the items' n-grams
as strings, and a look at each n-gram of a row, on the same words (no item, no share, no words
shown), and ours without substrings. Peak memory is of the process after our part.

    python benchmarks/decontamination.py --meaning hf:./all-MiniLM-L6-v2

With --meaning, paraphrases by that model instead, on public data (`GRISTMILL_DATA`, by default
`../shared/data`): of 147 paraphrased solutions of HumanEval how many are near one of its items, and
how many rows of other sets are, which is a false alarm but for the same task in both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from gristmill.backends import open_embedding
from gristmill.filters.decontamination import Decontamination
from gristmill.records import Message, Prompt, Response, Sample
from gristmill.similarity.words import shingles, words


@dataclass(frozen=True, slots=True)
class Row:
    """A row, and the place of the item that is planted in it: `words`, `letters`, `twelve`."""

    prompt: str
    response: str
    planted: str = ""
    item: int = -1


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--meaning", metavar="MODEL", help="a model that embeds")
    args = parser.parse_args()
    figures = paraphrases(args.meaning) if args.meaning else run(args)
    for name, value in figures.items():
        print(f"{name:32} {value}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Everything, as figures."""
    english = English(args.seed)
    items = [english.words(20, 120) for _ in range(args.items)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.jsonl"
        path.write_text("".join(json.dumps({"question": " ".join(i)}) + "\n" for i in items))
        seconds, index_seconds, counts = filtered(path, english.rows(items, args.rows))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows = english.rows(items, args.rows, step=10)
        alone, index_alone, _ = filtered(path, rows, substring=None)
    plain = usual(items, english.rows(items, args.rows, step=10))
    planted = {kind: counts[kind] for kind in ("words", "letters", "twelve")}
    return {
        "rows": args.rows,
        "items": args.items,
        "seconds": round(seconds, 1),
        "of these for the index": round(index_seconds, 1),
        "rows a second": round(args.rows / seconds),
        "peak memory, MB": round(peak),
        "planted runs of words": f"{counts['found words']} of {planted['words']} found",
        "planted substrings": f"{counts['found letters']} of {planted['letters']} found",
        "runs of 12 words": f"{counts['found twelve']} of {planted['twelve']} found",
        "false alarms": counts["false"],
        "of a tenth of the rows, seconds": "without the indexes:",
        "  words alone": round(alone - index_alone, 2),
        "  a set of strings": round(plain, 2),
    }


def paraphrases(model: str) -> dict[str, Any]:
    """How many rows of each set are as near to an item as each threshold."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    data = Path(os.environ.get("GRISTMILL_DATA", beside))

    def column(name: str, key: str) -> list[str]:
        lines = (data / name).read_text(encoding="utf-8").strip().split("\n")
        return [text for line in lines if (text := json.loads(line)[key].strip())]

    async def embedded(texts: list[str]) -> np.ndarray:
        async with open_embedding(model) as backend:
            found = await asyncio.gather(*map(backend.embed, texts))
        return np.stack([each.vector for each in found])

    items = asyncio.run(embedded(column("decontamination/benchmark.jsonl", "text")))
    test = asyncio.run(embedded(column("gsm8k/test.jsonl", "question")))
    figures = {}
    for name, key, against in (
        ("decontamination/paraphrased.jsonl", "text", items),
        ("mbpp/mbpp.jsonl", "text", items),
        ("mbpp/mbpp.jsonl", "code", items),
        ("self_instruct/seed_tasks.jsonl", "instruction", items),
        ("gsm8k/train.jsonl", "question", items),
        ("arena_hard/questions.jsonl", "prompt", items),
        ("gsm8k/train.jsonl", "question", test),
    ):
        nearest = (asyncio.run(embedded(column(name, key))) @ against.T).max(axis=1)
        counts = [f"{t}: {int((nearest >= t).sum())}" for t in (0.85, 0.8, 0.75, 0.7, 0.65)]
        which = f"{name} {key}" + (" against its test" if against is test else "")
        figures[which] = f"{', '.join(counts)} of {len(nearest)}"
    return figures


class English:
    """Text that looks like English to a filter: made-up words, as often as Zipf's law has it."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = random.Random(seed)
        letters = "etaoinshrdlucmfwygpbvk"
        lengths = [2, 3, 4, 5, 6, 7, 8, 9, 10]
        made: dict[str, None] = {}
        while len(made) < 30_000:
            size = self._random.choice(lengths)
            made["".join(self._random.choices(letters, k=size))] = None
        self._words = sorted(made, key=len)
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(len(made))))

    def words(self, least: int, most: int, source: random.Random | None = None) -> list[str]:
        rng = source or self._random
        return rng.choices(self._words, cum_weights=self._weights, k=rng.randint(least, most))

    def rows(self, items: list[list[str]], count: int, step: int = 1) -> Iterator[Row]:
        """The same rows each time, every `step`-th of them."""
        for number in range(0, count, step):
            rng = random.Random(self._seed * 1_000_003 + number)
            prompt, response = self.words(10, 80, rng), self.words(50, 400, rng)
            kind = {50: "words", 150: "letters", 100: "twelve"}.get(number % 200, "")
            item = rng.randrange(len(items)) if kind else -1
            while kind and len("".join(items[item])) < 120:
                item = rng.randrange(len(items))
            if kind:
                into = prompt if rng.random() < 0.5 else response
                at = rng.randrange(len(into))
                into[at:at] = ["qqq", *piece(items[item], kind, rng), "qqq"]
            yield Row(sentence(prompt, rng), sentence(response, rng), kind, item)


def piece(item: list[str], kind: str, rng: random.Random) -> list[str]:
    """What of an item is planted."""
    if kind == "letters":
        text = "".join(item)
        size = rng.randint(120, 160)
        start = rng.randint(0, max(0, len(text) - size))
        part = text[start : start + size]
        return [part[i : i + 7] for i in range(0, len(part), 7)]
    size = 12 if kind == "twelve" else rng.randint(13, 30)
    start = rng.randint(0, max(0, len(item) - size))
    return item[start : start + size]


def sentence(found: list[str], rng: random.Random) -> str:
    marks = rng.choices(["", "", "", "", "", "", ",", ".", " -", "!"], k=len(found))
    return " ".join(w.capitalize() + m if m else w for w, m in zip(found, marks, strict=True))


def filtered(
    path: Path, rows: Iterator[Row], **options: Any
) -> tuple[float, float, dict[str, int]]:
    """Seconds of the filter in all and for its index, and what was planted and found."""
    counts = dict.fromkeys(
        ("words", "letters", "twelve", "found words", "found letters", "found twelve", "false"), 0
    )
    filter_ = Decontamination(against=(str(path),), **options)
    start = time.perf_counter()
    said = filter_.reason(*as_records(Row("x", "y")))
    index_seconds = seconds = time.perf_counter() - start
    for row in rows:
        prompt, sample = as_records(row)
        start = time.perf_counter()
        said = filter_.reason(prompt, sample)
        seconds += time.perf_counter() - start
        if row.planted:
            counts[row.planted] += 1
        if said and row.planted and f":{row.item + 1}," in said[1]:
            counts[f"found {row.planted}"] += 1
        elif said:
            counts["false"] += 1
    return seconds, index_seconds, counts


def as_records(row: Row) -> tuple[Prompt, Sample]:
    return (
        Prompt(row.prompt[:20], (Message("user", row.prompt),)),
        Sample(0, Response(row.response, "m")),
    )


def usual(items: list[list[str]], rows: Iterator[Row]) -> float:
    """Seconds of a set of strings, its making not among them."""
    known = {gram for item in items for gram in shingles(item, 13)}
    seconds, found = 0.0, 0
    for row in rows:
        start = time.perf_counter()
        for text in (row.prompt, row.response):
            found += any(gram in known for gram in shingles(words(text), 13))
        seconds += time.perf_counter() - start
    assert found or not rows
    return seconds


if __name__ == "__main__":
    sys.exit(main())
