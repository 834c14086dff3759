"""How many bytes parameters take under each scheme, and what else a scheme means.

What is made smaller are the matrices of attention, feed-forward, experts and recurrent layers;
embeddings, the output matrix, norms, biases and routers stay in BF16, as llm-compressor's recipes
leave them. Scales are counted, since at 340 billion parameters they are 51 MB to 5 GB:

- `fp8`: one byte, and a float32 scale for each output channel. vLLM holds these scales in float32
  whatever the file has (`ChannelQuantScaleParameter` of its compressed-tensors W8A8 FP8 scheme).
- `int4`: W4A16 as GPTQ and AWQ write it: four bits, and a BF16 scale for each group of 128.
- `nvfp4`: four bits and an FP8 scale for each group of 16.
- `mxfp4`: four bits and an 8-bit scale for each group of 32, of the experts alone (gpt-oss).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from gristmill.errors import ConfigError
from gristmill.plan.shape import Part, Shape


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way to store weights.

    bits: of one value. group: values that share a scale; 0 is one scale for each output channel.
    scale: bytes of a scale. only: the one part that it makes smaller; empty for all matrices.
    """

    name: str
    bits: float
    group: int = 0
    scale: int = 0
    only: str = ""


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("bf16", 16),
        Scheme("fp8", 8, scale=4),
        Scheme("int4", 4, group=128, scale=2),
        Scheme("nvfp4", 4, group=16, scale=1),
        Scheme("mxfp4", 4, group=32, scale=1, only="experts"),
    )
}

PLAIN = 2
"""Bytes of a parameter that is not made smaller: BF16."""


def scheme_of(name: str) -> Scheme:
    """The scheme of that name; ConfigError names the known ones."""
    if name not in SCHEMES:
        near = get_close_matches(name.lower(), SCHEMES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(SCHEMES)}"
        raise ConfigError(f"--precision {name}: unknown; {hint}")
    return SCHEMES[name]


def part_bytes(part: Part, scheme: Scheme) -> float:
    """Bytes of one part, each parameter once, its scales among them."""
    if not part.rows or scheme.bits >= 16 or (scheme.only and part.name != scheme.only):
        return part.count * PLAIN
    scales = part.count / scheme.group if scheme.group else part.rows
    return part.count * scheme.bits / 8 + scales * scheme.scale


def weight_bytes(shape: Shape, scheme: Scheme) -> int:
    """Bytes of the whole model, each parameter once: the sum of `part_bytes`."""
    return round(sum(part_bytes(part, scheme) for part in shape.parts()))


def stored_precision(config: Mapping[str, Any]) -> str:
    """The scheme that a config.json says its weights are in: `quantization_config`, or `bf16`."""
    quantized = config.get("quantization_config")
    if not isinstance(quantized, Mapping):
        return "bf16"
    text = str(dict(quantized)).lower()
    method = str(quantized.get("quant_method", "")).lower()
    for name in ("mxfp4", "nvfp4"):
        if name in text:
            return name
    if method == "fp8" or "'fp8'" in text or ("'num_bits': 8" in text and "float" in text):
        return "fp8"
    if quantized.get("bits") == 4 or "'num_bits': 4" in text or quantized.get("load_in_4bit"):
        return "int4"
    return "bf16"
