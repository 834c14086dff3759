"""The answer's objects as the tests see them: what is done to one is done in the other process.

No comparison with a value of the tests is left to the answer: it would learn what is expected, and
could say that it is equal. An object equals a plain value only if it extends that value's class and
the plain part, brought here, is equal. Two objects of the answer are compared by the answer, as it
made both.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from gristmill.judges._code.wire import Unsendable


class Asks(Protocol):
    """The tests' end of the wire, as far as an object of the answer's needs it."""

    def call(self, on: Remote, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the object."""
        ...

    def ask_about(self, on: Remote, name: str, *args: Any) -> Any:
        """What an operator or a built-in function does with the object."""
        ...


class Remote:
    """One object of the answer's: a function, a class, an instance of one."""

    __slots__ = ("__client", "__number")

    def __init__(self, client: Asks, number: int) -> None:
        object.__setattr__(self, "_Remote__client", client)
        object.__setattr__(self, "_Remote__number", number)

    def __ask(self, name: str, *args: Any) -> Any:
        return self.__client.ask_about(self, name, *args)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__client.call(self, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return self.__ask("getattr", name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.__ask("setattr", name, value)

    def __delattr__(self, name: str) -> None:
        self.__ask("delattr", name)

    def __hash__(self) -> int:
        return hash(self.__number)

    def __eq__(self, other: object) -> bool:
        if type(other) is Remote:
            return self is other or self.__ask("eq", other) is True
        plain = self.__ask("plain")
        return type(plain) is list and len(plain) == 1 and plain[0] == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __iter__(self) -> Iterator[Any]:
        return _items(self.__ask("iter"))

    def __next__(self) -> Any:
        return self.__ask("next")

    def __contains__(self, wanted: object) -> bool:
        if self.__ask("has", "__contains__") and not self.__ask("has", "__iter__"):
            raise Unsendable(
                "the tests ask an object of the answer's own class whether it contains a value; "
                "the answer cannot be trusted with that. Let them call a method instead"
            )
        return any(item is wanted or item == wanted for item in self)

    def __await__(self) -> Any:
        yield from ()
        return self.__ask("await")

    def __exit__(self, kind: Any, error: Any, trace: object) -> Any:
        return self.__ask("__exit__", kind, error, None)

    def __mro_entries__(self, bases: object) -> tuple[type, ...]:
        raise Unsendable("the tests derive a class from one of the answer's")


def _forwarded(name: str, asked: str) -> Callable[..., Any]:
    def method(self: Remote, *args: Any) -> Any:
        return self._Remote__ask(asked, *args)  # type: ignore[attr-defined]

    method.__name__ = name
    return method


def _ordered(name: str, compare: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def method(self: Remote, other: object) -> Any:
        ask = self._Remote__ask  # type: ignore[attr-defined]
        if type(other) is Remote:
            return ask(name, other)
        plain = ask("plain")
        return compare(plain[0], other) if plain else NotImplemented

    return method


_ARITHMETIC = (
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow"),
    *("lshift", "rshift", "and", "xor", "or"),
)
_UNARY = (
    *("neg", "pos", "abs", "invert", "int", "float", "complex", "index", "round"),
    *("trunc", "floor", "ceil", "reversed", "enter"),
)
for _name in (*_ARITHMETIC, *(f"r{n}" for n in _ARITHMETIC), *_UNARY):
    setattr(Remote, f"__{_name}__", _forwarded(f"__{_name}__", f"__{_name}__"))
for _name in ("getitem", "setitem", "delitem", "bool", "len", "repr", "str", "format", "dir"):
    setattr(Remote, f"__{_name}__", _forwarded(f"__{_name}__", _name))
for _name in ("isinstance", "issubclass"):
    _method = f"__{_name.removeprefix('is')}check__".replace("issub", "sub")
    setattr(Remote, _method, _forwarded(_method, _name))
for _name, _compare in {
    "__lt__": operator.lt, "__le__": operator.le, "__gt__": operator.gt, "__ge__": operator.ge
}.items():  # fmt: skip
    setattr(Remote, _name, _ordered(_name, _compare))


def _items(source: Any) -> Iterator[Any]:
    while True:
        try:
            item = next(source)
        except StopIteration:
            return
        yield item
