"""Keys, and that nobody sees them."""

from __future__ import annotations


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
