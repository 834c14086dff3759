"""One of several shares of a run's prompts, each of which a process of its own makes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from gristmill.errors import ConfigError

MOST = 512
"""Shards of a run at most: whoever decides has the journal of each open."""


@dataclass(frozen=True)
class Shard:
    """Shard `number` of `of`, counted from 1. A prompt falls to one by its key alone, so whatever
    else is in the files, it is always the same one."""

    number: int
    of: int

    @classmethod
    def read(cls, text: str) -> Self:
        """`3/16`. Raises ConfigError."""
        found = re.fullmatch(r"\s*(\d{1,4})\s*/\s*(\d{1,4})\s*", text)
        number, of = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= of <= MOST:
            raise ConfigError(
                f"--shard: '{text}' is no shard; write I/N, from 1/N to N/N, with N up to {MOST}"
            )
        return cls(number, of)

    @property
    def name(self) -> str:
        """Of its folder in the checkpoint."""
        return f"{self.number:03}-of-{self.of:03}"

    def __str__(self) -> str:
        return f"shard {self.number} of {self.of}"

    def has(self, key: int) -> bool:
        """Whether the prompt of this key falls to it."""
        return key % self.of == self.number - 1
