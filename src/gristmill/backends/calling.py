"""The settings that every use of a model shares, whether it generates or judges."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self, get_args

import orjson
from pydantic import Field, field_validator, model_validator

from gristmill.backends.secret import variable
from gristmill.backends.servers import common_name, is_several, several
from gristmill.errors import ConfigError
from gristmill.fleet.settings import Fleet
from gristmill.parts import Options, refuse_code

Route = Literal["chat", "classify", "pooling"]
ROUTES: tuple[str, ...] = get_args(Route)
"""Where a reward model is asked: `/v1/chat/completions`, or vLLM's `/classify` or `/pooling`."""

BatchApi = Literal["openai", "anthropic", "file"]
"""How calls are gathered into batches: see `Calling.batch_api`."""
Precision = Literal["bf16", "fp32"]
PerMinute = tuple[float | None, float | None]
"""Requests and tokens; None is no limit."""
CONNECTIONS = 4096
"""Requests in flight at most where each is a connection."""
IN_BATCHES = 10_000
"""Calls under way by default where they wait in batches: fewer than a batch may hold, so that one
fits the queue of most accounts."""


class Price(Options):
    """What tokens cost, in US dollars per million."""

    input: float = Field(default=0.0, ge=0)
    """Prompt tokens."""
    output: float = Field(default=0.0, ge=0)
    """Completion tokens."""
    batch: float = Field(default=0.5, ge=0, le=1)
    """What a call through `batch_api` costs, as a share of these: half at most providers."""


class Calling(Options):
    """How a model is called. What a backend has no use for, it ignores.

    The one place where these settings are checked: a config's parts that call a model inherit them,
    and `open_chat(model, {...})` validates its options here.
    """

    model: str
    """The model string: `tiny:instruct`, `http://host:8000/v1#name`, `nim:...`, `hf:...`. A list of
    addresses is one model on several servers, and is then `http://*#name` here."""
    servers: tuple[str, ...] = ()
    """Where a model is that is on several servers; filled in from `model`."""
    concurrency: int = Field(default=64, ge=1, le=1_000_000, strict=True)
    """Requests in flight at most, each a connection (4096 at most), of several servers all
    together; backends that share a server share the largest. The endpoint backend goes below it
    while a server answers 429. With `batch_api` calls under way, which wait in batches: 10,000 by
    default."""
    timeout: float = Field(default=120.0, gt=0, lt=1e6, strict=True)
    """Seconds that one request may take, connection and whole reply. Two minutes suits long answers
    of large models."""
    retries: int = Field(default=5, ge=0, le=1000, strict=True)
    """How often a failed request is sent again before its row is rejected. A 429 is no failure:
    a call waits up to ten minutes for its server."""
    max_reply_mib: int = Field(default=16, ge=1, le=4096, strict=True)
    """Mebibytes of one reply, unpacked; a larger one is a failed call, and is read no further."""
    requests_per_minute: float | None = Field(default=None, gt=0, lt=1e12, strict=True)
    """A provider's request limit, if it has one; of several servers, each has it."""
    tokens_per_minute: float | None = Field(default=None, gt=0, lt=1e12, strict=True)
    """A provider's token limit, if it has one; of several servers, each has it."""
    fleet: Fleet | None = None
    """Servers to be started for a `tiny:`, `hf:` or `vllm:` model, and ended when it is done with:
    `{replicas: 2, gpus: 1}`."""
    sticky: bool = False
    """Whether requests that begin alike go to the same one of several servers, while it has not
    much more to do than the others: for engines that keep what they computed of a prefix."""
    key_env: str | None = Field(default=None, min_length=1)
    """The environment variable that holds the key (nim: NVIDIA_API_KEY). Never the key itself."""
    route: Route = "chat"
    """Where a reward model listens: chat completions, or vLLM's /classify or /pooling."""
    body: dict[str, Any] = Field(default_factory=dict)
    """More fields of an endpoint's request, such as `{chat_template_kwargs: {...}}`; null leaves
    one of ours out: `{seed: null}` for a server that knows no seed."""
    reference: str | None = None
    """The reference model of a policy trained with DPO, `hf:...` or `tiny:...`: makes a judge of
    the policy, whose reward is the answer's log-probability ratio to it. Local models only."""
    precision: Precision | None = None
    """Arithmetic of a local model; by default bf16 on a GPU and fp32 on a CPU. On a CPU with
    instructions for bf16 (avx512_bf16, amx_bf16) it is two to four times as fast as fp32, and now
    and then turns a token where the rows beside it are others."""
    batch: int | None = Field(default=None, ge=1, strict=True)
    """Rows at once for a local model; by default as many as suit the device."""
    batch_api: BatchApi | None = None
    """Send the calls as batches, which are answered within hours and cost half at most providers:
    `openai` (files and batches, of other providers too), `anthropic` (message batches), or `file`
    (input files for `vllm run-batch`, run by hand). Endpoints only."""
    licence: str | None = Field(default=None, min_length=1)
    """SPDX name of the licence that the model's outputs come under; goes into every row."""
    price: Price = Price()
    """For the forecast, the budget and the running cost."""

    @model_validator(mode="before")
    @classmethod
    def _on_several(cls, values: Any) -> Any:
        """A list as `model` and `servers`; both may be given, as when a config is copied."""
        if not isinstance(values, dict):
            return values
        model = values.get("model")
        known = isinstance(model, str) and is_several(model)
        try:
            places = several(values.get("servers") or () if known else model)
            name = common_name(places) if places else model
        except ValueError as error:
            raise ValueError(f"model: {error}") from None
        if known and name != model:
            raise ValueError(f"servers: they serve '{name}', and the model is '{model}'")
        return {**values, "model": name, "servers": places} if places else values

    @model_validator(mode="before")
    @classmethod
    def _many_in_batches(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("batch_api") and "concurrency" not in values:
            return {**values, "concurrency": IN_BATCHES}
        return values

    @model_validator(mode="after")
    def _connectable(self) -> Self:
        if self.concurrency > CONNECTIONS and not self.batch_api:
            raise ValueError(
                f"concurrency: {self.concurrency:,} connections are too many; give {CONNECTIONS:,} "
                "or fewer, or name a `batch_api`"
            )
        return self

    @property
    def per_minute(self) -> PerMinute:
        """Its limits."""
        return self.requests_per_minute, self.tokens_per_minute

    @property
    def paid(self) -> Price:
        """The price of a call as it is made: with `batch_api`, that of a call in a batch."""
        if self.batch_api is None:
            return self.price
        share = self.price.batch
        return Price(input=share * self.price.input, output=share * self.price.output)

    @field_validator("model")
    @classmethod
    def _may_run(cls, model: str) -> str:
        if re.match(r"scripted:[^?]*:", model):
            try:
                refuse_code(model)
            except ConfigError as error:
                raise ValueError(str(error)) from None
        return model

    @field_validator("key_env")
    @classmethod
    def _a_variable(cls, name: str | None) -> str | None:
        try:
            return name and variable(name)
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @field_validator("body")
    @classmethod
    def _sendable(cls, body: dict[str, Any]) -> dict[str, Any]:
        for name in ("model", "messages"):
            if name in body:
                raise ValueError(f"`{name}` is gristmill's own to fill in; leave it out")
        try:
            orjson.dumps(body)
        except TypeError as error:
            raise ValueError(f"it is sent as JSON, and this is none: {error}") from None
        return body


class Sampled(Calling):
    """How a chat model is called, and where its answers end. Temperature and length are each part's
    own, since each has other defaults."""

    stop: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=(), max_length=16)
    """Words that end an answer, and are not in it: for a base model, which goes on with the next
    question of its own. Providers take 4, as a rule."""

    @field_validator("stop", mode="before")
    @classmethod
    def _one_or_many(cls, words: Any) -> Any:
        return [words] if isinstance(words, str) else words
