"""Models in this process, through transformers: `tiny:instruct`, `hf:./dir`, `hf:org/name`.

Calls that are waiting run together, nearest in length first, and the n samples of a prompt read
it once. A GPU is used if there is one (bfloat16), else the CPU (float32).

Settings: `batch`, rows at once (default 256; fewer where memory asks for it), `precision`, and
`licence`, the SPDX name of what the model's output comes under (default: what its card says). A
reward model that is a policy trained with DPO has `reference`, the model string of what its
training began with. What else `Calling` has is ignored.

Nothing is imported from torch or transformers before a backend is opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gristmill.backends.base import Backend, ChatBackend, RewardBackend
from gristmill.backends.calling import Calling
from gristmill.backends.likelihood import Likelihood, LikelihoodBackend
from gristmill.backends.local_ask import Answered, Ask, Grown
from gristmill.backends.local_load import (
    Source,
    card_licence,
    check_chat,
    check_reward,
    context_length,
    find,
    load_config,
    load_model,
    load_tokenizer,
    stop_tokens,
)
from gristmill.backends.local_pair import check_pair, find_reference
from gristmill.backends.local_speech import Speech
from gristmill.backends.local_work import Answering, Grading
from gristmill.backends.microbatch import NARROW, WIDE, Batcher
from gristmill.errors import BackendError
from gristmill.records import Message, Prompt, Response, Sampling, Score

BATCH = 256
"""Rows at once: from here on more rows gain nothing for a small model on a CPU."""


def open_chat(calling: Calling) -> LocalChat:
    """A chat model, not yet opened. Raises ConfigError or MissingExtra."""
    source = find(calling.model)
    if source.local:
        check_chat(calling.model, source.config)
    return LocalChat(source, calling)


def open_reward(calling: Calling) -> LocalReward:
    """A reward model, not yet opened. Raises ConfigError or MissingExtra."""
    source = find(calling.model)
    if calling.reference is not None:
        return LocalImplicit(source, find_reference(calling.reference), calling)
    if source.local:
        check_reward(calling.model, source.config)
    return LocalReward(source, calling)


def open_likelihood(calling: Calling) -> LocalLikelihood:
    """A chat model that is asked how likely answers are. Raises ConfigError or MissingExtra."""
    source = find(calling.model)
    if source.local:
        check_chat(calling.model, source.config)
    return LocalLikelihood(source, calling)


class Local(Backend):
    """What all kinds share: opening on a lane's thread, and calls that go in batches."""

    def __init__(self, source: Source, calling: Calling) -> None:
        super().__init__(source.model)
        self._source = replace(source, precision=calling.precision)
        self._rows = calling.batch or BATCH
        self.licence = calling.licence or source.licence
        self._batcher: Batcher | None = None
        self._work: Any = None

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self._work = work = await loop.run_in_executor(WIDE.pool, self._open)
        lanes = NARROW if work.small else WIDE
        self._batcher = Batcher(work, f"model '{self.model}'", lanes)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        batcher, self._batcher = self._batcher, None
        if batcher is not None:
            await batcher.close()

    def _open(self) -> Any:
        """Load what `Batcher` works with; runs on a lane's thread."""
        raise NotImplementedError

    def _card(self) -> None:
        """The licence of a model from the hub, once its files are here."""
        if self.licence is None and not self._source.local:
            from huggingface_hub import try_to_load_from_cache

            card = try_to_load_from_cache(self._source.place, "README.md")
            self.licence = card_licence(Path(card).parent) if isinstance(card, str) else None

    @property
    def context(self) -> int | None:
        """Tokens that the model knows places for, once it is open; None where nothing says."""
        return self._work.context

    async def _submit(self, item: Any, told: Callable[[Any], None] | None = None) -> Any:
        assert self._batcher is not None, "open a backend with `async with` before calling it"
        self.meter.take_request()
        self.traffic.requests += 1
        try:
            return await self._batcher.submit(item, told)
        except BackendError as error:
            self.traffic.failures[error.kind] += 1
            raise


class LocalChat(Local, ChatBackend):
    """A causal language model with a chat template."""

    def asked(self, prompt: Prompt) -> str:
        """The text that its chat template makes of a prompt, where its files are here."""
        if not self._source.local:
            return super().asked(prompt)
        from gristmill.backends.local_template import Template

        return Template(load_tokenizer(self._source)).text(
            prompt.messages, prompt.tools, answer=True
        )

    async def sample(self, prompt: Prompt, index: int, sampling: Sampling) -> Response:
        """One response; the same for the same prompt, index and seed in whatever company.

        The text ends before the stop token and is stripped of blanks around it;
        `completion_tokens` counts the stop token. Raises BackendError: `too_long` for a prompt
        that leaves no room to answer, `bad_request` for messages the chat template refuses.
        """
        return await self._submit((prompt, index, sampling))

    async def answer(self, ask: Ask, told: Callable[[Grown], None] | None = None) -> Answered:
        """What is asked for by token; `told` is given each of them where the answer `grows`.

        A limit beyond what the prompt leaves of the context is what it leaves. Raises as `sample`
        does; cancelled, it leaves its batch at the next step.
        """
        return await self._submit(ask, told)

    @property
    def speech(self) -> Speech:
        """How its tokens are read, once it is open."""
        return self._work.speech

    def _open(self) -> Answering:
        config = load_config(self._source)
        check_chat(self.model, config)
        from transformers import AutoModelForCausalLM

        from gristmill.backends.local_generate import Decoder

        tokenizer = load_tokenizer(self._source)
        model = load_model(self._source, AutoModelForCausalLM)
        self._card()
        stops = stop_tokens(tokenizer, model.generation_config)
        decoder = Decoder(model, stops, context_length(model.config, tokenizer))
        return Answering(self.model, tokenizer, decoder, self._rows)


class LocalLikelihood(Local, LikelihoodBackend):
    """A causal language model that reads answers and writes none."""

    async def likelihood(self, messages: Sequence[Message]) -> Likelihood:
        """See LikelihoodBackend. Raises BackendError as a reward model's `score` does."""
        return await self._submit(tuple(messages))

    def _open(self) -> Any:
        check_chat(self.model, load_config(self._source))
        from gristmill.backends.local_likelihood import load_likelihood

        return load_likelihood(self._source, self._rows)


class LocalReward(Local, RewardBackend):
    """A reward model of the Nemotron family, or one with a sequence-classification head."""

    async def score(self, messages: Sequence[Message]) -> Score:
        """Grade the last turn, which must be the assistant's.

        Raises BackendError: `too_long` for a conversation beyond the model's context (nothing is
        cut off), `bad_request` for one the chat template refuses, `bad_reply` for grades that
        are not finite.
        """
        return await self._submit(tuple(messages))

    async def score_text(self, text: str | tuple[int, ...]) -> Score:
        """The same for a text or token ids that the caller has put together."""
        return await self._submit(text)

    def _open(self) -> Grading:
        config = load_config(self._source)
        check_reward(self.model, config)
        from gristmill.backends.local_reward import Grader, columns, load_grader

        tokenizer = load_tokenizer(self._source)
        model = load_grader(self._source, config)
        grader = Grader(model, context_length(model.config, tokenizer))
        wanted = columns(self.model, config, grader.outputs)
        self._card()
        return Grading(self.model, tokenizer, grader, wanted, self._rows)


class LocalImplicit(LocalReward):
    """A policy trained with DPO, graded by its implicit reward.

    The scalar is the sum over the tokens of the last assistant turn, its end among them, of
    log p(policy) - log p(reference), in nats and without DPO's beta: it ranks the answers to one
    prompt, and grows with their length. Fails as a `LocalReward` does; the context is the smaller
    of the two.
    """

    def __init__(self, source: Source, reference: Source, calling: Calling) -> None:
        super().__init__(source, calling)
        check_pair(source.model, source.config, reference.model, reference.config)
        self._reference = replace(reference, precision=calling.precision)

    def _open(self) -> Grading:
        from gristmill.backends.local_implicit import ImplicitGrading, load_pair

        tokenizer, grader = load_pair(self._source, self._reference)
        self._card()
        return ImplicitGrading(self.model, tokenizer, grader, self._rows)
