"""The tools of an MCP server, through the official `mcp` package."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import orjson
from pydantic import Field, field_validator, model_validator

from gristmill.backends import loop
from gristmill.backends.secret import Secret, read_key, variable
from gristmill.errors import ConfigError, InputError, MissingExtra, MissingKey
from gristmill.intake.calls import tools_of
from gristmill.page.text import label, one_line
from gristmill.parts import Options, refuse_code
from gristmill.tools._function import as_text, why
from gristmill.tools.base import Answers, Asked, ToolError, ToolSource

START = 60.0
"""Seconds that a server may take until it has said what its tools are."""
MOST = 1 << 20
"""Bytes of what a server may say of its tools: all of it is in every request."""
_PAGES = 100
_LONG = 8
"""Characters from which on the value of a variable is told from other words."""


class Place(Options):
    """Where an MCP server is: a command that starts it here, or its address."""

    command: tuple[str, ...] = ()
    """The program and its arguments; it speaks over standard input and output. No shell reads it,
    and it gets PATH and HOME of our environment, and what `env` names."""
    url: str | None = None
    """The address of one that runs already (Streamable HTTP)."""
    env: tuple[str, ...] = ()
    """Environment variables that the command gets too, by name: keys, for instance. Their values
    are taken out of what it says."""
    key_env: str | None = Field(default=None, min_length=1)
    """The environment variable that holds the key of a `url`, sent as `Authorization: Bearer`."""
    folder: str | None = None
    """Where the command is started; by default the config's folder."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("give `command: [program, ...]`, or `url: http://...`, and not both")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("url: begin it with http:// or https://")
        return self

    @field_validator("env", "key_env")
    @classmethod
    def _variables(cls, names: Any) -> Any:
        try:
            for name in (names,) if isinstance(names, str) else names or ():
                variable(name)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return names


class Server(ToolSource):
    """`{mcp: {command: [...]}}` or `{mcp: {url: ...}}`. The server is asked once, at the beginning,
    what its tools are; all conversations of a run share it, and what it keeps."""

    mcp: Place

    def located(self, folder: Path) -> Self:
        where = str(folder / Path(self.mcp.folder or "").expanduser())
        return self.model_copy(update={"mcp": self.mcp.model_copy(update={"folder": where})})

    @property
    def name(self) -> str:
        """What it is called in errors."""
        return label(self.mcp.url or " ".join(self.mcp.command), 80)

    def _told(self) -> dict[str, str]:
        """What a command gets of our environment. Raises MissingKey."""
        if missing := [name for name in self.mcp.env if name not in os.environ]:
            raise MissingKey(f"mcp: {self.name}: set the environment variable {missing[0]}")
        return {name: os.environ[name] for name in self.mcp.env}

    def redacted(self, text: str) -> str:
        """What a server said, without the keys that it was told."""
        told = [Secret(value) for value in self._told().values() if len(value) >= _LONG]
        for secret in (read_key(self.mcp.key_env, self.name), *told):
            text = secret.redact(text)
        return text

    def listed(self) -> list[dict[str, Any]]:
        return loop.run(self._tools())

    async def _tools(self) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = []
        cursor = None
        async with Session(self) as session:
            for _ in range(_PAGES):
                async with asyncio.timeout(START):
                    page = await session.client.list_tools(cursor=cursor)
                said += [
                    {"name": t.name, "description": t.description, "parameters": t.input_schema}
                    for t in page.tools
                ]
                if not (cursor := page.next_cursor):
                    break
        if len(found := self.redacted(tools_of(said, "tools"))) > MOST:
            raise ConfigError(
                f"mcp: {self.name}: what it says of its tools is {len(found):,} bytes, and all of "
                f"it would be in every request; {MOST:,} are the most"
            )
        return orjson.loads(found) if found else []

    def open(self) -> Session:
        return Session(self)

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[Any]:
        """A client of the server, which is started for it where it is a command. Raises InputError
        for what the user has to put right, and whatever else keeps it from answering."""
        try:
            from mcp import Client
        except ImportError:  # an mcp of before version 2 has none
            raise MissingExtra("an MCP server in `tools` (mcp 2 or later)", "mcp") from None
        # What a server wrote must not reach the terminal by way of the package's own log.
        logging.getLogger("mcp").addHandler(logging.NullHandler())
        if self.mcp.url:
            from httpx2 import AsyncClient, Timeout
            from mcp.client.streamable_http import streamable_http_client

            key = read_key(self.mcp.key_env, self.name)
            headers = {"Authorization": f"Bearer {key.reveal()}"} if key else None
            # An answer is waited for by whoever asked; a stream may be silent in between.
            async with AsyncClient(headers=headers, timeout=Timeout(30, read=300)) as http:
                transport = streamable_http_client(self.mcp.url, http_client=http)
                async with Client(transport, cache=None) as client:
                    yield client
            return
        from mcp import StdioServerParameters
        from mcp.client.stdio import stdio_client

        program, *arguments = self.mcp.command
        refuse_code(program, "tools.mcp.command")
        where = self.mcp.folder or None
        how = StdioServerParameters(command=program, args=arguments, env=self._told(), cwd=where)
        with tempfile.TemporaryFile("w+", errors="replace") as log:
            try:
                async with Client(stdio_client(how, errlog=log), cache=None) as client:
                    yield client
            except Exception as error:
                log.seek(0)
                last = log.read(1 << 20).strip().splitlines()[-1:]
                error.add_note(one_line(last[0], 200) if last else "")
                raise


class Session(Answers):
    """A server that is connected. One that died is started again for the next call."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._holder: asyncio.Task[None] | None = None
        self._over = asyncio.Event()
        self._opening = asyncio.Lock()
        self.client: Any = None

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._over.set()
        if self._holder is not None:
            await asyncio.wait([self._holder])

    async def _open(self) -> None:
        """Connect. Raises InputError where the server cannot be had."""
        async with self._opening:
            if self._holder is not None and self._over.is_set():
                await asyncio.wait([self._holder])
            if self._holder is not None and not self._holder.done():
                return
            self._over = asyncio.Event()
            ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            # Its connection must be closed by the task that opened it, whoever calls.
            self._holder = asyncio.create_task(self._hold(ready, self._over))
            try:
                async with asyncio.timeout(START):
                    self.client = await asyncio.shield(ready)
            except InputError:
                raise
            except TimeoutError:
                self._holder.cancel()
                raise ConfigError(
                    f"mcp: {self._server.name}: no answer within {START:g} seconds"
                ) from None
            except Exception as error:
                said = self._server.redacted(_why(error))
                raise ConfigError(f"mcp: {self._server.name}: {said}") from None

    async def _hold(self, ready: asyncio.Future[Any], over: asyncio.Event) -> None:
        try:
            async with self._server.connected() as client:
                ready.set_result(client)
                await over.wait()
        except Exception as error:
            if not ready.done():
                ready.set_exception(error)

    async def answer(self, asked: Asked) -> str:
        from mcp import MCPError

        await self._open()
        over = self._over
        try:
            result = await self.client.call_tool(asked.name, asked.arguments)
        except MCPError as error:
            if error.error.code == _CLOSED:
                over.set()
            raise ToolError(self._server.redacted(str(error))) from None
        except Exception:
            over.set()  # what is left of the connection is of no use
            raise
        text = self._server.redacted(_text(result))
        if result.is_error:
            raise ToolError(text)
        return text


_CLOSED = -32000
"""The code of the package's own errors for a connection that has ended."""


def _text(result: Any) -> str:
    """What a result says: its texts, and of what is none its kind alone."""
    parts = []
    for block in result.content:
        inner = getattr(block, "resource", block)
        said = getattr(inner, "text", None)
        if not isinstance(said, str):
            what = getattr(inner, "uri", None) or getattr(inner, "mime_type", None) or ""
            said = f"[{block.type} {what}]"
        parts.append(said)
    if not parts and result.structured_content is not None:
        return as_text(result.structured_content)
    return "\n".join(parts)


def _why(error: BaseException) -> str:
    """What kept a server from answering, in one line; the innermost of grouped errors."""
    notes = [note for note in getattr(error, "__notes__", ()) if note]
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
        notes += [note for note in getattr(error, "__notes__", ()) if note]
    if isinstance(error, FileNotFoundError):  # its own words do not say of what
        return "there is no such program in PATH, or no such `folder`"
    return one_line(f"{why(error)}{f' ({notes[0]})' if notes else ''}", 300)
