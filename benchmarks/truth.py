"""Judges and filters held against public data with known verdicts: one table.

Each line is one judge or filter on one set. `+` are the cases that it should find: right answers
for a judge, what is to be dropped for a filter; `-` those that it should not. Of `+` the share that
it finds is its recall, of what it finds the share that is `+` its precision. An answer without a
verdict is none of either, and is told.

`code` runs HumanEval's, MBPP's and, where it is there, HumanEvalPack's own solutions against their
tests; `math` compares the answers of GSM8K and MATH-500 with their solutions, and the worked ones
of MGSM in five languages, as `truth` does. Each is given the row's own answer, and that of the
seventh row after it (the same but by chance) or numbers that were changed. `format` is held against
the published verdicts of IFEval, `refusal` against the labels that people gave in XSTest,
`language` against the sentences of lingua.

    GRISTMILL_DATA=../shared/data python benchmarks/truth.py [NAME ...]

NAME: judges or filters; all where none is given. `--wrong` prints the cases that came out wrong.

HumanEval, HumanEvalPack, GSM8K, MATH: MIT; MBPP, MGSM, XSTest: CC BY 4.0; IFEval (google-research,
shisa-ai), lingua: Apache-2.0.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ifeval
import language as lingua
from gristmill.constraints import as_json
from gristmill.errors import BackendError
from gristmill.filters.base import Filter
from gristmill.filters.language import Language
from gristmill.filters.refusal import Refusal
from gristmill.judges.base import Judge
from gristmill.judges.code import Code
from gristmill.judges.format import Format
from gristmill.judges.math import Math
from gristmill.judges.truth import Truth
from gristmill.languages import LANGUAGES
from gristmill.languages.detect import DETECTED
from gristmill.records import Drop, Message, Prompt, Response, Sample

BESIDE = Path(__file__).parents[2] / "shared" / "data"
DATA = Path(os.environ.get("GRISTMILL_DATA", BESIDE))


class Case(NamedTuple):
    """An answer to a prompt, and whether it is one that should be found."""

    prompt: Prompt
    said: str
    wanted: bool


class Line(NamedTuple):
    """One line of the table. check: whether each case is found, None without a verdict."""

    name: str
    data: str
    check: Callable[[Sequence[Case]], list[bool | None]]
    cases: Iterable[Case]


def rows(*path: str) -> list[dict[str, Any]]:
    file = DATA.joinpath(*path)
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def prompt(asked: str = "?", **facts: Any) -> Prompt:
    return Prompt("p", (Message("user", asked),), **facts)


def beside_others(own: Sequence[tuple[Prompt, str]], end: Callable[[str], str] = str) -> list[Case]:
    """Each prompt with its own answer, and with that of the seventh after it, but where both have
    the same end."""
    cases = [Case(asked, said, True) for asked, said in own]
    for place, (asked, said) in enumerate(own):
        other = own[(place + 7) % len(own)][1]
        if end(said) != end(other):
            cases.append(Case(asked, other, False))
    return cases


def coded(source: str, tests: str, asked: str, tag: str = "python") -> tuple[Prompt, str]:
    said = f"Here it is:\n```{tag}\n{source}\n```\n".replace("\r\n", "\n")
    return prompt(asked, tests=tests.replace("\r\n", "\n")), said


def human_eval() -> list[Case]:
    found = rows("human_eval", "HumanEval.jsonl")
    return beside_others(
        [coded(r["prompt"] + r["canonical_solution"], r["test"], r["prompt"]) for r in found]
    )


def bodies() -> list[Case]:
    """HumanEval's solutions as they are: bodies alone, without the head that the prompt gives."""
    found = rows("human_eval", "HumanEval.jsonl")
    return beside_others(
        [(prompt(r["prompt"], tests=r["test"]), r["canonical_solution"]) for r in found]
    )


def mbpp() -> list[Case]:
    found = rows("mbpp", "mbpp.jsonl")
    tests = ["\n".join([r["test_setup_code"], *r["test_list"]]).strip() for r in found]
    return beside_others(
        [coded(r["code"], test, r["text"]) for r, test in zip(found, tests, strict=True)]
    )


def pack(name: str) -> Iterator[Case]:
    """HumanEvalPack's solutions in another language, and the ones with a bug."""
    for row in rows("humanevalpack", f"{name}.jsonl"):
        tests = f"{row.get('test_setup') or ''}\n{row['test']}"
        asked = f"{row['instruction']}\n\n{row['prompt']}"
        for kind, wanted in (("canonical_solution", True), ("buggy_solution", False)):
            yield Case(*coded(row["declaration"] + row[kind], tests, asked, name), wanted)


def gsm8k() -> list[Case]:
    """And with numbers that were changed."""
    found = rows("gsm8k", "test.jsonl")
    own = [(prompt(answer=r["answer"]), r["answer"]) for r in found]
    cases = beside_others(own, lambda answer: answer.partition("####")[2].strip())
    for row in found:
        number = int(row["answer"].split("####")[1].replace(",", ""))
        for other in (number + 1, -number or 1, number * 10 + 1, number + 100):
            said = f"So the answer is {other}."
            cases.append(Case(prompt(answer=row["answer"]), said, False))
    return cases


def math500() -> list[Case]:
    found = rows("math", "math500_first250.jsonl")
    return beside_others([(prompt(answer=r["answer"]), r["solution"]) for r in found])


def mgsm() -> Iterator[Case]:
    for row in rows("mgsm", "worked.jsonl"):
        for kind in ("right", "wrong"):
            for said in row[kind]:
                yield Case(prompt(answer=row["answer"]), said, kind == "right")


def xstest(model: str, negative: str = "1_full_compliance") -> Iterator[Case]:
    with DATA.joinpath("xstest", f"completions_{model}.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if (label := row["final_label"]) in ("2_full_refusal", negative):
                yield Case(prompt(), row["completion"], label == "2_full_refusal")


def instructions() -> Iterator[Case]:
    for verdict in ifeval.published(DATA):
        asked = prompt(constraints=(as_json(verdict.constraint),))
        yield Case(asked, verdict.response, verdict.followed)


def paragraphs() -> Iterator[Case]:
    """Paragraphs where their own language is wanted, which is to be found wrong in none of them,
    and where another is: the next in the list."""
    texts = lingua.paragraphs(lingua.sentences())
    codes = sorted(code for code in texts if code in LANGUAGES and code in DETECTED)
    for code, other in zip(codes, [*codes[1:], codes[0]], strict=True):
        for text in texts[code]:
            yield Case(prompt(language=code), text, False)
            yield Case(prompt(language=other), text, True)


def judged(judge: Judge) -> Callable[[Sequence[Case]], list[bool | None]]:
    """A case is found where the reward is 1."""

    async def one(backend: Any, case: Case) -> bool | None:
        try:
            verdict = await judge.judge(backend, case.prompt, Response(case.said, "m"))
        except BackendError:
            return None
        return None if verdict.reward is None else verdict.reward == 1

    async def work(cases: Sequence[Case]) -> list[bool | None]:
        async with judge.open() as backend:
            return await asyncio.gather(*(one(backend, case) for case in cases))

    return lambda cases: asyncio.run(work(cases))


def dropped(filter_: Filter, *reasons: str) -> Callable[[Sequence[Case]], list[bool | None]]:
    """A case is found where the filter drops it, for one of the reasons if there are any."""

    def one(case: Case) -> bool:
        said = filter_.reason(case.prompt, Sample(0, Response(case.said, "m", "stop")))
        reason = said.reason if isinstance(said, Drop) else said
        return reason in reasons if reasons else bool(reason)

    return lambda cases: [one(case) for case in cases]


def lines() -> Iterator[Line]:
    yield Line("code", "HumanEval", judged(Code(seconds=30)), human_eval())
    yield Line("code", "HumanEval, bodies alone", judged(Code(seconds=30)), bodies())
    yield Line("code", "MBPP", judged(Code(seconds=30)), mbpp())
    for name, known in (
        *(("cpp", "cpp"), ("go", "go"), ("java", "java"), ("js", "javascript")),
        ("rust", "rust"),
    ):
        if DATA.joinpath("humanevalpack", f"{name}.jsonl").is_file():
            judge = Code(language=known, seconds=30)
            yield Line("code", f"HumanEvalPack {name}", judged(judge), pack(name))
    yield Line("math", "GSM8K", judged(Math()), gsm8k())
    yield Line("math", "MATH-500, first half", judged(Math()), math500())
    yield Line("math", "MGSM, five languages", judged(Math()), mgsm())
    yield Line("truth", "MGSM, five languages", judged(Truth(match="number")), mgsm())
    for definition in ("own", "ifeval"):
        name = f"IFEval, definition {definition}"
        yield Line("format", name, judged(Format(definition=definition)), instructions())
    whole = dropped(Refusal(), "refusal", "refusal:as_a_model")
    for model in ("gpt4", "llama2orig"):
        yield Line("refusal", f"XSTest {model}", whole, xstest(model))
    yield Line("language", "lingua, paragraphs", dropped(Language()), paragraphs())


def share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def report(line: Line, wrong: bool) -> None:
    cases = list(line.cases)
    start = time.perf_counter()
    found = line.check(cases)
    a_second = len(cases) / (time.perf_counter() - start)
    known = [(case, said) for case, said in zip(cases, found, strict=True) if said is not None]
    positive = sum(case.wanted for case, _ in known)
    hits = sum(bool(said) and case.wanted for case, said in known)
    all_found = sum(bool(said) for _, said in known)
    equal = sum(said == case.wanted for case, said in known)
    cells = [
        *(line.name, line.data, f"{positive} / {len(known) - positive}", len(cases) - len(known)),
        *(share(equal, len(known)), share(hits, all_found), share(hits, positive)),
        f"{a_second:,.0f}",
    ]
    print(f"| {' | '.join(map(str, cells))} |", flush=True)
    for case, said in known if wrong else ():
        if said != case.wanted:
            how = "missed" if case.wanted else "found"
            print(f"    {how}: {case.prompt.answer!r} {case.said!r}")


def main() -> None:
    reader = argparse.ArgumentParser()
    reader.add_argument("names", nargs="*", metavar="NAME")
    reader.add_argument("--wrong", action="store_true")
    asked = reader.parse_args()
    if not DATA.is_dir():
        sys.exit(f"no data at {DATA}; set GRISTMILL_DATA")
    print("| | data | + / - | no verdict | agreement | precision | recall | a second |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for line in lines():
        if not asked.names or line.name in asked.names:
            report(line, asked.wrong)


if __name__ == "__main__":
    main()
