"""Budgets: never exceeded, used up, and taken up again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill import mill
from gristmill.backends.calling import Price
from gristmill.errors import BackendError
from gristmill.mill.budget import Purse, Spent
from gristmill.mill.config import Budget
from mills import config, data_of, write_prompts
from servers import FaultyServer


@pytest.mark.parametrize("concurrency", [1, 8, 64])
@pytest.mark.parametrize("requests", [1, 3, 4, 50, 101])
def test_requests_are_never_exceeded_and_mostly_used(
    tmp_path: Path, requests: int, concurrency: int
) -> None:
    prompts = write_prompts(tmp_path, 60)
    generate = {"concurrency": concurrency}
    limited = config(prompts, budget={"requests": requests}, generate=generate)
    outcome = mill.run(limited, tmp_path / "out")
    sent = outcome.metrics["requests"]["sent"]
    assert outcome.status == "budget"
    assert f"of {requests} sent" in outcome.detail
    assert sent <= requests
    # A prompt takes 4 requests; those under way are reckoned with in full.
    assert sent >= requests - 4 - 2 * concurrency
    assert outcome.metrics["prompts"]["finished"] == sent // 4


def test_a_higher_budget_goes_on_to_the_same_data(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 20)
    for requests in (3, 17, 40, 80):
        limited = config(prompts, budget={"requests": requests})
        outcome = mill.run(limited, tmp_path / "out")
        assert outcome.metrics["requests"]["sent"] <= requests
    assert outcome.status == "complete"
    assert outcome.metrics["requests"]["sent"] == 80
    mill.run(config(prompts), tmp_path / "fresh")
    assert data_of(tmp_path / "out") == data_of(tmp_path / "fresh")


def test_a_spent_budget_takes_nothing_out_of_the_data(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 20)
    limited = config(prompts, budget={"requests": 40})
    mill.run(limited, tmp_path / "out")
    before = data_of(tmp_path / "out")
    assert len(before["scored"]) > 10
    outcome = mill.run(limited, tmp_path / "out")
    assert (outcome.status, outcome.metrics["requests"]["sent_now"]) == ("budget", 0)
    assert data_of(tmp_path / "out") == before


def test_retries_are_requests_too(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 20)
    with FaultyServer(faults=("reset", "html", "500"), share=0.5) as server:
        limited = config(
            prompts,
            budget={"requests": 60},
            generate={"model": server.chat},
            judges=[{"reward": {"model": server.reward}}],
        )
        outcome = mill.run(limited, tmp_path / "out")
        assert server.requests <= 60
        assert outcome.status == "budget"
        assert outcome.metrics["requests"]["sent"] == server.requests
        again = mill.run(limited, tmp_path / "out")
        assert server.requests <= 60
        assert again.metrics["requests"]["sent"] == server.requests
        free = mill.run(limited.model_copy(update={"budget": Budget()}), tmp_path / "out")
    assert free.status == "complete"
    assert free.metrics["requests"]["sent"] == server.requests
    assert not any(r["reason"].startswith("error:") for r in data_of(tmp_path / "out")["rejected"])


def test_tokens_and_dollars_stop_new_prompts(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 60)
    generate = {"price": {"input": 1000, "output": 1000}, "concurrency": 2}
    for budget, word in (({"tokens": 100}, "tokens"), ({"usd": 0.1}, "usd")):
        limited = config(prompts, budget=budget, generate=generate)
        outcome = mill.run(limited, tmp_path / word)
        assert outcome.status == "budget"
        assert outcome.detail.startswith(f"budget.{word}: ")
        # At most what was in flight is over it.
        tokens = sum(outcome.metrics["tokens"].values())
        assert 100 <= tokens <= 160
        assert outcome.metrics["cost_usd"] == pytest.approx(tokens / 1000)


requests_made = st.lists(st.integers(0, 3), max_size=30)


@given(st.integers(1, 20), st.integers(0, 20), requests_made)
def test_the_purse_refuses_before_it_counts(limit: int, before: int, kinds: list[int]) -> None:
    purse = Purse(Budget(requests=limit), Spent(requests=min(before, limit)), [Price(input=2)])
    for _ in kinds:
        if purse.requests == limit:
            with pytest.raises(BackendError) as caught:
                purse.take_request()
            assert caught.value.kind == "budget"
            assert purse.exhausted(0) == "" and purse.exhausted(1)
        else:
            purse.take_request()
    assert purse.requests <= limit


def test_prices_are_per_million_and_what_a_judge_writes_costs_as_output() -> None:
    answering, judging = [Price(input=2, output=8), Price(output=2)], [Price(input=1, output=4)]
    purse = Purse(Budget(), Spent(usd=1.0), answering, judging)
    purse.add_response(1_000_000, 500_000)
    purse.add_response(0, 500_000, by=1)
    purse.add_judging(0, 250_000, 250_000)
    spent: dict[str, Any] = {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000}
    assert purse.spent() == Spent(0, **spent, judge_tokens=500_000, usd=1 + 2 + 4 + 1 + 0.25 + 1)
