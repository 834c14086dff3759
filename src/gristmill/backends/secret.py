"""Keys, and that nobody sees them."""

from __future__ import annotations

import os
import re

from gristmill.errors import ConfigError, MissingKey

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LIKE_A_KEY = re.compile(r"(?=.*\d).*[A-Za-z0-9]{16}.*")
"""No words have that many letters and digits in a row."""


class Secret:
    """A key that no repr, log or traceback shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Secret(***)" if self._value else "Secret()"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def reveal(self) -> str:
        """The key itself: for the Authorization header alone."""
        return self._value

    def redact(self, text: str) -> str:
        """`text` without the key, should a server have echoed it."""
        return text.replace(self._value, "[key]") if self._value and self._value in text else text


def variable(name: str) -> str:
    """The name of an environment variable. Raises ConfigError where it is none, or looks like the
    key itself, which it does not repeat."""
    if not _NAME.fullmatch(name) or (_LIKE_A_KEY.fullmatch(name) and name not in os.environ):
        raise ConfigError(
            "name the environment variable that holds the key, such as MY_KEY, and not the key "
            "itself, which would stand in files for others to read"
        )
    return name


def read_key(name: str | None, what: str) -> Secret:
    """The key in an environment variable; empty where none is named. what: needs it.

    Raises MissingKey where the variable is not set, ConfigError where no header can carry the key.
    """
    if name is None:
        return Secret("")
    key = os.environ.get(variable(name), "").strip()
    if not key:
        raise MissingKey(
            f"{what} needs a key: set the environment variable {name}, "
            f"for instance `export {name}=...`"
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"the key in {name} holds characters that no HTTP header can carry")
    return Secret(key)
