"""What a model is made of, as far as its memory and its speed go.

A `Shape` is a list of layers between an embedding and an output matrix. A layer has `Part`s, which
are parameters that are stored alike and read together, and `Cache`s, what it keeps of a sequence.
Everything that `plan` says of a model is a sum over these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """Parameters that are stored alike and read together.

    name: one of `embedding`, `attention`, `feed-forward`, `experts`, `router`, `recurrent`,
    `norms`, `output`. count: parameters. rows: output channels of the matrices, each of which has
    a scale of its own in FP8; 0 for what no scheme makes smaller (norms, biases, embeddings, heads,
    routers). copied: whole on every GPU of a tensor-parallel group, not cut between them. chosen,
    among: of so many experts, a token goes through so many; the embedding, of which a token needs
    one row, has 0 of 1.
    """

    name: str
    count: int
    rows: int = 0
    copied: bool = False
    chosen: int = 1
    among: int = 1

    def touched(self, tokens: float) -> float:
        """The share of it that a step with so many tokens reads, if each picks by chance."""
        if self.chosen == self.among:
            return 1.0
        if not self.chosen:
            return 0.0
        return 1.0 - (1.0 - self.chosen / self.among) ** tokens


@dataclass(frozen=True, slots=True)
class Cache:
    """What one layer keeps of a sequence.

    heads: key-value heads; 1 for a latent that all heads share. width: values of one token and
    head, key and value together. window: tokens beyond which older ones are dropped; None keeps
    all. fixed: bytes of a state that does not grow (Mamba, linear attention), whatever the
    precision of the cache; it is cut between tensor-parallel GPUs.
    """

    heads: int = 0
    width: int = 0
    window: int | None = None
    fixed: int = 0

    def values(self, tokens: int) -> int:
        """Cached values of a sequence of so many tokens, without copies."""
        kept = tokens if self.window is None else min(tokens, self.window)
        return kept * self.heads * self.width


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its parameters, and what it keeps of each sequence."""

    parts: tuple[Part, ...]
    cache: Cache | None = None


@dataclass(frozen=True)
class Shape:
    """One model.

    name: as it was given. model_type: as transformers has it. layers: in order. embedding, output,
    final: the input matrix, the output matrix (or head; None where it is the embedding once more)
    and the last norm. context: longest sequence, in tokens. divide: what tensor parallelism must
    divide, by name (attention heads, widths). kv_heads: of its attention layers; heads that it does
    not divide are copied. stored: the precision of the checkpoint. notes: what a reader must know.
    """

    name: str
    model_type: str
    layers: tuple[Layer, ...]
    embedding: Part
    output: Part | None
    final: Part
    context: int
    divide: dict[str, int]
    kv_heads: tuple[int, ...]
    stored: str = "bf16"
    reward: bool = False
    served_as: str = ""
    notes: tuple[str, ...] = ()

    def parts(self) -> Iterator[Part]:
        """All parts, in the order in which a token meets them."""
        yield self.embedding
        for layer in self.layers:
            yield from layer.parts
        yield self.final
        if self.output is not None:
            yield self.output

    @property
    def parameters(self) -> int:
        """All parameters; a tied output matrix is counted once."""
        return sum(part.count for part in self.parts())

    @property
    def active(self) -> int:
        """Parameters that one token goes through, the embedding's one row left out."""
        return sum(part.count * part.chosen // part.among for part in self.parts())

    def by_part(self) -> dict[str, int]:
        """Parameters by the name of their part, those that there are."""
        found: dict[str, int] = {}
        for part in self.parts():
            found[part.name] = found.get(part.name, 0) + part.count
        return found

    def values_per_token(self) -> int:
        """Cached values that one more token needs while no window is full."""
        return sum(layer.cache.values(1) for layer in self.layers if layer.cache)
