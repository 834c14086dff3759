"""The one object behind the page: rounds under way, models, votes and limits."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from gristmill.arena.store import Votes
from gristmill.arena.web.clean import whole
from gristmill.arena.web.config import PageConfig
from gristmill.arena.web.draw import Draw
from gristmill.arena.web.identity import Identity
from gristmill.arena.web.limits import Hourly
from gristmill.arena.web.round import Ballot, Refused, Round
from gristmill.arena.web.wall import LOG, failure
from gristmill.backends import ChatBackend
from gristmill.errors import BackendError, BackendFatal, GristmillError
from gristmill.page.text import duration, label, one_line, plural
from gristmill.records import Prompt, Response, prompt_id

MOST_ROUNDS = 10_000
"""Rounds remembered; the one that was left alone longest is forgotten first."""
TICK = 0.1
"""Seconds between two looks at answers under way, if a look is quick."""
SHARE = 0.2
"""Of the event loop's time that one round may spend on being shown."""
OF_PROMPT = ("too_long", "bad_request", "content_filter")
"""Failures that say something of the prompt, and nothing of the model's server."""
LONGEST = 60_000
"""Characters of one answer; a model that goes on is cut off there."""


class Arena:
    """Everything that the page does, without the page.

    backends: of the contestants, by name, opened by the caller. A visitor is named by whatever
    the caller knows them by, in pseudonyms only (see `Votes.pseudonym`).
    """

    def __init__(
        self, config: PageConfig, votes: Votes, backends: Mapping[str, ChatBackend]
    ) -> None:
        self.config = config
        self.votes = votes
        self._backends = backends
        self._chance = random.Random(config.seed)
        self._draw = Draw(config.models, config.weights, self._chance)
        self._identity = Identity(config.models, config.identity_words)
        limits = config.limits
        self._rounds_of = Hourly(limits.rounds_per_hour)
        self._votes_of = Hourly(limits.votes_per_hour)
        most = limits.address_rounds_per_hour
        self._rounds_from = None if most is None else Hourly(most)
        self._rounds: OrderedDict[str, Round] = OrderedDict()
        self._storing: set[asyncio.Future[None]] = set()

    def round(self, name: str | None) -> Round | None:
        """A round that is still remembered."""
        found = self._rounds.get(name) if name else None
        if found is not None:
            self._rounds.move_to_end(found.name)
        return found

    # Asking

    def begin(self, name: str | None, prompt: str, visitor: str, address: str) -> Round:
        """Another turn of a round, or the first of a new one if `name` names none. The caller
        goes on with `answers`. Raises Refused."""
        prompt = whole(prompt).strip()
        limits = self.config.limits
        if not prompt:
            raise Refused("Write a prompt first.")
        if len(prompt) > limits.prompt_chars:
            raise Refused(
                f"A prompt may have {limits.prompt_chars:,} characters; this one has "
                f"{len(prompt):,}."
            )
        if name and self.round(name) is None:
            raise Refused("This round is over. Start a new one.")
        found = self.round(name) or self._new(visitor, address)
        if len(found.turns) >= limits.turns:
            raise Refused(
                f"A round has {plural(limits.turns, 'turn')} at most. Vote, or start a new one."
            )
        found.begin(prompt)
        return found

    def _new(self, visitor: str, address: str) -> Round:
        _check(self._rounds_of, visitor, "round")
        if self._rounds_from is not None:
            _check(self._rounds_from, address, "round")
            self._rounds_from.take(address)
        self._rounds_of.take(visitor)
        models = self._draw.pair()
        made = Round(secrets.token_hex(16), models, self._identity, self._chance.getrandbits(31))
        self._rounds[made.name] = made
        while len(self._rounds) > MOST_ROUNDS:
            self._rounds.popitem(last=False)
        return made

    def again(self, name: str | None) -> Round:
        """The last turn of a round answered anew; go on with `answers`. Raises Refused."""
        found = self.round(name)
        if found is None:
            raise Refused("There is nothing to regenerate yet.")
        if found.again_count >= self.config.limits.regenerations:
            raise Refused("The answers of this round cannot be regenerated any more.")
        found.again()
        return found

    async def answers(self, found: Round) -> AsyncGenerator[None]:
        """Let both models answer; yields whenever it is worth a look."""
        tasks = [asyncio.create_task(self._answer(found, side)) for side in (0, 1)]
        try:
            while not all(task.done() for task in tasks):
                start = time.thread_time()
                yield
                # What is long takes long to show: less often then, for others wait meanwhile.
                spent = time.thread_time() - start
                await asyncio.wait(tasks, timeout=max(TICK, spent / SHARE))
            for task in tasks:
                task.result()
        finally:
            # Also when the visitor is gone: nobody would read the rest.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            found.answered()

    async def _answer(self, found: Round, side: int) -> None:
        model = found.models[side]
        answer = found.turns[-1].answers[side]
        messages = found.asked(side)
        prompt = Prompt(prompt_id(messages), messages)
        backend = self._backends[model.called]
        stream = backend.stream(prompt, found.tried, model.sampling(found.seed))
        try:
            # While its server is away, a call waits for its turn: too long for who looks at a page.
            async with asyncio.timeout(model.timeout) as patience, aclosing(stream) as pieces:
                async for piece in pieces:
                    patience.reschedule(None)
                    if isinstance(piece, Response):
                        answer.text = whole(piece.text)
                        answer.finish_reason = piece.finish_reason
                    else:
                        answer.text += whole(piece)
                    if len(answer.text) > LONGEST:
                        answer.text = answer.text[:LONGEST]
                        answer.finish_reason = "length"
                        break
                    # A server that is faster than we are would let nobody else have a turn.
                    await asyncio.sleep(0)
            answer.done = True
        except (BackendError, BackendFatal, TimeoutError) as error:
            # What it says may name the model: it is for the log, not for the page.
            said = one_line(error, 300) or f"nothing in {duration(model.timeout)}"
            LOG.warning("%s did not answer: %s", label(model.called), said)
            late = isinstance(error, TimeoutError)
            answer.error = "timeout" if late else getattr(error, "kind", "unavailable")
            if answer.error not in OF_PROMPT:
                self._draw.rest(model)
        except Exception as error:
            LOG.error("%s did not answer: %s", label(model.called), failure(error))
            answer.error = "unavailable"

    # Voting

    async def vote(self, name: str | None, winner: str, visitor: str) -> Round | None:
        """Store a vote; the names may be shown after `reveal`. None where there is nothing to do:
        the same click again. Raises Refused."""
        found = self.round(name)
        if found is None:
            raise Refused("There are no answers to vote on yet.")
        if found.voting or (found.ballot is not None and found.ballot.key == found.key):
            return None
        _check(self._votes_of, visitor, "vote")
        ballot = found.cast(winner, time.time())
        # To its end, also when the visitor is gone in the middle: what is stored and what the
        # round knows have to agree.
        task = asyncio.ensure_future(self._store(found, ballot, visitor))
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)
        await asyncio.shield(task)
        return found

    async def _store(self, found: Round, ballot: Ballot, visitor: str) -> None:
        battle = found.battle(ballot, visitor)
        counted = not ballot.reason
        try:
            # The disk takes its time, and others' answers go on meanwhile.
            await asyncio.to_thread(
                self.votes.add, battle, key=ballot.key, counted=counted, reason=ballot.reason
            )
        except GristmillError as error:
            found.voted(None)
            LOG.error("a vote was not stored: %s", one_line(error, 300))
            raise Refused("The vote could not be stored. Try again in a while.") from None
        found.voted(ballot)
        self._votes_of.take(visitor)
        if not self.config.undo_seconds:
            found.reveal()

    async def undo(self, name: str | None) -> Round:
        """Take the last vote back, whose names were not shown. Raises Refused."""
        found = self.round(name)
        if found is None or found.ballot is None:
            raise Refused("There is no vote to take back.")
        if not found.can_undo(time.time(), self.config.undo_seconds):
            raise Refused("It is too late to take this vote back.")
        found.voting = True
        try:
            await asyncio.to_thread(self.votes.withdraw, found.ballot.key)
        except BaseException as error:
            found.voting = False
            if not isinstance(error, GristmillError):
                raise
            LOG.error("a vote was not withdrawn: %s", one_line(error, 300))
            raise Refused("The vote could not be taken back. Try again.") from None
        found.withdrawn()
        return found

    def reveal(self, name: str | None) -> Round | None:
        """The visitor wants the names now: their vote is final."""
        found = self.round(name)
        if found is not None:
            found.reveal()
        return found


def _check(limit: Hourly, visitor: str, what: str) -> None:
    wait = limit.wait(visitor)
    if wait > 0:
        raise Refused(
            f"You may have {plural(limit.most, what)} an hour; the next in "
            f"{duration(max(1.0, wait))}."
        )
