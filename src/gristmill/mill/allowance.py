"""What each shard of a run may spend and is to reach, agreed before the first of them begins.

The shares are even, fixed in one file, and ask for no talk between the shards: none spends or makes
more than its own, so all together spend no more than the run may. What one leaves over, or what is
missing in the input's order, the run that decides sees to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import orjson
from pydantic import TypeAdapter

from gristmill.errors import CheckpointError
from gristmill.mill.budget import Spent
from gristmill.mill.config import Budget, Config
from gristmill.mill.shard import Shard
from gristmill.storage import write_atomically


class Limits(NamedTuple):
    """Of what one journal may come to, or what is left of that; None is no limit."""

    requests: float | None = None
    tokens: float | None = None
    usd: float | None = None

    def plus(self, other: Sequence[float | None], sign: int = 1) -> Limits:
        """These and others together. What has no limit in one has none in the other."""
        pairs = zip(self, other, strict=True)
        return Limits(*(a if a is None or b is None else a + sign * b for a, b in pairs))

    def rest(self, spent: Spent) -> Limits:
        """What is left when so much is spent; never less than nothing."""
        left = self.plus(_as_limits(spent), -1)
        return Limits(*(None if a is None else max(a, 0) for a in left))


def _as_limits(spent: Spent) -> Limits:
    tokens = spent.prompt_tokens + spent.completion_tokens + spent.judge_tokens
    return Limits(spent.requests, tokens, spent.usd)


@dataclass(frozen=True)
class Allowance:
    """What was agreed among the shards of one round, which lasts until a run decides.

    limits: what each shard's own journal may come to; targets: accepted prompts of each.
    """

    id: str
    of: int
    target: int | None
    budget: dict[str, Any]
    limits: list[Limits]

    @classmethod
    def of_shards(cls, config: Config, of: int, spent: Spent, before: Sequence[Spent]) -> Allowance:
        """Share out what is left of a budget. spent: over all journals; before: in each shard's."""
        budget = config.budget
        left = Limits(budget.requests, budget.tokens, budget.usd).rest(spent)
        limits = [
            Limits(*_shares(left, of, place)).plus(_as_limits(own))
            for place, own in enumerate(before)
        ]
        return cls(uuid4().hex, of, config.target, budget.model_dump(), limits)

    @classmethod
    def read(cls, path: Path) -> Allowance | None:
        """What was agreed, or None if nothing is."""
        try:
            found = TypeAdapter(cls).validate_json(path.read_bytes())
            if len(found.limits) != found.of:
                raise ValueError(found.of)
            return found
        except FileNotFoundError:
            return None
        except ValueError:
            raise CheckpointError(
                f"{path}: damaged; decide over what the shards have made, with a run without "
                "--shard, and start them again"
            ) from None

    def write(self, path: Path) -> None:
        said = {**asdict(self), "limits": [list(limits) for limits in self.limits]}
        write_atomically(path, orjson.dumps(said))

    def suits(self, config: Config, of: int) -> bool:
        """Whether it was agreed for so many shards, this target and this budget."""
        asked = of, config.target, config.budget.model_dump()
        return (self.of, self.target, self.budget) == asked

    def share(self, config: Config, shard: Shard, limits: Limits) -> Config:
        """The config as one shard has it. limits: of the journal that it is made into."""
        budget = Budget.model_construct(**limits._asdict())
        target = None
        if self.target is not None:
            target = self.target // self.of + (shard.number <= self.target % self.of)
        return config.model_copy(update={"budget": budget, "target": target})


def _shares(left: Limits, of: int, place: int) -> Limits:
    def whole(number: float | None) -> float | None:
        return None if number is None else number // of + (place < number % of)

    return Limits(
        whole(left.requests), whole(left.tokens), None if left.usd is None else left.usd / of
    )
