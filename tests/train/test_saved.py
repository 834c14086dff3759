"""The folder of a trained reward model: transformers' own class reads it, and so every engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import gristmill
from gristmill.records import ATTRIBUTES
from gristmill.train import config_of, run
from local_models import reward_model
from trainings import rated_rows, values_of, write_rows


@pytest.mark.parametrize("start", ["tiny:base", "five", "nine"])
def test_a_reward_model_is_a_sequence_classifier_with_the_five_names(
    start: str, tmp_path: Path
) -> None:
    outputs = {"five": 5, "nine": 9}.get(start)
    model = f"hf:{reward_model(tmp_path / start, outputs)}" if outputs else start
    rows = write_rows(tmp_path / "r.jsonl", rated_rows(16))
    run(config_of("reward", values_of(model, rows, steps=2)), tmp_path / "out")
    folder = tmp_path / "out" / "model"
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["NemotronForSequenceClassification"]
    assert list(config["id2label"].values()) == list(ATTRIBUTES)
    assert "Only gristmill" not in (folder / "README.md").read_text()

    asked = [{"prompt": "Name a red stone.", "response": "Ruby."}]
    given = write_rows(tmp_path / "asked.jsonl", asked)
    gristmill.score(given, f"hf:{folder}", tmp_path / "scored.jsonl", quiet=True)
    scored = json.loads((tmp_path / "scored.jsonl").read_text())

    plain = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    turns = [
        {"role": "user", "content": "Name a red stone."},
        {"role": "assistant", "content": "Ruby."},
    ]
    ids = tokenizer.apply_chat_template(turns, return_tensors="pt", return_dict=True)
    with torch.no_grad():
        logits = plain(**ids).logits[0].tolist()
    assert [scored[name] for name in ATTRIBUTES] == pytest.approx(logits, abs=1e-4)
