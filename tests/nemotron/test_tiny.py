"""The embedded family: plain Hugging Face directories, and what the card claims of them."""

import json
import subprocess
import sys

import pytest

from gristmill.nemotron import TINY, tiny_path

FILES = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


@pytest.mark.parametrize("name", TINY)
def test_files_are_few_and_small(name):
    files = {f.name: f.stat().st_size for f in tiny_path(name).iterdir()}
    assert set(files) == FILES | (set() if name == "reward" else {"generation_config.json"})
    assert sum(files.values()) < 4e6
    assert json.loads((tiny_path(name) / "config.json").read_text())["model_type"] == "nemotron"


def test_unknown_name():
    with pytest.raises(ValueError, match="choose one of base, instruct, reward"):
        tiny_path("huge")


def test_importing_the_room_loads_no_torch():
    code = (
        "import sys, gristmill.nemotron, gristmill.tutor; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_transformers_generates_and_stops():
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny_path("instruct"), dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tiny_path("instruct"))
    stops = [tokenizer.convert_tokens_to_ids(t) for t in ("<extra_id_1>", "<|endoftext|>")]
    assert model.generation_config.eos_token_id == stops
    inputs = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is 47 plus 38?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    out = model.generate(**inputs, max_new_tokens=120, do_sample=False)
    assert out[0, -1] in stops
