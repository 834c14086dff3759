"""What decides what a model says: with the same identity, what it said before is used again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gristmill.backends.calling import Calling
from gristmill.backends.servers import also_known, same_model

_NO_MATTER = {
    *("concurrency", "timeout", "retries", "requests_per_minute", "tokens_per_minute"),
    "max_reply_mib",
    *("price", "licence", "batch", "batch_api", "key_env", "servers", "sticky", "fleet"),
}
"""Settings that change how fast or at what price a model is called, not what it says."""
_DECISIVE = (".safetensors", ".json", ".jinja", ".txt", ".model")
"""Endings of the files that decide it: weights, settings, chat templates, vocabularies."""


def identity(settings: Calling, *left_out: str) -> dict[str, Any]:
    """The settings that matter but those `left_out`, and the stamps of files that lie here."""
    models = [settings.model, *([settings.reference] if settings.reference else [])]
    return {
        **settings.model_dump(mode="json", exclude={*_NO_MATTER, *left_out}),
        "files": [stamp for model in models for stamp in stamps(model)],
    }


def identities(settings: Calling) -> list[dict[str, Any]]:
    """The identity, and those that the same model has by its other names (`also_known`)."""
    first = identity(settings)
    others = also_known(settings.model, settings.servers)
    return [first, *({**first, "model": other} for other in others)]


def alike(there: Any, here: Any) -> Any:
    """`there`, an identity that was written down, with `here`'s model strings where both are one
    model: one server may become several, and several one, without another identity."""
    if isinstance(there, dict) and isinstance(here, dict):
        return {key: alike(value, here.get(key)) for key, value in there.items()}
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        return [alike(t, h) for t, h in zip(there, here, strict=True)]
    if isinstance(there, str) and isinstance(here, str) and same_model(there, here):
        return here
    return there


def stamps(model: str) -> list[list[Any]]:
    """Name, size and time of a model's files in a folder here: trained anew, asked anew."""
    # A script's latency stands behind the file's name.
    path = Path(model.partition(":")[2].partition("?")[0])
    if path.is_dir():
        # Pooling and further templates lie in folders of their own.
        below = (p for pattern in ("*", "*/*") for p in path.glob(pattern))
        files = sorted(p for p in below if p.suffix in _DECISIVE and p.is_file())
    else:
        files = [path] if path.suffix == ".jsonl" and path.is_file() else []
    return [[p.name, (s := p.stat()).st_size, s.st_mtime_ns] for p in files]
