"""Certificates that are not believed, and proxies: said for what they are, and not asked twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from calls import sample, score
from commands import Gristmill
from gristmill.backends.secret import Secret
from gristmill.backends.session import Server, proxy_of
from gristmill.errors import BackendError, BackendFatal, ConfigError
from mills import settings, write_prompts
from servers import FaultyServer
from tls import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def trusting(authority: Authority, model: str) -> str:
    """What a process says of a model that has the authority's certificate in SSL_CERT_FILE, which
    is read as it starts."""
    code = (
        "import sys; from calls import sample\n"
        "try: print(sample(sys.argv[1], {'retries': 9}).text)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    env = {**os.environ, "SSL_CERT_FILE": str(authority.file), "PYTHONPATH": path}
    command = [sys.executable, "-c", code, model]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60).stdout


def test_a_certificate_that_nobody_signed(authority: Authority) -> None:
    with FaultyServer(tls=authority.unsigned()) as server, pytest.raises(BackendFatal) as told:
        sample(server.chat, {"retries": 9})
    assert "its TLS certificate is signed by itself alone (self-signed certificate)" in str(told)
    assert "name a file of the certificate (PEM) in SSL_CERT_FILE" in str(told)
    assert "is the server running" not in str(told)
    assert server.requests == 0


def test_an_authority_of_ones_own(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer(tls=authority.signs()) as server:
        with pytest.raises(BackendFatal, match="by an authority that this machine does not know"):
            score(server.reward, {"retries": 9})
        monkeypatch.setenv("SSL_CERT_FILE", "/none.pem")
        with pytest.raises(BackendFatal, match=r"SSL_CERT_FILE names /none.pem, which cannot be"):
            sample(server.chat)
        assert server.requests == 0
        assert "hello" in trusting(authority, server.chat)
        assert server.requests == 1


@pytest.mark.parametrize(
    ("signed", "told"),
    [
        ({"days": -1}, "certificate has expired (certificate has expired); have it renewed"),
        ({"names": "DNS:other.example"}, "certificate is another host's (IP address mismatch"),
    ],
)
def test_one_that_is_trusted_and_does_not_fit(
    authority: Authority, signed: dict[str, Any], told: str
) -> None:
    with FaultyServer(tls=authority.signs(**signed)) as server:
        assert told in trusting(authority, server.chat)
        assert server.requests == 0


def test_servers_that_dns_names_are_known_by_that_name(authority: Authority) -> None:
    with FaultyServer(tls=authority.signs("DNS:localhost")) as server:
        named = f"https+dns://localhost:{server.port}/v1#chat"
        assert "hello" in trusting(authority, named)
        assert "another host's" in trusting(authority, server.chat)


def test_of_several_servers_the_others_are_used(authority: Authority) -> None:
    with FaultyServer(tls=authority.unsigned()) as bad, FaultyServer() as good:
        assert sample([bad.chat, good.chat]).text  # type: ignore[arg-type]
        assert (bad.requests, good.requests) == (0, 1)


def test_https_where_there_is_none(authority: Authority) -> None:
    with FaultyServer() as server, pytest.raises(BackendFatal, match="write http:// for https://"):
        sample(server.chat.replace("http:", "https:"), {"retries": 9})


@pytest.mark.parametrize("command", ["run", "score", "rewardbench", "compare", "prompts"])
def test_every_command_says_it(
    gristmill: Gristmill, tmp_path: Path, authority: Authority, command: str
) -> None:
    pair = {"prompt": "a", "chosen": "b", "rejected": "c"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(pair) + "\n")
    with FaultyServer(tls=authority.unsigned()) as server:
        values = settings(write_prompts(tmp_path, 2), generate={"model": server.chat})
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))
        lines = {
            "run": "run run.yaml --quiet",
            "score": f"score rows.jsonl --model {server.reward} --out x.jsonl",
            "rewardbench": f"rewardbench --model {server.reward} --data tutor:10:bench --out x",
            "compare": f"compare {server.reward} scripted:echo --kind reward --data rows.jsonl",
            "prompts": f"prompts open_qa --model {server.chat} --count 2 --out x.jsonl",
        }
        done = gristmill(*lines[command].split())
    assert done.code == 1
    assert "its TLS certificate is signed by itself alone" in done.err.splitlines()[-1]
    assert "SSL_CERT_FILE" in done.err


def test_a_proxy_is_used_and_never_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer() as server:
        monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{server.port}")
        assert "hello" in sample("http://nowhere.invalid/v1#chat").text
        assert server.headers[-1]["Host"] == "nowhere.invalid"
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        assert "hello" in sample(server.chat).text


def proxied(root: str, hostname: str | None = None) -> str | None:
    return proxy_of(Server(root, Secret(""), None, hostname))


def test_which_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy:3128")
    assert proxied("https://api.example") == "http://user:secret@proxy:3128"
    assert proxied("http://api.example") is None
    for here in ("localhost", "127.0.0.2", "[::1]", "models.localhost"):
        assert proxied(f"https://{here}:8000") is None
    # What DNS gave is an address; NO_PROXY has the name.
    monkeypatch.setenv("NO_PROXY", ".inside")
    assert proxied("https://10.0.0.7:8000", "models.inside") is None
    assert proxied("https://10.0.0.7:8000") is not None
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:secret@proxy:1080")
    with pytest.raises(ConfigError, match="HTTPS_PROXY: socks5 proxies cannot be used") as told:
        sample("https://api.example/v1#chat")
    assert "secret" not in str(told)


def test_a_proxy_that_refuses_or_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer() as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.port}")
        with pytest.raises(BackendFatal, match=r"its proxy answers HTTP 404 .*; see HTTPS_PROXY"):
            sample("https://nowhere.invalid/v1#chat", {"retries": 9})
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises((BackendFatal, BackendError), match=r"its proxy is not reached.*NO_PROXY"):
        sample("https://nowhere.invalid/v1#chat", {"retries": 0})
