"""What passes between the tests and the answer: requests, replies, and plain values as JSON."""

from __future__ import annotations

import json
import os
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from typing import Any

MOST = 16 << 20
"""Bytes of one message."""
_DEEPEST = 60
"""Containers within containers."""
_EXACT = 1 << 53
_PLAIN = (int, float, str, bytes, bool, list, tuple, dict, set, frozenset, complex, type(None))
_TYPES: dict[str, type] = {kind.__name__: kind for kind in (*_PLAIN, object)}
_ERRORS: dict[str, type[BaseException]] = {
    name: kind
    for name, kind in vars(__import__("builtins")).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
}


def _imported(module: str, name: str) -> Any:
    # Only where it is needed: each takes milliseconds, and two processes start for each answer.
    return getattr(__import__(module), name)


_WRITE: dict[str, Callable[[Any], Any]] = {
    "decimal.Decimal": str,
    "fractions.Fraction": lambda v: [hex(v.numerator), hex(v.denominator)],
    "datetime.datetime": lambda v: v.isoformat(),
    "datetime.date": lambda v: v.isoformat(),
    "datetime.time": lambda v: v.isoformat(),
    "datetime.timedelta": lambda v: [v.days, v.seconds, v.microseconds],
}
_READ: dict[str, Callable[[Any], Any]] = {
    "int": lambda v: int(v, 16),
    "complex": lambda v: complex(*v),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "range": lambda v: range(*(n if type(n) is int else int(n["v"], 16) for n in v)),
    "constant": lambda v: {"NotImplemented": NotImplemented, "Ellipsis": Ellipsis}[v],
    "type": lambda v: _TYPES.get(v) or _ERRORS[v],
    "Decimal": lambda v: _imported("decimal", "Decimal")(v),
    "Fraction": lambda v: _imported("fractions", "Fraction")(*(int(n, 16) for n in v)),
    "datetime": lambda v: _imported("datetime", "datetime").fromisoformat(v),
    "date": lambda v: _imported("datetime", "date").fromisoformat(v),
    "time": lambda v: _imported("datetime", "time").fromisoformat(v),
    "timedelta": lambda v: _imported("datetime", "timedelta")(*v),
}
_CONTAINERS: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": deque,
    "slice": lambda parts: slice(*parts),
}
_MAPPINGS: dict[str, Callable[[Any], Any]] = {
    "dict": dict,
    "OrderedDict": OrderedDict,
    "Counter": Counter,
}


class Fault(BaseException):
    """Not an Exception, so that hardly a test catches it; the first of each kind is kept in case
    one does."""

    first = ""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        type(self).first = type(self).first or reason


class Broken(Fault):
    """The other side is gone, or says what makes no sense."""


class Unsendable(Fault):
    """A value that cannot cross, as its behaviour would be needed on the other side."""


class Wire:
    """One end. A request waits for its reply, and meanwhile answers the other side's requests."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def ask(self, op: str, **values: Any) -> dict[str, Any]:
        """The other side's reply to a request."""
        self._send({"op": op, **values})
        while "op" in (message := self._receive()):
            self._send(self.answer(message))
        return message

    def serve(self) -> None:
        """Answer requests until the other side closes."""
        while True:
            self._send(self.answer(self._receive()))

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """The reply to a request."""
        raise NotImplementedError

    def other(self, value: Any) -> Any:
        """How a value that is not plain is written. Raises Unsendable."""
        raise Unsendable(f"an object of type '{type(value).__name__}'")

    def special(self, kind: str, value: Any) -> Any:
        """The value behind what only one of the sides writes."""
        raise Broken(f"unknown kind of value {kind!r}")

    def encode(self, value: Any, depth: int = 0) -> Any:
        """A value as JSON has it: itself, or `{"t": kind, "v": content}`."""
        kind = type(value)
        if value is None or kind in (bool, str, float):
            return value
        if kind is int:
            # Decimal digits of large numbers take quadratic time, and Python refuses them.
            return value if -_EXACT < value < _EXACT else {"t": "int", "v": hex(value)}
        if depth > _DEEPEST:
            return self.other(value)
        if kind is list:
            return [self.encode(item, depth + 1) for item in value]
        if kind in (tuple, set, frozenset, deque):
            name = "deque" if kind is deque else kind.__name__
            return {"t": name, "v": [self.encode(item, depth + 1) for item in value]}
        if kind in (dict, OrderedDict, Counter, defaultdict):
            pairs = [[self.encode(part, depth + 1) for part in pair] for pair in value.items()]
            return {"t": "dict" if kind is defaultdict else kind.__name__, "v": pairs}
        if kind in (bytes, bytearray):
            return {"t": kind.__name__, "v": value.hex()}
        if kind is complex:
            return {"t": "complex", "v": [value.real, value.imag]}
        if kind is range:
            return {
                "t": "range",
                "v": [self.encode(n) for n in (value.start, value.stop, value.step)],
            }
        if kind is slice:
            parts = (value.start, value.stop, value.step)
            return {"t": "slice", "v": [self.encode(part, depth + 1) for part in parts]}
        return self._less_common(value, kind, depth)

    def _less_common(self, value: Any, kind: type, depth: int) -> Any:
        if kind is type and _TYPES.get(value.__name__) is value:
            return {"t": "type", "v": value.__name__}
        if kind is type and _ERRORS.get(value.__name__) is value:
            return {"t": "type", "v": value.__name__}
        if kind is type(NotImplemented) or kind is type(Ellipsis):
            return {"t": "constant", "v": repr(value)}
        if written := _WRITE.get(f"{kind.__module__}.{kind.__name__}"):
            return {"t": kind.__name__, "v": written(value)}
        if isinstance(value, tuple) and _is_named(kind):
            fields = [list(kind._fields), kind.__name__]  # type: ignore[attr-defined]
            return {"t": "named", "v": [fields, [self.encode(v, depth + 1) for v in value]]}
        return self.other(value)

    def decode(self, found: Any) -> Any:
        """The value that was written. Raises Broken."""
        if type(found) is list:
            return [self.decode(item) for item in found]
        if type(found) is not dict:
            return found
        kind, value = found["t"], found["v"]
        if read := _READ.get(kind):
            return read(value)
        if kind in _CONTAINERS:
            return _CONTAINERS[kind](self.decode(item) for item in value)
        if kind in _MAPPINGS:
            return _MAPPINGS[kind]({self.decode(k): self.decode(v) for k, v in value})
        if kind == "named":
            (fields, name), values = value
            return namedtuple(name, fields)(*map(self.decode, values))
        return self.special(kind, value)

    def _send(self, message: dict[str, Any]) -> None:
        if Broken.first:
            raise Broken(Broken.first)
        data = json.dumps(message).encode()
        if len(data) > MOST:
            data = json.dumps(_too_large(message)).encode()
        data = len(data).to_bytes(4, "big") + data
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:
            raise Broken("it is gone") from None

    def _receive(self) -> dict[str, Any]:
        length = int.from_bytes(self._exactly(4), "big")
        if length > MOST:
            raise Broken(f"it sent more than {MOST} bytes")
        try:
            message = json.loads(self._exactly(length))
        except (ValueError, RecursionError, MemoryError):
            raise Broken("it sent what cannot be read") from None
        if type(message) is not dict:
            raise Broken("it sent what is no message")
        return message

    def _exactly(self, count: int) -> bytes:
        parts = []
        while count:
            try:
                part = os.read(self._fd, min(count, 1 << 20))
            except OSError:
                part = b""
            if not part:
                raise Broken("it is gone")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


def known_error(name: Any) -> type[BaseException] | None:
    """The built-in exception of that name."""
    return _ERRORS.get(name) if isinstance(name, str) else None


def _too_large(message: dict[str, Any]) -> dict[str, Any]:
    if "op" in message:
        raise Unsendable(f"a value of more than {MOST} bytes")
    text = f"the value is larger than {MOST} bytes"
    return {"e": {"names": ["ValueError"], "args": [text], "text": text}}


def _is_named(kind: type) -> bool:
    """Whether a class is a plain named tuple, without methods of its own."""
    plain = namedtuple("plain", "x")
    return kind.__bases__ == (tuple,) and hasattr(kind, "_fields") and set(vars(kind)) <= {
        *vars(plain), *kind._fields, "__annotations__", "__orig_bases__"  # type: ignore[attr-defined]
    }  # fmt: skip
