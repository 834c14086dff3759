"""Small random models in Hugging Face layout, with the embedded family's tokenizer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    NemotronConfig,
    NemotronForCausalLM,
    NemotronForSequenceClassification,
)
from transformers.utils import logging

from gristmill.backends import Likelihood
from gristmill.nemotron.tiny import tiny_path
from gristmill.records import Message, as_dicts

SIZES: dict[str, Any] = {
    "vocab_size": 1024,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 96,
    # Wide weights, so that different texts get clearly different logits.
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 0,
    "eos_token_id": 0,
}


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on the calling thread alone: on a busy machine a hundred times as fast."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def save(model: Any, directory: Path, tokenizer: str = "instruct") -> Path:
    """Write the model with a tiny tokenizer; no progress bars in the test's output."""
    logging.disable_progress_bar()
    model.save_pretrained(directory)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_path(tokenizer) / name, directory / name)
    return directory


def chat_model(directory: Path, **changes: Any) -> Path:
    """A causal language model, the same at every call."""
    torch.manual_seed(7)
    return save(NemotronForCausalLM(NemotronConfig(**SIZES | changes)), directory)


def classifier(directory: Path, labels: int, **changes: Any) -> Path:
    """A sequence-classification model with so many outputs."""
    torch.manual_seed(8)
    config = NemotronConfig(**SIZES | {"num_labels": labels} | changes)
    return save(NemotronForSequenceClassification(config), directory, "reward")


def reward_model(directory: Path, outputs: int) -> Path:
    """A model of the family with five or nine outputs."""
    from gristmill.nemotron.reward_model import NemotronRewardModel

    torch.manual_seed(9)
    model = NemotronRewardModel(NemotronConfig(**SIZES | {"num_outputs": outputs}))
    torch.nn.init.normal_(model.score.weight)
    torch.nn.init.normal_(model.score.bias)
    return save(model, directory, "reward")


def likelihood_by_hand(folder: Path, talk: Sequence[Message]) -> Likelihood:
    """Of the last turn, by transformers' own model and template, one text at a time."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).float().eval()

    def ids(turns: Sequence[Message], *, answer: bool) -> list[int]:
        text = tokenizer.apply_chat_template(
            as_dicts(turns), tokenize=False, add_generation_prompt=answer
        )
        return tokenizer.encode(text, add_special_tokens=False)

    whole, before = ids(talk, answer=False), ids(talk[:-1], answer=True)
    assert whole[: len(before)] == before
    with torch.inference_mode():
        logs = model(input_ids=torch.tensor([whole])).logits[0].log_softmax(-1)
    wanted = torch.tensor(whole[len(before) :])
    places = torch.arange(len(before) - 1, len(whole) - 1)
    return Likelihood(logs[places, wanted].sum().item(), len(wanted))
