"""The model card: its head, its figures, and the caveats that follow from them."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from gristmill.train.card import model_card
from gristmill.train.caveats import caveats
from gristmill.train.config import DpoConfig, RewardConfig, RpoConfig, SftConfig, TrainConfig
from train.metrics_of import HOSTILE, damaged, language_metrics, reward_metrics

DATA: Any = [{"file": "own.jsonl"}]
CONFIG = RewardConfig(model="hf:org/base", data=DATA)


def head_of(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---\n")[1])


def said(metrics: dict[str, Any]) -> str:
    return "\n".join(caveats(metrics)).replace("\u202f", " ")


def test_the_head_is_what_the_hub_reads() -> None:
    assert head_of(model_card(reward_metrics(), CONFIG)) == {
        "license": "cc-by-4.0",
        "library_name": "transformers",
        "base_model": "org/base",
        "tags": ["reward-model", "gristmill"],
    }


@pytest.mark.parametrize(
    ("config", "measured", "head"),
    [
        ("MIT", "CC-BY-4.0", {"license": "mit"}),
        (None, "unknown", {}),
        (None, None, {}),
        (None, "NVIDIA Open Model", {"license": "other", "license_name": "NVIDIA Open Model"}),
    ],
)
def test_the_licence(config: str | None, measured: str | None, head: dict[str, str]) -> None:
    own = SftConfig(model="tiny:base", data=DATA, licence=config)
    found = head_of(model_card({**reward_metrics(), "licence": measured}, own))
    assert {k: v for k, v in found.items() if k.startswith("license")} == head


@pytest.mark.parametrize("model", ["tiny:base", "hf:./base", "hf:/models/base", "hf:a/b/c"])
def test_only_a_name_on_the_hub_is_a_base_model(model: str) -> None:
    assert "base_model" not in head_of(model_card({}, SftConfig(model=model, data=DATA)))


def test_the_figures_are_in_tables() -> None:
    metrics = reward_metrics()
    card = model_card(metrics, CONFIG).replace("\u202f", " ")
    own = metrics["validation"]["attributes"]["correctness"]
    error = metrics["validation"]["calibration"]["correctness"]["error"]
    row = next(line for line in card.splitlines() if line.startswith("| correctness |"))
    for figure in (own["pearson"], own["spearman"], own["mae"], own["baseline_mae"], error):
        assert f" {figure:.3f} " in row
    pairs = metrics["validation"]["pairs"]
    assert f"**{100 * pairs['accuracy']:.1f} %**" in card
    assert "of 240 pairs; a tie is a loss" in card
    assert len(re.findall(r"^\| [123] \|", card, re.MULTILINE)) == 3
    assert "| `own.jsonl` | 5,400 | 5,300 | 2 | too_long 100 |" in card
    assert "750,000 (25.0 % saved" in card
    assert "gristmill score responses.jsonl --model hf:DIR" in card
    # Every row of a table has as many cells as its head.
    for table in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_each_kind_says_its_own() -> None:
    rpo = RpoConfig(model="tiny:instruct", data=DATA, beta=0.3, eta=2)
    card = model_card(language_metrics("rpo", loss=0.4, accuracy=0.7, margin=1.2), rpo)
    assert "| mean margin | – | 1.200 |" in card and "eta 2, backward kl" in card
    assert "score" not in card.split("## Use")[1] and "text-generation" in card
    sft = SftConfig(model="tiny:base", data=DATA)
    before = {"validation_before": {"perplexity": 8.5}}
    card = model_card(language_metrics("sft", loss=0.4, perplexity=1.49) | before, sft)
    assert "| perplexity | 8.500 | 1.490 |" in card


def test_enough_good_data_needs_few_caveats() -> None:
    metrics = {**reward_metrics(), "warnings": []}
    metrics["validation"].pop("pair_length_bias")
    assert caveats(metrics) == []


def test_few_validation_examples_are_named_with_their_interval() -> None:
    text = said(reward_metrics(n=40, pairs=30))
    pairs = reward_metrics(n=40, pairs=30)["validation"]["pairs"]
    assert f"on 30 pairs only: {100 * pairs['accuracy']:.1f} % may as well be" in text
    assert f"from {100 * pairs['low']:.1f} % to {100 * pairs['high']:.1f} %" in text
    assert re.search(r"with 40 of \w+, the Pearson correlation lies between 0\.\d\d and", text)
    text = said({**language_metrics("dpo", accuracy=0.75), "examples": {"validation": 40}})
    assert "on 40 pairs only: 75.0 % may as well be anything from 59.8 % to 85.8 %" in text
    assert "They were measured on 9 examples" in said(
        {"kind": "sft", "examples": {"validation": 9}, "validation": {"loss": 1.0}}
    )


def test_what_the_figures_cannot_bear_is_said() -> None:
    metrics = reward_metrics()
    own = metrics["validation"]["attributes"]
    own["complexity"] |= {"constant": True, "pearson": None, "spearman": None}
    own["verbosity"] |= {"mae": 1.4, "baseline_mae": 1.2}
    own["coherence"] = dict.fromkeys(own["coherence"]) | {"n": 1}
    metrics["validation"]["length_bias"]["partial"] = 0.4
    metrics["validation"]["pairs"] |= {"accuracy": 0.53, "low": 0.46, "implied": True}
    metrics |= {"status": "interrupted", "refused": {"duplicate": 2000}}
    text = said(metrics)
    assert "All validation labels of complexity are the same" in text
    assert "in mean absolute error: verbosity (1.40 against 1.20)" in text
    assert "no validation labels, or next to none, for coherence" in text
    assert "Longer responses get higher rewards than their quality explains" in text
    assert "no better than a coin" in text and "implied by ratings" in text
    assert "did not reach its end: it stands at 40 steps" in text
    assert "37.0 % of the rows were not trained on, most often for the reason “duplicate”" in text
    assert text.endswith("Verbosity is never given")
    metrics["validation"]["length_bias"]["n"] = 20  # as large by chance, one time in ten
    assert "than their quality explains" not in said(metrics)
    assert said({"kind": "reward"}).startswith("Nothing was held out")


def test_no_name_breaks_the_card() -> None:
    metrics = reward_metrics() | {"name": HOSTILE, "licence": HOSTILE, "warnings": [HOSTILE]}
    metrics["sources"][0] |= {"file": HOSTILE, "refused": {HOSTILE: 3}}
    metrics["validation"]["attributes"][HOSTILE] = {"n": 3}
    card = model_card(metrics, CONFIG)
    assert head_of(card)["license"] == "other"
    body = re.sub(r"(`+).*?\1", "", card.split("---\n", 2)[2])
    assert not re.search(r"(?<!\\)<script", body) and "\0" not in card and "\u202e" not in card
    for table in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.parametrize(
    "config",
    [CONFIG, DpoConfig(model="tiny:instruct", data=DATA), SftConfig(model="tiny:base", data=DATA)],
    ids=lambda c: c.kind,
)
def test_partial_metrics_still_make_a_card(config: TrainConfig) -> None:
    for metrics in [{}, *damaged(reward_metrics(n=12, pairs=4))[::7]]:
        card = model_card(metrics, config)
        assert head_of(card)["library_name"] == "transformers"
        assert "nan" not in card.lower().split() and "None" not in card
