"""Which code of an answer is judged, however it is fenced and into however many blocks cut."""

from __future__ import annotations

import json

import pytest

from boxes import needs_sandbox
from coded import ADD, fenced, judged

HELPER = "import math\ndef half(a):\n    return math.floor(a / 2)"
MAIN = "import math\nK = 2\ndef add(a, b):\n    return half(K * (a + b)) + math.floor(0.5)"
RIGHT, WRONG = "def add(a, b):\n    return a + b", "def add(a, b):\n    return a - b"
CHECK = "def check(candidate):\n    assert candidate(1, 2) == 3"
PAIRS = json.dumps([{"input": "1 2\n", "output": "3"}, {"input": "5 5\n", "output": "10\n"}])

pytestmark = needs_sandbox


@pytest.mark.parametrize(
    "answer",
    [
        "def add(a, b): return a + b",
        "```\ndef add(a, b): return a + b\n```",
        "```py\ndef add(a, b): return a + b",
        "1. So:\n   ```Python\n   def add(a, b):\n     return a + b\n   ```",
        "1. ```python\n   def add(a, b):\n     return a + b\n   ```",
        "~~~python\ndef add(a, b):\n    return a + b\n~~~",
        "> ```python\n> def add(a, b):\n>     return a + b\n> ```",
        "def add(a, b):\n    return a + b\n```",
        "def add(a, b):\n    return a + b\n```\nThis function adds.",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_neither_tags_nor_fences_nor_line_ends_decide(answer: str, end: str) -> None:
    tests = ADD.replace("\n", end)
    assert judged(answer.replace("\n", end), tests).reward == 1
    assert judged(answer.replace("a + b", "a - b").replace("\n", end), tests).reward == 0


@pytest.mark.parametrize("answer", ["", "I cannot do that.", fenced("def add(", "python")])
def test_an_answer_without_code_is_wrong(answer: str) -> None:
    verdict = judged(answer, ADD)
    assert verdict.reward == 0
    assert "no code was found" in verdict.detail


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("def g(x): return x + 1\ndef helper(x): return 0", "def g(x: int):\n    '''Add 1.'''"),
        ("def g(x): return h(x)\ndef h(x): return x + 1", "Write a function `g`."),
        ("def h(x): return x + 1\ndef g(x): return h(x)", "Add one."),
    ],
)
def test_the_function_that_the_prompt_asks_for_is_checked(code: str, asked: str) -> None:
    tests = "def check(candidate):\n    assert candidate(1) == 2"
    assert judged(fenced(code), tests, asked=asked).reward == 1
    assert judged(fenced(code.replace("+ 1", "+ 2")), tests, asked=asked).reward == 0


@pytest.mark.parametrize(
    "blocks",
    [
        [HELPER, MAIN],
        [MAIN, HELPER],
        ["import math", "K = 2\nK += 0", HELPER, "def add(a, b):\n    return half(K * (a + b))"],
        ["from math import floor\nMEMO = {}", "MEMO[0] = floor(2.5)", HELPER,
         "def add(a, b):\n    return half(MEMO[0] * (a + b))"],
        ["def half(a):\n    return a", MAIN, HELPER],
        [HELPER, f"def half(a):\n    ...  # as above\n\n{MAIN}"],
        ["def add(a, b):\n    pass", HELPER, MAIN],
        ["from functools import cache", RIGHT, "add = cache(add)"],
        ["from __future__ import annotations\n" + HELPER,
         "from __future__ import annotations\n" + MAIN],
        [RIGHT, RIGHT, RIGHT],
        [WRONG, RIGHT],
        [HELPER + "\n" + WRONG, MAIN],
    ],
)  # fmt: skip
def test_blocks_belong_together_and_the_last_version_counts(blocks: list[str]) -> None:
    answer = "\n".join(map(fenced, blocks))
    for tests in (
        ADD,
        f"from solution import add\n{ADD}",
        "import solution\nassert solution.add(1, 2) == 3",
        CHECK,
    ):
        verdict = judged(answer, tests, asked="Write add(a, b).")
        assert verdict.reward == 1, verdict.detail


@pytest.mark.parametrize(
    "between",
    [
        fenced("print(add(1, 2), int(input()))"),
        fenced("import math\nK = 5\nmath.pi = K\nprint(half(K), int(input()))"),
        fenced("while True:\n    add(1, 2)"),
        fenced("assert add(1, 2) == 4"),
        fenced("def test_add():\n    assert add(1, 2) == 4\ntest_add()\nraise SystemExit"),
        fenced(">>> add(1, 2)\n3"),
        fenced("add(1, 2)  # ->\n3 apples"),
        fenced("$ python add.py\n3", "bash"),
        fenced("$ python add.py\n3", ""),
        fenced("function add(a, b) { return a - b }", "javascript"),
        fenced("3", ""),
        fenced('{"a": 1}', "json"),
    ],
)
def test_what_is_not_needed_breaks_nothing(between: str) -> None:
    helper, main = fenced(HELPER), fenced(MAIN)
    for blocks in ([helper, between, main], [helper, main, between], [between, helper, main]):
        verdict = judged("\n".join(blocks), ADD)
        assert verdict.reward == 1, verdict.detail


@pytest.mark.parametrize(
    "blocks",
    [
        [RIGHT, WRONG],
        [RIGHT, "def add(a, b):\n    return (a + b"],
        [RIGHT, "def add(a, b):\n    return a + b\nreturn"],
        [HELPER, MAIN, "def half(a):\n    return a"],
        [RIGHT, "add = lambda a, b: a - b"],
        [RIGHT, "class add:\n    def __init__(self, a, b): pass"],
        [MAIN],
        ["from collections import *", "def add(a, b):\n    return half(a + b)"],
    ],
)
def test_no_earlier_version_stands_in_for_a_wrong_one(blocks: list[str]) -> None:
    assert judged("\n".join(map(fenced, blocks)), ADD).reward == 0


def test_a_block_without_a_tag_counts_where_it_defines_something() -> None:
    assert judged(fenced(HELPER) + fenced(MAIN, ""), ADD).reward == 1
    assert judged(fenced(RIGHT) + fenced(WRONG, ""), ADD).reward == 0


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
@pytest.mark.parametrize(
    ("gives", "reward"),
    [("sum(xs)", 1), ("sum(xs) + 1", 0), ("Counter(xs)[1] + 2", 0), ("cast(int, sum(xs))", 0)],
)
def test_hints_of_types_need_no_import(future: str, gives: str, reward: float) -> None:
    """Names that do something need theirs, where it is strict."""
    code = "class Solution:\n    def add(self, xs: List[int]) -> Optional[int]:\n        return "
    tests = "assert Solution().add([1, 2]) == 3"
    assert judged(fenced(f"{future}{code}{gives}"), tests, strict=True).reward == reward


@pytest.mark.parametrize(
    "blocks",
    [
        ["def add(a, b):\n    return a + b", "print(add(*map(int, input().split())))"],
        ["print(add(*map(int, input().split())))", "def add(a, b):\n    return a + b"],
        ["print(input())", "print(sum(map(int, input().split())))", "print('an example')"],
        ["a, b = map(int, input().split())", "print(a + b)"],
        ["import sys\ndef read():\n    return map(int, sys.stdin.read().split())",
         "def main():\n    print(sum(read()))\nif __name__ == '__main__':\n    main()"],
        ["print(sum(map(int, input().split())))", "$ python add.py\n1 2\n3"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_program_may_be_told_in_pieces(blocks: list[str], end: str) -> None:
    pairs = PAIRS.replace("\\n", "\\r\\n") if end == "\r\n" else PAIRS
    verdict = judged("\n".join(map(fenced, blocks)).replace("\n", end), pairs)
    assert verdict.reward == 1, verdict.detail


@pytest.mark.parametrize("last", ["print(input())", "print(input("])
def test_the_last_program_counts(last: str) -> None:
    first = fenced("print(sum(map(int, input().split())))")
    assert judged(first, PAIRS).reward == 1
    assert judged(first + fenced(last), PAIRS).reward == 0
