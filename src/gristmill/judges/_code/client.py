"""The tests' end of the wire: it hands out the answer's objects, and checks all that comes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from gristmill.judges._code.remote import Remote
from gristmill.judges._code.wire import Broken, Unsendable, Wire, known_error

_LONGEST = 1_000_000
"""Items of an iterator that the tests hand over."""
_VIEWS = (type({}.keys()), type({}.values()), type({}.items()))
_TEXT = "_said"


class Client(Wire):
    """The tests' end. Whatever the answer's process sends is checked, or it is `Broken`."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._callbacks: list[Callable[..., Any]] = []
        self._errors: dict[int, type[BaseException]] = {}
        self._given: list[Any] = []
        self._remotes: dict[int, Remote] = {}
        self.hides_end = False
        """Whether an answer's function that raises StopIteration raises RuntimeError instead, as
        a generator's does since Python 3.7 (PEP 479)."""

    def load(self, source: str) -> list[str]:
        """Execute the answer's code. Its public names; raises what it raises."""
        names = self._result(self.ask("load", source=source))
        with _checked():
            return [name for name in names if type(name) is str and name.isidentifier()]

    def name(self, name: str) -> Any:
        """The value of a name of the answer's. Raises AttributeError."""
        return self._result(self.ask("name", name=name))

    def call(self, on: Remote, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call an object of the answer's, and carry over what that did to the arguments."""
        named = {name: self.encode(arg) for name, arg in kwargs.items()}
        given = [self.encode(arg) for arg in args]
        reply = self.ask("call", on=self.encode(on), args=given, kwargs=named)
        before, self._given = self._given, list(args)
        try:
            with _checked():
                for arg, now in zip(args, reply.get("args", ()), strict=False):
                    if now:
                        _become(arg, self.decode(now[0]))
            return self._result(reply)
        except StopIteration as error:
            if not self.hides_end:
                raise
            raise RuntimeError("the answer's function raised StopIteration") from error
        finally:
            self._given = before

    def special(self, kind: str, value: Any) -> Any:
        if kind == "given":
            return self._given[value]
        if kind == "yours":
            return self._callbacks[value]
        if kind == "module" and value in sys.stdlib_module_names:
            return importlib.import_module(value)
        if kind == "error":
            return self._error_class(*value)
        if kind == "generator":
            return _generator(self._remote(value))
        if kind == "coroutine":
            return _coroutine(self._remote(value))
        if kind == "ref":
            return self._remote(value[0])
        return super().special(kind, value)

    def other(self, value: Any) -> Any:
        if type(value) is Remote:
            return {"t": "mine", "v": value._Remote__number}  # type: ignore[attr-defined]
        for number, kind in self._errors.items():
            if value is kind:
                return {"t": "mine", "v": number}
        if isinstance(value, BaseException):
            kind = next(k for k in type(value).__mro__ if known_error(k.__name__) is k)
            return {"t": "raised", "v": [self.encode(kind), [self.encode(a) for a in value.args]]}
        if isinstance(value, Iterator):
            items = list(islice(value, _LONGEST))
            return {"t": "iterator", "v": [self.encode(item) for item in items]}
        if type(value) in _VIEWS:
            return [self.encode(item) for item in value]
        if getattr(value, "__self__", None) is sys.modules["builtins"]:
            return {"t": "builtin", "v": value.__name__}
        if callable(value) and not isinstance(value, type):
            self._callbacks.append(value)
            return {"t": "callback", "v": len(self._callbacks) - 1}
        raise Unsendable(f"the tests hand over an object of type '{type(value).__name__}'")

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Call a function that the tests handed over; the answer can ask for nothing else."""
        if message.get("op") != "callback":
            raise Broken("it asked for what it may not")
        with _checked():
            function = self._callbacks[message["number"]]
            args = [self.decode(arg) for arg in message["args"]]
            kwargs = {str(k): self.decode(v) for k, v in message["kwargs"].items()}
        try:
            return {"v": self.encode(function(*args, **kwargs))}
        except Exception as error:
            return {"e": self.encode(error)}

    def ask_about(self, on: Remote, name: str, *args: Any) -> Any:
        """What an operator or a built-in function does with an object of the answer's."""
        given = [self.encode(arg) for arg in args]
        return self._result(self.ask("special", on=self.encode(on), name=name, args=given))

    def _result(self, reply: dict[str, Any]) -> Any:
        if said := reply.get("out"):
            sys.stdout.write(str(said))
        with _checked():
            if "e" not in reply:
                return self.decode(reply["v"])
            error = self._error(reply["e"])
        raise error

    def _error(self, found: dict[str, Any]) -> BaseException:
        kind = self._error_class(found["id"], found["names"])
        args = [self.decode(arg) for arg in found["args"]]
        try:
            error = kind(*args)
        except TypeError:
            error = kind.__new__(kind)
        vars(error).update({str(k): self.decode(v) for k, v in found["vars"].items()})
        if type(error) in self._errors.values():
            vars(error)[_TEXT] = str(found["text"])
        return error

    def _error_class(self, number: int, names: list[str]) -> type[BaseException]:
        """A built-in class by its name, or one of our own in the place of the answer's."""
        if found := known_error(names[0]):
            return found
        if number not in self._errors:
            base = next(filter(None, map(known_error, names)))
            self._errors[number] = type(str(names[0]), (base,), {"__str__": _text})
        return self._errors[number]

    def _remote(self, number: int) -> Remote:
        if type(number) is not int:
            raise Broken("it sent what makes no sense")
        if number not in self._remotes:
            self._remotes[number] = Remote(self, number)
        return self._remotes[number]


def _text(self: BaseException) -> str:
    return vars(self).get(_TEXT) or BaseException.__str__(self)


@contextmanager
def _checked() -> Iterator[None]:
    """What the answer's process sent is read here: whatever is wrong with it, it is Broken."""
    try:
        yield
    except Exception:
        raise Broken("it sent what makes no sense") from None


def _become(arg: Any, now: Any) -> None:
    """Give a list, dictionary, set or bytearray of the tests the content that it now has."""
    if isinstance(arg, list | bytearray):
        arg[:] = now
    else:
        arg.clear()
        arg.update(now)


def _generator(source: Remote) -> Iterator[Any]:
    sent = None
    ask = source._Remote__ask  # type: ignore[attr-defined]
    while True:
        try:
            item = ask("send", sent)
        except StopIteration as end:
            return end.value
        sent = yield item


async def _coroutine(source: Remote) -> Any:
    return await source
