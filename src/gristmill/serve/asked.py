"""What a request may say. What is not known, or not done here, is refused by its name: nothing that
somebody asked for is silently left out.

A field that is null counts as not given. Fields that every client sends and that change no answer
here (`user`, `metadata`) are passed over, and of those that are not done the value that means
"nothing special" is taken.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from gristmill.foreign import read_json
from gristmill.serve.refusal import Refused

PASSED_OVER = (
    "user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "parallel_tool_calls", "request_id", "priority", "include_reasoning",
)  # fmt: skip
"""Fields that change no answer here."""

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,), "presence_penalty": (0,), "repetition_penalty": (1,),
    "length_penalty": (1,), "logit_bias": ({},), "top_k": (-1, 0), "min_p": (0,),
    "response_format": ({"type": "text"},), "modalities": (["text"],), "functions": ([],),
    "function_call": ("none", "auto"), "service_tier": ("auto", "default"), "store": (False,),
    "best_of": (1,), "echo": (False,), "suffix": ("",), "use_beam_search": (False,),
    "min_tokens": (0,), "ignore_eos": (False,), "stop_token_ids": ([],), "bad_words": ([],),
    "skip_special_tokens": (True,), "spaces_between_special_tokens": (True,),
    "include_stop_str_in_output": (False,), "continue_final_message": (False,),
    "chat_template_kwargs": ({},), "documents": ([],), "add_special_tokens": (),
    "add_generation_prompt": (), "truncate_prompt_tokens": (), "truncation": (), "dimensions": (),
    "chat_template": (), "guided_json": (), "guided_regex": (), "guided_choice": (),
    "structured_outputs": (), "reasoning_effort": (), "audio": (), "prediction": (),
    "web_search_options": (), "verbosity": ("medium",),
}  # fmt: skip
"""Fields that are not done here, and the values of theirs that ask for nothing."""

CHOICES = 128
"""Answers to one prompt at most, as OpenAI has it."""


class Asked(BaseModel):
    """What all requests share."""

    model_config = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    model: str
    """The name of a model, as `/v1/models` has it."""


_MESSAGE = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {
        "role": {"enum": ["system", "user", "assistant", "tool"]},
        "content": {"type": "string"},
    },
}
Turn = Annotated[dict[str, Any], WithJsonSchema(_MESSAGE)]
"""A message; `conversation` reads more forms of it than the schema says."""
Turns = Annotated[list[Turn], Field(min_length=1)]


class StreamOptions(BaseModel):
    """How an answer comes in pieces."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    include_usage: bool = False
    """Whether a last piece without a choice says how many tokens there were."""
    include_obfuscation: bool = False
    """Passed over: nothing is padded."""


class Sampled(Asked):
    """What is asked of a model that writes."""

    n: Annotated[int, Field(ge=1, le=CHOICES)] = 1
    """Answers to the prompt."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    """0 is greedy."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Only the likeliest tokens that hold this share of the mass are drawn."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """New tokens at most."""
    stop: str | Annotated[list[str], Field(max_length=16)] = Field(default_factory=list)
    """Words that end the answer, and are not in it."""
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None
    """The same request with the same seed has the same answer."""
    stream: bool = False
    """Whether the answer comes in pieces, as server-sent events."""
    stream_options: StreamOptions | None = None
    """Only with `stream`."""

    @field_validator("stop")
    @classmethod
    def _words(cls, stop: str | list[str]) -> list[str]:
        words = [stop] if isinstance(stop, str) else stop
        if any(not word or len(word) > 256 for word in words):
            raise ValueError("a stop word has 1 to 256 characters")
        return words

    @model_validator(mode="after")
    def _streamed(self):
        if self.stream_options is not None and not self.stream:
            raise ValueError("`stream_options` belongs to `stream: true`")
        return self


class ChatAsked(Sampled):
    """`POST /v1/chat/completions`"""

    messages: Turns
    """The turns, each with `role` and `content`."""
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    """As `max_tokens`, which it goes before."""
    logprobs: bool = False
    """Whether each token comes with its log-probability."""
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    """So many of the likeliest tokens beside each."""
    tools: list[dict[str, Any]] = Field(default_factory=list)
    """What may be called; the model's chat template writes it."""
    tool_choice: Literal["auto", "none"] = "auto"
    """`none` leaves the tools out."""

    @model_validator(mode="after")
    def _likely(self):
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("`top_logprobs` belongs to `logprobs: true`")
        return self


Tokens = Annotated[list[int], Field(min_length=1)]
Texts = Annotated[list[str], Field(min_length=1)]
Many = Annotated[list[Tokens], Field(min_length=1)]


class CompletionAsked(Sampled):
    """`POST /v1/completions`"""

    prompt: str | Tokens | Texts | Many
    """A text, several, or their token ids; no chat template writes around them."""
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    """Log-probabilities of the tokens, and of so many of the likeliest beside each."""


class EmbeddingAsked(Asked):
    """`POST /v1/embeddings`"""

    input: str | Texts
    """A text or several."""
    encoding_format: Literal["float", "base64"] = "float"
    """Numbers, or float32 in base64."""


class RewardsAsked(Asked):
    """`POST /v1/rewards`"""

    input: Annotated[list[list[Turn] | dict[str, Any]], Field(min_length=1)]
    """Conversations that end with the answer to be graded: lists of messages, or objects with
    `messages`."""


class PoolingAsked(Asked):
    """`POST /classify` and `POST /pooling`, as vLLM has them"""

    input: str | Tokens | Texts | Many | None = None
    """A text, several, or their token ids, taken as they are."""
    messages: Turns | None = None
    """A conversation, which the model's chat template writes."""
    use_activation: bool | None = None
    """Either way the values are the model's own: the activation of a regression is none."""
    task: Literal["classify", "embed"] | None = None
    """What the model does anyway."""
    encoding_format: Literal["float", "base64"] = "float"
    """Of `/pooling`: numbers, or float32 in base64."""
    embed_dtype: Literal["float32"] = "float32"
    """Of base64."""
    endianness: Literal["native", "little"] = "native"
    """Of base64."""

    @model_validator(mode="after")
    def _one(self):
        if (self.input is None) == (self.messages is None):
            raise ValueError("give either `input` or `messages`")
        return self


A = TypeVar("A", bound=Asked)


def read(kind: type[A], raw: bytes) -> A:
    """A request of this kind. Raises Refused, which names what is wrong with it."""
    try:
        given = read_json(raw)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"the request is not JSON: {error}", "invalid_json") from None
    if not isinstance(given, dict):
        raise Refused(400, "the request is not a JSON object", "invalid_json")
    known = kind.model_fields
    given = {n: v for n, v in given.items() if v is not None and n not in PASSED_OVER}
    for name in [name for name in given if name in NEUTRAL and name not in known]:
        if _same(given[name], NEUTRAL[name]):
            del given[name]
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise _refused(error, kind) from None


def _same(value: Any, neutral: tuple[Any, ...]) -> bool:
    # False is 0 in Python, and is not in JSON.
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in neutral)


def _refused(error: ValidationError, kind: type[Asked]) -> Refused:
    items = error.errors(include_url=False, include_context=False)
    # The branches of a choice of types each say why they are not it: the first will do.
    item = items[0]
    path = [step for step in item["loc"] if not _of_type(step)]
    name = ".".join(map(str, path))
    if item["type"] == "extra_forbidden":
        unknown = [str(i["loc"][-1]) for i in items if i["type"] == "extra_forbidden"]
        return Refused(400, _unknown(unknown, kind), "unsupported_parameter", param=name)
    if item["type"] == "missing":
        return Refused(400, f"`{name}` is missing", "missing_parameter", param=name)
    message = item["msg"].removeprefix("Value error, ")
    given = item.get("input")
    shown = "" if isinstance(given, dict | list | BaseModel) else f" (got {given!r:.60})"
    said = f"`{name}`: {message}{shown}" if name else message
    return Refused(400, said, "invalid_value", param=name or None)


def _of_type(step: Any) -> bool:
    """Whether a step of a path names a branch of a choice of types, and no field."""
    return isinstance(step, str) and ("[" in step or step in ("str", "int"))


def _unknown(names: list[str], kind: type[Asked]) -> str:
    said = []
    for name in names:
        if name in NEUTRAL:
            taken = [orjson.dumps(value).decode() for value in NEUTRAL[name]]
            only = f"; {' or '.join(taken)} is taken" if taken else ""
            said.append(f"`{name}` is not supported here{only}")
            continue
        near = get_close_matches(name, kind.model_fields, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "leave it out"
        said.append(f"unknown parameter `{name:.60}`: {hint}")
    return "; ".join(said)
