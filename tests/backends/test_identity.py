"""A model in a folder is known by what its files hold, and a run's folder remembers it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gristmill.backends.identity import alike, fingerprint
from gristmill.errors import CheckpointError
from gristmill.mill.folder import Folder
from gristmill.nemotron import tiny_path
from mills import config, write_prompts


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(os.urandom(3 << 20))
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return folder


def test_other_weights_of_the_same_size_are_another_model(model: Path, tmp_path: Path) -> None:
    first = fingerprint(f"hf:{model}")
    assert len(first) == 16
    copied = shutil.copytree(model, tmp_path / "copied", copy_function=shutil.copy)
    os.utime(copied / "model.safetensors", (1, 1))
    assert fingerprint(f"hf:{copied}") == fingerprint(f"vllm:{copied}") == first
    weights = bytearray((model / "model.safetensors").read_bytes())
    trained = bytes(b ^ (n % 3 == 0) for n, b in enumerate(weights))
    (model / "model.safetensors").write_bytes(trained)
    assert fingerprint(f"hf:{model}") != first


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("config.json", True),
        ("chat_template.jinja", True),
        ("1_Pooling/config.json", True),
        ("metrics.json", False),
        ("README.md", False),
        ("checkpoint-5/model.safetensors", False),
    ],
)
def test_settings_and_templates_count_and_what_a_training_leaves_beside_does_not(
    model: Path, name: str, counts: bool
) -> None:
    first = fingerprint(f"hf:{model}")
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_text('{"changed": 1}')
    assert (fingerprint(f"hf:{model}") != first) == counts


def test_what_is_in_no_folder_has_none() -> None:
    for model in ("tiny:huge", "http://a:1/v1#m", "scripted:echo", "hf:org/name", "nim:x/y"):
        assert fingerprint(model) == ""


def test_the_embedded_ones_have_one_too() -> None:
    assert fingerprint("tiny:instruct") == fingerprint(f"hf:{tiny_path('instruct')}") != ""
    assert fingerprint("tiny:base") != fingerprint("tiny:instruct")


def test_a_folder_from_before_takes_the_files_that_are_there() -> None:
    there, here = (
        {"generate": {"model": "hf:./m"}},
        {"generate": {"model": "hf:./m", "files": ["a"]}},
    )
    assert alike(there, here) == here
    assert alike({"generate": {"model": "hf:./m", "files": ["b"]}}, here) != here


def test_a_run_does_not_go_on_with_other_weights(model: Path, tmp_path: Path) -> None:
    judges = [{"reward": {"model": f"hf:{model}"}}]
    made, folder = config(write_prompts(tmp_path, 3), judges=judges), Folder(tmp_path / "out")
    folder.make()
    folder.settle(made)
    folder.check_identity(made, at_work=True)
    (model / "model.safetensors").write_bytes(os.urandom(3 << 20))
    with pytest.raises(CheckpointError, match="reward: the model's weights are others now"):
        folder.check_identity(made, at_work=True)
