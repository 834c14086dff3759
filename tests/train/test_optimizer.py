"""What steps the weights, and how fast."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gristmill.errors import ConfigError
from gristmill.parts import build
from gristmill.train import config_of
from gristmill.train.config import Optimizer
from gristmill.train.model import Packed, load
from gristmill.train.optimizer import Stepper, rates
from local_models import chat_model
from trainings import chat_rows, values_of, write_rows


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"hf:{chat_model(tmp_path_factory.mktemp('model') / 'chat')}"


def learner(model: str, folder: Path, **optimizer: Any) -> tuple[Packed, Optimizer]:
    rows = write_rows(folder / "rows.jsonl", chat_rows(4))
    config = config_of("sft", values_of(model, rows, optimizer={"lr": 1e-2, **optimizer}))
    return load(config, "tokens").module, config.optimizer


def test_muon_steps_the_layers_matrices_and_adamw_the_rest(model: str, tmp_path: Path) -> None:
    module, options = learner(model, tmp_path, name="muon")
    names = {id(p): name for name, p in module.named_parameters()}
    stepper = Stepper(module, options)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    torch.manual_seed(0)
    for parameter in module.parameters():
        parameter.grad = torch.randn_like(parameter)
    gradients = {
        name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None
    }
    stepper.step(0.01)
    by_muon = {n for i, n in names.items() if "momentum_buffer" in stepper.moments(_at(module, i))}
    assert by_muon == {n for n in before if n.endswith("proj.weight")} and by_muon
    for name, start in before.items():
        alone = nn.Parameter(start.clone())
        alone.grad = gradients[name]
        if name in by_muon:
            one = torch.optim.Muon([alone], lr=0.01, adjust_lr_fn="match_rms_adamw")
        else:
            decay = 0.1 if alone.ndim > 1 else 0.0
            one = torch.optim.AdamW([alone], lr=0.01, betas=(0.9, 0.98), weight_decay=decay)
        one.step()
        torch.testing.assert_close(dict(module.named_parameters())[name], alone)
    assert all(p.grad is None for p in module.parameters())


def _at(module: nn.Module, identity: int) -> nn.Parameter:
    return next(p for p in module.parameters() if id(p) == identity)


@pytest.mark.parametrize("beside", [{"lora": {}}, {"sharding": "fsdp"}])
def test_muon_needs_whole_matrices(beside: dict[str, Any], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", chat_rows(4))
    values = values_of("hf:./x", rows, optimizer={"name": "muon"}, **beside)
    with pytest.raises(ConfigError, match=f"muon needs whole matrices.*{next(iter(beside))}"):
        config_of("sft", values)


def test_rates_rise_stay_and_fall() -> None:
    def of(schedule: str, **more: Any) -> list[float]:
        given = {"lr": 1.0, "warmup": 2, "schedule": schedule, **more}
        rate = rates(build(Optimizer, given, "optimizer"), 10)
        return [round(rate(step), 3) for step in range(1, 11)]

    assert of("constant") == [0.5] + [1.0] * 9
    assert of("wsd") == [0.5] + [1.0] * 8 + [0.5]
    assert of("wsd", decay=0.5) == [0.5] + [1.0] * 5 + [0.8, 0.6, 0.4, 0.2]
    assert of("linear")[-1] == 0.1 and of("cosine")[-1] < 0.03
