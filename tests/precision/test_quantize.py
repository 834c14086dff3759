"""`gristmill quantize`, with a stand-in for the library, and with the library where it is."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import gristmill as package
from commands import Gristmill
from gristmill.errors import ConfigError, DataError, MissingExtra, RunError, StorageError
from gristmill.precision.quantize import quantize
from gristmill.precision.weights import Weight, left_alone, patterns, weights_of
from local_models import chat_model, classifier
from rounded import LIBRARY

REAL = importlib.util.find_spec("llmcompressor") is not None


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stand-in: `said` has what was left alone, `fails` what it shall raise."""
    place = tmp_path / "library"
    place.mkdir()
    (place / "llmcompressor.py").write_text(LIBRARY)
    (place / "loguru.py").write_text("class logger:\n    disable = staticmethod(lambda name: None)")
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setenv("LLM_COMPRESSOR_LOG_DISABLED", "true")
    for name in ("llmcompressor", "loguru"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield import_module("llmcompressor")
    for name in ("llmcompressor", "loguru"):
        sys.modules.pop(name, None)


def test_a_reward_model_keeps_head_embeddings_and_norms(tmp_path: Path, library: Any) -> None:
    model = classifier(tmp_path / "model", 5)
    found = package.quantize(f"hf:{model}", tmp_path / "fp8", quiet=True)
    assert library.said == [["model.embed_tokens", "score", "re:.*norm.*"]]
    assert found.left["head"] == ["score"] and found.left["embedding"] == ["model.embed_tokens"]
    assert len(found.left["norm"]) == 5
    kinds = {weight.name: weight.kind for weight in weights_of(tmp_path / "fp8")}
    assert kinds["score.weight"] == kinds["model.norm.weight"] == "F32"
    assert kinds["model.layers.0.mlp.up_proj.weight"] == "F8_E4M3"
    assert found.rounded == 12 and 0 < found.share < 1
    assert found.after < found.before == sum(weight.size for weight in weights_of(model))
    config = json.loads((tmp_path / "fp8/config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "compressed-tensors"
    modes = {oct(file.stat().st_mode & 0o777) for file in (tmp_path / "fp8").iterdir()}
    assert modes == {"0o644"}


def test_the_command_says_what_it_did(tmp_path: Path, library: Any, gristmill: Gristmill) -> None:
    model = chat_model(tmp_path / "model")
    done = gristmill("quantize", f"hf:{model}", "--out", "small")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("12 matrices in fp8, ")
    assert "left alone, head: lm_head" in lines
    assert any(
        line.startswith("left alone, norms: model.layers.0.input_layernorm,") for line in lines
    )
    assert lines[-1] == "model: hf:./small"


def test_what_lies_below_the_folder_is_no_part_of_the_model(tmp_path: Path, library: Any) -> None:
    model = chat_model(tmp_path / "model")
    (model / "checkpoint").mkdir()
    (model / "checkpoint/model.safetensors").write_text("not one")
    quantize(f"hf:{model}", tmp_path / "fp8", quiet=True)
    assert not (tmp_path / "fp8/checkpoint").exists()


@pytest.mark.parametrize(
    "error",
    [ValueError("no\nsuch scheme"), KeyboardInterrupt(), OSError(28, "No space left on device")],
)
def test_a_failure_leaves_nothing_behind(
    tmp_path: Path, library: Any, error: BaseException
) -> None:
    model = chat_model(tmp_path / "model")
    library.fails.append(error)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises((RunError, StorageError, KeyboardInterrupt)) as raised:
        quantize(f"hf:{model}", tmp_path / "fp8", quiet=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    said = {ValueError: "llm-compressor failed: no such scheme", OSError: "No space left on device"}
    assert said.get(type(error), "") in str(raised.value)


def test_files_that_are_there_are_never_written_over(tmp_path: Path, library: Any) -> None:
    model = chat_model(tmp_path / "model")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("full", "file", "model"):
        with pytest.raises(StorageError, match="exists already; name a new folder with --out"):
            quantize(f"hf:{model}", tmp_path / name, quiet=True)
    assert (tmp_path / "full/mine").read_text() == "x"
    (tmp_path / "empty").mkdir()
    assert quantize(f"hf:{model}", tmp_path / "empty", quiet=True).folder == tmp_path / "empty"
    # Without the package that reads it, this is said first.
    with pytest.raises((ConfigError, MissingExtra), match=r"quantised already|compressed-tensors"):
        quantize(f"hf:{tmp_path / 'empty'}", tmp_path / "twice", quiet=True)


def test_what_cannot_be_done_is_said_before_anything_is_read(
    tmp_path: Path, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="unknown scheme 'int2'"):
        quantize("tiny:reward", tmp_path / "out", scheme="int2")
    with pytest.raises(ConfigError, match="no directory"):
        quantize("hf:./nowhere", tmp_path / "out")
    with pytest.raises(ConfigError, match="its weights are needed here"):
        quantize("http://127.0.0.1:9/v1#x", tmp_path / "out")
    model = chat_model(tmp_path / "model")
    (model / "model.safetensors").write_bytes(b"short")
    with pytest.raises(DataError, match="no safetensors file that can be read"):
        quantize(f"hf:{model}", tmp_path / "out")
    (model / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"has no \.safetensors files"):
        quantize(f"hf:{model}", tmp_path / "out")
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "llmcompressor" else real(name)
    )
    with pytest.raises(MissingExtra, match=r"pip install 'gristmill\[quantize\]'"):
        quantize("tiny:reward", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_layers_are_told_apart_by_their_names() -> None:
    names = [
        ("model.layers.0.mlp.gate.weight", (8, 64)),
        ("model.layers.0.mlp.gate_proj.weight", (64, 64)),
        ("model.layers.0.self_attn.q_proj.weight", (64, 64)),
        ("model.layers.0.self_attn.q_proj.bias", (64,)),
        ("model.layers.0.self_attn.q_norm.weight", (16,)),
        ("transformer.wte.weight", (100, 64)),
        ("model.layers.0.mixer.A_log", (16,)),
        ("lm_head.weight", (100, 64)),
    ]
    found = left_alone([Weight(name, "BF16", shape, 2) for name, shape in names])
    assert found == {
        "router": ["model.layers.0.mlp.gate"],
        "norm": ["model.layers.0.self_attn.q_norm"],
        "embedding": ["transformer.wte"],
        "other": ["model.layers.0.mixer"],
        "head": ["lm_head"],
    }
    assert patterns(found) == [
        *("model.layers.0.mlp.gate", "transformer.wte", "model.layers.0.mixer", "lm_head"),
        "re:.*norm.*",
    ]


def test_a_head_that_shares_the_embeddings_numbers_is_left_alone_too() -> None:
    weights = [Weight("model.embed_tokens.weight", "BF16", (100, 64), 2)]
    assert patterns(left_alone(weights)) == ["model.embed_tokens", "lm_head"]


@pytest.mark.slow
@pytest.mark.skipif(
    not REAL, reason="llm-compressor is not installed: it has an environment of its own"
)
def test_the_real_library_writes_what_our_backend_loads(tmp_path: Path) -> None:
    from gristmill.comparing.run import compare

    found = quantize("tiny:reward", tmp_path / "fp8", quiet=True)
    assert found.rounded == 48 and found.share == pytest.approx(0.91, abs=0.01)
    done = compare("tiny:reward", f"hf:{tmp_path / 'fp8'}", tmp_path / "out", limit=40, quiet=True)
    assert done.metrics["reward"]["r"] > 0.95
