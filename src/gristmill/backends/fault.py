"""What went wrong with one attempt, as the server says it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

import orjson

from gristmill.backends.decoding import NotJson, decoded
from gristmill.backends.fields import field_named
from gristmill.backends.too_long import is_too_long

PATIENCE = 600.0
"""Seconds of nothing but refusals (429) before one call is given up, and the run if no other
call got through either."""

EVER = 1e9
"""Seconds: 30 years, and all that is longer."""

_FATAL = frozenset((401, 402, 403, 404, 405, 410))
_AGAIN = frozenset((408, 409, 425, 429))
_OVERLOADED = frozenset((429, 503, 529))
_REFUSALS = frozenset((400, 422, 500, 501))
_NO_ROUTE = "can handle the requested parameters"
"""OpenRouter's 404, where no provider of a model takes all fields."""
_FILTERED = re.compile(
    # Azure, OpenAI; DashScope; Z.ai, Moonshot; DeepSeek.
    r"content.?(?:filter|policy|management)|responsible.?ai|data.?inspection"
    r"|(?:unsafe|sensitive|inappropriate|prohibited) content|content exists risk",
    re.IGNORECASE,
)
"""What refuses a prompt for what it says."""


class Fault(Exception):
    """One attempt failed.

    kind: as in BackendError. again: another attempt may succeed. overload: the server had too
    many requests. fatal: no call can succeed. after: seconds the server asked to wait.
    status: of the HTTP reply, 0 where there was none. offline: nothing listens there. advice: what
    to do, where that is known. field: of the request, which the server says it does not take.
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
        self.advice = ""
        self.field = ""

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
    said, codes = _said(raw)
    text = f"HTTP {status}" + (f": {said}" if said else "")
    if (status in (400, 413, 422, 429) or status >= 500) and (
        status == 413 or is_too_long(f"{said} {codes}", busy=status == 429)
    ):
        fault = Fault("too_long", text, again=False, status=status)
        # Other requests are welcome.
        fault.overload = False
    elif status == 429:
        fault = Fault("rate_limited", text, status=status)
        # A spent account answers 429 for ever; waiting does not help.
        fault.fatal = "insufficient_quota" in f"{said} {codes}".lower()
    elif status == 408:
        fault = Fault("timeout", text, status=status)
    elif (field := field_named(said) if status in _REFUSALS else "") or _NO_ROUTE in said:
        fault = Fault("bad_request", text, again=False, status=status)
        fault.fatal = False
        fault.field = field
    elif status in _AGAIN or status >= 500:
        fault = Fault("server", text, status=status)
    elif status < 300:
        fault = Fault("bad_reply", f"HTTP {status} without a reply", status=status)
    elif status in (400, 422) and _FILTERED.search(f"{said} {codes}"):
        fault = Fault("content_filter", text, again=False, status=status)
    else:
        if 300 <= status < 400:
            text = f"HTTP {status}: the server redirects to {headers.get('Location', '?')}"
        fault = Fault("bad_request", text, again=False, status=status)
    fault.after = retry_after(headers.get("Retry-After"))
    if fault.overload and (fault.after or 0) > PATIENCE:
        # A quota for the day or longer: stop, so that the run can be resumed once it is back.
        fault.fatal = True
    return fault


def fault_in_reply(reply: Any) -> Fault | None:
    """The fault in a reply, or in a choice of one, that came with status 200 but holds an error:
    of gateways (OpenRouter, LM Studio), and of servers that began to stream (vLLM, TGI)."""
    if not isinstance(reply, dict):
        return None
    error = reply if reply.get("object") == "error" else reply.get("error")
    if not error:
        return None
    status = 0
    if isinstance(error, dict):
        names = ("code", "http_status_code", "status_code", "status")
        given = (str(error.get(name)) for name in names)
        status = next((int(code) for code in given if code.isdecimal() and len(code) < 4), 0)
    if not 400 <= status < 600:
        status = 422 if reply.get("error_type") == "validation" else 502
    return fault_of_status(status, {}, json.dumps({"error": error}).encode())


def retry_after(value: str | None) -> float | None:
    """Seconds named by a Retry-After header, a number or an HTTP date, at most `EVER`; None for
    nonsense."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    return min(max(0.0, seconds), EVER) if isfinite(seconds) and seconds > -EVER else None


def _said(raw: bytes) -> tuple[str, str]:
    """What the server said of its refusal, on one line, '' if nothing; and its codes for it.

    OpenAI: {"error": {"message", "type", "code"}}; vLLM before 0.10: {"message"}; FastAPI:
    {"detail"}, a text, or a list of {"loc", "msg"} that says the request back; Gemini: a list of
    one {"error"}.
    """
    try:
        said = decoded(raw)
    except NotJson:
        said = raw[:2000].decode("utf-8", "replace")
    if isinstance(said, list) and len(said) == 1 and isinstance(said[0], dict):
        said = said[0] if "error" in said[0] else said
    codes = []
    for key in ("error", "message", "detail"):
        if isinstance(said, dict):
            codes += [c for name in ("type", "code") if isinstance(c := said.get(name), str)]
            said = said.get(key) or said
    if isinstance(said, list) and all(isinstance(s, dict) and "msg" in s for s in said):
        said = "; ".join(f"{_place(s.get('loc'))}: {s['msg']}" for s in said)
    text = said if isinstance(said, str) else orjson.dumps(said).decode() if said else ""
    return " ".join(text.split()), " ".join(codes)


def _place(given: Any) -> str:
    return ".".join(map(str, given)) if isinstance(given, list) else ""
