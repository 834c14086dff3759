"""Attention over a packed row, one segment at a time, for any transformers model.

On a CPU a dense mask over the row costs more than padding would: nearly all of it is empty. One
call of the fused kernel a segment does the arithmetic that is needed and no other; the layout
travels as the four-dimensional attention mask, which transformers hands through untouched.

Segments are not batched: the CPU's kernel takes as long for eight segments of one length at once
as for each in turn, and gathering them into a batch and back costs more than the calls.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface

from gristmill.packing.pack import Pack
from gristmill.packing.plan import Plan, plan_of

NAME = "gristmill_segments"

SHORT = 256
"""Tokens up to which the CPU's kernel learns faster in float32: its backward pass in bfloat16 takes
three to five times as long at 50 tokens, as long at 256, and less beyond (torch 2.13)."""


def segment_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention of one layer. query (1, H, T, D); key and value (1, KV, T, D); `attention_mask`
    is a `Pack`'s layout, or None for a plain causal row; `sliding_window`: how many tokens each
    sees, itself among them, None for all. Returns (1, T, H, D)."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    length = query.shape[2]
    if attention_mask is None and sliding_window is not None and sliding_window < length:
        attention_mask = torch.tensor([[[[length]]]])
    if attention_mask is None:
        out = F.scaled_dot_product_attention(
            query, key, value, dropout_p=dropout, is_causal=True, scale=scaling
        )
        return out.transpose(1, 2).contiguous(), None
    plan = plan_of(attention_mask, query, sliding_window)
    if not _is_short(query, plan.lengths):
        out = _attended(query, key, value, plan, dropout, scaling)
    else:
        with torch.autocast("cpu", enabled=False):
            query, key, value = query.float(), key.float(), value.float()
            plan = plan_of(attention_mask, query, sliding_window)  # its masks are of this type
            out = _attended(query, key, value, plan, dropout, scaling).bfloat16()
    return out.transpose(1, 2).contiguous(), None


def _is_short(query: Tensor, lengths: Sequence[int]) -> bool:
    """Whether a row is learned from faster in float32 than in the bfloat16 that it is to be in."""
    if not (query.device.type == "cpu" and query.requires_grad and torch.is_grad_enabled()):
        return False
    return max(lengths) <= SHORT and torch.bfloat16 in (
        query.dtype,
        torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None,
    )


def _attended(
    query: Tensor, key: Tensor, value: Tensor, plan: Plan, dropout: float, scaling: float | None
) -> Tensor:
    """(1, H, T, D): every segment by itself, with the segments before it that it sees."""
    # One split and one concatenation: slicing would fill a gradient of the whole row for each.
    queries, keys, values = (x.split(plan.lengths, dim=2) for x in (query, key, value))
    outs = []
    for i, segment in enumerate(plan.segments):
        q, k, v = queries[i], keys[i], values[i]
        if segment.ancestors:
            k = torch.cat([*(keys[a] for a in segment.ancestors), k], dim=2)
            v = torch.cat([*(values[a] for a in segment.ancestors), v], dim=2)
        whole = len(segment.pieces) == 1
        parts = (q,) if whole else q.split([piece.queries for piece in segment.pieces], dim=2)
        for part, piece in zip(parts, segment.pieces, strict=True):
            outs.append(
                F.scaled_dot_product_attention(
                    part,
                    # A view, too, costs something in the backward pass.
                    k if whole else k.narrow(2, 0, piece.keys),
                    v if whole else v.narrow(2, 0, piece.keys),
                    attn_mask=piece.mask,
                    dropout_p=dropout,
                    is_causal=piece.mask is None,
                    scale=scaling,
                )
            )
    return torch.cat(outs, dim=2)


AttentionInterface.register(NAME, segment_attention)


def can_attend(model: Any) -> bool:
    """Whether a model leaves its attention to be chosen, and looks at what came before, all of it
    or as far as a sliding window, and nothing else: no recurrent layers, no encoder, no capped
    products, no sinks."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    # Sinks and the like, which only kernels of its own compute.
    supported = model._supports_attention_backend and model._supports_sdpa
    causal = all(getattr(module, "is_causal", True) for module in model.modules())
    capped = getattr(config, "attn_logit_softcapping", None) is not None
    if window or "sliding_attention" in kinds:
        supported = supported and _tells_window(model)
    return supported and kinds <= {"full_attention", "sliding_attention"} and causal and not capped


def _tells_window(model: Any) -> bool:
    """Whether its layers tell their attention how far it looks: a few leave it to the mask alone,
    in whose place the layout stands here."""
    layers = {type(m) for m in model.modules() if type(m).__name__.endswith("Attention")}
    try:
        return all("sliding_window=" in inspect.getsource(layer.forward) for layer in layers)
    except OSError:
        return False


def attend(model: Any) -> None:
    """Make a model read packed rows. Raises ValueError where `can_attend` is False."""
    if not can_attend(model):
        raise ValueError(
            f"{type(model).__name__} does not let its attention be chosen, or has recurrent "
            "layers: packed rows need causal attention"
        )
    model.set_attn_implementation(NAME)


def run(model: Any, batch: Pack, **arguments: Any) -> Any:
    """The model's output for a pack; `arguments` go to its forward."""
    return model(
        input_ids=batch.ids[None],
        position_ids=batch.positions[None],
        attention_mask=batch.layout,
        use_cache=False,
        **arguments,
    )
