"""The page behind nginx: TLS and a password there, addresses passed on, answers as they come.

The server block is the one that docs/arena.md shows.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import secrets
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("gradio", reason="the page needs the extra 'arena'")
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
if not NGINX or not shutil.which("openssl"):
    pytest.skip("nginx and openssl are not installed", allow_module_level=True)

DOCS = Path(__file__).parents[2] / "docs" / "arena.md"
CONFIG = {
    "models": [{"model": "scripted:echo?latency=1", "name": n} for n in ("wheel", "stone")],
    "limits": {"address_rounds_per_hour": 2},
}
SERVE = """
import sys
from pathlib import Path
from gristmill.arena.web import serve
serve(Path("arena.yaml"), port=0, ready=lambda address: print(address, flush=True))
"""
PLAIN = f"Basic {base64.b64encode(b'voter:mill').decode()}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory) -> Iterator[tuple[int, int]]:
    """The ports of nginx, and of the server behind it."""
    folder = tmp_path_factory.mktemp("proxy")
    (folder / "arena.yaml").write_text(yaml.safe_dump(CONFIG))
    command = [sys.executable, "-c", SERVE]
    page = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        assert page.stdout is not None
        inner = int(page.stdout.readline().strip().rpartition(":")[2])
        outer = configure(folder, inner)
        nginx = subprocess.Popen(
            [NGINX, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log", "-g", "daemon off;"]
        )
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", outer), 1).close()
                    break
                except OSError:
                    assert nginx.poll() is None, (folder / "error.log").read_text()
                    time.sleep(0.05)
            yield outer, inner
        finally:
            nginx.terminate()
            nginx.wait(30)
    finally:
        page.kill()
        page.communicate()


def configure(folder: Path, inner: int) -> int:
    """nginx's files in a folder, around the block of the docs; the port that it listens on."""
    subprocess.run(
        shlex.split(
            "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 "
            "-keyout key.pem -out cert.pem"
        ),
        cwd=folder,
        check=True,
        capture_output=True,
    )
    told = subprocess.run(
        ["openssl", "passwd", "-apr1", "mill"], capture_output=True, text=True, check=True
    )
    (folder / "voters").write_text(f"voter:{told.stdout}")
    outer = free_port()
    found = re.search(r"```nginx\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found, "docs/arena.md shows nginx's configuration"
    server = found[1]
    for said, here in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{outer} ssl;"),
        ("arena.example.org", "localhost"),
        ("/etc/ssl/arena/", f"{folder}/"),
        ("/etc/nginx/voters", f"{folder}/voters"),
        ("127.0.0.1:7860", f"127.0.0.1:{inner}"),
    ):
        assert said in server, said
        server = server.replace(said, here)
    paths = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # As whoever runs the tests, for the folder is theirs alone.
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}pid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{server}}}\n"
    )
    return outer


@contextmanager
def answered(
    port: int,
    method: str,
    path: str,
    body: str | bytes | None = None,
    *,
    source: str = "127.0.0.1",
    tls: bool = True,
    **headers: str,
) -> Iterator[http.client.HTTPResponse]:
    """The answer to a request from an address of this machine."""
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    options: dict = {"timeout": 60, "source_address": (source, 0)}
    made = (
        http.client.HTTPSConnection("127.0.0.1", port, context=trust, **options)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, **options)
    )
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(made) as connected:
        connected.request(method, path, body, {"Content-Type": "application/json", **given})
        with connected.getresponse() as answer:
            yield answer


def asked(port: int, **how: Any) -> tuple[list[float], str]:
    """Ask as the page does. When each line came, in seconds, and what they said."""
    how = {"Authorization": PLAIN, **how}
    with answered(port, "GET", "/config", **how) as answer:
        config = json.load(answer)
    send = next(d for d in config["dependencies"] if "on_send" in str(d["api_name"]))
    session, browser = secrets.token_hex(5), secrets.token_hex(5)
    data = [None, browser, "a b c d e f g h"]
    body = json.dumps({"data": data, "fn_index": send["id"], "session_hash": session})
    with answered(port, "POST", "/gradio_api/queue/join", body, **how) as answer:
        assert answer.status == 200
        answer.read()
    times, said = [], ""
    path = f"/gradio_api/queue/data?session_hash={session}"
    with answered(port, "GET", path, **how) as answer:
        for line in answer:
            times.append(time.monotonic())
            said += line.decode()
            if "process_completed" in said:
                break
    return times, said


def test_nobody_comes_in_without_the_password(proxy) -> None:
    for path in ("/", "/config", "/gradio_api/queue/data"):
        with answered(proxy[0], "GET", path) as answer:
            assert answer.status == 401
    with answered(proxy[0], "GET", "/", Authorization=PLAIN) as answer:
        page = answer.read().decode()
        assert answer.status == 200
        assert "script-src-attr 'none'" in answer.headers["content-security-policy"]
    assert f'"root":"https://127.0.0.1:{proxy[0]}"' in page.replace('": "', '":"')


def test_answers_come_while_they_are_written(proxy) -> None:
    times, said = asked(proxy[0], source="127.0.0.5")
    assert "Both are answering" in said
    assert sum(later - sooner > 0.01 for sooner, later in pairwise(times)) >= 3, "no buffer"


def test_the_address_is_nginx_s_word_and_nobody_else_s(proxy) -> None:
    outer, inner = proxy
    for number in range(2):
        _, said = asked(outer, source="127.0.0.6", X_Forwarded_For=f"203.0.113.{number}")
        assert "Both are answering" in said
    _, said = asked(outer, source="127.0.0.6", X_Forwarded_For="203.0.113.7")
    assert "2 rounds an hour" in said, "what a visitor says of their address is not believed"
    _, said = asked(outer, source="127.0.0.7")
    assert "Both are answering" in said
    past = {"source": "127.0.0.7", "tls": False}
    _, said = asked(inner, **past)
    assert "Both are answering" in said
    _, said = asked(inner, **past, X_Forwarded_For="203.0.113.8")
    assert "2 rounds an hour" in said, "nor is it without the proxy"


def test_a_large_body_is_refused_by_nginx(proxy) -> None:
    path = "/gradio_api/queue/join"
    with answered(proxy[0], "POST", path, b"x" * 300_000, Authorization=PLAIN) as answer:
        assert answer.status == 413
