"""From what a user writes to a config, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.errors import ConfigError, DataError
from gristmill.plan import find_shape, read_shape
from gristmill.plan.known import known, named

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "vocab_size": 1000,
}


def test_a_file_its_folder_and_hf_are_the_same(config_file: Any) -> None:
    path = Path(config_file(LLAMA))
    shapes = [find_shape(str(p)) for p in (path, path.parent, f"hf:{path.parent}")]
    assert len({s.parameters for s in shapes}) == 1
    assert all(s.served_as == str(path.parent) for s in shapes)


@pytest.mark.parametrize(
    ("name", "served"),
    [
        ("nemotron-4-340b", "nvidia/Nemotron-4-340B-Base"),
        ("nvidia/Nemotron-4-340B-Instruct", "nvidia/Nemotron-4-340B-Instruct"),
        ("hf:meta-llama/Llama-3.3-70B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"),
        ("Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        ("qwen2.5 72b", "Qwen/Qwen2.5-72B"),
        ("nemotron_mini", "nvidia/Nemotron-Mini-4B-Instruct"),
    ],
)
def test_makers_names_in_any_spelling(name: str, served: str) -> None:
    assert find_shape(name).served_as == served


@pytest.mark.parametrize(
    "name",
    [
        "nemotron-4-340b",
        "nemotron-4-340b-instruct",
        "nemotron-4-340b-reward",
        "nemotron-4-15b",
        "minitron-4b",
        "minitron-8b",
        "nemotron-mini",
        "llama-3-8b",
        "llama-3-70b",
        "qwen2-7b",
        "qwen2.5-72b",
        "qwen3-8b",
        "mixtral-8x22b",
        "tiny:reward",
        "tiny",
    ],
)
def test_names_that_must_be_known(name: str) -> None:
    assert find_shape(name).parameters > 0


def test_a_model_of_the_cache_is_found_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--me--mine"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / "config.json").write_text(json.dumps(LLAMA))
    assert find_shape("hf:me/mine").served_as == "me/mine"
    with pytest.raises(ConfigError, match=r"not in Hugging Face's cache.*hf download me/other"):
        find_shape("me/other")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "one JSON object"),
        ("{}", "not known"),
        ({**LLAMA, "model_type": "gpt2"}, "not built like a Llama"),
        ({k: v for k, v in LLAMA.items() if k != "vocab_size"}, "no 'vocab_size'"),
        ({**LLAMA, "num_hidden_layers": 0}, "'num_hidden_layers' is 0"),
        ({**LLAMA, "hidden_size": "big"}, "'hidden_size' is 'big'"),
        ({**LLAMA, "hidden_size": 2**50}, "'hidden_size' is"),
        ({**LLAMA, "num_attention_heads": 7}, "7 heads do not divide"),
        ({**LLAMA, "model_type": "nemotron_h"}, "hybrid_override_pattern"),
        ({**LLAMA, "model_type": "nemotron_h", "hybrid_override_pattern": "MX"}, "M \\* - E"),
        ({**LLAMA, "model_type": "nemotron-nas"}, "block_configs"),
        ({**LLAMA, "model_type": "deepseek_v3"}, "no 'kv_lora_rank'"),
    ],
)
def test_what_is_wrong_with_a_config_is_said(content: Any, said: str, config_file: Any) -> None:
    path = config_file(content)
    with pytest.raises((ConfigError, DataError), match=said) as error:
        find_shape(path)
    assert path in str(error.value)


def test_a_folder_without_a_config(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"config\.json: cannot read"):
        find_shape(str(tmp_path))


def test_an_unknown_type_that_looks_like_a_llama_is_read_as_one_and_says_so() -> None:
    shape = read_shape({**LLAMA, "model_type": "newest", "rms_norm_eps": 1e-6}, "new")
    assert shape.parameters == read_shape(LLAMA, "llama").parameters
    assert "'newest' is not known" in shape.notes[0]


JUNK = [
    *(None, 0, -1, 1.5, True, "x", "", [], {}, [1], {"a": 1}, 10**30, float("nan"), [None], 3),
    *("MMM", ["full_attention"], [[1]]),
]
FIELDS = [
    *("architectures", "id2label", "layer_types", "mlp_only_layers", "moe_layers", "text_config"),
    *("block_configs", "quantization_config", "num_labels", "num_outputs", "sliding_window"),
    *("layers_block_type", "mamba_dt_rank", "n_shared_experts", "num_hidden_layers", "head_dim"),
]
NAS = {
    **known()["llama-3.1-70b"].config,
    "model_type": "nemotron-nas",
    "block_configs": [{"attention": {"n_heads_in_group": 8}, "ffn": {"ffn_mult": 5.25}}] * 4,
}


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_config_is_worse_than_an_error_that_names_it(data: st.DataObject) -> None:
    bases = [*(dict(one.config) for one in known().values()), NAS]
    values = dict(data.draw(st.sampled_from(bases)))
    for _ in range(data.draw(st.integers(1, 2))):
        name = data.draw(st.sampled_from([*values, *FIELDS]))
        values[name] = data.draw(st.sampled_from(JUNK))
    try:
        assert read_shape(values, "the config").parameters >= 0
    except ConfigError as error:
        assert "the config" in str(error)


def test_names_and_aliases_are_unambiguous() -> None:
    for one in known().values():
        assert named(one.name) is one
        assert named(one.hub) is one
        for alias in one.aliases:
            assert named(alias) is one
