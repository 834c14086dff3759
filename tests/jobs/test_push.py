"""`gristmill push` against a hub on the loopback interface."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import gristmill
from commands import Gristmill
from gristmill.errors import BackendFatal, DataError, InputError
from gristmill.nemotron.tiny import tiny_path
from mills import settings, write_prompts
from trainings import write_rows

huggingface_hub = pytest.importorskip("huggingface_hub")
TOKEN = "hf_" + "loopback" * 4


class Hub(ThreadingHTTPServer):
    """As much of the hub's HTTP interface as a push needs. repos: path in it to what it holds."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.said: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None: ...

    def answer(self, status: int, body: Any, **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        path = self.path.split("?")[0].removeprefix("/api/")
        repo, tree, _ = path.removesuffix("/revision/main").partition("/tree/main")
        if repo not in self.server.repos:
            self.answer(404, {"error": "no such repository"}, X_Error_Code="RepoNotFound")
            return
        if tree:
            held = self.server.repos[repo]
            self.answer(200, [{"type": "file", "path": n, "size": len(held[n]), "oid": "0" * 40}
                              for n in held])  # fmt: skip
            return
        files = [{"rfilename": name} for name in self.server.repos[repo]]
        name = repo.split("/", 1)[1]
        private = self.server.private[repo]
        self.answer(200, {"id": name, "private": private, "siblings": files, "sha": "0" * 40})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.said.append(self.path)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer(401, {"error": "Invalid credentials in Authorization header"})
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked.get('type', 'model')}s/{asked['organization']}/{asked['name']}"
            self.server.repos.setdefault(repo, {".gitattributes": b""})
            # `visibility` since huggingface_hub 2.0, `private` before.
            private = asked.get("visibility", "") == "private" or bool(asked.get("private"))
            self.server.private.setdefault(repo, private)
            self.answer(200, {"url": f"http://{self.headers['Host']}/{repo}"})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            modes = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False,
                      "oid": None} for f in files]  # fmt: skip
            self.answer(200, {"files": modes})
        elif "/commit/" in self.path:
            repo = self.path.removeprefix("/api/").split("/commit/")[0]
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    content = base64.b64decode(value["content"])
                    self.server.repos[repo][value["path"]] = content
                elif line["key"] == "deletedFile":
                    del self.server.repos[repo][value["path"]]
            url = f"http://{self.headers['Host']}/{repo.removeprefix('models/')}/commit/{'1' * 40}"
            self.answer(200, {"commitUrl": url, "commitOid": "1" * 40, "pullRequestUrl": None})
        else:
            self.answer(200, {"errors": [], "warnings": []})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    found = Hub()
    threading.Thread(target=found.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{found.server_port}"
    # The library reads its variables when it is first imported, which others may have done.
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = settings(write_prompts(tmp_path, 12), name="shop")
    gristmill.run(config, tmp_path / "out", quiet=True)
    return tmp_path / "out"


def test_data_goes_with_its_card_and_what_was_put_aside_stays(
    hub: Hub, folder: Path, gristmill: Gristmill
) -> None:
    done = gristmill("push", folder, "acme/shop", "--dry-run")
    assert done.code == 0 and "nothing was sent" in done.out and "(private)" in done.out
    assert not hub.repos
    done = gristmill("push", folder, "acme/shop")
    assert (done.code, done.err) == (0, "")
    (files,) = hub.repos.values()
    tables = {f"data/{name}.parquet" for name in ("sft", "preference", "scored")}
    assert set(files) == {".gitattributes", "README.md", *tables}
    assert hub.private == {"datasets/acme/shop": True}
    assert files["data/sft.parquet"] == (folder / "data/sft.parquet").read_bytes()
    head = files["README.md"].decode().split("---")[1]
    assert "config_name: sft" in head and "rejected" not in head
    assert TOKEN not in done.out + done.err


def test_pushed_again_what_is_no_longer_there_goes(hub: Hub, folder: Path) -> None:
    gristmill.push(folder, "acme/shop")
    hub.repos["datasets/acme/shop"] |= {"data/sft-9.parquet": b"old", "notes.md": b"mine"}
    gristmill.push(folder, "acme/shop")
    assert "data/sft-9.parquet" not in hub.repos["datasets/acme/shop"]
    assert "notes.md" in hub.repos["datasets/acme/shop"]


def test_what_everyone_reads_must_be_said(hub: Hub, folder: Path) -> None:
    gristmill.push(folder, "acme/open", public=True)
    with pytest.raises(InputError, match="can be read by everyone: say --public"):
        gristmill.push(folder, "acme/open")
    assert not gristmill.push(folder, "acme/open", public=True).private


def test_a_model_goes_as_a_model(hub: Hub) -> None:
    pushed = gristmill.push(tiny_path("instruct"), "acme/tiny")
    assert pushed.parcel.kind == "model"
    assert {"config.json", "model.safetensors"} <= set(hub.repos["models/acme/tiny"])


def test_a_training_goes_as_its_model(hub: Hub, tmp_path: Path) -> None:
    rows = [{"prompt": f"Say {n}.", "response": f"It is {n}."} for n in range(8)]
    data = write_rows(tmp_path / "chats.jsonl", rows)
    config = {"model": "tiny:instruct", "data": {"file": str(data)}, "steps": 1}
    gristmill.train("sft", config, tmp_path / "trained")
    assert gristmill.push(tmp_path / "trained", "acme/mine").parcel.kind == "model"
    assert {"README.md", "model.safetensors"} <= set(hub.repos["models/acme/mine"])


def test_refusals_are_one_line(
    hub: Hub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="neither the folder of a run nor of a model"):
        gristmill.push(tmp_path, "acme/shop")
    with pytest.raises(InputError, match="write ORG/NAME"):
        gristmill.push(folder, "acme/shop/more")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(BackendFatal, match=r"Invalid credentials.*hf auth login"):
        gristmill.push(folder, "acme/shop")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(BackendFatal, match="the hub cannot be reached"):
        gristmill.push(folder, "acme/shop")
    assert gristmill.push(folder, "acme/shop", dry_run=True).private
