"""A chat backend whose answers are kept on the disk, so that what was asked is not asked again.

A job of many calls that build on each other (topics, then questions on each) is resumed by doing
it again: every call that was answered before is answered from the log, at once and for nothing.
A call is known by all that decides its answer: model, `body`, messages, sampling and index. So
another system message or template is another call, and is never answered with a stale answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from gristmill.backends.base import ChatBackend
from gristmill.backends.behind import Behind
from gristmill.backends.calling import Calling
from gristmill.backends.identity import known_as
from gristmill.records import Message, Prompt, Response, Sampling, ToolCall, prompt_id
from gristmill.storage.logs import Logs


def pack(response: Response) -> list[Any]:
    """A response as a short JSON list, without what it has not."""
    r = response
    packed = [r.text, r.model, r.finish_reason, r.prompt_tokens, r.completion_tokens]
    if r.steps:
        return [*packed, r.reasoning, _packed_calls(r.tool_calls), list(map(_pack_step, r.steps))]
    if r.tool_calls:
        return [*packed, r.reasoning, _packed_calls(r.tool_calls)]
    return [*packed, r.reasoning] if r.reasoning else packed


def unpack(packed: list[Any]) -> Response:
    """What `pack` made a list of, today or before a response had a thought, calls and steps."""
    if len(packed) < 7:
        return Response(*packed)
    steps = tuple(map(_unpack_step, packed[7])) if len(packed) > 7 else ()
    return Response(*packed[:6], tool_calls=_unpacked_calls(packed[6]), steps=steps)


def _packed_calls(calls: Sequence[ToolCall]) -> list[Any]:
    return [[c.name, c.arguments, c.id] for c in calls]


def _unpacked_calls(packed: list[Any]) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(*call) for call in packed)


def _pack_step(step: Message) -> list[Any]:
    """A tool's answer, or a turn that calls."""
    if step.role == "tool":
        return [step.content, step.tool_call_id, step.name]
    return [step.content, step.reasoning, "", _packed_calls(step.tool_calls)]


def _unpack_step(packed: list[Any]) -> Message:
    if len(packed) == 3:
        return Message("tool", packed[0], tool_call_id=packed[1], name=packed[2])
    return Message("assistant", packed[0], packed[1], _unpacked_calls(packed[3]))


class Calls:
    """A log of answered calls in a folder. `spent` is the last of the totals that were kept with
    them, `resumed` whether any were there to begin with.

    others, growing: logs of other processes, whose answers are known too; see `Logs`.
    """

    def __init__(self, path: Path, others: Sequence[Path] = (), *, growing: bool = False) -> None:
        self.folder = path.parent
        self._log = Logs(path, others, growing=growing)
        self.spent: list[float] | None = None
        self._offsets: dict[bytes, int] = {}
        for offset, (key, _, spent) in self._log.scan():
            self._offsets[bytes.fromhex(key)] = offset
            self.spent = spent or self.spent
        self.resumed = bool(self._offsets)

    def __len__(self) -> int:
        return len(self._offsets)

    def find(self, key: bytes) -> Response | None:
        """The answer to a call, if it is known."""
        offset = self._offsets.get(key)
        if offset is None:
            return None
        _, answer, _ = self._log.read(offset)
        # Two say that a schema was refused, which logs held until the backend asked without it.
        return None if len(answer) == 2 else unpack(answer)

    def keep(self, key: bytes, answer: Response, spent: list[float] | None = None) -> None:
        """Keep the answer to a call, and what was spent until then. Raises StorageError."""
        self._offsets[key] = self._log.append([key.hex(), pack(answer), spent])

    def close(self) -> None:
        self._log.close()


def call_key(who: Any, prompt: Prompt, index: int, sampling: Sampling) -> bytes:
    """What tells one call of a chat model from every other. who: the model, as JSON has it."""
    s = sampling
    how = [who, index, s.temperature, s.top_p, s.max_tokens, s.seed, s.schema]
    how += [s.stop] if s.stop else []
    return key_of(how, (prompt.id, *said_in(prompt.messages, prompt.tools)))


def said_in(messages: Sequence[Message], tools: str = "") -> list[str]:
    """Everything that a conversation says."""
    said = [t for m in messages for t in (m.role, m.content)]
    if tools or not all(m.plain for m in messages):
        said.append(prompt_id(tuple(messages), tools))
    return said


def key_of(how: list[Any], texts: Iterable[str]) -> bytes:
    """16 bytes over settings, which are JSON, and texts in order."""
    digest = blake2b(orjson.dumps(how, option=orjson.OPT_SORT_KEYS), digest_size=16)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        # The lengths keep ("ab", "c") apart from ("a", "bc").
        digest.update(b"%d:%b" % (len(data), data))
    return digest.digest()


class Remembered(Behind[ChatBackend], ChatBackend):
    """`inner`, and what it answered before.

    paid: told of each answer that `inner` gave; returns what was spent in all, to be kept with it.
    calling: how it is called, which decides what it says, too.
    """

    def __init__(
        self,
        inner: ChatBackend,
        calls: Calls,
        paid: Callable[[Response], list[float]] | None = None,
        calling: Calling | None = None,
    ) -> None:
        super().__init__(inner)
        # A log that begins with this model knows it by no other name.
        self.also = inner.also if calls.resumed else ()
        self.takes_schema = inner.takes_schema
        self._calls = calls
        self._paid = paid
        self._names = [
            name if calling is None else known_as(calling, name)
            for name in (self.model, *self.also)
        ]

    async def sample(self, prompt: Prompt, index: int, sampling: Sampling) -> Response:
        """See ChatBackend. Failures are not kept: they are tried again."""
        key, *others = (call_key(name, prompt, index, sampling) for name in self._names)
        for one in (key, *others):
            if (known := self._calls.find(one)) is not None:
                return known
        answer = await (await self._opened()).sample(prompt, index, sampling)
        self._calls.keep(key, answer, self._paid(answer) if self._paid else None)
        return answer
