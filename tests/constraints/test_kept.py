"""Constraints as JSON, over several turns, and from IFEval's rows; and how they refuse."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gristmill.constraints import (
    LANGUAGES,
    Constraint,
    Demand,
    as_json,
    check_turns,
    from_ifeval,
    from_json,
    say_from_now_on,
    say_revise,
)
from gristmill.errors import ConfigError, DataError
from gristmill.parts import open_part

DATA = Path(os.environ.get("GRISTMILL_DATA", Path(__file__).parents[3] / "shared/data"))


def opened(spec: Any) -> Constraint:
    return open_part("gristmill.constraints", spec, "here")


def test_a_constraint_and_its_json_are_one() -> None:
    three = opened({"paragraphs": {"count": 3}})
    assert as_json(three) == '{"paragraphs":{"count":3}}'
    assert as_json(three, since=2) == '{"paragraphs":{"count":3},"since":2}'
    assert as_json(opened("no_commas")) == '{"no_commas":{}}'
    assert as_json(opened({"keywords": {"words": ["Öl"]}})) == '{"keywords":{"words":["Öl"]}}'
    assert from_json('{"paragraphs":{"count":3},"since":2}') == Demand(three, 2)
    assert (
        from_json('"no_commas"')
        == from_json('{"no_commas": {}}')
        == from_json('{"no_commas": null}')
    )


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("{", "not JSON"),
        ("3", "found int"),
        ("{}", "write one constraint"),
        ('{"a": {}, "b": {}}', "write one constraint"),
        ('{"os:system": {}}', "write one constraint"),
        ('{"paragraph": {"count": 3}}', "unknown part 'paragraph'; did you mean 'paragraphs'"),
        ('{"paragraphs": {"counts": 3}}', r"paragraphs.counts: unknown key; did you mean 'count'"),
        ('{"paragraphs": {"count": 0}}', "paragraphs.count: .*greater than or equal to 1"),
        ('{"paragraphs": {}}', "write either 'count', or 'at_least'"),
        ('{"paragraphs": {"count": 3, "at_most": 4}}', "write either 'count'"),
        ('{"words": {"at_least": 9, "at_most": 9}}', "at_least 9 must be below at_most 9"),
        ('{"words": {"at_least": "many"}}', "words.at_least: .*got 'many'"),
        ('{"keywords": {"words": []}}', "keywords.words: .*at least 1 item"),
        ('{"keywords": {"words": [" "]}}', r"keywords.words\[0\]: .*at least 1 character"),
        ('{"letter_frequency": {"letter": "ab", "at_least": 1}}', "write one letter"),
        ('{"paragraph_start": {"count": 2, "paragraph": 3, "word": "a"}}', "3 of 2 does not exist"),
        ('{"language": {"language": "Klingon"}}', "unknown language 'Klingon'"),
        ('{"language": {"language": "haw"}}', "unknown language|cannot be detected"),
        ('{"no_commas": {}, "since": 0}', "since: write the number of a user's turn"),
        ('{"no_commas": {}, "since": true}', "since: write the number"),
    ],
)
def test_a_line_that_is_no_constraint_says_what_is_wrong(line: str, wrong: str) -> None:
    with pytest.raises(DataError, match=wrong) as caught:
        from_json(line)
    assert str(caught.value).startswith(f"constraint {line[:40]}")


def test_an_unknown_constraint_in_a_config_is_told_the_near_one() -> None:
    with pytest.raises(ConfigError, match="here: unknown part 'bulets'; did you mean 'bullets'"):
        opened({"bulets": {"count": 3}})


@pytest.mark.parametrize("code", LANGUAGES)
def test_conversations_hold_the_wording_of_each_constraint(code: str) -> None:
    both = opened({"paragraphs": {"count": 3}}), opened("no_digits")
    for said in (say_from_now_on(both, code), say_revise(both, code)):
        assert all(each.say(code) in said for each in both)
    assert say_from_now_on(both, code) != say_revise(both, code)


def test_all_answers_since_the_demand_are_checked() -> None:
    outcomes = check_turns(opened("no_commas"), ["Tea.", "Tea, milk.", "Milk."])
    assert [bool(outcome) for outcome in outcomes] == [True, False, True]
    assert "Tea, milk" in outcomes[1].evidence
    loose = check_turns(opened("no_commas"), ["Well, here:\nTea."], loose=True)
    assert all(loose)


def test_loose_forgives_a_first_line_a_last_line_and_asterisks() -> None:
    ends = opened({"end_with": {"phrase": "The end."}})
    assert not ends.check("**The end.**\n\nAnything else?")
    assert ends.check_loose("It is.\n**The end.**\nAnything else?")
    assert not ends.check_loose("It is.\nThe end.\nAnything else?\nTell me.")
    starts = opened({"start_with": {"phrase": "First"}})
    assert starts.check_loose("Sure! Here it is:\n*First* things.")
    assert "Sure!" in starts.check_loose("Sure!\nNo.").evidence


def test_every_row_of_ifeval_is_mapped_and_can_be_said() -> None:
    path = DATA / "ifeval/en_input_data.jsonl"
    if not path.is_file():
        pytest.skip(f"no {path}")
    types = set()
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        constraints = from_ifeval(row["instruction_id_list"], row["kwargs"])
        assert len(constraints) == len(row["kwargs"])
        types.update(row["instruction_id_list"])
        for constraint in constraints:
            assert constraint.say("en")
            assert from_json(as_json(constraint)) == Demand(constraint)
            assert not constraint.check(" \n")
    assert len(rows) == 541 and len(types) == 25


def test_less_than_so_many_is_at_most_one_less() -> None:
    names = ["length_constraints:number_words", "en:keywords:frequency"]
    given = [
        {"relation": "less than", "num_words": 100, "keyword": None},
        {"relation": "at least", "keyword": "tea", "frequency": 2},
    ]
    words, often = from_ifeval(names, given)
    assert words == opened({"words": {"at_most": 99}})
    assert often == opened({"keyword_frequency": {"keyword": "tea", "at_least": 2}})


@pytest.mark.parametrize(
    ("names", "given", "wrong"),
    [
        (["es:special:ñ"], [{}], "'es:special:ñ' is not one of IFEval's; known: change_case"),
        (["startend:end_checker"], [{}], "lacks 'end_phrase'"),
        (["startend:end_checker"], [{"end_phrase": None}], "lacks 'end_phrase'"),
        (["startend:end_checker"], [], "1 instructions with 0 kwargs"),
        (["length_constraints:number_words"], [{"relation": "about", "num_words": 3}], "'about'"),
        (["length_constraints:number_words"], [{"relation": "at least", "num_words": "x"}], "'x'"),
        (["startend:end_checker"], ["text"], "startend:end_checker"),
    ],
)
def test_a_row_that_is_not_ifevals_says_what_is_wrong(
    names: list[str], given: list[Any], wrong: str
) -> None:
    with pytest.raises(DataError, match=wrong):
        from_ifeval(names, given)
