"""The same job with gristmill and with tools for the same purpose, on one loopback server.

    python benchmarks/peers.py                                   all of it
    python benchmarks/peers.py --jobs 0 killed --rounds 5        some of it
    python benchmarks/peers.py --sides gristmill curator --json peers.json

Each tool gets an environment of its own under `--environments`, made where it is not there yet.
The job (`peer_sides.py` says how each is configured): one answer to each of N prompts, 256 in
flight, about 200 characters each way, written to the tool's own data files. The sides run in turn,
each run a process with a server of its own (`loopback.py`); the data files are read afterwards, and
a run in which a row is missing or there twice is named.

Seconds and CPU seconds (user and system, of the process and its children) are those from the
tool's being imported to its data being on disk; in the line below, those of the whole process.
`killed`: every process of the tool is killed (SIGKILL) when the server has had half of the
requests, and the same command is run again. Calls repeated are those that the server had for a
prompt beyond the first.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import venv
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
PACKAGES = {
    "gristmill": [],
    "designer": ["data-designer"],
    "curator": ["bespokelabs-curator"],
    "distilabel": ["distilabel[openai]", "requests"],  # it imports requests and does not ask for it
}
DATA = {
    "gristmill": "data/sft.parquet",
    "designer": "data/parquet-files/*.parquet",
    "curator": "*/*.arrow",
    "distilabel": "peers/*/executions/*/data/steps_outputs/text_generation_0/*.parquet",
}
"""Where each side has its rows, in the folder of a run."""

JOBS = {"0": 3000, "killed": 3000, "200ms": 1500, "tail": 1500}
"""Prompts of each; `killed` has the latency of 200 ms."""

SECONDS = 600.0
"""After which a run counts as failed; distilabel's resumed run never ended here."""

QUESTION = (
    "Question {}: a farm has {} fields of barley, and each yields {} bushels in a dry year, "
    "of which a tenth is lost on the way to town. How many bushels reach the market, and how would "
    "you check it?"
)
ASKED = re.compile(r"Question (\d+):")
ANSWER = re.compile(r"\b(?:mill|grain|stone|flour|sack|wheel|water|farmer|barn|grind)\b")


@dataclass(frozen=True)
class Run:
    """One run of a side. lost, twice: rows; repeated: calls; peak: MiB of all its processes."""

    side: str
    job: str
    round: int
    version: str
    seconds: float
    cpu: float
    whole_seconds: float
    whole_cpu: float
    peak: float
    in_flight: int
    lost: int
    twice: int
    repeated: int


class Failed(Exception):
    """A side ended with an error, or not at all."""


class Memory(threading.Thread):
    """Watches what a process and its children hold (PSS, so that shared pages count once)."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self.peak = 0.0
        self.start()

    def run(self) -> None:
        with contextlib.suppress(psutil.Error):
            while self._process.is_running():
                held = 0
                for process in (self._process, *self._process.children(recursive=True)):
                    with contextlib.suppress(psutil.Error):
                        held += process.memory_full_info().pss
                self.peak = max(self.peak, held / 2**20)
                time.sleep(0.5)


class Server:
    """`loopback.py` in a process of its own."""

    def __init__(self, latency: str) -> None:
        command = [sys.executable, str(HERE / "loopback.py"), "--latency", latency]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._root = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self.url = f"{self._root}/v1"

    def get(self, what: str) -> dict[str, int]:
        with urllib.request.urlopen(f"{self._root}/{what}") as reply:
            return json.load(reply)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def python_of(side: str, environments: Path) -> Path:
    """The side's Python, with the tool installed."""
    if not PACKAGES[side]:
        return Path(sys.executable)
    folder = environments / side
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES[side]], check=True)
        (folder / "installed").touch()
    return python


class Side:
    """One tool at one job, in one folder."""

    def __init__(self, name: str, python: Path, folder: Path, prompts: int) -> None:
        self.name = name
        self._python = python
        self._folder = folder
        self._prompts = prompts
        lines = (json.dumps({"prompt": QUESTION.format(n, n + 3, n % 97)}) for n in range(prompts))
        (folder / "prompts.jsonl").write_text("\n".join(lines) + "\n")

    def start(self, url: str) -> subprocess.Popen[bytes]:
        """In a process group of its own, so that all of it can be killed."""
        folder = self._folder
        (folder / "report.json").unlink(missing_ok=True)
        words = [url, folder / "prompts.jsonl", folder / "out", folder / "report.json"]
        with (folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self._python, HERE / "peer_sides.py", self.name, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                start_new_session=True,
            )

    def finish(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        """The side's report, once it has ended well."""
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            kill(process)
            raise Failed(f"{self.name}: not done after {SECONDS:.0f} s") from None
        if process.returncode or not (self._folder / "report.json").exists():
            end = (self._folder / "log").read_text(errors="replace")[-2000:]
            raise Failed(f"{self.name} ended with {process.returncode}:\n{end}")
        return json.loads((self._folder / "report.json").read_text())

    def rows(self) -> Counter[int]:
        """How often each prompt has a row with an answer, in the tool's data files."""
        found: Counter[int] = Counter()
        for file in (self._folder / "out").glob(DATA[self.name]):
            for row in _rows(file):
                text = json.dumps(row, default=str)
                if ANSWER.search(text):
                    found.update(int(number) for number in ASKED.findall(text)[:1])
        return found


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    if file.suffix == ".parquet":
        yield from pq.read_table(file).to_pylist()
    else:
        with pa.ipc.open_stream(file) as stream:
            yield from stream.read_all().to_pylist()


def kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def measure(name: str, python: Path, job: str, prompts: int, turn: int) -> Run:
    """One run of a side, and for `killed` another that resumes it, which is the one timed."""
    with (
        tempfile.TemporaryDirectory(prefix="peers-") as folder,
        Server("200ms" if job == "killed" else job) as server,
    ):
        side = Side(name, python, Path(folder), prompts)
        if job == "killed":
            process = side.start(server.url)
            while server.get("stats")["requests"] < prompts / 2 and process.poll() is None:
                time.sleep(0.02)
            kill(process)
        before, began = _cpu(), time.time()
        process = side.start(server.url)
        memory = Memory(process.pid)
        report = side.finish(process)
        whole_seconds, whole_cpu = time.time() - began, _cpu() - before
        rows = side.rows()
        asked = {text: n for text, n in server.get("asked").items() if ASKED.match(text)}
        return Run(
            side=name,
            job=job,
            round=turn,
            version=report["version"],
            seconds=report["written"] - report["loaded"],
            cpu=whole_cpu - report["loaded_cpu"],
            whole_seconds=whole_seconds,
            whole_cpu=whole_cpu,
            peak=memory.peak,
            in_flight=server.get("stats")["max_in_flight"],
            lost=prompts - len(rows),
            twice=rows.total() - len(rows),
            repeated=sum(asked.values()) - len(asked),
        )


def _cpu() -> float:
    """CPU seconds of all children that have ended, and of theirs that they waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def table(runs: list[Run], sides: list[str], jobs: list[str]) -> str:
    """Medians as a Markdown table, ratios to gristmill's run of the same round below."""
    timed = [job for job in jobs if job != "killed"]
    heads = ["tool", *(f"{job}: s (CPU s)" for job in timed), "peak MiB", "in flight"]
    lines = [_line(heads), _line(["---"] * len(heads))]
    for side in sides:
        of = {job: [run for run in runs if (run.side, run.job) == (side, job)] for job in jobs}
        mine = [run for job in timed for run in of[job]]
        if not mine:
            continue
        cells = [f"{side} {mine[0].version}"]
        for job in timed:
            cells.append(f"{_median(of[job], 'seconds')} ({_median(of[job], 'cpu')})")
        peak = max(run.peak for run in mine)
        lines.append(_line([*cells, f"{peak:.0f}", str(max(run.in_flight for run in mine))]))
        whole = (
            f"{_median(of[j], 'whole_seconds')} ({_median(of[j], 'whole_cpu')})" for j in timed
        )
        lines.append(_line(["... whole process", *whole, "", ""]))
        for key, label in (("seconds", "time"), ("cpu", "CPU time")):
            ratios = (_ratios(of[job], runs, key) for job in timed)
            lines.append(_line([f"... {label} / gristmill's", *ratios, "", ""]))
    faults = [
        run for run in runs if run.job != "killed" and (run.lost or run.twice or run.repeated)
    ]
    lines += [
        f"{r.side} at {r.job}: {r.lost} lost, {r.twice} twice, {r.repeated} repeated"
        for r in faults
    ]
    if "killed" in jobs:
        lines += ["", _line(["killed, resumed", "rows lost", "rows twice", "calls repeated", "s"])]
        lines.append(_line(["---"] * 5))
        for run in (run for run in runs if run.job == "killed"):
            cells = [run.side, *map(str, (run.lost, run.twice, run.repeated)), f"{run.seconds:.1f}"]
            lines.append(_line(cells))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _median(runs: list[Run], key: str) -> str:
    return f"{statistics.median(getattr(run, key) for run in runs):.2f}" if runs else "-"


def _ratios(mine: list[Run], runs: list[Run], key: str) -> str:
    """Median, and least to greatest, of the rounds' ratios."""
    if not mine:
        return "-"
    ours = {(run.job, run.round): run for run in runs if run.side == "gristmill"}
    pairs = ((run, ours[run.job, run.round]) for run in mine if (run.job, run.round) in ours)
    ratios = [getattr(run, key) / getattr(our, key) for run, our in pairs]
    if not ratios:
        return "-"
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sides", nargs="+", choices=list(PACKAGES), default=list(PACKAGES))
    parser.add_argument("--jobs", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", type=int, help="instead of each job's own number")
    default = Path(tempfile.gettempdir()) / "gristmill-peers"
    parser.add_argument("--environments", type=Path, default=default, help=f"default: {default}")
    parser.add_argument("--json", type=Path, help="write every run here too")
    args = parser.parse_args()
    pythons = {side: python_of(side, args.environments) for side in args.sides}
    runs: list[Run] = []
    failures: list[str] = []
    for turn, job, side in itertools.product(range(args.rounds), args.jobs, args.sides):
        try:
            run = measure(side, pythons[side], job, args.prompts or JOBS[job], turn)
        except Failed as error:
            print(error, file=sys.stderr, flush=True)
            failures.append(f"{job}, round {turn}: {error}".splitlines()[0])
            continue
        runs.append(run)
        print(json.dumps(asdict(run)), file=sys.stderr, flush=True)
        if args.json:
            args.json.write_text(json.dumps([asdict(run) for run in runs], indent=1))
    print(table(runs, args.sides, args.jobs), *failures, sep="\n")


if __name__ == "__main__":
    main()
