"""Who knows what is right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gristmill.errors import ConfigError, DataError
from gristmill.flywheel.truth import answer, find_truth, tutor
from gristmill.records import Message, Prompt, Response


def asked(text: str, wanted: str | None = None) -> Prompt:
    return Prompt("p", (Message("user", text),), answer=wanted)


@pytest.mark.parametrize(
    ("wanted", "said", "right"),
    [
        ("85", "40 plus 45 is 85.", True),
        ("85", "85 is 40 plus 45", False),
        ("1234", "That makes 1,234.", True),
        ("1,234.0", "it is 1234", True),
        ("-3", "It is -3.", True),
        ("3", "between 10-3", True),
        ("July", "So the answer is  july.", True),
        ("July", "July it is", False),
        ("art", "It is smart.", False),
        (None, "anything", False),
        ("5", "no number", False),
        ("0.5", "so it is .5", True),
        (".5", "it is 1.5", False),
        ("5", "see fig.5", True),
        ("1000000", "1,000,000 in all", True),
        ("5", "that is level-5", True),
        ("-5", "x is \u22125.", True),
        ("-5", "x=-5", True),
        ("85", "The answer is **85**.", True),
        ("3", "of 1,2,3", True),
        ("July", "It is **July**!", True),
        ("July 4", 'It is "july  4".', True),
        ("Paris", "Not Paris but Rome", False),
        (" ", "anything", False),
        ("yes", "", False),
    ],
)
def test_the_prompts_own_answer(wanted: str | None, said: str, right: bool) -> None:
    assert answer(asked("?", wanted), said) is right


def test_the_tutor_grades_every_statement() -> None:
    question = asked("What is 47 plus 38?")
    assert tutor(question, "47 plus 38: 40 plus 30 is 70. 7 plus 8 is 15. The answer is 85.")
    assert not tutor(question, "40 plus 30 is 80. The answer is 85.")
    assert not tutor(asked("Who are you?"), "85")


def told(name: str, prompt: Prompt, *said: str) -> list[bool | None]:
    return list(find_truth(name)([(prompt, Response(text, "m")) for text in said]))


def test_finding_one() -> None:
    assert told("tutor", asked("What is 47 plus 38?"), "The answer is 85.", "86") == [True, False]
    assert told("answer", asked("?", "85"), "So 85.", "86") == [True, False]
    assert told("wheels:first_is_right", asked("?"), "x/0", "x/1") == [True, False]
    for name, said in (
        ("x", "unknown truth 'x'; known: tutor, answer, a judge by rules"),
        ("llm", "'llm' asks a model; name a judge by rules"),
        ("no.such:f", "cannot load"),
        ("os:sep", "no function"),
        ("wheels:waits", "no function"),
    ):
        with pytest.raises(ConfigError, match=said):
            find_truth(name)


def test_what_goes_wrong_in_a_users_own_is_named() -> None:
    for name, said in (
        ("raises", r"wheels:raises: raised KeyError: 'answer' \(prompt 'p'\)"),
        ("says_nothing", r"wheels:says_nothing: returned None .*; return True or False"),
    ):
        with pytest.raises(DataError, match=said):
            told(f"wheels:{name}", asked("?"), "x")


def test_a_judge_by_rules_says_what_it_says_in_a_run() -> None:
    constraints = ('{"no_commas": {}}', '{"start_with": {"phrase": "Well"}}')
    prompt = replace(asked("Speak."), constraints=constraints)
    assert told("format", prompt, "Well said.", "Well, said.", "Said.") == [True, False, False]
    assert told("math", asked("?", "1/2"), "It is $0.5$.", "It is 2.") == [True, False]
    # Of a prompt that holds nothing to check, nobody knows.
    assert told("format", asked("?"), "Well said.") == [None]
