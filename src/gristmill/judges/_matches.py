"""Two answers shown to a judge in both orders, and what became of an answer in all its matches."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from typing import Any, Literal, TypeVar

from gristmill.backends.many import HOPELESS
from gristmill.errors import BackendError
from gristmill.judges._asking import final
from gristmill.records import Response, Verdict

R = TypeVar("R")

Found = Verdict | BackendError
"""What was found of one response, or why nothing was."""

Choice = Literal["first", "second", "even"]
"""What a judge may choose, in the order that it was shown."""

_VERDICT = re.compile(r"\[\[\s*([A-Za-z]|tie)\s*\]\]", re.IGNORECASE)
_CHOICES: dict[str, Choice] = {"a": "first", "b": "second", "c": "even", "tie": "even"}
"""`[[C]]` is what a tie was called where this form of verdict comes from."""


def choice_in(reply: Response) -> Choice | None:
    """The verdict that stands last in double brackets, or None."""
    found = _VERDICT.findall(final(reply))
    return _CHOICES.get(found[-1].lower()) if found else None


@dataclass(frozen=True, slots=True)
class Heard:
    """One question: answer `first` shown before answer `second`, and what came back.

    choice: None where the reply has no verdict, or where there is no reply (`failure`).
    """

    first: int
    second: int
    choice: Choice | None = None
    reply: Response | None = None
    failure: BackendError | None = None

    @property
    def chosen(self) -> int | None:
        """The answer it calls better; None where it calls none so."""
        return {"first": self.first, "second": self.second}.get(self.choice or "even")


@dataclass(frozen=True, slots=True)
class Match:
    """Answers `a` and `b` in both orders: `straight`, a first, and `turned`."""

    straight: Heard
    turned: Heard

    @property
    def players(self) -> tuple[int, int]:
        return self.straight.first, self.straight.second

    @property
    def failure(self) -> BackendError | None:
        """A failure that another try may mend; that of the budget before any other."""
        found = [f for h in (self.straight, self.turned) if (f := h.failure) is not None]
        return mendable(found)

    @property
    def readable(self) -> bool:
        """Whether both orders have a verdict; what one alone says counts for neither side."""
        return self.straight.choice is not None and self.turned.choice is not None

    @property
    def winner(self) -> int | None:
        """Whom both orders choose; None is a tie, where it is readable."""
        chosen = self.straight.chosen
        return chosen if chosen == self.turned.chosen else None

    @property
    def flipped(self) -> bool:
        """Whether it chose by the place: another answer in each order."""
        chosen = {self.straight.chosen, self.turned.chosen}
        return None not in chosen and len(chosen) == 2


@dataclass(frozen=True, slots=True)
class Record:
    """An answer's matches, counted. A reader of many can count the judge's bias to a place.

    won, tied, lost, unread: matches; `flipped` of the tied are those in which the judge chose by
    the place. first, second, even, unheard: replies to the questions that showed this answer
    first, by what they chose. So over all answers every match counts twice, every question once.
    """

    won: int = 0
    tied: int = 0
    flipped: int = 0
    lost: int = 0
    unread: int = 0
    first: int = 0
    second: int = 0
    even: int = 0
    unheard: int = 0

    def __str__(self) -> str:
        return _LINE.format(*astuple(self))

    @classmethod
    def of(cls, player: int, matches: Iterable[Match]) -> Record:
        """The record of one answer in its matches."""
        counts = dict.fromkeys((f.name for f in fields(cls)), 0)
        for match in matches:
            counts[_result(player, match)] += 1
            counts["flipped"] += match.readable and match.flipped
            own = match.straight if match.straight.first == player else match.turned
            counts[own.choice or "unheard"] += 1
        return cls(**counts)

    @classmethod
    def read(cls, text: str) -> Record | None:
        """The record at the beginning of a verdict's detail, or None."""
        found = _READ.match(text)
        return cls(*map(int, found.groups())) if found else None


_LINE = (
    "won {}, tied {} ({} flipped), lost {}, unread {}; "
    "shown first: chosen {}, not {}, even {}, unread {}"
)
_READ = re.compile(re.escape(_LINE).replace(r"\{\}", r"(\d{1,9})") + r"(?!\d)")


def _result(player: int, match: Match) -> str:
    if not match.readable:
        return "unread"
    if match.winner is None:
        return "tied"
    return "won" if match.winner == player else "lost"


Ask = Callable[[int, int], Awaitable[Response]]
"""Ask about two answers, in this order. Raises BackendError."""


async def play(ask: Ask, pairs: Sequence[tuple[int, int]]) -> list[Match]:
    """Let the judge compare each pair in both orders, all at the same time."""
    orders = [order for a, b in pairs for order in ((a, b), (b, a))]
    heard = await together(_heard(ask, first, second) for first, second in orders)
    return [Match(*two) for two in zip(heard[::2], heard[1::2], strict=True)]


async def _heard(ask: Ask, first: int, second: int) -> Heard:
    try:
        reply = await ask(first, second)
    except BackendError as error:
        return Heard(first, second, failure=error)
    return Heard(first, second, choice_in(reply), reply)


async def together(calls: Iterable[Coroutine[Any, Any, R]]) -> list[R]:
    """The results of all calls, in order. If one raises, the others are cancelled; when this
    returns or raises, none goes on."""
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def mendable(failures: Iterable[BackendError]) -> BackendError | None:
    """A failure that another try may mend; that of the budget before any other."""
    found = (f for f in failures if f.kind not in HOPELESS)
    return min(found, key=lambda f: f.kind != "budget", default=None)


def each_once(responses: Sequence[Response]) -> tuple[list[str], list[int]]:
    """The texts of the responses, equal ones once; and the place of each response's among them."""
    places: dict[str, int] = {}
    at = [places.setdefault(response.text.strip(), len(places)) for response in responses]
    return list(places), at


def shared(found: Sequence[Found], places: Sequence[int]) -> list[Found]:
    """What was found of the texts, for each response; tokens are counted once."""
    seen: set[int] = set()
    result: list[Found] = []
    for place in places:
        one = found[place]
        if place in seen and isinstance(one, Verdict):
            one = replace(one, tokens=0, detail=f"as an earlier response, same text: {one.detail}")
        seen.add(place)
        result.append(one)
    return result
