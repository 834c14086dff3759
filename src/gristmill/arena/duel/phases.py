"""The two phases that call models: answers, then verdicts. One model is open at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from gristmill.arena.duel.bouts import Bout, Bouts
from gristmill.arena.duel.judges.base import Judge
from gristmill.arena.store import Votes
from gristmill.backends import ChatBackend, loop
from gristmill.backends.base import Backend
from gristmill.backends.identity import lasting
from gristmill.backends.kept import Kept
from gristmill.backends.many import Failed, Progress, Watch, Work, call_all
from gristmill.errors import BackendError
from gristmill.records import Prompt, Response
from gristmill.storage import digest

SAID = 4000
"""Characters of a judge's reply that are kept: its end, where the verdict is."""


def answer(bouts: Bouts, place: int, seed: int, answers: Kept, watch: Watch) -> None:
    """Have one model answer what it has not answered yet. Raises RunError or StorageError."""
    model = bouts.models[place]
    total = sum(1 for _ in bouts.prompts_of(place))
    progress = Progress("answers", model.called, place + 1, len(bouts.models), total)
    sampling = model.sampling(seed)

    def wanted() -> Iterator[Prompt]:
        for prompt in bouts.prompts_of(place):
            if bouts.answer_key(place, prompt) in answers:
                progress.done += 1
            else:
                yield prompt

    async def ask(backend: Backend, prompt: Prompt) -> Response:
        own = prompt.messages[0].role == "system"
        turns = prompt.messages if own else model.asked(prompt.messages)
        given = await cast(ChatBackend, backend).sample(
            replace(prompt, messages=turns), 0, sampling
        )
        if not given.text.strip():
            calls = "but called a tool, and nobody answers calls here"
            what = calls if given.tool_calls else f"({given.finish_reason})"
            raise BackendError("empty", f"{model.called} answered nothing {what}")
        return given

    def keep(prompt: Prompt, given: Response | Failed) -> int:
        key = bouts.answer_key(place, prompt)
        if isinstance(given, Failed):
            answers.add(key, given)
            return 0
        tokens = sum(given.paid)
        answers.add(key, {"text": given.text, "finish": given.finish_reason, "tokens": tokens})
        return tokens

    work = Work(model.open, model.concurrency, ask, keep)
    loop.run(call_all(work, wanted(), progress, watch))


class Court:
    """One judge, its verdicts and the table of votes. number: its place among `of` judges."""

    def __init__(self, judge: Judge, number: int, of: int, verdicts: Kept, votes: Votes) -> None:
        self.judge = judge
        self._progress = Progress("verdicts", judge.called, number, of, 0)
        self._verdicts = verdicts
        self._votes = votes
        self._identity = lasting(judge.identity())

    def key(self, bout: Bout) -> str:
        """What a verdict and its vote are stored under."""
        return digest([bout.id, self._identity])

    def decide(self, bouts: Bouts, answers: Kept, watch: Watch) -> None:
        """Have every battle decided that is not decided yet. Raises RunError or StorageError."""
        total = sum(1 for bout in bouts.fought(answers) if bout)
        self._progress.total = total
        work = Work(self.judge.open, self.judge.concurrency, self._ask, self._keep)
        loop.run(call_all(work, self._wanted(bouts, answers), self._progress, watch))

    def _wanted(self, bouts: Bouts, answers: Kept) -> Iterator[Bout]:
        under_way: set[str] = set()
        for bout in bouts.fought(answers):
            if bout is None:
                continue
            key = self.key(bout)
            if key not in self._verdicts and bout.answer_a == bout.answer_b:
                self._verdicts.add(key, {"winner": "tie", "equal": True, "time": time.time()})
            if (found := self._verdicts.get(key)) is not None:
                # A kill may have come between the verdict and its vote, and a table may be new.
                self._vote(bout, found)
            elif key not in under_way:
                under_way.add(key)
                yield bout
                continue
            self._progress.done += 1

    async def _ask(self, backend: Backend, bout: Bout) -> dict[str, Any]:
        found = await self.judge.decide(backend, bout.prompt.messages, bout.answer_a, bout.answer_b)
        # By name: it must not depend on who stood where.
        names = {"model_a": bout.model_a, "model_b": bout.model_b}
        result: dict[str, Any] = {
            "winner": names.get(found.winner, "tie"),
            "time": time.time(),
            "tokens": found.tokens,
            "shown": [bout.model_a, bout.model_b],
        }
        if found.flipped:
            result["flipped"] = True
        if found.said:
            result["said"] = [text[-SAID:] for text in found.said]
        if found.scores is not None:
            result["scores"] = list(found.scores)
        return result

    def _keep(self, bout: Bout, result: dict[str, Any] | Failed) -> int:
        self._verdicts.add(self.key(bout), result)
        if isinstance(result, Failed):
            return 0
        self._vote(bout, result)
        return result["tokens"]

    def _vote(self, bout: Bout, result: dict[str, Any]) -> None:
        vote = bout.vote(result["winner"], self.judge.called, result["time"])
        self._votes.add(vote, key=self.key(bout))
