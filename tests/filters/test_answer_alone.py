"""Every filter looks at the answer alone: a thought beside it trips none, and calls of tools
without a text break none."""

from __future__ import annotations

import json
import pkgutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import gristmill.filters
from gristmill.filters import decide
from gristmill.filters.base import Filter
from gristmill.parts import open_part
from gristmill.records import Graded, Response, Sample, ToolCall
from mills import prompt, sample, verdict

RUN = " ".join(f"word{n}" for n in range(40))
GERMAN = "Das ist ein ganz gewöhnlicher deutscher Satz, den jemand lang genug geschrieben hat. " * 3

TRIPS: dict[str, tuple[dict[str, Any], str]] = {
    "code_syntax": ({}, "```python\ndef f(:\n```"),
    "decontamination": ({"against": "items.jsonl"}, RUN),
    "dedup": ({"of": "response"}, "Seen before."),
    "language": ({"expect": ["en"]}, GERMAN),
    "leaked_template": ({}, "<|im_start|>assistant\nHello"),
    "length": ({"max_words": 90}, "word " * 91),
    "near_duplicates": ({}, "Seen before, and long enough to be compared with what came later."),
    "personal_data": ({}, "Write to jane.doe@acme-widgets.org."),
    "refusal": ({}, "I'm sorry, but I can't help with that."),
    "repetition": ({}, "again and again " * 60),
    "truncated": ({"ending": True}, "One sentence ended. The next one is cut off, in the mid"),
}
"""Of each filter that reads texts its options, and a text that it drops."""

OTHERS: dict[str, dict[str, Any]] = {
    "semantic_duplicates": {},
    "threshold": {"reward": 1},
    "tool_calls": {},
    "turns": {"mean": 1},
}
"""Those that look at verdicts, or at calls."""

ALONE = [name for name in TRIPS if name != "personal_data"]
"""Those that look at the answer alone; personal data must not go out in a thought either."""


def opened(name: str, options: dict[str, Any], folder: Path) -> Filter:
    (folder / "items.jsonl").write_text(json.dumps({"prompt": RUN}) + "\n")
    return open_part("gristmill.filters", {name: options}, "keep[0]").located(folder)


def reasons(part: Filter, *responses: Response) -> list[str]:
    """The reasons of responses to one prompt after another; of filters with a memory the last
    counts."""
    found = []
    for number, response in enumerate(responses):
        graded = Graded(0, prompt(f"q{number}"), (Sample(0, response),))
        found += [decision.reason for decision in decide([part], graded)]
    return found


def test_every_filter_is_walked() -> None:
    names = {name for _, name, _ in pkgutil.iter_modules(gristmill.filters.__path__)}
    assert {n for n in names if n[0] != "_"} - {"base"} == {*TRIPS, *OTHERS}


@pytest.mark.parametrize("name", ALONE)
def test_a_thought_trips_no_filter(name: str, tmp_path: Path) -> None:
    options, text = TRIPS[name]
    if name in ("language", "near_duplicates"):
        pytest.importorskip({"language": "lingua", "near_duplicates": "rensa"}[name])
    said = [Response(text, "m", "stop")] * 2
    assert reasons(opened(name, options, tmp_path), *said)[-1].startswith(name)
    answers = ("Paris is the capital of France.", "The river there is called the Seine.")
    thought = [Response(answer, "m", "stop", reasoning=text) for answer in answers]
    assert reasons(opened(name, options, tmp_path), *thought) == ["", ""]


@pytest.mark.parametrize("name", [*TRIPS, *OTHERS])
def test_calls_without_a_text_break_no_filter(name: str, tmp_path: Path) -> None:
    options, text = TRIPS.get(name, (OTHERS.get(name), ""))
    if name == "length":
        options = {"min_words": 3, "min_characters": 9}
    if name == "code_syntax":
        options = {"missing": "drop"}
    if name in ("language", "near_duplicates"):
        pytest.importorskip({"language": "lingua", "near_duplicates": "rensa"}[name])
    calls = (ToolCall("look_up", '{"city": "Paris"}', "c1"),)
    asked = replace(prompt("Code it."), category="coding")
    for blank in ("", " \n"):
        thought = text if name in ALONE else ""
        response = Response(blank, "m", "tool_calls", reasoning=thought, tool_calls=calls)
        graded = Graded(0, asked, (Sample(0, response, (verdict(2.0),)),))
        (decision,) = decide([opened(name, options or {}, tmp_path)], graded)
        assert decision.keep or name in OTHERS, decision


@pytest.mark.parametrize("name", ["dedup", "near_duplicates"])
@pytest.mark.parametrize("of", ["response", "row"])
def test_other_calls_are_no_duplicates_and_the_same_with_other_ids_are(
    name: str, of: str, tmp_path: Path
) -> None:
    if name == "near_duplicates":
        pytest.importorskip("rensa")
    part = opened(name, {"of": of}, tmp_path)

    def reason(arguments: str, place: str) -> str:
        call = ToolCall("look_up_the_weather", arguments, place)
        one = Sample(0, Response("", "m", "tool_calls", tool_calls=(call,)))
        (decision,) = decide([part], Graded(0, prompt("Weather?"), (one,)))
        return decision.reason

    assert reason('{"city": "Paris", "day": 1}', "a") == ""
    assert reason('{"city": "Rome", "day": 1}', "b") == ""
    assert reason('{"city": "Paris", "day": 2}', "c") == ""
    assert reason('{"day": 1, "city": "Paris"}', "d") == name


def test_blank_answers_without_calls_are_empty(tmp_path: Path) -> None:
    thought = sample(0, " ")
    assert thought.response is not None
    thought = replace(thought, response=replace(thought.response, reasoning=GERMAN))
    (decision,) = decide([], Graded(0, prompt("q"), (thought,)))
    assert decision.reason == "empty_response"
