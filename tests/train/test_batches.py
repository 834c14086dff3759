"""Steps and their parts: everything once, nothing torn apart, and the same gradient however cut."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.packing import Sequence, packed_length
from gristmill.train import config_of
from gristmill.train.batches import parts, plan, step_sizes
from gristmill.train.corpus import Corpus
from gristmill.train.encode import Item
from gristmill.train.examples import Compared, Document, Rated
from gristmill.train.loop import Trainer
from gristmill.train.model import load
from gristmill.train.objectives import Objective, PreferenceObjective, RewardObjective
from gristmill.train.parallel import World
from local_models import chat_model
from trainings import encoded, examples_from, pair_rows, rated_rows

ALONE = World(0, 1, torch.device("cpu"))


@st.composite
def drawn_items(draw: st.DrawFn) -> list[Item]:
    """Items of several prompts, those of one prompt together and alike at the beginning."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    items = []
    for group in range(draw(st.integers(1, 8))):
        stem = rng.integers(0, 50, draw(st.integers(1, 60)))
        for _ in range(draw(st.integers(1, 5))):
            ends = [
                rng.integers(0, 50, draw(st.integers(1, 30)))
                for _ in range(draw(st.integers(1, 2)))
            ]
            texts = [np.concatenate([stem, end]).astype(np.int32) for end in ends]
            sequences = tuple(Sequence(text, np.array([len(text) - 1])) for text in texts)
            where = f"rows.jsonl:{len(items) + 1}"
            items.append(Item(Document(f"{group}", where), f"{group}", sequences))
    return items


def cost(items: list[Item]) -> int:
    return packed_length([s.ids for item in items for s in item.sequences])


def names(items: list[Item]) -> list[str]:
    return [item.example.where for item in items]


@given(drawn_items(), st.integers(16, 400), st.integers(1, 4))
def test_parts_hold_everything_once_within_the_tokens(
    items: list[Item], tokens: int, multiple: int
) -> None:
    found = parts(items, tokens, multiple)
    assert sorted(name for part in found for name in names(part)) == sorted(names(items))
    assert len(found) % multiple == 0
    for part in found:
        # Beyond the tokens is only what cannot be cut further.
        assert cost(part) <= tokens or len(part) == 1
    if multiple == 1:
        assert all(found)
    # No more of them are empty than it takes to make a multiple.
    assert sum(not part for part in found) < len(found)


@given(drawn_items(), st.integers(16, 400))
def test_a_group_that_fits_is_in_one_part(items: list[Item], tokens: int) -> None:
    where = {name: n for n, part in enumerate(parts(items, tokens)) for name in names(part)}
    for _, group in groupby(items, key=lambda item: item.group):
        members = list(group)
        if cost(members) <= tokens:
            assert len({where[name] for name in names(members)}) == 1


@given(drawn_items(), st.integers(16, 400))
def test_the_parts_are_about_equal(items: list[Item], tokens: int) -> None:
    costs = [cost(part) for part in parts(items, tokens)]
    largest = max(cost(list(g)) for _, g in groupby(items, key=lambda item: item.group))
    # Longest first into the emptiest part: no two parts lie further apart than one group.
    assert max(costs) - min(costs) <= max(largest, 0)


def test_nothing_is_computed_for_nothing() -> None:
    """A text beyond the budget is one part, not as many as its tokens would fill."""
    long = Item(
        Document("a", "a:1"), "a", (Sequence(np.arange(500, dtype=np.int32), np.array([9])),)
    )
    assert parts([long], 16) == [[long]]
    assert parts([long], 16, 2) == [[long], []]


@given(drawn_items(), st.integers(1, 9))
def test_steps_hold_an_epoch_and_keep_a_prompt_together(items: list[Item], examples: int) -> None:
    steps = step_sizes(items, examples)
    assert [name for step in steps for name in names(step)] == names(items)
    assert all(0 < len(step) <= examples for step in steps)
    where: dict[str, set[int]] = {}
    for number, step in enumerate(steps):
        for item in step:
            where.setdefault(item.group, set()).add(number)
    sizes = Counter(item.group for item in items)
    for group, found in where.items():
        if sizes[group] <= examples:
            assert len(found) == 1
        else:
            assert max(found) - min(found) < len(found)


def corpus_of(items: list[Item], weight: float = 1.0) -> Corpus:
    train = tuple(item.example for item in items)
    return Corpus(train, (), tuple([weight] * len(items)), (), ())


def config(**changes: Any) -> Any:
    values = {"model": "tiny:base", "data": {"file": "x.jsonl"}, "batch": {"examples": 5}}
    return config_of("sft", values | changes)


@given(drawn_items(), st.integers(1, 3), st.integers(0, 5))
def test_a_plan_is_its_epochs(items: list[Item], epochs: int, seed: int) -> None:
    steps = list(plan(corpus_of(items), items, config(epochs=epochs, seed=seed)))
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    for epoch in range(1, epochs + 1):
        seen = [name for s in steps if s.epoch == epoch for name in names(s.items)]
        assert sorted(seen) == sorted(names(items))
    again = list(plan(corpus_of(items), items, config(epochs=epochs, seed=seed)))
    assert [names(s.items) for s in again] == [names(s.items) for s in steps]


@given(drawn_items(), st.integers(1, 40))
def test_a_number_of_steps_goes_through_the_data_as_often_as_need_be(
    items: list[Item], number: int
) -> None:
    steps = list(plan(corpus_of(items), items, config(steps=number)))
    assert len(steps) == number
    whole = list(plan(corpus_of(items), items, config(epochs=number)))
    assert [names(s.items) for s in steps] == [names(s.items) for s in whole[:number]]


def test_another_epoch_and_another_seed_have_another_order() -> None:
    items = [
        Item(Document(f"{n}", f"r:{n}"), f"{n}", (Sequence(np.array([1, 2]), np.array([0])),))
        for n in range(30)
    ]
    orders = []
    for seed in (0, 1):
        steps = list(plan(corpus_of(items), items, config(epochs=2, seed=seed)))
        for epoch in (1, 2):
            orders.append([n for s in steps if s.epoch == epoch for n in names(s.items)])
    assert len({tuple(order) for order in orders}) == 4


def gradients(trainer: Trainer, items: list[Item], tokens: int) -> tuple[dict[str, Any], Any]:
    from gristmill.train.batches import Step

    trainer.config = trainer.config.model_copy(
        update={"batch": trainer.config.batch.model_copy(update={"tokens": tokens})}
    )
    trainer.module.train()
    trainer.module.zero_grad()
    values = trainer._gradients(Step(1, 1, items))
    named = trainer.module.named_parameters()
    return values, {n: p.grad.clone() for n, p in named if p.grad is not None}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> str:
    return (
        f"hf:{chat_model(tmp_path_factory.mktemp('model') / 'chat', max_position_embeddings=256)}"
    )


@pytest.mark.parametrize("kind", ["both", "rpo"])
def test_the_gradient_is_the_same_however_the_step_is_cut(
    kind: str, start: str, tmp_path: Path
) -> None:
    values: dict[str, Any] = {"model": start, "data": {"file": "x.jsonl"}, "precision": "fp32"}
    pairs = examples_from(pair_rows(6), Compared)
    objective: Objective
    if kind == "both":
        made: Any = config_of("reward", values | {"loss": "both", "pair_weight": 0.7})
        objective = RewardObjective(made)
        items = encoded([*examples_from(rated_rows(9, responses=3), Rated), *pairs], ends=True)
    else:
        made = config_of("rpo", values | {"sft_weight": 0.01})
        items = encoded(pairs)
        reference = {id(item): torch.tensor([-40.0, -42.0]) for item in items}
        objective = PreferenceObjective(made, reference)
    trainer = Trainer(load(made, objective.head), objective, made, tmp_path, ALONE)
    whole, wanted = gradients(trainer, items, 100_000)
    assert wanted
    for tokens in (16, 90, 200):
        found, cut = gradients(trainer, items, tokens)
        assert len(parts(items, tokens)) > 1
        assert found == pytest.approx(whole, rel=1e-6, abs=2e-6)
        assert cut.keys() == wanted.keys()
        for name, gradient in wanted.items():
            scale = max(1.0, gradient.abs().max().item())
            assert (cut[name] - gradient).abs().max().item() <= 1e-6 * scale, name


@settings(max_examples=5)
@given(st.integers(1, 4))
def test_shares_of_several_processes_add_up(start: str, processes: int) -> None:
    """The parts that each process takes are all of them, and as many for each."""
    items = encoded(examples_from(rated_rows(9, responses=3), Rated), ends=True)
    found = parts(items, 60, processes)
    shares = [found[rank::processes] for rank in range(processes)]
    assert len({len(share) for share in shares}) == 1
    taken = [name for share in shares for part in share for name in names(part)]
    assert sorted(taken) == sorted(names(items))
