"""Local models whose weights are stored in fewer bits, in the form of the package
compressed-tensors, as `gristmill quantize` and llm-compressor write them.

The weights are computed with as the numbers that were stored. Where the scheme rounds what goes
into a layer, too (FP8_DYNAMIC does, each token by its own scale), that is done here by rounding
alone: the answers are near those of an engine that multiplies in FP8, the speed is not.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gristmill.errors import ConfigError, MissingExtra

METHOD = "compressed-tensors"


def method_of(config: Mapping[str, Any]) -> str:
    """How a config.json says that the weights are quantised; empty where they are not."""
    stated = config.get("quantization_config")
    return str(stated.get("quant_method", "unknown")) if isinstance(stated, Mapping) else ""


def check_readable(model: str, config: Mapping[str, Any]) -> None:
    """Raises MissingExtra where the package that reads such weights is absent, and ConfigError for
    weights that transformers wants to be run another way."""
    method = method_of(config)
    if method == METHOD and importlib.util.find_spec("compressed_tensors") is None:
        raise MissingExtra(f"the model '{model}' (its weights are stored by {METHOD})", "fp8")
    if method not in ("", METHOD):
        raise ConfigError(
            f"model '{model}' is quantised by {method}, which is not run here: serve it with an "
            "engine that knows it, and name it http://HOST:PORT/v1#NAME"
        )


def unpack(model: Any) -> Any:
    """The same model with weights to compute with, if they were stored in fewer bits."""
    quantizer = getattr(model, "hf_quantizer", None)
    if quantizer is None:
        return model
    with silent():
        # Else it would happen at the first call of the whole model; ours begin below its head.
        quantizer.compressor.decompress_model(model)
    return model


@contextmanager
def silent() -> Iterator[None]:
    """Without the progress bars of libraries that cannot be told to leave them out."""
    from tqdm import tqdm

    before = tqdm.__init__

    def begin(bar: Any, *given: Any, **named: Any) -> None:
        before(bar, *given, **{**named, "disable": True})

    tqdm.__init__ = begin  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        tqdm.__init__ = before
