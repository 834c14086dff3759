"""What of a model learns: not its lowest layers, and new ones on top (LLaMA Pro's block expansion,
Wu et al. 2024, arXiv:2401.02415); and what these can be asked about what the model knows."""

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


def layers_of(model: Any, name: str) -> nn.ModuleList:
    """A model's layers, the lowest first. name: what it is called. Raises ConfigError for a model
    that has no list of them."""
    layers = getattr(model.base_model, "layers", None)
    if not isinstance(layers, nn.ModuleList):
        raise ConfigError(f"expand, freeze: {name} ({type(model).__name__}) has no list of layers")
    return layers


def freeze(model: Any, number: int | None, name: str) -> None:
    """Let the embeddings and so many of the lowest layers stay as they are; all for None."""
    layers = layers_of(model, name)
    if number is not None and number > len(layers):
        raise ConfigError(f"freeze: {number} layers of {name}, which has {len(layers)}")
    for below in (model.get_input_embeddings(), *layers[:number]):
        below.requires_grad_(False)


def expand(model: Any, number: int, name: str) -> None:
    """Put layers like the last on top that add nothing yet. Raises ConfigError where they do."""
    layers = layers_of(model, name)
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
    """How likely each token is: what the trained layers of a model say, beside what the language
    model says that it was, whose lowest layers it still has.

    language: that model, whole. name: of it, for errors. Raises ConfigError where no layer is
    trained, or what comes after the language model's layers is not known.
    """

    def __init__(self, model: Any, language: Any, name: str) -> None:
        super().__init__()
        layers = layers_of(model, name)
        trained = [next(layer.parameters()).requires_grad for layer in layers]
        if not any(trained):
            raise ConfigError(f"freeze: all layers of {name}; likelihood needs one that learns")
        first, base = trained.index(True), language.base_model
        norms = [norm for each in NORMS if (norm := getattr(base, each, None)) is not None]
        above = [*base.layers[first:], *norms[:1], language.get_output_embeddings()]
        self.above = nn.ModuleList(above).requires_grad_(False)
        self.said = nn.Linear(model.config.hidden_size, 1)
        self._seen: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        layers[first].register_forward_pre_hook(self._see, with_kwargs=True)
        with torch.no_grad():
            _states(model)
            tokens = torch.arange(8)[None]
            known = language(input_ids=tokens, use_cache=False).logits
            if not norms or not torch.allclose(self._scores(tokens[0]), known[0], atol=1e-4):
                raise ConfigError(
                    f"likelihood: what {name} ({type(language).__name__}) makes of its layers' "
                    "states is not known here; leave likelihood out"
                )

    def _see(self, _: nn.Module, inputs: tuple[Any, ...], more: dict[str, Any]) -> None:
        self._seen[:] = [(inputs, more)]

    def _scores(self, rows: Tensor) -> Tensor:
        """(R, V): the language model's of what comes after each of these rows."""
        (states, *inputs), more = self._seen.pop()
        *layers, norm, head = self.above
        for layer in layers:
            found = layer(states, *inputs, **more)
            states = found[0] if isinstance(found, tuple) else found
        return head(norm(states[0, rows])).float()

    def forward(self, states: Tensor, pack: Pack) -> Tensor:
        """(R, 2): what is said of each read token, and its log-probability; NaN for a text's first.
        states: (R, d) those of the last layer."""
        with torch.no_grad():
            scores, chosen = self._scores(pack.before), pack.ids[pack.rows]
            errors = nn.functional.cross_entropy(scores, chosen, reduction="none")
            found = (-errors).masked_fill(pack.before == pack.rows, float("nan"))
        return torch.cat((self.said(states).float(), found[:, None]), dim=1)
