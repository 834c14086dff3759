"""Folders with weights in FP8: loaded, or refused with the line that helps."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from gristmill.backends import open_chat, open_likelihood, open_reward
from gristmill.backends.local_quantized import silent
from gristmill.errors import ConfigError, MissingExtra
from gristmill.records import Message, Prompt, Sampling, as_dicts
from local_models import chat_model, classifier
from rounded import BEST, round_folder, round_weight

LEFT = ["score", "lm_head", "model.embed_tokens", "re:.*norm.*"]
TALK = (Message("user", "What is 2 plus 3?"), Message("assistant", "2 plus 3 is 5."))
PACKAGE = importlib.util.find_spec("compressed_tensors") is not None

needs_package = pytest.mark.skipif(not PACKAGE, reason="compressed-tensors is not installed")


def rounded(folder: Path, made: Path) -> str:
    round_folder(made, folder / "fp8", LEFT)
    return f"hf:{folder / 'fp8'}"


def graded(model: str) -> Any:
    async def ask() -> Any:
        async with open_reward(model) as backend:
            return await backend.score(TALK)

    return asyncio.run(ask()).attributes


def by_hand(folder: Path) -> list[float]:
    """The grades of a model whose weights, and what goes into its layers, are rounded to FP8."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).float().eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def coarse(_: torch.nn.Module, given: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        scale = given[0].abs().amax(dim=-1, keepdim=True) / BEST
        return ((given[0] / scale).to(torch.float8_e4m3fn).float() * scale,)

    for layer in model.model.modules():
        if isinstance(layer, torch.nn.Linear):
            small, scale = round_weight(layer.weight.data)
            layer.weight.data = small.float() * scale.float()
            layer.register_forward_pre_hook(coarse)
    text = tokenizer.apply_chat_template(as_dicts(TALK), tokenize=False)
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
    with torch.inference_mode():
        states = model.model(input_ids=ids, use_cache=False).last_hidden_state
        return model.score(states[0, -1]).tolist()


@needs_package
def test_a_reward_model_in_fp8_grades_as_an_engine_would(tmp_path: Path) -> None:
    before = classifier(tmp_path / "whole", 5)
    one, other = graded(f"hf:{before}"), graded(rounded(tmp_path, before))
    assert other == pytest.approx(by_hand(before), abs=1e-3)
    assert other != pytest.approx(one, abs=1e-3)


@needs_package
def test_a_chat_model_in_fp8_answers_and_says_how_likely_an_answer_is(tmp_path: Path) -> None:
    model = rounded(tmp_path, chat_model(tmp_path / "whole"))

    async def ask() -> Any:
        async with open_chat(model) as backend, open_likelihood(model) as other:
            asked = Prompt("p", TALK[:1])
            said = await backend.sample(asked, 0, Sampling(0.0, 1.0, 8, 0))
            return said, await other.likelihood(TALK)

    said, likely = asyncio.run(ask())
    assert said.completion_tokens > 0
    assert likely.total < 0 and likely.tokens > 3


def test_without_the_package_one_line_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = rounded(tmp_path, classifier(tmp_path / "whole", 5))
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "compressed_tensors" else real(name, *rest),
    )
    with pytest.raises(MissingExtra, match=r"pip install 'gristmill\[fp8\]'"):
        open_reward(model)


def test_other_ways_of_rounding_are_for_engines(tmp_path: Path) -> None:
    folder = chat_model(tmp_path / "whole")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="quantised by gptq, which is not run here"):
        open_chat(f"hf:{folder}")


def test_bars_are_silent_while_asked_and_back_afterwards(capsys: Any) -> None:
    from tqdm import tqdm

    with silent():
        list(tqdm([1, 2], disable=False))
    assert capsys.readouterr().err == ""
    list(tqdm([1, 2]))
    assert "2/2" in capsys.readouterr().err


@needs_package
def test_it_is_no_model_to_train_on(tmp_path: Path) -> None:
    from gristmill.train import config_of
    from gristmill.train.model import load

    model = rounded(tmp_path, chat_model(tmp_path / "whole"))
    config = config_of("sft", {"model": model, "data": {"file": "chats.jsonl"}})
    with pytest.raises(ConfigError, match="train the model that it was made from"):
        load(config, "tokens")
