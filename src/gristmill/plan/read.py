"""From a config.json to a `Shape`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gristmill.errors import ConfigError
from gristmill.plan.attention import attention, latent_attention, says
from gristmill.plan.families import FAMILIES, SAME_AS, Family, guess
from gristmill.plan.feed import dense, experts, has_experts
from gristmill.plan.fields import Fields
from gristmill.plan.kinds import blocks, mixers, windows
from gristmill.plan.precision import stored_precision
from gristmill.plan.recurrent import delta, mamba1, mamba2
from gristmill.plan.searched import searched
from gristmill.plan.shape import Layer, Part, Shape

RECURRENT = {"mamba1": mamba1, "mamba2": mamba2, "delta": delta}


def read_shape(config: Mapping[str, Any], name: str, where: str = "") -> Shape:
    """The shape that a config.json describes.

    config: its values; of a model that sees or hears too, the language model in `text_config` is
    read. name: for messages and the serving command. where: the file, for errors. Raises
    ConfigError naming the field that is missing or wrong.
    """
    where = where or name
    if not isinstance(config, Mapping):
        raise ConfigError(f"{where}: not a config.json: it must hold one JSON object")
    inner, notes = _language(config)
    kind = str(inner.get("model_type", ""))
    kind = SAME_AS.get(kind, kind)
    if (family := FAMILIES.get(kind)) is None:
        named = f"model_type '{kind}'" if kind else "a config without 'model_type'"
        if (family := guess(inner)) is None:
            raise ConfigError(
                f"{where}: {named} is not known, and it is not built like a Llama; known are "
                f"{', '.join(FAMILIES)}"
            )
        notes.append(f"{named} is not known: read as a Llama, so counts may be off")
    f = Fields({**inner, "model_type": kind}, where, family.head_dim)
    builds = {"nemotron_h": _hybrid, "nemotron-nas": searched}
    layers = builds.get(kind, _layers)(f, family)
    if extra := f.count("num_nextn_predict_layers") or f.count("mtp_num_hidden_layers"):
        notes.append(f"{extra} layer(s) for multi-token prediction are not counted")
    output, reward = _output(f, family, config)
    hidden, vocab = f.size("hidden_size"), f.size("vocab_size")
    return Shape(
        name=name,
        model_type=kind or "unknown",
        layers=tuple(layers),
        # Where the output is the same matrix, a step reads all of it.
        embedding=Part("embedding", vocab * hidden, chosen=int(output is None)),
        output=output,
        final=Part("norms", family.norm * hidden, copied=True),
        context=f.size("max_position_embeddings", 4_096),
        divide=_divide(f, layers),
        kv_heads=tuple(sorted({c.heads for y in layers if (c := y.cache) and c.heads})),
        stored=stored_precision({**inner, **config}),
        reward=reward,
        notes=tuple(notes),
    )


def _language(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The language model's part of the config, and what is left out."""
    inner = config.get("text_config") or config.get("llm_config")
    if not isinstance(inner, Mapping):
        return dict(config), []
    outer = {k: v for k, v in config.items() if k == "tie_word_embeddings"}
    others = [k.removesuffix("_config") for k in ("vision_config", "audio_config") if k in config]
    left = f"the language model alone is counted, not its {' and '.join(others)} part"
    return {**outer, **inner}, [left] if others else []


def _output(f: Fields, family: Family, config: Mapping[str, Any]) -> tuple[Part | None, bool]:
    """The output matrix, or the head of a reward model; None where it is the embedding."""
    hidden = f.size("hidden_size")
    named = " ".join(map(str, Fields(config, f.where).listed("architectures")))
    if "SequenceClassification" in named or "RewardModel" in named:
        # NeMo's and gristmill's own head has a bias, transformers' has none.
        own, names = f.count("num_outputs"), f.get("id2label")
        found = len(names) if isinstance(names, Mapping) else 0
        labels = own or f.count("num_labels") or found or 1
        return Part("output", labels * (hidden + bool(own))), True
    if f.flag("tie_word_embeddings", family.tied):
        return None, False
    bias = f.size("vocab_size") if says(f, family.output_bias) else 0
    return Part("output", f.size("vocab_size") * hidden + bias), False


def _layers(f: Fields, family: Family) -> list[Layer]:
    kinds = mixers(f, family)
    reach = windows(f, family, len(kinds))
    norms = Part("norms", family.norms * family.norm * f.size("hidden_size"), copied=True)
    layers = []
    for number, (kind, window) in enumerate(zip(kinds, reach, strict=True)):
        if kind in RECURRENT:
            parts, cache = RECURRENT[kind](f)
        elif kind == "latent":
            parts, cache = latent_attention(f, family)
        else:
            parts, cache = attention(f, family, window)
        layers.append(Layer((*parts, *_feed(f, family, number), norms), cache))
    return layers


def _feed(f: Fields, family: Family, number: int) -> list[Part]:
    if has_experts(f, number):
        return experts(f, family)
    kind = f.get("model_type")
    if kind == "granitemoehybrid":
        return dense(f, family, f.size("shared_intermediate_size"))
    if kind == "llama4_text":
        return dense(f, family, f.size("intermediate_size_mlp", 16_384))
    width = f.size("intermediate_size", 4 * f.size("hidden_size"))
    return dense(f, family, width)


def _hybrid(f: Fields, family: Family) -> list[Layer]:
    """A Nemotron-H: each layer has one norm, and is one thing."""
    norm = Part("norms", f.size("hidden_size"), copied=True)
    layers = []
    for kind in blocks(f):
        cache = None
        if kind == "mamba2":
            parts, cache = mamba2(f)
        elif kind == "attention":
            parts, cache = attention(f, family, None)
        elif kind == "experts":
            parts = experts(f, family)
            if f.count("n_shared_experts", 1):
                parts += dense(f, family, f.size("moe_shared_expert_intermediate_size", 7_688))
        else:
            parts = dense(f, family, f.size("intermediate_size"))
        layers.append(Layer((*parts, norm), cache))
    return layers


def _divide(f: Fields, layers: list[Layer]) -> dict[str, int]:
    """What tensor parallelism cuts, and so must divide, by the name of its field."""
    found = {}
    names = {part.name for layer in layers for part in layer.parts}
    if "attention" in names:
        found["num_attention_heads"] = f.size("num_attention_heads")
    if "feed-forward" in names and f.get("intermediate_size"):
        found["intermediate_size"] = f.size("intermediate_size")
    if "experts" in names and f.get("moe_intermediate_size"):
        found["moe_intermediate_size"] = f.size("moe_intermediate_size")
    for name in ("mamba_num_heads", "mamba_n_heads", "linear_num_key_heads"):
        if "recurrent" in names and f.get(name):
            found[name] = f.size(name)
    return found
