"""A cell of the table, and what cells are made with: processes, their ends, and a run's rows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import yaml

from mills import settings, write_prompts
from servers import FaultyServer

IN_FLIGHT = 16
PROMPTS, RESPONSES = 40, 4
CALLS = PROMPTS * RESPONSES * 2
"""Requests of the usual run: an answer and a grade for each response."""
PATIENCE = 600.0


class Missing(Exception):
    """This machine has not what a cell needs."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a cell found. lost: results that were stored and are not there, or rows that should be.
    repeated: requests sent again though they had been answered. None: not a count of this cell."""

    happened: str
    lost: int | None
    repeated: int | None
    held: bool = True


@dataclass(frozen=True, slots=True)
class Cell:
    group: str
    name: str
    done: str
    do: Callable[[Path], Found]


CELLS: list[Cell] = []


def cell(group: str, name: str, done: str) -> Callable[[Callable[[Path], Found]], Any]:
    """Register a cell; the function is given an empty folder."""

    def register(do: Callable[[Path], Found]) -> Callable[[Path], Found]:
        CELLS.append(Cell(group, name, done, do))
        return do

    return register


def begin(
    *words: object, env: Mapping[str, str] | None = None, log: Path | None = None
) -> subprocess.Popen[str]:
    """`gristmill ...` as a process of its own, both its streams in one. log: where they go."""
    return subprocess.Popen(
        [sys.executable, "-m", "gristmill", *map(str, words)],
        stdout=log.open("w") if log else subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
    )


def gristmill(*words: object, code: int | None = 0, env: Mapping[str, str] | None = None) -> str:
    """What a command says that ends by itself, with this status (None: any)."""
    with begin(*words, env=env) as process:
        try:
            said, _ = process.communicate(timeout=PATIENCE)
        except BaseException:
            process.kill()
            raise
    status = process.returncode
    assert code is None or status == code, f"{words[0]} ended with {status}: {said[-600:]}"
    return said


def last(said: str, mark: str = "error:") -> str:
    """The last line with such a mark, as code."""
    lines = [line.strip() for line in said.splitlines() if mark in line]
    assert lines, f"nothing says '{mark}': {said[-600:]}"
    return f"`{lines[-1].replace('`', '')}`"


def run_config(folder: Path, server: FaultyServer, prompts: int = PROMPTS, **calling: Any) -> Path:
    """A run's config file on the server's models, IN_FLIGHT requests at once."""
    pace = {"concurrency": IN_FLIGHT, **calling}
    values = settings(
        write_prompts(folder, prompts),
        generate={"model": server.chat, "responses": RESPONSES, **pace},
        judges=[{"reward": {"model": server.reward, **pace}}],
    )
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def scored(out: Path) -> dict[str, Any]:
    """The rows of a run by response, without what names the server; each stands there once."""
    rows = pq.read_table(out / "data" / "scored.parquet").to_pylist()
    for row in rows:
        row.pop("provenance")
    found = {row["response_id"]: row for row in rows}
    assert len(found) == len(rows), "a response stands twice in scored.parquet"
    return found


def missing(out: Path, whole: Mapping[str, Any]) -> int:
    """Rows of an undisturbed run that this one has not, or has otherwise."""
    found = scored(out)
    assert not set(found) - set(whole), "there are rows that an undisturbed run has not"
    return sum(found.get(name) != row for name, row in whole.items())


def metrics(out: Path) -> dict[str, Any]:
    return orjson.loads((out / "metrics.json").read_bytes())


def peak_mib(pid: int) -> float:
    """The most memory that a living process has held, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the process is gone")


def undisturbed(folder: Path) -> dict[str, Any]:
    """The rows of the usual run when nothing goes wrong."""
    with FaultyServer() as server:
        out = folder / "whole"
        gristmill("run", run_config(folder, server), "--out", out, "--quiet")
        assert server.requests == CALLS
    return scored(out)


def run_on(folder: Path, model: str, **calling: Any) -> Path:
    """The config file of a run without a judge: four prompts, one answer each of a model."""
    generate = {"model": model, "responses": 1, "concurrency": 4, **calling}
    values = {"prompts": {"file": str(write_prompts(folder, 4))}, "generate": generate}
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(values))
    return path
