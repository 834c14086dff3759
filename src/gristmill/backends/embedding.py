"""The interface of models that turn a text into a vector which says what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gristmill.backends.base import Backend

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """A text as a vector, (D,) float32 of length 1. tokens: that it cost, 0 where the server does
    not say, and out of a cache."""

    vector: np.ndarray
    tokens: int = 0


class EmbeddingBackend(Backend):
    """A model that embeds texts. Override `embed`."""

    async def embed(self, text: str) -> Embedded:
        """Embed one text. Raises BackendError where there is no vector; never a default."""
        raise NotImplementedError
