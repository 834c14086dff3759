"""What a network does: names that lead nowhere, certificates, slow and endless replies; and what
clients do to our own servers."""

from __future__ import annotations

import gzip
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cells import Found, Missing, begin, cell, last, peak_mib, run_on

MIB = 1 << 20
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def raw(
    answer: Callable[[socket.socket], None],
    end: bytes = b"\r\n\r\n",
    trust: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """The port of a server that answers every request with what `answer` does to the socket.

    end: what a request ends with."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:

        def one(taken: socket.socket) -> None:
            with suppress(OSError), taken:
                found = trust.wrap_socket(taken, server_side=True) if trust else taken
                with found:
                    while end not in found.recv(65536):
                        pass
                    answer(found)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    taken, _ = listening.accept()
                    threading.Thread(target=one, args=(taken,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def _failing(
    folder: Path, model: str, reason: str, *, most: float = 60, memory: float = 400, env: Any = None
) -> str:
    """What a run says of a model that never answers: it ends by itself, in time and memory."""
    config = run_on(folder, model, timeout=2, retries=0)
    begun = time.monotonic()
    peak = 0.0
    with begin("run", config, "--out", folder / "out", "--quiet", env=env) as process:
        while process.poll() is None:
            with suppress(AssertionError, FileNotFoundError, ProcessLookupError):
                peak = max(peak, peak_mib(process.pid))
            assert time.monotonic() - begun < most, f"it goes on after {most:.0f} s"
            time.sleep(0.02)
        said, _ = process.communicate()
    assert "Traceback" not in said and process.returncode == 1, said[-600:]
    assert reason in said, said[-600:]
    assert peak < memory, f"{peak:.0f} MiB of memory"
    return f"{last(said)}; {time.monotonic() - begun:.0f} s, {peak:.0f} MiB at most"


def _plain(said: str, port: int) -> str:
    return said.replace(f"127.0.0.1:{port}", "host").replace(f"localhost:{port}", "host")


@cell("network", "DNS", "a name that does not exist")
def dns(folder: Path) -> Found:
    return Found(
        _failing(folder, "http://no-such-host.invalid/v1#m", "no-such-host.invalid"), 0, None
    )


@cell("network", "nobody listens", "a port that is closed")
def closed(folder: Path) -> Found:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return Found(
        _plain(_failing(folder, f"http://127.0.0.1:{port}/v1#m", "is the server running"), port),
        0,
        None,
    )


def _certificate(folder: Path, name: str, days: int) -> ssl.SSLContext:
    if not shutil.which("openssl"):
        raise Missing("openssl is not installed")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"]
    made += ["-addext", f"subjectAltName=DNS:{name}", "-days", str(days)]
    made += ["-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(made, cwd=folder, check=True, capture_output=True)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return trust


@cell("network", "TLS, own certificate", "a server whose certificate nobody signed")
def own_certificate(folder: Path) -> Found:
    os.environ.pop("SSL_CERT_FILE", None)  # what this machine has there is told, too
    with raw(lambda found: None, trust=_certificate(folder, "localhost", 2)) as port:
        said = _failing(folder, f"https://localhost:{port}/v1#m", "ertificate")
    return Found(_plain(said, port), 0, None)


@cell("network", "TLS, wrong name", "a certificate that is trusted, for another host")
def wrong_name(folder: Path) -> Found:
    with raw(lambda found: None, trust=_certificate(folder, "elsewhere.example", 2)) as port:
        trusted = {"SSL_CERT_FILE": str(folder / "cert.pem")}
        said = _failing(folder, f"https://localhost:{port}/v1#m", "ertificate", env=trusted)
    return Found(_plain(said, port), 0, None)


@cell("network", "plain HTTP behind https://", "the server speaks no TLS")
def no_tls(folder: Path) -> Found:
    # What it takes for a request ends with the hello of TLS.
    with raw(lambda found: found.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), b"") as port:
        said = _failing(folder, f"https://localhost:{port}/v1#m", "TLS")
    return Found(_plain(said, port), 0, None)


def _drip(found: socket.socket) -> None:
    found.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
    while True:
        found.sendall(b" ")
        time.sleep(0.2)


@cell("network", "slow loris, a server", "a byte of the reply each 0.2 s, for ever; `timeout: 2`")
def loris(folder: Path) -> Found:
    with raw(_drip) as port:
        said = _failing(folder, f"http://127.0.0.1:{port}/v1#m", "")
    return Found(_plain(said, port), 0, None)


def _endless(found: socket.socket) -> None:
    found.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        found.sendall(b"%x\r\n" % MIB + b" " * MIB + b"\r\n")


@cell("network", "endless body", "chunks of a MiB without end")
def endless(folder: Path) -> Found:
    with raw(_endless) as port:
        said = _failing(folder, f"http://127.0.0.1:{port}/v1#m", "larger than 16 MiB")
    return Found(_plain(said, port), 0, None)


@cell("network", "gzip bomb", "3 GB of zeros in 3 MB")
def bomb(folder: Path) -> Found:
    once = gzip.compress(bytes(256 * MIB), 9)
    body = once * 12  # members of one file, 3 GiB unpacked

    def answer(found: socket.socket) -> None:
        how = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
        found.sendall(HEAD + how + body)

    with raw(answer) as port:
        said = _failing(folder, f"http://127.0.0.1:{port}/v1#m", "larger than 16 MiB")
    return Found(_plain(said, port), 0, None)


@contextmanager
def _serving() -> Iterator[tuple[int, int]]:
    """Port and process of `gristmill serve`."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with begin("serve", "tiny:instruct", "--port", port) as process:
        end = time.monotonic() + 60
        while True:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models"):
                break
            assert time.monotonic() < end and process.poll() is None, "it does not start"
            time.sleep(0.2)
        try:
            yield port, process.pid
        finally:
            process.kill()
            process.communicate()


def _asked(port: int) -> float:
    """Seconds of one request to `gristmill serve`."""
    begun = time.monotonic()
    body = b'{"model": "tiny:instruct", "messages": [{"role": "user", "content": "2 + 2?"}]}'
    connected = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connected.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    assert connected.getresponse().status == 200
    connected.close()
    return time.monotonic() - begun


@cell(
    "network",
    "slow loris, clients",
    "300 connections to `gristmill serve` that send a byte each second",
)
def clients(folder: Path) -> Found:
    with _serving() as (port, pid):
        _asked(port)
        alone, before = _asked(port), peak_mib(pid)
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
        for byte in b"POST":
            for each in slow:
                with suppress(OSError):
                    each.send(bytes([byte]))
            time.sleep(1)
        beside = _asked(port)
        grown = peak_mib(pid) - before
        for each in slow:
            each.close()
    assert beside < alone + 5 and grown < 64
    return Found(
        f"another's request took {beside:.2f} s ({alone:.2f} s alone); memory +{grown:.0f} MiB",
        0,
        None,
    )


@cell("network", "300 MB posts", "six bodies of 300 MB to `gristmill serve` at once")
def posts(folder: Path) -> Found:
    def post() -> None:
        connected = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with suppress(OSError):
            connected.putrequest("POST", "/v1/chat/completions")
            connected.putheader("Content-Length", str(300_000_000))
            connected.endheaders()
            for _ in range(300):
                connected.send(bytes(1_000_000))

    with _serving() as (port, pid):
        _asked(port)
        before = peak_mib(pid)
        threads = [threading.Thread(target=post) for _ in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        grown = peak_mib(pid) - before
        _asked(port)
    assert grown < 64, f"{grown:.0f} MiB"
    return Found(f"refused; memory +{grown:.0f} MiB; it answers", 0, None)
