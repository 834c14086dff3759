"""What tests written for pytest use most, as pytest itself is not in the sandbox: `raises`,
`approx`, `mark.parametrize`, and which functions and classes are tests."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

_CASES = "_gristmill_cases"


class Raises:
    """`with raises(ValueError, match="pattern") as info:`"""

    def __init__(self, kinds: Any, match: str | None = None) -> None:
        self._kinds, self._match = kinds, match
        self.value: BaseException | None = None

    def __enter__(self) -> Raises:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: object) -> bool:
        if error is None:
            raise AssertionError(f"nothing was raised, where {self._kinds} was expected")
        if not isinstance(error, self._kinds):
            return False
        self.value = error
        if self._match is not None and not re.search(self._match, str(error)):
            raise AssertionError(f"'{error}' does not match '{self._match}'")
        return True


def raises(kinds: Any, *call: Any, match: str | None = None, **kwargs: Any) -> Raises:
    """A context that demands an exception, or the same of one call."""
    context = Raises(kinds, match)
    if call:
        with context:
            call[0](*call[1:], **kwargs)
    return context


class Approx:
    """Equal to numbers near it: within `rel` of it, 1e-6, or within `abs`, 1e-12; the same for
    each number of a list, tuple or dictionary."""

    def __init__(self, expected: Any, rel: float = 1e-6, abs: float = 1e-12) -> None:
        self._expected, self._rel, self._abs = expected, rel, abs

    def __eq__(self, found: object) -> bool:
        return self._near(found, self._expected)

    def __repr__(self) -> str:
        return f"approx({self._expected!r})"

    def _near(self, found: Any, wanted: Any) -> bool:
        if isinstance(wanted, dict):
            return (
                isinstance(found, dict)
                and found.keys() == wanted.keys()
                and all(self._near(found[key], wanted[key]) for key in wanted)
            )
        if isinstance(wanted, list | tuple):
            return (
                isinstance(found, list | tuple)
                and len(found) == len(wanted)
                and all(map(self._near, found, wanted))
            )
        if isinstance(wanted, int | float) and isinstance(found, int | float):
            return math.isclose(found, wanted, rel_tol=self._rel, abs_tol=self._abs)
        return bool(found == wanted)


class Mark:
    """`mark.parametrize`; every other mark changes nothing."""

    def parametrize(self, names: Any, values: Any, **options: Any) -> Callable[[Any], Any]:
        """Run a test once for each of the values."""
        keys = names.replace(",", " ").split() if isinstance(names, str) else list(names)

        def mark(function: Any) -> Any:
            new = [dict(zip(keys, v if len(keys) > 1 else [v], strict=True)) for v in values]
            cases = getattr(function, _CASES, [{}])
            setattr(function, _CASES, [{**case, **more} for case in cases for more in new])
            return function

        return mark

    def __getattr__(self, name: str) -> Any:
        def mark(*args: Any, **options: Any) -> Any:
            return args[0] if args and callable(args[0]) else lambda function: function

        return mark


def module() -> ModuleType:
    """In the place of `pytest`."""
    found = ModuleType("pytest")
    for name, value in {
        "raises": raises,
        "approx": Approx,
        "mark": Mark(),
        "main": lambda *args, **options: 0,
    }.items():
        setattr(found, name, value)
    return found


def tests(module: ModuleType) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Functions named `test...`, and the methods so named of classes named `Test...`."""
    for name, value in list(vars(module).items()):
        own = getattr(value, "__module__", None) == module.__name__
        if name.startswith("test") and isinstance(value, FunctionType) and own:
            yield from _cases(name, value)
        elif name.startswith("Test") and isinstance(value, type) and own and _is_plain(value):
            for method in vars(value):
                if method.startswith("test"):
                    yield from _cases(f"{name}.{method}", partial(_in_class, value, method))


def _cases(name: str, function: Callable[..., Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
    inner = function if not isinstance(function, partial) else getattr(*function.args)
    for case in getattr(inner, _CASES, [{}]):
        shown = ", ".join(f"{key}={value!r}" for key, value in case.items())
        yield (f"{name}({shown})" if case else name), partial(function, **case)


def _in_class(kind: type, method: str, **case: Any) -> Any:
    """Run one method of a new object, between what sets it up and what clears it away."""
    found: Any = kind()
    getattr(found, "setup_method", lambda *_: None)(*_needed(found, "setup_method", method))
    try:
        return getattr(found, method)(**case)
    finally:
        getattr(found, "teardown_method", lambda *_: None)(
            *_needed(found, "teardown_method", method)
        )


def _needed(found: Any, name: str, method: str) -> list[Any]:
    """The method as an argument, where it is asked for."""
    function = getattr(found, name, None)
    wants = getattr(function, "__code__", None)
    return [getattr(found, method)] if wants and wants.co_argcount > 1 else []


def _is_plain(kind: type) -> bool:
    """Whether it is no class of unittest's, which runs those itself."""
    return all(base.__module__ != "unittest.case" for base in kind.__mro__)
