"""One program in one sandbox: start it, feed it, watch it, and leave nothing of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from gristmill.errors import BackendError
from gristmill.sandbox import cgroup, seccomp
from gristmill.sandbox.bubble import OUTSIDE, check, command_line, refusal
from gristmill.sandbox.limits import Finished, Limits, Reason
from gristmill.sandbox.watch import exceeded

TICK = 0.05
"""Seconds between two looks at what a sandbox holds."""
_START = 60.0
"""Seconds that bubblewrap may take to set a sandbox up."""
_CHUNK = 1 << 16


async def run(
    command: Sequence[str],
    *,
    files: Mapping[str, bytes | str] | None = None,
    stdin: bytes | socket.socket = b"",
    limits: Limits | None = None,
) -> Finished:
    """Run a command in a new sandbox and wait until nothing of it is left.

    files: relative paths to contents, placed in the working folder. stdin: what the program reads
    there, or a socket that it talks over, which is closed here once the program has it.
    When this returns, raises or is cancelled, all processes of the sandbox are gone; when our own
    process dies, however it does, they die with it.

    Raises ConfigError where sandboxes cannot be had, and BackendError("sandbox") where this one
    could not be started.
    """
    check()
    box = _Box(limits or Limits())
    # Not cut off, as bubblewrap's child cannot be found and ended before it is set up.
    starting = asyncio.ensure_future(box.start(command, files or {}, stdin))
    try:
        try:
            await asyncio.shield(starting)
        except (OSError, ValueError, TimeoutError) as error:
            raise BackendError("sandbox", f"a sandbox could not be started: {error}") from error
        return await box.finish(stdin if isinstance(stdin, bytes) else b"")
    finally:
        await _settled(starting)
        await box.close()


class _Box:
    """A sandbox, from before its first process until after its last."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.reason: Reason | None = None
        self.process: Process | None = None
        self.init = 0  # the sandbox's first process, as we number it
        self.handle = -1  # a descriptor of that process, which no other can take the place of
        self.group: cgroup.Group | None = None
        self.go = -1  # what bubblewrap waits for; it must not end before the process does

    async def start(
        self,
        command: Sequence[str],
        files: Mapping[str, bytes | str],
        stdin: bytes | socket.socket,
    ) -> None:
        """Set the sandbox up, take hold of its first process, and let the command begin."""
        source = PIPE if stdin else DEVNULL
        if isinstance(stdin, socket.socket):
            source = stdin.fileno()
        if parent := cgroup.parent():
            self.group = cgroup.Group(parent, self.limits)
        told, tell = os.pipe()
        wait, self.go = os.pipe()
        with os.fdopen(told, "rb", 0) as news, ExitStack() as lent:
            if isinstance(stdin, socket.socket):
                lent.enter_context(stdin)
            for fd in (tell, wait):
                lent.callback(os.close, fd)
            placed = {_inside(path): _readable(text, lent) for path, text in files.items()}
            refused = _readable(seccomp.program(), lent)
            fds = ("--seccomp", refused, "--info-fd", tell, "--block-fd", wait)
            self.process = await asyncio.create_subprocess_exec(
                *(self.group.enter() if self.group else ()),
                *command_line(command, self.limits, placed, [str(word) for word in fds]),
                stdin=source,
                stdout=PIPE,
                stderr=PIPE,
                env=OUTSIDE,
                cwd="/",
                # Ctrl-C is for us: a sandbox that it ended would look like a program that failed.
                start_new_session=True,
                pass_fds=[*placed.values(), refused, tell, wait],
            )
            lent.close()
            async with asyncio.timeout(_START):
                said = await _until_brace(news)
        if not said:
            _, err = await self.process.communicate()
            raise BackendError("sandbox", refusal(err.decode(errors="replace")))
        self.init = int(json.loads(said)["child-pid"])
        self.handle = os.pidfd_open(self.init)
        _give_up_first(self.init)
        os.write(self.go, b"!")

    async def finish(self, stdin: bytes) -> Finished:
        """Feed the program and read what it says until all of it has ended."""
        process = cast(Process, self.process)
        clock = asyncio.get_running_loop().call_later(self.limits.wall, self._stop, "time")
        watch = asyncio.create_task(self._watch())
        try:
            out, err, _ = await asyncio.gather(
                self._read(process.stdout), self._read(process.stderr), self._feed(stdin)
            )
            status = await process.wait()
            status = 128 - status if status < 0 else status  # bubblewrap is in the group, too
        finally:
            clock.cancel()
            watch.cancel()
        if self.reason is None and self.group is not None and self.group.was_full():
            self.reason = "memory"
        if self.reason is None and status == 128 + signal.SIGXCPU:
            self.reason = "time"
        return Finished(status, out, err, self.reason or ("signal" if status > 128 else "exit"))

    async def close(self) -> None:
        """End what is left, and return when it is gone, however often we are cancelled."""
        process = self.process
        self._kill()
        if process is not None and process.returncode is None:
            await _settled(asyncio.ensure_future(process.communicate()))
        if self.handle >= 0:
            # bubblewrap does not wait for it; the kernel tells its end when all others are gone.
            await _settled(asyncio.ensure_future(_readiness(self.handle)))
            with suppress(ChildProcessError):  # ours to bury only where we are the init process
                os.waitid(os.P_PIDFD, self.handle, os.WEXITED | os.WNOHANG)  # noqa: ASYNC222
        for fd in (self.handle, self.go):
            if fd >= 0:
                os.close(fd)
        if self.group is not None:
            self.group.remove()

    async def _read(self, stream: asyncio.StreamReader | None) -> bytes:
        """All that comes, or as much as is allowed, and then the end of the sandbox."""
        assert stream is not None
        found = bytearray()
        while chunk := await stream.read(_CHUNK):
            found += chunk
            if len(found) > self.limits.output:
                self._stop("output")
                del found[self.limits.output :]
        return bytes(found)

    async def _feed(self, stdin: bytes) -> None:
        pipe = cast(Process, self.process).stdin
        if pipe is None:
            return
        with suppress(BrokenPipeError, ConnectionResetError):  # a program may not read it all
            pipe.write(stdin)
            await pipe.drain()
        pipe.close()
        with suppress(BrokenPipeError, ConnectionResetError):
            await pipe.wait_closed()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            if over := exceeded(self.init, self.limits):
                self._stop(over)
                return

    def _stop(self, reason: Reason) -> None:
        self.reason = self.reason or reason
        self._kill()

    def _kill(self) -> None:
        """The kernel ends all processes of a sandbox with its first."""
        with suppress(ProcessLookupError):
            if self.handle >= 0:
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)
            elif self.process is not None and self.process.returncode is None:
                self.process.kill()


async def _settled(work: asyncio.Future[Any]) -> None:
    """Wait until it is done, however it ends and however often we are cancelled meanwhile."""
    while not work.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([work])
    if not work.cancelled():
        work.exception()


def _inside(path: str) -> str:
    """The path, if it stays in the working folder."""
    parts = PurePosixPath(path)
    if not path or parts.is_absolute() or ".." in parts.parts:
        raise ValueError(f"'{path}' is not a path below the working folder")
    return path


def _readable(content: bytes | str, until: ExitStack) -> int:
    """A descriptor that a content is read from, closed with the stack."""
    fd = os.memfd_create("gristmill")
    until.callback(os.close, fd)
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    with open(fd, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _give_up_first(pid: int) -> None:
    """Make a process, and all that it starts, the first to go when the machine has no memory."""
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")


async def _readiness(fd: int) -> None:
    """Wait until there is something to read."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(fd, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(fd)


async def _until_brace(pipe: IO[bytes]) -> bytes:
    """What bubblewrap writes about its child, one JSON object; nothing if it ends before."""
    said = b""
    while b"}" not in said:
        await _readiness(pipe.fileno())
        if not (chunk := os.read(pipe.fileno(), _CHUNK)):
            return b""
        said += chunk
    return said
