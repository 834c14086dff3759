"""What gristmill wrote itself, and somebody or something damaged: each reader goes on, or says in
one line which file it is and what to do."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from finished import CONFIG, metrics_of, rows_of, small_run, tables_of
from gristmill.arena.battles import Battle
from gristmill.arena.read import read
from gristmill.arena.store import Votes
from gristmill.backends.batch_ledger import Ledger
from gristmill.backends.batch_openai import OpenAi
from gristmill.errors import GristmillError
from gristmill.mill.allowance import Allowance
from gristmill.mill.budget import Spent
from gristmill.mill.config import Config
from gristmill.mill.folder import Folder
from gristmill.mill.journal import Journal, read_calls, read_finished, spent_in, stored_in
from gristmill.mill.slots import end_round
from gristmill.records import Response, ToolCall
from gristmill.report import write_card, write_report
from gristmill.storage.cache import Cache, Owner, survey
from gristmill.storage.lease import LEASE, Leases
from gristmill.storage.log import last_record, read_log
from mills import sample, verdict
from strange import changed, damaged, fuzzed, near, texts, written


@pytest.fixture(scope="module")
def place():
    # In memory where there is a disk of it: each of these writes to the disk itself.
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def tried(act: Callable[[], Any], *names: str) -> Any:
    """What it gives; None where it said, on one line that names one of these, why not."""
    try:
        return act()
    except GristmillError as error:
        said = str(error)
        assert any(name in said for name in names), said
        assert "\n" not in said
        return None


# Logs

RESPONSE = Response("Hi", "m", "stop", 3, 4, "so", (ToolCall("f"),))


def journal_of(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with closing(Journal(folder)) as journal:
        for key in range(3):
            journal.add_partial(key, sample(0, "a"), Spent())
            journal.add_finished(
                key, (sample(0, "a", verdict(1.0)), sample(1, "b")), Spent(requests=key)
            )
        journal.add_partial(9, sample(0, "a"), Spent())
        journal.calls.keep(b"k" * 16, RESPONSE, [1.0])
        journal.vectors.add("a", {"vector": "x"})


LOGS = ("finished.jsonl", "partial.jsonl", "calls.jsonl", "vectors.jsonl")


def broken(path: Path, at: float, put: bytes, keep: bool) -> None:
    """Put bytes over those at some place of a file, and cut it off there or not."""
    raw = path.read_bytes()
    place = int(len(raw) * at)
    path.write_bytes(raw[:place] + put + (raw[place + len(put) :] if keep else b""))


breaks = (st.floats(0, 1), st.binary(max_size=6), st.booleans())


@fuzzed
@given(st.sampled_from(LOGS), *breaks)
def test_a_damaged_journal(place, name, at, put, keep):
    folder = place / "checkpoint"
    shutil.rmtree(folder, ignore_errors=True)
    journal_of(folder)
    broken(folder / name, at, put, keep)
    for look in (spent_in, stored_in, read_finished, read_calls):
        look(folder)
    list(read_log(folder / name))
    last_record(folder / name)
    journal = tried(lambda: Journal(folder), name)
    if journal is not None:
        with closing(journal):
            assert set(journal.finished) <= {0, 1, 2}
            for key in range(3):
                journal.take_partial(key, None)


@fuzzed
@given(
    near(CONFIG),
    near({"custom_id": "k", "response": {"status_code": 200, "body": {"choices": []}}}),
    *breaks,
)
def test_a_damaged_ledger_of_batches(place, config, row, at, put, keep):
    folder = place / "batches"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    read_row = OpenAi(None).read  # type: ignore[arg-type]
    with closing(Ledger(folder, read_row)) as ledger:
        batch = ledger.write([("k", b'{"custom_id":"k"}\n'), ("l", b'{"custom_id":"l"}\n')])
        ledger.note(batch, "uploaded", file="f")
        results = ledger.results(batch.name, 0)
        results.write_bytes(row.replace(b"\n", b" ") + b"\n" + config)
        tried(lambda: list(ledger.rows(results)), results.name)
    paths = sorted(folder.iterdir())
    broken(paths[len(put) % len(paths)], at, put, keep)

    def again() -> None:
        with closing(Ledger(folder, read_row)) as ledger:
            for batch in list(ledger.under_way.values()):
                ledger.keep(batch, 1)
            if found := ledger.find("k"):
                ledger.reply(found)

    tried(again, *(path.name for path in paths))


# Whole files

AGREED = {
    "id": "x", "of": 2, "target": 5, "limits": [[1, 2, 3.5], [None, None, None]],
    "budget": {"requests": 4, "tokens": None, "usd": None},
}  # fmt: skip
MINE = Config.of(
    {
        "prompts": {"file": "p.jsonl"},
        "generate": {"model": "http://x/v1#m"},
        "judges": [{"reward": {"model": "http://x/v1#r"}}],
        "budget": AGREED["budget"],
    }
)


@fuzzed
@given(near(AGREED))
def test_a_damaged_agreement(place, raw):
    path = place / "agreed.json"
    path.write_bytes(raw)
    found = tried(lambda: Allowance.read(path), "agreed.json")
    if found is not None:
        found.suits(MINE, 2)
        found.limits[0].plus(found.limits[-1])


@fuzzed
@given(near({"host": "elsewhere", "holder": "x", "by": "001-of-002", "round": "r"}), st.booleans())
def test_a_damaged_claim(place, raw, lost):
    folder = place / "claims"
    shutil.rmtree(folder, ignore_errors=True)
    leases = Leases(folder / "leases")
    (folder / "leases" / "001-of-002.0001").write_bytes(raw + b" lost" * lost)
    last = leases.last("001-of-002")
    assert last is not None and last.age < LEASE
    assert [claim.said for claim in leases.every()] == [last.said]
    assert leases.claim("001-of-002", last, {"by": "x"}) is not None


def test_a_claim_that_nobody_can_read_is_given_up_in_time(place, monkeypatch):
    monkeypatch.setattr("gristmill.mill.slots.LEASE", 0.0)
    folder = place / "given-up"
    Leases(folder / "leases")
    (folder / "leases" / "001-of-002.0001").write_bytes(b"\0\0\0")
    end_round(folder, folder / "agreed.json")
    assert not (folder / "leases").exists()


def yaml_of(value: Any) -> bytes:
    try:
        return yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")
    except (yaml.YAMLError, RecursionError):
        return b"[" * 5_000


resolved = changed({**CONFIG, "identity": MINE.identity()})
run_files = damaged(st.one_of(resolved.map(yaml_of), near(CONFIG)))


@fuzzed
@given(run_files, near({"status": "complete"}))
def test_a_damaged_run_yaml(place, raw, metrics):
    folder = Folder(place / "run")
    folder.checkpoint.mkdir(parents=True, exist_ok=True)
    folder.run.write_bytes(raw)
    folder.metrics.write_bytes(metrics)
    (folder.checkpoint / "finished.jsonl").write_bytes(b"damaged\n")
    tried(folder.make, str(folder.path))
    tried(lambda: folder.check_identity(MINE), str(folder.path))
    folder.is_of(MINE)
    folder.seems_done()


TABLES = tables_of(rows_of(1, 3, seed=4))
METRICS = metrics_of(TABLES, 1) | {"detail": "budget: requests"}


@fuzzed
@given(st.one_of(near(METRICS), st.just(written(METRICS))), st.one_of(run_files, st.none()))
def test_pages_of_a_damaged_run(place, metrics, config):
    folder = place / "pages"
    if not folder.exists():
        small_run(folder)
    (folder / "metrics.json").write_bytes(metrics)
    (folder / "run.yaml").write_bytes(yaml_of(CONFIG) if config is None else config)
    for write in (write_report, write_card):
        tried(lambda write=write: write(folder), str(folder))


# SQLite

BATTLE = Battle(id="i", model_a="a", model_b="b", winner="tie", prompt="Q?", judge="j")


def database(path: Path, make: Callable[[Path], None]) -> Path:
    """A fresh copy of a file that is made once."""
    whole = path.with_suffix(".whole")
    if not whole.exists():
        make(whole)
        with closing(sqlite3.connect(whole)) as base:
            base.execute("PRAGMA journal_mode = DELETE")
    shutil.copy(whole, path)
    return path


def some_votes(path: Path) -> None:
    with closing(Votes(path)) as votes:
        for number in range(3):
            votes.add(BATTLE, key=str(number))


@fuzzed
@given(*breaks)
def test_a_damaged_file_of_votes(place, at, put, keep):
    path = database(place / "votes.sqlite", some_votes)
    broken(path, at, put, keep)
    for use in (lambda: read([path]), lambda: Votes(path).close()):
        tried(use, path.name)


CELLS = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.binary(max_size=8),
    texts.map(lambda text: text.encode("utf-8", "replace").decode()),
    st.sampled_from(['[{"role": "user", "content": "Q?"}]', '[{"role": 1}]', "[1]", "{}"]),
)  # fmt: skip
COLUMNS = (
    "id", "model_a", "model_b", "winner", "prompt", "conversation_a", "judge", "time", "turns",
    "language", "categories", "withdrawn_at", "counted",
)  # fmt: skip


@fuzzed
@given(st.sampled_from(COLUMNS), CELLS)
def test_votes_that_somebody_wrote_into(place, column, value):
    path = database(place / "edited.sqlite", some_votes)
    with closing(sqlite3.connect(path)) as base, base, suppress(sqlite3.IntegrityError):
        base.execute(f"UPDATE votes SET {column} = ? WHERE number = 2", (value,))
    tried(lambda: read([path], ("id", "judge", "time", "turns", "language")), path.name)


def some_answers(folder: Path) -> None:
    with closing(Cache(folder)) as cache:
        for number in range(3):
            cache.put(bytes([number]) * 16, Owner(b"o" * 16, "m"), b"answer")


@fuzzed
@given(*breaks)
def test_a_damaged_cache(place, at, put, keep):
    folder = place / "cache"
    shutil.rmtree(folder, ignore_errors=True)
    some_answers(folder)
    broken(folder / "answers.sqlite", at, put, keep)

    def use() -> None:
        with closing(Cache(folder)) as cache:
            assert cache.get(b"\1" * 16) in (None, b"answer")
            cache.put(b"\4" * 16, Owner(b"o" * 16, "m"), b"more")
        survey(folder)

    tried(use, str(folder))
