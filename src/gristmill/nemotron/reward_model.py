"""The five-attribute reward head on transformers' Nemotron. Importing this loads torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import NemotronConfig, NemotronModel
from transformers.models.nemotron.modeling_nemotron import NemotronPreTrainedModel
from transformers.utils.generic import ModelOutput

from gristmill.records import ATTRIBUTES

UNUSED = 4  # NeMo's head has nine outputs, of which the first four were never trained


@dataclass
class RewardOutput(ModelOutput):
    """`scores`: (B, 5) float32 in attribute order; `loss` where labels were given."""

    loss: Tensor | None = None
    scores: Tensor | None = None


class NemotronRewardModel(NemotronPreTrainedModel):
    """Nemotron with a linear head, with bias, on the last token's hidden state.

    The last token is the last one the attention mask marks, found explicitly:
    the padding token is also the end-of-text token here, so looking for it in
    the ids would be wrong. Padding must be on the right.

    `config.num_outputs` is 5, or 9 for the layout of NeMo's checkpoints, whose
    first four outputs are unused; `config.attributes` names the five.
    """

    config_class = NemotronConfig
    base_model_prefix = "model"

    def __init__(self, config: NemotronConfig) -> None:
        super().__init__(config)
        outputs = getattr(config, "num_outputs", None) or len(ATTRIBUTES)
        if outputs not in (len(ATTRIBUTES), len(ATTRIBUTES) + UNUSED):
            raise ValueError(f"num_outputs is {outputs}: a reward head has 5 outputs, or NeMo's 9")
        config.num_outputs = outputs
        config.attributes = list(getattr(config, "attributes", None) or ATTRIBUTES)
        self.model = NemotronModel(config)
        self.score = nn.Linear(config.hidden_size, outputs, bias=True)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **_: Any,
    ) -> RewardOutput:
        """Scores of each row's text.

        `labels` is (B, 5), -100 where there is none; the loss is the masked mean
        squared error, sum((y - t)^2 m) / sum(m). Raises ValueError on a row
        without tokens or padded on the left.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        last = last_index(attention_mask)
        states = self.model(
            input_ids=input_ids, attention_mask=attention_mask, use_cache=False
        ).last_hidden_state
        rows = torch.arange(len(last), device=states.device)
        said = self.score(states[rows, last.to(states.device)])
        scores = said[:, -len(ATTRIBUTES) :].float()
        loss = None
        if labels is not None:
            known = (labels != -100).float()
            loss = ((scores - labels.float()).square() * known).sum() / known.sum().clamp(min=1)
        return RewardOutput(loss=loss, scores=scores)

    @torch.no_grad()
    def rate(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """(B, 5) float32 scores in attribute order, without gradients."""
        scores = self(input_ids, attention_mask).scores
        assert scores is not None
        return scores


def last_index(attention_mask: Tensor) -> Tensor:
    """Index of each row's last real token; ValueError if the mask is not right-padded."""
    lengths = attention_mask.long().sum(dim=1)
    if bool((lengths == 0).any()):
        raise ValueError("a row has no tokens: every text to be rated needs at least one")
    last = lengths - 1
    ends = attention_mask.gather(1, last[:, None])[:, 0]
    if not bool(ends.bool().all()) or not bool(attention_mask[:, 0].bool().all()):
        raise ValueError("rows must be padded on the right: set tokenizer.padding_side='right'")
    return last
