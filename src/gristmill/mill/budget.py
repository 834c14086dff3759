"""What a run has spent, and where it must stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from gristmill.backends.base import Meter
from gristmill.backends.calling import Calling, Price
from gristmill.errors import BackendError
from gristmill.mill.config import Budget

MILLION = 1_000_000


class Spent(NamedTuple):
    """Over all resumes of a run. Every record of the checkpoint has one."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    judge_tokens: int = 0
    usd: float = 0.0

    def or_later(self, noted: Sequence[Any] | None) -> Spent:
        """The later of these totals and noted ones (`as_list`) of the same run: which has more
        requests."""
        return self if noted is None or noted[0] < self.requests else Spent(*noted)

    def as_list(self) -> list[float]:
        """For the checkpoint."""
        return list(self)


class Purse(Meter):
    """Counts requests, tokens and dollars, and says no at the budget's limits.

    A request over the limit is refused before it is sent. Tokens are known only afterwards: past
    their limit no new prompt starts, so that at most the prompts in flight go over it.
    """

    def __init__(self, budget: Budget, before: Spent, prices: Sequence[Price]) -> None:
        """prices: of the generating model, then of each judge in order."""
        self._budget = budget
        self.prices = prices
        self.requests = before.requests
        self.prompt_tokens = before.prompt_tokens
        self.completion_tokens = before.completion_tokens
        self.judge_tokens = before.judge_tokens
        self.usd = before.usd
        self.closed = ""
        """Why no further call for prompts may be sent; empty while they may."""

    def take_request(self) -> None:
        limit = self._budget.requests
        if limit is not None and self.requests >= limit:
            raise BackendError("budget", f"the budget of {limit} requests is spent")
        if self.closed:
            raise BackendError("budget", self.closed)
        self.requests += 1

    def add_response(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Count one answer of the generating model."""
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        price = self.prices[0]
        self.usd += (price.input * prompt_tokens + price.output * completion_tokens) / MILLION

    def add_call(self, price: Price, prompt_tokens: int, completion_tokens: int) -> None:
        """Count one answer of a model that writes prompts."""
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.usd += (price.input * prompt_tokens + price.output * completion_tokens) / MILLION
        if (b := self._budget).tokens is not None and self._tokens() >= b.tokens:
            self.closed = f"budget.tokens: {self._tokens():,} of {b.tokens:,} used"
        elif b.usd is not None and self.usd >= b.usd:
            self.closed = f"budget.usd: {self.usd:.2f} of {b.usd:.2f} spent"

    def add_cost(self, usd: float) -> None:
        """Count dollars beyond the prices: a call that was to be one of a batch was made alone."""
        self.usd += usd

    def _tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens + self.judge_tokens

    def add_verdict(self, judge: int, tokens: int) -> None:
        """Count one verdict of the `judge`-th judge. Its tokens are counted at the input price."""
        self.judge_tokens += tokens
        self.usd += self.prices[1 + judge].input * tokens / MILLION

    def exhausted(self, next_calls: int) -> str:
        """Why no new prompt of so many calls may start; empty if it may."""
        b = self._budget
        if b.requests is not None and self.requests + next_calls > b.requests:
            used = f"{self.requests:,} of {b.requests:,} sent"
            return f"budget.requests: {used}, the next prompt may need more than are left"
        tokens = self._tokens()
        if b.tokens is not None and tokens >= b.tokens:
            return f"budget.tokens: {tokens:,} of {b.tokens:,} used"
        if b.usd is not None and self.usd >= b.usd:
            return f"budget.usd: {self.usd:.2f} of {b.usd:.2f} spent"
        return ""

    def spent(self) -> Spent:
        """The totals now."""
        return Spent(
            self.requests,
            self.prompt_tokens,
            self.completion_tokens,
            self.judge_tokens,
            self.usd,
        )


def prices(callings: Sequence[object]) -> list[Price]:
    """What each part that calls a model pays for it; nothing for one that calls none."""
    return [c.paid if isinstance(c, Calling) else Price() for c in callings]
