"""What other tools call our keys: every line of the table leads to a key that is there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import BaseModel

from gristmill.aliases import ALIASES
from gristmill.arena.contestants import Contestant
from gristmill.arena.duel.config import Config as Duel
from gristmill.arena.web.config import PageConfig
from gristmill.errors import ConfigError
from gristmill.flywheel.config import FlywheelConfig
from gristmill.intake.source import Source
from gristmill.judges.code import Code
from gristmill.judges.genrm import Genrm
from gristmill.judges.llm import Llm
from gristmill.judges.reward import Reward
from gristmill.mill.config import Config, Generate
from gristmill.parts import build
from gristmill.recipes.open_qa import OpenQa
from gristmill.tools.server import Place
from gristmill.train.config import KINDS, Batch, Lora, Optimizer
from gristmill.train.stages import StagesConfig

PARTS: tuple[type[BaseModel], ...] = (
    *(Config, Generate, Llm, Genrm, Reward, Code, OpenQa, Source, FlywheelConfig),
    *(Contestant, Duel, PageConfig, StagesConfig, Batch, Optimizer, Lora, Place, *KINDS.values()),
)


def told(part: type[BaseModel], key: str) -> str:
    with pytest.raises(ConfigError) as caught:
        build(part, {key: "sk-secret"}, "here")
    assert "sk-secret" not in str(caught.value)
    (said,) = re.findall(rf"here\.{key}: unknown key; (.*?)(?:; here\.|$)", str(caught.value))
    return said


def leads_to_a_field(part: type[BaseModel], place: str) -> bool:
    """Whether `optimizer.lr` is a key of a part; the first step may be of a list of such."""
    inner: Any = part
    for step in place.split("."):
        if inner is None or step not in inner.model_fields:
            return False
        annotation = inner.model_fields[step].annotation
        models = [annotation, *getattr(annotation, "__args__", ())]
        inner = next((m for m in models if hasattr(m, "model_fields")), None)
    return True


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_what_is_said_is_true_of_the_part(part: type[BaseModel]) -> None:
    for key in ALIASES.keys() - set(part.model_fields):
        said = told(part, key)
        if "did you mean" in said or said.startswith("known: "):
            continue
        for place in re.findall(r"`([a-z_.]+)(?:`|:)", said):
            known = leads_to_a_field(part, place)
            # Of the part that the first place is in, or of Batch itself.
            assert known or place in ("model", "concurrency", "batch.tokens"), (key, said)


def test_every_line_of_the_table_is_said_of_some_part() -> None:
    for key, meanings in ALIASES.items():
        for ours, _ in meanings:
            parts = [part for part in PARTS if leads_to_a_field(part, ours)]
            assert parts, f"{key}: no part has `{ours}`"
        said = {told(part, key) for part in PARTS if key not in part.model_fields}
        assert any(not s.startswith(("known: ", "did you mean")) for s in said), key


@pytest.mark.parametrize(
    ("part", "keys", "said"),
    [
        (Generate, "n num_responses num_generations", "it is `responses` here"),
        (Generate, "max_new_tokens max_completion_tokens", "it is `max_tokens` here"),
        (Config, "max_new_tokens", "it is `generate.max_tokens` here"),
        (Config, "temperature", "it is `generate.temperature` here"),
        (Config, "requests", "it is `budget.requests` here"),
        (Generate, "top_k", "a server's own field goes into its request: `body: {top_k: ...}`"),
        (
            Llm,
            "logit_bias",
            "a server's own field goes into its request: `body: {logit_bias: ...}`",
        ),
        (Generate, "extra_body", "it is `body` here"),
        (Reward, "base_url api_base", "the address is part of `model`: http://host:8000/v1#name"),
        (OpenQa, "api_key", "a key is never in a file; name the environment variable that holds"),
        (Contestant, "system_prompt", "it is `system` here"),
        (Generate, "batch_size", "rows at once of a local model are `batch`; requests in flight"),
        (OpenQa, "max_concurrency num_workers", "it is `concurrency` here"),
        (Generate, "rpm max_requests_per_minute", "it is `requests_per_minute` here"),
        (Generate, "tpm", "it is `tokens_per_minute` here"),
        (Generate, "max_retries", "it is `retries` here"),
        (Generate, "request_timeout", "it is `timeout` here"),
        (Genrm, "stop_sequences", "it is `stop` here"),
        (KINDS["sft"], "lr learning_rate", "it is `optimizer.lr` here"),
        (KINDS["sft"], "num_train_epochs", "it is `epochs` here"),
        (KINDS["dpo"], "per_device_train_batch_size", "one step's examples, over all devices"),
        (KINDS["dpo"], "gradient_accumulation_steps", "one step's examples, over all devices"),
        (KINDS["dpo"], "warmup_ratio", "it is `optimizer.warmup` here, a number of steps"),
        (KINDS["sft"], "output_dir", "the folder is named on the command line, --out DIR"),
        (KINDS["sft"], "dataset", "it is `data` here, `[{file: ...}]`"),
        (Config, "dataset", "it is `prompts` here, `{file: ...}`"),
        (KINDS["sft"], "bf16", "it is `precision` here, bf16 or fp32"),
        (KINDS["rpo"], "lora_r", "it is `lora.rank` here"),
        # Nearness still finds what is only misspelled, and nothing is said where nothing is known.
        (Generate, "temprature", "did you mean 'temperature'?"),
        (Reward, "max_new_tokens", "known: "),
    ],
)
def test_the_usual_ones(part: type[BaseModel], keys: str, said: str) -> None:
    for key in keys.split():
        assert told(part, key).startswith(said), told(part, key)
