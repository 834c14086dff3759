"""A forecast is true: no run and no recipe goes over what is forecast "at most"."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from full import TOKENS, dull
from gristmill import mill
from gristmill.backends.use import Asked, Use
from gristmill.errors import ConfigError
from gristmill.judges.base import GroundTruth, Judge
from gristmill.mill import Config, forecast
from gristmill.parts import find_part, part_names
from messy import Messy
from written import recipe_of, write

PRICE = {"input": 1000, "output": 4000}
"""US dollars per million tokens: so that the little that is asked here costs something."""

CHAT = {"model": "scripted:full:verdict", "max_tokens": TOKENS, "price": PRICE}
CRITERIA = [{"text": "It says which number it is, and no other."}, {"text": "It is polite."}]
GRADING = {"model": "scripted:echo", "price": PRICE}
JUDGES: dict[str, list[dict[str, Any]]] = {
    "code": [],
    "embedding": [{"model": "scripted:echo", "of": of, "price": PRICE} for of in ("row", "prompt")],
    "format": [{}],
    "genrm": [{**CHAT, "model": "scripted:full:scores", "how": how} for how in ("circle", "pairs")],
    "llm": [{**CHAT, "how": how} for how in ("pairwise", "tournament", "pointwise")],
    "math": [],
    "reward": [GRADING],
    "rubric": [{**CHAT, "model": "scripted:full:yes"}],
    "tools": [],
    "truth": [{}],
    "tutor": [{}],
    "turns": [GRADING],
}
"""Every judge, as a config has it; of those without a model, which need more, one is enough."""

OVER = 4
"""What is forecast is at most so many times what a model takes that uses all the room it has."""


def config(tmp_path: Path, judges: list[Any], **changes: Any) -> Config:
    rule = [{"lowercase": {}}]
    rows: list[dict[str, Any]] = [
        {
            "prompt": f"What is {n} and {n}? " * 9,
            "answer": "4",
            "constraints": rule,
            "rubric": CRITERIA,
        }
        for n in range(3)
    ]
    said = [{"role": r, "content": f"Turn {n}. " * 9} for n, r in enumerate(("user", "assistant"))]
    rows.append({**rows[0], "prompt": [*said, {"role": "user", "content": "And then?"}]})
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    generate = {"model": "scripted:full:answer", "max_tokens": TOKENS, "price": PRICE}
    return Config.of(
        {
            "prompts": {"file": str(tmp_path / "p.jsonl")},
            "generate": {**generate, "responses": 3},
            "judges": judges,
            **changes,
        }
    )


def held(found: mill.Forecast, outcome: mill.Outcome) -> float:
    """How many times what was spent was forecast in dollars; holds that none is above it."""
    tokens, usd = outcome.metrics["tokens"], outcome.metrics["cost_usd"]
    assert outcome.metrics["requests"]["sent"] <= found.calls
    assert tokens["prompt"] <= found.prompt_tokens
    assert tokens["completion"] <= found.completion_tokens
    assert tokens["judge"] <= found.judge_tokens
    assert found.usd is not None and 0 < usd <= found.usd
    return found.usd / usd


def test_every_judge_is_here() -> None:
    assert sorted(JUDGES) == part_names("gristmill.judges")


@pytest.mark.parametrize("judge", [{n: o} for n, many in JUDGES.items() for o in many])
def test_no_judge_takes_more_than_was_forecast(tmp_path: Path, judge: dict[str, Any]) -> None:
    ours = config(tmp_path, [judge])
    found = forecast(ours)
    outcome = mill.run(ours, tmp_path / "out")
    assert outcome.status == "complete"
    assert held(found, outcome) < OVER
    assert bool(found.judge_tokens) == ("model" in next(iter(judge.values())))
    if "llm" in judge:
        assert outcome.metrics["requests"]["sent"] == found.calls
        # What a judge writes costs as output.
        spent = outcome.metrics["tokens"]
        written = TOKENS * (found.calls - 12)
        read = spent["prompt"] + spent["judge"] - written
        assert outcome.metrics["cost_usd"] == pytest.approx(
            (read * 1000 + (spent["completion"] + written) * 4000) / 1e6
        )


@pytest.mark.parametrize("name", [n for n in JUDGES if n not in ("embedding", "llm", "reward")])
def test_rules_call_nothing(name: str) -> None:
    judge = find_part("gristmill.judges", name, "")
    assert issubclass(judge, Judge)
    if issubclass(judge, GroundTruth):
        assert judge().may_take(Asked(100), 4, 100) == Use()


def test_what_a_judge_was_paid_is_counted_once_and_whatever_it_said(tmp_path: Path) -> None:
    """A reply without a verdict is paid for too; resuming asks and counts nothing anew."""
    judge = {"llm": {**CHAT, "model": "scripted:llm_judges:nonsense", "how": "pointwise"}}
    ours = config(tmp_path, [judge])
    first = mill.run(ours, tmp_path / "out").metrics
    assert first["responses"]["failed"] == 12
    assert first["tokens"]["judge"] > 0
    again = mill.run(ours, tmp_path / "out").metrics
    assert (again["tokens"], again["cost_usd"]) == (first["tokens"], first["cost_usd"])


RECIPES: dict[str, dict[str, Any]] = {
    "closed_qa": {"documents": "docs"},
    "coding": {},
    "dialogue": {"seeds": "seeds.jsonl"},
    "evolve": {"seeds": {"open_qa": {}}},
    "instructions": {"seeds": "seeds.jsonl", "later": 0.5, "revise": 0.5},
    "math": {"keywords": ["sum", "ratio", "loop"], "topics": 3},
    "open_qa": {"personas": 12},
    "self_instruct": {"seeds": "seeds.jsonl"},
    "tool_use": {"tools": "tools.json"},
    "two_turn": {"seeds": {"writing": {}}},
    "writing": {"refinements": 2},
}


def test_every_recipe_is_here() -> None:
    assert sorted(RECIPES) == part_names("gristmill.recipes")


@pytest.mark.parametrize("model", ["messy", "dull"])
@pytest.mark.parametrize("name", RECIPES)
def test_no_recipe_takes_more_than_was_forecast(tmp_path: Path, name: str, model: str) -> None:
    seeds = ({"prompt": f"Describe the {n}th planet of the star {n * 7}."} for n in range(40))
    (tmp_path / "seeds.jsonl").write_text("".join(json.dumps(s) + "\n" for s in seeds))
    (tmp_path / "tools.json").write_text(json.dumps([{"name": n} for n in ("look", "land")]))
    (tmp_path / "docs").mkdir()
    for n in range(9):
        (tmp_path / "docs" / f"{n}.md").write_text(f"# Planet {n}\n\n" + f"It has {n} moons. " * n)
    recipe = recipe_of(name, **RECIPES[name], max_tokens=TOKENS, concurrency=4).located(tmp_path)
    use = recipe.may_take(40)
    script = Messy() if model == "messy" else dull
    written = write(recipe, 40, script)
    stages = written.report.stages.values()
    assert written.report.calls <= use.calls
    assert sum(s.prompt_tokens for s in stages) <= use.read
    if model == "dull":
        assert sum(s.completion_tokens for s in stages) <= use.written
    longest = max(
        (len(row.get("prompt", "")) or sum(len(m["content"]) for m in row["messages"]))
        for row in written.rows
    )
    if model == "dull":
        assert longest / 4 <= recipe.longest.tokens


def test_a_model_that_repeats_itself_is_given_up_soon() -> None:
    """Two prompts, and a model that has no more than one: it used to take five thousand calls."""
    recipe = recipe_of("open_qa", max_tokens=TOKENS)
    written = write(recipe, 2, lambda messages, index, seed: _same(messages, index, seed))
    assert len(written.rows) == 1
    assert written.report.calls <= recipe.most_calls(2) < 80
    assert "`patience`" in written.report.stopped


def _same(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    if "numbered list" not in messages[-1]["content"]:
        return "What is the use of a spoon?"
    return "\n".join(f"{n}. The number {seed % 9999 + n}" for n in range(1, 21))


PAID = "http://127.0.0.1:9/v1#m"


@pytest.mark.parametrize(
    ("judges", "prompts", "missing"),
    [
        ([], {}, "generate.price.input, generate.price.output"),
        ([{"llm": {"model": PAID}}], {}, "judges[0].llm.price.input"),
        ([{"reward": {"model": PAID}}], {}, "judges[0].reward.price.input"),
        ([], {"recipe": "open_qa", "count": 3, "model": PAID}, "prompts.open_qa.price.input"),
    ],
)
def test_a_budget_in_dollars_needs_a_price_for_every_model_that_costs(
    tmp_path: Path, judges: list[Any], prompts: dict[str, Any], missing: str
) -> None:
    model = PAID if "generate" in missing else "scripted:echo"
    changes: dict[str, Any] = {"prompts": prompts} if prompts else {}
    with pytest.raises(ConfigError, match=r"budget\.usd: there is no ") as caught:
        config(tmp_path, judges, generate={"model": model}, budget={"usd": 1}, **changes)
    assert missing in str(caught.value)


def test_what_costs_nothing_needs_no_price(tmp_path: Path) -> None:
    budget = {"usd": 1}
    config(tmp_path, [{"reward": {"model": "tiny:reward"}}], budget=budget)
    free = {"model": PAID, "price": {"input": 0, "output": 0}}
    config(tmp_path, [{"llm": free}], generate=free, budget=budget)
