"""Constraints on how many of something an answer has."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from gristmill.constraints.base import ENDLESS, Constraint, Outcome


class Counted(Constraint):
    """So many of something: `count`, or `at_least`, or `at_most`, or the last two together.

    To add one, override `measure` and set `what` and `usual`.
    """

    what: ClassVar[str]
    """The things counted, in English, for the evidence."""
    usual: ClassVar[range]
    """The numbers that are drawn from."""
    kinds: ClassVar[tuple[str, ...]] = ("count", "at_least", "at_most", "between")
    """The forms that are drawn."""
    inline: ClassVar[bool] = False
    """True if every piece of text adds to the number: what other constraints put into the answer
    counts too."""
    words_each: ClassVar[tuple[float, float]] = (1, ENDLESS)
    """The fewest and the most words that one of them takes, roughly."""

    count: int | None = Field(default=None, ge=1)
    """Exactly so many."""
    at_least: int | None = Field(default=None, ge=1)
    """So many or more."""
    at_most: int | None = Field(default=None, ge=0)
    """So many or fewer."""

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        low, high = self.at_least, self.at_most
        if (self.count is None) == (low is None and high is None):
            raise ValueError("write either 'count', or 'at_least' or 'at_most' or both")
        if low is not None and high is not None and low >= high:
            raise ValueError(f"at_least {low} must be below at_most {high}; for one number: count")
        return self

    def measure(self, text: str) -> int:
        """How many of them there are in an answer."""
        raise NotImplementedError

    def verify(self, text: str) -> Outcome:
        return self.compare(self.measure(text))

    def compare(self, found: int) -> Outcome:
        """Whether so many are as many as are wanted."""
        evidence = f"{self.what}: {found}, wanted {self.wanted}"
        return Outcome(self.low <= found <= self.high, evidence)

    @property
    def low(self) -> int:
        """The smallest number that keeps to it."""
        return self.count or self.at_least or 0

    @property
    def high(self) -> float:
        """The largest number that keeps to it."""
        at_most = ENDLESS if self.at_most is None else self.at_most
        return self.count or at_most

    @property
    def kind(self) -> str:
        """Which amount it is: `exactly`, `at_least`, `at_most` or `between`."""
        if self.count is not None:
            return "exactly"
        if self.at_most is None:
            return "at_least"
        return "at_most" if self.at_least is None else "between"

    @property
    def wanted(self) -> str:
        """The amount in English."""
        amounts = {
            "exactly": "exactly {0}",
            "at_least": "at least {0}",
            "at_most": "at most {1:g}",
            "between": "{0} to {1:g}",
        }
        return amounts[self.kind].format(self.low, self.high)

    def number(self) -> int:
        return self.low if self.high == ENDLESS else int(self.high)

    def values(self, language: str) -> Mapping[str, Any]:
        ends = {"n": self.number(), "low": self.low, "high": self.number()}
        return {**super().values(language), "kind": self.kind, **ends}

    def span(self) -> tuple[float, float]:
        fewest, most = self.words_each
        return self.low * fewest, self.high * most if self.high else ENDLESS

    def agrees(self, other: Constraint) -> bool:
        if not self.inline:
            return True
        return sum(map(self.measure, other.texts())) <= self.high

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        return cls(**cls.amount(random))

    @classmethod
    def amount(cls, random: Random) -> dict[str, int]:
        """Arguments for a random amount of the usual size."""
        kind = random.choice(cls.kinds)
        if kind != "between":
            return {kind: random.choice(cls.usual)}
        low, high = sorted(random.sample(cls.usual, 2))
        return {"at_least": low, "at_most": high}
