"""Real processes of the command line, for tests that kill and interrupt them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from mills import settings
from servers import FaultyServer

PATIENCE = 60.0
"""Seconds after which a test gives up on a busy machine."""


def write_config(folder: Path, prompts: Path, server: FaultyServer, **generate: Any) -> Path:
    """A config file on the server's models: 16 requests in flight, four responses."""
    pace = {"responses": 4, "concurrency": 16, **generate}
    values = settings(
        prompts,
        generate={"model": server.chat, **pace},
        judges=[{"reward": {"model": server.reward, "concurrency": pace["concurrency"]}}],
    )
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def start(*arguments: str | Path, program: Path | None = None) -> subprocess.Popen[str]:
    """`gristmill ...` as a process of its own. program: a script that ends in its `main`."""
    begin = ["-m", "gristmill.cli"] if program is None else [str(program)]
    command = [sys.executable, *begin, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def run(*arguments: str | Path, program: Path | None = None) -> tuple[int, str, str]:
    """Exit code, output and errors of a process that ends by itself. program: see `start`."""
    with start(*arguments, program=program) as process:
        out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> bool:
    """Wait for something to become true; False if the process ended before it did."""
    end = time.monotonic() + PATIENCE
    while not true():
        if process.poll() is not None:
            return False
        assert time.monotonic() < end, "the machine is too busy, or nothing happens"
        time.sleep(0.001)
    return True
