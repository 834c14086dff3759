"""A head's bias goes into the norm before it: the scores stay, and every engine loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from gristmill.nemotron import tiny_path
from gristmill.nemotron.folding import BIAS, HEAD, NORM, as_classifier, folded
from gristmill.nemotron.reward_model import NemotronRewardModel
from gristmill.records import ATTRIBUTES
from local_models import reward_model

IDS = torch.arange(1, 40)[None] % 50


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("outputs", [5, 9])
def test_the_scores_stay_in_transformers_own_class(
    tmp_path: Path, outputs: int, dtype: torch.dtype
) -> None:
    old = NemotronRewardModel.from_pretrained(reward_model(tmp_path / "old", outputs)).eval()
    columns = tuple(range(outputs - 5, outputs))
    weights = folded(old.state_dict(), columns, dtype)
    assert BIAS not in weights and weights[NORM].dtype == dtype
    new = type_of(tmp_path / "new", as_classifier(old.config), weights)
    # What the other weights lose to the type they would lose anyway: the bias alone is looked at.
    exact = old.state_dict() | {HEAD: old.state_dict()[HEAD].to(dtype).float()}
    old.load_state_dict(exact)
    # In 32 dimensions there is little room to make up for what a coarse type rounds.
    atol = {torch.float32: 2e-5, torch.float16: 1e-4, torch.bfloat16: 1e-3}[dtype]
    with torch.no_grad():
        torch.testing.assert_close(new(input_ids=IDS).logits, old.rate(IDS), atol=atol, rtol=0)


def type_of(folder: Path, config: Any, weights: dict[str, torch.Tensor]) -> Any:
    from transformers import NemotronForSequenceClassification

    model = NemotronForSequenceClassification(config)
    weights = weights | {HEAD: weights[HEAD].to(weights[NORM].dtype)}
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    model.save_pretrained(folder)
    return AutoModelForSequenceClassification.from_pretrained(folder).eval()


def test_the_attributes_are_put_in_order() -> None:
    rows = torch.randn(5, 16)
    weights = {HEAD: rows, BIAS: torch.zeros(5), NORM: torch.zeros(16)}
    new = folded(weights, (4, 3, 2, 1, 0), torch.float32)
    assert torch.equal(new[HEAD], rows.flip(0))
    assert torch.allclose(new[NORM], torch.zeros(16))


def test_a_head_without_a_bias_stays_as_it_is() -> None:
    weights = {HEAD: torch.randn(5, 16), NORM: torch.randn(16)}
    assert all(torch.equal(new, weights[name]) for name, new in folded(
        weights, (0, 1, 2, 3, 4), torch.bfloat16).items())  # fmt: skip


def test_rows_that_depend_on_each_other_are_an_error() -> None:
    rows = torch.randn(1, 16).repeat(5, 1)
    weights = {HEAD: rows, BIAS: torch.arange(5.0), NORM: torch.zeros(16)}
    with pytest.raises(ValueError, match="depend on each other"):
        folded(weights, (0, 1, 2, 3, 4), torch.float32)


def test_tiny_reward_is_such_a_folder() -> None:
    model = AutoModelForSequenceClassification.from_pretrained(tiny_path("reward"))
    assert type(model).__name__ == "NemotronForSequenceClassification"
    assert list(model.config.id2label.values()) == list(ATTRIBUTES)
    assert model.config.problem_type == "regression" and model.score.bias is None
