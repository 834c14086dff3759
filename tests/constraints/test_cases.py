"""Every constraint in every language it claims, against answers that were written for it, and
against its own wording."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from gristmill.constraints import LANGUAGES, Constraint
from gristmill.constraints._counted import Counted
from gristmill.constraints._wordings import wordings
from gristmill.parts import find_part, open_part, part_names

ROOM = "gristmill.constraints"
NAMES = part_names(ROOM)
CLAIMS = [(name, code) for name in NAMES for code in sorted(find_part(ROOM, name, "").languages)]


class Case(NamedTuple):
    """Arguments of a constraint, and answers in a language."""

    language: str
    constraint: Constraint
    good: list[str]
    bad: list[str]


def cases() -> list[Case]:
    found = []
    for language in LANGUAGES:
        path = Path(__file__).parent / "cases" / f"{language}.yaml"
        table: dict[str, list[dict[str, Any]]] = yaml.safe_load(path.read_text(encoding="utf-8"))
        for name, entries in table.items():
            for entry in entries:
                constraint = open_part(ROOM, {name: entry["arguments"]}, "here")
                found.append(Case(language, constraint, entry["good"], entry["bad"]))
    return found


CASES = cases()
SAID = [(case, answer) for case in CASES for answer in (*case.good, *case.bad)]


def named(value: Any) -> str:
    if isinstance(value, Case):
        return f"{value.language}-{type(value.constraint).__name__}"
    return ascii(value)[:40]


@pytest.mark.parametrize(("case", "answer"), SAID, ids=named)
def test_answers_are_told_apart(case: Case, answer: str) -> None:
    if type(case.constraint).__name__ == "Language":
        pytest.importorskip("lingua")
    outcome = case.constraint.check(answer)
    assert bool(outcome) == (answer in case.good), outcome.evidence
    assert outcome.evidence
    if outcome:
        assert case.constraint.check_loose(answer)


def test_every_constraint_has_cases_in_every_language_that_it_claims() -> None:
    tried = {(type(case.constraint), case.language) for case in CASES}
    for name, code in CLAIMS:
        assert (find_part(ROOM, name, ""), code) in tried, f"{name} has no case in {code}"
    assert all(case.good and case.bad for case in CASES)


def test_at_least_25_constraints_stand_in_at_least_8_languages() -> None:
    for code in LANGUAGES:
        claimed = [name for name, language in CLAIMS if language == code]
        assert len(claimed) >= 25, code
        # A wording without a claim would never be said, a claim without one cannot be.
        assert set(claimed) == set(wordings(code).constraints)
    assert len(LANGUAGES) >= 8


@pytest.mark.parametrize("case", CASES, ids=named)
def test_the_wording_holds_the_arguments_and_no_other_number(case: Case) -> None:
    said = case.constraint.say(case.language)
    values = case.constraint.model_dump(exclude_defaults=True)
    for name, value in values.items():
        if name in ("request", "separator", "alone", "language"):
            continue
        for item in value if isinstance(value, tuple) else (value,):
            assert str(item) in said, f"{name} of {case.constraint!r} is not in: {said}"
    numbers = {str(value) for value in values.values() if isinstance(value, int)}
    if "marker" not in values:
        assert set(re.findall(r"\d+", said)) == numbers - {"False"}
    assert "{" not in said and "}" not in said


@pytest.mark.parametrize(("name", "code"), CLAIMS)
def test_every_variant_of_every_language_can_be_said(name: str, code: str) -> None:
    entry = wordings(code).constraints[name]
    part = find_part(ROOM, name, "")
    said = {variant for variant in entry if variant != "unit"}
    english = {variant for variant in wordings("en").constraints[name] if variant != "unit"}
    assert said == english or (name == "letter_frequency")
    if issubclass(part, Counted):
        for variant in said:
            # Stands beside every number, whatever it is.
            assert "{amount}" in entry[variant]
        assert entry["unit"]


@pytest.mark.parametrize("code", LANGUAGES)
def test_amounts_name_their_ends_and_one_of_something_is_one(code: str) -> None:
    words = wordings(code)
    for kind, template in words.amount.items():
        ends = {"between": {"low", "high", "unit"}}.get(kind, {"n", "unit"})
        assert set(re.findall(r"\{(\w+)\}", template)) == ends
    forms = {"ja": 1, "zh": 1, "pl": 3}.get(code, 2)
    for name, entry in words.constraints.items():
        if "unit" in entry:
            assert len(entry["unit"].split("|")) in (1, forms), name


@pytest.mark.parametrize(
    ("code", "count", "unit"),
    [
        ("en", 1, "1 paragraph."),
        ("en", 2, "2 paragraphs."),
        ("fr", 1, "1 paragraphe."),
        ("pl", 1, "1 akapit."),
        ("pl", 3, "3 akapity."),
        ("pl", 5, "5 akapitów."),
        ("pl", 12, "12 akapitów."),
        ("pl", 22, "22 akapity."),
        ("ja", 2, "2段落"),
    ],
)
def test_the_unit_agrees_with_its_number(code: str, count: int, unit: str) -> None:
    assert unit in open_part(ROOM, {"paragraphs": {"count": count}}, "").say(code)


def test_an_unclaimed_language_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(ValueError, match="'uppercase' has no wording in 'ja'; it has: de, en"):
        open_part(ROOM, "uppercase", "").say("ja")


def test_braces_in_an_argument_stay_as_they_are() -> None:
    said = open_part(ROOM, {"start_with": {"phrase": "{unit} {phrase}"}}, "").say("en")
    assert "{unit} {phrase}" in said


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_of_the_room_has_a_name_in_every_other(code: str) -> None:
    for other in LANGUAGES:
        assert wordings(code).names[other] in open_part(
            ROOM, {"language": {"language": other}}, ""
        ).say(code)
