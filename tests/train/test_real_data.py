"""Reward models on real human labels: HelpSteer2's (CC BY 4.0) and Topical-Chat's (MIT).

So few rows teach a tiny model next to nothing. What is tested is that every row is accounted for,
that labels of other names and scales arrive, and that card and page say what the figures are worth.
"""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, AutoTokenizer

from gristmill.intake.cells import Refused
from gristmill.nemotron import tiny_path
from gristmill.records import Message, as_dicts
from gristmill.train import config_of
from gristmill.train.examples import Compared, Rated
from gristmill.train.sources import read

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "real_reward.py"


@pytest.fixture(scope="module")
def real() -> Any:
    """The benchmark, whose configs these are."""
    spec = spec_from_file_location("real_reward", BENCHMARK)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_labels_of_other_names_and_scales_arrive(real: Any, shared_data: Path) -> None:
    sources = config_of("reward", real.config("tiny:base", real.ratings(shared_data))).data
    own, chat = ([row for row in read(s, (Rated,)) if isinstance(row, Rated)] for s in sources)
    assert (len(own), len(chat)) == (10, 360)
    assert all(None not in row.labels for row in own)
    given = json.loads((shared_data / "topical_chat/topical_chat.json").read_text())
    for row, source in zip(chat, given, strict=True):
        scores = source["scores"]
        assert row.labels[0] == pytest.approx(scores["overall"] - 1)  # 1 to 5
        assert row.labels[2] == pytest.approx(2 * (scores["coherence"] - 1))  # 1 to 3
        assert row.labels[1] is row.labels[3] is row.labels[4] is None
        assert row.response == source["system_output"]


def test_pairs_without_a_preference_are_put_aside(real: Any, shared_data: Path) -> None:
    (source,) = config_of("dpo", {"model": "tiny:base", "data": real.pairs(shared_data)}).data
    rows = list(read(source, (Compared,)))
    refused = [row.reason for row in rows if isinstance(row, Refused)]
    assert len(rows) == 100 and refused == ["no_preference"] * 29
    assert {row.strength for row in rows if isinstance(row, Compared)} == {1, 2, 3}


@pytest.mark.slow
def test_ratings_that_do_not_fit_are_counted(real: Any, shared_data: Path, tmp_path: Path) -> None:
    values = real.config("tiny:base", real.ratings(shared_data), steps=4)
    metrics = real.train(values, tmp_path / "run")
    own, chat = metrics["sources"]
    # Real English is many tokens to a tokenizer that knows a small world's words.
    tokenizer = AutoTokenizer.from_pretrained(tiny_path("base"))
    context = AutoConfig.from_pretrained(tiny_path("base")).max_position_embeddings
    for source, said in zip(config_of("reward", values).data, (own, chat), strict=True):
        rows = [row for row in read(source, (Rated,)) if isinstance(row, Rated)]
        talks = [as_dicts((*row.prompt, Message("assistant", row.response))) for row in rows]
        texts = [tokenizer.apply_chat_template(talk, tokenize=False) for talk in talks]
        long = sum(
            len(tokenizer.encode(text, add_special_tokens=False)) > context for text in texts
        )
        assert long > 0
        assert (said["refused"], said["used"]) == ({"too_long": long}, len(rows) - long)
    assert metrics["refused"]["too_long"] == 370 - own["used"] - chat["used"]
    assert sum(metrics["examples"].values()) == own["used"] + chat["used"]
    refused = [json.loads(x) for x in (tmp_path / "run/refused.jsonl").read_text().splitlines()]
    assert len(refused) == metrics["refused"]["too_long"]
    fit = f"at most {context:,} fit; nothing is cut off"
    assert all(fit in row["detail"] for row in refused)
    attributes = metrics["validation"]["attributes"]
    assert attributes["helpfulness"]["n"] >= attributes["coherence"]["n"] > 20
    said = " ".join(metrics["warnings"])
    assert "too few labels to learn from: correctness" in said
    card = (tmp_path / "run/model/README.md").read_text(encoding="utf-8").replace("\u202f", " ")
    page = (tmp_path / "run/report.html").read_text(encoding="utf-8").replace("\u202f", " ")
    for text in (card, page):
        assert "Few labels make wide intervals" in text
        assert "of the rows were not trained on, most often for the reason" in text
        assert "95 % interval" in text and "implied by ratings" in text


@pytest.mark.slow
def test_ratings_and_pairs_together(real: Any, shared_data: Path, tmp_path: Path) -> None:
    sources = [*real.ratings(shared_data), *real.pairs(shared_data)]
    long = real.long_model(tmp_path / "long")
    batch = {"examples": 4, "tokens": 4096}
    both = {"loss": "both", "pairs": "scaled", "steps": 2, "batch": batch}
    metrics = real.train(real.config(f"hf:{long}", sources, **both), tmp_path / "run")
    *rated, pairs = metrics["sources"]
    assert [source["used"] for source in rated] == [10, 360]
    assert pairs["refused"]["no_preference"] == 29
    assert pairs["used"] == 71 - pairs["refused"].get("too_long", 0) > 50
    held = metrics["validation"]
    assert held["pairs"]["n"] > 5 and "implied" not in held["pairs"]
    assert held["regression"] > 0 and held["pairs"]["by_strength"]
    assert held["attributes"]["helpfulness"]["n"] > 50
