"""Memory that is in no process's hands: sockets, page tables and the like have the same limit."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from boxes import boxed, needs_sandbox
from gristmill.sandbox import Limits, cgroup, interpreter, run
from gristmill.sandbox.languages import find_language

pytestmark = needs_sandbox

FILL = """
import os, socket, time
def fill(s, size=65536):
    s.setblocking(False)
    try:
        while True: s.send(b"x" * size)
    except OSError: pass
keep = []
"""
ATTACKS = {
    # 28 processes with 240 sockets each are within the limits of processes and files.
    "stream": """
for _ in range(110):
    keep.extend(socket.socketpair())
    for s in keep[-2:]: fill(s)
""",
    "datagram": """
for _ in range(110):
    keep.extend(socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
    for s in keep[-2:]: fill(s, 100_000)
""",
    "tcp": """
server = socket.create_server(("127.0.0.1", 0))
for _ in range(10):
    a = socket.create_connection(server.getsockname())
    keep.extend((a, server.accept()[0]))
    # The kernel enlarges the buffer of a program that wants to wait for much.
    for s in keep[-2:]: s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1 << 30)
    for s in keep[-2:]: fill(s)
""",
    "udp": """
for _ in range(220):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0)); s.connect(s.getsockname()); keep.append(s)
    s.setblocking(False)
    for _ in range(100): s.send(b"x" * 8000)
""",
    "in flight": """
a, b = socket.socketpair()
for n in range(110):
    keep.append(socket.socketpair()[0]); fill(keep[-1])
    socket.send_fds(a, [b"x"], [keep[-1].fileno()]); keep.pop().close()
""",
}


@pytest.mark.parametrize("kind", ATTACKS)
def test_what_sockets_hold_has_the_limit_of_memory(kind: str) -> None:
    done = boxed(f"{FILL}{ATTACKS[kind]}\ntime.sleep(9)", memory=64 << 20)
    assert done.reason == "memory", done


def test_sockets_of_many_processes_count_together() -> None:
    code = f"""{FILL}
for _ in range(20):
    if os.fork() == 0:
        for _ in range(20): keep.extend(socket.socketpair())
        break
time.sleep(9)
"""
    assert boxed(code, memory=400 << 20).reason == "memory"


def test_page_tables_count_though_nothing_is_resident() -> None:
    code = """
import mmap, time
m = mmap.mmap(-1, 1 << 36, flags=mmap.MAP_PRIVATE | 0x4000, prot=mmap.PROT_READ)
for place in range(0, 1 << 36, 2 << 20): m[place]
time.sleep(9)
"""
    done = boxed(code, memory=64 << 20, address=False)
    assert done.reason == "memory", done


def test_buffers_cannot_be_enlarged() -> None:
    code = """
import socket
a, b = socket.socketpair()
for option in (socket.SO_SNDBUF, socket.SO_RCVBUF, 32, 33):
    before = a.getsockopt(socket.SOL_SOCKET, option & 15 or 7)
    try: a.setsockopt(socket.SOL_SOCKET, option, 1 << 24)
    except OSError as error: print(error.errno)
    assert a.getsockopt(socket.SOL_SOCKET, option & 15 or 7) == before
a = socket.create_server(("127.0.0.1", 0), reuse_port=True)
print(a.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))
a.setsockopt(socket.IPPROTO_TCP, 8, 1)  # the same number, and another option
print(a.getsockopt(socket.IPPROTO_TCP, 8) > 0)
"""
    assert boxed(code).stdout.split() == [b"1", b"1", b"1", b"True"]


def test_what_holds_memory_unseen_is_refused() -> None:
    code = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
r, w = os.pipe()
for call in (lambda: libc.vmsplice(w, None, 0, 0), libc.inotify_init, lambda: libc.inotify_init1(0),
             lambda: libc.fanotify_init(0, 0)):
    print(call(), ctypes.get_errno())
for protocol in (0, 2, 16):
    try: print(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol).family)
    except OSError as error: print(error.errno)
"""
    assert boxed(code).stdout.split() == [b"-1", b"1"] * 4 + [b"16", b"97", b"97"]


def test_ordinary_programs_have_sockets_and_pipes_enough() -> None:
    code = """
import asyncio, http.server, multiprocessing, socket, subprocess, sys, threading, urllib.request
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"x" * 300_000)
    def log_message(self, *_): pass
def served():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return sum(len(urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}").read())
               for _ in range(20))
async def echoes():
    async def echo(reader, writer):
        writer.write(await reader.readline()); await writer.drain(); writer.close()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async def ask(n):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"%d\\n" % n); return int(await reader.readline())
    return sum(await asyncio.gather(*map(ask, range(100))))
async def started():
    made = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    return len((await made.communicate(b"x" * 1_000_000))[0])
def square(n): return n * n
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(4) as pool: print(sum(pool.map(square, range(9))))
    print(served(), asyncio.run(echoes()), asyncio.run(started()))
    print(subprocess.run(["wc", "-c"], input=b"x" * 1_000_000, capture_output=True).stdout)
    print(bool(socket.if_nameindex() and socket.getaddrinfo("127.0.0.1", 80)))
"""
    done = boxed(code, processes=64)
    assert done.ok, done
    assert done.stdout.split() == [
        b"204",
        b"6000000",
        b"4950",
        b"1000000",
        b"b'1000000\\n'",
        b"True",
    ]


needs_group = pytest.mark.skipif(
    cgroup.parent() is None, reason="no control group of cgroup v2 can be made here"
)


@needs_group
def test_in_a_control_group_all_memory_counts() -> None:
    # Pipes are not counted by looking; the kernel's own limit of them is above this one.
    code = """
import os, time
for _ in range(10):
    if os.fork() == 0:
        for _ in range(100):
            end = os.pipe()[1]; os.set_blocking(end, False)
            try: os.write(end, b"x" * 65536)
            except BlockingIOError: pass
        break
time.sleep(9)
"""
    done = boxed(code, memory=40 << 20, disk=1 << 20, address=False)
    assert done.reason == "memory", done


@needs_group
def test_control_groups_are_gone_with_their_sandboxes() -> None:
    parent = cgroup.parent()
    assert parent is not None
    python = interpreter(find_language("python"))

    def own() -> list[Path]:
        return list(parent.glob(f"gristmill-{os.getpid()}-*"))

    async def cut_off() -> None:
        task = asyncio.create_task(run([*python, "-c", "import time; time.sleep(9)"]))
        async with asyncio.timeout(30):
            while not own():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cut_off())
    assert boxed("print(1)").ok
    assert not own()


@needs_group
def test_a_control_group_takes_in_files_that_are_memory() -> None:
    code = "open('/dev/shm/x', 'wb').write(bytes(20 << 20)); open('x', 'wb').write(bytes(20 << 20))"
    assert boxed(code, memory=40 << 20, disk=24 << 20, address=False).ok


def test_a_user_is_told_what_holds_memory() -> None:
    told = cgroup.guard()
    assert told.startswith("held by the kernel" if cgroup.parent() else "looked at every 50 ms")


def test_where_no_control_group_can_be_made_there_is_an_error_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    with pytest.raises(OSError):
        cgroup.Group(tmp_path, Limits())
    assert not list(tmp_path.iterdir())
