"""`make tiny` on a toy scale: its configs, its commands, its figures and its card."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

RECIPE = Path(__file__).parents[2] / "benchmarks" / "family.py"
TOY = {
    "train staged": [
        "stages.0.pretrain.data.0.file=tutor:400:text",
        "stages.0.pretrain.phases=[{steps: 2}, {steps: 2, decay: true}]",
        "stages.1.sft.data.0.file=tutor:120:chat",
    ],
    "run": ["prompts.file=tutor:6", "generate.0.max_tokens=8", "generate.1.max_tokens=8"],
    "train reward": ["data.1.file=tutor:200:rated", "epochs=1", "likelihood_steps=1"],
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("family_recipe", RECIPE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "family_recipe", module)
    spec.loader.exec_module(module)
    real = module._command

    def small(name: str, config: str, out: Path, settings: Any) -> list[str]:
        return real(name, config, out, [*settings, *TOY[name]])

    monkeypatch.setattr(module, "_command", small)
    monkeypatch.setattr(module, "QUESTIONS", 6)
    monkeypatch.setattr(module, "PAIRS", 20)
    return module


def test_a_family_from_nothing_measured_and_on_its_card(tiny: Any, tmp_path: Path) -> None:
    home = tmp_path / "seed 0"
    tiny.make(home, 0)
    made = {path.parent.parent.name for path in home.rglob("*.safetensors")}
    assert made == set(tiny.MODELS.values())
    figures = tiny.measure(home)
    assert figures["instruct, temperature 0.8"]["all"][3] == 24
    card = tiny.card([home, home], [figures, figures])
    assert "| right over wrong |" in card and "| seed 0 | seed 0 |" in card
    assert "processor time of `train reward`" in card
