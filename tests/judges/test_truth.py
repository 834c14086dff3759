"""The judge of reference answers: what matches, what does not, and what is no truth."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import BackendError, ConfigError
from gristmill.judges._answers import right_answers
from gristmill.judges.truth import Truth, normalised, number_in
from gristmill.parts import open_part
from gristmill.records import Message, Prompt, Response, Verdict


def judged(answer: str | None, text: str, **options: Any) -> Verdict:
    async def work() -> Verdict:
        judge = Truth(**options)
        async with judge.open() as backend:
            prompt = Prompt("p", (Message("user", "?"),), answer=answer)
            return await judge.judge(backend, prompt, Response(text, "m"))

    return asyncio.run(work())


RIGHT: list[tuple[dict[str, Any], str, str]] = [
    ({"match": "exact"}, "Paris", " Paris\n"),
    ({}, "The Eiffel Tower", "eiffel  tower."),
    ({}, "U.S.A.", "usa"),
    ({}, "well-known", "Well known"),
    ({}, "stra\u00dfe", "STRASSE"),
    ({}, "\uff21\uff22", "ab"),
    ({}, "...", "..."),
    ({}, '["Paris", "City of Light"]', "The City of Light!"),
    ({}, '["3", 4]', "4"),
    ({"match": "exact"}, '["Paris", "paris, France"]', "paris, France"),
    ({"match": "number"}, '["four", "4"]', "It is 4."),
    ({"match": "exact"}, "8.0", "8"),
    ({"match": "exact"}, "8", "8.0"),
    ({}, "8.0", "8."),
    ({}, "-8.00", "-8"),
    ({}, "1.0", "1.00"),
    ({"match": "contains"}, "8.0", "A spider has 8 legs."),
    ({"match": "contains"}, "8", "A spider has 8.0 legs."),
    ({"match": "contains"}, "東京", "首都は東京です。"),
    ({"match": "contains"}, "กรุงเทพ", "เมืองหลวงคือกรุงเทพ"),
    ({"match": "contains"}, "서울", "수도는 서울입니다."),
    ({"match": "contains"}, "39", "答案是39。"),
    ({"match": "contains"}, "القاهرة", "العاصمة هي القاهرة."),
    ({"match": "number"}, "40", "全部で 74-35=39 個残る。答えは40個です。"),
    ({"match": "number"}, "39", "उत्तर ३९ है।"),
    ({"match": "number"}, "30000", "答案是3万。"),
    ({"match": "number"}, "8.0", "8"),
    ({"match": "number"}, "8.0", "007 no, 8"),
    ({"match": "number"}, "007", "7"),
    ({"part": "after"}, "8.0", "Answer: 8"),
    ({"match": "number"}, "1,234.50", "It costs $1234.5."),
    ({"match": "number"}, "-5", "x = \u22125"),
    ({"match": "number", "tolerance": 0.01}, "100", "about 101"),
    ({"match": "number", "absolute": 0.5}, "0", "0.5"),
    ({"match": "number"}, "9007199254740993", "9007199254740993"),
    ({"match": "number"}, "1e3", "of 1000"),
    ({"match": "contains"}, "Paris", "I think it is Paris, in France."),
    ({"part": "last_line"}, "7", "3 + 4\n\n7\n\n"),
    ({"part": "after"}, "Paris", "Answer: Rome\nno\n**answer:** Paris\nDone"),
    ({"part": "after", "marker": "=>"}, "Paris", "so => Paris"),
]
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({}, '["Paris", "Rome"]', "Madrid"),
    ({}, "[1, 2]", "1"),
    ({}, "007", "7"),
    ({"match": "exact"}, "007", "7.0"),
    ({}, "1e3", "1000"),
    ({}, "8.0", "80"),
    ({}, "8.0", "8.5"),
    ({}, "8.50", "8.5"),
    ({}, "8.0", "8.0.0"),
    ({"match": "contains"}, "8.0", "80 or 8.01 or 18.0"),
    ({"match": "exact"}, "Paris", "paris"),
    ({}, "Paris", "Paris, France"),
    ({}, "5", "-5"),
    ({}, "1.5", "15"),
    ({}, "1.5", "1 5"),
    ({}, "C", "C++"),
    ({}, "5", "5%"),
    ({}, "Paris", ""),
    ({"match": "number"}, "5", "no number"),
    ({"match": "number"}, "5", "5, or rather 6"),
    ({"match": "number"}, "9007199254740993", "9007199254740992"),
    ({"match": "number", "tolerance": 0.01}, "100", "101.01"),
    ({"match": "number"}, "5", "1e999999999"),
    ({"match": "contains"}, "5", "15 and -5 and 5.5"),
    ({"match": "contains"}, "art", "party"),
    ({"part": "last_line"}, "7", "7\nDone"),
    ({"part": "after"}, "Paris", "It is Paris"),
    ({"part": "after"}, "Paris", "Answer:\nParis"),
]


@pytest.mark.parametrize(("options", "answer", "text"), RIGHT)
def test_what_matches_is_right(options: dict[str, Any], answer: str, text: str) -> None:
    verdict = judged(answer, text, **options)
    assert verdict.reward == 1, verdict.detail
    assert " matches " in verdict.detail


@pytest.mark.parametrize(("options", "answer", "text"), WRONG)
def test_what_does_not_match_is_wrong_and_says_why(
    options: dict[str, Any], answer: str, text: str
) -> None:
    verdict = judged(answer, text, **options)
    assert verdict.reward == 0
    assert "does not match" in verdict.detail or "no 'Answer:' found" in verdict.detail


@pytest.mark.parametrize("answer", [None, "", "  "])
def test_without_an_answer_there_is_nothing_to_say(answer: str | None) -> None:
    assert judged(answer, "x").reward is None


@pytest.mark.parametrize(
    ("options", "answer"), [({"match": "number"}, "Paris"), ({}, '["x", " "]')]
)
def test_a_truth_that_nothing_could_match_is_a_failure(
    options: dict[str, Any], answer: str
) -> None:
    with pytest.raises(BackendError, match="the prompt's answer") as error:
        judged(answer, "x", **options)
    assert error.value.kind == "bad_truth"


@pytest.mark.parametrize(
    "answer", ["[1, 2)", "[", "[]", "[[1]]", "{}", '["a", null]', "[1, 2]", "[0.5]", "[" * 9999]
)
def test_what_is_no_list_of_texts_is_one_answer(answer: str) -> None:
    assert right_answers(Prompt("p", (), answer=answer)) == [answer]


def test_a_list_keeps_the_digits_of_its_numbers() -> None:
    assert right_answers(Prompt("p", (), answer=' ["a", 1.50, 1e3]')) == ["a", "1.50", "1e3"]
    assert right_answers(Prompt("p", ())) == right_answers(Prompt("p", (), answer=" ")) == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"match": "fuzzy"}, "match: .*'exact'"),
        ({"tolerance": -1}, "tolerance"),
        ({"tolerance": 0.1}, "are for match: number"),
        ({"marker": " "}, "marker: must hold more"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        open_part("gristmill.judges", {"truth": options}, "judges[0]")


@given(st.text())
def test_no_text_becomes_nothing(text: str) -> None:
    assert bool(normalised(text)) == bool(text.strip())


@given(st.text(alphabet="0123456789.,-+eE x$"))
def test_any_text_has_a_number_or_none(text: str) -> None:
    found = number_in(text)
    assert found is None or abs(found) < 10**900


@given(st.integers(), st.sampled_from(["{}", "x is {}.", "${} each", "about {} km"]))
def test_every_integer_is_found_again(number: int, around: str) -> None:
    assert number_in(around.format(number)) == number or len(str(number)) > 400
