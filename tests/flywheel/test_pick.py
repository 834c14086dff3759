"""The four filters, on the responses of one run of the mill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import scripts
from gristmill import mill
from gristmill.errors import CheckpointError, RunError
from gristmill.flywheel.answers import Answer, answers, texts
from gristmill.flywheel.pick import Picked, pick
from gristmill.intake.source import Source
from gristmill.mill.source import read_prompts
from gristmill.records import Prompt, Response
from mills import config, tables, write_prompts
from thinkers import THOUGHT

PROMPTS = 12


def last_is_right(questions: Sequence[tuple[Prompt, Response]]) -> list[bool]:
    """Of three answers the third is right, save to the first prompt."""
    return [said.text.endswith("/2") and asked.id != "p0" for asked, said in questions]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Answer]]:
    home = tmp_path_factory.mktemp("pick")
    scripts.forget()
    file = write_prompts(home, PROMPTS)
    mill.run(config(file, generate={"model": "scripted:scripts:answer", "responses": 3}),
             home / "mill")  # fmt: skip
    prompts = {p.id: p for p in read_prompts([Source(file=str(file))]) if isinstance(p, Prompt)}
    return home / "mill", answers(home / "mill", prompts, last_is_right)


def picked(run: tuple[Path, list[Answer]], how: str, seed: int = 0) -> Picked:
    return pick(how, *run, seed)


def ids(rows: list[dict[str, Any]], name: str = "response_id") -> list[str]:
    return [row[name] for row in rows]


def test_every_response_is_read_back_in_order_kept_or_not(run: tuple[Path, list[Answer]]) -> None:
    _, found = run
    assert [a.response_id for a in found] == [f"p{i}.{j}" for i in range(PROMPTS) for j in range(3)]
    assert all(a.response.text == f"Question {a.prompt.id[1:]}?/{a.index}" for a in found)
    assert all(a.reward is not None for a in found)


def test_reward_takes_what_the_mill_picked(run: tuple[Path, list[Answer]]) -> None:
    there, found = run
    mine = picked(run, "reward")
    assert ids(mine.sft) == ids(tables(there)["sft"])
    assert ids(mine.preference, "chosen_id") == ids(tables(there)["preference"], "chosen_id")
    assert mine.sampled == len(found)
    assert mine.right_sampled == pytest.approx((PROMPTS - 1) / (3 * PROMPTS))
    assert mine.right_picked == pytest.approx(sum(r["right"] for r in mine.sft) / len(mine.sft))


def test_none_takes_one_of_each_prompt_the_same_for_the_same_seed(
    run: tuple[Path, list[Answer]],
) -> None:
    mine = picked(run, "none")
    assert ids(mine.sft, "prompt_id") == [f"p{i}" for i in range(PROMPTS)]
    assert mine.preference == []
    assert picked(run, "none") == mine != picked(run, "none", seed=1)


def test_random_takes_as_many_as_reward(run: tuple[Path, list[Answer]]) -> None:
    mine = picked(run, "random")
    assert len(mine.sft) == len(picked(run, "reward").sft) < PROMPTS
    assert len(set(ids(mine.sft, "prompt_id"))) == len(mine.sft)


def test_the_oracle_takes_what_is_right_and_sets_it_against_what_is_wrong(
    run: tuple[Path, list[Answer]],
) -> None:
    mine = picked(run, "oracle")
    assert ids(mine.sft) == [f"p{i}.2" for i in range(1, PROMPTS)]
    assert mine.right_picked == 1.0
    assert ids(mine.preference, "chosen_id") == ids(mine.sft)
    for row in mine.preference:
        assert row["rejected_id"] in (f"{row['prompt_id']}.0", f"{row['prompt_id']}.1")
        assert (row["chosen_score"], row["rejected_score"]) == (1.0, 0.0)


def test_every_row_is_traceable(run: tuple[Path, list[Answer]]) -> None:
    by_id = {answer.response_id: answer for answer in run[1]}
    for how in ("reward", "none", "random", "oracle"):
        for row in picked(run, how).sft:
            answer = by_id[row["response_id"]]
            assert row["messages"][-1] == {"role": "assistant", "content": answer.response.text}
            assert row["messages"][0]["content"] == answer.prompt.messages[0].content


def test_a_filter_that_lets_nothing_through_says_so(run: tuple[Path, list[Answer]]) -> None:
    nothing_right = [replace(a, right=False) for a in run[1]]
    with pytest.raises(RunError, match="'oracle' lets not one of 36 responses through"):
        pick("oracle", run[0], nothing_right, 0)


def test_blank_answers_are_wrong_and_never_picked(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text('{"id": "b", "prompt": "blank"}\n')
    scripts.forget()
    mill.run(config(file, generate={"model": "scripted:scripts:answer", "responses": 2}),
             tmp_path / "mill")  # fmt: skip
    prompts = {p.id: p for p in read_prompts([Source(file=str(file))]) if isinstance(p, Prompt)}
    found = answers(
        tmp_path / "mill", prompts, lambda said: [bool(r.text.strip()) for _, r in said]
    )
    assert [(a.response.text.strip(), a.right, a.reward is None) for a in found] == [
        ("", False, True), ("blank/1", True, False)
    ]  # fmt: skip
    for seed in range(5):
        assert ids(pick("none", tmp_path / "mill", found, seed).sft) == ["b.1"]


def test_another_rounds_responses_are_refused(run: tuple[Path, list[Answer]]) -> None:
    with pytest.raises(CheckpointError, match="no prompt of this round"):
        answers(run[0], {}, None)


def test_random_has_as_many_rows_also_where_reward_takes_several_of_a_prompt(
    tmp_path: Path,
) -> None:
    file = write_prompts(tmp_path, 6)
    scripts.forget()
    generate = {"model": "scripted:scripts:answer", "responses": 3}
    chosen = config(file, generate=generate, keep=[], select={"best": None})
    mill.run(chosen, tmp_path / "mill")
    prompts = {p.id: p for p in read_prompts([Source(file=str(file))]) if isinstance(p, Prompt)}
    there = tmp_path / "mill", answers(tmp_path / "mill", prompts, None)
    mine = picked(there, "random")
    assert len(mine.sft) == len(picked(there, "reward").sft) == 18
    assert len(set(ids(mine.sft))) == 18 and mine.right_picked is None


@pytest.mark.parametrize("how", ["none", "random", "oracle"])
def test_chance_is_the_seeds(run: tuple[Path, list[Answer]], how: str) -> None:
    assert picked(run, how, 4) == picked(run, how, 4)
    assert any(picked(run, how, seed) != picked(run, how, 4) for seed in range(3))


def test_over_the_target_is_left_out(tmp_path: Path) -> None:
    file = write_prompts(tmp_path, 8)
    scripts.forget()
    generate = {"model": "scripted:scripts:answer", "concurrency": 8}
    mill.run(config(file, generate=generate, keep=[], target=3), tmp_path / "mill")
    prompts = {p.id: p for p in read_prompts([Source(file=str(file))]) if isinstance(p, Prompt)}
    found = answers(tmp_path / "mill", prompts, None)
    assert {a.prompt.id for a in found} == {"p0", "p1", "p2"}


def test_what_is_trained_on_has_the_thoughts_and_calls_of_the_responses(tmp_path: Path) -> None:
    file = write_prompts(tmp_path, 2)
    generate = {"model": "scripted:thinkers:answer", "responses": 5}
    grades = [{"reward": {"model": "scripted:thinkers:grade"}}]
    prompts = {p.id: p for p in read_prompts([Source(file=str(file))]) if isinstance(p, Prompt)}
    for judges in (grades, []):
        keep = {"generate": generate, "keep": [], "judges": judges, "select": {"best": None}}
        there = tmp_path / f"mill-{len(judges)}"
        mill.run(config(file, **keep), there)
        found = answers(there, prompts, None)
        assert [a.index for a in found] == [0, 1, 2, 3, 4] * 2
        assert [bool(a.response.reasoning) for a in found[:5]] == [False, True, True, False, True]
        assert [len(a.response.tool_calls) for a in found[:5]] == [0, 0, 1, 2, 0]
        assert [a.response.says for a in found[:5]] == [True] * 4 + [False]
    scored = tmp_path / "mill-1", answers(tmp_path / "mill-1", prompts, None)
    with_them, without = (pick("reward", *scored, 0, thoughts) for thoughts in (True, False))
    for both in (with_them, without):
        pair = both.preference[0]
        assert len(pair["chosen"][0]["tool_calls"]) == 2 and "tool_calls" not in pair["rejected"][0]
        assert None not in pair["chosen"][0].values()
    thoughts = [row["messages"][-1].get("reasoning_content") for row in with_them.sft]
    assert sum(t == THOUGHT for t in thoughts) == 4
    assert not any("reasoning_content" in row["messages"][-1] for row in without.sft)
    assert '"add"' in texts(tmp_path / "mill-1")["p0", 2], "of calls alone the page shows these"
