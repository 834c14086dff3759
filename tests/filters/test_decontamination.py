"""What overlaps with a benchmark is dropped, and the item is named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gristmill.errors import ConfigError, DataError
from gristmill.filters.decontamination import Decontamination
from gristmill.parts import open_part
from gristmill.records import Drop, Message, Prompt
from mills import prompt, sample

QUESTION = (
    "A farmer has seventeen sheep and all but nine of them run away through a hole in the old "
    "fence; how many sheep are left in the field when evening comes?"
)


def filter_of(folder: Path, *items: object, **options: object) -> Decontamination:
    path = folder / "bench.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    given = {"against": "bench.jsonl", **options}
    return open_part("gristmill.filters", {"decontamination": given}, "keep[0]").located(folder)


def test_a_copied_prompt_is_dropped_with_the_item_and_the_words(tmp_path: Path) -> None:
    filter_ = filter_of(tmp_path, {"question": "Something else?"}, {"question": QUESTION})
    asked = prompt(f"Solve this.\n\n{QUESTION.upper().replace(' ', '  ')}\n\nThink first.")
    drop = filter_.reason(asked, sample(0, "Nine."))
    assert isinstance(drop, Drop)
    assert drop.reason == "decontamination:prompt"
    assert drop.evidence.startswith('bench.jsonl:2, 100% of it: "a farmer has seventeen sheep and')
    assert drop.evidence.endswith("(31 words)")
    assert filter_.reason(prompt("How many sheep are left?"), sample(0, "Nine.")) == ""


def test_it_looks_where_it_is_told(tmp_path: Path) -> None:
    quoting = sample(0, f'The riddle "{QUESTION}" is old.')
    both = filter_of(tmp_path, {"prompt": QUESTION})
    assert both.reason(prompt("x"), quoting)[0] == "decontamination:response"
    assert filter_of(tmp_path, {"prompt": QUESTION}, of="prompt").reason(prompt("x"), quoting) == ""
    only = filter_of(tmp_path, {"prompt": QUESTION}, of="response")
    assert only.reason(prompt(QUESTION), sample(0, "Nine.")) == ""


def test_each_turn_is_a_text_of_its_own_and_the_systems_is_not_looked_at(tmp_path: Path) -> None:
    filter_ = filter_of(tmp_path, {"prompt": "What is 2 + 2?"})
    turns = (Message("system", "What is 2 + 2?"), Message("user", "Hello"))
    assert filter_.reason(Prompt("p", turns), sample(0, "Hi")) == ""
    turns = (Message("user", "What is 2+2"), Message("assistant", "4"), Message("user", "Sure?"))
    assert filter_.reason(Prompt("p", turns), sample(0, "Yes"))[0] == "decontamination:prompt"


def test_all_samples_of_a_prompt_are_dropped_alike(tmp_path: Path) -> None:
    filter_ = filter_of(tmp_path, {"prompt": QUESTION})
    said = [filter_.reason(prompt(QUESTION), sample(i, f"answer {i}")) for i in range(3)]
    assert said[0] == said[1] == said[2] != ""
    assert filter_.reason(prompt("Another"), sample(0, "answer")) == ""


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": QUESTION}, {"question": QUESTION}, {"problem": QUESTION},
        {"instruction": QUESTION, "output": "x"}, {"text": QUESTION}, {"turns": [QUESTION, "And?"]},
        {"instruction": "Solve.", "input": QUESTION},
        {"messages": [{"role": "user", "content": QUESTION}]},
        {"conversations": [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": "x"}]},
    ],
)  # fmt: skip
def test_the_usual_columns_are_known(tmp_path: Path, row: dict[str, object]) -> None:
    assert filter_of(tmp_path, row).reason(prompt(QUESTION), sample(0, "x")) != ""


def test_another_column_is_named_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    rows = ({"stem": QUESTION, "prompt": "x"}, {"stem": "y"})
    filter_ = filter_of(tmp_path, *rows, column="stem")
    assert filter_.reason(prompt(QUESTION), sample(0, "x")) != ""
    for options, what in (({"column": "stam"}, "no text in 'stam'"), ({}, "none of the usual")):
        filter_ = filter_of(tmp_path, {"stem": "y"}, **options)
        with pytest.raises(DataError, match=rf"bench.jsonl:1: {what}.*it has: stem"):
            filter_.reason(prompt("x"), sample(0, "x"))


def test_files_that_are_not_there_are_told_before_anything_is_asked(tmp_path: Path) -> None:
    part = open_part("gristmill.filters", {"decontamination": {"against": ["no.jsonl"]}}, "k")
    with pytest.raises(DataError, match=r"no.jsonl: no such file"):
        part.located(tmp_path)
    (tmp_path / "no.jsonl").write_text("")
    with pytest.raises(DataError, match=r"the file is empty"):
        part.located(tmp_path)
    with pytest.raises(ConfigError, match=r"decontamination.against"):
        open_part("gristmill.filters", {"decontamination": {"against": []}}, "k")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    assert filter_of(tmp_path, {"prompt": QUESTION}).reason(prompt(QUESTION), sample(0, "x")) != ""
    other = filter_of(tmp_path, {"prompt": "Something quite different and much shorter than that"})
    assert other.reason(prompt(QUESTION), sample(0, "x")) == ""


def test_paraphrases_are_a_known_limit_and_real_prompts_no_false_alarm() -> None:
    beside = Path(__file__).parents[3] / "shared" / "data"
    data = Path(os.environ.get("GRISTMILL_DATA", beside))
    if not (data / "decontamination").is_dir():
        pytest.skip(f"no {data / 'decontamination'}")
    filter_ = Decontamination(against=(str(data / "decontamination" / "benchmark.jsonl"),))

    def dropped(path: Path, column: str) -> int:
        rows = map(json.loads, path.read_text(encoding="utf-8").strip().split("\n"))
        return sum(filter_.reason(prompt(r[column]), sample(0, "x")) != "" for r in rows)

    assert dropped(data / "decontamination" / "benchmark.jsonl", "text") == 164
    assert dropped(data / "decontamination" / "paraphrased.jsonl", "text") <= 4
    assert dropped(data / "arena_hard" / "questions.jsonl", "prompt") == 0
    # One has thirteen words of code in common with a solution: "if (a == b and b == c) or ...".
    assert dropped(data / "mbpp" / "mbpp.jsonl", "code") <= 1
