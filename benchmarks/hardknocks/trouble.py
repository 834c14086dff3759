"""Servers in trouble: each fault by itself, a limit, a server that goes away, one that refuses."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from cells import (
    CALLS,
    CELLS,
    IN_FLIGHT,
    Cell,
    Found,
    begin,
    cell,
    gristmill,
    last,
    metrics,
    missing,
    run_config,
    scored,
    undisturbed,
)

from servers import FAULTS, FORMS, FaultyServer

WHAT = {
    "reset": "the connection is cut before a reply",
    "half": "it is cut in the middle of a body",
    "html": "status 200, a web page",
    "broken": "status 200, half a JSON document",
    "empty": "status 200, no choices",
    "null": "status 200, no text",
    "error": "status 200, an error object",
    "stall": "no reply for 3 s, `timeout: 1`",
}


def _fault(fault: str) -> Any:
    def do(folder: Path) -> Found:
        whole = undisturbed(folder / "calm")
        with FaultyServer(faults=(fault,), share=0.2, stall=3.0) as server:
            calling = {"timeout": 1} if fault == "stall" else {}
            config = run_config(folder, server, **calling)
            gristmill("run", config, "--out", folder / "out", "--quiet")
        met = server.met[fault]
        assert met > 0, "no request met the fault"
        told = metrics(folder / "out")["requests"]
        assert told["sent"] == server.requests and told["retries"] == met
        return Found(
            f"all rows; {met} of {CALLS} requests met it and were sent again",
            missing(folder / "out", whole),
            server.requests - CALLS - met,
        )

    return do


CELLS.extend(
    Cell("server", fault, WHAT.get(fault, f"status {fault}"), _fault(fault)) for fault in FAULTS
)


@cell("server", "limit", "429 above 4 requests at once, 16 are sent; grades in five forms")
def limit(folder: Path) -> Found:
    whole = undisturbed(folder / "calm")
    with FaultyServer(limit=4, latency=0.01, forms=FORMS) as server:
        gristmill("run", run_config(folder, server), "--out", folder / "out", "--quiet")
    refused = server.statuses[429]
    assert refused > 0
    return Found(
        f"all rows; {refused} requests were refused and sent again",
        missing(folder / "out", whole),
        server.requests - CALLS - refused,
    )


@cell("server", "away", "the server ends in the middle of a run and is back after 8 s")
def away(folder: Path) -> Found:
    whole = undisturbed(folder / "calm")
    server = FaultyServer(latency=0.05)
    with server:
        config = run_config(folder, server)
        process = begin("run", config, "--out", folder / "out", "--quiet")
        while server.requests < CALLS // 3:
            time.sleep(0.01)
    time.sleep(8)
    with server:
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said[-500:]
    return Found(
        "all rows; the run waits, and sends again what found nobody",
        missing(folder / "out", whole),
        max(0, server.statuses[200] - CALLS),
    )


def _refusing(status: int, error: str) -> Any:
    def do(folder: Path) -> Found:
        with FaultyServer(status=status, error=error) as server:
            config = run_config(folder, server)
            begun = time.monotonic()
            said = gristmill("run", config, "--out", folder / "out", code=None)
            took = time.monotonic() - begun
        assert took < 60, f"it went on for {took:.0f} s"
        assert server.requests <= 2 * IN_FLIGHT, f"{server.requests} requests"
        sent = server.requests
        # The folder is not spoilt: with the mistake mended, the same command does it all.
        with FaultyServer() as mended:
            config = run_config(folder, mended)
            gristmill("run", config, "--out", folder / "out", "--quiet")
        assert len(scored(folder / "out")) == CALLS // 2
        named = last(said).replace(server.url, "http://…/v1")
        return Found(f"stops after {sent} requests: {named}; corrected, it goes on", 0, 0)

    return do


CELLS.extend(
    Cell("server", f"status {status}", f"every reply is {status}: {what}", _refusing(status, what))
    for status, what in ((401, "wrong key"), (404, "no such model"), (402, "no credit left"))
)


@cell("server", "come back later", "429 with `Retry-After: 86400`")
def later(folder: Path) -> Found:
    with FaultyServer(status=429, retry_after="86400") as server:
        said = gristmill("run", run_config(folder, server), "--out", folder / "out", code=None)
    return Found(f"stops: {last(said).replace(server.url, 'http://…/v1')}", 0, 0)
