"""The options of an endpoint, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import orjson

from gristmill.errors import ConfigError

ROUTES = ("chat", "classify", "pooling")
"""Where a reward model is asked: `/v1/chat/completions`, or vLLM's `/classify` or `/pooling`."""


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """Options of an endpoint.

    concurrency: requests in flight at most; backends that share a server share the largest.
    timeout: seconds for one request, connection and whole reply.
    retries: of one call after failures; a 429 is not a failure, a call waits up to 10 minutes.
    requests_per_minute, tokens_per_minute: of the server; None is no limit.
    key_env: environment variable that holds the key; None sends no key (nim: NVIDIA_API_KEY).
    licence: SPDX name of the licence of what the model writes.
    route: where a reward model is asked: `chat`, or vLLM's `classify` or `pooling`.
    body: more fields of the request, for instance {chat_template_kwargs: {...}}; null leaves one
    of ours out ({seed: null}).
    """

    concurrency: int = 64
    timeout: float = 120.0
    retries: int = 5
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    key_env: str | None = None
    licence: str | None = None
    route: str = "chat"
    body: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check("concurrency", self.concurrency, int, lambda v: 1 <= v <= 100_000, "1 to 100000")
        _check("timeout", self.timeout, (int, float), lambda v: 0 < v < 1e6, "seconds above 0")
        _check("retries", self.retries, int, lambda v: 0 <= v <= 1000, "0 to 1000")
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None:
                _check(name, value, (int, float), lambda v: 0 < v < 1e12, "a number above 0")
        for name in ("key_env", "licence"):
            value = getattr(self, name)
            if value is not None:
                _check(name, value, str, bool, "a name")
        _check("route", self.route, str, ROUTES.__contains__, " or ".join(ROUTES))
        _check("body", self.body, Mapping, _sendable, "a mapping of JSON, not model or messages")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> EndpointOptions:
        """From a config's mapping; keys of other backends are ignored. Raises ConfigError."""
        known = {f.name for f in fields(cls)}
        return cls(**{k: v for k, v in options.items() if k in known})


def _sendable(body: Mapping[str, Any]) -> bool:
    try:
        orjson.dumps(dict(body))
    except orjson.JSONEncodeError:
        return False
    return not {"model", "messages"} & set(body)


def _check(name: str, value: Any, kinds: Any, fits: Callable[[Any], bool], wanted: str) -> None:
    # True is an int to Python; no option here is a switch.
    if isinstance(value, bool) or not isinstance(value, kinds) or not fits(value):
        raise ConfigError(f"option '{name}' of an endpoint is {value!r}: it must be {wanted}")
