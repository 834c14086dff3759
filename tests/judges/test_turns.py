"""Dialogues of which every turn is graded, and the filter that asks for each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import scripts
from gristmill import mill
from gristmill.errors import BackendError, ConfigError
from gristmill.filters.turns import Turns as Filter
from gristmill.judges.turns import Turns
from gristmill.records import Drop, Message, Prompt, Response, Sample, Verdict, prompt_id
from mills import config, tables

TALK = (
    Message("system", "Be brief."),
    Message("user", "One?"),
    Message("assistant", "1"),
    Message("user", "Five?"),
    Message("assistant", "5"),
    Message("user", "And six?"),
)
seen: list[list[str]] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    seen.clear()
    scripts.forget()


def grade(messages: list[dict[str, Any]]) -> float:
    """The number that the last turn says."""
    seen.append([m["content"] for m in messages])
    said = messages[-1]["content"]
    if said == "?":
        raise BackendError("bad_reply", "no grade in it")
    return float(said)


def judged(*messages: Message, said: str) -> Verdict:
    import asyncio

    judge = Turns(model=f"scripted:{__name__}:grade")
    backend = judge.open()
    prompt = Prompt(prompt_id(messages), messages)
    return asyncio.run(judge.judge(backend, prompt, Response(said, "m")))


def test_every_turn_of_the_assistant_is_graded_with_what_came_before() -> None:
    verdict = judged(*TALK, said="6")
    assert (verdict.judge, verdict.reward, verdict.turns) == ("turns", 4.0, (1.0, 5.0, 6.0))
    assert sorted(map(len, seen)) == [3, 5, 7]
    assert all(turns[:2] == ["Be brief.", "One?"] for turns in seen)


def test_a_single_answer_is_a_dialogue_of_one() -> None:
    verdict = judged(Message("user", "Six?"), said="6")
    assert (verdict.reward, verdict.turns) == (6.0, (6.0,))


def test_a_dialogue_with_a_turn_that_cannot_be_graded_has_no_verdict() -> None:
    with pytest.raises(BackendError, match="no grade in it"):
        judged(
            Message("user", "One?"), Message("assistant", "?"), Message("user", "Two?"), said="2"
        )


@pytest.mark.parametrize(
    ("bounds", "turns", "reason"),
    [
        ({"every": 2}, (2.0, 5.0), ""),
        ({"every": 2.5}, (2.0, 5.0), "turns:every"),
        ({"mean": 3.5}, (2.0, 5.0), ""),
        ({"mean": 3.6}, (2.0, 5.0), "turns:mean"),
        ({"every": 1, "mean": 4}, (2.0, 5.0), "turns:mean"),
        ({"every": 1}, (), "turns:no_judge"),
    ],
)
def test_bounds_on_each_turn_and_on_the_mean(
    bounds: dict[str, float], turns: tuple[float, ...], reason: str
) -> None:
    verdict = Verdict("turns", "m", 3.5, turns=turns)
    sample = Sample(0, Response("x", "m"), (verdict,))
    said = Filter(**bounds).reason(Prompt("p", TALK), sample)
    assert (said.reason if isinstance(said, Drop) else said) == reason
    if isinstance(said, Drop) and turns:
        assert said.evidence == "rewards of the assistant's turns: 2.00, 5.00"


def test_a_filter_without_a_bound_is_refused() -> None:
    with pytest.raises(ConfigError, match="give `every`, `mean`, or both"):
        config(Path("p.jsonl"), keep=["turns"])


def test_a_run_keeps_what_was_graded_and_grades_nothing_twice(tmp_path: Path) -> None:
    prompts = tmp_path / "p.jsonl"
    dialogues = [
        [("user", "a?"), ("assistant", f"a{low}"), ("user", f"q{low}?")] for low in (1, 4, 8)
    ]
    lines = ({"messages": [{"role": r, "content": c} for r, c in d]} for d in dialogues)
    prompts.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ours = config(
        prompts,
        generate={"model": "scripted:scripts:answer", "responses": 1},
        judges=[{"turns": {"model": "scripted:scripts:grade"}}],
        keep=[{"turns": {"every": 3}}],
    )
    outcome = mill.run(ours, tmp_path / "run")
    assert outcome.metrics["reasons"] == {"turns:every": 1}
    (dropped,) = tables(outcome.folder)["rejected"]
    assert dropped["detail"] == "rewards of the assistant's turns: 1.00, 1.00"
    # Loosened on the finished folder: the turns are in the checkpoint.
    scripts.forget()
    loose = ours.model_copy(update={"keep": [{"turns": {"every": 1}}]})
    assert mill.run(loose, tmp_path / "run").metrics["reasons"] == {}
    assert not scripts.graded
