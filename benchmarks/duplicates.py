"""Near duplicates: the filter's MinHash index beside datasketch's MinHash and MinHashLSH.

    python benchmarks/duplicates.py
    python benchmarks/duplicates.py --texts 5000 --rounds 5 --json out.json
    python benchmarks/duplicates.py --data ../shared/data

The same texts in the same order, 128 permutations, threshold 0.8, shingles of five words. Each
text is looked up among those before it and then added, as a filter does. datasketch gets the
shingles as bytes in one `update_batch`, its fastest way, and chooses its bands for the threshold as
it does; its candidates are verified by its own estimate, as ours are. Cutting texts into shingles
is the same work for both, and is shown with and without.

Half of the texts are new, 150 to 300 words of a vocabulary of 20,000; half are changed copies of an
earlier one, with any similarity from 0.5 to 1. Recall and precision are of "has an earlier text at
0.8 or more" against exact Jaccard of the sets of shingles, over all texts and without those that
are within two standard errors (0.07) of the threshold. Figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from datasketch import MinHash, MinHashLSH

from gristmill.similarity import minhash
from gristmill.similarity.short import is_short
from gristmill.similarity.words import shingles, words

THRESHOLD = 0.8
ERROR = 0.07


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--data", type=Path, help="the folder of public texts")
    args = parser.parse_args()
    if args.data:
        changed_copies(args.data)
        return
    texts, sources = made(args.texts)
    exact = [similarity(texts, place, source) for place, source in enumerate(sources)]
    figures: dict[str, Any] = {"texts": args.texts}
    sides: dict[str, Callable[[list[str]], list[float]]] = {"ours": ours, "datasketch": theirs}
    times: dict[str, list[float]] = {name: [] for name in (*sides, "cutting")}
    for _ in range(args.rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            found = side(texts)
            times[name].append(time.perf_counter() - start)
            figures[name] = agreement(found, exact)
        start = time.perf_counter()
        for text in texts:
            shingles(words(text), 5)
        times["cutting"].append(time.perf_counter() - start)
    rounds = list(zip(times["ours"], times["datasketch"], times["cutting"], strict=True))
    for name, seconds in times.items():
        figures[f"{name}, us a text"] = round(statistics.median(seconds) / args.texts * 1e6, 1)
    figures["times as fast"] = round(statistics.median(b / a for a, b, _ in rounds), 1)
    without = statistics.median((b - c) / max(a - c, 1e-9) for a, b, c in rounds)
    figures["times as fast, without cutting"] = round(without, 1)
    for name, value in figures.items():
        print(f"{name:32} {value}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


def made(count: int) -> tuple[list[str], list[int]]:
    """Texts, and of each the place of the one that it was made from, or -1."""
    rng = random.Random(0)
    texts: list[list[str]] = []
    sources: list[int] = []
    for place in range(count):
        if place < 2 or rng.random() < 0.5:
            texts.append([f"w{rng.randrange(20_000)}" for _ in range(rng.randint(150, 300))])
            sources.append(-1)
            continue
        source = rng.randrange(place)
        while sources[source] >= 0:
            source = rng.randrange(place)
        copy = list(texts[source])
        for at in rng.sample(range(len(copy)), rng.randint(0, len(copy) // 15)):
            copy[at] = f"w{rng.randrange(20_000)}"
        texts.append(copy)
        sources.append(source)
    return [" ".join(text) for text in texts], sources


def similarity(texts: list[str], place: int, source: int) -> float:
    """Exact Jaccard of a text with the one it was made from; unrelated texts share nothing."""
    if source < 0:
        return 0.0
    a, b = (set(shingles(words(texts[i]), 5)) for i in (place, source))
    return len(a & b) / len(a | b)


def ours(texts: list[str]) -> list[float]:
    index = minhash.MinHashIndex(THRESHOLD)
    found = []
    for place, text in enumerate(texts):
        near = index.nearest_or_add(str(place), text)
        found.append(near[1] if near else 0.0)
    return found


def theirs(texts: list[str]) -> list[float]:
    index = MinHashLSH(threshold=THRESHOLD, num_perm=128)
    sketches: dict[str, MinHash] = {}
    found = []
    for place, text in enumerate(texts):
        sketch = MinHash(num_perm=128)
        sketch.update_batch([part.encode() for part in shingles(words(text), 5)])
        near = max((sketches[key].jaccard(sketch) for key in index.query(sketch)), default=0.0)
        found.append(near if near >= THRESHOLD else 0.0)
        if near < THRESHOLD:
            sketches[str(place)] = sketch
            index.insert(str(place), sketch)
    return found


def agreement(found: list[float], exact: list[float]) -> str:
    """Recall and precision, of all and of what is clear, and the error of the estimate."""
    parts = []
    for name, clear in (("all", 0.0), ("clear", ERROR)):
        pairs = [
            (f > 0, e >= THRESHOLD)
            for f, e in zip(found, exact, strict=True)
            if abs(e - THRESHOLD) >= clear
        ]
        right = sum(f and e for f, e in pairs)
        recall, precision = right / sum(e for _, e in pairs), right / sum(f for f, _ in pairs)
        parts.append(f"{name}: recall {recall:.3f}, precision {precision:.3f}")
    errors = [f - e for f, e in zip(found, exact, strict=True) if f and e > 0.85]
    return "; ".join([*parts, f"error of the estimate {np.std(errors):.3f}"])


def changed_copies(data: Path) -> None:
    """Print, for short and long texts and each change, how many copies are near duplicates."""
    texts = list(dict.fromkeys(public(data)))
    for name, some in (
        ("short", [t for t in texts if len(words(t)) >= 13 and is_short(t, words(t))]),
        ("long", [t for t in texts if not is_short(t, words(t))]),
    ):
        print(f"{name}: {len(some)} texts")
        for change, make in CHANGES.items():
            rng = random.Random(0)
            pairs = [(text, copy) for text in some if (copy := make(text, rng)) != text]
            found = [(merged(*pair), alike_in_words(*pair)) for pair in pairs]
            ours, plain = (sum(side) / len(pairs) for side in zip(*found, strict=True))
            print(f"  {change:24} {ours:7.1%} of {len(pairs)}, by words alone {plain:7.1%}")


def public(data: Path) -> list[str]:
    """The texts, in order."""
    found: list[str] = []
    for name, columns in (
        ("gsm8k/train.jsonl", ("question", "answer")),
        ("mbpp/mbpp.jsonl", ("text", "code")),
        ("human_eval/HumanEval.jsonl", ("prompt",)),
        ("self_instruct/seed_tasks.jsonl", ("instruction",)),
        ("mgsm/worked.jsonl", ("question", "right")),
        ("arena_hard/questions.jsonl", ("prompt",)),
    ):
        for line in (data / name).read_text(encoding="utf-8").strip().split("\n"):
            row = json.loads(line)
            for column in columns:
                value = row.get(column, "")
                found.extend([value] if isinstance(value, str) else value)
    return [text for text in found if text]


def merged(text: str, copy: str) -> bool:
    index = minhash.MinHashIndex(THRESHOLD)
    index.add("first", text)
    return index.nearest(copy) is not None


def alike_in_words(text: str, copy: str) -> bool:
    a, b = (set(shingles(words(each), 5)) for each in (text, copy))
    return len(a & b) >= THRESHOLD * len(a | b)


def last(pattern: str, by: Callable[[re.Match[str]], str]) -> Callable[[str, random.Random], str]:
    """A change of the last place where a pattern fits."""

    def change(text: str, _: random.Random) -> str:
        found = list(re.finditer(pattern, text))
        return (
            text[: found[-1].start()] + by(found[-1]) + text[found[-1].end() :] if found else text
        )

    return change


def one_in_fifty(text: str, rng: random.Random) -> str:
    parts = re.split(r"(\s+)", text)
    places = [i for i, part in enumerate(parts) if part.isalpha() and len(part) > 3]
    for at in rng.sample(places, min(len(places), len(words(text)) // 50)):
        parts[at] = "qqq"
    return "".join(parts)


CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    # In upper case a program is another one.
    "upper case": lambda text, _: text if re.search("[;{}]|def ", text) else text.upper(),
    "white space": lambda text, _: re.sub(r"(?<=\S) (?=\S)", "  ", text) + "\n",
    "without full stops": lambda text, _: re.sub(r"[.!](?=\s|$)", "", text),
    "one word in fifty": one_in_fifty,
    "last number, 1 more": last(r"\d+", lambda m: str(int(m[0]) + 1)),
    "minus before the last": last(r"(?<=\s)\d+", lambda m: "-" + m[0]),
    "a point in the last": last(r"(?<=\d)\d\b", lambda m: "." + m[0]),
    "last is, not": last(r"\b(?:is|are|was|were|can|does|should)\b", lambda m: m[0] + " not"),
}
"""What is changed in a text; one that it does not fit stays, and is left out."""


if __name__ == "__main__":
    main()
