"""Operators, numbers and brackets: what makes two texts with the same words different ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rensa")

from gristmill.similarity.minhash import MinHashIndex
from gristmill.similarity.signs import signs_of
from gristmill.similarity.words import words
from likeness import alike

LINES = "\n".join(f"    value_{n} = compute_{n}(data, item_{n})" for n in range(40))
CODE = f"""def area(a, b):
{LINES}
    if total_price <= budget and not done:
        return left_side - right_side * 3
    return a + b"""
FENCED = f"Like this:\n\n```python\n{CODE}\n```"
PROSE = (
    "The quick brown fox jumps over the lazy dog and then it walks home to sleep in its den while "
    "the rain falls on the hills around the old town by the sea where nobody lives any more. " * 3
)
CHINESE = "今天天气很好我们去公园吧明天也许会下雨所以带上雨伞" * 3
JAPANESE = "今日は天気がいいので公園に行きましょう明日は雨かもしれません" * 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<=", "<"),
        ("<=", ">="),
        ("<=", "!="),
        ("- right", "+ right"),
        ("* 3", "* 4"),
        ("* 3", "* 30"),
        ("* 3", "** 3"),
        ("* 3", "// 3"),
        (" and ", " or "),
        ("not done", "done"),
        ("a + b", "a - b"),
        ("a + b", "-a + b"),
        ("a + b", "(a + b) * a"),
        ("    return a + b", "        return a + b"),
    ],
)
@pytest.mark.parametrize("code", [FENCED, CODE, FENCED.replace("```", "~~~")])
def test_code_that_differs_in_one_sign_is_no_duplicate(code: str, old: str, new: str) -> None:
    assert old in code
    assert not alike(code, code.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    return a + b", "    # the sum - of both\n    return a + b"),
        ("a + b", "a+b"),
        ("    ", "  "),
        ("area", "surface"),
        ("\n", "\r\n"),
        ("Like this:", "You may do it like this:"),
        ("return a + b", "return a + b\n\nprint(area(1, 2))"),
        ("```python", "```py"),
    ],
)
def test_code_that_is_laid_out_or_explained_otherwise_is_one(old: str, new: str) -> None:
    assert old in FENCED
    assert alike(FENCED, FENCED.replace(old, new))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PROSE + "So x + 2 = 5 holds.", PROSE + "So x - 2 = 5 holds."),
        (PROSE + "So x < 5.", PROSE + "So x <= 5."),
        (PROSE + "Then 17 + 25 = 42.", PROSE + "Then 17 + 26 = 43."),
        (PROSE + "We get $a \\le b$.", PROSE + "We get $a \\ge b$."),
        (PROSE + "We get \\(a^2\\).", PROSE + "We get \\(a^3\\)."),
        (PROSE + "We get $$a(b + c)$$", PROSE + "We get $$ab + c$$"),
        (PROSE + "Use `a != b`.", PROSE + "Use `a == b`."),
        (CHINESE + "x + 2 = 5", CHINESE + "x - 2 = 5"),
        ("if (a < b) { return a - b; }", "if (a > b) { return a + b; }"),
        ("SELECT * FROM t WHERE a >= 5 AND b < 3;", "SELECT * FROM t WHERE a > 5 AND b <= 3;"),
    ],
)
def test_formulas_are_compared_by_their_signs(one: str, other: str) -> None:
    assert alike(one, one)
    assert not alike(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PROSE + "It was - as said - late.", PROSE + "It was, as said, late."),
        (PROSE + "On 2024-05-01, 24/7.", PROSE + "On 2024-05-02, 24/7."),
        (PROSE + "* one\n* two", PROSE + "- one\n- two"),
        (PROSE + "**Bold** (or not) words!", PROSE + "Bold, or not, words."),
        (PROSE + "Well-known things", PROSE + "Well known things"),
        (CHINESE, CHINESE.replace("吧", "吧，") + "！"),
        (JAPANESE, JAPANESE.replace("で公園", "で、公園").replace("しょう", "しょう。")),
    ],
)
def test_prose_has_punctuation_and_no_signs(one: str, other: str) -> None:
    assert alike(one, other)


def test_among_several_the_nearest_that_agrees_is_found() -> None:
    index = MinHashIndex()
    minus = CODE.replace("a + b", "a - b")
    for key, text in (("minus", minus), ("plus", CODE + "\n# done"), ("other", PROSE)):
        index.nearest_or_add(key, text)
    assert len(index) == 3
    found = index.nearest(CODE)
    assert found is not None
    assert found[0] == "plus"


@given(st.text(alphabet="ab1 \n\t+-=<(){}`$\\[]#/*"))
def test_a_text_agrees_with_itself(text: str) -> None:
    found = signs_of(text, words(text))
    assert found.agree(signs_of(text, words(text)))


@pytest.mark.parametrize(
    "part",
    ["1", "a ", "\\[", "\\(", "$", "$$ ", "`", "(", "a,", "f(", "// ", "{ ", "- ", "  x\n"],
)
def test_no_text_is_too_odd(part: str) -> None:
    signs_of(part * 20_000, [])
