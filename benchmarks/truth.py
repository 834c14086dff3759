"""Judges that know, on public data: right answers of benchmarks, and those of other rows.

`code` runs HumanEval's and MBPP's own solutions against their tests, `math` compares the answers of
GSM8K and MATH-500 with their solutions. Each is given the row's own answer, which must pass, and
that of another row, which must not (but where it is the same by chance); `math` also numbers that
were changed, and with `truth` the worked answers of MGSM in five languages. The filter `refusal` is
held against the labels that people gave the answers of two models in XSTest. Verdicts a second are
of the whole judge, sandbox and comparison included.

    GRISTMILL_DATA=../shared/data python benchmarks/truth.py

HumanEval, GSM8K, MATH: MIT; MBPP, MGSM, XSTest: CC BY 4.0.
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gristmill.backends.base import Backend
from gristmill.errors import BackendError
from gristmill.filters.refusal import Refusal
from gristmill.judges.base import Judge
from gristmill.judges.code import Code
from gristmill.judges.math import Math
from gristmill.judges.truth import Truth
from gristmill.records import Drop, Message, Prompt, Response, Sample

BESIDE = Path(__file__).parents[2] / "shared" / "data"
DATA = Path(os.environ.get("GRISTMILL_DATA", BESIDE))

Case = tuple[Prompt, str]
"""A prompt with its truth, and what a model would have said."""


def rows(*path: str) -> list[dict[str, Any]]:
    file = DATA.joinpath(*path)
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def code(source: str, tests: str, asked: str) -> Case:
    prompt = Prompt("p", (Message("user", asked),), tests=tests.replace("\r\n", "\n"))
    return prompt, f"Here it is:\n```python\n{source}\n```\n".replace("\r\n", "\n")


def human_eval() -> list[Case]:
    found = rows("human_eval", "HumanEval.jsonl")
    return [code(r["prompt"] + r["canonical_solution"], r["test"], r["prompt"]) for r in found]


def mbpp() -> list[Case]:
    found = rows("mbpp", "mbpp.jsonl")
    return [
        code(r["code"], "\n".join([r["test_setup_code"], *r["test_list"]]).strip(), r["text"])
        for r in found
    ]


def answered(answer: str, said: str) -> Case:
    return Prompt("p", (Message("user", "?"),), answer=answer), said


def gsm8k() -> list[Case]:
    return [answered(r["answer"], r["answer"]) for r in rows("gsm8k", "test.jsonl")]


def gsm8k_changed() -> list[Case]:
    cases = []
    for row in rows("gsm8k", "test.jsonl"):
        number = int(row["answer"].split("####")[1].replace(",", ""))
        for other in (number + 1, -number or 1, number * 10 + 1, number + 100):
            cases.append(answered(row["answer"], f"So the answer is {other}."))
    return cases


def math500() -> list[Case]:
    found = rows("math", "math500_first250.jsonl")
    return [answered(r["answer"], r["solution"]) for r in found]


def mgsm(kind: str) -> dict[str, list[Case]]:
    """Worked answers, `right` or `wrong` ones, by language."""
    found: dict[str, list[Case]] = {}
    for row in rows("mgsm", "worked.jsonl"):
        found.setdefault(row["lang"], []).extend(answered(row["answer"], t) for t in row[kind])
    return found


def refusals(model: str) -> str:
    """How the filter's words agree with people's on the answers of a model in XSTest."""
    with DATA.joinpath("xstest", f"completions_{model}.csv").open(encoding="utf-8") as file:
        answers = list(csv.DictReader(file))
    counts: Counter[tuple[str, str]] = Counter()
    for answer in answers:
        sample = Sample(0, Response(answer["completion"], model))
        dropped = Refusal().reason(Prompt("p", (Message("user", "?"),)), sample)
        counts[answer["final_label"], dropped.reason if isinstance(dropped, Drop) else ""] += 1
    whole = ("refusal", "refusal:as_a_model")
    found = sum(counts["2_full_refusal", word] for word in whole)
    falsely = sum(counts["1_full_compliance", word] for word in whole)
    labelled = sum(n for (label, _), n in counts.items() if label == "2_full_refusal")
    partly = counts["3_partial_refusal", "refusal:partial"]
    return (
        f"{found} of {labelled} full refusals found ({found / labelled:.1%}), "
        f"{found / (found + falsely):.1%} precise against full compliance; of partial ones "
        f"{partly} told as such"
    )


def swapped(cases: Sequence[Case]) -> list[Case]:
    """Each prompt with what was said to the seventh after it."""
    return [(p, cases[(i + 7) % len(cases)][1]) for i, (p, _) in enumerate(cases)]


async def verdicts(judge: Judge, cases: Sequence[Case]) -> Counter[str]:
    async with judge.open() as backend:
        return Counter(await asyncio.gather(*(one(judge, backend, *case) for case in cases)))


async def one(judge: Judge, backend: Backend, prompt: Prompt, said: str) -> str:
    try:
        verdict = await judge.judge(backend, prompt, Response(said, "m"))
    except BackendError as error:
        return error.kind
    return {1.0: "right", 0.0: "wrong"}.get(verdict.reward or 0.0, "in between")


def report(name: str, judge: Judge, cases: Sequence[Case]) -> None:
    start = time.perf_counter()
    found = asyncio.run(verdicts(judge, cases))
    a_second = len(cases) / (time.perf_counter() - start)
    said = ", ".join(f"{n} {kind}" for kind, n in sorted(found.items()))
    print(f"{name:32} {len(cases):5} answers: {said} ({a_second:,.0f} a second)", flush=True)


def main() -> None:
    if not DATA.is_dir():
        sys.exit(f"no data at {DATA}; set GRISTMILL_DATA")
    for name, cases in (("HumanEval", human_eval()), ("MBPP", mbpp())):
        report(name, Code(seconds=30), cases)
        report(f"{name}, of another row", Code(seconds=30), swapped(cases))
    for name, cases in (("GSM8K", gsm8k()), ("MATH-500, first half", math500())):
        report(name, Math(), cases)
        report(f"{name}, of another row", Math(), swapped(cases))
    report("GSM8K, changed", Math(), gsm8k_changed())
    for kind in ("right", "wrong"):
        for language, cases in mgsm(kind).items():
            report(f"MGSM {language}, {kind}, math", Math(), cases)
            report(f"MGSM {language}, {kind}, truth", Truth(match="number"), cases)
    for model in ("gpt4", "llama2orig"):
        print(f"XSTest {model}: {refusals(model)}")


if __name__ == "__main__":
    main()
