"""The example configs of training, and those in the documentation: each is what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gristmill.flywheel import load as load_flywheel
from gristmill.train import config_of, load_config, run
from gristmill.train.config import RewardConfig
from gristmill.train.stages import load_stages, stages_of

ROOT = Path(__file__).parents[2]
# The launcher's config is accelerate's own; test_parallel.py launches a training with it. What a
# scripted model replies is no config; test_docs.py plays it.
OTHERS = {ROOT / "examples" / name for name in ("accelerate.yaml", "writer.yaml")}
EXAMPLES = sorted(set((ROOT / "examples").glob("*.yaml")) - OTHERS)
COMMAND = re.compile(r"gristmill (run|flywheel|train (\w+)) examples/(\S+)")


def yaml_blocks(page: str) -> list[dict[str, Any]]:
    """The configs in a page of the documentation."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [yaml.safe_load(code) for code in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_the_command_in_its_head_reads_it(file: Path) -> None:
    commands = COMMAND.findall(file.read_text(encoding="utf-8"))
    assert commands
    for command, kind, name in commands:
        assert name == file.name
        if kind == "staged":
            config, stages = load_stages(file)
            assert config.name and stages
        elif kind:
            config = load_config(kind, file)
            assert config.kind == kind and config.name != "model"
        elif command == "flywheel":
            assert load_flywheel(file).main.stages


def test_the_published_recipes_have_the_published_numbers() -> None:
    reward = load_config("reward", ROOT / "examples/helpsteer2-reward.yaml")
    assert (reward.batch.examples, reward.epochs) == (128, 2)
    o = reward.optimizer
    assert (o.lr, o.schedule, o.warmup, o.weight_decay) == (2e-6, "constant", 10, 0.1)
    assert o.betas == (0.9, 0.98)
    assert isinstance(reward, RewardConfig) and reward.loss == "regression"
    stages = load_stages(ROOT / "examples/align.yaml")[1]
    configs: list[Any] = [stage.config("hf:./base") for stage in stages]
    assert [c.kind for c in configs] == ["sft", "sft", "dpo", "rpo", "rpo", "rpo"]
    assert [c.batch.examples for c in configs[:3]] == [128, 128, 256]
    assert [c.epochs for c in configs] == [1, 3, 1, 1, 1, 1]
    assert all(c.optimizer.lr == 3e-7 for c in configs)
    assert 3e-4 <= configs[2].beta <= 3e-3 and 1e-5 <= configs[2].sft_weight <= 1e-3
    for c in configs[3:]:
        assert c.eta == 1 and 1e-3 <= c.beta <= 1 and c.sft_weight == 1e-5
        assert c.divergence == "backward_kl"


def test_the_configs_in_the_documentation_are_valid() -> None:
    for page in ("train.md", "flywheel.md"):
        blocks = yaml_blocks(page)
        assert blocks
        for values in blocks:
            if "stages" in values:
                assert stages_of(values["stages"], values["model"], ROOT)
            elif "generate" not in values:
                assert config_of(values.pop("kind", "reward"), values).data


@pytest.mark.slow
def test_the_tiny_reward_model_is_trained_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    config = load_config("reward", ROOT / "examples/reward-tiny.yaml")
    few = config.model_copy(update={"steps": 3})
    trained = run(few, tmp_path / "reward")
    assert trained.metrics["steps"] == 3
    assert trained.metrics["validation"]["attributes"]["correctness"]["n"] > 100
    assert (trained.folder / "report.html").is_file() and (trained.model / "README.md").is_file()
