"""The functions of a Python package of the user's, called in this process."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import field_validator

from gristmill.errors import ConfigError
from gristmill.parts import users_own
from gristmill.tools._function import as_text, described, functions, why
from gristmill.tools.base import Answers, Asked, ToolError, ToolSource

T = TypeVar("T")


class Functions(ToolSource):
    """`{python: my_pkg.tools}`: the functions of a module, with type hints and docstrings."""

    python: str
    """The module. Importing it and calling its functions runs the user's own code, here and with
    no limit but the time that a call may take; a script that nobody vouches for is `file`."""

    @field_validator("python")
    @classmethod
    def _module(cls, name: str) -> str:
        if name.endswith(".py"):
            raise ValueError(
                f"a script in the sandbox is {{file: {name}}}; a module that is imported here is "
                "named as Python imports it, my_pkg.tools"
            )
        if ":" in name:
            raise ValueError("name the module alone, and with `only: [...]` what is meant of it")
        return name

    def _functions(self) -> dict[str, Callable[..., Any]]:
        found = functions(vars(users_own(self.python, "tools.python")))
        if not found:
            raise ConfigError(
                f"tools.python: '{self.python}' defines no function; write functions with type "
                "hints, or name those of another module in its `__all__`"
            )
        return found

    def listed(self) -> list[dict[str, Any]]:
        try:
            return [described(name, function) for name, function in self._functions().items()]
        except TypeError as error:
            raise ConfigError(f"tools.python: {self.python}: {error}") from None

    def open(self) -> Answers:
        return _Calls(self._functions())


class _Calls(Answers):
    def __init__(self, found: dict[str, Callable[..., Any]]) -> None:
        self._functions = found

    async def answer(self, asked: Asked) -> str:
        function = self._functions[asked.name]
        if inspect.iscoroutinefunction(function):
            return as_text(await function(**asked.arguments))
        return await _beside(lambda: as_text(function(**asked.arguments)))


async def _beside(work: Callable[[], T]) -> T:
    """What `work` returns, done in a thread of its own, which nobody waits for: a function that
    never returns holds up neither the calls behind it nor the end of the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(settle: Callable[[Any], None], value: Any) -> None:
        with suppress(RuntimeError):  # the loop may be closed by then
            loop.call_soon_threadsafe(lambda: None if done.done() else settle(value))

    def call() -> None:
        try:
            value = work()
        except BaseException as error:  # SystemExit, too, is the function's own
            tell(done.set_exception, ToolError(why(error)))
        else:
            tell(done.set_result, value)

    threading.Thread(target=call, name="gristmill tool", daemon=True).start()
    return await done
