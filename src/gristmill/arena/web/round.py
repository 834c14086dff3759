"""One round: two models, what was asked and answered, and what was decided.

    empty --begin--> answering --answered--> answered --cast, voted--> voted --reveal--> revealed
                          ^----- begin, again -----'  ^-- withdrawn --'

A vote can be taken back only before the names are shown, and only one before that counts: whoever
knows the names decides nothing. Nothing in here waits, stores or draws anything: `arena` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gristmill.arena.battles import OUTCOMES, Battle
from gristmill.arena.contestants import Contestant
from gristmill.arena.web.identity import Identity
from gristmill.records import Message, as_dicts
from gristmill.storage import digest

REASONS = ("after_reveal", "error", "identity")
"""Why a vote is kept and not counted."""
STOPPED = "stopped"
"""The error of an answer that nobody waited for."""


class Refused(Exception):
    """What a visitor wants cannot be done now; the message tells them why."""


@dataclass
class Answer:
    """One model's answer to one turn, as far as it has come.

    error: why it broke off, a kind as in BackendError. finish_reason: as in Response.
    """

    text: str = ""
    done: bool = False
    error: str = ""
    finish_reason: str | None = None


@dataclass
class Turn:
    """What the visitor said, and the two answers; A's first."""

    prompt: str
    answers: tuple[Answer, Answer] = field(default_factory=lambda: (Answer(), Answer()))


@dataclass(frozen=True, slots=True)
class Ballot:
    """A vote. key: of the round and the answers that were voted on. reason: one of `REASONS`, or
    empty for one that counts. time: seconds since 1970."""

    key: str
    winner: str
    reason: str
    time: float


class Round:
    """The state of one round. seed: of its answers."""

    def __init__(
        self, name: str, models: tuple[Contestant, Contestant], identity: Identity, seed: int
    ) -> None:
        self.name = name
        self.models = models
        self.seed = seed
        self.turns: list[Turn] = []
        self.asking = False
        self.voting = False
        self.revealed = False
        self.told = ""
        """What gave a model away; stays after the answer that did is gone."""
        self.tried = 0
        """How often the last turn was answered before."""
        self.again_count = 0
        self.ballot: Ballot | None = None
        """The vote that stands."""
        self._identity = identity
        self._asked = 0

    # What may be done

    @property
    def busy(self) -> bool:
        """Whether something is under way that has to end first."""
        return self.asking or self.voting

    @property
    def failed(self) -> bool:
        """Whether the last turn has an answer that broke off."""
        return bool(self.turns) and any(answer.error for answer in self.turns[-1].answers)

    @property
    def key(self) -> str:
        """Of the vote on the answers that are there now."""
        return f"{self.name}:{self._asked}"

    @property
    def open(self) -> bool:
        """Whether a vote can be given: there are answers that none was given on."""
        voted = self.ballot is not None and self.ballot.key == self.key
        return bool(self.turns) and not self.busy and not voted

    def can_undo(self, now: float, seconds: float) -> bool:
        """Whether the vote that stands may be taken back: its names were not shown."""
        if self.busy or self.revealed or self.ballot is None:
            return False
        return now <= self.ballot.time + seconds

    @property
    def reason(self) -> str:
        """Why a vote now would not count: one of `REASONS`, or empty."""
        if self.revealed:
            return "after_reveal"
        if self.failed:
            return "error"
        return "identity" if self.told else ""

    # Asking

    def begin(self, prompt: str) -> Turn:
        """Another turn of the visitor. Raises Refused."""
        self._free()
        if self.failed:
            raise Refused("An answer broke off: regenerate it, or start a new round.")
        self.turns.append(Turn(prompt))
        self.tried = 0
        return self._ask()

    def again(self) -> Turn:
        """The last turn answered anew by both. Raises Refused."""
        self._free()
        if not self.turns:
            raise Refused("There is nothing to regenerate yet.")
        self.turns[-1] = Turn(self.turns[-1].prompt)
        self.tried += 1
        self.again_count += 1
        return self._ask()

    def _free(self) -> None:
        if self.busy:
            raise Refused("Wait until both have answered.")

    def _ask(self) -> Turn:
        # A vote that stands is final once the talk goes on.
        self.revealed |= self.ballot is not None
        self.asking = True
        self._asked += 1
        return self.turns[-1]

    def asked(self, side: int) -> tuple[Message, ...]:
        """The conversation that a side's model has to answer, ending with the visitor's turn."""
        return self.models[side].asked(self._talk(side)[: 2 * len(self.turns) - 1])

    def answered(self) -> None:
        """Both answers are there, or failed."""
        self.asking = False
        for answer in self.turns[-1].answers:
            if not answer.done and not answer.error:
                answer.error = STOPPED
            # Of both sides: also who only names the other has told the voter something.
            self.told = self.told or self._identity.found(answer.text) or ""

    # Voting

    def cast(self, winner: str, now: float) -> Ballot:
        """A vote on the answers that are there, still to be stored. Raises Refused."""
        assert winner in OUTCOMES
        self._free()
        if not self.open:
            raise Refused("There are no answers to vote on yet.")
        self.voting = True
        return Ballot(self.key, winner, self.reason, now)

    def voted(self, ballot: Ballot | None) -> None:
        """The vote is stored; None if it could not be."""
        self.voting = False
        if ballot is not None:
            self.ballot = ballot

    def withdrawn(self) -> None:
        """The vote was taken back, and the answers may be voted on again."""
        self.voting = False
        self.ballot = None

    def reveal(self) -> None:
        """The vote that stands is final, and the names may be shown."""
        self.revealed |= self.ballot is not None and not self.voting

    def battle(self, ballot: Ballot, judge: str) -> Battle:
        """The record of a vote on this round."""
        a, b = (tuple(self._talk(side)) for side in (0, 1))
        prompt = self.turns[0].prompt
        return Battle(
            id=digest([prompt, as_dicts(a), as_dicts(b)]),
            model_a=self.models[0].called,
            model_b=self.models[1].called,
            winner=ballot.winner,
            prompt=prompt,
            conversation_a=a,
            conversation_b=b,
            judge=judge,
            time=ballot.time,
            turns=len(self.turns),
        )

    def _talk(self, side: int) -> list[Message]:
        return [
            message
            for turn in self.turns
            for message in (
                Message("user", turn.prompt),
                Message("assistant", turn.answers[side].text),
            )
        ]
