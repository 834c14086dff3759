"""A lean forward pass over the very weights that transformers' Nemotron reads.

At a million parameters transformers' modules spend most of their time outside
matrix products; this pass computes the same logits several times as fast (a
test compares the two). Weights carry their Hugging Face names, and training
keeps fp32 masters beside a bf16 copy for the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gristmill.nemotron.presets import Preset

Weights = dict[str, Tensor]
EPS = 1e-5


def initial(preset: Preset, seed: int) -> Weights:
    """Fresh weights: wide embeddings, zero output projections, LayerNorm1P weights at 0.

    With the projections back into the residual stream at zero, each layer starts
    as the identity; this and an embedding deviation of 0.5 about halved the
    steps to a given loss. The norms' weight is stored minus one, hence 0.
    """
    g = torch.Generator().manual_seed(seed)
    d, heads, kv = preset.hidden, preset.heads, preset.kv_heads
    size = preset.head_size

    def normal(rows: int, columns: int, std: float) -> Tensor:
        return torch.randn(rows, columns, generator=g) * std

    w: Weights = {"model.embed_tokens.weight": normal(preset.vocab, d, 0.5)}
    for i in range(preset.layers):
        p = f"model.layers.{i}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            w[f"{p}{norm}.weight"], w[f"{p}{norm}.bias"] = torch.zeros(d), torch.zeros(d)
        w[f"{p}self_attn.q_proj.weight"] = normal(heads * size, d, d**-0.5)
        w[f"{p}self_attn.k_proj.weight"] = normal(kv * size, d, d**-0.5)
        w[f"{p}self_attn.v_proj.weight"] = normal(kv * size, d, d**-0.5)
        w[f"{p}self_attn.o_proj.weight"] = torch.zeros(d, heads * size)
        w[f"{p}mlp.up_proj.weight"] = normal(preset.ffn, d, d**-0.5)
        w[f"{p}mlp.down_proj.weight"] = torch.zeros(d, preset.ffn)
    w["model.norm.weight"], w["model.norm.bias"] = torch.zeros(d), torch.zeros(d)
    w["lm_head.weight"] = torch.zeros(preset.vocab, d)
    return w


def rotary(preset: Preset, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and sines for (..., T) positions: (..., T, rotated units)."""
    rotated = preset.head_size // 2
    frequencies = 10_000.0 ** (-torch.arange(0, rotated, 2).float() / rotated)
    angles = positions.float()[..., None] * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the first half of each head's units by position, leave the other half."""
    n = cos.shape[-1]
    turned, kept = x[..., :n], x[..., n:]
    a, b = turned.chunk(2, dim=-1)
    turned = turned * cos + torch.cat((-b, a), dim=-1) * sin
    return torch.cat((turned, kept), dim=-1)


def norm(w: Weights, name: str, x: Tensor) -> Tensor:
    """LayerNorm1P: the stored weight is one less than the scale."""
    return F.layer_norm(x, (x.shape[-1],), w[f"{name}.weight"] + 1, w[f"{name}.bias"], EPS)


@dataclass(slots=True)
class Cache:
    """Keys and values of every layer, (B, kv, T, size), grown as tokens come."""

    keys: list[Tensor]
    values: list[Tensor]


def hidden(
    preset: Preset,
    w: Weights,
    ids: Tensor,
    *,
    positions: Tensor | None = None,
    mask: Tensor | None = None,
    cache: Cache | None = None,
) -> Tensor:
    """Last hidden states (B, T, d), after the final norm, in the weights' dtype.

    Without `mask` attention is plainly causal: right for rows padded on the
    right. `mask` (B, 1, T, S), true where a query may look, serves left padding
    and decoding over `cache`, which is extended in place.
    """
    x = F.embedding(ids, w["model.embed_tokens.weight"])
    context = surroundings(preset, x, positions, mask, cache)
    return norm(w, "model.norm", through(preset, w, x, context, range(preset.layers)))


Context = tuple[Tensor, Tensor, Tensor, Cache | None]


def surroundings(
    preset: Preset,
    x: Tensor,
    positions: Tensor | None = None,
    mask: Tensor | None = None,
    cache: Cache | None = None,
) -> Context:
    """What every layer needs besides its input: cosines, sines, the mask's bias, the cache."""
    if positions is None:
        positions = torch.arange(x.shape[1])[None]
    cos, sin = (t[:, None] for t in rotary(preset, positions, x.dtype))
    if mask is None:
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()[None, None]
    bias = torch.zeros(mask.shape, dtype=x.dtype).masked_fill_(~mask, -1e4)
    return cos, sin, bias, cache


def through(preset: Preset, w: Weights, x: Tensor, context: Context, layers: range) -> Tensor:
    """The residual stream after some of the layers, before any final norm."""
    for i in layers:
        p = f"model.layers.{i}."
        x = x + _attention(preset, w, i, norm(w, p + "input_layernorm", x), context)
        y = norm(w, p + "post_attention_layernorm", x)
        y = F.relu(F.linear(y, w[p + "mlp.up_proj.weight"])).square()
        x = x + F.linear(y, w[p + "mlp.down_proj.weight"])
    return x


def _attention(
    preset: Preset,
    w: Weights,
    layer: int,
    x: Tensor,
    context: Context,
) -> Tensor:
    cos, sin, bias, cache = context
    b, t, _ = x.shape
    heads, kv, size = preset.heads, preset.kv_heads, preset.head_size
    p = f"model.layers.{layer}.self_attn."
    q = F.linear(x, w[p + "q_proj.weight"]).view(b, t, heads, size).transpose(1, 2)
    k = F.linear(x, w[p + "k_proj.weight"]).view(b, t, kv, size).transpose(1, 2)
    v = F.linear(x, w[p + "v_proj.weight"]).view(b, t, kv, size).transpose(1, 2)
    q, k = rotate(q, cos, sin), rotate(k, cos, sin)
    if cache is not None:
        if len(cache.keys) > layer:
            k = torch.cat((cache.keys[layer], k), dim=2)
            v = torch.cat((cache.values[layer], v), dim=2)
            cache.keys[layer], cache.values[layer] = k, v
        else:
            cache.keys.append(k)
            cache.values.append(v)
    # Written out: the fused kernel's backward pass alone takes as long as all the rest here.
    # Queries that share a key head are stacked, so keys and values are never repeated.
    q = q.reshape(b, kv, heads // kv, t, size).flatten(2, 3) * size**-0.5
    scores = (q @ k.transpose(-1, -2)).view(b, kv, heads // kv, t, k.shape[2]) + bias[:, :, None]
    out = F.softmax(scores, dim=-1).flatten(2, 3) @ v
    out = out.view(b, heads, t, size).transpose(1, 2).reshape(b, t, heads * size)
    return F.linear(out, w[p + "o_proj.weight"])


def logits(preset: Preset, w: Weights, ids: Tensor) -> Tensor:
    """Next-token logits (B, T, vocabulary)."""
    return F.linear(hidden(preset, w, ids), w["lm_head.weight"])


@torch.no_grad()
def generate(
    preset: Preset,
    w: Weights,
    prompts: list[list[int]],
    *,
    stops: tuple[int, ...],
    temperature: float = 0.0,
    max_tokens: int = 160,
    seed: int = 0,
) -> list[list[int]]:
    """Continue each prompt until a stop token (left out) or `max_tokens`; greedy at 0.

    Prompts are padded on the left; rows that have stopped leave the batch.
    """
    g = torch.Generator().manual_seed(seed)
    out: list[list[int]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for begin in range(0, len(order), 256):
        rows = order[begin : begin + 256]
        _generate_batch(
            preset,
            w,
            [prompts[i] for i in rows],
            [out[i] for i in rows],
            (stops, temperature, max_tokens, g),
        )
    return out


def _generate_batch(
    preset: Preset,
    w: Weights,
    prompts: list[list[int]],
    out: list[list[int]],
    how: tuple[tuple[int, ...], float, int, torch.Generator],
) -> None:
    stops, temperature, max_tokens, g = how
    longest = max(len(p) for p in prompts)
    pads = torch.tensor([longest - len(p) for p in prompts])
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
    place = torch.arange(longest)
    real = place[None] >= pads[:, None]
    mask = real[:, None, None, :] & (place[None, :] <= place[:, None])[None, None]
    # A padding row may look at itself, or its softmax would be empty.
    mask = mask | torch.eye(longest, dtype=torch.bool)
    positions = (place[None] - pads[:, None]).clamp(min=0)
    cache = Cache([], [])
    live = list(range(len(prompts)))
    for _step in range(max_tokens):
        h = hidden(preset, w, ids, positions=positions, mask=mask, cache=cache)
        scores = F.linear(h[:, -1], w["lm_head.weight"]).float()
        if temperature > 0:
            token = torch.multinomial(F.softmax(scores / temperature, -1), 1, generator=g)[:, 0]
        else:
            token = scores.argmax(-1)
        kept = [row for row, t in enumerate(token.tolist()) if t not in stops]
        for row in kept:
            out[live[row]].append(int(token[row]))
        if not kept:
            return
        if len(kept) < len(live):
            index = torch.tensor(kept)
            token, real, positions = token[index], real[index], positions[index]
            cache.keys = [k[index] for k in cache.keys]
            cache.values = [v[index] for v in cache.values]
            live = [live[row] for row in kept]
        ids = token[:, None]
        positions = positions[:, -1:] + 1
        real = torch.cat((real, torch.ones(len(kept), 1, dtype=torch.bool)), dim=1)
        mask = real[:, None, None, :]
