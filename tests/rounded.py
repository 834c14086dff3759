"""Folders with weights in FP8, as llm-compressor writes them, made without it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

BEST = torch.finfo(torch.float8_e4m3fn).max

_ARGS: dict[str, Any] = {"num_bits": 8, "type": "float", "symmetric": True}
GROUP: dict[str, Any] = {
    "format": "float-quantized",
    "targets": ["Linear"],
    "weights": {**_ARGS, "strategy": "channel", "dynamic": False},
    "input_activations": {**_ARGS, "strategy": "token", "dynamic": True},
}

LIBRARY = """
from pathlib import Path
import rounded

def model_free_ptq(model_stub, save_directory, scheme, ignore):
    assert scheme == "FP8_DYNAMIC"
    said.append(list(ignore))
    if fails:
        Path(save_directory).mkdir()
        (Path(save_directory) / "half").write_text("x")
        raise fails[0]
    rounded.round_folder(Path(model_stub), Path(save_directory), ignore)

said, fails = [], []
"""
"""A stand-in for the library, with the one function that is called."""


def round_weight(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A matrix in FP8 and the scale of each row."""
    scale = (weight.float().abs().amax(dim=1, keepdim=True) / BEST).to(weight.dtype)
    return (weight.float() / scale.float()).to(torch.float8_e4m3fn), scale


def round_folder(folder: Path, out: Path, ignore: list[str]) -> None:
    """All matrices but those of layers that are named, or norms."""
    shutil.copytree(folder, out)
    found = {}
    for name, weight in load_file(folder / "model.safetensors").items():
        layer = name.rpartition(".")[0]
        if layer in ignore or "norm" in name or weight.ndim != 2:
            found[name] = weight
        else:
            small, scale = round_weight(weight)
            found |= {name: small, f"{name}_scale": scale}
    save_file(found, out / "model.safetensors", {"format": "pt"})
    config = json.loads((out / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "compressed-tensors",
        "format": "float-quantized",
        "quantization_status": "compressed",
        "ignore": ignore,
        "config_groups": {"FP8_DYNAMIC": GROUP},
    }
    (out / "config.json").write_text(json.dumps(config))
