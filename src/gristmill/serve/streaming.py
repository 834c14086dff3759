"""Chat answers in the pieces in which they come, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from gristmill.backends.local import LocalChat
from gristmill.backends.local_ask import Answered, Ask, Grown
from gristmill.backends.local_speech import Speech
from gristmill.serve.chat import (
    called,
    finish_of,
    head_of,
    likely,
    read_answer,
    tokens_within,
    usage_of,
)
from gristmill.serve.growing import Growing
from gristmill.serve.reply import event


class Stream:
    """The answers to a request. used: tokens, once it is whole."""

    def __init__(self, name: str, backend: LocalChat, asks: Sequence[Ask], usage: bool) -> None:
        self._head = head_of(name, "chat.completion.chunk")
        self._backend = backend
        self._asks = asks
        self._usage = usage
        self.used: dict[str, int] = {}
        self._news = asyncio.Event()
        self._came: list[list[Grown]] = [[] for _ in asks]

    async def events(self) -> AsyncGenerator[bytes]:
        """Server-sent events, all but the last. The first comes when the model has begun; raises
        BackendError, before the first for a request that it does not take."""
        tasks = [asyncio.ensure_future(self._answer(i, ask)) for i, ask in enumerate(self._asks)]
        try:
            async for one in self._events(tasks):
                yield one
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, index: int, ask: Ask) -> Answered:
        came = self._came[index]

        def told(grown: Grown) -> None:
            # A batch that was run again for want of memory begins anew.
            if grown.place >= len(came):
                came.append(grown)
                self._news.set()

        try:
            return await self._backend.answer(ask, told)
        finally:
            self._news.set()

    async def _events(self, tasks: Sequence[asyncio.Task[Answered]]) -> AsyncGenerator[bytes]:
        choices = [_Choice(self._backend.speech, ask) for ask in self._asks]
        left = dict(enumerate(tasks))
        begun = False
        while left:
            await self._news.wait()
            self._news.clear()
            for index, task in list(left.items()):
                # Asked before what came is read: else the last of it could come in between.
                done = task.done()
                answer = task.result() if done else None
                begun = begun or done or bool(self._came[index])
                if not begun:
                    continue
                for delta, logprobs, finish in choices[index].more(self._came[index], answer):
                    yield self._chunk(index, delta, logprobs, finish)
                if done:
                    del left[index]
        self.used = usage_of([task.result() for task in tasks], 1)
        if self._usage:
            yield event({**self._head, "choices": [], "usage": self.used})

    def _chunk(self, index: int, delta: Any, logprobs: Any, finish: str | None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        usage = {"usage": None} if self._usage else {}
        return event({**self._head, "choices": [choice], **usage})


class _Choice:
    """One of the answers, as it grows."""

    def __init__(self, speech: Speech, ask: Ask) -> None:
        self._speech = speech
        self._ask = ask
        self._spelling = speech.spelling()
        self._growing: Growing | None = None
        self._read = 0
        self._pending: list[dict[str, Any]] = []
        self._greeted = False

    def more(
        self, came: Sequence[Grown], answer: Answered | None
    ) -> list[tuple[dict[str, Any], Any, str | None]]:
        """(delta, log-probabilities, ending) of each piece that can go out now."""
        pieces: list[tuple[dict[str, Any], Any, str | None]] = []
        if not self._greeted:
            self._greeted = True
            pieces.append(({"role": "assistant", "content": ""}, None, None))
        fresh, self._read = came[self._read :], len(came)
        for grown in fresh:
            if grown.likelihood is not None:
                self._pending.append(likely(self._speech, grown.token, grown.likelihood))
        if answer is not None:
            return [*pieces, *self._end(answer)]
        text = self._spelling.more([grown.token for grown in fresh]) if fresh else ""
        thought, said = self._grow(fresh[0].prompt).more(text) if text else ("", "")
        if delta := _delta(thought, said):
            pieces.append((delta, self._logprobs(self._grow(fresh[0].prompt).held), None))
        return pieces

    def _grow(self, prompt: Sequence[int]) -> Growing:
        if self._growing is None:
            opened = self._speech.opened(prompt)
            stops, calls = self._ask.stop, bool(self._ask.tools)
            self._growing = Growing(opened, stops, calls=calls, bare=self._speech.bare)
        return self._growing

    def _end(self, answer: Answered) -> list[tuple[dict[str, Any], Any, str | None]]:
        said = read_answer(self._speech, self._ask, answer)
        if answer.likelihoods:
            beyond = len(answer.tokens) - tokens_within(self._speech, answer)
            del self._pending[max(0, len(self._pending) - beyond) :]
        delta = _delta(*self._grow(answer.prompt).rest(said))
        if said.calls:
            calls = [{"index": i, **called(call)} for i, call in enumerate(said.calls)]
            delta["tool_calls"] = calls
        pieces: list[tuple[dict[str, Any], Any, str | None]] = []
        if delta or self._pending:
            pieces.append((delta, self._logprobs(), None))
        return [*pieces, ({}, None, finish_of(said, answer))]

    def _logprobs(self, held: int | None = 0) -> dict[str, Any] | None:
        """Those of the tokens that are out. held: characters of the last ones that are not, None
        for all: several tokens may come at once, and the last be of a word that ends the answer."""
        if held is None:
            return None
        out = len(self._pending)
        while out and held > 0:
            out -= 1
            held -= len(self._pending[out]["token"])
        pending, self._pending = self._pending[:out], self._pending[out:]
        return {"content": pending, "refusal": None} if pending else None


def _delta(thought: str, said: str) -> dict[str, Any]:
    delta = {"reasoning_content": thought, "content": said}
    return {name: text for name, text in delta.items() if text}
