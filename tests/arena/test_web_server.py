"""Starting the page's server, and what keeps it from starting. No browser."""

import socket
import subprocess
import sys

import pytest
import yaml

from gristmill.arena.web import serve
from gristmill.arena.web.wall import is_open
from gristmill.backends.listening import listen
from gristmill.errors import ConfigError, InputError, MissingExtra

MODELS = [{"model": "scripted:echo", "name": name} for name in ("a", "b")]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "arena.yaml"
    path.write_text(yaml.safe_dump({"models": MODELS}))
    return path


def test_a_port_in_use(config):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}: Address already in use.*--port"):
            listen("127.0.0.1", port)
    with pytest.raises(InputError, match=r"cannot listen on 203\.0\.113\.1"):
        listen("203.0.113.1", 0)


def test_gradio_is_named_where_it_is_missing(config, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingExtra, match=r"pip install 'gristmill\[arena\]'"):
        serve(config)


def test_a_wrong_config_stops_it_before_anything_is_opened(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.yaml: no such file"):
        serve(tmp_path / "absent.yaml")
    path = tmp_path / "arena.yaml"
    path.write_text(yaml.safe_dump({"models": MODELS, "vote": "x"}))
    with pytest.raises(ConfigError, match=r"arena\.yaml: vote: unknown key; did you mean 'votes'"):
        serve(path)
    assert [p.name for p in tmp_path.iterdir()] == ["arena.yaml"]


def test_the_arena_is_imported_without_gradio():
    code = (
        "import sys, gristmill.arena, gristmill.arena.web;"
        "print([m for m in ('gradio', 'uvicorn', 'fastapi') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "path",
    ["/", "", "/config", "/theme.css", "/static/img/logo.svg", "/assets/index.js"]
    + [f"/gradio_api/{call}" for call in ("queue/join", "queue/data", "heartbeat/abc", "cancel")],
)
def test_doors_that_are_open(path):
    assert is_open(path)


@pytest.mark.parametrize(
    "path",
    ["/upload", "/file=/etc/passwd", "/dev/reload", "/monitoring", "/login", "/gradio_api"]
    + [f"/gradio_api/{call}" for call in ("upload", "upload_progress", "file=/etc/passwd")]
    + [f"/gradio_api/{call}" for call in ("/upload", "file/etc/passwd", "proxy=http://a.org")]
    + [f"/gradio_api/{call}" for call in ("stream/a/b/c", "component_server", "call/vote", "info")],
)
def test_doors_that_are_closed(path):
    assert not is_open(path)
