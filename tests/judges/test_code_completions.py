"""A right completion counts as what it is: a body, code in prose, code that lacks an import."""

from __future__ import annotations

import json

import pytest

from boxes import needs_sandbox
from coded import fenced, judged
from gristmill.judges._code import heads, imports

HEAD = (
    'import math\nfrom typing import List\n\n\ndef root(x: float) -> float:\n    """Its root."""\n'
)
METHOD = "class Solution:\n    def root(self, x: float) -> float:\n"
TESTS = "def check(candidate):\n    assert candidate(9) == 3\n    assert candidate(4) == 2"
BODY = "    y = math.sqrt(x)\n    return y"


@needs_sandbox
class TestABodyAlone:
    @pytest.mark.parametrize(
        "answer",
        [
            BODY,
            f"{BODY}\n\n\nprint(root(4))\n",
            f"{BODY}\n\n# It isn't slow.\nThat's all.",
            fenced(BODY),
            fenced(BODY, ""),
            fenced(BODY.strip()),
            fenced(BODY.replace("    ", "")),
            fenced(BODY.replace("\n", "\r\n")),
            fenced("    y = math.sqrt(x)\n    if y > 0:\n        return y\n    return -y"),
            fenced("return half(x)") + fenced("def half(x):\n    return math.sqrt(x)"),
            fenced("return math.sqrt(x)") + fenced("print(root(16))"),
            "The body is:\n" + fenced("lambda_ = 0\nreturn math.sqrt(x)") + "Isn't it short?",
        ],
    )
    @pytest.mark.parametrize(
        "asked",
        [HEAD, f"Complete this:\n\n```python\n{HEAD}```", f"Complete it, don't ask.\n{HEAD}"],
    )
    def test_it_is_the_prompts_function(self, answer: str, asked: str) -> None:
        verdict = judged(answer, TESTS, asked=asked)
        assert verdict.reward == 1, verdict.detail
        wrong = answer.replace("sqrt", "floor")
        assert judged(wrong, TESTS, asked=asked).reward == 0

    @pytest.mark.parametrize(
        "head",
        ["def root(x):", "def root(x): ...", "def root(x):\n    pass", "def root(x):\n    ..."],
    )
    def test_any_placeholder_is_no_body(self, head: str) -> None:
        assert judged(fenced("return x ** 0.5"), TESTS, asked=head).reward == 1

    @pytest.mark.parametrize(
        "answer",
        [
            fenced("        return x ** 0.5"),
            fenced("def root(self, x):\n    return x ** 0.5"),
            fenced("class Solution:\n    def root(self, x):\n        return x ** 0.5"),
        ],
    )
    def test_of_a_method_too(self, answer: str) -> None:
        tests = "assert Solution().root(9) == 3"
        assert judged(answer, tests, asked=METHOD).reward == 1
        assert judged(answer.replace("0.5", "2"), tests, asked=METHOD).reward == 0

    def test_a_helper_that_the_prompt_gives_is_there(self) -> None:
        asked = (
            "def shift(s):\n    return s[1:] + s[:1]\n\n\ndef back(s):\n    '''The reverse.'''\n"
        )
        tests = "assert back(shift('abc')) == 'abc'"
        for answer in (
            fenced("def back(s):\n    return s[-1:] + s[:-1]"),
            "    return s[-1:] + s[:-1]",
        ):
            assert judged(answer, tests, asked=asked).reward == 1
        assert judged(fenced("def back(s):\n    return s"), tests, asked=asked).reward == 0

    @pytest.mark.parametrize(
        "answer", ["", "I can't.", fenced("x = 3"), fenced("def other(): pass")]
    )
    def test_the_prompts_own_code_passes_for_nobody(self, answer: str) -> None:
        asked = "Make this faster:\n```python\ndef root(x):\n    return x ** 0.5\n```"
        assert judged(answer, "assert root(9) == 3", asked=asked).reward == 0


@needs_sandbox
@pytest.mark.parametrize(
    "answer",
    [
        "Sure, here's the function:\n\ndef root(x):\n    return x ** 0.5\n\nThis isn't slow.",
        "import math\n\ndef root(x):\n    return math.sqrt(x)\n\nHere `math.sqrt` does it all.",
        "Here it is.\ndef root(x):\n    '''Don't worry.'''\n\n    return half(x)\n"
        "def half(x):\n    return x ** 0.5\nif you need more, ask.",
        "from here on it is simple:\n@cache\ndef root(x):\n    return x ** 0.5",
    ],
)
def test_code_in_prose_needs_no_fence(answer: str) -> None:
    verdict = judged(answer, TESTS)
    assert verdict.reward == 1, verdict.detail
    assert judged(answer.replace("0.5", "2").replace("sqrt", "floor"), TESTS).reward == 0


@needs_sandbox
class TestMissingImports:
    @pytest.mark.parametrize(
        ("code", "line"),
        [
            ("return math.sqrt(x)", "import math"),
            ("return float(Counter('a' * int(x))['a']) ** 0.5", "from collections import Counter"),
            ("return reduce(lambda a, b: a, [x ** 0.5] * 2)", "from functools import reduce"),
        ],
    )
    def test_one_is_added_and_told(self, code: str, line: str) -> None:
        answer = fenced(f"def root(x):\n    {code}")
        verdict = judged(answer, TESTS)
        assert verdict.reward == 1
        assert verdict.detail == f"1 of 1 test passed; with `{line}`, which it left out"
        strict = judged(answer, TESTS, strict=True)
        assert strict.reward == 0
        assert "NameError" in strict.detail

    def test_in_a_program_too(self) -> None:
        pairs = json.dumps([{"input": "9", "output": "3"}])
        answer = fenced("print(math.isqrt(int(sys.stdin.read())))")
        verdict = judged(answer, pairs)
        assert verdict.reward == 1
        assert "`import math`" in verdict.detail
        assert "`import sys`" in verdict.detail
        assert judged(answer, pairs, strict=True).reward == 0

    def test_not_where_the_answer_means_its_own(self) -> None:
        code = (
            "from __future__ import annotations\nmath = None\ndef root(x):\n    return math.sqrt(x)"
        )
        assert judged(fenced(code), TESTS).reward == 0


@needs_sandbox
class TestTheEndOfALoop:
    LOOPS = (
        "for got, wanted in zip(map(f, [1, 2]), [2, 3]):\n    assert got == wanted",
        "assert all(x > 1 for x in map(f, [1, 2]))",
        "def test_f():\n    assert list(map(f, [1, 2])) in ([2, 3], [])",
    )

    @pytest.mark.parametrize("tests", LOOPS)
    def test_an_answer_cannot_make_it(self, tests: str) -> None:
        assert judged(fenced("def f(x):\n    return x + 1"), tests).reward == 1
        verdict = judged(fenced("def f(x):\n    raise StopIteration"), tests)
        assert verdict.reward == 0
        assert "raised StopIteration" in verdict.detail

    def test_where_the_tests_want_it_they_get_it(self) -> None:
        code = (
            "class N:\n    def __iter__(self):\n        return self\n"
            "    def __next__(self):\n        raise StopIteration\n"
            "def f():\n    raise StopIteration"
        )
        tests = "import pytest\nfrom solution import f\nwith pytest.raises(StopIteration):\n    f()"
        assert judged(fenced(code), tests).reward == 1
        assert judged(fenced(code), "assert list(N()) == []").reward == 1


def test_prose_is_no_code() -> None:
    for text in ("", "import duties rose", "class struggle", "from Paris with love", "def"):
        assert heads.pieces(text) == []
    assert heads.head_of(["def f(x):\n    return 1"]) is None
    assert heads.head_of(heads.pieces("Write:\n\ndef f(x):")).name == "f"  # type: ignore[union-attr]


def test_each_import_gives_its_name() -> None:
    every = [*imports._GIVEN, *imports._MODULES, "nothing"]
    lines = [*imports.missing(every), *imports.hints(every)]
    space: dict[str, object] = {}
    exec("\n".join(lines), space)
    assert space.keys() >= {*imports._GIVEN, *imports._MODULES}
