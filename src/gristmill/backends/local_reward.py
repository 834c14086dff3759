"""A reward model of transformers: conversations as token ids in, grades out, many at a time.

A conversation is graded at its own last token, found by its length. transformers looks for the
last token that is not padding instead, which is the wrong one where padding and end of text are
the same token.

Conversations lie packed, one behind the other (`gristmill.packing`): nothing is padded, and what
those of a batch share at their beginning is read once, so that n responses cost one prompt.
Models whose attention cannot be chosen, or does not look at all that came before, get padded rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from gristmill import packing
from gristmill.backends.local_load import Source, is_small, load_model
from gristmill.errors import ConfigError
from gristmill.records import ATTRIBUTES


def reward_class(config: dict[str, Any]) -> Any:
    """The class that a reward model's config.json asks for."""
    if "NemotronRewardModel" in (config.get("architectures") or []):
        from gristmill.nemotron.reward_model import NemotronRewardModel

        return NemotronRewardModel
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification


def load_grader(source: Source, config: dict[str, Any]) -> Any:
    """The weights of a reward model. Raises ConfigError."""
    return load_model(source, reward_class(config))


def columns(model: str, config: dict[str, Any], outputs: int) -> tuple[int, ...]:
    """Which outputs are the five attributes, in order; one column for a scalar.

    Nine outputs are the original's, whose first four belong to other data. Names in the config
    (`attributes`, or `id2label`) decide the order. Raises ConfigError for any other shape.
    """
    if outputs == 1:
        return (0,)
    labels = config.get("id2label") or {}
    named = config.get("attributes") or [labels[key] for key in sorted(labels, key=int)]
    names = [str(name).lower() for name in named]
    if len(names) == outputs and set(ATTRIBUTES) <= set(names):
        return tuple(names.index(attribute) for attribute in ATTRIBUTES)
    if outputs in (5, 9):
        return tuple(range(outputs - 5, outputs))
    raise ConfigError(
        f"model '{model}' has {outputs} outputs: a reward model has 1 (scalar), 5 or 9 (the "
        "attributes), or names the five under `attributes` in its config.json"
    )


class Grader:
    """Grades batches of token ids, on several threads at once.

    context: tokens that the model knows positions for, or None. packs: whether it reads packs.
    """

    def __init__(self, model: Any, context: int | None = None) -> None:
        self.model = model
        self.context = context
        # A decoder's head; encoders (BERT and its kin) pool in ways of their own.
        self._head = getattr(model, "score", None)
        self.packs = self._head is not None and packing.can_attend(model)
        if self.packs:
            # Here and never again: it changes what every thread that runs the model would see.
            packing.attend(model)

    @property
    def small(self) -> bool:
        """Whether one core is enough for it."""
        return is_small(self.model)

    @property
    def outputs(self) -> int:
        """How many numbers the head gives."""
        if isinstance(self._head, torch.nn.Linear):
            return self._head.out_features
        return int(self.model.config.num_labels)

    def tokens(self, texts: Sequence[Sequence[int]]) -> int:
        """Tokens that are computed for these texts in one pack."""
        return packing.packed_length([np.array(text, dtype=np.int32) for text in texts])

    @torch.inference_mode()
    def run(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """The head's outputs for each text, in order."""
        return self._packed(texts) if self.packs else self._padded(texts)

    def _packed(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        arrays = [np.array(text, dtype=np.int32) for text in texts]
        sequences = [packing.Sequence(ids, np.array([len(ids) - 1])) for ids in arrays]
        pack = packing.pack(sequences).to(self.model.device)
        states = packing.run(self.model.base_model, pack).last_hidden_state[0]
        assert self._head is not None
        return self._head(states[pack.rows]).float().tolist()

    def _padded(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        device = self.model.device
        lengths = torch.tensor([len(text) for text in texts])
        ids = torch.zeros(len(texts), int(lengths.max()), dtype=torch.long)
        # Padded with token 0, whatever that is: nothing that is read looks at it.
        for row, text in zip(ids, texts, strict=True):
            row[: len(text)] = torch.tensor(text)
        ids, last = ids.to(device), (lengths - 1).to(device)
        if self._head is None:
            mask = (torch.arange(ids.shape[1], device=device) <= last[:, None]).long()
            return self.model(input_ids=ids, attention_mask=mask).logits.float().tolist()
        # Causal attention never looks to the right, where the padding is: no mask is needed,
        # and without one the fast attention kernels run.
        hidden = self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state
        ends = hidden[torch.arange(len(texts), device=device), last]
        return self._head(ends).float().tolist()
