"""The parts of an attention layer, and what it keeps: grouped heads, or a latent (MLA)."""

from __future__ import annotations

from gristmill.plan.families import GATED_DELTA, Family
from gristmill.plan.fields import Fields
from gristmill.plan.shape import Cache, Part


def says(f: Fields, field: str) -> bool:
    """What `always`, `never` or the field of that name says; with `?` it is yes by default."""
    if field in ("always", "never"):
        return field == "always"
    return f.flag(field.removesuffix("?"), field.endswith("?"))


def attention(f: Fields, family: Family, window: int | None) -> tuple[list[Part], Cache]:
    """Attention with heads that share keys and values in groups (Ainslie et al. 2023).

    Parameters: hidden x head x (2 heads + 2 KV heads), biases and norms beside them. What it keeps
    of a token: a key and a value for each KV head.
    """
    hidden, heads, kv, size = _sizes(f)
    gate = 2 if f.get("model_type") in GATED_DELTA else 1
    query, keys = heads * size, kv * size
    rows = gate * query + 2 * keys
    count = hidden * rows + query * hidden
    small = rows if says(f, family.q_bias) else 0
    small += hidden if says(f, family.o_bias) else 0
    small += heads if family.sinks else 0
    parts = [Part("attention", count, rows + hidden)]
    if small:
        parts.append(Part("attention", small))
    if norms := _qk_norms(f, family):
        parts.append(Part("norms", norms, copied=True))
    return parts, Cache(kv, 2 * size, window)


def _sizes(f: Fields) -> tuple[int, int, int, int]:
    return f.size("hidden_size"), f.size("num_attention_heads"), f.kv_heads, f.head_dim


def _qk_norms(f: Fields, family: Family) -> int:
    _, heads, kv, size = _sizes(f)
    kind = family.qk_norm
    if kind.endswith("?"):
        if not f.flag("use_qk_norm"):
            return 0
        kind = kind[:-1]
    return {"": 0, "head": 2 * size}.get(kind, (heads + kv) * size)


def latent_attention(f: Fields, family: Family) -> tuple[list[Part], Cache]:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1).

    What it keeps of a token is one latent of `kv_lora_rank` and one rotated key of
    `qk_rope_head_dim`, for all heads together: tensor parallelism copies it onto every GPU.
    """
    hidden, heads = f.size("hidden_size"), f.size("num_attention_heads")
    rank, rope = f.size("kv_lora_rank"), f.size("qk_rope_head_dim")
    nope, value = f.size("qk_nope_head_dim"), f.size("v_head_dim")
    query = heads * (nope + rope)
    biased = says(f, family.q_bias)
    norms, small = rank, 0
    if f.get("q_lora_rank"):
        q_rank = f.size("q_lora_rank")
        count, rows = hidden * q_rank + q_rank * query, q_rank + query
        norms += q_rank
        small += q_rank if biased else 0
    else:
        count, rows = hidden * query, query
    # Down to the latent; up to keys and values; and back to the hidden size.
    count += hidden * (rank + rope) + rank * heads * (nope + value) + heads * value * hidden
    rows += rank + rope + heads * (nope + value) + hidden
    small += (rank + rope + hidden) if biased else 0
    parts = [Part("attention", count, rows), Part("norms", norms, copied=True)]
    if small:
        parts.append(Part("attention", small))
    return parts, Cache(1, rank + rope)
