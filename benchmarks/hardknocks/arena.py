"""The arena's page under many voters, through the requests that the page itself sends."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from cells import Found, Missing, begin, cell, peak_mib
from killed import Models

from gristmill.arena.store import read_votes

VOTERS, ROUNDS = 50, 6


def _page(folder: Path, servers: list[Models], port: int) -> Any:
    """The page's process, once it answers. A model of each server, under two names each."""
    try:
        import gradio  # noqa: F401
    except ImportError:
        raise Missing("Gradio is not installed") from None
    models = [
        {"model": server.named(f"chat-{n}{k}"), "name": f"m{n}{k}", "retries": 0, "timeout": 10}
        for n, server in enumerate(servers)
        for k in "ab"
    ]
    limits = {"address_rounds_per_hour": 10**6}
    path = folder / "arena.yaml"
    path.write_text(yaml.safe_dump({"models": models, "limits": limits, "undo_seconds": 0}))
    log = folder / "log"
    process = begin("arena", "serve", path, "--port", port, log=log)
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/config") as page:
            config = json.load(page)
            return process, {d["api_name"]: d["id"] for d in config["dependencies"]}
        time.sleep(0.2)
    process.kill()
    raise AssertionError(f"the page does not start: {log.read_text()[-600:]}")


class Voter:
    """A browser's session, which clicks everything twice. votes: rounds that it was told
    to have voted in. broken: rounds with an answer that did not come."""

    def __init__(self, http: aiohttp.ClientSession, url: str, names: dict[str, int]) -> None:
        self._http, self._url, self._names = http, f"{url}/gradio_api/queue", names
        self._session, self._browser = secrets.token_hex(5), secrets.token_hex(5)
        self.votes = self.broken = 0

    async def play(self, rounds: int) -> None:
        for number in range(rounds):
            await self._click("_on_send", [None, self._browser, f"Question {number}?"])
            told = await self._click("vote", [None, self._browser])
            self.votes += "You voted: " in told
            self.broken += "broke off" in told
            await self._click("_on_new", [None])

    async def _click(self, name: str, data: list[Any]) -> str:
        """Click twice before anything is answered; what came back."""
        body = {"data": data, "fn_index": self._names[name], "session_hash": self._session}
        waiting = set(await asyncio.gather(self._join(body), self._join(body)))
        said = ""
        async with self._http.get(
            f"{self._url}/data", params={"session_hash": self._session}
        ) as lines:
            async for line in lines.content:
                said += line.decode()
                if b"process_completed" in line:
                    waiting -= {event for event in waiting if event.encode() in line}
                    if not waiting:
                        break
        return said

    async def _join(self, body: dict[str, Any]) -> str:
        async with self._http.post(f"{self._url}/join", json=body) as answer:
            return (await answer.json())["event_id"]


def _die(server: Models, requests: Callable[[], int]) -> None:
    """End a server when a third of all answers have been asked for."""
    while requests() < 2 * VOTERS * ROUNDS / 3:
        time.sleep(0.01)
    server.__exit__()


async def _crowd(url: str, names: dict[str, int], stays: Models, dies: Models) -> list[Voter]:
    """All voters, until they have played; `dies` ends when a third of the rounds have begun."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True)
    ) as http:
        voters = [Voter(http, url, names) for _ in range(VOTERS)]
        playing = [asyncio.create_task(voter.play(ROUNDS)) for voter in voters]
        await asyncio.to_thread(_die, dies, lambda: stays.requests + dies.requests)
        await asyncio.gather(*playing)
    return voters


@cell(
    "arena",
    "double clicks",
    f"{VOTERS} voters at once, {ROUNDS} rounds each, everything clicked twice; one of two model "
    "servers dies on the way",
)
def double_clicks(folder: Path) -> Found:
    one, two = Models(latency=0.05), Models(latency=0.05)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with one:
        two.__enter__()
        process, names = _page(folder, [one, two], port)
        voters = asyncio.run(_crowd(f"http://127.0.0.1:{port}", names, one, two))
        memory = peak_mib(process.pid)
        process.kill()
        process.wait()
    said = (folder / "log").read_text()
    assert "Traceback" not in said, said[-600:]
    stored = Counter(vote.id for vote in read_votes(folder / "votes.sqlite"))
    told, broken = sum(v.votes for v in voters), sum(v.broken for v in voters)
    return Found(
        f"{told} votes told, {stored.total()} stored and counted; {broken} rounds had an answer "
        f"that broke off, and do not count; {memory:.0f} MiB at most",
        max(0, told - broken - stored.total()),
        stored.total() - len(stored),
    )
