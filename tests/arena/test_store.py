"""The file of votes: durable, shared by threads and processes, and nothing is ever lost."""

import multiprocessing
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gristmill.arena.battles import Battle
from gristmill.arena.store import PAGE, Votes, read_votes
from gristmill.errors import DataError, StorageError
from gristmill.records import Message


def battle(number: int = 0, **values) -> Battle:
    given = {
        "id": f"pair {number}",
        "model_a": "small",
        "model_b": "large",
        "winner": "model_b",
        "prompt": "What is a gristmill?",
        "conversation_a": (Message("user", "What?"), Message("assistant", "A mill.")),
        "conversation_b": (Message("user", "What?"), Message("assistant", 'It "grinds" grain ☃.')),
        "judge": "visitor:1",
        "time": 1700000000.25 + number,
        "turns": 1,
        "categories": ("short", "müller"),
    }
    return Battle(**{**given, **values})


@pytest.fixture
def votes(tmp_path):
    opened = Votes(tmp_path / "votes.sqlite")
    yield opened
    opened.close()


def test_a_vote_comes_back_as_it_was(votes):
    plain = Battle(id="p", model_a="a", model_b="b", winner="tie")
    assert votes.add(battle(), key="r1") == 1
    assert votes.add(plain, key="r2") == 2
    assert list(votes.battles()) == [battle(), plain]
    assert list(read_votes(votes.path)) == [battle(), plain]
    assert votes.count() == {"counted": 2, "withdrawn": 0}


def test_one_key_is_one_vote(votes):
    assert votes.add(battle(), key="r1") == 1
    assert votes.add(battle(winner="tie"), key="r1") is None
    assert [b.winner for b in votes.battles()] == ["model_b"]


def test_a_withdrawn_vote_stays_and_the_key_is_free_again(votes):
    votes.add(battle(), key="r1")
    assert votes.withdraw("r1")
    assert not votes.withdraw("r1")
    assert not votes.withdraw("never there")
    assert list(votes.battles()) == []
    assert votes.add(battle(), key="r1", counted=False, reason="after_reveal") == 2
    assert votes.add(battle(), key="r1") is None
    assert votes.count() == {"counted": 0, "withdrawn": 1, "after_reveal": 1}


def test_what_does_not_count_is_stored_with_its_reason(votes):
    for number, reason in enumerate(("error", "identity", "identity")):
        votes.add(battle(), key=str(number), counted=False, reason=reason)
    votes.add(battle(7), key="counts")
    assert list(read_votes(votes.path)) == [battle(7)]
    assert votes.count() == {"counted": 1, "withdrawn": 0, "error": 1, "identity": 2}


def test_more_votes_than_are_read_at_once(votes):
    votes._base.execute("PRAGMA synchronous = OFF")  # for the test's time
    votes._base.execute("BEGIN")
    for number in range(PAGE + 3):
        votes.add(battle(number), key=str(number))
    votes._base.execute("COMMIT")
    assert [b.id for b in votes.battles()] == [f"pair {n}" for n in range(PAGE + 3)]


def test_odd_texts(votes):
    odd = "nul \0, half a pair \ud83d, new\nline, \u202e, '; DROP TABLE votes; --"
    votes.add(battle(prompt=odd, conversation_a=(Message("user", odd),)), key=odd)
    assert votes.withdraw(odd)
    votes.add(battle(prompt=odd, conversation_a=(Message("user", odd),)), key="2")
    (back,) = votes.battles()
    assert back.prompt == odd.replace("\ud83d", "?")
    assert back.conversation_a[0].content == odd.replace("\ud83d", "?")


def test_a_file_opened_again_goes_on(tmp_path):
    path = tmp_path / "votes.sqlite"
    first = Votes(path)
    first.add(battle(), key="r1")
    name = first.pseudonym("someone")
    first.close()
    again = Votes(path)
    assert again.add(battle(), key="r1") is None
    assert again.add(battle(1), key="r2") is not None
    assert again.pseudonym("someone") == name
    again.close()
    assert [p.name for p in tmp_path.iterdir()] == ["votes.sqlite"]


def test_pseudonyms(tmp_path, votes):
    other = Votes(tmp_path / "other.sqlite")
    names = {votes.pseudonym("10.0.0.1"), votes.pseudonym("10.0.0.2"), other.pseudonym("10.0.0.1")}
    assert len(names) == 3
    assert votes.pseudonym("10.0.0.1") in names
    assert not any("10.0.0" in name for name in names)
    other.close()


def test_files_that_are_not_ours(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to have a header\n" * 50)
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as base:
        base.execute("CREATE TABLE things (x)")
    base.close()
    newer = tmp_path / "newer.sqlite"
    Votes(newer).close()
    with sqlite3.connect(newer) as base:
        base.execute("PRAGMA user_version = 99")
    base.close()
    wrong = ((text, "not a database"), (other, "some other SQLite"), (newer, "tables 99"))
    for path, said in wrong:
        before = path.read_bytes()
        with pytest.raises(DataError, match=said) as caught:
            Votes(path)
        assert str(path) in str(caught.value)
        with pytest.raises(DataError, match=said):
            list(read_votes(path))
        assert path.read_bytes() == before
    (tmp_path / "empty").touch()
    for absent in (tmp_path / "absent", tmp_path / "empty", tmp_path):
        with pytest.raises(DataError, match=absent.name):
            list(read_votes(absent))
    with pytest.raises(StorageError, match="nowhere"):
        Votes(tmp_path / "nowhere" / "votes.sqlite")
    with pytest.raises(StorageError):
        Votes(tmp_path)


def test_a_file_can_be_read_where_nothing_may_be_written(tmp_path):
    folder = tmp_path / "archive"
    folder.mkdir()
    opened = Votes(folder / "votes.sqlite")
    opened.add(battle(), key="r1")
    opened.close()
    (folder / "votes.sqlite").chmod(0o444)
    folder.chmod(0o555)
    try:
        assert list(read_votes(folder / "votes.sqlite")) == [battle()]
    finally:
        folder.chmod(0o755)
    assert [p.name for p in folder.iterdir()] == ["votes.sqlite"]
    assert list(read_votes(folder / "votes.sqlite")) == [battle()]
    assert [p.name for p in folder.iterdir()] == ["votes.sqlite"]


def test_many_threads_and_one_key_each(votes):
    """Thirty-two requests for eight rounds at the same moment: eight votes."""
    start = threading.Barrier(16)

    def vote(number: int) -> list[int | None]:
        start.wait(10)
        return [votes.add(battle(n), key=f"r{n}") for n in (number % 4, 4 + number % 4)]

    with ThreadPoolExecutor(16) as pool:
        given = [row for rows in pool.map(vote, range(16)) for row in rows]
    assert len({row for row in given if row}) == len([row for row in given if row]) == 8
    assert votes.count()["counted"] == 8


def _vote_often(path, name, count):
    opened = Votes(path)
    for number in range(count):
        opened.add(battle(number, judge=name), key=f"{name}:{number}")
        opened.add(battle(number, judge=name), key=f"shared:{number}")
    opened.close()


def test_processes_that_make_and_write_one_file_at_once(tmp_path):
    path = tmp_path / "votes.sqlite"
    context = multiprocessing.get_context("spawn")
    names = ("one", "two", "three")
    writers = [context.Process(target=_vote_often, args=(path, name, 30)) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    stored = list(read_votes(path))
    assert len(stored) == 4 * 30
    assert all(sum(b.judge == name for b in stored) >= 30 for name in names)


def test_what_was_added_survives_a_kill(tmp_path):
    path = tmp_path / "votes.sqlite"
    code = (
        "import os, sys, pathlib; from gristmill.arena.store import Votes;"
        "from gristmill.arena.battles import Battle;"
        f"votes = Votes(pathlib.Path({str(path)!r}));"
        "votes.add(Battle(id='p', model_a='a', model_b='b', winner='tie'), key='k');"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code])
    assert done.returncode == -9
    assert [b.id for b in read_votes(path)] == ["p"]
    opened = Votes(path)
    assert opened.count()["counted"] == 1
    opened.close()
