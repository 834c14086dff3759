"""The machine under a run: a full disk, a read-only one, two processes in a folder, a clock that
jumps."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cells import (
    CALLS,
    IN_FLIGHT,
    PATIENCE,
    Found,
    Missing,
    begin,
    cell,
    gristmill,
    last,
    missing,
    run_config,
    undisturbed,
)

from servers import FaultyServer

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[Path]:
    """A file system of its own with so much room."""
    if os.geteuid():
        raise Missing("only root can mount a small file system")
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={kib}k", "none", folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def _mount(*words: object) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


@cell("machine", "disk full", "a `run` on a disk of 64 KiB, four times; then with room")
def full(folder: Path) -> Found:
    whole = undisturbed(folder / "calm")
    with FaultyServer(latency=0.01) as server, small_disk(folder / "disk", 64) as disk:
        config = run_config(folder, server)
        words = ("run", config, "--out", disk / "out", "--quiet")
        said, *_ = (gristmill(*words, code=2) for _ in range(4))
        _mount("-o", "remount,size=64m", disk)
        gristmill(*words)
        lost = missing(disk / "out", whole)
        repeated = server.requests - CALLS
    assert repeated <= 4 * 2 * IN_FLIGHT, f"{repeated} requests were sent again"
    return Found(
        f"stops each time: {last(said).replace(str(disk), '…')}; then all rows", lost, repeated
    )


@cell("machine", "disk full", "`score`, `prompts`, `judge-eval`, `train` on a disk of 16 KiB")
def full_for_all(folder: Path) -> Found:
    from killed import Models, _judge, _prompts, _score, _training

    told = []
    with Models() as server, small_disk(folder / "disk", 16) as disk:
        for name, words in (
            ("score", _score(folder, server, disk / "score.jsonl")),
            ("prompts", _prompts(folder, server, disk / "prompts.jsonl")),
            ("judge-eval", _judge(folder, server, disk / "judge")),
            ("train", _training("reward", "tutor:100:rated")(folder, disk / "train")),
        ):
            said = gristmill(*words, code=2)
            assert "Traceback" not in said and "No space left" in last(said), said[-500:]
            told.append(name)
            for path in disk.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return Found(
        f"{', '.join(told)}: status 2, one line that says `No space left on device`", 0, None
    )


@cell("machine", "read-only", "`run` and `report` where nothing can be written")
def read_only(folder: Path) -> Found:
    with FaultyServer() as server, small_disk(folder / "disk", 8192) as disk:
        config = run_config(folder, server)
        gristmill("run", config, "--out", disk / "out", "--quiet")
        sent = server.requests
        _mount("-o", "remount,ro", disk)
        said = gristmill("run", config, "--out", disk / "new", code=None)
        again = gristmill("run", config, "--out", disk / "out", code=None)
        report = gristmill("report", disk / "out", code=None)
        assert server.requests == sent, "requests were sent"
        for text in (said, again, report):
            assert "Traceback" not in text and "ead-only" in last(text), text[-500:]
    return Found(f"nothing is asked; {last(said).replace(str(disk), '…')}", 0, 0)


@cell("machine", "two processes", "the same command twice in one folder at once")
def two(folder: Path) -> Found:
    whole = undisturbed(folder / "calm")
    with FaultyServer(latency=0.05) as server:
        config = run_config(folder, server)
        with begin("run", config, "--out", folder / "out", "--quiet") as first:
            while server.requests < 60:
                time.sleep(0.01)
            said = gristmill("run", config, "--out", folder / "out", code=None)
            first.communicate()
        assert first.returncode == 0
        lost, repeated = missing(folder / "out", whole), server.requests - CALLS
    return Found(f"the second ends at once: {last(said).replace(str(folder), '…')}", lost, repeated)


@cell(
    "machine", "clock jump", "two shards, the clock of one goes ten years ahead, then two days back"
)
def clock(folder: Path) -> Found:
    if not Path(FAKETIME).exists():
        raise Missing("libfaketime is not installed")
    whole = undisturbed(folder / "calm")
    stamp = folder / "clock"
    stamp.write_text("+0")
    env = {
        "LD_PRELOAD": FAKETIME,
        "FAKETIME_TIMESTAMP_FILE": str(stamp),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    out = folder / "out"
    with FaultyServer(latency=0.1, faults=("429", "503"), share=0.2, retry_after="1") as server:
        words = ("run", run_config(folder, server), "--out", out, "--quiet")
        with (
            begin(*words, "--shard", "1/2", env=env) as jumping,
            begin(*words, "--shard", "2/2") as other,
        ):
            for share, shift in ((0.2, "+3650d"), (0.5, "-2d"), (0.7, "+0")):
                while server.requests < share * CALLS and jumping.poll() is None:
                    time.sleep(0.01)
                (folder / "new").write_text(shift)
                (folder / "new").replace(stamp)
            for process in (jumping, other):
                said, _ = process.communicate(timeout=PATIENCE)
                assert process.returncode == 0, said[-500:]
        gristmill(*words)
    refused = server.statuses[429] + server.statuses[503]
    repeated = server.requests - CALLS - refused
    return Found("all rows", missing(out, whole), repeated)
