"""A chat backend whose answers are kept on the disk, so that what was asked is not asked again.

A job of many calls that build on each other (topics, then questions on each) is resumed by doing
it again: every call that was answered before is answered from the log, at once and for nothing.
A call is known by all that decides its answer: model, messages, sampling and index. So another
system message or template is another call, and is never answered with a stale answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from gristmill.backends.base import ChatBackend
from gristmill.errors import BackendError
from gristmill.records import Prompt, Response, Sampling, ToolCall, prompt_id
from gristmill.storage.logs import Logs


def pack(response: Response) -> list[Any]:
    """A response as a short JSON list, without what it has not."""
    r = response
    packed = [r.text, r.model, r.finish_reason, r.prompt_tokens, r.completion_tokens]
    if r.tool_calls:
        return [*packed, r.reasoning, [[c.name, c.arguments, c.id] for c in r.tool_calls]]
    return [*packed, r.reasoning] if r.reasoning else packed


def unpack(packed: list[Any]) -> Response:
    """What `pack` made a list of, today or before a response had a thought and calls."""
    if len(packed) < 7:
        return Response(*packed)
    calls = tuple(ToolCall(*call) for call in packed[6])
    return Response(*packed[:6], tool_calls=calls)


class Calls:
    """A log of answered calls. `spent` is the last of the totals that were kept with them.

    others, growing: logs of other processes, whose answers are known too; see `Logs`.
    """

    def __init__(self, path: Path, others: Sequence[Path] = (), *, growing: bool = False) -> None:
        self._log = Logs(path, others, growing=growing)
        self.spent: list[float] | None = None
        self._offsets: dict[bytes, int] = {}
        for offset, (key, _, spent) in self._log.scan():
            self._offsets[bytes.fromhex(key)] = offset
            self.spent = spent or self.spent

    def __len__(self) -> int:
        return len(self._offsets)

    def find(self, key: bytes) -> Response | None:
        """The answer to a call, if it is known. Raises the BackendError that was kept of it."""
        offset = self._offsets.get(key)
        if offset is None:
            return None
        _, answer, _ = self._log.read(offset)
        if len(answer) == 2:
            raise BackendError(*answer)
        return unpack(answer)

    def keep(
        self, key: bytes, answer: Response | BackendError, spent: list[float] | None = None
    ) -> None:
        """Keep the answer to a call, and what was spent until then. Raises StorageError."""
        if isinstance(answer, BackendError):
            kept: list[Any] = [answer.kind, str(answer)]
        else:
            kept = pack(answer)
        self._offsets[key] = self._log.append([key.hex(), kept, spent])

    def close(self) -> None:
        self._log.close()


class Remembered(ChatBackend):
    """`inner`, and what it answered before. Opening opens `inner` only when it must be asked.

    paid: told of each answer that `inner` gave; returns what was spent in all, to be kept with it.
    """

    def __init__(
        self,
        inner: ChatBackend,
        calls: Calls,
        paid: Callable[[Response], list[float]] | None = None,
    ) -> None:
        super().__init__(inner.model)
        self.licence, self.traffic = inner.licence, inner.traffic
        self.takes_schema = inner.takes_schema
        self._inner = inner
        self._calls = calls
        self._paid = paid
        self._opening = asyncio.Lock()
        self._is_open = False

    async def __aenter__(self) -> Remembered:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._is_open:
            self._is_open = False
            await self._inner.__aexit__(*exc_info)

    async def _opened(self) -> ChatBackend:
        async with self._opening:
            if not self._is_open:
                self._inner.meter = self.meter
                await self._inner.__aenter__()
                self._is_open = True
        return self._inner

    async def sample(self, prompt: Prompt, index: int, sampling: Sampling) -> Response:
        """See ChatBackend. That a server refuses a schema is kept, too; other failures are not:
        they are tried again."""
        key = self._key(prompt, index, sampling)
        known = self._calls.find(key)
        if known is not None:
            return known
        try:
            answer = await (await self._opened()).sample(prompt, index, sampling)
        except BackendError as error:
            if error.kind == "bad_request" and sampling.schema is not None:
                self._calls.keep(key, error)
            raise
        self._calls.keep(key, answer, self._paid(answer) if self._paid else None)
        return answer

    def _key(self, prompt: Prompt, index: int, sampling: Sampling) -> bytes:
        s = sampling
        how = [self.model, index, s.temperature, s.top_p, s.max_tokens, s.seed, s.schema]
        digest = blake2b(orjson.dumps(how, option=orjson.OPT_SORT_KEYS), digest_size=16)
        said = [t for m in prompt.messages for t in (m.role, m.content)]
        if prompt.tools or not all(m.plain for m in prompt.messages):
            said.append(prompt_id(prompt.messages, prompt.tools))
        for text in (prompt.id, *said):
            data = text.encode("utf-8", "surrogatepass")
            # The lengths keep ("ab", "c") apart from ("a", "bc").
            digest.update(b"%d:%b" % (len(data), data))
        return digest.digest()
