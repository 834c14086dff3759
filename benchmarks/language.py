"""The filter `language` on sentences in 79 languages: what it drops wrongly, and what it lets pass.

Each sentence is a response, and each row's language is expected in turn. A false drop is a sentence
in the expected language that is dropped, a miss one in any other that is kept; most of these are
too short to tell. The same for paragraphs of three sentences. The sentences are from web pages,
with whatever stands there: some are in another language than they are said to be.

    GRISTMILL_DATA=../shared/data python benchmarks/language.py

Sentences: lingua's test data, Apache-2.0.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from pathlib import Path

from gristmill.filters.language import Language
from gristmill.languages import LANGUAGES
from gristmill.languages.detect import DETECTED
from gristmill.records import Message, Prompt, Response, Sample

BESIDE = Path(__file__).parents[2] / "shared" / "data"
DATA = Path(os.environ.get("GRISTMILL_DATA", BESIDE))

Texts = dict[str, list[str]]
"""Texts by the code of their language."""


def sentences() -> Texts:
    by: Texts = defaultdict(list)
    for line in (DATA / "lingua" / "sentences.tsv").read_text(encoding="utf-8").splitlines():
        code, text = line.split("\t", 1)
        by[code].append(text)
    return by


def paragraphs(by: Texts) -> Texts:
    return {
        code: [" ".join(texts[at : at + 3]) for at in range(0, len(texts) - 2, 3)]
        for code, texts in by.items()
    }


def figures(by: Texts) -> dict[str, tuple[int, int, int, int]]:
    """For each language that can be expected: its texts, those dropped, the others, those kept."""
    prompt = Prompt("p", (Message("user", "?"),))
    filters = {
        code: Language(expect=(code,)) for code in by if code in LANGUAGES and code in DETECTED
    }
    counts = {code: [0, 0, 0, 0] for code in filters}
    for own, texts in by.items():
        for text in texts:
            sample = Sample(0, Response(text, "lingua", "stop"))
            for code, filter_ in filters.items():
                dropped = bool(filter_.reason(prompt, sample))
                at = counts[code]
                if code == own:
                    at[0] += 1
                    at[1] += dropped
                else:
                    at[2] += 1
                    at[3] += not dropped
    return {code: (at[0], at[1], at[2], at[3]) for code, at in counts.items()}


def main() -> None:
    start = time.perf_counter()
    by = sentences()
    single, joined = figures(by), figures(paragraphs(by))
    print("| language | sentences | false drops | misses | paragraphs | false drops | misses |")
    print("|---|---|---|---|---|---|---|")
    for code in sorted(single, key=lambda code: LANGUAGES[code].name):
        cells = [LANGUAGES[code].name]
        for own, dropped, others, kept in (single[code], joined[code]):
            cells += [str(own), str(dropped), f"{kept / others:.1%}"]
        print(f"| {' | '.join(cells)} |")
    for name, found in (("sentences", single), ("paragraphs", joined)):
        own, dropped, others, kept = (sum(column) for column in zip(*found.values(), strict=True))
        print(f"{name}: {dropped} of {own} dropped, {kept / others:.2%} of {others:,} kept")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
