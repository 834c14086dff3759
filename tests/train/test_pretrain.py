"""Pretraining: a new model of the family, phases with mixes of their own, and a rate that falls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import ConfigError, DataError
from gristmill.train import config_of, run
from gristmill.train.model import load
from gristmill.train.prepare import prepare
from trainings import log_of, losses_of, text_rows, weights_of, write_rows


def values(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    """A new tiny model on two sources."""
    first, second = (
        write_rows(tmp_path / f"{name}.jsonl", text_rows(24, seed))
        for seed, name in enumerate(("first", "second"))
    )
    return {
        "preset": "tiny",
        "tokenizer": "tiny:instruct",
        "data": [{"file": str(first)}, {"file": str(second)}],
        "validation": 0.2,
        "batch": {"examples": 8, "tokens": 2048},
        "optimizer": {"lr": 2e-3, "warmup": 2},
        "precision": "fp32",
        **changes,
    }


PHASES = [
    {"steps": 6, "weights": [1, 0]},
    {"steps": 5, "weights": [1, 2], "decay": True},
]


def test_a_new_model_learns_in_two_phases(tmp_path: Path) -> None:
    config = config_of("pretrain", values(tmp_path, phases=PHASES))
    trained = run(config, tmp_path / "out")
    steps = [line for line in log_of(tmp_path / "out") if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 12))
    assert {line["of"] for line in steps} == {11}
    # Up in two steps, flat to the end of the first phase, then straight down.
    wanted = [1e-3, *[2e-3] * 5, *(2e-3 * left / 5 for left in (5, 4, 3, 2, 1))]
    assert [line["lr"] for line in steps] == pytest.approx(wanted)
    losses = losses_of(tmp_path / "out")
    assert losses[0] == pytest.approx(6.93, abs=0.02)  # log 1024: it begins by knowing nothing.
    assert losses[-1] < losses[0] - 1
    figures = trained.metrics
    assert figures["validation"]["loss"] < figures["validation_before"]["loss"] - 1
    assert (figures["status"], figures["steps"]) == ("complete", 11)
    kept = json.loads((trained.model / "config.json").read_text())
    assert (kept["vocab_size"], kept["hidden_size"], kept["dtype"]) == (1024, 128, "bfloat16")
    # The tokenizer comes from another model, whose context is not this one's.
    tokenizer = json.loads((trained.model / "tokenizer_config.json").read_text())
    assert tokenizer["model_max_length"] == kept["max_position_embeddings"] == 1024


def test_layer_norms_start_as_plain_ones_and_layers_as_the_identity(tmp_path: Path) -> None:
    config = config_of("pretrain", values(tmp_path))
    state = load(config, "tokens").module.plain.state_dict()
    norms = [name for name in state if "norm" in name]
    assert len(norms) == 2 * (2 * 5 + 1)
    for name in norms:
        # LayerNorm1P keeps its weight minus one.
        assert not state[name].any(), name
    for name, weight in state.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            assert not weight.any(), name
        elif name.endswith(("_proj.weight", "embed_tokens.weight")):
            assert weight.std() > 0.01, name


def test_the_seed_decides_the_new_model(tmp_path: Path) -> None:
    found = []
    for number, seed in enumerate((0, 0, 1)):
        config = config_of("pretrain", values(tmp_path, steps=1, seed=seed))
        run(config, tmp_path / f"out-{number}")
        found.append(weights_of(tmp_path / f"out-{number}")["model.embed_tokens.weight"])
    assert found[0].equal(found[1])
    assert not found[0].equal(found[2])


def sources(step: Any) -> list[str]:
    return [item.example.where for item in step.items]


def test_a_phase_draws_from_its_mix_and_never_from_what_is_measured(tmp_path: Path) -> None:
    config = config_of("pretrain", values(tmp_path, phases=PHASES))
    work = prepare(config)
    steps = list(work.steps(config))
    first, second = steps[:6], steps[6:]
    assert {w.partition(":")[0] for s in first for w in sources(s)} == {"first.jsonl"}
    seen = [w.partition(":")[0] for s in second for w in sources(s)]
    assert seen.count("second.jsonl") > seen.count("first.jsonl") > 0
    held = {item.example.where for item in work.data.held}
    assert {where.partition(":")[0] for where in held} == {"first.jsonl", "second.jsonl"}
    assert not held & {where for step in steps for where in sources(step)}


def test_a_later_phase_of_the_same_mix_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    phases = [{"steps": 2}, {"steps": 3, "decay": True}]
    config = config_of("pretrain", values(tmp_path, phases=phases))
    work = prepare(config)
    together = config_of("pretrain", values(tmp_path, steps=5))
    whole = prepare(together)
    assert [sources(s) for s in work.steps(config)] == [sources(s) for s in whole.steps(together)]
    assert [s.number for s in work.steps(config)] == [1, 2, 3, 4, 5]


def test_a_mix_of_nothing_and_other_nonsense_is_refused(tmp_path: Path) -> None:
    empty = values(tmp_path, phases=[{"steps": 1}, {"steps": 2, "weights": [0, 0]}])
    with pytest.raises(DataError, match=r"phases\[1\]: nothing to train on"):
        run(config_of("pretrain", empty), tmp_path / "a")
    with pytest.raises(ConfigError, match=r"phases.weights has 1 entry, data 2"):
        config_of("pretrain", values(tmp_path, phases=[{"steps": 1, "weights": [1]}]))
    with pytest.raises(ConfigError, match="give either `model`, or `preset` and `tokenizer`"):
        config_of("pretrain", values(tmp_path, model="tiny:base"))
    with pytest.raises(ConfigError, match="preset: unknown architecture 'huge'"):
        run(config_of("pretrain", values(tmp_path, preset="huge")), tmp_path / "b")


def test_the_tokenizers_folder_is_relative_to_the_config(tmp_path: Path) -> None:
    given = values(tmp_path, tokenizer="hf:./here")
    found = config_of("pretrain", given, tmp_path / "configs")
    assert getattr(found, "tokenizer", "") == f"hf:{tmp_path / 'configs' / 'here'}"


def test_a_model_is_continued(tmp_path: Path) -> None:
    given = values(tmp_path, model="tiny:base", steps=6)
    del given["preset"], given["tokenizer"]
    trained = run(config_of("pretrain", given), tmp_path / "out")
    assert trained.metrics["validation"]["loss"] < trained.metrics["validation_before"]["loss"]
    assert trained.metrics["validation"]["perplexity"] > 1
