"""The settings that every use of a model shares, whether it generates or judges."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from gristmill.parts import Options


class Price(Options):
    """What tokens cost, in US dollars per million."""

    input: float = Field(default=0.0, ge=0)
    """Prompt tokens."""
    output: float = Field(default=0.0, ge=0)
    """Completion tokens."""


class Calling(Options):
    """How a model is called. What a backend has no use for, it ignores."""

    model: str
    """The model string: `tiny:instruct`, `http://host:8000/v1#name`, `nim:...`, `hf:...`."""
    concurrency: int = Field(default=64, ge=1, le=4096)
    """Requests in flight at most. The endpoint backend goes below it while a server answers 429."""
    timeout: float = Field(default=120.0, gt=0)
    """Seconds that one request may take. Two minutes suits long answers of large models."""
    retries: int = Field(default=5, ge=0)
    """How often a failed request is sent again before its row is rejected."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """A provider's request limit, if it has one."""
    tokens_per_minute: float | None = Field(default=None, gt=0)
    """A provider's token limit, if it has one."""
    key_env: str | None = None
    """The environment variable that holds the key. Never the key itself."""
    route: Literal["chat", "classify", "pooling"] = "chat"
    """Where a reward model listens: chat completions, or vLLM's /classify or /pooling."""
    body: dict[str, Any] = Field(default_factory=dict)
    """More fields of an endpoint's request, such as `{chat_template_kwargs: {...}}`; null leaves
    one of ours out: `{seed: null}` for a server that knows no seed."""
    reference: str | None = None
    """The reference model of a policy trained with DPO, `hf:...` or `tiny:...`: makes a judge of
    the policy, whose reward is the answer's log-probability ratio to it. Local models only."""
    batch: int | None = Field(default=None, ge=1)
    """Rows at once for a local model; by default as many as suit the device."""
    licence: str | None = None
    """SPDX name of the licence that the model's outputs come under; goes into every row."""
    price: Price = Price()
    """For the forecast, the budget and the running cost."""

    def backend_options(self) -> dict[str, Any]:
        """What `open_chat` and `open_reward` take beside the model string."""
        names = set(Calling.model_fields) - {"model", "price"}
        return {n: v for n in sorted(names) if (v := getattr(self, n)) is not None}
