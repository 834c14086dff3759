"""Numbers of many scripts and spellings, beside letters that write no spaces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.judges._math_answer import final_answer
from gristmill.judges.truth import number_in
from gristmill.languages.numbers import written
from gristmill.languages.scripts import apart, blanked, western

LETTERS = {
    "Chinese": "答案是个汉",
    "Japanese": "答えはカナです",
    "Thai": "คำตอบนี้",
    "Korean": "정답은입니다",
    "Arabic": "الإجابة",
    "Hebrew": "תשובה",
    "Devanagari": "उत्तरहै",
    "Tamil": "விடை",
    "Khmer": "ចម្លើយ",
    "Ethiopic": "መልስ",
}
DIGITS = ["0123456789", "０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "๐๑๒๓๔๕๖๗๘๙"]


@given(
    st.sampled_from(sorted(LETTERS)), st.sampled_from(sorted(LETTERS)),
    st.integers(0, 10**9), st.sampled_from(DIGITS), st.data(),
)  # fmt: skip
def test_a_number_is_found_between_letters_of_any_two_such_scripts(
    one: str, other: str, number: int, digits: str, data: st.DataObject
) -> None:
    before = data.draw(st.text(LETTERS[one], min_size=1, max_size=5))
    after = data.draw(st.text(LETTERS[other], min_size=1, max_size=5))
    said = "".join(digits[int(digit)] for digit in str(number))
    text = f"{before}{said}{after}"
    assert number_in(text) == number
    assert final_answer(written(text)) == str(number)


@given(st.sampled_from(["x", "Ω", "Т", "Á", "_"]), st.integers(1, 99))
def test_a_letter_with_capitals_makes_a_name_of_the_digits_behind_it(
    letter: str, number: int
) -> None:
    assert number_in(f"{letter}{number}") is None
    assert number_in(f"7 {letter}{number}") == 7


@given(st.text())
def test_places_stay_where_they_are(text: str) -> None:
    assert len(western(text)) == len(text) == len(blanked(text))
    assert apart(text).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "language", "number"),
    [
        ("Die Antwort ist 1.234,5.", None, "1234.5"),
        ("Es sind 1.234 Stück.", "de", "1234"),
        ("It is 1.234 m.", "en", "1.234"),
        ("Es sind 0,5 l.", "de", "0.5"),
        ("Es sind 0,5 l.", "de-AT", "0.5"),
        ("Ответ: 1 234,5.", None, "1234.5"),
        ("Il y en a 1\u202f234\u202f567,25.", None, "1234567.25"),
        ("Das macht 1'234.5 Franken.", None, "1234.5"),
        ("1.234.567", None, "1234567"),
        ("उत्तर १२,३४,५६७ है।", "hi", "1234567"),
        ("٣٫٥", None, "3.5"),
        ("It is 5 million.", None, "5000000"),
        ("There are 1.5 billion of them", None, "1500000000"),
        ("答案是3万。", None, "30000"),
        ("答えは1億2345万6789円です。", None, "123456789"),
        ("3千万", None, "30000000"),
        ("정답은 2만5천 원입니다.", None, "25000"),
        ("距离是39千米", None, "39"),
        ("เขามี 5 ล้านบาท", None, "5000000"),
        ("Это 2 тысячи рублей", None, "2000"),
        ("٢ مليون", None, "2000000"),
        ("It is in the 5 thousandths.", None, "5"),
    ],
)
def test_spellings_by_the_stated_rules(text: str, language: str | None, number: str) -> None:
    found = number_in(text, language)
    assert found is not None and str(float(found)) == str(float(number))


@pytest.mark.parametrize(
    "text", ["(1.234,5)", "f'(100)", "v1.2.3", "1,2,3", "3:45", "x_12", "5'11"]
)
def test_what_is_no_such_number_stays(text: str) -> None:
    assert written(text) == text
