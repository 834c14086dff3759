"""What filters share that compare embeddings: those of a run's samples, which its judge `embedding`
made, and those of the rows of files, which the same judge made before the run began.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic import PrivateAttr

from gristmill.filters._against import Against
from gristmill.parts import Options
from gristmill.records import Drop, Sample
from gristmill.similarity.vectors import VectorIndex, unpack

if TYPE_CHECKING:
    import numpy as np


class ByMeaning(Against):
    """A filter that compares embeddings with those of files."""

    _vector: Callable[[str], np.ndarray] | None = PrivateAttr(None)

    def told(self, vector: Callable[[str], np.ndarray]) -> None:
        self._vector = vector

    def _index(self, threshold: float) -> VectorIndex:
        """The rows' embeddings; a key is the row's place."""
        index = VectorIndex(threshold)
        if self._vector is not None:
            for where, text in self.rows():
                index.add(where, self._vector(text))
        return index


def embedder(judges: Sequence[Options], of: str, model: str = "") -> Options | None:
    """The first of the judges that embeds it, with that model if one is named."""
    return next(
        (
            judge
            for judge in judges
            if getattr(judge, "embeds", "") == of and model in ("", getattr(judge, "model", ""))
        ),
        None,
    )


def packed_of(sample: Sample, of: str, model: str = "") -> str:
    """The embedding that `embedder` made of a sample, as text; empty where there is none."""
    made = (v for v in sample.verdicts if v.vector.startswith(f"{of}:"))
    return next((v.vector for v in made if model in ("", v.model)), "")


def look(
    packed: str, filter_: str, find: Callable[[np.ndarray], tuple[str, float] | None]
) -> tuple[str, float] | Drop | None:
    """What `find` says of an embedding; a Drop where it is of another model than the rest."""
    try:
        return find(unpack(packed))
    except ValueError as error:
        # The server has another model behind the same name by now.
        return Drop(f"{filter_}:other_model", f"its embedding has {error}")
