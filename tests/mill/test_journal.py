"""The checkpoint: what it keeps through kills, full disks and damage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from disk import full_disk
from gristmill.backends.remembered import pack
from gristmill.errors import CheckpointError, DataError, StorageError
from gristmill.mill import journal as journal_module
from gristmill.mill.budget import Spent
from gristmill.mill.journal import Journal
from gristmill.records import Failure, Response, Sample, ToolCall
from gristmill.storage import log as log_module
from gristmill.storage.log import Log, read_log
from mills import sample, verdict


@contextmanager
def opened(folder: Path) -> Iterator[Journal]:
    journal = Journal(folder)
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def log_of(path: Path) -> Iterator[Log]:
    log = Log(path)
    try:
        yield log
    finally:
        log.close()


def records(log: Log) -> list[Any]:
    return [record for _, record in log.scan()]


texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.floats(allow_nan=False, allow_infinity=False)
calls = st.lists(st.builds(ToolCall, texts, texts, texts), max_size=2).map(tuple)
responses = st.builds(
    Response,
    texts,
    texts,
    st.none() | texts,
    st.integers(0, 2**40),
    st.integers(0, 2**40),
    st.just("") | texts,
    st.just(()) | calls,
)
verdicts = st.builds(
    verdict, numbers, st.none() | st.tuples(numbers, numbers, numbers, numbers, numbers)
)
samples = st.builds(
    Sample,
    st.integers(0, 255),
    st.none() | responses,
    st.lists(verdicts, max_size=2).map(tuple),
    st.none() | st.builds(Failure, texts, texts, texts),
)


@given(st.lists(samples, min_size=1, max_size=4).map(tuple), st.integers(0, 2**64 - 1))
def test_a_finished_prompt_comes_back_as_it_went_in(
    tmp_path_factory: pytest.TempPathFactory, given_samples: tuple[Sample, ...], key: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    with opened(folder) as journal:
        offset = journal.add_finished(key, given_samples, Spent(1))
        assert journal.samples(offset, key) == given_samples
    with opened(folder) as journal:
        assert journal.finished == {key: offset}
        assert (key in journal.failed) == any(s.failure for s in given_samples)
        assert journal.samples(offset, key) == given_samples


def test_a_checkpoint_from_before_there_were_thoughts_is_read(tmp_path: Path) -> None:
    """And a response without one takes no more room than it did."""
    plain = ["said", "m", "stop", 3, 4]
    with log_of(tmp_path / "finished.jsonl") as log:
        offset = log.append([7, [[0, plain, [], None]], Spent(1).as_list()])
    with opened(tmp_path) as journal:
        assert journal.samples(offset, 7) == (Sample(0, Response("said", "m", "stop", 3, 4)),)
        assert pack(journal.samples(offset, 7)[0].response or Response("", "")) == plain


def test_records_longer_than_one_read_come_back(tmp_path: Path) -> None:
    with log_of(tmp_path / "log") as log:
        sizes = [0, 4000, 4096, 5000, 40_000, 300_000]
        offsets = [log.append("x" * size) for size in sizes]
        assert [len(log.read(offset)) for offset in offsets] == sizes


class TestKilled:
    @pytest.mark.parametrize("left", [1, 5, 9, 15, -1])
    def test_a_half_last_line_is_cut_off_and_written_anew(self, tmp_path: Path, left: int) -> None:
        path = tmp_path / "log"
        with log_of(path) as log:
            log.append("one")
            second = log.append("two, which the kill cuts short")
        whole = path.read_bytes()
        path.write_bytes(whole[:second] + whole[second:-1][:left])
        with log_of(path) as log:
            assert records(log) == ["one"]
            log.append("three")
            assert records(log) == ["one", "three"]
        assert path.read_bytes().count(b"\n") == 2

    def test_every_cut_of_the_file_opens(self, tmp_path: Path) -> None:
        with opened(tmp_path) as journal:
            for key in range(3):
                journal.add_finished(key, (sample(0, "ä" * key, verdict(1.0)),), Spent(key))
        whole = (tmp_path / "finished.jsonl").read_bytes()
        for cut in range(len(whole)):
            (tmp_path / "finished.jsonl").write_bytes(whole[:cut])
            with opened(tmp_path) as journal:
                assert len(journal.finished) == whole[:cut].count(b"\n")

    def test_single_responses_are_known_again(self, tmp_path: Path) -> None:
        bare, judged = sample(1, "b"), sample(1, "b", verdict(2.0))
        with opened(tmp_path) as journal:
            journal.add_partial(7, sample(0, "a"), Spent(1))
            journal.add_partial(7, bare, Spent(2))
            journal.add_partial(7, judged, Spent(3, 5, 6, 7, 0.5))
        with opened(tmp_path) as journal:
            assert journal.take_partial(7, None) == {0: sample(0, "a"), 1: judged}
            assert journal.take_partial(8, None) == {}
            assert journal.spent == Spent(3, 5, 6, 7, 0.5)

    def test_of_a_failed_prompt_what_succeeded_is_known(self, tmp_path: Path) -> None:
        good = sample(0, "a", verdict(1.0))
        ungraded = Sample(1, Response("b", "m"), (), Failure("reward", "timeout", "late"))
        failed = Sample(2, None, (), Failure("generate", "timeout", "late"))
        with opened(tmp_path) as journal:
            offset = journal.add_finished(7, (good, ungraded, failed), Spent(4))
        with opened(tmp_path) as journal:
            assert journal.failed == {7}
            assert set(journal.take_partial(7, offset)) == {0, 1}
            later = journal.add_finished(7, (good,), Spent(6))
        with opened(tmp_path) as journal:
            assert (journal.failed, journal.finished) == (set(), {7: later})


class TestDamaged:
    def damage(self, path: Path, line: int) -> None:
        lines = path.read_bytes().split(b"\n")
        lines[line - 1] = lines[line - 1].replace(b"two", b"twO")
        path.write_bytes(b"\n".join(lines))

    def test_a_damaged_line_is_named_with_what_to_do(self, tmp_path: Path) -> None:
        path = tmp_path / "log"
        with log_of(path) as log:
            for word in ("one", "two", "three"):
                log.append(word)
        self.damage(path, 2)
        with log_of(path) as log, pytest.raises(CheckpointError) as caught:
            records(log)
        said = str(caught.value)
        assert f"{path}: line 2 is damaged" in said
        command = said.partition("(")[2].partition(")")[0]
        assert os.system(command) == 0  # what it advises, works
        with log_of(path) as log:
            assert records(log) == ["one", "three"]

    @pytest.mark.parametrize(
        "garbage", [b"\n", b"hello\n", b"\0" * 4096 + b"\n", b'00000000 "x"\n', b"\xff\xfe\n"]
    )
    def test_any_garbage_is_told_from_a_record(self, tmp_path: Path, garbage: bytes) -> None:
        path = tmp_path / "log"
        path.write_bytes(garbage)
        with log_of(path) as log, pytest.raises(CheckpointError, match="line 1 is damaged"):
            records(log)

    def test_another_prompts_record_is_never_taken(self, tmp_path: Path) -> None:
        with opened(tmp_path) as journal:
            offset = journal.add_finished(1, (sample(0, "a"),), Spent(1))
            with pytest.raises(DataError, match="a prompt file was changed"):
                journal.samples(offset, 2)


class TestFullDisk:
    def test_no_half_line_stays_and_the_rest_is_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "log"
        with log_of(path) as log:
            log.append("x" * 500)
            end = log.end
            with full_disk(1000), pytest.raises(StorageError, match=r"cannot write.*make room"):
                log.append("y" * 600)
            assert path.stat().st_size == end == log.end
            log.append("z")
            assert [r[0] for r in records(log)] == ["x", "z"]

    def test_a_write_in_pieces_is_finished_or_taken_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, pieces = os.write, iter([10, 7, None])

        def few(fd: int, data: bytes) -> int:
            size = next(pieces, 1000)
            if size is None:
                raise OSError(28, "No space left on device")
            return real(fd, data[:size])

        with log_of(tmp_path / "log") as log:
            monkeypatch.setattr(log_module.os, "write", few)
            with pytest.raises(StorageError, match="No space left on device"):
                log.append("x" * 100)
            pieces = iter([3, 4, 5])
            log.append("y" * 100)
            monkeypatch.undo()
            assert records(log) == ["y" * 100]

    def test_a_checkpoint_started_anew_leaves_the_old_one_when_there_is_no_room(
        self, tmp_path: Path
    ) -> None:
        with log_of(tmp_path / "log.jsonl") as log:
            log.append("x" * 500)
            with full_disk(1000), pytest.raises(StorageError):
                log.restart(["y" * 600, "y" * 600])
            log.append("z")
            assert [r[0] for r in records(log)] == ["x", "z"]
        assert [p.name for p in tmp_path.iterdir()] == ["log.jsonl"]


class TestPartialFile:
    def test_it_is_started_anew_with_what_is_still_needed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(journal_module, "PARTIAL_LIMIT", 2000)
        with opened(tmp_path) as journal:
            for key in range(100):
                journal.add_partial(key, sample(0, f"text of {key}"), Spent(key))
                if key % 10:
                    journal.add_finished(key, (sample(0, f"text of {key}"),), Spent(key))
        assert (tmp_path / "partial.jsonl").stat().st_size < 4000
        with opened(tmp_path) as journal:
            for key in range(0, 100, 10):
                assert journal.take_partial(key, None) == {0: sample(0, f"text of {key}")}
            assert journal.spent == Spent(99)

    def test_at_the_end_only_what_is_not_finished_stays(self, tmp_path: Path) -> None:
        with opened(tmp_path) as journal:
            for key in (1, 2):
                journal.add_partial(key, sample(0, f"text of {key}"), Spent(key))
            journal.add_finished(1, (sample(0, "text of 1"),), Spent(3))
            journal.forget_partial(Spent(9))
        with opened(tmp_path) as journal:
            assert journal.take_partial(1, None) == {}
            assert journal.take_partial(2, None) == {0: sample(0, "text of 2")}
            assert journal.spent == Spent(9)

    def test_what_failed_calls_cost_is_remembered(self, tmp_path: Path) -> None:
        with opened(tmp_path) as journal:
            journal.add_partial(1, sample(0, "a"), Spent(1))
            journal.add_spent(Spent(8, usd=0.25))
        with opened(tmp_path) as journal:
            assert journal.spent == Spent(8, usd=0.25)
            assert journal.take_partial(0, None) == {}


def test_a_log_is_read_while_somebody_else_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    assert list(read_log(path)) == []
    log = Log(path)
    log.append([1])
    log.append([2])
    with path.open("ab") as file:
        file.write(b'00000000 ["damaged"]\n0a')
    size = path.stat().st_size
    assert list(read_log(path)) == [[1], [2]]
    assert path.stat().st_size == size
    log.close()
