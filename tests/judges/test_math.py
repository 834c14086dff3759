"""The judge of mathematics: final answers that are equal, whatever they look like, or not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import BackendError, MissingExtra
from gristmill.judges import math as math_judge
from gristmill.judges._math_answer import final_answer, quantity
from gristmill.judges.math import Comparers, Math
from gristmill.records import Message, Prompt, Response, Verdict

pytest.importorskip("math_verify", reason="math-verify is not installed: pip install -e '.[dev]'")


def judged(pairs: Sequence[tuple[str, str]], **options: float) -> list[Verdict | BackendError]:
    """The verdict on each (answer, text), or why there is none."""

    async def work() -> list[Verdict | BackendError]:
        judge = Math(**options)  # type: ignore[arg-type]
        async with judge.open() as backend:

            async def one(answer: str, text: str) -> Verdict | BackendError:
                prompt = Prompt("p", (Message("user", "?"),), answer=answer)
                try:
                    return await judge.judge(backend, prompt, Response(text, "m"))
                except BackendError as error:
                    return error

            return list(await asyncio.gather(*(one(*pair) for pair in pairs)))

    return asyncio.run(work())


def rewards(pairs: Sequence[tuple[str, str]]) -> list[float | str | None]:
    return [v.reward if isinstance(v, Verdict) else v.kind for v in judged(pairs)]


SEPARATORS = [",", " ", "\\,", "\\;", "\\:", "\\!", "\\ ", "~", "{,}", ",\\!", "{ }", "\u00a0",
              "\u2009", "\u202f"]  # fmt: skip
ROOTS = ["4\\sqrt(2)", "4\\sqrt 2", "4\\sqrt2", "4\\,\\sqrt{2}", "4\\cdot\\sqrt(2)", "4sqrt(2)",
         "4\u221a2", "4\u221a(2)", "4*sqrt(2)"]  # fmt: skip
MORE = [
    *("x", " x", "i", "t", "\\pi", "\\sqrt", " + ", "\\frac", " \\foo{2}", " and a half", "^2"),
    *(
        " million",
        "\\ln 2",
        "\\sin(1)",
        "\\sqrt[3](2)",
        "\\cdot10^{3}",
        " \\text{ or } 5",
        "\\infty",
    ),
]
RIGHT = [
    ("42", "The answer is 42."),
    ("18", "#### 18"),
    ("She has 6 * 7.\n#### 42", "so \\boxed{42}"),
    ("so $\\boxed{42}$", "Answer: 42"),
    ("3/4", "The answer is 3/4."),
    ("0.75", "\\boxed{\\frac34}"),
    ("1234", "Answer: 1,234"),
    ("5", "The final answer is $5"),
    ("5", "The answer is 5 km."),
    ("5 km", "the answer is 5 kilometers"),
    ("5 cm^2", "\\boxed{5 \\text{ square centimeters}}"),
    ("50", "So the answer is 50%."),
    ("50\\%", "0.5"),
    ("2 1/2", "\\boxed{2.5}"),
    ("\\frac{5}{2}", "the answer is $2\\frac{1}{2}$"),
    ("4", "x = 4"),
    ("x=4", "\\boxed{4}"),
    ("[1,2)", "\\boxed{[1,2)}"),
    ("\\{1,2\\}", "\\boxed{\\{2,1\\}}"),
    ("(3,\\frac{\\pi}{2})", "\\boxed{\\left(3, \\frac{\\pi}{2}\\right)}"),
    ("\\text{Evelyn}", "\\boxed{Evelyn}"),
    ("C", "\\boxed{\\text{(C)}}"),
    ("p-q", "\\boxed{-q+p}"),
    ("-3", "**Answer:** \u22123"),
    ("10000", "He has $10,000."),
    ("7", "**Final Answer**: 7 apples"),
    ("1/2", "one half = \\(\\frac{1}{2}\\)"),
    ("6", "The answer is 6 because 2 + 4 = 6."),
    ("2\\sqrt{3}", "\\boxed{\\sqrt{12}}"),
    ("1.5e3", "1500"),
    ("120^\\circ", "\\boxed{120}"),
    ("5", "First \\boxed{4}. No, \\boxed{5}"),
    ('["4", "four"]', "The answer is four."),
    ('["four", "@@##", "4"]', "\\boxed{4}"),
    # Separators of thousands:
    *(("1234567", f"\\boxed{{1{by}234{by}567}}") for by in SEPARATORS),
    *((f"25{by}000", "25000") for by in SEPARATORS),
    ("1234.5", "\\boxed{1\\,234.5}"),
    ("25000", "It costs 25 000."),
    ("25000", "\\boxed{\\$25\\,000 \\text{ dollars}}"),
    ("\\{1000,2000\\}", "\\boxed{\\{1\\,000, 2\\,000\\}}"),
    ("(1,2)", "\\boxed{(1,\\;2)}"),
    # Roots, powers, bases:
    *(("4\\sqrt{2}", f"\\boxed{{{root}}}") for root in ROOTS),
    *((root, "$4\\sqrt{2}$") for root in ROOTS),
    ("4\\sqrt{2}", "So it is 4\u221a2."),
    ("\\sqrt{x+1}", "\\boxed{\\sqrt(x+1)}"),
    ("\\frac{\\sqrt{3}}{2}", "\\boxed{\\sqrt(3)/2}"),
    ("\\sqrt[3]{2}", "\\boxed{\\sqrt[3] 2}"),
    ("x^2", "\\boxed{x\u00b2}"),
    ("5.5", "\\boxed{5\u00bd}"),
    ("101_2", "\\boxed{101_{2}}"),
    ("101_{2}", "It is 101\u2082."),
    ("101_{\\text{two}}", "$101_2$"),
    ("12:00", "at 12:00"),
    ("1, 2, \\ldots, n", "\\boxed{1,2,\\ldots,n}"),
    ("5\\sqrt{2}", "\\boxed{5\\sqrt{2}\\text{ cm}}"),
    ("1-1/e", "$1-\\frac{1}{\\mathrm{e}}$"),
    ("4", "the 4th"),
]
WRONG = [
    ("42", "The answer is 43"),
    ("5 km", "the answer is 5 m"),
    ("5 cm^2", "the answer is 5 cm"),
    ("50", "5%"),
    ("[1,2)", "\\boxed{[1,2]}"),
    ("x", "\\boxed{y}"),
    ("4", "\\boxed{x=5}"),
    ("\\frac{1}{2}", "\\boxed{\\frac{1}{3}}"),
    ("\\text{even}", "\\boxed{odd}"),
    ("-3", "\\boxed{3}"),
    ('["4", "four"]', "The answer is five."),
    ("[1,2]", "\\boxed{1}"),
    # Less than all of it would be equal:
    *(("4", f"\\boxed{{{root}}}") for root in ROOTS),
    *((root, "\\boxed{4}") for root in ROOTS),
    *(("4", f"\\boxed{{4{more}}}") for more in MORE),
    ("2", "So it is 4\u221a2."),
    ("10", "It is 2^10"),
    ("1", "\\boxed{1\\,234}"),
    ("25", "\\boxed{25 000}"),
    ("0", "It costs 25 000."),
    ("12", "\\boxed{1, 2}"),
    ("78", "\\boxed{7\\,8}"),
    ("22", "\\boxed{2\u00b2}"),
    ("25.5", "\\boxed{5\u00bd}"),
    # Other bases, times, ratios, what goes on:
    ("101_3", "\\boxed{101_2}"),
    ("101", "\\boxed{101_2}"),
    ("101_2", "\\boxed{101}"),
    ("101", "It is 101_3."),
    ("1012", "\\boxed{101\u2082}"),
    ("12:30", "\\boxed{4:10}"),
    ("12:00", "\\boxed{1:00}"),
    ("1:2:3", "\\boxed{1:6}"),
    ("1, 2, \\ldots, n", "\\boxed{1, 2, 3, \\ldots, n}"),
    # Close to zero, and close:
    ("\\frac{1}{2^{99}}", "\\boxed{\\frac{1}{2^{98}}}"),
    ("\\frac{1}{2004!}", "\\boxed{\\frac{1}{2006!}}"),
    ("1 - \\frac{1}{\\mathrm{e}}", "\\boxed{1 + \\frac{1}{\\mathrm{e}}}"),
    ("5\\sqrt{2} \\text{ cm}", "\\boxed{5\\sqrt{2} \\text{ m}}"),
    # Several answers, one of which is right:
    ("2", "\\boxed{3 \\text{ or } 2}"),
    ("2", "The answer is 2 or 3."),
    ("2", "The answer is 2, 3"),
    ("2", "\\boxed{1}\\boxed{2}\\boxed{3}"),
    ("2", "\\boxed{2,3}"),
]


def test_equal_answers_are_right_however_they_are_written() -> None:
    found = rewards(RIGHT)
    assert [pair for pair, reward in zip(RIGHT, found, strict=True) if reward != 1] == []


def test_other_answers_are_wrong() -> None:
    found = rewards(WRONG)
    assert [pair for pair, reward in zip(WRONG, found, strict=True) if reward != 0] == []


def test_the_evidence_names_both_answers() -> None:
    found = judged([("42", "so 43"), ("42", "so 42"), ("42", "I do not know."), ("42", "")])
    assert [v.detail for v in found if isinstance(v, Verdict)] == [
        "43 \u2260 42", "42 = 42", "no final answer found", "no final answer found"
    ]  # fmt: skip
    assert [v.reward for v in found if isinstance(v, Verdict)] == [0, 1, 0, 0]


def test_a_gold_answer_that_is_no_mathematics_gives_no_verdict() -> None:
    assert rewards([("\\frac{", "5"), ("@@##", "4"), ("####", "4")]) == ["bad_truth"] * 3
    assert rewards([("", "5"), (" ", "5")]) == [None, None]


def test_no_expression_holds_us_up() -> None:
    nasty = [
        "\\boxed{9^{9^{9^{9}}}}",
        "The answer is 9^9^9^9",
        "\\boxed{" + "9" * 1_000_000 + "}",
        "\\boxed{10000000!}",
        "\\boxed{\\sum_{k=1}^{100000000} k^{k}}",
        "\\boxed{" + "(" * 5000 + "3" + ")" * 5000 + "}",
        "$" * 50_000,
        "\\boxed{" * 5_000,
        "\\frac{" * 5_000,
        "answer is " * 5_000,
        "\\boxed{1e999999999}",
        "\\boxed{\\text{\ud800}}",
        "\0",
    ]
    found = judged([(gold, text) for text in nasty for gold in ("2", "x+1")], seconds=1)
    assert [v.reward for v in found if isinstance(v, Verdict)] == [0] * len(found)
    assert rewards([("2", "2")]) == [1]


def test_a_gold_answer_that_takes_for_ever_is_a_bad_truth() -> None:
    (found,) = judged([("9^{9^{9^{9}}}!", "\\boxed{x}")], seconds=1)
    assert not (isinstance(found, Verdict) and found.reward)


def test_a_process_that_ends_is_a_failure_and_another_takes_its_place() -> None:
    async def work() -> None:
        async with Comparers(1, 20) as comparers:
            assert (await comparers.compare("4", "4"))["right"]
            (process,) = comparers._all
            process.kill()
            await process.wait()
            with pytest.raises(BackendError, match="has ended") as error:
                await comparers.compare("4", "4")
            assert error.value.kind == "judge"
            assert (await comparers.compare("4", "4"))["right"]

    asyncio.run(work())


def test_a_cancelled_comparison_does_not_answer_the_next_one() -> None:
    async def work() -> None:
        async with Comparers(1, 20) as comparers:
            await comparers.compare("4", "4")
            slow = asyncio.create_task(comparers.compare("x+1", "\\boxed{9^{9^{9^{9}}}}"))
            await asyncio.sleep(0.2)
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            assert (await comparers.compare("5", "5"))["found"] == "5"

    asyncio.run(work())


def test_without_math_verify_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(math_judge, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"gristmill\[curate\]"):
        Math().open()


@given(st.fractions(), st.sampled_from(["{}", "$ {} $", "\\boxed{{{}}}", "The answer is {}."]))
def test_every_fraction_is_read_back(number: object, around: str) -> None:
    found = final_answer(around.format(number))
    assert found is not None
    read = quantity(found)
    assert read is None or read.value == number
    assert read is not None or len(str(number)) > 100


@given(st.text(alphabet="\\boxed{}$#answer is:0123456789./,% \n-"))
def test_any_text_has_a_final_answer_or_none(text: str) -> None:
    found = final_answer(text)
    assert found is None or quantity(found) is None or quantity(found)


def rows_of(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_answers_of_gsm8k_equal_themselves_and_no_other(shared_data: Path) -> None:
    rows = rows_of(shared_data / "gsm8k" / "test.jsonl")[:200]
    golds = [row["answer"] for row in rows]
    numbers = [int(gold.split("####")[1].replace(",", "")) for gold in golds]
    assert set(rewards(list(zip(golds, golds, strict=True)))) == {1}
    said = [f"That makes ${n:,}. So the answer is **{n:,} dollars**." for n in numbers]
    assert set(rewards(list(zip(golds, said, strict=True)))) == {1}
    for other in (lambda n: n + 1, lambda n: -n or 1, lambda n: n * 10 + 1):
        said = [f"It is {n}, no: the answer is {other(n)}." for n in numbers]
        assert set(rewards(list(zip(golds, said, strict=True)))) == {0}


def test_the_answers_of_math_equal_their_solutions_and_no_other(shared_data: Path) -> None:
    rows = rows_of(shared_data / "math" / "math500_first250.jsonl")[:120]
    assert set(rewards([(row["answer"], row["solution"]) for row in rows])) == {1}
    shifted = [(a["answer"], b["solution"]) for a, b in pairwise(rows)]
    equal = [pair for pair, r in zip(shifted, rewards(shifted), strict=True) if r]
    # Neighbours with the same answer by chance: "x=5" and "5", and two of 7.
    assert len(equal) <= 2


@pytest.mark.parametrize(
    ("answer", "text", "right"),
    [
        ("9", "The answer is $5$ or $9$.", 0),
        ("5", "The answer is $5$ or $9$.", 0),
        ("9", "So it is $5$ or $9$", 0),
        ("9", "It is 5 or 9.", 0),
        ("5, 9", "The answer is $5$ or $9$.", 1),
        ("7", "The answer is $7$, which is less than $10$.", 1),
        ("10", "The answer is $7$, which is less than $10$.", 0),
        ("5", "The answer is the value of $x$, which is $5$.", 1),
        ("-2(x-2i)(x+2)", "\\boxed{-2(x-2 i)(x+2)}", 1),
        ("i", "\\boxed{\\sqrt{-1}}", 1),
        ("2i", "\\boxed{\\sqrt{-4}}", 1),
        ("-i", "\\boxed{\\sqrt{-1}}", 0),
        ("5000000", "The answer is 5 million.", 1),
        ("5", "So there are 5 million.", 1),
        ("39", "答案是39。", 1),
        ("39", "全部で 74-35=39 個残る。答えは40個です。", 0),
        ("40", "全部で 74-35=39 個残る。答えは40個です。", 1),
        ("39", "คำตอบคือ39บาท", 1),
        ("39", "정답은39입니다", 1),
        ("39", "الجواب ٣٩", 1),
        ("39", "उत्तर ३९ है", 1),
        ("1234.5", "Die Antwort ist 1.234,5.", 1),
    ],
)
def test_the_answer_is_what_the_sentence_concludes(answer: str, text: str, right: int) -> None:
    assert rewards([(answer, text)]) == [right]


def test_worked_answers_of_five_languages_are_told_right_from_wrong(shared_data: Path) -> None:
    lines = (shared_data / "mgsm" / "worked.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    pairs = [(r["answer"], text) for r in rows for text in (*r["right"], *r["wrong"])]
    wanted = [right for r in rows for right in [1.0] * len(r["right"]) + [0.0] * len(r["wrong"])]
    assert rewards(pairs) == wanted
