"""What local models do with a batch of calls: text to token ids and back, and whose fault is whose.

`Answering` and `Grading` are the `microbatch.Work` of chat and reward models; everything here
runs on the threads of the lanes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from gristmill.backends.local_load import is_small, token_budget
from gristmill.backends.local_speech import Speech
from gristmill.backends.local_template import Template, unthinking
from gristmill.backends.microbatch import Call, Settle
from gristmill.errors import BackendError
from gristmill.records import Message, Response, Score, sample_seed

if TYPE_CHECKING:
    from gristmill.backends.local_generate import Decoder

GRADING_TOKENS = 32_768
"""Tokens in one batch of a reward model, which bounds what its activations take."""

SMALL_GRADING_TOKENS = 2_560
"""The same for a small model on a CPU: the activations fit the cache, 1.4 times as fast."""


class Answering:
    """`microbatch.Work` of a chat model."""

    def __init__(self, model: str, tokenizer: Any, decoder: Decoder, rows: int) -> None:
        self.rows = rows
        self.tokens = token_budget(decoder.model)
        self.cost = None
        self.small = is_small(decoder.model)
        self._model = model
        self._template = Template(tokenizer)
        self._decoder = decoder
        self._speech = Speech(model, tokenizer)
        # The n samples of a prompt come as n calls.
        self._ids = lru_cache(maxsize=1024)(self._encode)

    def _encode(self, messages: tuple[Message, ...], tools: str) -> list[int]:
        ids = token_ids(self._model, self._template, messages, tools, answer=True)
        _check_length(self._model, len(ids) + 1, self._decoder.context)
        return ids

    def admit(self, call: Call) -> None:
        """Token ids of the prompt, and room for the answer."""
        prompt, index, sampling = call.item
        ids = self._ids(prompt.messages, prompt.tools)
        limit = sampling.max_tokens
        if self._decoder.context is not None:
            limit = min(limit, self._decoder.context - len(ids))
        call.width = len(ids) + limit
        call.group = (prompt.messages, prompt.tools)
        call.job = (ids, sample_seed(sampling.seed, prompt.id, index), limit)

    def run(self, batch: Sequence[Call], settle: Settle) -> None:
        """Draw all of them; each goes back as soon as it has ended."""

        def emit(ended: list[tuple[int, list[int], bool]]) -> None:
            settle([(batch[i], self._response(batch[i], ids, stop)) for i, ids, stop in ended])

        with memory_errors():
            self._decoder.run([self._row(call) for call in batch], emit)

    def _row(self, call: Call) -> Any:
        from gristmill.backends.local_generate import Row

        ids, seed, limit = call.job
        sampling = call.item[2]
        return Row(
            prompt=ids,
            group=call.group,
            seed=seed,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            limit=limit,
            gone=lambda: call.gone,
        )

    def _response(self, call: Call, tokens: list[int], stopped: bool) -> Response | BackendError:
        return self._speech.response(call.job[0], tokens, stopped=stopped)


class Grades(Protocol):
    """What `Grading` asks for grades: `local_reward.Grader` and its like.

    context: tokens that a text may have, or None. packs: whether texts lie packed, so that those
    of a group cost what `tokens` says. small: see `is_small`.
    """

    context: int | None
    packs: bool

    @property
    def small(self) -> bool: ...

    def tokens(self, texts: Sequence[Any]) -> int:
        """Tokens that are computed for these texts at once."""
        ...

    def run(self, texts: Sequence[Any]) -> list[list[float]]:
        """The outputs for each text, in order."""
        ...


class Grading:
    """`microbatch.Work` of a reward model.

    columns: which of the grader's outputs are the five attributes, or the one scalar.
    """

    def __init__(
        self, model: str, tokenizer: Any, grader: Grades, columns: Sequence[int], rows: int
    ) -> None:
        self.rows = rows
        self.small = grader.small
        self.tokens = SMALL_GRADING_TOKENS if self.small else GRADING_TOKENS
        self.cost = self._cost if grader.packs else None
        self._model = model
        self._template = Template(tokenizer)
        self._grader = grader
        self._columns = columns

    def admit(self, call: Call) -> None:
        """The text of a conversation, whole or not at all; its thoughts are not graded."""
        messages = unthinking(call.item)
        if not messages or messages[-1].role != "assistant":
            raise BackendError(
                "bad_request",
                f"model '{self._model}' grades an answer: the last message must be the assistant's",
            )
        ids, call.job = self._encode(messages)
        _check_length(self._model, len(ids), self._grader.context)
        call.width = len(ids)
        # Responses to one prompt, which is read once for all of them.
        call.group = hash(messages[:-1])

    def _encode(self, messages: tuple[Message, ...]) -> tuple[list[int], Any]:
        """Token ids of a conversation, and what the grader takes for it."""
        ids = token_ids(self._model, self._template, messages, answer=False)
        return ids, ids

    def _cost(self, calls: Sequence[Call]) -> int:
        return self._grader.tokens([call.job for call in calls])

    def run(self, batch: Sequence[Call], settle: Settle) -> None:
        """Grade all of them in one pass."""
        with memory_errors():
            outputs = self._grader.run([call.job for call in batch])
        settle([(call, self._score(call, row)) for call, row in zip(batch, outputs, strict=True)])

    def _score(self, call: Call, outputs: Sequence[float]) -> object:
        """What a call is answered with, or the BackendError that it raises."""
        values = tuple(outputs[column] for column in self._columns)
        if not all(map(math.isfinite, values)):
            return BackendError(
                "bad_reply", f"model '{self._model}' gave grades that are not finite"
            )
        if len(values) == 1:
            return Score(self._model, scalar=values[0], tokens=call.width)
        helpfulness, correctness, coherence, complexity, verbosity = values
        attributes = (helpfulness, correctness, coherence, complexity, verbosity)
        return Score(self._model, attributes=attributes, tokens=call.width)


def token_ids(
    model: str, template: Template, messages: Sequence[Message], tools: str = "", *, answer: bool
) -> list[int]:
    """Token ids of a conversation; `answer` leaves the assistant's turn open at the end."""
    if left_out := template.left_out(messages, tools):
        raise BackendError(
            "bad_request",
            f"model '{model}': its chat template leaves out {left_out}; take a model that knows "
            "them, or prompts without",
        )
    try:
        text = template.text(messages, tools, answer=answer)
        # The template writes the special tokens itself.
        ids = template.tokenizer.encode(text, add_special_tokens=False, verbose=False)
    except Exception as error:  # Templates refuse in any way: an unknown role, two users in a row.
        line = " ".join(str(error).split()) or type(error).__name__
        raise BackendError(
            "bad_request", f"model '{model}': its chat template refuses the messages: {line}"
        ) from error
    if not ids:
        raise BackendError("bad_request", f"model '{model}': the messages make an empty text")
    return ids


def _check_length(model: str, tokens: int, context: int | None) -> None:
    if context is not None and tokens > context:
        raise BackendError(
            "too_long", f"model '{model}': {tokens:,} tokens, its context holds {context:,}"
        )


@contextmanager
def memory_errors() -> Iterator[None]:
    """PyTorch's ways of saying that memory ran out, as MemoryError."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise MemoryError(str(error)) from None
    except RuntimeError as error:
        if "can't allocate memory" in str(error):
            raise MemoryError(str(error)) from None
        raise
