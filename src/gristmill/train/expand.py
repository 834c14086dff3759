"""New layers on top of a model that keeps what it knows (LLaMA Pro's block expansion, Wu et al.
2024, arXiv:2401.02415), and what they can be asked about what it knows."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, nn

from gristmill.errors import ConfigError
from gristmill.packing import Pack

WRITERS = frozenset(("o_proj", "down_proj", "out_proj", "c_proj", "dense", "dense_4h_to_h", "fc2"))
"""What decoders call the projections by which a layer adds to its input."""
NORMS = ("norm", "final_layernorm", "final_layer_norm")
"""What they call the norm behind their layers."""


def expand(model: Any, number: int, name: str) -> None:
    """Put layers like the last on top that add nothing yet, and let nothing below them change.

    Trained are then the new layers, the last norm, and a head that is not the embeddings.
    name: of the model, for errors. Raises ConfigError for a model whose layers are not known.
    """
    layers = getattr(model.base_model, "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise ConfigError(f"expand: {name} ({type(model).__name__}) has no list of layers")
    for below in (model.get_input_embeddings(), layers):
        below.requires_grad_(False)
    config, count, before = model.config, len(layers), _states(model)
    for _ in range(number):
        layers.append(_identity(layers[-1], len(layers), config).requires_grad_(True))
    config.num_hidden_layers = count + number
    for key, value in vars(config).items():
        # What is said of each layer, such as whether its window slides.
        if "layer" in key and isinstance(value, list) and len(value) == count:
            setattr(config, key, [*value, *value[-1:] * number])
    if not torch.allclose(_states(model), before):
        raise ConfigError(
            f"expand: how a layer of {name} ({type(model).__name__}) adds to its input is not "
            "known here; leave expand out"
        )


@torch.no_grad()
def _identity(layer: nn.Module, place: int, config: Any) -> nn.Module:
    """A layer like another, for another place, that hands on what it is given."""
    made = deepcopy(layer, {id(config): config})  # the model's one config, not a copy of it
    for name, module in made.named_modules():
        if isinstance(module, nn.Linear):
            writes = name.rpartition(".")[2] in WRITERS
            for parameter in module.parameters():
                parameter.normal_(std=0 if writes else module.in_features**-0.5)
        if hasattr(module, "layer_idx"):
            cast("Any", module).layer_idx = place
    return made


@torch.no_grad()
def _states(model: Any) -> Tensor:
    """What the layers make of a few tokens."""
    return model.base_model(input_ids=torch.arange(8)[None], use_cache=False).last_hidden_state


class Likelihood(nn.Module):
    """What the new layers of an expanded model say of each token, beside what the language model
    below them says: its log-probability.

    head: (V, d), what turns the last states of the language model into scores of tokens.
    """

    def __init__(self, model: Any, number: int, head: Tensor) -> None:
        super().__init__()
        base = model.base_model
        norms = [found for name in NORMS if (found := getattr(base, name, None)) is not None]
        if not norms:
            raise ConfigError(f"likelihood: {type(model).__name__} has no norm behind its layers")
        self.said = nn.Linear(head.shape[1], 1)
        self.norm = deepcopy(norms[0]).requires_grad_(False)
        self.head = nn.Parameter(head.detach().clone(), requires_grad=False)
        self._below: list[Tensor] = []
        base.layers[-number].register_forward_pre_hook(self._keep)

    def _keep(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._below[:] = [inputs[0]]

    def forward(self, states: Tensor, pack: Pack) -> Tensor:
        """(R, 2): what is said of each read token, and its log-probability; NaN where the token
        before it stands elsewhere in the pack. states: (R, d) those of the last layer."""
        before = pack.rows - 1
        with torch.no_grad():
            scores = nn.functional.linear(self.norm(self._below.pop()[0][before]), self.head)
            chosen = pack.ids[pack.rows]
            found = -nn.functional.cross_entropy(scores.float(), chosen, reduction="none")
            follows = pack.positions[before] + 1 == pack.positions[pack.rows]
            found = found.masked_fill(~follows, float("nan"))
        return torch.stack((self.said(states)[:, 0].float(), found), dim=1)
