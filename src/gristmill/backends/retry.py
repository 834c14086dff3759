"""What went wrong with one attempt, and whether and when to try again."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any

import aiohttp
import orjson

BASE_DELAY = 0.5
"""Seconds: the first wait is between 0 and this, and doubles each time (full jitter)."""
MAX_DELAY = 30.0
REFUSAL_DELAY = 0.25
"""As BASE_DELAY, after a 429: shorter, because the gate already slows everyone down."""
PATIENCE = 600.0
"""Seconds of nothing but refusals (429) before one call is given up, and the run if no other
call got through either."""

_FATAL = frozenset((401, 402, 403, 404, 405, 410))
_AGAIN = frozenset((408, 409, 425, 429))
_OVERLOADED = frozenset((429, 503, 529))
_TOO_LONG = (
    "context length",
    "context window",
    "context_length",
    "maximum context",
    "max_model_len",
    "maximum model length",
    "too many tokens",
    "token size",
    "too long",
)
# Its own source, so that nobody's seeded sampling is disturbed.
_jitter = random.Random()


class Fault(Exception):
    """One attempt failed.

    kind: as in BackendError. again: another attempt may succeed. overload: the server had too
    many requests. fatal: no call can succeed. after: seconds the server asked to wait.
    status: of the HTTP reply, 0 where there was none. offline: nothing listens there.
    """

    def __init__(self, kind: str, message: str, *, again: bool = True, status: int = 0) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.again = again
        self.status = status
        self.overload = status in _OVERLOADED
        self.fatal = status in _FATAL or 300 <= status < 400
        self.after: float | None = None
        self.offline = False

    def waits(self, answered: bool) -> bool:
        """Whether time cures it: the server is busy, or gone after it has `answered` before."""
        if self.offline:
            return answered
        return self.status == 429 or (self.overload and self.after is not None)

    def redacted(self, redact: Callable[[str], str]) -> Fault:
        """This fault, its message put through `redact`."""
        self.message = redact(self.message)
        self.args = (self.message,)
        return self


def fault_of_status(status: int, headers: Mapping[str, str], raw: bytes) -> Fault:
    """The fault that a reply other than 200 stands for."""
    said = _server_message(raw)
    text = f"HTTP {status}" + (f": {said}" if said else "")
    lower = said.lower()
    if status == 429:
        fault = Fault("rate_limited", text, status=status)
        # A spent account answers 429 for ever; waiting does not help.
        fault.fatal = "insufficient_quota" in lower or b'"insufficient_quota"' in raw
    elif status == 408:
        fault = Fault("timeout", text, status=status)
    elif status in _AGAIN or status >= 500:
        fault = Fault("server", text, status=status)
    elif status < 300:
        fault = Fault("bad_reply", f"HTTP {status} without a reply", status=status)
    elif status == 413 or (status in (400, 422) and any(word in lower for word in _TOO_LONG)):
        fault = Fault("too_long", text, again=False, status=status)
    else:
        if 300 <= status < 400:
            text = f"HTTP {status}: the server redirects to {headers.get('Location', '?')}"
        fault = Fault("bad_request", text, again=False, status=status)
    fault.after = retry_after(headers.get("Retry-After"))
    if fault.overload and (fault.after or 0) > PATIENCE:
        # A quota for the day or longer: stop, so that the run can be resumed once it is back.
        fault.fatal = True
    return fault


def fault_of_error(error: Exception) -> Fault:
    """The fault that an exception of the HTTP client stands for."""
    text = str(error) or type(error).__name__
    if isinstance(error, TimeoutError):
        fault = Fault("timeout", "no reply in time")
        fault.overload = True
    elif isinstance(error, aiohttp.ClientConnectorError):
        fault = Fault("connection", text)
        fault.offline = True
    elif isinstance(error, aiohttp.ClientResponseError):
        # Not its str(): that may hold the request's headers, and with them the key.
        fault = Fault("bad_reply", f"not HTTP: {error.message}")
    else:
        fault = Fault("connection", text)
    return fault


def fault_in_reply(reply: Any) -> Fault | None:
    """The fault in a reply that came with status 200 but holds an error (some gateways)."""
    error = reply.get("error") if isinstance(reply, dict) else None
    if not error:
        return None
    code = error.get("code") if isinstance(error, dict) else None
    status = int(code) if isinstance(code, int | str) and str(code).isdigit() else 0
    return fault_of_status(status if 400 <= status < 600 else 502, {}, orjson.dumps(reply))


def retry_after(value: str | None) -> float | None:
    """Seconds named by a Retry-After header: a number or an HTTP date; None for nonsense."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    # Comparisons with NaN are false, so it ends up as None too.
    return max(0.0, seconds) if -1e9 < seconds < 1e9 else None


class Retry:
    """The attempts of one call that have failed so far."""

    __slots__ = ("_failures", "_refusals", "_since")

    def __init__(self) -> None:
        self._failures = 0
        self._refusals = 0
        self._since = 0.0

    def delay(self, fault: Fault, retries: int, answered: bool = True) -> float | None:
        """Seconds to wait before the next attempt, or None when there is none.

        A refusal (429, or 503 with Retry-After) is not a failure, nor is a server gone that has
        `answered` before: they use up no retry, only patience.
        """
        if fault.fatal or not fault.again:
            return None
        after = fault.after or 0.0
        if fault.waits(answered):
            now = monotonic()
            if not self._refusals:
                self._since = now
            self._refusals += 1
            if now - self._since > PATIENCE:
                return None
            first = BASE_DELAY if fault.offline else REFUSAL_DELAY
            longest = min(MAX_DELAY, first * 2 ** min(self._refusals - 1, 10))
        else:
            self._failures += 1
            if self._failures > retries:
                return None
            # A failure's own wait is capped: the next attempt is as likely to work then.
            after = min(after, MAX_DELAY)
            longest = min(MAX_DELAY, BASE_DELAY * 2 ** min(self._failures - 1, 10))
        return after + _jitter.uniform(0.0, longest)


def _server_message(raw: bytes) -> str:
    """What the server said of its refusal, on one line; '' if nothing.

    OpenAI: {"error": {"message", "code"}}; vLLM before 0.10: {"message"}; FastAPI: {"detail"}.
    """
    try:
        said = orjson.loads(raw)
    except orjson.JSONDecodeError:
        said = raw[:2000].decode("utf-8", "replace")
    for key in ("error", "message", "detail"):
        if isinstance(said, dict) and said.get(key):
            said = said[key]
    text = said if isinstance(said, str) else orjson.dumps(said).decode() if said else ""
    return " ".join(text.split())
