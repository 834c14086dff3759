"""What local models do with a batch of calls: text to token ids and back, and whose fault is whose.

`Answering` and `Grading` are the `microbatch.Work` of chat and reward models; everything here
runs on the threads of the lanes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from gristmill.backends.local_ask import Answered, Ask, Following, Grown, Likelihood
from gristmill.backends.local_load import is_small, token_budget
from gristmill.backends.local_speech import Speech
from gristmill.backends.local_template import Template, unthinking
from gristmill.backends.microbatch import Call, Part, Settle, Turn
from gristmill.errors import BackendError
from gristmill.records import Message, Response, Score, sample_seed

if TYPE_CHECKING:
    from gristmill.backends.local_generate import Decoder, Row

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
        self.context = decoder.context
        self._decoder = decoder
        self.speech = Speech(model, tokenizer)
        # The n samples of a prompt come as n calls.
        self._ids = lru_cache(maxsize=1024)(self._encode)

    def _encode(self, messages: tuple[Message, ...], tools: str) -> list[int]:
        ids = token_ids(self._model, self._template, messages, tools, answer=True)
        _check_length(self._model, len(ids) + 1, self._decoder.context)
        return ids

    def admit(self, call: Call) -> None:
        """Token ids of the prompt, and room for the answer."""
        if isinstance(call.item, Ask):
            ask = call.item
        else:
            prompt, index, how = call.item
            seed = sample_seed(how.seed, prompt.id, index)
            said = (prompt.messages, seed, how.max_tokens, how.temperature, how.top_p)
            ask = Ask(*said, prompt.tools, how.stop)
        ids = self._read(ask)
        limit = ask.limit
        if self._decoder.context is not None:
            limit = min(limit, self._decoder.context - len(ids))
        call.width = len(ids) + limit
        call.group = (ask.prompt, ask.tools)
        call.job = _Job(ask, ids, limit)

    def _read(self, ask: Ask) -> Sequence[int]:
        if isinstance(ask.prompt, str):
            ids = raw_ids(self._model, self._template.tokenizer, ask.prompt)
        elif ask.prompt and isinstance(ask.prompt[0], Message):
            return self._ids(ask.prompt, ask.tools)
        else:
            ids = checked_ids(self._model, self._template.tokenizer, ask.prompt)
        _check_length(self._model, len(ids) + 1, self._decoder.context)
        return ids

    def run(self, batch: Sequence[Call], settle: Settle) -> None:
        """Draw all of them; each goes back as soon as it has ended."""

        calls = list(batch)
        # What the watchers saw in a step goes over with what ended in it.
        told: list[tuple[Call, Any]] = []

        def emit(ended: list[tuple[int, list[int], bool]]) -> None:
            told.extend((calls[i], self._outcome(calls[i], ids, stop)) for i, ids, stop in ended)
            if told:
                settle(told.copy())
            told.clear()

        def more(rows: int, width: int, ahead: int) -> list[Row]:
            joined = settle.more(rows, width, ahead) if isinstance(settle, Turn) else []
            calls.extend(joined)
            return [self._row(call, told) for call in joined]

        with memory_errors():
            self._decoder.run([self._row(call, told) for call in batch], emit, more)

    def _row(self, call: Call, told: list[tuple[Call, Any]]) -> Row:
        from gristmill.backends.local_generate import Row

        ask, job = call.job.ask, call.job
        watch = None
        if ask.followed:
            # Anew where a batch is run again: who is told knows how many tokens there were.
            job.following = Following(ask, self._template.tokenizer, special=self.speech.marked)
            watch = _grow(call, job.following, told) if ask.grows else job.following.add
        return Row(
            prompt=job.ids,
            group=call.group,
            seed=ask.seed,
            temperature=ask.temperature,
            top_p=ask.top_p,
            limit=job.limit,
            gone=lambda: call.gone,
            watch=watch,
            top=ask.top,
        )

    def _outcome(
        self, call: Call, tokens: list[int], stopped: bool
    ) -> Response | Answered | BackendError:
        ids, following = call.job.ids, call.job.following
        found = following and following.answered(ids, len(tokens), stopped=stopped)
        if not isinstance(call.item, Ask):
            cut = found.text if found else None
            return self.speech.response(ids, tokens, stopped=stopped, cut=cut)
        if found is not None:
            return found
        kept = tokens[:-1] if stopped else tokens
        return Answered(ids, kept, len(tokens), "stop" if stopped else "length")


@dataclass(slots=True)
class _Job:
    """A call's tokens. limit: new ones at most."""

    ask: Ask
    ids: Sequence[int]
    limit: int
    following: Following | None = None


def _grow(
    call: Call, following: Following, told: list[tuple[Call, Any]]
) -> Callable[[int, Likelihood | None], bool]:
    """Follows an answer that is handed over token by token."""

    ids = call.job.ids

    def watch(token: int, likelihood: Likelihood | None) -> bool:
        told.append((call, Part(Grown(len(following.tokens), token, likelihood, ids))))
        return following.add(token, likelihood)

    return watch


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
        self.context = grader.context
        self.tokens = SMALL_GRADING_TOKENS if self.small else GRADING_TOKENS
        self.cost = self._cost if grader.packs else None
        self._model = model
        self._template = Template(tokenizer)
        self._grader = grader
        self._columns = columns

    def admit(self, call: Call) -> None:
        """The text of a conversation, whole or not at all; its thoughts are not graded."""
        if isinstance(call.item, str) or (call.item and not isinstance(call.item[0], Message)):
            call.job = self._raw(call.item)
            _check_length(self._model, len(call.job), self._grader.context)
            call.width, call.group = len(call.job), call.item
            return
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

    def _raw(self, given: str | tuple[int, ...]) -> Any:
        """Token ids of a text that no template wrote."""
        if isinstance(given, str):
            return raw_ids(self._model, self._template.tokenizer, given)
        return checked_ids(self._model, self._template.tokenizer, given)

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


def raw_ids(model: str, tokenizer: Any, text: str) -> list[int]:
    """Token ids of a text as it is, with the tokens that the model expects around one."""
    ids = tokenizer.encode(text, verbose=False)
    if not ids:
        raise BackendError("bad_request", f"model '{model}': the text has no token")
    return ids


def checked_ids(model: str, tokenizer: Any, ids: Sequence[Any]) -> list[int]:
    """Token ids that somebody gave. Raises BackendError for what the vocabulary does not hold."""
    size = len(tokenizer)
    wrong = next((i for i in ids if not 0 <= i < size), None)
    if wrong is not None or not ids:
        said = "no token" if wrong is None else f"no token {wrong} (0 to {size - 1:,})"
        raise BackendError("bad_request", f"model '{model}': there is {said}")
    return list(ids)


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
