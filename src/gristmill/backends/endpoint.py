"""Models behind an OpenAI-compatible HTTP server: vLLM, NIM, SGLang, llama.cpp, hosted APIs.

    http://host:8000/v1#name                    chat, or a reward model that answers as chat
    http://host:8000/v1?route=classify#name     a reward model on vLLM's /classify (or =pooling)
    http://*#name                               on several servers (`servers.py`)
    nim:nvidia/nemotron-4-340b-instruct         NVIDIA's hosted models, key from NVIDIA_API_KEY

No key is sent to an http(s) address unless the option `key_env` names the variable that holds
it. Keys reach the Authorization header and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence, Set
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Protocol, cast

from gristmill.backends.address import Address
from gristmill.backends.base import Backend, ChatBackend, RewardBackend
from gristmill.backends.calling import ROUTES, Calling
from gristmill.backends.chat_reply import read_chat
from gristmill.backends.endpoint_stream import Pieces
from gristmill.backends.fields import LENGTH, NEW_LENGTH, SCHEMA, THOUGHT, Fields
from gristmill.backends.group import Group
from gristmill.backends.pool import Caller, Parsed, Pool
from gristmill.backends.reply import Reader
from gristmill.backends.reward_reply import read_chat_reward, read_classify, read_pooling
from gristmill.backends.servers import also_known, is_address
from gristmill.backends.session import proxy_of
from gristmill.backends.sticky import beginning
from gristmill.backends.wire import around, chat_messages, spoken_messages
from gristmill.errors import BackendError, ConfigError
from gristmill.records import Message, Prompt, Response, Sampling, Score, sample_seed

_READERS: dict[str, Callable[[Any, str], Score]] = {
    "chat": read_chat_reward,
    "classify": read_classify,
    "pooling": read_pooling,
}
assert tuple(_READERS) == ROUTES


class Held(Protocol):
    """What calls go through, held by all who use it and given back by each."""

    async def leave(self) -> None:
        """Give it back."""
        ...


class Endpoint:
    """What all kinds of endpoints share: address, key, settings, their place in the pool.

    route: below the address in the model string, for what is neither chat nor reward.
    """

    def __init__(self, backend: Backend, calling: Calling, route: str | None = None) -> None:
        self.calling = calling
        self._route = route
        self.address = Address.of(calling, route)
        # What is wrong with an address, or the proxy before it, is found before any work.
        if not calling.servers:
            proxy_of(self.address.server)
        for place in calling.servers:
            if is_address(place):
                Address.of(calling.model_copy(update={"model": place}), route)
        self.caller = Caller(backend, self.address, calling)
        self.pool: Held | None = None
        self._joining = asyncio.Lock()
        self._entered = 0

    async def join(self) -> None:
        async with self._joining:
            if self.pool is None:
                self.pool = await self._join()
            self._entered += 1

    async def _join(self) -> Held:
        o = self.calling
        if o.servers:
            return await Group(o, self.caller, self._place).join()
        return Pool.join(self.address.server, o)

    async def leave(self) -> None:
        self._entered -= 1
        if self._entered == 0 and self.pool is not None:
            pool, self.pool = self.pool, None
            await pool.leave()

    def _place(self, calling: Calling, hostname: str | None) -> Address:
        """The address of one of several servers."""
        address = Address.of(calling, self._route)
        return replace(address, server=replace(address.server, hostname=hostname))

    async def call(
        self,
        messages: Sequence[Message],
        body: bytes,
        parse: Callable[[Any], Parsed],
        reader: Reader | None = None,
    ) -> Parsed:
        """See Pool.call. messages: which `sticky` looks at."""
        prefix = beginning(messages) if self.calling.sticky else b""
        return await self.opened().call(self.caller, body, parse, reader, prefix)

    def opened(self) -> Pool | Group:
        """The pool; a call before `async with` is a mistake in the program."""
        assert self.pool is not None, "open the backend first: `async with backend:`"
        return cast(Pool | Group, self.pool)


class Served(Backend):
    """A backend behind a server: what it calls through is opened and closed with it."""

    _kind: type[Endpoint] = Endpoint

    def __init__(self, calling: Calling, route: str | None = None) -> None:
        super().__init__(calling.model)
        self._end = self._kind(self, calling, route)
        self.licence = calling.licence

    async def __aenter__(self):
        await self._end.join()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._end.leave()


class ChatEndpoint(Served, ChatBackend):
    """A chat model behind a server. `sample` sends one request, and again while it fails, without
    what its server does not take."""

    takes_schema = True
    _reader: Callable[[Any, str], Response] = staticmethod(read_chat)

    def __init__(self, calling: Calling) -> None:
        super().__init__(calling)
        if self._end.address.route != "chat":
            raise ConfigError(
                f"model '{self.model}': only a reward model has a route other than chat"
            )
        self.also = also_known(calling.model, calling.servers)
        self._fields = Fields(self.model)
        self._prepared: tuple[Sampling, Set[str]] | None = None
        self._head = self._tail = b""
        self._sent: Set[str] = frozenset()

    async def sample(self, prompt: Prompt, index: int, sampling: Sampling) -> Response:
        """See ChatBackend. What the model wrote is kept whole, without the key."""
        return await self._sample(prompt, index, sampling, self._ask)

    async def _sample(
        self,
        prompt: Prompt,
        index: int,
        sampling: Sampling,
        ask: Callable[[Prompt, int, bytes], Awaitable[Response]],
    ) -> Response:
        """The reply to a request, or to one with fewer fields. ask: sends one."""
        gone, doubt = self._fields.gone, None
        while True:
            body = self._body(prompt, index, sampling, gone)
            sent = self._sent
            try:
                response = await ask(prompt, index, body)
            except BackendError as error:
                left = None if doubt else self._fields.without(sent, error)
                if left is None:
                    raise
                doubt = error if left != self._fields.gone else None
                gone = left
            else:
                self._fields.took(sent, doubt)
                return response

    async def _ask(self, prompt: Prompt, index: int, body: bytes) -> Response:
        return await self._end.call(prompt.messages, body, self._read)

    async def stream(
        self, prompt: Prompt, index: int, sampling: Sampling
    ) -> AsyncGenerator[str | Response]:
        """See ChatBackend. Asks for server-sent events; a server that answers as a whole all the
        same gives one piece. Tried again as `sample` is, until the first piece has come."""
        pieces = Pieces(self._end.address.server.key)

        def ask(prompt: Prompt, index: int, body: bytes) -> Awaitable[Response]:
            if "stream" not in self._end.calling.body:
                body = body[:-1] + b',"stream":true}'
            return self._end.call(prompt.messages, body, self._read, pieces)

        call = self._sample(prompt, index, sampling, ask)
        async with aclosing(pieces.until(call)) as told:
            async for piece in told:
                yield piece

    def _body(self, prompt: Prompt, index: int, sampling: Sampling, gone: Set[str]) -> bytes:
        """The request, without the fields that are `gone`."""
        if self._prepared != (sampling, gone):
            self._prepare(sampling, gone)
        seed = sample_seed(sampling.seed, prompt.id, index)
        seeded = b',"seed":%d' % seed if "seed" in self._sent else b""
        tooled = prompt.tools and "tools" not in self._end.calling.body
        tools = b',"tools":' + prompt.tools.encode() if tooled else b""
        said = chat_messages(prompt.messages, THOUGHT not in gone)
        return b"".join((self._head, said, self._tail, tools, seeded, b"}"))

    def _prepare(self, sampling: Sampling, gone: Set[str]) -> None:
        """Serialise what is the same in every request: all but messages and seed."""
        extra = self._end.calling.body
        fields: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
        }
        if sampling.stop:
            fields["stop"] = sampling.stop
        if sampling.schema is not None:
            schema = {"name": "answer", "strict": True, "schema": sampling.schema}
            fields[SCHEMA] = {"type": "json_schema", "json_schema": schema}
        if LENGTH in gone:
            fields[NEW_LENGTH] = fields[LENGTH]
        fields = {k: v for k, v in fields.items() if k not in gone}
        rest = {k: v for k, v in {**fields, **extra}.items() if v is not None}
        self._head, self._tail = around(self._end.address.name, rest)
        # Ours to leave out: not what the user put into `body`, nor a `top_p` that says something.
        ours = {*fields, "seed", THOUGHT} - extra.keys() - gone
        self._sent = ours - {"top_p"} if sampling.top_p != 1 else ours
        self._prepared = (sampling, gone)

    def _read(self, reply: Any) -> Response:
        response = self._reader(reply, self.model)
        key = self._end.address.server.key
        if not key:
            return response
        calls = tuple(replace(c, arguments=key.redact(c.arguments)) for c in response.tool_calls)
        text, thought = key.redact(response.text), key.redact(response.reasoning)
        return replace(response, text=text, reasoning=thought, tool_calls=calls)


class RewardEndpoint(Served, RewardBackend):
    """A reward model behind a server."""

    def __init__(self, calling: Calling) -> None:
        super().__init__(calling)
        self._parse = _READERS[self._end.address.route]
        # No sampling parameters: NVIDIA's reward models refuse them.
        rest = {k: v for k, v in self._end.calling.body.items() if v is not None}
        if self._end.address.route != "chat":
            # Raw values: a sigmoid or softmax would flatten them.
            rest = {"use_activation": False, "encoding_format": "float", **rest}
        if self._end.address.route == "classify":
            del rest["encoding_format"]
        self._head, self._tail = around(self._end.address.name, rest)

    async def score(self, messages: Sequence[Message]) -> Score:
        """See RewardBackend."""
        body = b"".join((self._head, spoken_messages(messages), self._tail, b"}"))
        return await self._end.call(messages, body, self._read)

    def _read(self, reply: Any) -> Score:
        return self._parse(reply, self.model)


def open_chat(calling: Calling) -> ChatEndpoint:
    """A chat model behind a server, not yet opened. Raises ConfigError."""
    return ChatEndpoint(calling)


def open_reward(calling: Calling) -> RewardEndpoint:
    """A reward model behind a server, not yet opened. Raises ConfigError."""
    return RewardEndpoint(calling)
