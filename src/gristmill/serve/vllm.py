"""`gristmill serve MODEL --engine vllm`: what the engine must be told about a model of ours.

The line that starts it is made from the model's own files. Nothing of vLLM is imported: it often
lives in an environment of its own.
"""

from __future__ import annotations

import json
import shlex
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill.backends.listening import url
from gristmill.backends.local_load import Source, find, load_config
from gristmill.errors import ConfigError
from gristmill.serve.models import kind_of

PRECISIONS = {
    "bf16": ("--dtype", "bfloat16"),
    "fp16": ("--dtype", "float16"),
    "fp32": ("--dtype", "float32"),
    "fp8": ("--dtype", "bfloat16", "--quantization", "fp8_per_tensor"),
}
"""What each precision is in vLLM's words; fp8 is made of the 16 bits as they are loaded."""

KEY = "VLLM_API_KEY"
"""Where vLLM looks for the key that it asks for."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A model on vLLM.

    tensor, pipeline: over how many GPUs its layers' matrices are split, and over how many groups of
    GPUs its layers. precision: one of `PRECISIONS`, None as its files are. length: tokens of a
    conversation at most. command: the executable, or a python that has vLLM. flags: more of vLLM's.
    key_env: the environment variable that holds the key. gpus: of one machine.
    """

    model: str
    host: str = "127.0.0.1"
    port: int = 8000
    tensor: int = 1
    pipeline: int = 1
    precision: str | None = None
    length: int | None = None
    command: str = "vllm"
    flags: tuple[str, ...] = ()
    key_env: str | None = None
    gpus: int = 8

    @property
    def nodes(self) -> int:
        """Machines that it takes."""
        return -(-self.tensor * self.pipeline // self.gpus)


@dataclass(frozen=True, slots=True)
class Started:
    """The line that starts an engine, and the model string under which a config names it then."""

    arguments: tuple[str, ...]
    model: str

    def line(self, key_env: str | None = None) -> str:
        """The line as a shell takes it; of a key it holds the variable's name alone."""
        before = f'{KEY}="${key_env}" ' if key_env else ""
        return before + shlex.join(self.arguments)


def start(engine: Engine) -> Started:
    """How to start it. Raises ConfigError for a model that vLLM cannot load, and MissingExtra."""
    if engine.precision is not None and engine.precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise ConfigError(f"--precision {engine.precision}: not one of {known}")
    source = find(engine.model, here=False)
    config = load_config(source)
    kind = kind_of(source)
    # A job does not start where this does.
    place = str(Path(source.place).resolve()) if source.local else source.place
    arguments = _executable(engine.command, place)
    arguments += ["--served-model-name", engine.model]
    arguments += ["--host", engine.host, "--port", str(engine.port)]
    arguments += _precision(engine, config)
    if engine.tensor > 1:
        arguments += ["--tensor-parallel-size", str(engine.tensor)]
    if engine.pipeline > 1:
        arguments += ["--pipeline-parallel-size", str(engine.pipeline)]
    if engine.length is not None:
        arguments += ["--max-model-len", str(engine.length)]
    if kind != "chat":
        arguments += ["--runner", "pooling"]
    if kind == "reward" and (overrides := _overrides(source, config)):
        arguments += ["--hf-overrides", json.dumps(overrides, separators=(",", ":"))]
    arguments += engine.flags
    route = "?route=classify" if kind == "reward" else ""
    return Started(tuple(arguments), f"{url(engine.host, engine.port)}/v1{route}#{engine.model}")


def _executable(command: str, place: str) -> list[str]:
    if "python" in Path(command).name:
        return [command, "-m", "vllm.entrypoints.openai.api_server", "--model", place]
    return [command, "serve", place]


def _precision(engine: Engine, config: Mapping[str, Any]) -> list[str]:
    if engine.precision is None:
        return ["--dtype", "auto"]
    flags = PRECISIONS[engine.precision]
    # Weights that lie in 8 bits already say so themselves.
    return list(flags[:2] if config.get("quantization_config") else flags)


def _overrides(source: Source, config: Mapping[str, Any]) -> dict[str, Any]:
    """What vLLM must be told of a reward head that its config.json does not say: else five grades
    are put through a softmax, and one through a sigmoid."""
    kinds = config.get("architectures") or []
    ours = "NemotronRewardModel" in kinds
    if ours and source.local and _has_bias(Path(source.place)):
        raise ConfigError(
            f"model '{source.model}': its reward head has a bias, for which vLLM has no place; "
            "`gristmill train reward` saves one without: train it on, or leave `--engine vllm` out"
        )
    if ours:
        outputs = int(config.get("num_outputs") or 5)
        kind = {"architectures": ["NemotronForSequenceClassification"], "num_labels": outputs}
        return {**kind, "problem_type": "regression"}
    return {} if config.get("problem_type") == "regression" else {"problem_type": "regression"}


def _has_bias(folder: Path) -> bool:
    """Whether a folder's weights hold `score.bias`; safetensors begin with the list of what is in
    them."""
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if '"score.bias"' in file.read(min(length, 2**27)).decode("utf-8", "replace"):
                return True
    return False
