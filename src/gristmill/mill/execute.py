"""The asyncio executor: so many prompts in flight, each on its own way, no barriers between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from gristmill.backends import ChatBackend
from gristmill.backends.base import Backend
from gristmill.errors import BackendError, RunError
from gristmill.judges.base import Judge
from gristmill.mill.budget import Purse
from gristmill.mill.config import Config
from gristmill.mill.feed import Feed, Work
from gristmill.mill.journal import Journal
from gristmill.mill.tally import Tally
from gristmill.records import Failure, Graded, Response, Sample, Sampling, Verdict


@dataclass
class Executor:
    """Runs prompts through generation and judges into the journal.

    `stopped` says why no further prompt was started: `target`, `interrupted`, or the budget's
    limit; empty if the prompts ran out.
    """

    config: Config
    journal: Journal
    purse: Purse
    tally: Tally
    chat: ChatBackend
    judges: Sequence[tuple[Judge, Backend]]
    stopped: str = ""
    in_flight: int = 0
    sampled: int = 0
    _reserved: int = 0
    _failed_in_a_row: int = 0
    _last_failure: str = ""
    _sampling: Sampling = field(init=False)

    def __post_init__(self) -> None:
        g = self.config.generate
        self._sampling = Sampling(g.temperature, g.top_p, g.max_tokens, self.config.seed)
        self._calls = g.responses * (1 + len(self.judges))

    async def run(self, feed: Feed, need: int | None, tick: Callable[[], None]) -> None:
        """Work until the feed ends, `need` prompts are accepted, or `stopped` is set.

        tick: called about twice a second, for the display.
        Raises BackendFatal, StorageError, or RunError when nothing but failures comes back.
        """
        if self.stopped == "target":
            self.stopped = ""
        try:
            async with AsyncExitStack() as stack:
                for backend in (self.chat, *(b for _, b in self.judges)):
                    backend.meter = self.purse
                    await stack.enter_async_context(backend)
                ticker = asyncio.create_task(_tick(tick))
                stack.callback(ticker.cancel)
                async with asyncio.TaskGroup() as group:
                    for _ in range(self.config.generate.concurrency):
                        group.create_task(self._worker(feed, need))
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        finally:
            tick()

    def interrupt(self) -> None:
        """Start no further prompt."""
        self.stopped = self.stopped or "interrupted"

    def _may_start(self, need: int | None) -> bool:
        if not self.stopped:
            if need is not None and self.tally.accepted >= need:
                self.stopped = "target"
            else:
                self.stopped = self.purse.exhausted(self._reserved + self._calls)
        return not self.stopped

    async def _worker(self, feed: Feed, need: int | None) -> None:
        while self._may_start(need):
            work = next(feed, None)
            if work is None:
                return
            self._reserved += self._calls
            self.in_flight += 1
            try:
                samples = await self._samples(work)
            finally:
                self._reserved -= self._calls
                self.in_flight -= 1
            if any(s.failure is not None and s.failure.kind == "budget" for s in samples):
                # Not finished, not failed: a higher budget goes on where this one ended.
                self.stopped = self.stopped or "budget.requests: spent on retries"
                continue
            offset = self.journal.add_finished(work.key, samples, self.purse.spent())
            feed.finish(work, offset)
            self.tally.add(Graded(work.position, work.prompt, samples))
            self._watch_failures(samples)

    async def _samples(self, work: Work) -> tuple[Sample, ...]:
        responses = self.config.generate.responses
        if responses == 1:
            return (await self._sample(work, 0),)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._sample(work, i)) for i in range(responses)]
        return tuple(task.result() for task in tasks)

    async def _sample(self, work: Work, index: int) -> Sample:
        """One response and its verdicts; what the checkpoint knows is not asked for again."""
        known = work.known.get(index)
        response = known.response if known else None
        verdicts = list(known.verdicts) if known else []
        stage = "generate"
        try:
            if response is None:
                response = await self.chat.sample(work.prompt, index, self._sampling)
                self.sampled += 1
                self.purse.add_response(response.prompt_tokens, response.completion_tokens)
                self._save(work, index, response, verdicts)
            if not response.text.strip():
                return Sample(index, response)
            for number in range(len(verdicts), len(self.judges)):
                judge, backend = self.judges[number]
                stage = type(judge).__name__.lower()
                verdict = await judge.judge(backend, work.prompt, response)
                self.purse.add_verdict(number, verdict.tokens)
                verdicts.append(verdict)
                self._save(work, index, response, verdicts)
        except BackendError as error:
            failure = Failure(stage, error.kind, str(error))
            return Sample(index, response, tuple(verdicts), failure)
        return Sample(index, response, tuple(verdicts))

    def _save(self, work: Work, index: int, response: Response, verdicts: list[Verdict]) -> None:
        # The only sample of a prompt, complete: the finished record follows at once.
        complete = len(verdicts) == len(self.judges)
        if not (complete and self.config.generate.responses == 1):
            sample = Sample(index, response, tuple(verdicts))
            self.journal.add_partial(work.key, sample, self.purse.spent())

    def _watch_failures(self, samples: tuple[Sample, ...]) -> None:
        """Stop when a server is gone, rather than turn every prompt into a failure."""
        failures = [s.failure for s in samples if s.failure is not None]
        if len(failures) < len(samples):
            self._failed_in_a_row = 0
            return
        self._failed_in_a_row += 1
        self._last_failure = failures[-1].message
        if self._failed_in_a_row >= max(100, 2 * self.config.generate.concurrency):
            raise RunError(
                f"the last {self._failed_in_a_row} prompts all failed ({self._last_failure}); "
                "put that right and run again: it goes on from here"
            )


async def _tick(tick: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(0.5)
        tick()


def _first(errors: BaseExceptionGroup) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
