"""Prompts dealt to the rounds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import DataError
from gristmill.flywheel import loaded
from gristmill.flywheel.deal import Dealt, deal, deal_all, key, write
from gristmill.intake.source import Source
from gristmill.mill import Config
from gristmill.mill.source import read_prompts
from gristmill.records import Message, Prompt, prompt_id
from wheels import settings

words = st.text("abcAB ", min_size=1, max_size=6).filter(str.strip)


def prompt(text: str) -> Prompt:
    messages = (Message("user", text),)
    return Prompt(prompt_id(messages), messages)


@given(st.lists(words, unique=True, max_size=30), st.lists(words, min_size=1, max_size=5),
       st.integers(1, 4), st.integers(0, 9))  # fmt: skip
def test_each_prompt_is_in_one_round_at_most_and_none_is_measured_on(
    texts: list[str], measured: list[str], rounds: int, seed: int
) -> None:
    evaluation, prompts = [prompt(t) for t in measured], [prompt(t) for t in texts]
    apart = {key(p) for p in evaluation}
    fresh = [p for p in prompts if key(p) not in apart]
    if len(fresh) < rounds:
        with pytest.raises(DataError, match="too few"):
            deal(evaluation, prompts, rounds, seed)
        return
    shares, leaked = deal(evaluation, prompts, rounds, seed)
    dealt = [p.id for share in shares for p in share]
    assert sorted(dealt) == sorted(p.id for p in fresh)
    assert leaked == len(prompts) - len(fresh)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert deal(evaluation, prompts[::-1], rounds, seed)[0] == shares


def test_another_seed_deals_otherwise() -> None:
    prompts = [prompt(f"question {i}") for i in range(40)]
    evaluation = [prompt("measured")]
    first, second = (deal(evaluation, prompts, 2, seed)[0] for seed in (0, 1))
    assert {p.id for p in first[0]} != {p.id for p in second[0]}


def test_case_and_white_space_make_no_other_prompt() -> None:
    shares, leaked = deal(
        [prompt("What is  1 plus 2?")], [prompt("what is 1 PLUS 2? "), prompt("x")], 1, 0
    )
    assert leaked == 1 and [len(s) for s in shares] == [1]


def test_nothing_to_measure_on() -> None:
    with pytest.raises(DataError, match=r"flywheel\.evaluate\.prompts"):
        deal([], [prompt("x")], 1, 0)


def dealt_of(home: Path, **changes: Any) -> Dealt:
    return deal_all(loaded(Config.of(settings(home, "tiny:instruct", **changes), home), home))


def test_what_is_no_prompt_or_comes_twice_is_counted(tmp_path: Path) -> None:
    rows = ['{"prompt": "a"}', '{"prompt": "a"}', "{", '{"text": "b"}', '{"prompt": "c"}']
    (tmp_path / "e.jsonl").write_text("\n".join(rows) + "\n")
    evaluate = {"prompts": {"file": str(tmp_path / "e.jsonl")}, "truth": "wheels:first_is_right"}
    found = dealt_of(tmp_path, evaluate=evaluate)
    assert [p.messages[0].content for p in found.evaluation] == ["a", "c"]
    assert found.unusable == 3 and found.leaked == 0
    assert sorted(p.id for p in found.rounds[0]) == sorted(f"Question-{i}" for i in range(24))


def test_peoples_rows_that_are_no_conversation_are_counted(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "response": "b"}, {"label": 3}, {"prompt": "Measured 3?",
            "response": "seen"}]  # fmt: skip
    (tmp_path / "people.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = dealt_of(tmp_path, human={"file": "people.jsonl"})
    assert (len(found.human[0]), found.leaked_human, found.unusable) == (1, 1, 1)


def test_people_who_wrote_only_what_is_measured_on(tmp_path: Path) -> None:
    (tmp_path / "people.jsonl").write_text('{"prompt": "measured 3? ", "response": "seen"}\n')
    with pytest.raises(DataError, match="every row begins as a prompt that is measured on"):
        dealt_of(tmp_path, human={"file": "people.jsonl"})


def test_too_few_prompts_say_how_many_there_are(tmp_path: Path) -> None:
    said = "flywheel.prompts: too few for 25 rounds: 10 prompts to measure on, 24 to train on"
    with pytest.raises(DataError, match=said):
        dealt_of(tmp_path, rounds=25)


def test_a_dealt_prompt_is_read_back_as_it_was(tmp_path: Path) -> None:
    row = {"id": "x", "prompt": "q", "answer": 3, "category": "c", "language": "de",
           "parents": ["y"], "constraints": [{"no_commas": {}}, {"keywords": {"words": ["a"]}}],
           "tests": [{"input": "1", "output": "2"}]}  # fmt: skip
    (tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n")
    system = {"generate": {"model": "scripted:scripts:answer", "system": "Be kind."}}
    found = dealt_of(tmp_path, prompts={"file": "p.jsonl"}, mill=system)
    write(found, tmp_path / "prompts")
    (again,) = read_prompts([Source(file=str(tmp_path / "prompts" / "round-1.jsonl"))], "Be kind.")
    assert isinstance(again, Prompt)
    assert replace(again, source=None) == replace(found.rounds[0][0], source=None)
    assert again.tests and len(again.constraints) == 2
    assert again.parents == ("y",) and [m.role for m in again.messages] == ["system", "user"]


def test_what_is_checked_in_an_answer_makes_another_prompt(tmp_path: Path) -> None:
    facts = ({}, {"tests": "assert True"}, {"constraints": [{"no_commas": {}}]})
    files = ({"file": str(written(tmp_path, **each))} for each in facts)
    digests = [dealt_of(tmp_path, prompts=file).digests() for file in files]
    assert len({found["round-1"] for found in digests}) == 3
    assert len({found["evaluation"] for found in digests}) == 1


def written(folder: Path, **facts: Any) -> Path:
    path = folder / "p.jsonl"
    path.write_text(json.dumps({"id": "x", "prompt": "q", **facts}) + "\n")
    return path
