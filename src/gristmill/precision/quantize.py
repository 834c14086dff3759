"""From a model's folder to one with smaller weights, whole or not at all."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from gristmill.backends.local_load import Source, find
from gristmill.backends.local_quantized import method_of, silent
from gristmill.errors import ConfigError, MissingExtra, RunError, StorageError
from gristmill.page.text import plural
from gristmill.precision.weights import Weight, left_alone, patterns, weights_of

SCHEMES = {"fp8": "FP8_DYNAMIC"}
"""Our names for the library's schemes. fp8: weights E4M3 with a scale for each row; what goes into
a layer is rounded token by token as it comes, so that no data is needed."""

SMALL = ("F8_E4M3", "F8_E5M2", "I8", "U8")
"""Types of numbers of one byte, as safetensors calls them."""


@dataclass(frozen=True)
class Quantized:
    """What became of a model. before, after: bytes of weights. rounded: matrices that were
    rounded; share: of all numbers, those in them. left: layers that were left alone, by why."""

    folder: Path
    scheme: str
    before: int
    after: int
    rounded: int
    share: float
    left: dict[str, list[str]]


def quantize(model: str, out: str | Path, *, scheme: str = "fp8", quiet: bool = False) -> Quantized:
    """Write `out`: the model in fewer bits, in the format of compressed-tensors.

    model: `tiny:...`, `hf:./dir` or `hf:org/name`. The head, embeddings, norms and routers keep
    their numbers. The weights are read shard by shard. quiet: no progress of the library's.

    Raises MissingExtra without llm-compressor, ConfigError for a model or scheme that is none,
    StorageError where `out` is in use, and RunError where the library fails; then nothing is left
    behind.
    """
    if scheme not in SCHEMES:
        raise ConfigError(f"unknown scheme '{scheme}' (--scheme); known: {', '.join(SCHEMES)}")
    out = Path(out)
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise StorageError(f"{out}: exists already; name a new folder with --out")
    source = find(model)
    if method := method_of(source.config):
        raise ConfigError(f"model '{model}' is quantised already ({method}); name the one before")
    if importlib.util.find_spec("llmcompressor") is None:
        raise MissingExtra("`quantize` (llm-compressor)", "quantize")
    folder = _here(source)
    weights = weights_of(folder)
    if not weights:
        raise ConfigError(f"model '{model}': {folder} has no .safetensors files")
    left = left_alone(weights)
    with _fresh(out) as fresh:
        _library(_linked(folder, fresh / "source"), fresh / "made", scheme, patterns(left), quiet)
        done = weights_of(fresh / "made")
        found = _found(out, scheme, weights, done, left)
        _hand_over(fresh / "made", out)
    return found


def _here(source: Source) -> Path:
    """Where the files lie; those of the hub are fetched."""
    if source.local:
        return Path(source.place)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source.place))
    except Exception as error:  # No network, no such name, no permission: in the hub's own words.
        line = " ".join(str(error).split())
        raise ConfigError(f"model '{source.model}' cannot be fetched: {line:.200}") from None


@contextmanager
def _fresh(out: Path) -> Iterator[Path]:
    """A folder beside `out` to work in, gone afterwards whatever happens."""
    fresh = out.with_name(f".{out.name}.{os.getpid()}.new")
    try:
        fresh.mkdir(parents=True)
    except OSError as error:
        raise StorageError(f"{out.parent}: cannot write: {error.strerror}") from None
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _linked(folder: Path, to: Path) -> Path:
    """The files of the folder's top alone: the library takes all that it finds below, and a folder
    of training has checkpoints there."""
    to.mkdir()
    for file in folder.iterdir():
        if file.is_file() and not file.name.startswith("."):
            (to / file.name).symlink_to(file.resolve())
    return to


def _library(source: Path, made: Path, scheme: str, ignore: list[str], quiet: bool) -> None:
    shown = not quiet and sys.stderr.isatty()
    try:
        with nullcontext() if shown else silent():
            library = _imported()
            library.model_free_ptq(str(source), str(made), scheme=SCHEMES[scheme], ignore=ignore)
    except OSError as error:
        raise StorageError(f"{made.parent.parent}: cannot write: {error.strerror}") from error
    except Exception as error:  # A library of many parts: whatever it raises, it did not do it.
        line = " ".join(str(error).split()) or type(error).__name__
        raise RunError(f"llm-compressor failed: {line[:300]}") from error


def _imported() -> Any:
    """The library, without its log, which has a line for every file."""
    import_module("loguru").logger.disable("compressed_tensors")
    os.environ.setdefault("LLM_COMPRESSOR_LOG_DISABLED", "true")
    return import_module("llmcompressor")


def _found(
    out: Path, scheme: str, before: list[Weight], after: list[Weight], left: dict[str, list[str]]
) -> Quantized:
    rounded = [one for one in after if one.kind in SMALL]
    if not rounded:
        raise RunError("llm-compressor rounded nothing: the model has no matrix that it knows")
    total = sum(one.numbers for one in before)
    return Quantized(
        out,
        scheme,
        sum(one.size for one in before),
        sum(one.size for one in after),
        len(rounded),
        sum(one.numbers for one in rounded) / total,
        left,
    )


def _hand_over(made: Path, out: Path) -> None:
    try:
        for file in made.rglob("*"):
            if file.is_file():
                file.chmod(0o644)  # safetensors writes for the owner alone
        if out.exists():
            out.rmdir()  # An empty one.
        made.replace(out)
    except OSError as error:
        raise StorageError(f"{out}: cannot write: {error.strerror}") from None


def told(found: Quantized) -> list[str]:
    """What was done, line by line."""
    lines = [
        f"{plural(found.rounded, 'matrix', 'matrices')} in {found.scheme}, "
        f"{100 * found.share:.0f} % of all numbers",
    ]
    for why, names in found.left.items():
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        lines.append(f"left alone, {_WORDS[why]}: {shown}")
    part = 100 * found.after / found.before
    lines.append(f"{_size(found.before)} before, {_size(found.after)} after ({part:.0f} %)")
    return lines


_WORDS = {
    "head": "head",
    "embedding": "embeddings",
    "router": "routers",
    "norm": "norms",
    "other": "other",
}


def _size(value: int) -> str:
    return f"{value / 1e9:,.2f} GB" if value >= 1e9 else f"{value / 1e6:,.2f} MB"
