"""Ask one of the two models about every row, and keep what it says as soon as it is there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson

from gristmill.backends import ChatBackend, LikelihoodBackend, loop, open_likelihood
from gristmill.backends.base import Backend
from gristmill.backends.kept import Kept
from gristmill.backends.many import Failed, Progress, Watch, Work, call_all
from gristmill.backends.remembered import pack
from gristmill.bench.judges import ByScore
from gristmill.comparing.read import Rows, answers_of
from gristmill.comparing.sides import REWARD, Side
from gristmill.errors import RunError
from gristmill.judges._asking import Asking
from gristmill.page.text import plural
from gristmill.records import Prompt, Response, Sampling, prompt_id
from gristmill.storage import read_saved, write_atomically

Task = tuple[str, Any]
"""A key, and what is asked."""


@dataclass
class Said:
    """What one model said. kept: by key; likely: of a local chat model, how likely it finds given
    answers; None where it cannot be asked that. tokens, seconds: of all sessions, for the speed."""

    side: Side
    kept: Kept
    likely: Kept | None
    keys: tuple[str, ...] = ()
    tokens: int = 0
    seconds: float = 0.0

    @property
    def failed(self) -> Counter[str]:
        """How many questions have no answer, by reason."""
        return Counter(one.kind for key in self.keys if (one := self.kept.failure(key)))

    @property
    def answered(self) -> int:
        return sum(key in self.kept for key in self.keys)


def ask(said: Said, rows: Rows, place: Path, watch: Watch) -> None:
    """Ask what is not answered yet. place: the model's folder.

    Raises BackendFatal, StorageError, and RunError where no question has an answer.
    """
    side = said.side
    tasks = dict(_grading(rows) if side.kind == REWARD else _answering(rows))
    said.keys = tuple(tasks)
    of = Progress("", side.name, side.place + 1, 2, len(tasks))
    clock = _Clock(place / "speed.json")
    call = _grade if side.kind == REWARD else _answer
    work = Work(
        side.judge.open, side.settings.concurrency, clock.timed(call(side)), _keep(said.kept)
    )
    try:
        loop.run(call_all(clock.counting(work), _left(tasks, said.kept, of), of, watch))
    finally:
        said.tokens, said.seconds = clock.stop()
    if not said.answered:
        first = said.kept.failure(said.keys[0])
        why = f"{first.kind}: {first.detail}" if first else "no reason given"
        raise RunError(
            f"{side.name}: none of {plural(len(said.keys), 'question')} has an answer; {why}"
        )
    if said.likely is not None:
        _ask_likely(said, said.likely, rows, watch)


def _ask_likely(said: Said, likely: Kept, rows: Rows, watch: Watch) -> None:
    side = said.side
    tasks = dict(likely_tasks(rows))
    of = Progress("likelihoods", side.name, side.place + 1, 2, len(tasks))

    async def call(backend: Backend, task: Task) -> dict[str, Any]:
        found = await cast(LikelihoodBackend, backend).likelihood(task[1])
        return {"total": found.total, "of": found.tokens, "tokens": found.tokens}

    work = Work(
        lambda: open_likelihood(side.settings), side.settings.concurrency, call, _keep(likely)
    )
    loop.run(call_all(work, _left(tasks, likely, of), of, watch))


def _left(tasks: dict[str, Any], kept: Kept, progress: Progress) -> Iterator[Task]:
    for key, asked in tasks.items():
        if key in kept:
            progress.done += 1
        else:
            yield key, asked


def _keep(kept: Kept) -> Callable[[Task, dict[str, Any] | Failed], int]:
    def keep(task: Task, found: dict[str, Any] | Failed) -> int:
        kept.add(task[0], found)
        return 0 if isinstance(found, Failed) else found["tokens"]

    return keep


def _grading(rows: Rows) -> Iterator[Task]:
    return ((key, (prompt, turns)) for i in rows.items for key, prompt, turns in answers_of(i))


def _answering(rows: Rows) -> Iterator[Task]:
    return ((asked.key, asked.prompt) for asked in rows.asked)


def likely_tasks(rows: Rows) -> Iterator[Task]:
    """The given answers, each with what comes before it."""
    for asked in rows.asked:
        if asked.answer is not None:
            turns = (*asked.prompt.messages, *asked.answer)
            yield prompt_id(turns), turns


Call = Callable[[Backend, Task], Awaitable[dict[str, Any]]]


def _grade(side: Side) -> Call:
    judge = cast(ByScore, side.judge).reward

    async def call(backend: Backend, task: Task) -> dict[str, Any]:
        prompt, turns = task[1]
        asked = Prompt("", (*prompt, *turns[:-1]))
        verdict = await judge.judge(backend, asked, Response(turns[-1].content, ""))
        return {
            "attributes": verdict.attributes,
            "reward": verdict.reward,
            "tokens": verdict.tokens,
        }

    return call


def _answer(side: Side) -> Call:
    how = cast(Asking, side.settings)
    sampling = Sampling(how.temperature, 1.0, how.max_tokens, how.seed)

    async def call(backend: Backend, task: Task) -> dict[str, Any]:
        response = await cast(ChatBackend, backend).sample(task[1], 0, sampling)
        return {"response": pack(response), "tokens": response.completion_tokens}

    return call


class _Clock:
    """Tokens and seconds of a model, from its first call to its last result, over all sessions.

    Loading the weights is no part of it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._began: float | None = None
        self._ended = 0.0
        self._tokens = 0

    def timed(self, call: Call) -> Call:
        async def timed(backend: Backend, task: Task) -> dict[str, Any]:
            self._began = self._began or time.perf_counter()
            return await call(backend, task)

        return timed

    def counting(self, work: Work[Task, dict[str, Any]]) -> Work[Task, dict[str, Any]]:
        def keep(task: Task, found: dict[str, Any] | Failed) -> int:
            tokens = work.keep(task, found)
            self._tokens += tokens
            self._ended = time.perf_counter()
            return tokens

        return Work(work.open, work.concurrency, work.ask, keep)

    def stop(self) -> tuple[int, float]:
        """Add this session to those before; returns the sums."""
        before: dict[str, Any] = {"tokens": 0, "seconds": 0.0}
        if self._file.exists():
            before |= read_saved(self._file)
        seconds = max(0.0, self._ended - self._began) if self._began else 0.0
        sums = before["tokens"] + self._tokens, before["seconds"] + seconds
        write_atomically(self._file, orjson.dumps({"tokens": sums[0], "seconds": sums[1]}))
        return sums
