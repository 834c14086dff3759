"""What decides what a model says: with the same identity, what it said before is used again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from gristmill.backends.calling import Calling
from gristmill.backends.servers import also_known, same_model
from gristmill.nemotron.tiny import TINY, tiny_path

NO_MATTER = {
    *("concurrency", "timeout", "retries", "requests_per_minute", "tokens_per_minute"),
    "max_reply_mib",
    *("price", "licence", "batch", "batch_api", "key_env", "servers", "sticky", "fleet"),
}
"""Settings that change how fast or at what price a model is called, not what it says."""
_DECISIVE = (".safetensors", ".json", ".jinja", ".txt", ".model")
"""Endings of the files that decide it: weights, settings, chat templates, vocabularies."""
_TRAINING = {"metrics.json", "trainer_state.json", "all_results.json", "train_results.json"}
EMBEDDED = "embedded"
"""What an identity calls what the files of embedded models hold."""
_WEIGHTS = re.compile(rf"(^|\.)(files|{EMBEDDED})(\[\d+\]|\.(hf|tiny):.*): .*")
"""A difference of digests: in a list of them, or by the model."""
PIECE, SAMPLES = 4096, 256
"""Bytes of a piece, and how many of them stand for a large file; one of no more than a mebibyte is
read as a whole."""


def identity(settings: Calling, *left_out: str) -> dict[str, Any]:
    """The settings that matter but those `left_out`, the stamps of files that lie here, and what
    the files of embedded models hold: another version of gristmill may have others."""
    models = [settings.model, *([settings.reference] if settings.reference else [])]
    # What was written down before there were these knows nothing of them.
    beside = [name for name in ("precision", "stop") if not getattr(settings, name, None)]
    embedded = [fingerprint(model) for model in models if embedded_path(model)]
    return {
        **settings.model_dump(mode="json", exclude={*NO_MATTER, *beside, *left_out}),
        "files": [stamp for model in models for stamp in stamps(model)],
        **({EMBEDDED: embedded} if embedded else {}),
    }


def lasting(identity: dict[str, Any]) -> dict[str, Any]:
    """An identity without what it holds of embedded models: what is stored under it is found
    where an older version stored it."""
    return {key: value for key, value in identity.items() if key != EMBEDDED}


def identities(settings: Calling) -> list[dict[str, Any]]:
    """The identity, and those that the same model has by its other names (`also_known`)."""
    first = identity(settings)
    others = also_known(settings.model, settings.servers)
    return [first, *({**first, "model": other} for other in others)]


def known_as(settings: Calling, model: str) -> Any:
    """What a log of calls knows a model by: its string, and with it the settings that matter where
    any is not the default, and what its files hold where they lie here.

    model: that of `settings`, or another name of it.
    """
    decisive = {*Calling.model_fields} - NO_MATTER - {"model"}
    more = settings.model_dump(mode="json", include=decisive, exclude_defaults=True)
    if files := fingerprint(model):
        more["files"] = files
    return [model, more] if more else model


def alike(there: Any, here: Any) -> Any:
    """`there`, an identity that was written down, with `here`'s model strings where both are one
    model: one server may become several, and several one, without another identity. What was
    written down before a model's files were looked at is taken to be of the same ones."""
    if isinstance(there, dict) and isinstance(here, dict):
        there = with_files(there, here)
        return {key: alike(value, here.get(key)) for key, value in there.items()}
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        return [alike(t, h) for t, h in zip(there, here, strict=True)]
    if isinstance(there, str) and isinstance(here, str) and same_model(there, here):
        return here
    return there


def with_files(there: dict[str, Any], here: dict[str, Any]) -> dict[str, Any]:
    """`there`, an identity that was written down; of models' files, where it says nothing of them,
    what `here` says."""
    return {key: here[key] for key in ("files", EMBEDDED) if key in here} | there


def told(differences: Iterable[str]) -> list[str]:
    """Differences of identities; of digits over files only that they are others."""
    return [_WEIGHTS.sub(_others, one) for one in differences]


def _others(found: re.Match[str]) -> str:
    return f"{': ' if found[1] else ''}the model's weights are others now"


def embedded_path(model: str) -> Path | None:
    """The folder of `tiny:base` and the like; None for any other model."""
    prefix, _, name = model.partition(":")
    return tiny_path(name) if prefix == "tiny" and name in TINY else None


def fingerprint(model: str) -> str:
    """16 hex digits over the files of a model in a folder here, wherever that is and whenever it
    was copied, the embedded ones among them; empty for what is in none.

    Of a large file its size and `SAMPLES` pieces count: weights that were trained on differ nearly
    everywhere, and to read all of them would take minutes.
    """
    digest = blake2b(digest_size=8)
    if (embedded := embedded_path(model)) is not None:
        model = f"hf:{embedded}"
    files = [path for path in _files(model) if not _is_beside(path)]
    for path in files:
        stat = path.stat()
        digest.update(path.name.encode() + b"\0" + _sampled(path, stat.st_size, stat.st_mtime_ns))
    return digest.hexdigest() if files else ""


@lru_cache(maxsize=1024)
def _sampled(path: Path, size: int, time: int) -> bytes:
    """A hash of a file's pieces. time: of its last change, after which they are read again."""
    digest = blake2b(size.to_bytes(8, "big"), digest_size=16)
    with path.open("rb") as file:
        if size <= PIECE * SAMPLES:
            digest.update(file.read())
        else:
            for n in range(SAMPLES):
                file.seek(n * (size - PIECE) // (SAMPLES - 1))
                digest.update(file.read(PIECE))
    return digest.digest()


def _is_beside(path: Path) -> bool:
    """Whether a training left it there, and the model does not read it."""
    return path.name in _TRAINING or path.parent.name.startswith("checkpoint")


def _files(model: str) -> list[Path]:
    """What decides what a model in a folder here says; empty where it is in none."""
    path = Path(model.partition(":")[2])
    if not path.is_dir():
        return []
    # Pooling and further templates lie in folders of their own.
    below = (p for pattern in ("*", "*/*") for p in path.glob(pattern))
    return sorted(p for p in below if p.suffix in _DECISIVE and p.is_file())


def stamps(model: str) -> list[list[Any]]:
    """Name, size and time of a model's files in a folder here: trained anew, asked anew."""
    # A script's latency stands behind the file's name.
    script = Path(model.partition(":")[2].partition("?")[0])
    files = [script] if script.suffix == ".jsonl" and script.is_file() else _files(model)
    return [[p.name, (s := p.stat()).st_size, s.st_mtime_ns] for p in files]
