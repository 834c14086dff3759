"""What a policy trained with DPO and its reference must be, and have in common, for their
likelihoods of an answer to be compared. Reads configs and tokenizers; loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gristmill.backends.local_load import Source, find, is_reward
from gristmill.errors import ConfigError

CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
"""How classes are called that give the next token's likelihood; so are some encoder-decoders."""


def find_reference(reference: str) -> Source:
    """Where the reference lies. Raises ConfigError for what is no model of this process."""
    if not reference.startswith(("hf:", "tiny:")):
        raise ConfigError(
            f"reference {reference!r}: its weights are needed here; name tiny:..., hf:org/name or "
            "hf:./dir"
        )
    return find(reference)


def check_pair(
    policy: str, config: Mapping[str, Any], reference: str, other: Mapping[str, Any]
) -> None:
    """Raise ConfigError for a policy and a reference that give no implicit reward.

    config and other: what their config.json says; empty for a model whose files are not here yet.
    """
    for name, stated in ((f"model '{policy}'", config), (f"reference '{reference}'", other)):
        if is_reward(stated):
            raise ConfigError(
                f"{name} is a reward model: `reference` belongs to a chat model trained with DPO, "
                "and is the chat model that its training began with; else leave it out"
            )
        kinds = stated.get("architectures") or []
        if stated.get("is_encoder_decoder") or (kinds and not kinds[0].endswith(CAUSAL)):
            raise ConfigError(
                f"{name} is no causal language model (its kind is {', '.join(kinds) or 'unknown'}):"
                " `reference` and its policy must both be"
            )
    ours, theirs = ((c.get("text_config") or c).get("vocab_size") for c in (config, other))
    if ours is not None and theirs is not None:
        check_sizes(policy, ours, reference, theirs)


def check_sizes(policy: str, size: int, reference: str, other: int) -> None:
    """Raise ConfigError for models that tell apart different numbers of tokens."""
    if size != other:
        raise ConfigError(f"{_unlike(policy, reference)}: {other:,} tokens are not {size:,}")


def check_vocabularies(policy: str, tokenizer: Any, reference: str, other: Any) -> None:
    """Raise ConfigError for tokenizers with which the same ids are not the same tokens."""
    ours, theirs = tokenizer.get_vocab(), other.get_vocab()
    if ours != theirs:
        token = min(ours.items() ^ theirs.items())[0]
        raise ConfigError(f"{_unlike(policy, reference)}: they differ in {token!r}")


def _unlike(policy: str, reference: str) -> str:
    return (
        f"reference '{reference}' has not the vocabulary of model '{policy}', and is not what its "
        "training began with"
    )
