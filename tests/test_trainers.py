"""The data sets, read by those who use them: `datasets`, and TRL's trainers, without a mapping."""

from __future__ import annotations

import warnings
from pathlib import Path

import orjson
import pytest

from gristmill import pipeline, tutor
from gristmill.mill import Config

ROWS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the tiny instruct model, graded by a script so that every data set has rows."""
    home = tmp_path_factory.mktemp("run")
    questions = tutor.questions(ROWS, 1, held_out=True)
    lines = [orjson.dumps({"prompt": q.text, "answer": q.answer}) for q in questions]
    (home / "prompts.jsonl").write_bytes(b"\n".join(lines))
    config = Config.of(
        {
            "prompts": {"file": str(home / "prompts.jsonl")},
            "generate": {"model": "tiny:instruct", "responses": 3, "max_tokens": 48},
            "judges": [{"reward": {"model": "scripted:echo"}}],
            "select": {"min_gap": 0.0},
        }
    )
    pipeline.run(config, home / "out")
    return home / "out"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))


@pytest.mark.slow
@pytest.mark.usefixtures("offline")
def test_datasets_loads_each_by_name(folder: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    sizes = {
        name: load_dataset(str(folder), name, split="train", cache_dir=str(tmp_path)).num_rows
        for name in ("sft", "preference", "scored")
    }
    assert sizes["sft"] == ROWS
    assert sizes["scored"] == 3 * ROWS
    assert 0 < sizes["preference"] <= ROWS


@pytest.mark.slow
@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_trl_trains_on_them_as_they_are(kind: str, folder: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        # What the trainers' own dependencies deprecate is not ours to fail on.
        warnings.simplefilter("ignore")
        from datasets import load_dataset
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

        from gristmill.nemotron import tiny_path

        model = AutoModelForCausalLM.from_pretrained(tiny_path("instruct"), dtype="float32")
        tokenizer = AutoTokenizer.from_pretrained(tiny_path("instruct"))
        name, config, trainer = {
            "sft": ("sft", SFTConfig, SFTTrainer),
            "dpo": ("preference", DPOConfig, DPOTrainer),
        }[kind]
        data = load_dataset(str(folder), name, split="train", cache_dir=str(tmp_path / "cache"))
        settings = config(
            output_dir=str(tmp_path / "model"),
            max_steps=3,
            per_device_train_batch_size=2,
            report_to=[],
            save_strategy="no",
            use_cpu=True,
            bf16=False,
            logging_steps=1,
            max_length=256,
            disable_tqdm=True,
            **({"assistant_only_loss": True} if kind == "sft" else {}),
        )
        run = trainer(model=model, args=settings, train_dataset=data, processing_class=tokenizer)
        result = run.train()
    assert result.global_step == 3
    assert result.training_loss > 0
