"""From a model string to weights in memory: where the model lies, what kind it is, how it talks.

The first half reads files alone and runs when a backend is made, so that a wrong path is told
before anything is loaded. The second half needs torch and transformers and runs on a lane's
thread when the backend is opened.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill.backends.calling import Precision
from gristmill.backends.decoding import decoded
from gristmill.backends.local_quantized import check_readable, silent, unpack
from gristmill.errors import ConfigError, MissingExtra
from gristmill.nemotron.tiny import tiny_path
from gristmill.parts import parse_yaml

TINY_LICENCE = "Apache-2.0"
EXTRA = ("torch", "transformers", "safetensors")
SMALL = 30_000_000
"""Parameters up to which an operation on a CPU is too short to be worth several cores."""
LARGE = 2_000_000_000
"""Parameters above which a model on a CPU keeps its 16 bits: float32 would need over 8 GB."""


SAFELY: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False}
"""How transformers is to read weights: unpickling nothing, and running nothing that lies beside
them. Where the second is not said, it asks at a terminal whether to."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from.

    model: the string as the user wrote it. place: a directory, or a name on the Hugging Face
    hub. config: its config.json; empty for a hub name, whose files may not be here yet. precision:
    as in `Calling`.
    """

    model: str
    place: str
    local: bool
    config: Mapping[str, Any]
    licence: str | None
    precision: Precision | None = None


def find(model: str, *, here: bool = True) -> Source:
    """Where `tiny:...` or `hf:...` lies. here: whether it is to run in this process, which weights
    of some forms cannot.

    Raises MissingExtra without torch or transformers, or what its weights need to be read, and
    ConfigError where there is no model.
    """
    for package in EXTRA:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(f"the model '{model}'", "local")
    prefix, _, rest = model.partition(":")
    if prefix == "tiny":
        try:
            directory = tiny_path(rest)
        except ValueError as error:
            raise ConfigError(f"model '{model}': {error}") from None
        return Source(model, str(directory), True, _config(model, directory, here), TINY_LICENCE)
    if prefix != "hf":
        raise ConfigError(
            f"model '{model}': its weights are needed here; name tiny:..., hf:org/name or hf:./dir"
        )
    directory = Path(rest).expanduser()
    if rest.startswith((".", "/", "~")) or directory.exists():
        return Source(
            model, str(directory), True, _config(model, directory, here), card_licence(directory)
        )
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", rest):
        raise ConfigError(
            f"model '{model}': neither a directory (hf:./dir, hf:/dir) nor a name on the hub "
            "(hf:org/name)"
        )
    return Source(model, rest, False, {}, None)


def _config(model: str, directory: Path, here: bool) -> dict[str, Any]:
    if directory.is_file():
        raise ConfigError(
            f"model '{model}' is a file, and a folder is read here: for GGUF see docs/run.md, "
            "'Base models', or serve it and name http://HOST:PORT/v1#NAME"
        )
    if not directory.is_dir():
        raise ConfigError(f"model '{model}': no directory {directory}; check the path")
    path = directory / "config.json"
    try:
        config = decoded(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(
            f"model '{model}': {directory} has no config.json; name the directory that "
            "save_pretrained wrote"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"model '{model}': cannot read {path}: {error}") from None
    if not isinstance(config, dict):
        raise ConfigError(f"model '{model}': {path} is not a JSON object")
    if here:
        check_readable(model, config)
    return config


def card_licence(directory: Path) -> str | None:
    """The licence that the front matter of a model's README.md names, if any."""
    try:
        text = (directory / "README.md").read_text(encoding="utf-8")
        matter = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
        fields = parse_yaml(matter[1]) if matter else None
    except (OSError, UnicodeDecodeError, ConfigError):
        return None
    if not isinstance(fields, dict):
        return None
    # Cards write `license: other` and the name beside it.
    name = fields.get("license_name") if fields.get("license") == "other" else None
    name = name or fields.get("license")
    return str(name) if name else None


def is_reward(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is a reward model's."""
    return any(n.endswith(("RewardModel", "ForSequenceClassification")) for n in kinds_of(config))


def kinds_of(config: Mapping[str, Any]) -> list[str]:
    """The classes that a config.json names for its model."""
    names = config.get("architectures")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def check_chat(model: str, config: Mapping[str, Any]) -> None:
    """Raise ConfigError for a model that cannot answer."""
    if is_reward(config):
        raise ConfigError(
            f"model '{model}' is a reward model and cannot answer: use it under `judges`, and "
            "name a chat model here"
        )


def check_reward(model: str, config: Mapping[str, Any]) -> None:
    """Raise ConfigError for a model that cannot grade."""
    if not is_reward(config):
        kinds = ", ".join(kinds_of(config)) or "unknown"
        raise ConfigError(
            f"model '{model}' is no reward model (its kind is {kinds}): name one with a grading "
            "head, such as tiny:reward, or give a policy trained with DPO its `reference`"
        )


@contextmanager
def quietly() -> Iterator[None]:
    """transformers without progress bars and warnings, as it was before afterwards."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def load_config(source: Source) -> dict[str, Any]:
    """The model's config.json, from the hub where need be."""
    if source.local:
        return dict(source.config)
    from transformers import PreTrainedConfig

    with reading(source):
        config = PreTrainedConfig.get_config_dict(source.place)[0]
    check_readable(source.model, config)
    return config


@contextmanager
def reading(source: Source) -> Iterator[None]:
    """What transformers raises for a model it cannot read, as one line."""
    try:
        with quietly(), silent():
            yield
    # EnvironmentError: files missing or no network. ValueError, KeyError: an unknown kind.
    # SafetensorError and RuntimeError: damaged weights, or shapes that do not fit.
    except Exception as error:
        line = " ".join(str(error).split()) or type(error).__name__
        if "trust_remote_code" in line:
            line = (
                "its files bring Python code of their own, which gristmill never runs; name a "
                "model of an architecture that transformers has"
            )
        hint = "" if source.local else "; download it first, or name a directory (hf:./dir)"
        raise ConfigError(f"model '{source.model}' cannot be loaded: {line[:300]}{hint}") from error


def load_tokenizer(source: Source, *, needs_template: bool = True) -> Any:
    """The tokenizer, which must have a chat template unless its caller brings one."""
    from transformers import AutoTokenizer

    with reading(source):
        tokenizer = AutoTokenizer.from_pretrained(source.place, trust_remote_code=False)
    if needs_template and not tokenizer.chat_template:
        raise ConfigError(
            f"model '{source.model}' has no chat template: add a chat_template.jinja to its "
            "directory, or name its instruct version"
        )
    return tokenizer


def load_model(source: Source, kind: Any) -> Any:
    """The weights, through `kind.from_pretrained`, on the GPU if there is one, ready to run."""
    import torch

    with reading(source):
        model = unpack(kind.from_pretrained(source.place, dtype="auto", **SAFELY))
    model.eval()
    if torch.cuda.is_available():
        half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return model.to("cuda", torch.float32 if source.precision == "fp32" else half)
    # transformers' own `to` refuses where weights were quantised, whatever they are by now.
    if source.precision == "bf16":
        return torch.nn.Module.to(model, torch.bfloat16)
    # bfloat16 costs the repeatability of float32, and gains little where a CPU cannot multiply it.
    if source.precision == "fp32" or sum(p.numel() for p in model.parameters()) <= LARGE:
        torch.nn.Module.float(model)
    return model


def context_length(config: Any, tokenizer: Any) -> int | None:
    """Positions that a model knows, None where nothing says."""
    config = config.get_text_config()
    for name in ("max_position_embeddings", "n_positions", "max_seq_len"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    stated = tokenizer.model_max_length
    # Tokenizers that know no limit state a number with thirty digits.
    return stated if stated < 10**9 else None


def stop_tokens(tokenizer: Any, generation: Any) -> list[int]:
    """Token ids that end an answer: those of the model's generation config, the tokenizer's end
    of text, and the special token that its chat template puts after an answer."""
    stated = getattr(generation, "eos_token_id", None)
    stops = set(stated if isinstance(stated, list) else [stated])
    stops |= {tokenizer.eos_token_id, _after_answer(tokenizer)}
    return sorted(stop for stop in stops if stop is not None)


def _after_answer(tokenizer: Any) -> int | None:
    marker = "gristmill-answer"
    turns = [("user", "a"), ("assistant", marker), ("user", "b")]
    try:
        text = tokenizer.apply_chat_template(
            [{"role": role, "content": content} for role, content in turns], tokenize=False
        )
    except Exception:  # A template may refuse any conversation, in any words.
        return None
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    tail = tokenizer.encode(text.partition(marker)[2], add_special_tokens=False)
    return next((token for token in tail if token in special), None)


def is_small(model: Any) -> bool:
    """Whether a model is on the CPU and too small to spread one operation over cores."""
    return model.device.type == "cpu" and sum(p.numel() for p in model.parameters()) <= SMALL


def token_budget(model: Any) -> int:
    """Tokens that a batch may hold in keys and values: half of the GPU's free memory, or 1 GiB
    on a CPU; 131,072 at most, which also bounds what reading the prompts takes."""
    import torch

    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    each = 2 * config.num_hidden_layers * heads * size * model.dtype.itemsize
    free = torch.cuda.mem_get_info()[0] // 2 if model.device.type == "cuda" else 1 << 30
    return max(1, min(131_072, free // each))
