"""What the files of a model say: how much its weights take, and whether they were rounded."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gristmill.errors import GristmillError


class Stored(NamedTuple):
    """Of a model that is here. size: bytes of its weights on the disk, which is what they take in
    memory before anything is made of them; rounded: how they were quantised, empty for not at all.
    """

    size: int | None = None
    rounded: str = ""


def stored(model: str) -> Stored:
    """Of a model that is not here, nothing."""
    if model.partition(":")[0] not in ("tiny", "hf"):
        return Stored()
    from gristmill.backends.local_load import find
    from gristmill.backends.local_quantized import method_of

    try:
        source = find(model)
    except GristmillError:
        return Stored()
    folder = Path(source.place) if source.local else _cached(source.place)
    if folder is None:
        return Stored()
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return Stored(size or None, method_of(source.config))


def _cached(name: str) -> Path | None:
    """Where the files of a model of the hub lie."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError):  # Not here, or no such name.
        return None
