"""A reward model of transformers: conversations as token ids in, grades out, many at a time.

A conversation is graded at its own last token, found by its length. transformers looks for the
last token that is not padding instead, which is the wrong one where padding and end of text are
the same token.

Responses to one prompt do not share its prefix here. Measured on the tiny model, four responses
each, that would be 1.1 to 1.5 times as fast at 30 tokens of prompt and 50 of response, and twice
at 100 and 50.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from gristmill.backends.local_load import Source, load_model
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
    """Grades batches of token ids. context: tokens that the model knows positions for, or None."""

    def __init__(self, model: Any, context: int | None = None) -> None:
        self.model = model
        self.context = context
        # A decoder's head; encoders (BERT and its kin) pool in ways of their own.
        self._head = getattr(model, "score", None)

    @property
    def outputs(self) -> int:
        """How many numbers the head gives."""
        if isinstance(self._head, torch.nn.Linear):
            return self._head.out_features
        return int(self.model.config.num_labels)

    @torch.inference_mode()
    def run(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """The head's outputs for each text, in order."""
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
