"""Whole steps against NumPy, from what transformers says of each sequence by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, NemotronForCausalLM

from gristmill.nemotron.reward_model import NemotronRewardModel
from gristmill.packing import Sequence
from gristmill.records import ATTRIBUTES
from gristmill.train import config_of
from gristmill.train.batches import Step
from gristmill.train.encode import Item
from gristmill.train.examples import Compared, Conversation, Rated
from gristmill.train.loop import Trainer
from gristmill.train.model import load
from gristmill.train.objectives import (
    LanguageObjective,
    Objective,
    PreferenceObjective,
    RewardObjective,
)
from gristmill.train.parallel import World
from local_models import chat_model, classifier, reward_model
from trainings import chat_rows, encoded, examples_from, pair_rows, rated_rows

ALONE = World(0, 1, torch.device("cpu"))
CARD = np.array([0.3, 0.74, 0.46, 0.47, -0.33])
SIZE: dict[str, Any] = {"max_position_embeddings": 256}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("models")
    return {
        "chat": chat_model(home / "chat", **SIZE),
        "reference": chat_model(home / "reference", **SIZE, initializer_range=0.2),
        "five": reward_model(home / "five", 5),
        "nine": reward_model(home / "nine", 9),
        "scalar": classifier(home / "scalar", 1),
    }


def step_of(
    kind: str, model: Path, objective: Objective, items: list[Item], folder: Path
) -> dict[str, float]:
    """The loss and terms of one step, in small parts."""
    trainer = trainer_of(kind, model, objective, folder)
    return trainer._gradients(Step(1, 1, items))


@torch.no_grad()
def log_probabilities(model: Path, sequence: Sequence) -> np.ndarray:
    """Of each learned token, from the logits of the sequence by itself."""
    plain = NemotronForCausalLM.from_pretrained(model, dtype=torch.float32)
    ids = torch.from_numpy(sequence.ids).long()[None]
    logits = plain(input_ids=ids).logits[0].double().numpy()
    logits -= logits.max(axis=1, keepdims=True)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return np.array([logs[r, sequence.ids[r + 1]] for r in sequence.reads])


@torch.no_grad()
def grades(model: Path, items: list[Item]) -> np.ndarray:
    """(sequences, 5) or (sequences, 1)."""
    if model.name == "scalar":
        plain: Any = AutoModelForSequenceClassification.from_pretrained(model)
    else:
        plain = NemotronRewardModel.from_pretrained(model)
    rows = []
    for item in items:
        for sequence in item.sequences:
            ids = torch.from_numpy(sequence.ids).long()[None]
            rows.append(plain(input_ids=ids))
    said = [row.scores if hasattr(row, "scores") else row.logits for row in rows]
    return torch.cat(said).double().numpy()


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, x)


def close(found: dict[str, float], **wanted: float) -> None:
    assert found == pytest.approx(wanted, rel=2e-5, abs=2e-5)


def test_language(models: dict[str, Path], tmp_path: Path) -> None:
    items = encoded(examples_from(chat_rows(8), Conversation))
    logs = [log_probabilities(models["chat"], s) for item in items for s in item.sequences]
    found = step_of("sft", models["chat"], LanguageObjective(), items, tmp_path)
    close(found, loss=-np.concatenate(logs).mean())


@pytest.mark.parametrize("model", ["five", "nine"])
def test_masked_regression(model: str, models: dict[str, Path], tmp_path: Path) -> None:
    items = encoded(examples_from(rated_rows(10, responses=3), Rated), ends=True)
    objective = RewardObjective(reward_config())
    scores = grades(models[model], items)
    wanted = regression(scores, items)
    found = step_of("reward", models[model], objective, items, tmp_path)
    close(found, loss=wanted, regression=wanted)


def reward_config(**changes: Any) -> Any:
    return config_of("reward", {"model": "hf:x", "data": {"file": "x.jsonl"}, **changes})


def regression(scores: np.ndarray, items: list[Item]) -> float:
    labels = np.array(
        [[np.nan if x is None else x for x in i.example.labels] for i in items],
        dtype=float,
    )
    known = ~np.isnan(labels)
    assert 0 < known.sum() < known.size
    return float((np.where(known, scores - labels, 0.0) ** 2).sum() / known.sum())


@pytest.mark.parametrize("pairs", ["plain", "margin", "scaled"])
@pytest.mark.parametrize("centring", [0.0, 0.3])
@pytest.mark.parametrize("model", ["scalar", "five"])
def test_bradley_terry(
    pairs: str, centring: float, model: str, models: dict[str, Path], tmp_path: Path
) -> None:
    items = encoded(examples_from(pair_rows(7), Compared), ends=True)
    config = reward_config(loss="bradley_terry", pairs=pairs, centring=centring)
    found = step_of("reward", models[model], RewardObjective(config), items, tmp_path)
    each, wanted = ranked(grades(models[model], items), items, pairs)
    loss = each + centring * wanted.pop("centring")
    if centring:
        wanted["centring"] = (loss - each) / centring
    close(found, loss=loss, **wanted)


def ranked(scores: np.ndarray, items: list[Item], pairs: str) -> tuple[float, dict[str, float]]:
    """(the pairs' loss, all terms)."""
    rewards = (scores[:, 0] if scores.shape[1] == 1 else scores @ CARD).reshape(-1, 2)
    gap = rewards[:, 0] - rewards[:, 1]
    strength = np.array([i.example.strength for i in items], dtype=float)
    assert len(set(strength)) > 1
    each = {
        "plain": softplus(-gap),
        "margin": softplus(-(gap - strength)),
        "scaled": strength * softplus(-gap),
    }[pairs].mean()
    return float(each), {
        "pairs": float(each),
        "accuracy": float((gap > 0).mean()),
        "centring": float((rewards.sum(axis=1) ** 2).mean()),
    }


def test_both_is_the_weighted_sum(models: dict[str, Path], tmp_path: Path) -> None:
    rated = encoded(examples_from(rated_rows(10, responses=3), Rated), ends=True)
    paired = encoded(examples_from(pair_rows(5), Compared), ends=True)
    config = reward_config(
        loss="both", pairs="scaled", pair_weight=0.6, centring=0.2, weights={"helpfulness": 1}
    )
    # Mixed, so that owners must be told apart.
    items = [*rated[:4], *paired[:2], *rated[4:], *paired[2:]]
    found = step_of("reward", models["five"], RewardObjective(config), items, tmp_path)
    scores = grades(models["five"], paired)
    each, terms = ranked(scores[:, [ATTRIBUTES.index("helpfulness")]], paired, "scaled")
    squared = regression(grades(models["five"], rated), rated)
    loss = squared + 0.6 * each + 0.6 * 0.2 * terms["centring"]
    close(found, loss=loss, regression=squared, **terms)


def test_a_step_without_one_kind_leaves_its_terms_out(
    models: dict[str, Path], tmp_path: Path
) -> None:
    rated = encoded(examples_from(rated_rows(4), Rated), ends=True)
    objective = RewardObjective(reward_config(loss="both"))
    found = step_of("reward", models["five"], objective, rated, tmp_path)
    assert set(found) == {"loss", "regression"}


@pytest.mark.parametrize("kind", ["dpo", "backward_kl", "forward_kl", "squared"])
def test_preferences(kind: str, models: dict[str, Path], tmp_path: Path) -> None:
    items = encoded(examples_from(pair_rows(6), Compared))
    sums = {
        name: np.array(
            [[log_probabilities(models[name], s).sum() for s in i.sequences] for i in items]
        )
        for name in ("chat", "reference")
    }
    more: dict[str, Any] = {"beta": 0.05, "sft_weight": 0.02}
    if kind != "dpo":
        more |= {"eta": 0.7, "divergence": kind}
    values = {"model": "hf:x", "data": {"file": "x.jsonl"}, **more}
    config: Any = config_of("dpo" if kind == "dpo" else "rpo", values)
    known = {
        id(item): torch.tensor(row) for item, row in zip(items, sums["reference"], strict=True)
    }
    objective = PreferenceObjective(config, known)
    found = step_of("sft", models["chat"], objective, items, tmp_path)
    ratios = sums["chat"] - sums["reference"]
    b = 0.05 * (ratios[:, 0] - ratios[:, 1])
    t = 0.7 * np.array([i.example.chosen_score - i.example.rejected_score for i in items])
    preference = {
        "dpo": softplus(-b),
        "backward_kl": divergence(t, b),
        "forward_kl": divergence(b, t),
        "squared": (b - t) ** 2,
    }[kind].mean()
    sft = -sums["chat"][:, 0].mean()
    close(
        found,
        loss=float(preference + 0.02 * sft),
        preference=float(preference),
        sft=float(sft),
        accuracy=float((b > 0).mean()),
        margin=float(b.mean()),
    )


def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Kullback-Leibler, of Bernoulli(s(q)) from Bernoulli(s(p))."""
    sp, sq = 1 / (1 + np.exp(-p)), 1 / (1 + np.exp(-q))
    return sp * np.log(sp / sq) + (1 - sp) * np.log((1 - sp) / (1 - sq))


def gradients_agree(trainer: Trainer, items: list[Item], plain: Any, loss: torch.Tensor) -> None:
    """The step's gradient is that of the loss, a mean over the step, of the plain model."""
    trainer._gradients(Step(1, 1, items))
    loss.backward()
    wanted = {n: p.grad for n, p in plain.named_parameters() if p.grad is not None}
    found = {
        n.removeprefix("inner."): p.grad
        for n, p in trainer.module.named_parameters()
        if p.grad is not None
    }
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        scale = max(1.0, gradient.abs().max().item())
        assert (found[name] - gradient).abs().max().item() < 2e-5 * scale, name


def trainer_of(kind: str, model: Path, objective: Objective, folder: Path) -> Trainer:
    values: dict[str, Any] = {"precision": "fp32", "batch": {"tokens": 150}}
    config = config_of(kind, {"model": f"hf:{model}", "data": {"file": "x.jsonl"}, **values})
    return Trainer(load(config, objective.head), objective, config, folder, ALONE)


def test_the_gradient_is_that_of_the_mean_over_learned_tokens(
    models: dict[str, Path], tmp_path: Path
) -> None:
    items = encoded(examples_from(chat_rows(6), Conversation))
    plain = NemotronForCausalLM.from_pretrained(models["chat"], dtype=torch.float32)
    logs = []
    for sequence in (s for item in items for s in item.sequences):
        ids = torch.from_numpy(sequence.ids).long()
        said = plain(input_ids=ids[None]).logits[0].log_softmax(-1)
        logs.append(said[sequence.reads, ids[sequence.reads + 1]])
    trainer = trainer_of("sft", models["chat"], LanguageObjective(), tmp_path)
    gradients_agree(trainer, items, plain, -torch.cat(logs).mean())


def test_the_gradient_is_that_of_the_weighted_sum_of_means(
    models: dict[str, Path], tmp_path: Path
) -> None:
    rated = encoded(examples_from(rated_rows(6, responses=3), Rated), ends=True)
    paired = encoded(examples_from(pair_rows(3), Compared), ends=True)
    plain = NemotronRewardModel.from_pretrained(models["five"])

    def scores(items: list[Item]) -> torch.Tensor:
        ids = [torch.from_numpy(s.ids).long()[None] for i in items for s in i.sequences]
        return torch.cat([plain(input_ids=each).scores for each in ids])

    labels = [[torch.nan if x is None else x for x in i.example.labels] for i in rated]
    given = torch.tensor(labels)
    known = ~given.isnan()
    squared = (scores(rated) - given)[known].square().mean()
    rewards = (scores(paired) @ torch.tensor(CARD, dtype=torch.float32)).view(-1, 2)
    pairs = torch.nn.functional.softplus(rewards[:, 1] - rewards[:, 0]).mean()
    config = reward_config(loss="both", pair_weight=0.6, centring=0.2)
    trainer = trainer_of("reward", models["five"], RewardObjective(config), tmp_path)
    loss = squared + 0.6 * (pairs + 0.2 * rewards.sum(1).square().mean())
    gradients_agree(trainer, [*rated, *paired], plain, loss)
