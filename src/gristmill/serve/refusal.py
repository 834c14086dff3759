"""What is answered in place of what was asked for, in the shape of OpenAI's errors.

    {"error": {"message", "type", "param", "code"}}

A `Refused` is raised wherever a request cannot be answered; the application alone turns it into a
reply. Its message goes to whoever asked, and never holds the key.
"""

from __future__ import annotations

from typing import Any

import orjson

from gristmill.errors import BackendError

_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class Refused(Exception):
    """A request that is not answered.

    status: of the HTTP reply. code: a short stable word. param: the field of the request that is
    wrong. after: seconds after which it is worth asking again. allow: methods that a path knows.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        *,
        param: str | None = None,
        after: int | None = None,
        allow: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.after = after
        self.allow = allow

    @property
    def body(self) -> dict[str, Any]:
        """The reply as JSON has it."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        kind = _TYPES.get(self.status, kind)
        said = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": said}

    @property
    def raw(self) -> bytes:
        """The reply's bytes."""
        return orjson.dumps(self.body)

    @property
    def headers(self) -> dict[str, str]:
        """What the reply says beside them."""
        after = None if self.after is None else str(self.after)
        key = "Bearer" if self.status == 401 else None
        said = {"Retry-After": after, "WWW-Authenticate": key, "Allow": self.allow}
        return {name: value for name, value in said.items() if value is not None}


class Gone(Exception):
    """Whoever asked has hung up."""


def refused_by(error: BackendError, where: str = "") -> Refused:
    """What a model's refusal is to whoever asked. where: the part of the request it concerns."""
    message = f"{where}: {error}" if where else str(error)
    if error.kind == "too_long":
        # Clients know it by OpenAI's words, and not by its code.
        message = f"{message} (this model's maximum context length is exceeded: send less)"
        return Refused(400, message, "context_length_exceeded", param=where or None)
    if error.kind == "bad_request":
        return Refused(400, message, "invalid_value", param=where or None)
    return Refused(500, message, error.kind)


def stopping() -> Refused:
    """What is answered while the server comes to its end."""
    return Refused(503, "the server is stopping; ask another one", "stopping", after=5)
