"""What a request may bring, on a real server: sizes, times, connections, and what is logged."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="the page needs the extra 'arena'")

from gristmill.arena.web import connections, wall  # noqa: E402
from gristmill.arena.web.connections import bounded, trusted  # noqa: E402
from gristmill.arena.web.wall import LARGEST, Wall  # noqa: E402


async def app(scope, receive, send):
    """Says how long the body was; fails at `/static/fail`, and halfway at `/static/half`."""
    if scope["path"] == "/static/fail":
        raise KeyError("told\nto \x1b[31mfail")
    message = await receive()
    assert not message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/static/half":
        raise RuntimeError("halfway")
    await send({"type": "http.response.body", "body": str(len(message["body"])).encode()})


@contextmanager
def serving(most: int = 64, proxies: str = "127.0.0.1") -> Iterator[int]:
    """The port of a server that runs meanwhile."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        Wall(app),
        http=bounded(most),
        lifespan="off",
        log_config=None,
        log_level="error",
        forwarded_allow_ips=proxies,
    )
    server = uvicorn.Server(config)
    task = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    task.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        task.join(30)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as found:
        yield found


def status(port: int, *sent: bytes, source: str = "127.0.0.1") -> str:
    """The status of the answer to some bytes; empty where the connection just ended."""
    with socket.create_connection(("127.0.0.1", port), 20, (source, 0)) as connected:
        try:
            for each in sent:
                connected.sendall(each)
            said = connected.recv(1000).decode()
        except ConnectionError:
            return ""
    return said.partition(" ")[2][:3] if said else ""


def post(size: int, *more: str) -> bytes:
    head = ("POST /static/x HTTP/1.1", "Host: x", f"Content-Length: {size}", *more)
    return ("\r\n".join(head) + "\r\n\r\n").encode()


CHUNKED = b"POST /static/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(size: int) -> bytes:
    return f"{size:x}\r\n".encode() + b"x" * size + b"\r\n"


def test_a_body_up_to_its_limit_arrives_whole(port: int) -> None:
    assert status(port, post(LARGEST), b"x" * LARGEST) == "200"
    assert status(port, CHUNKED, *[chunk(LARGEST // 8)] * 8, b"0\r\n\r\n") == "200"


def test_a_larger_one_is_refused_and_not_kept(port: int) -> None:
    assert status(port, post(LARGEST + 1)) == "413"
    assert status(port, post(300_000_000), b"x" * 1000) == "413"
    assert status(port, post(300_000_000, "Expect: 100-continue")) == "413"
    # More than what stands between us and the server, so that it must have stopped reading.
    assert status(port, CHUNKED, *[chunk(1 << 17)] * 200) in ("413", "")
    assert status(port, b"GET /static/x HTTP/1.1\r\nHost: x\r\n\r\n") == "200"


def test_a_slow_body_and_slow_headers_end(port: int, monkeypatch) -> None:
    monkeypatch.setattr(wall, "PATIENCE", 0.2)
    assert status(port, post(10), b"half") == "408"
    monkeypatch.setattr(connections, "PATIENCE", 0.2)
    assert status(port, b"POST /sta") == ""
    with socket.create_connection(("127.0.0.1", port), 20) as idle:
        assert idle.recv(10) == b""


def test_so_many_connections_of_one_address() -> None:
    with serving(most=8, proxies="127.0.0.9") as port:
        for _ in range(2):  # and again, when they are closed
            held = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(8)]
            assert status(port, post(0)) == ""
            assert status(port, post(0), source="127.0.0.2") == "200"
            assert status(port, post(0), source="127.0.0.9") == "200"
            for each in held:
                each.close()
            time.sleep(0.3)
        of_proxy = ("127.0.0.1", port), 20, ("127.0.0.9", 0)
        more = [socket.create_connection(*of_proxy) for _ in range(9)]
        assert status(port, post(0), source="127.0.0.9") == "200"
        for each in more:
            each.close()


def test_who_is_trusted() -> None:
    assert trusted("10.1.2.3", "127.0.0.1, 10.0.0.0/8")
    assert trusted("203.0.113.9", "*")
    assert trusted("::1", ["127.0.0.1", "::1"])
    assert not trusted("203.0.113.9", "127.0.0.1,::1,proxy.sock")
    assert not trusted("", "127.0.0.1")


def test_a_failure_is_one_line(port: int, caplog) -> None:
    assert status(port, b"GET /static/fail HTTP/1.1\r\nHost: x\r\n\r\n") == "500"
    (record,) = caplog.records
    said = record.getMessage()
    assert said.startswith("GET /static/fail failed: KeyError at test_web_wall.py:")
    assert "\n" not in said and "\x1b" not in said and record.exc_info is None
    caplog.clear()
    status(port, b"GET /static/half HTTP/1.1\r\nHost: x\r\n\r\n")
    until = time.monotonic() + 10
    while not caplog.records and time.monotonic() < until:
        time.sleep(0.01)  # it is logged after the answer has begun
    assert "RuntimeError" in caplog.records[0].getMessage()
