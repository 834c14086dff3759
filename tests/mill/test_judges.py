"""Several judges in one run: alone and together, with weights, without a say, with reasons."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

import scripts
from gristmill import mill
from gristmill.backends import Backend, ChatBackend, open_chat
from gristmill.errors import BackendError, BackendFatal, ConfigError, MissingExtra
from gristmill.filters.base import Filter
from gristmill.judges.base import GroundTruth, GroupJudge
from gristmill.mill import Config
from gristmill.records import Drop, Message, Prompt, Response, Sample, Sampling, Verdict, prompt_id
from mills import config, tables, write_prompts

GRADE: dict[str, Any] = {"reward": {"model": "scripted:scripts:grade"}}
compared: Counter[str] = Counter()
"""Calls of `Longest`, by text; and how its verdicts are to fail."""
failing: list[str] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    compared.clear()
    failing.clear()


def said(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    text = messages[-1]["content"]
    compared[text] += 1
    if text in failing:
        raise BackendError("timeout", "no reply in time")
    if "gone" in failing:
        raise BackendFatal("the model is gone")
    return "ok"


class Longest(GroupJudge):
    """Asks about each response once, then says which place it has by length."""

    def open(self) -> ChatBackend:
        return open_chat(f"scripted:{__name__}:said")

    async def compare(
        self, backend: Backend, prompt: Prompt, responses: Sequence[Response]
    ) -> Sequence[Verdict | BackendError]:
        found: list[Verdict | BackendError] = []
        for response in responses:
            messages = (Message("user", response.text),)
            asked = Prompt(prompt_id(messages), messages)
            try:
                await cast(ChatBackend, backend).sample(asked, 0, Sampling())
            except BackendError as error:
                found.append(error)
                continue
            place = sum(len(r.text) < len(response.text) for r in responses)
            found.append(
                Verdict("longest", "rule", float(place), tokens=3, detail=f"place {place}")
            )
        return found


class Even(GroundTruth):
    """Right are answers whose last digit is even; no say about prompts without an answer."""

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        if prompt.answer is None:
            return Verdict("even", "rule", None)
        right = int(response.text[-1]) % 2 == 0
        return Verdict("even", "rule", float(right), detail=f"ends in {response.text[-1]}")


class Shout(Filter):
    """Drops what has a 3 in it, saying where, and exports the rest in capitals."""

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        assert sample.response is not None
        at = sample.response.text.find("3")
        return Drop("shout", f"a 3 at {at}") if at >= 0 else ""

    def change(self, prompt: Prompt, sample: Sample) -> str | None:
        assert sample.response is not None
        return sample.response.text.upper()


def own(prompts: Path, *judges: Any, **changes: Any) -> Config:
    generate = {"model": "scripted:scripts:answer", **changes.pop("generate", {})}
    return config(prompts, generate=generate, judges=list(judges), **{"keep": [], **changes})


def name(kind: type) -> str:
    return f"{__name__}:{kind.__name__}"


def test_a_judge_of_all_responses_sees_them_together_after_the_others(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 3)
    ours = own(prompts, name(Longest), GRADE, generate={"responses": 11})
    outcome = mill.run(ours, tmp_path / "run")
    scored = tables(tmp_path / "run")["scored"]
    assert len(scored) == 33
    longer = [row for row in scored if row["response"].endswith("/10")]
    for row in longer:
        by = {j["judge"]: j for j in row["judgements"]}
        assert list(by) == ["reward", "longest"]
        assert (by["longest"]["reward"], by["longest"]["detail"]) == (10.0, "place 10")
        assert row["reward"] == (by["reward"]["reward"] + 10.0) / 2
    # Four read and one written a call: what its answers took, whatever a verdict says of it.
    assert outcome.metrics["tokens"]["judge"] == 33 * 5


def test_its_calls_are_kept_and_a_failed_one_alone_is_made_again(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 4)
    failing.append("Question 2?/1")
    ours = own(prompts, GRADE, name(Longest))
    first = mill.run(ours, tmp_path / "run")
    assert first.metrics["reasons"] == {"error:timeout": 1}
    rejected = tables(tmp_path / "run")["rejected"]
    assert [(r["response"], r["detail"]) for r in rejected] == [
        ("Question 2?/1", "no reply in time")
    ]
    failing.clear()
    compared.clear()
    second = mill.run(ours, tmp_path / "run")
    assert second.metrics["reasons"] == {}
    # The other answer of that prompt is compared anew, from what was kept.
    assert compared == {"Question 2?/1": 1}
    assert max(scripts.asked.values()) == 1
    assert max(scripts.graded.values()) == 1


def test_what_it_spends_is_bounded_by_the_budget(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 20)
    ours = own(prompts, GRADE, name(Longest), budget={"requests": 50})
    outcome = mill.run(ours, tmp_path / "run")
    assert outcome.status == "budget"
    assert outcome.metrics["requests"]["sent"] <= 50
    more = own(prompts, GRADE, name(Longest), budget={"requests": 500})
    outcome = mill.run(more, tmp_path / "run")
    assert outcome.status == "complete"
    assert outcome.metrics["requests"]["sent"] == 20 * 2 * 3
    assert max(compared.values()) == 1


def test_a_model_that_is_gone_stops_the_run(tmp_path: Path) -> None:
    failing.append("gone")
    with pytest.raises(BackendFatal, match="gone"):
        mill.run(own(write_prompts(tmp_path, 4), GRADE, name(Longest)), tmp_path / "run")


def test_a_judge_by_rules_calls_nothing_and_has_no_licence(tmp_path: Path) -> None:
    prompts = tmp_path / "p.jsonl"
    prompts.write_text('{"prompt": "a", "answer": "x"}\n{"prompt": "b"}\n')
    ours = own(prompts, GRADE | {}, name(Even), generate={"licence": "MIT"})
    outcome = mill.run(ours, tmp_path / "run")
    # Of two answers to two prompts each, a grade from the model, and nothing from the rules.
    assert outcome.metrics["requests"]["sent"] == 8
    scored = tables(tmp_path / "run")["scored"]
    assert {tuple(row["provenance"]["licences"]) for row in scored} == {("MIT", None)}
    only = mill.run(own(prompts, name(Even), generate={"licence": "MIT"}), tmp_path / "rules")
    scored = tables(only.folder)["scored"]
    assert {tuple(row["provenance"]["licences"]) for row in scored} == {("MIT",)}
    by_prompt = {(row["prompt"], row["response"]): row["reward"] for row in scored}
    assert by_prompt == {
        ("a", "a/0"): 1.0,
        ("a", "a/1"): 0.0,
        ("b", "b/0"): None,
        ("b", "b/1"): None,
    }


def test_a_threshold_on_one_judge_lets_pass_what_it_has_no_say_about(tmp_path: Path) -> None:
    prompts = tmp_path / "p.jsonl"
    prompts.write_text('{"prompt": "a", "answer": "x"}\n{"prompt": "b"}\n')
    keep = [{"threshold": {"judges": {"even": 1}}}]
    outcome = mill.run(own(prompts, GRADE, name(Even), keep=keep), tmp_path / "run")
    found = tables(outcome.folder)
    assert [row["response"] for row in found["scored"] if row["kept"]] == ["a/0", "b/0", "b/1"]
    (dropped,) = found["rejected"]
    assert (dropped["reason"], dropped["detail"]) == ("threshold:even", "ends in 1")
    # What somebody else's judge signs its verdicts with is known only then.
    other = own(prompts, GRADE, name(Even), keep=[{"threshold": {"judges": {"evn": 1}}}])
    assert mill.run(other, tmp_path / "other").metrics["reasons"] == {"threshold:no_evn": 4}


def test_a_reward_that_nobody_gave_is_no_reward(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 2)
    keep = [{"threshold": {"reward": -100}}]
    outcome = mill.run(own(prompts, name(Even), keep=keep), tmp_path / "run")
    assert outcome.metrics["reasons"] == {"threshold:no_reward": 4}
    assert tables(outcome.folder)["preference"] == []


@pytest.mark.parametrize(
    ("weights", "reward"),
    [
        ({}, lambda grade, even: (grade + even) / 2),
        ({"even": 3}, lambda grade, even: (grade + 3 * even) / 4),
        ({"rule": 3}, lambda grade, even: (grade + 3 * even) / 4),
        ({"even": 0}, lambda grade, even: grade),
        ({"reward": 0, "even": 2}, lambda grade, even: even),
    ],
)
def test_rewards_are_weighed_and_changing_weights_costs_nothing(
    tmp_path: Path, weights: dict[str, float], reward: Any
) -> None:
    prompts = tmp_path / "p.jsonl"
    prompts.write_text("".join(f'{{"prompt": "q{i}", "answer": "x"}}\n' for i in range(5)))
    mill.run(own(prompts, GRADE, name(Even)), tmp_path / "run")
    asked = sum(scripts.asked.values())
    ours = own(prompts, GRADE, name(Even), select={"weights": weights})
    mill.run(ours, tmp_path / "run")
    assert sum(scripts.asked.values()) == asked
    rows = tables(tmp_path / "run")["scored"]
    assert len(rows) == 10
    for row in rows:
        grade, even = (j["reward"] for j in row["judgements"])
        assert row["reward"] == pytest.approx(reward(grade, even))


def test_a_negative_weight_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"select.weights: the weight of 'even' is negative"):
        own(write_prompts(tmp_path, 1), GRADE, select={"weights": {"even": -1}})


def test_a_filter_says_what_it_saw_and_may_change_what_is_exported(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 5)
    keep = [{name(Shout): {}}, {"dedup": {}}]
    outcome = mill.run(own(prompts, GRADE, keep=keep), tmp_path / "run")
    found = tables(outcome.folder)
    assert {(r["reason"], r["detail"]) for r in found["rejected"]} == {("shout", "a 3 at 9")}
    exported = [row["messages"][-1]["content"] for row in found["sft"]]
    assert exported and all(text.isupper() and "QUESTION" in text for text in exported)
    assert all(row["response"].isupper() for row in found["scored"] if row["kept"])
    # What is on the disk was not changed: without the filter it reads as it was.
    again = mill.run(own(prompts, GRADE), tmp_path / "run")
    assert "Question 3?/0" in {row["response"] for row in tables(again.folder)["scored"]}


@pytest.mark.parametrize(
    ("module", "changes"),
    [
        ("lingua", {"keep": [{"language": {"expect": "en"}}]}),
        ("rensa", {"keep": ["near_duplicates"]}),
        ("math_verify", {"judges": ["math"], "keep": []}),
    ],
)
def test_a_missing_extra_is_named_before_anything_is_asked(
    tmp_path: Path, module: str, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    ours = config(
        write_prompts(tmp_path, 2, answer="7"),
        **{"generate": {"model": "scripted:scripts:answer"}, "judges": [GRADE], **changes},
    )
    with pytest.raises(MissingExtra, match=r"pip install 'gristmill\[curate\]'"):
        mill.run(ours, tmp_path / "run")
    assert not scripts.asked
