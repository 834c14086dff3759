"""`POST /v1/completions`: texts that go on, with no chat template around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from gristmill.backends.local import LocalChat
from gristmill.backends.local_ask import Answered, Ask, Grown, Likelihood
from gristmill.backends.local_speech import Speech
from gristmill.serve.asked import CompletionAsked
from gristmill.serve.chat import GREEDY, head_of, seeds_of, tokens_within, usage_of
from gristmill.serve.growing import Plain
from gristmill.serve.reply import event, together

DEFAULT = 16
"""New tokens where nothing is said, as OpenAI has it."""


def texts_of(given: Any) -> list[str | tuple[int, ...]]:
    """The texts or token ids in a `prompt` or `input`, which may be one or several."""
    if isinstance(given, str):
        return [given]
    if isinstance(given[0], int):
        return [tuple(given)]
    return [one if isinstance(one, str) else tuple(one) for one in given]


def asks_of(asked: CompletionAsked) -> list[Ask]:
    """What is asked of the model: for each prompt `n` answers."""
    prompts = texts_of(asked.prompt)
    seeds = seeds_of(asked, asked.n * len(prompts))
    return [
        Ask(
            prompt=prompts[i // asked.n],
            seed=seed,
            limit=asked.max_tokens or DEFAULT,
            temperature=asked.temperature if asked.temperature >= GREEDY else 0.0,
            top_p=asked.top_p,
            stop=tuple(asked.stop),
            top=asked.logprobs,
            grows=asked.stream,
        )
        for i, seed in enumerate(seeds)
    ]


async def complete(
    name: str, backend: LocalChat, asks: Sequence[Ask], prompts: int
) -> dict[str, Any]:
    """The whole reply. Raises BackendError."""
    answers = await together(backend.answer(ask) for ask in asks)
    speech = backend.speech
    choices = [
        {
            "index": index,
            "text": text_of(speech, answer),
            "logprobs": logprobs_of(speech, answer) if asks[index].top is not None else None,
            "finish_reason": answer.finish,
        }
        for index, answer in enumerate(answers)
    ]
    usage = usage_of(answers, prompts)
    return {**head_of(name, "text_completion"), "choices": choices, "usage": usage}


def text_of(speech: Speech, answer: Answered) -> str:
    """What a model said, blanks and all."""
    whole = speech.text(answer.tokens) if answer.text is None else answer.text
    return speech.bare(whole)


def logprobs_of(speech: Speech, answer: Answered) -> dict[str, Any]:
    """The log-probabilities of an answer, in the older form that completions have."""
    kept = tokens_within(speech, answer)
    return _logprobs(speech, answer.tokens[:kept], answer.likelihoods[:kept], 0)


def _logprobs(
    speech: Speech, tokens: Sequence[int], likelihoods: Sequence[Likelihood], offset: int
) -> dict[str, Any]:
    spelled = [speech.text((token,), special=True) for token in tokens]
    offsets = []
    for text in spelled:
        offsets.append(offset)
        offset += len(text)
    return {
        "tokens": spelled,
        "token_logprobs": [max(one.logprob, -9999.0) for one in likelihoods],
        "top_logprobs": [
            # What was drawn is named too, likely or not.
            {
                speech.text((t,), special=True): max(value, -9999.0)
                for t, value in ((token, one.logprob), *one.top)
            }
            for token, one in zip(tokens, likelihoods, strict=True)
        ],
        "text_offset": offsets,
    }


class Stream:
    """The completions that were asked for, in the pieces in which they come. used: tokens,
    once they are whole."""

    def __init__(
        self, name: str, backend: LocalChat, asks: Sequence[Ask], prompts: int, usage: bool
    ) -> None:
        self._head = head_of(name, "text_completion")
        self._backend = backend
        self._asks = asks
        self._prompts = prompts
        self._usage = usage
        self.used: dict[str, int] = {}
        self._news: asyncio.Queue[tuple[int, Grown | Answered | Exception]] = asyncio.Queue()

    async def events(self) -> AsyncGenerator[bytes]:
        """As `streaming.Stream.events`."""
        tasks = [asyncio.ensure_future(self._answer(i, ask)) for i, ask in enumerate(self._asks)]
        try:
            async for one in self._events():
                yield one
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, index: int, ask: Ask) -> None:
        seen = -1

        def told(grown: Grown) -> None:
            nonlocal seen
            if grown.place > seen:
                seen = grown.place
                self._news.put_nowait((index, grown))

        try:
            answer = await self._backend.answer(ask, told)
        except Exception as error:
            self._news.put_nowait((index, error))
        else:
            self._news.put_nowait((index, answer))

    async def _events(self) -> AsyncGenerator[bytes]:
        speech = self._backend.speech
        growing = [(speech.spelling(), Plain(ask.stop)) for ask in self._asks]
        pending: list[list[Grown]] = [[] for _ in self._asks]
        offsets = [0] * len(self._asks)
        answers: dict[int, Answered] = {}

        def chunk(index: int, text: str, finish: str | None) -> bytes:
            logprobs = None
            if self._asks[index].top is not None and pending[index]:
                came = pending[index]
                likely = [g.likelihood for g in came if g.likelihood is not None]
                tokens = [g.token for g in came]
                logprobs = _logprobs(speech, tokens, likely, offsets[index])
                offsets[index] += sum(map(len, logprobs["tokens"]))
            pending[index].clear()
            said = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}
            usage = {"usage": None} if self._usage else {}
            return event({**self._head, "choices": [said], **usage})

        while len(answers) < len(self._asks):
            index, news = await self._news.get()
            if isinstance(news, Exception):
                raise news
            spelling, plain = growing[index]
            if isinstance(news, Grown):
                pending[index].append(news)
                if text := plain.more(speech.bare(spelling.more((news.token,)))):
                    yield chunk(index, text, None)
                continue
            answers[index] = news
            beyond = len(news.tokens) - tokens_within(speech, news)
            del pending[index][max(0, len(pending[index]) - beyond) :]
            yield chunk(index, plain.rest(text_of(speech, news)), news.finish)
        self.used = usage_of([answers[i] for i in range(len(answers))], self._prompts)
        if self._usage:
            yield event({**self._head, "choices": [], "usage": self.used})
