"""The answer's process: it loads the code, serves calls to it, and knows nothing of the tests."""

from __future__ import annotations

import operator
import os
import sys
import types
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from io import TextIOBase
from typing import Any

from gristmill.judges._code.wire import Broken, Unsendable, Wire

_SAID = 1 << 20
"""Characters that are kept of what a call prints."""
_MUTABLE = (list, dict, set, bytearray)
MODULE = "solution"


class Said(TextIOBase):
    """Standard output: what a call prints travels with its reply."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = _SAID

    def write(self, text: str) -> int:
        if self._room > 0:
            self._parts.append(text[: self._room])
            self._room -= len(text)
        return len(text)

    def take(self) -> str:
        text, self._parts, self._room = "".join(self._parts), [], _SAID
        return text


class Worker(Wire):
    """Answers requests about the objects of one module."""

    def __init__(self, fd: int, said: Said) -> None:
        super().__init__(fd)
        self._said = said
        self._module = types.ModuleType(MODULE)
        self._objects: dict[int, Any] = {}
        self._given: list[Any] = []

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            work: Callable[..., dict[str, Any]] = getattr(self, "do_" + message.pop("op"))
            reply = work(**message)
        except Broken:
            raise
        except BaseException as error:
            reply = {"e": self._error(error)}
        said = self._said.take()
        return {**reply, "out": said} if said else reply

    def do_load(self, source: str) -> dict[str, Any]:
        """Execute the answer's code as a module; its public names."""
        path = f"{MODULE}.py"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
            file.write(source.encode("utf-8", "surrogatepass"))
        self._module = types.ModuleType(MODULE)
        self._module.__file__ = path
        sys.modules[MODULE] = self._module
        SourceFileLoader(MODULE, path).exec_module(self._module)
        names = vars(self._module).get("__all__") or vars(self._module)
        return {"v": [name for name in names if not name.startswith("_")]}

    def do_name(self, name: str) -> dict[str, Any]:
        """The value of a name of the module."""
        return {"v": self.encode(getattr(self._module, name))}

    def do_call(self, on: Any, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Call an object; with the result goes what became of arguments that it changed."""
        function = self.decode(on)
        given = [self.decode(arg) for arg in args]
        named = {name: self.decode(arg) for name, arg in kwargs.items()}
        before, self._given = self._given, given
        try:
            found = self.encode(function(*given, **named))
            now = [self._changed(a, b) for a, b in zip(args, given, strict=True)]
        finally:
            self._given = before
        return {"v": found, "args": now} if any(now) else {"v": found}

    def do_special(self, on: Any, name: str, args: list[Any]) -> dict[str, Any]:
        """What an operator or a built-in function does with an object."""
        value, given = self.decode(on), [self.decode(arg) for arg in args]
        if function := _FUNCTIONS.get(name):
            return {"v": self.encode(function(value, *given))}
        method = getattr(type(value), name, None)
        return {"v": self.encode(NotImplemented if method is None else method(value, *given))}

    def encode(self, value: Any, depth: int = 0) -> Any:
        if type(value) in _MUTABLE:
            for place, given in enumerate(self._given):
                if value is given:
                    return {"t": "given", "v": place}
        return super().encode(value, depth)

    def other(self, value: Any) -> Any:
        """A handle; of what the other side makes something of its own from, also what it is."""
        if type(value) is Callback:
            return {"t": "yours", "v": value.number}
        if type(value) is types.ModuleType and value.__name__ in sys.stdlib_module_names:
            return {"t": "module", "v": value.__name__}
        if isinstance(value, _VIEWS):
            return [self.encode(item) for item in value]
        self._objects[id(value)] = value
        if isinstance(value, type) and issubclass(value, BaseException):
            return {"t": "error", "v": [id(value), _names(value)]}
        if isinstance(value, types.GeneratorType):
            return {"t": "generator", "v": id(value)}
        if isinstance(value, types.CoroutineType):
            return {"t": "coroutine", "v": id(value)}
        return {"t": "ref", "v": [id(value), type(value).__name__]}

    def special(self, kind: str, value: Any) -> Any:
        if kind == "mine":
            return self._objects[value]
        if kind == "callback":
            return Callback(self, value)
        if kind == "iterator":
            return iter([self.decode(item) for item in value])
        if kind == "builtin":
            return getattr(__import__("builtins"), value)
        if kind == "raised":
            return self.decode(value[0])(*map(self.decode, value[1]))
        return super().special(kind, value)

    def _changed(self, before: Any, now: Any) -> Any:
        if type(now) not in _MUTABLE:
            return None
        try:
            after = Wire.encode(self, now)
        except RecursionError:
            return None
        return None if after == before else [after]

    def _error(self, error: BaseException) -> dict[str, Any]:
        """An exception: the names of its class and bases, nearest first, and what it holds."""
        self._objects[id(type(error))] = type(error)
        found: dict[str, Any] = {"names": _names(type(error)), "id": id(type(error))}
        try:
            found["args"] = [self.encode(arg) for arg in error.args]
            found["vars"] = {k: self.encode(v) for k, v in vars(error).items()}
            found["text"] = str(error)[:10_000]
        except Exception:
            found.update(args=[], vars={}, text="")
        return found


class Callback:
    """A function of the tests, as the answer sees it."""

    def __init__(self, worker: Worker, number: int) -> None:
        self._worker, self.number = worker, number

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        encode = self._worker.encode
        reply = self._worker.ask(
            "callback",
            number=self.number,
            args=[encode(a) for a in args],
            kwargs={k: encode(v) for k, v in kwargs.items()},
        )
        if "e" in reply:
            raise self._worker.decode(reply["e"])
        return self._worker.decode(reply["v"])


def _names(kind: type) -> list[str]:
    return [base.__name__ for base in kind.__mro__]


def _plain(value: Any) -> list[Any]:
    """An object of a class that extends a plain one, as that plain value; nothing of others."""
    return [copy(value) for base, copy in _COPIES.items() if isinstance(value, base)][:1]


_COPIES: dict[type, Callable[[Any], Any]] = {
    int: int.__index__,
    float: float.__float__,
    complex: complex.__complex__,
    str: str.__str__,
    bytes: lambda v: bytes.__getitem__(v, slice(None)),
    list: lambda v: list(list.__iter__(v)),
    tuple: lambda v: tuple(tuple.__iter__(v)),
    set: lambda v: set(set.__iter__(v)),
    frozenset: lambda v: frozenset(frozenset.__iter__(v)),
    dict: lambda v: dict(dict.items(v)),
}
_VIEWS = (type({}.keys()), type({}.values()), type({}.items()))
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "getitem": operator.getitem,
    "setitem": operator.setitem,
    "delitem": operator.delitem,
    "getattr": getattr,
    "setattr": setattr,
    "delattr": delattr,
    "isinstance": lambda kind, value: isinstance(value, kind),
    "issubclass": lambda kind, value: issubclass(value, kind),
    "bool": bool,
    "len": len,
    "iter": iter,
    "next": next,
    "has": lambda value, name: hasattr(type(value), name),
    "repr": repr,
    "str": str,
    "format": format,
    "dir": dir,
    "plain": _plain,
    "eq": operator.eq,
    "await": lambda value: _run(value),
    "send": lambda generator, value: generator.send(value),
}


def _run(value: Any) -> Any:
    """The result of something that is awaited."""
    import asyncio  # takes longer than all else that is loaded here

    async def awaited() -> Any:
        return await value

    return asyncio.run(awaited())


def main() -> None:
    """Serve the process at the other end of standard input until it closes."""
    fd = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    said = Said()
    sys.stdout = said
    sys.argv = [f"{MODULE}.py"]
    try:
        Worker(fd, said).serve()
    except (Broken, Unsendable):
        os._exit(0)
