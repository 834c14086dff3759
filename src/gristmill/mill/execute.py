"""The asyncio executor: so many prompts in flight, each on its own way, no barriers between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from math import ceil
from typing import cast

from gristmill.backends import ChatBackend
from gristmill.backends.base import Backend
from gristmill.backends.cached import doubting
from gristmill.backends.calling import Calling
from gristmill.backends.use import Asked
from gristmill.errors import BackendError, RunError
from gristmill.judges.base import GroupJudge, Judge
from gristmill.mill.budget import Purse
from gristmill.mill.config import Config
from gristmill.mill.feed import Feed, Work
from gristmill.mill.journal import Journal
from gristmill.mill.tally import Tally
from gristmill.parts import name_of
from gristmill.records import (
    MAX_STEPS,
    PLAYING,
    Failure,
    Graded,
    Prompt,
    Response,
    Sample,
    Sampling,
    Verdict,
    facts_id,
)
from gristmill.tools.play import Tell, play
from gristmill.tools.toolbox import Toolbox


@dataclass
class UnderWay:
    """A prompt whose samples, of these numbers, are being made; `left` are not there yet."""

    work: Work
    feed: Feed
    numbers: range
    samples: list[Sample | None]
    left: int


@dataclass
class Executor:
    """Runs prompts through generation and judges into the journal.

    chats: the model of each entry of `generate`. tools: what they may call. `in_flight` counts the
    samples under way. `stopped` says why no further prompt was started: `target`, `interrupted`, or
    the limit of the budget; empty if the prompts ran out.
    """

    config: Config
    journal: Journal
    purse: Purse
    tally: Tally
    chats: Sequence[ChatBackend]
    judges: Sequence[tuple[Judge, Backend]]
    tools: Toolbox | None = None
    stopped: str = ""
    in_flight: int = 0
    _room: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        each, seed = self.config.generate, self.config.seed
        self._sampling = [
            Sampling(g.temperature, g.top_p, g.max_tokens, seed, stop=g.stop) for g in each
        ]
        self._lineup = self.config.lineup()
        self._failed_in_a_row = [0] * len(each)
        self._facts = self.config.facts
        self._alone = sum(not isinstance(j, GroupJudge) for j, _ in self.judges)
        self._responses = self._lineup.most
        grading = sum(j.may_take(Asked(), self._responses, 0).calls for j, _ in self.judges)
        asking = 1 if self.tools is None else 1 + max(g.max_steps for g in each)
        self._calls = asking + ceil(grading / self._responses)
        # Where a judge's calls wait in batches, the samples that wait there hold up no others.
        batched = [j for j, _ in self.judges if isinstance(j, Calling) and j.batch_api]
        self._most = max(sum(g.concurrency for g in each), *(j.concurrency for j in batched), 0)

    async def run(self, feed: Feed, need: int | None, tick: Callable[[], None]) -> None:
        """Work until the feed ends, `need` prompts are accepted, or `stopped` is set.

        tick: called about twice a second, for the display.
        Raises BackendFatal, StorageError, or RunError when nothing but failures comes back.
        """
        if self.stopped == "target":
            self.stopped = ""
        if not (feed.skip_finished() and self._may_start(need)):
            return  # nothing to do: no model need be loaded for that
        try:
            async with AsyncExitStack() as stack:
                for backend in (*dict.fromkeys(self.chats), *(b for _, b in self.judges)):
                    backend.meter = self.purse
                    await stack.enter_async_context(backend)
                if self.tools is not None:
                    await stack.enter_async_context(self.tools)
                ticker = asyncio.create_task(ticking(tick))
                stack.callback(ticker.cancel)
                async with asyncio.TaskGroup() as group:
                    await self._start_all(feed, need, group)
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        finally:
            tick()

    async def _start_all(self, feed: Feed, need: int | None, group: asyncio.TaskGroup) -> None:
        """Start prompts so that as many samples are under way as requests may be in flight.

        A sample has one request in flight at any time, first its own, then its judges'. So the
        server is kept busy without a queue in front of it, however unequal the samples are.
        """
        # What is finished counts before it is asked whether more is wanted.
        while feed.skip_finished() and self._may_start(need):
            work = next(feed)
            numbers = self._lineup.numbers(work.prompt)
            count = len(numbers)
            under_way = UnderWay(work, feed, numbers, [None] * count, count)
            for place in range(count):
                group.create_task(self._follow(under_way, place))
            self.in_flight += count
            while self.in_flight >= self._most:
                self._room.clear()
                await self._room.wait()

    def _may_start(self, need: int | None) -> bool:
        if not self.stopped:
            if need is not None and self.tally.accepted >= need:
                self.stopped = "target"
            else:
                # Those under way count as if none of their calls was made yet.
                samples = self.in_flight + self._responses
                self.stopped = self.purse.exhausted(samples * self._calls)
        return not self.stopped

    async def _follow(self, under_way: UnderWay, place: int) -> None:
        """One sample to its end; the last one of a prompt finishes the prompt."""
        try:
            alone = len(under_way.numbers) == 1
            made = await self._sample(under_way.work, under_way.numbers[place], alone)
            under_way.samples[place] = made
        finally:
            self.in_flight -= 1
            under_way.left -= 1
            self._room.set()
        # A cancelled one leaves its place empty, and the prompt unfinished.
        if not under_way.left and all(under_way.samples):
            samples = cast(tuple[Sample, ...], tuple(under_way.samples))
            self._finish(under_way, await self._compared(under_way.work, samples))

    def _finish(self, under_way: UnderWay, samples: tuple[Sample, ...]) -> None:
        failures = [s.failure for s in samples if s.failure is not None]
        if any(failure.kind == "budget" for failure in failures):
            # Not finished, not failed: a higher budget goes on where this one ended.
            self.stopped = self.stopped or "budget.requests: spent on retries"
            return
        work = under_way.work
        facts = facts_id(work.prompt, self._facts)
        place = self.journal.add_finished(work.key, samples, self.purse.spent(), facts)
        under_way.feed.finish(work, place)
        self.tally.add(Graded(work.position, work.prompt, samples))
        self._watch(samples)

    async def _sample(self, work: Work, index: int, alone: bool) -> Sample:
        """One response and its verdicts; what the checkpoint knows is not asked for again.

        alone: whether the prompt gets no other response.
        """
        lineup, known = self._lineup, work.known.get(index)
        prompt = work.prompt if lineup.plain else lineup.shown(work.prompt, index)
        response = known.response if known else None
        # What was said of the responses together is said anew: they may be others now.
        before = known.verdicts[: self._alone] if known else ()
        verdicts: list[Verdict] = []
        stage = "generate"

        def tell(now: Response, reply: Response | None) -> None:
            nonlocal response
            response = now
            if reply is not None:
                self.purse.add_response(*reply.paid, lineup.owners[index])
            self._save(work, index, now, verdicts, alone)
            if self.stopped == "interrupted" and now.finish_reason == PLAYING:
                # As where the budget is spent: what there is is kept, and gone on with later.
                raise BackendError("budget", "interrupted")

        try:
            if response is None or response.finish_reason == PLAYING:
                asked = prompt if lineup.plain else lineup.asked(work.prompt, index)
                await self._answer(asked, index, response, tell)
            assert response is not None
            if not response.says or response.finish_reason == MAX_STEPS:
                return Sample(index, response)  # Nothing that a judge could read.
            for number, (judge, backend) in enumerate(self.judges[: self._alone]):
                if (shown := judge.shown(response)) is None:
                    verdicts.append(_silent(judge, backend))
                    continue
                # Rules cost nothing, and what they compare with may have been corrected.
                if number < len(before) and not judge.needs:
                    verdicts.append(before[number])
                    continue
                stage = name_of(judge)
                with doubting():
                    verdict = await judge.judge(backend, prompt, shown)
                self._pay(number, verdict)
                verdicts.append(verdict)
                self._save(work, index, response, verdicts, alone)
        except BackendError as error:
            failure = Failure(stage, error.kind, str(error))
            return Sample(index, response, tuple(verdicts), failure)
        return Sample(index, response, tuple(verdicts))

    async def _answer(self, prompt: Prompt, index: int, known: Response | None, tell: Tell) -> None:
        """Have a response made: of several steps, where its model calls tools."""
        by = self._lineup.owners[index]
        chat, sampling = self.chats[by], self._sampling[by]
        if self.tools is None:
            reply = await chat.sample(prompt, index, sampling)
            tell(reply, reply)
        else:
            most = self.config.generate[by].max_steps
            await play(chat, prompt, index, sampling, self.tools, most, known, tell)

    async def _compared(self, work: Work, samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
        """The samples of a prompt with what the judges say that look at them together."""
        for number in range(self._alone, len(self.judges)):
            judge, backend = self.judges[number]
            assert isinstance(judge, GroupJudge)
            able = [
                (s.index, shown)
                for s in samples
                if s.failure is None
                and (r := s.response) is not None
                and r.says
                and r.finish_reason != MAX_STEPS
                and (shown := judge.shown(r)) is not None
            ]
            said: dict[int, Verdict | BackendError] = {}
            if able:
                self.in_flight += len(able)
                try:
                    with doubting() as doubt:
                        found = await judge.compare(backend, work.prompt, [r for _, r in able])
                    for error in (one for one in found if isinstance(one, BackendError)):
                        doubt(error)
                finally:
                    self.in_flight -= len(able)
                    self._room.set()
                said = {index: v for (index, _), v in zip(able, found, strict=True)}
            samples = tuple(
                self._with(s, said[s.index], judge, number) if s.index in said else s
                for s in samples
            )
        return samples

    def _with(
        self, sample: Sample, said: Verdict | BackendError, judge: Judge, number: int
    ) -> Sample:
        if isinstance(said, BackendError):
            return replace(sample, failure=Failure(name_of(judge), said.kind, str(said)))
        self._pay(number, said)
        return replace(sample, verdicts=(*sample.verdicts, said))

    def _pay(self, number: int, verdict: Verdict) -> None:
        # What chat models answer is counted answer by answer.
        if not isinstance(self.judges[number][1], ChatBackend):
            self.purse.add_judging(number, verdict.tokens)

    def _save(
        self, work: Work, index: int, response: Response, verdicts: list[Verdict], alone: bool
    ) -> None:
        # The only sample of a prompt, complete: the finished record follows at once.
        complete = len(verdicts) == self._alone == len(self.judges)
        complete = complete and response.finish_reason != PLAYING
        if not (complete and alone):
            sample = Sample(index, response, tuple(verdicts))
            self.journal.add_partial(work.key, sample, self.purse.spent())

    def _watch(self, samples: Sequence[Sample]) -> None:
        """Stop when a server is gone, rather than turn every prompt into a failure: also where
        other models still answer."""
        last: dict[int, Failure | None] = {}
        for sample in samples:
            by, failure = self._lineup.owners[sample.index], sample.failure
            last[by] = failure if last.get(by, failure) is not None else None
        for by, failure in last.items():
            self._failed_in_a_row[by] = self._failed_in_a_row[by] + 1 if failure else 0
            if failure and self._failed_in_a_row[by] >= max(100, 2 * self._most):
                names = self._lineup.names
                raise RunError(
                    f"the last {self._failed_in_a_row[by]} prompts all failed"
                    f"{f' with {names[by]}' if len(names) > 1 else ''} ({failure.message}); "
                    "put that right and run again: it goes on from here"
                )


def _silent(judge: Judge, backend: Backend) -> Verdict:
    """What a judge says that looks at the answer's text, where there are calls alone."""
    name = name_of(judge)
    detail = f"the judge '{name}' looks at the text of an answer, and there are tool calls alone"
    return Verdict(name, backend.model, None, detail=detail)


async def ticking(tick: Callable[[], None]) -> None:
    """Call it about twice a second, for a display, until cancelled."""
    while True:
        await asyncio.sleep(0.5)
        tick()


def _first(errors: BaseExceptionGroup) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
