"""The store of answers: whole or not there, its owner's alone, never in the way of the work."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sqlite3
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gristmill.errors import ConfigError, DataError, StorageError
from gristmill.storage import cache as module
from gristmill.storage.cache import FILE, Cache, Owner, clear, size_on_disk, survey

ONE, TWO = Owner(b"1" * 16, "http://one/v1#m"), Owner(b"2" * 16, "http://two/v1#m")


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def filled(folder: Path, count: int, owner: Owner = ONE, first: int = 0) -> Path:
    cache = Cache(folder)
    for number in range(first, first + count):
        cache.put(key(number), owner, b"answer %d" % number)
    cache.close()
    return folder


def aged(folder: Path, seconds: float, first: int, last: int) -> None:
    with sqlite3.connect(folder / FILE) as base:
        at = int(time.time() - seconds)
        base.execute(
            "UPDATE answers SET made = ? WHERE key BETWEEN ? AND ?", (at, key(first), key(last))
        )
    base.close()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=20), st.binary(max_size=300))))
def test_what_was_put_is_found(tmp_path: Path, answers: list[tuple[bytes, bytes]]) -> None:
    folder = tmp_path / str(time.monotonic_ns())
    cache = Cache(folder)
    for name, answer in answers:
        cache.put(name, ONE, answer)
        assert cache.get(name) == answer
    cache.close()
    again = Cache(folder)
    for name, answer in dict(answers).items():
        assert again.get(name) == answer
    assert again.get(b"nobody asked for this, ever") is None
    again.close()


def test_it_is_its_owner_s_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        cache = Cache(tmp_path / "deep" / "cache")
        cache.put(key(1), ONE, b"a")
        cache.flush()
        files = list((tmp_path / "deep" / "cache").iterdir())
        assert {f.name for f in files} == {FILE, FILE + "-wal", FILE + "-shm"}
        assert {f.stat().st_mode & 0o777 for f in files} == {0o600}
        assert (tmp_path / "deep" / "cache").stat().st_mode & 0o777 == 0o700
        cache.close()
    finally:
        os.umask(before)


def _write_many(folder: str, first: int) -> None:
    cache = Cache(Path(folder))
    for number in range(first, first + 600):
        cache.put(key(number), ONE, b"x" * 500)
    cache.close()


def test_several_processes_make_and_fill_one(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("fork")
    folder = str(tmp_path / "cache")
    workers = [spawn.Process(target=_write_many, args=(folder, n * 600)) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert survey(Path(folder))[0].entries == 3600


def test_a_process_that_is_killed_leaves_what_it_wrote(tmp_path: Path) -> None:
    def work() -> None:
        cache = Cache(tmp_path)
        for number in range(module.WRITTEN_AT_ONCE + 5):
            cache.put(key(number), ONE, b"x")
        os._exit(9)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(60)
    assert survey(tmp_path)[0].entries == module.WRITTEN_AT_ONCE


def test_a_damaged_answer_is_none(tmp_path: Path) -> None:
    filled(tmp_path, 2)
    with sqlite3.connect(tmp_path / FILE) as base:
        base.execute("UPDATE answers SET answer = substr(answer, 1, 8) WHERE key = ?", (key(0),))
    base.close()
    cache = Cache(tmp_path)
    assert cache.get(key(0)) is None
    assert cache.get(key(1)) == b"answer 1"
    cache.put(key(0), ONE, b"anew")
    cache.flush()
    assert cache.get(key(0)) == b"anew"
    cache.close()


def test_a_damaged_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"This is no database, but long enough to be read as one." * 20)
    with pytest.raises(DataError, match=r"answers\.sqlite: not a cache of .*delete it, or"):
        Cache(tmp_path)
    (tmp_path / FILE).unlink()
    sqlite3.connect(tmp_path / FILE).execute("CREATE TABLE mine (a)").connection.close()
    with pytest.raises(DataError, match="some other SQLite database"):
        Cache(tmp_path)


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        Cache(tmp_path / "file")


@pytest.mark.parametrize("how", ["locked", "broken"])
def test_what_goes_wrong_later_is_one_warning(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(filled(tmp_path, 1))
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    if how == "locked":
        assert cache._base is not None
        cache._base.execute("PRAGMA busy_timeout = 10")
        other.execute("BEGIN IMMEDIATE")
    else:
        other.execute("DROP TABLE answers")
    with caplog.at_level(logging.WARNING):
        for number in range(3 * module.WRITTEN_AT_ONCE):
            cache.put(key(number), ONE, b"x")
            cache.get(key(number))
        cache.flush()
        assert cache.get(key(0)) is None
        cache.note_licence(ONE, "MIT")
        cache.close()
    (said,) = caplog.messages
    assert "going on without the cache" in said and FILE in said
    other.close()


def test_survey_and_clear(tmp_path: Path) -> None:
    filled(tmp_path, 50)
    filled(tmp_path, 30, TWO, first=100)
    aged(tmp_path, 40 * 86400, 0, 19)
    one, two = survey(tmp_path)
    assert (one.name, one.entries, two.name, two.entries) == (ONE.name, 50, TWO.name, 30)
    assert one.newest - one.oldest >= 39 * 86400 and one.size > 50 * 8
    assert clear(tmp_path, older_than=30 * 86400, model=TWO.name) == 0
    assert clear(tmp_path, older_than=30 * 86400) == 20
    assert clear(tmp_path, model=ONE.name) == 30
    assert [h.entries for h in survey(tmp_path)] == [30]
    with pytest.raises(ConfigError, match=r"nothing of the model 'nobody'; it has http://one"):
        clear(tmp_path, model="nobody")
    assert clear(tmp_path) == 30
    assert survey(tmp_path) == []


def test_clearing_gives_the_room_back_while_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DELETED_AT_ONCE", 100)
    cache = Cache(tmp_path)
    for number in range(1000):
        cache.put(key(number), ONE, os.urandom(2000))
    cache.flush()
    before = size_on_disk(tmp_path)
    assert cache.get(key(1)) is not None
    began = time.monotonic()
    assert clear(tmp_path) == 1000
    assert time.monotonic() - began < 20
    cache.put(key(1), ONE, b"still here")
    cache.close()
    assert size_on_disk(tmp_path) < before / 10
    assert survey(tmp_path)[0].entries == 1


def test_there_is_no_cache_to_look_at(tmp_path: Path) -> None:
    for what in (survey, clear):
        with pytest.raises(ConfigError, match="no cache is there"):
            what(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_model_s_licence(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    assert cache.licence(ONE) is None
    cache.note_licence(ONE, "MIT")
    cache.note_licence(ONE, "MIT")
    assert (cache.licence(ONE), cache.licence(TWO)) == ("MIT", None)
    cache.close()
