"""What every judge of a battle is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gristmill.arena.battles import MODEL_JUDGE, OUTCOMES
from gristmill.backends.base import Backend
from gristmill.backends.calling import Calling
from gristmill.backends.identity import identity
from gristmill.records import Message

Turns = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge decided. winner: one of `OUTCOMES`, of the answers as they were given.

    flipped: it chose otherwise when the answers were shown the other way round.
    said: its replies, the first of them to the answers as given. scores: of both answers, where
    it scores. tokens: prompt and completion.
    """

    winner: str
    flipped: bool = False
    said: tuple[str, ...] = ()
    scores: tuple[float, float] | None = None
    tokens: int = 0

    def __post_init__(self) -> None:
        assert self.winner in OUTCOMES


class Judge(Calling):
    """A validated config with one method. To add one, override `open` and `decide`.

    The class of `judges/my_judge.py` is called `MyJudge`; the config names it `my_judge`, and one
    that lies elsewhere `my_pkg.mod:Class`.
    """

    name: str = ""
    """What its votes are signed with, behind `model:`; by default the model string. Two judges
    that share a model need names."""

    @property
    def called(self) -> str:
        """The judge of its votes. Never holds a key, as no model string does."""
        return MODEL_JUDGE + (self.name or self.model)

    def identity(self) -> dict[str, Any]:
        """What decides its verdicts: with another identity, every battle is judged anew."""
        return {"kind": type(self).__name__, **identity(self, "name")}

    def open(self) -> Backend:
        """The backend that does the calls, not yet entered."""
        raise NotImplementedError

    async def decide(self, backend: Backend, prompt: Turns, a: str, b: str) -> Verdict:
        """Which of two answers to `prompt` is better. Raises BackendError where there is no
        verdict; that is never a tie."""
        raise NotImplementedError
