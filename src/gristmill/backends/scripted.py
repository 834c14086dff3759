"""Answers from a function or a file instead of a model: for tests, dry runs and demonstrations.

    scripted:echo                        says the prompt back; as a reward model, grades by hash
    scripted:replies.jsonl               answers from a file
    scripted:package.module:function     function(messages, index, seed) -> text or message, or
                                         function(messages) -> grades, for a reward model
    scripted:echo?latency=0.2&fail=0.05  0.2 s a call, one call in twenty fails
    scripted:echo?latency=0.1-2          between 0.1 and 2 s

Everything depends on the prompt, index and seed alone: the same run gives the same answers,
latencies and failures, in whatever order the calls come.

A file's lines for chat: {"id"|"prompt": ..., "response": text | "responses": [texts]}; beside a
`response` there may be its `reasoning` and `tool_calls`. Lines with neither id nor prompt serve for
every other prompt in turn. What is said is read as a server's reply is: a thought in `<think>` is
apart from the answer. For a reward model:
{"response": text, five attributes | "reward": number}; lines without a response serve for all
others.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl

from gristmill.backends.answer import response_of
from gristmill.backends.base import Backend, ChatBackend, RewardBackend
from gristmill.backends.calling import Calling
from gristmill.backends.fault import Fault
from gristmill.backends.script_files import ChatFile, RewardFile, as_score, number_of
from gristmill.errors import BackendError, ConfigError, GristmillError
from gristmill.parts import users_own
from gristmill.records import Message, Prompt, Response, Sampling, Score, as_dicts, sample_seed

YIELD_EVERY = 64
"""Calls without latency between two turns of the event loop, so that timers and Ctrl-C live."""


class Script:
    """Latency and faults. low, high: seconds a call takes; fail: share of calls that fail."""

    def __init__(self, latency: float | tuple[float, float], fail: float) -> None:
        self.low, self.high = latency if isinstance(latency, tuple) else (latency, latency)
        if not (0 <= self.low <= self.high < 1e6):
            raise ConfigError(f"scripted: latency {self.low}-{self.high} is not a range of seconds")
        if not 0 <= fail <= 1:
            raise ConfigError(f"scripted: fail is {fail}, it must be a share from 0 to 1")
        self.fail = fail
        self._calls = 0

    async def play(self, backend: Backend, key: int) -> None:
        """Count the call, take its time, and fail if it is one of those that do."""
        self.begin(backend)
        if self.high > 0:
            await asyncio.sleep(self.seconds(key))
        elif self._calls % YIELD_EVERY == 0:
            await asyncio.sleep(0)
        if self.fails(key):
            raise self.failure(backend)

    def begin(self, backend: Backend) -> None:
        """Count the call."""
        backend.meter.take_request()
        backend.traffic.requests += 1
        self._calls += 1

    def seconds(self, key: int) -> float:
        """How long the call takes."""
        return self.low + (self.high - self.low) * _share(key, "latency")

    def fails(self, key: int) -> bool:
        """Whether it is one of those that do."""
        return bool(self.fail) and _share(key, "fail") < self.fail

    def failure(self, backend: Backend) -> BackendError:
        """What such a call raises."""
        backend.traffic.failures["server"] += 1
        return BackendError("server", f"{backend.model}: this call fails by script")


class Played(Backend):
    """What all scripted models share: `function`, a coroutine function or not, and its script.

    latency: seconds a call takes, or a range of them. fail: share of calls that fail.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        latency: float | tuple[float, float] = 0.0,
        fail: float = 0.0,
        model: str = "scripted:function",
        licence: str | None = None,
    ) -> None:
        super().__init__(model)
        self.licence = licence
        self._function = function
        self._awaits = inspect.iscoroutinefunction(function)
        self._script = Script(latency, fail)


class ScriptedChat(Played, ChatBackend):
    """A chat model played by `function(messages, index, seed)`.

    The function gets role/content dictionaries and returns a text, a message as a server gives it,
    or a Response; it may be a coroutine function. What it raises becomes a BackendError `server`,
    unless it is an error of gristmill's own.
    """

    @cached_property
    def _whole(self) -> bool:
        # Files know prompts by id as well, so they get the whole prompt.
        return isinstance(getattr(self._function, "__self__", None), ChatFile)

    async def sample(self, prompt: Prompt, index: int, sampling: Sampling) -> Response:
        """See ChatBackend. Tokens are counted as a quarter of the characters."""
        seed = sample_seed(sampling.seed, prompt.id, index)
        await self._script.play(self, seed)
        return await self._said(prompt, index, seed)

    async def stream(
        self, prompt: Prompt, index: int, sampling: Sampling
    ) -> AsyncGenerator[str | Response]:
        """See ChatBackend. Word by word over the call's latency; a call that fails by script
        breaks off halfway."""
        seed = sample_seed(sampling.seed, prompt.id, index)
        self._script.begin(self)
        response = await self._said(prompt, index, seed)
        words = re.findall(r"\s*\S+\s*$|\s*\S+|\s+$", response.text)
        fails = self._script.fails(seed)
        pause = self._script.seconds(seed) / max(1, len(words))
        for word in words[: len(words) // 2] if fails else words:
            await asyncio.sleep(pause)
            yield word
        if fails:
            raise self._script.failure(self)
        yield response

    async def _said(self, prompt: Prompt, index: int, seed: int) -> Response:
        """What the function says, as a Response. Raises BackendError."""
        asked = prompt if self._whole else as_dicts(prompt.messages)
        try:
            said = self._function(asked, index, seed)
            if self._awaits:
                said = await said
        except GristmillError:
            raise
        except Exception as error:
            self.traffic.failures["server"] += 1
            what = f"{self.model} raised {type(error).__name__}: {error}"
            raise BackendError("server", what) from error
        if isinstance(said, Response):
            return said
        try:
            return self._read(said, sum(len(m.content) for m in prompt.messages))
        except Fault as fault:
            self.traffic.failures[fault.kind] += 1
            raise BackendError(fault.kind, f"{self.model}: {fault.message}") from None

    def _read(self, said: Any, asked: int) -> Response:
        """What was said, as a server's message is read. asked: characters of the prompt."""
        if isinstance(said, str):
            tokens = ((asked + 3) // 4, (len(said) + 3) // 4)
            return response_of({"content": said}, "stop", self.model, tokens)
        if not isinstance(said, Mapping):
            raise Fault("bad_reply", f"gave {type(said).__name__} where text is needed")
        response = response_of(said, "stop", self.model)
        given = len(response.text + response.reasoning)
        return replace(response, prompt_tokens=(asked + 3) // 4, completion_tokens=(given + 3) // 4)


class ScriptedReward(Played, RewardBackend):
    """A reward model played by `function(messages)`.

    It returns a number, five numbers in order, a mapping with the five attributes or `reward`,
    or a Score.
    """

    async def score(self, messages: Sequence[Message]) -> Score:
        """See RewardBackend."""
        timed = self._script.high or self._script.fail
        await self._script.play(self, _hash(messages) if timed else 0)
        try:
            graded = self._function(as_dicts(tuple(messages)))
            if self._awaits:
                graded = await graded
            return as_score(graded, self.model)
        except GristmillError:
            raise
        except Exception as error:
            self.traffic.failures["bad_reply"] += 1
            what = f"{self.model}: {type(error).__name__}: {error}"
            raise BackendError("bad_reply", what) from error


def open_chat(calling: Calling) -> ScriptedChat:
    """The chat backend of `scripted:...`. Raises ConfigError or DataError."""
    model = calling.model
    name, query = split(model)
    if name == "echo":
        function = _echo
    elif name.endswith(".jsonl"):
        function = ChatFile(name).answer
    else:
        function = import_function(name, model)
    return ScriptedChat(function, model=model, licence=calling.licence, **query)


def open_reward(calling: Calling) -> ScriptedReward:
    """The reward backend of `scripted:...`. Raises ConfigError or DataError."""
    model = calling.model
    name, query = split(model)
    if name == "echo":
        function = _grade_by_hash
    elif name.endswith(".jsonl"):
        function = RewardFile(name)
    else:
        function = import_function(name, model)
    return ScriptedReward(function, model=model, licence=calling.licence, **query)


def split(model: str) -> tuple[str, dict[str, Any]]:
    name, _, query = model.removeprefix("scripted:").partition("?")
    found: dict[str, Any] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        try:
            if key == "latency":
                low, _, high = value.partition("-")
                found[key] = (float(low), float(high or low))
            elif key == "fail":
                found[key] = float(value)
            else:
                raise ConfigError(f"model '{model}': '{key}' is not one of latency, fail")
        except ValueError:
            raise ConfigError(f"model '{model}': {key} '{value}' is not a number") from None
    return name, found


def import_function(name: str, model: str) -> Callable[..., Any]:
    module, colon, function = name.partition(":")
    if not colon or not module or not function:
        raise ConfigError(
            f"model '{model}': write scripted:echo, scripted:FILE.jsonl or scripted:MODULE:FUNCTION"
        )
    found = users_own(name, f"model '{model}'")
    if not callable(found):
        raise ConfigError(f"model '{model}': {function} of {module} is no function")
    return found


def _echo(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    return f"Echo {index + 1}: {messages[-1]['content']}"


def _grade_by_hash(messages: list[dict[str, Any]]) -> list[float]:
    """Five attributes of 0 to 4 in steps of 1/16, from the last turn and the one before."""
    text = "\0".join(m["content"] for m in messages[-2:])
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=5).digest()
    return [byte % 65 / 16 for byte in digest]


def _hash(messages: Sequence[Message]) -> int:
    joined = "\0".join(f"{m.role}:{m.content}" for m in messages)
    return number_of(joined.encode("utf-8", "surrogatepass"))


def _share(key: int, salt: str) -> float:
    """A number from 0 to 1 that depends on key and salt alone."""
    return number_of(f"{salt}:{key}".encode()) / 2**32
