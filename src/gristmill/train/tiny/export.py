"""Writing a model of the tiny family as a plain Hugging Face directory.

Each directory is built beside its target and its files are then renamed into
place, so a reader meanwhile sees the old weights or the new, never a mixture
of halves.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gristmill.nemotron.chat import CHAT_TEMPLATE, END, REWARD_TEMPLATE, STOPS
from gristmill.nemotron.folding import as_classifier, folded
from gristmill.nemotron.presets import Preset
from gristmill.records import ATTRIBUTES

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def export(
    preset: Preset,
    weights: dict[str, Tensor],
    tokenizer: PreTrainedTokenizerFast,
    path: Path,
) -> None:
    """Write config, bf16 weights, tokenizer and chat template under `path`.

    Weights with `score.weight` and `score.bias` make a reward model, others a
    causal language model.
    """
    from transformers import NemotronConfig

    reward = "score.weight" in weights
    end = int(tokenizer.vocab[END])
    config = NemotronConfig(
        **preset.config_kwargs(), bos_token_id=end, eos_token_id=end, pad_token_id=end
    )
    config.architectures = ["NemotronForCausalLM"]
    config.dtype = "bfloat16"
    if reward:
        outputs = len(weights["score.bias"])
        try:
            columns = tuple(range(outputs))[-len(ATTRIBUTES) :]
            weights = folded(weights, columns, torch.bfloat16)
            config = as_classifier(config)
        except ValueError:
            # A head that has hardly learned yet, of a recipe on a toy scale.
            config.architectures = ["NemotronRewardModel"]
            config.num_outputs = outputs
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        new = Path(work)
        config.save_pretrained(new)
        kept = {
            k: v.detach().to(torch.bfloat16).contiguous()
            for k, v in weights.items()
            if not (reward and k == "lm_head.weight")
        }
        save_file(kept, new / "model.safetensors", metadata={"format": "pt"})
        tokenizer.chat_template = REWARD_TEMPLATE if reward else CHAT_TEMPLATE
        # One file less: the template travels inside tokenizer_config.json.
        tokenizer.save_pretrained(new, save_jinja_files=False)
        if not reward:
            stops = [tokenizer.convert_tokens_to_ids(token) for token in STOPS]
            settings = {"eos_token_id": stops, "pad_token_id": end, "bos_token_id": end}
            (new / "generation_config.json").write_text(json.dumps(settings, indent=2) + "\n")
        path.mkdir(parents=True, exist_ok=True)
        for file in sorted(new.iterdir()):
            file.chmod(0o644)  # safetensors writes for the owner alone
            file.replace(path / file.name)


def read(path: Path) -> dict[str, Tensor]:
    """The fp32 weights of an exported model."""
    return {k: v.float() for k, v in load_file(path / "model.safetensors").items()}


def copy(source: Path, target: Path) -> None:
    """Put an exported model in another place, file by file, each atomically."""
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.iterdir()):
        fresh = target / f".{file.name}.new"
        shutil.copyfile(file, fresh)
        fresh.replace(target / file.name)
