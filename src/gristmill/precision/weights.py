"""What the weights of a model's folder are, read from the heads of its files alone."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import prod
from operator import index
from pathlib import Path
from typing import NamedTuple

from gristmill.backends.decoding import decoded
from gristmill.errors import DataError

HEADS = ("lm_head", "score", "classifier", "v_head", "embed_out", "output_projection")
"""Names of the layer that gives logits or scores: small, and every answer depends on it."""
EMBEDDINGS = ("embed_tokens", "wte", "wpe", "word_embeddings", "position_embeddings", "embed_in")
"""Names of tables that are looked up, where nothing is multiplied."""
ROUTERS = ("gate", "router")
"""Names of the layer that chooses experts: a tiny one, whose choice rounding would change.
A gate that is no router is called `gate_proj`."""

_LONGEST_HEAD = 100_000_000


class Weight(NamedTuple):
    """One tensor: `name` ends in `.weight` or the like; `kind` as safetensors calls its type."""

    name: str
    kind: str
    shape: tuple[int, ...]
    size: int

    @property
    def module(self) -> str:
        """The layer that it belongs to."""
        return self.name.rpartition(".")[0]

    @property
    def numbers(self) -> int:
        return prod(self.shape)


def weights_of(folder: Path) -> list[Weight]:
    """Every tensor of the folder's safetensors files. Raises DataError for a damaged file."""
    return [one for file in sorted(folder.glob("*.safetensors")) for one in _in(file)]


def _in(file: Path) -> Iterator[Weight]:
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > _LONGEST_HEAD:
                raise ValueError("its head is too long")
            head = decoded(opened.read(length))
        for name, told in head.items():
            if name != "__metadata__":
                begin, end = told["data_offsets"]
                shape = tuple(map(index, told["shape"]))
                if min(0, *shape, end - begin) < 0:
                    raise ValueError(f"'{name}' has a size below 0")
                yield Weight(name, str(told["dtype"]), shape, index(end - begin))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise DataError(f"{file}: no safetensors file that can be read: {error}") from None


def left_alone(weights: list[Weight]) -> dict[str, list[str]]:
    """Layers that are not to be rounded, by why: `head`, `embedding`, `router`, `norm`, and
    `other` for what is no matrix."""
    found: dict[str, list[str]] = {}
    for weight in weights:
        why = _why(weight)
        if why and weight.module not in found.setdefault(why, []):
            found[why].append(weight.module)
    return found


def _why(weight: Weight) -> str:
    last = weight.module.rpartition(".")[2]
    for why, names in (("head", HEADS), ("embedding", EMBEDDINGS), ("router", ROUTERS)):
        if last in names:
            return why
    if "norm" in last.lower():
        return "norm"
    # A bias stays as it is whatever becomes of the matrix beside it.
    matrix = len(weight.shape) >= 2
    return "" if matrix or weight.name.endswith(".bias") else "other"


def patterns(left: dict[str, list[str]]) -> list[str]:
    """What is left alone, as the library and engines read it: full names, and one pattern for the
    norms, of which there are many."""
    named = [name for why, names in left.items() if why != "norm" for name in names]
    # A head that shares the embeddings' numbers is in no file, and still a layer of the model.
    tied = [] if left.get("head") else [HEADS[0]]
    return [*named, *tied, *(["re:.*norm.*"] if left.get("norm") else [])]
