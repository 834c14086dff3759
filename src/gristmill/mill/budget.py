"""What a run has spent, and where it must stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any, NamedTuple

from gristmill.backends.base import Meter
from gristmill.backends.calling import Calling, Price
from gristmill.errors import BackendError
from gristmill.mill.config import Budget
from gristmill.page.text import plural

MILLION = 1_000_000


class Spent(NamedTuple):
    """Over all resumes of a run. Every record of the checkpoint has one."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    judge_tokens: int = 0
    usd: float = 0.0

    def or_later(self, noted: Sequence[Any] | None) -> Spent:
        """The later of these totals and noted ones (`as_list`) of the same run: none of them ever
        falls."""
        return self if noted is None else max(self, Spent(*noted))

    def as_list(self) -> list[float]:
        """For the checkpoint."""
        return list(self)

    def plus(self, other: Spent, sign: int = 1) -> Spent:
        """These totals and others together."""
        return Spent(
            self.requests + sign * other.requests,
            self.prompt_tokens + sign * other.prompt_tokens,
            self.completion_tokens + sign * other.completion_tokens,
            self.judge_tokens + sign * other.judge_tokens,
            self.usd + sign * other.usd,
        )

    @staticmethod
    def total(several: Iterable[Spent]) -> Spent:
        """What was spent in several places together."""
        return reduce(Spent.plus, several, Spent())


NOTHING = Spent()


class Purse(Meter):
    """Counts requests, tokens and dollars, and says no at the budget's limits.

    A request over the limit is refused before it is sent. Tokens are known only afterwards: past
    their limit no new prompt starts, so that at most the prompts in flight go over it.
    """

    def __init__(
        self,
        budget: Budget,
        before: Spent,
        answering: Sequence[Price] = (),
        judging: Sequence[Price] = (),
        elsewhere: Spent = NOTHING,
    ) -> None:
        """answering, judging: prices of the models that answer, and behind them of those that play
        tools, and of the judges, each in order.
        before: what this journal has of earlier sessions; elsewhere: what the run's other journals
        have."""
        self._budget = budget
        self._answering, self._judging = answering, judging
        self._elsewhere = elsewhere
        self.requests, self.prompt_tokens, self.completion_tokens, self.judge_tokens, self.usd = (
            Spent.total((before, elsewhere))
        )
        self.closed = ""
        """Why no further call for prompts may be sent; empty while they may."""
        self.fence: Callable[[], bool] | None = None
        """Of work that another process may take up: whether it is one's own still."""

    def take_request(self) -> None:
        limit = self._budget.requests
        if limit is not None and self.requests >= limit:
            raise BackendError("budget", f"the budget of {plural(limit, 'request')} is spent")
        if self.closed:
            raise BackendError("budget", self.closed)
        if self.fence is not None and not self.fence():
            raise BackendError("budget", "another process took up this work")
        self.requests += 1

    @property
    def priced(self) -> bool:
        """Whether any model has a price."""
        return any(p.input or p.output for p in (*self._answering, *self._judging))

    def add_response(self, prompt_tokens: int, completion_tokens: int, by: int = 0) -> None:
        """Count one answer of the `by`-th model that answers."""
        self.add_played(self._answering[by], prompt_tokens, completion_tokens)

    def add_played(self, price: Price, prompt_tokens: int, completion_tokens: int) -> None:
        """Count one answer of a model that plays a tool."""
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.usd += cost(price, prompt_tokens, completion_tokens)

    def add_call(self, price: Price, prompt_tokens: int, completion_tokens: int) -> None:
        """Count one answer of a model that writes prompts."""
        self.add_played(price, prompt_tokens, completion_tokens)
        if (b := self._budget).tokens is not None and self._tokens() >= b.tokens:
            self.closed = f"budget.tokens: {self._tokens():,} of {b.tokens:,} used"
        elif b.usd is not None and self.usd >= b.usd:
            self.closed = f"budget.usd: {self.usd:.2f} of {b.usd:.2f} spent"

    def add_cost(self, usd: float) -> None:
        """Count dollars beyond the prices: a call that was to be one of a batch was made alone."""
        self.usd += usd

    def _tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens + self.judge_tokens

    def add_judging(self, judge: int, read: int, written: int = 0) -> None:
        """Count what one answer of the `judge`-th judge's model took, or a verdict of one that
        writes nothing."""
        self.judge_tokens += read + written
        self.usd += cost(self._judging[judge], read, written)

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
        """What this journal is to know as spent: the totals without what the others know."""
        total = self.total()
        return total.plus(self._elsewhere, -1) if any(self._elsewhere) else total

    def total(self) -> Spent:
        """The totals now, over all journals."""
        return Spent(
            self.requests,
            self.prompt_tokens,
            self.completion_tokens,
            self.judge_tokens,
            self.usd,
        )


def cost(price: Price, read: float, written: float) -> float:
    """What tokens cost, in dollars."""
    return (price.input * read + price.output * written) / MILLION


def prices(callings: Sequence[object]) -> list[Price]:
    """What each part that calls a model pays for it; nothing for one that calls none."""
    return [c.paid if isinstance(c, Calling) else Price() for c in callings]
