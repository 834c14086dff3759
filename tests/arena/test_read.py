"""Battles out of every kind of file: the same battles, or one line that says what is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fights import row, write_csv, write_rows
from gristmill.arena.battles import Battle, Battles
from gristmill.arena.read import read, read_battles
from gristmill.arena.store import Votes
from gristmill.errors import DataError
from gristmill.intake.cells import Unusable
from gristmill.intake.outcomes import OUTCOMES, winner_in
from gristmill.records import Message
from processes import run

ALL = ("id", "prompt", "judge", "time", "turns", "language", "tags")
KINDS = (".csv", ".jsonl", ".json", ".parquet")
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def told(battles: Battles) -> list[tuple[Any, ...]]:
    """Each battle in plain values, whatever the order of the names in it."""

    def names(key: str) -> list[str | None]:
        column = battles.names.get(key)
        if column is None:
            return [None] * len(battles)
        return [column.names[c] if c >= 0 else None for c in column.codes]

    times = [None] * len(battles) if battles.time is None else battles.time.tolist()
    turns = [1] * len(battles) if battles.turns is None else battles.turns.tolist()
    tags = [
        tuple(sorted(t for t, rows in battles.tags.items() if rows[n])) for n in range(len(battles))
    ]
    return list(
        zip(
            [battles.models[m] for m in battles.a],
            [battles.models[m] for m in battles.b],
            battles.outcome.tolist(),
            *(names(key) for key in ("id", "prompt", "judge", "language")),
            [None if t is None or np.isnan(t) else t for t in times],
            turns,
            tags,
            strict=True,
        )
    )


def problem(call: Callable[[], Any]) -> str:
    """The one line of a DataError."""
    with pytest.raises(DataError) as error:
        call()
    said = str(error.value)
    assert len(said.splitlines()) == 1
    assert len(said) < 700
    return said


def parquet(path: Path, **columns: Any) -> Path:
    table = {"model_a": ["a", "b"], "model_b": ["b", "a"], "winner": ["tie", "model_a"], **columns}
    pq.write_table(pa.table(table), path)
    return path


text = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
name = (
    text.filter(lambda t: t.strip().casefold() not in ("", "nan", "none", "null"))
    | st.sampled_from(['a "quoted", name', "line\nend", "Ünïcode ☃ 模型", "x,y", "'", "=1+1"])
    # The csv module takes a lone carriage return for a line end.
).filter(lambda t: "\r" not in t)
# A word alone is a name of a prompt; of others categories would be made.
word = st.text("abcdefgh0123", min_size=1, max_size=8)


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    models = draw(st.lists(name, min_size=2, max_size=5, unique=True))
    winners = ["model_a", "model_b", "tie", "both_bad", "tie (bothbad)", "bothbad"]
    found = []
    for number in range(draw(st.integers(1, 8))):
        a, b = draw(st.permutations(models))[:2]
        found.append(
            row(
                a,
                b,
                draw(st.sampled_from(winners)),
                # Each of its own: the same vote twice would count once.
                id=f"{draw(word)}{number}",
                prompt=draw(word),
                judge=draw(name),
                time=draw(st.integers(10**9, 2 * 10**9)),
                turns=draw(st.integers(1, 5)),
                language=draw(st.sampled_from(["en", "de"])),
                categories=draw(st.lists(st.sampled_from(["coding", "math"]), unique=True)),
            )
        )
    return found


class TestOneContent:
    @given(rows())
    def test_every_format_tells_the_same(
        self, tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
    ) -> None:
        folder = tmp_path_factory.mktemp("formats")
        found = [read([write_rows(folder / f"x{kind}", rows)], ALL) for kind in KINDS]
        assert [battles.models for battles in found[1:]] == [found[0].models] * 3
        assert found[0].models == sorted({m for r in rows for m in (r["model_a"], r["model_b"])})
        for battles in found[1:]:
            # CSV and Parquet may be read as columns or by the record, with the rules or without.
            assert told(battles) == told(found[0])
        for kind, battles in zip(KINDS, found, strict=True):
            listed = list(read_battles([folder / f"x{kind}"]))
            # What the rules say comes on top when a table is read by the record.
            assert [t[:9] for t in told(Battles.of(listed))] == [t[:9] for t in told(battles)]
            plain = read([folder / f"x{kind}"], [kind for kind in ALL if kind != "tags"])
            assert [t[:9] for t in told(plain)] == [t[:9] for t in told(battles)]

    def test_texts_of_a_record(self, tmp_path: Path) -> None:
        turns = [{"role": "user", "content": "Hi, you"}, {"role": "assistant", "content": "Ho"}]
        path = write_rows(tmp_path / "x.jsonl", [row(conversation_a=turns, conversation_b=turns)])
        (found,) = read_battles([path])
        assert found.conversation_a == (Message("user", "Hi, you"), Message("assistant", "Ho"))
        assert found.prompt == "Hi, you"
        assert found.turns == 1
        assert found.id

    def test_the_votes_of_the_web_page(self, tmp_path: Path) -> None:
        made = [
            Battle(id="p", model_a="a", model_b="b", winner="tie", judge="v", time=1e9, turns=2),
            Battle(id="q", model_a="b", model_b="a", winner="both_bad", categories=("math",)),
        ]
        votes = Votes(tmp_path / "votes.sqlite")
        for key, battle in enumerate(made):
            votes.add(battle, key=str(key))
        votes.add(made[0], key="not counted", counted=False, reason="error")
        votes.close()
        assert list(read_battles([votes.path])) == made
        assert told(read([votes.path], ALL)) == [
            ("a", "b", 2, "p", None, "v", None, 1e9, 2, ("multi_turn",)),
            ("b", "a", 3, "q", None, None, None, None, 1, ("math",)),
        ]

    def test_files_with_different_columns_are_one_lot(self, tmp_path: Path) -> None:
        one = write_csv(
            tmp_path / "1.csv", [["a", "b", "tie", "j1"]], "model_a,model_b,winner,judge"
        )
        two = write_rows(tmp_path / "2.jsonl", [row("c", "a", time=5, turns=3, categories=["x"])])
        three = parquet(tmp_path / "3.parquet", judge=["j2", "j1"])
        found = read([one, two, three], ("judge", "time", "turns", "tags"))
        assert found.models == ["a", "b", "c"]
        assert [(t[0], t[1], t[5], t[7], t[8]) for t in told(found)] == [
            ("a", "b", "j1", None, 1),
            ("c", "a", None, 5.0, 3),
            ("a", "b", "j2", None, 1),
            ("b", "a", "j1", None, 1),
        ]
        assert found.tags["x"].tolist() == [False, True, False, False]

    def test_what_is_not_wanted_is_not_read(self, tmp_path: Path) -> None:
        path = write_csv(
            tmp_path / "x.csv", [["a", "b", "tie", "bad"]], "model_a,model_b,winner,time"
        )
        assert read([path]).time is None
        assert "'bad'" in problem(lambda: read([path], ("time",)))

    @pytest.mark.parametrize("kind", KINDS)
    def test_other_names_of_columns(self, tmp_path: Path, kind: str) -> None:
        path = write_rows(
            tmp_path / f"x{kind}", [row(question_id="q7", tstamp=1_690_000_000, turn=2)]
        )
        (found,) = told(read([path], ALL))
        assert (found[3], found[7], found[8]) == ("q7", 1_690_000_000, 2)


class TestCsv:
    def test_a_mark_first_and_lines_of_windows(self, tmp_path: Path) -> None:
        path = tmp_path / "x.csv"
        text = 'model_a,model_b,winner,judge\r\n"a ""x"", y",b,tie,"two\r\nlines"\r\n'
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
        found = read([path], ["judge"])
        assert found.models == ['a "x", y', "b"]
        assert found.names["judge"].names == ["two\r\nlines"]
        (record,) = read_battles([path])
        assert record.judge == "two\r\nlines"

    def test_a_header_may_have_line_ends(self, tmp_path: Path) -> None:
        path = tmp_path / "x.csv"
        path.write_text('\n"a\nnote",model_a,model_b,winner\n1,a,b,tie\n\n')
        assert len(read([path])) == 1

    def test_more_than_a_block(self, tmp_path: Path) -> None:
        many = [["a", "b", "tie", "x" * 3000]] * 1000 + [["a", "c", "tie", 'long "" ,\n' * 200_000]]
        path = write_csv(tmp_path / "x.csv", many, "model_a,model_b,winner,prompt")
        found = read([path], ["prompt"])
        assert len(found) == 1001
        assert len(found.names["prompt"].names) == 2

    def test_empty_judges_are_none(self, tmp_path: Path) -> None:
        lines = [["a", "b", "tie", ""], ["a", "b", "tie", "j"], ["b", "a", "tie", ""]]
        path = write_csv(tmp_path / "x.csv", lines, "model_a,model_b,winner,judge")
        judges = read([path], ["judge"]).names["judge"]
        assert judges.names == ["j"]
        assert judges.codes.tolist() == [-1, 0, -1]


class TestParquet:
    @pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
    def test_strings_of_every_kind(self, tmp_path: Path, kind: pa.DataType) -> None:
        path = parquet(tmp_path / "x.parquet", model_a=pa.array(["a", "b"], kind))
        assert read([path]).models == ["a", "b"]

    def test_a_dictionary_with_values_that_no_row_has(self, tmp_path: Path) -> None:
        codes = pa.array([1, 1], pa.int8())

        def column(*values: str) -> pa.Array:
            return pa.DictionaryArray.from_arrays(codes, pa.array(values))

        path = parquet(
            tmp_path / "x.parquet",
            model_a=column("never", "m"),
            judge=column("none", "j"),
            time=column("unreadable", "2024-05-01T12:00:00"),
            categories=column("other", "math"),
        )
        found = read([path], ("judge", "time", "tags"))
        assert found.models == ["a", "b", "m"]
        assert found.names["judge"].names == ["j"]
        assert found.time.tolist() == [NOON.timestamp()] * 2
        assert list(found.tags) == ["math"]

    def test_whole_numbers_are_names_too(self, tmp_path: Path) -> None:
        path = parquet(tmp_path / "x.parquet", id=[7, 8], judge=[1, None], prompt=[3, 3])
        found = told(read([path], ("id", "judge", "prompt")))
        assert [t[3:6] for t in found] == [("7", "3", "1"), ("8", "3", None)]

    def test_categories_as_lists(self, tmp_path: Path) -> None:
        path = parquet(tmp_path / "x.parquet", categories=[["math", "de"], None])
        assert [t[-1] for t in told(read([path], ["tags"]))] == [("de", "math"), ()]

    def test_prompts_as_messages(self, tmp_path: Path) -> None:
        def asked(text: str, system: str) -> list[dict[str, str]]:
            return [{"role": "system", "content": system}, {"role": "user", "content": text}]

        path = parquet(tmp_path / "x.parquet", prompt=[asked("Hi", "1"), asked("Hi", "2")])
        found = read([path], ["prompt"])
        assert found.names["prompt"].names == ["Hi"]
        assert found.names["prompt"].codes.tolist() == [0, 0]

    @pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
    @pytest.mark.parametrize("zone", [None, "America/New_York"])
    def test_timestamps(self, tmp_path: Path, unit: str, zone: str | None) -> None:
        moments = pa.array([NOON.replace(tzinfo=None), None], pa.timestamp(unit))
        if zone:
            moments = pa.array([NOON, None], pa.timestamp(unit, zone))
        path = parquet(tmp_path / "x.parquet", time=moments)
        found = read([path], ["time"])
        assert found.time[0] == NOON.timestamp()
        assert np.isnan(found.time[1])
        assert [b.time for b in read_battles([path])] == [NOON.timestamp(), None]

    def test_nanoseconds_need_no_pandas(self, tmp_path: Path) -> None:
        path = parquet(
            tmp_path / "x.parquet", time=pa.array([1, 2_000_000_001], pa.timestamp("ns"))
        )
        code = (
            "import sys\n"
            "class Absent:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        if name == 'pandas': raise ImportError(name)\n"
            "sys.meta_path.insert(0, Absent())\n"
            "from gristmill.arena.read import read\n"
            f"print(read([{str(path)!r}], ['time']).time)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout == "[0. 2.]\n", done.stderr

    def test_folders_named_like_partitions(self, tmp_path: Path) -> None:
        (tmp_path / "model_a=x").mkdir()
        path = parquet(tmp_path / "model_a=x" / "x.parquet")
        assert read([path]).models == ["a", "b"]


class TestTimes:
    SAID: tuple[Any, ...] = (
        1714564800,
        1714564800.0,
        1714564800000,
        "1714564800",
        "1714564800000",
        "2024-05-01T12:00:00Z",
        "2024-05-01 12:00:00",
        "2024-05-01T14:00:00+02:00",
        pd.Timestamp("2024-05-01 12:00"),
        pd.Timestamp("2024-05-01 08:00", tz="America/New_York"),
    )

    @pytest.mark.parametrize("said", SAID, ids=repr)
    def test_one_moment_in_many_ways(self, tmp_path: Path, said: Any) -> None:
        paths = [parquet(tmp_path / "x.parquet", time=[said, said])]
        if not isinstance(said, pd.Timestamp):
            # With an empty one beside it, a column is no longer all of numbers.
            lines = [row(time=said), row(time=None)]
            paths += [write_rows(tmp_path / f"x{kind}", lines) for kind in (".jsonl", ".csv")]
        for path in paths:
            assert read([path], ["time"]).time[0] == NOON.timestamp()
            assert next(read_battles([path])).time == NOON.timestamp()

    @given(st.integers(10**12, 4 * 10**12))
    def test_milliseconds_in_a_text_are_no_date(self, ms: int) -> None:
        """1712121512345 could be read as a minute of the year 1712."""
        from gristmill.arena.fields import time_of

        assert time_of(str(ms)) == time_of(ms) == ms / 1000

    def test_a_date_is_its_midnight(self, tmp_path: Path) -> None:
        path = parquet(tmp_path / "x.parquet", time=[date(2024, 5, 1), None])
        assert read([path], ["time"]).time[0] == NOON.timestamp() - 12 * 3600

    def test_no_time_at_all(self, tmp_path: Path) -> None:
        path = write_csv(
            tmp_path / "x.csv", [["a", "b", "tie", ""]] * 2, "model_a,model_b,winner,time"
        )
        assert read([path], ["time"]).time is None


def event(kind: str, models: Any = ("", ""), **more: Any) -> dict[str, Any]:
    def state(name: str, answer: Any, offset: int) -> dict[str, Any]:
        before = [["USER", "example"], ["ASSISTANT", "of the template"]][:offset]
        talk = [["USER", "Hi"], ["ASSISTANT", answer], ["USER", "And?"], ["ASSISTANT", None]]
        return {"model_name": name, "messages": before + talk, "offset": offset, "conv_id": "c1"}

    states = [state("vicuna", "Ho", 2), state("alpaca", "He", 0)]
    return {
        "tstamp": 1690000000.5,
        "type": kind,
        "models": list(models),
        "states": states,
        "ip": "10.0.0.1",
        **more,
    }


class TestFastChat:
    def test_votes_and_what_is_no_vote(self, tmp_path: Path) -> None:
        events = [
            event("leftvote"),
            event("rightvote"),
            event("tievote"),
            event("bothbad_vote"),
            {"tstamp": 1.0, "type": "chat", "model": "vicuna", "state": {}},
            {"tstamp": 1.0, "type": "upvote", "model": "vicuna", "state": {}},
            event("leftvote", models=("vicuna", "alpaca")),
            {"tstamp": 1.0, "type": ["odd"], "models": []},
        ]
        path = write_rows(tmp_path / "conv.json", events).with_suffix(".jsonl")
        write_rows(path, events)
        for found in (read([path], ALL), read([path.with_suffix(".json")], ALL)):
            assert [t[:3] for t in told(found)] == [("vicuna", "alpaca", n) for n in range(4)]
            assert {t[3:8] for t in told(found)} == {("c1", "Hi", "10.0.0.1", None, 1690000000.5)}
            assert [": 3 rows" in found.notes[0], ": 1 row" in found.notes[1]] == [True, True]
            assert "no votes" in found.notes[0]
            assert "names were known" in found.notes[1]

    def test_the_template_s_turns_are_left_out(self, tmp_path: Path) -> None:
        (found,) = read_battles([write_rows(tmp_path / "x.jsonl", [event("leftvote")])])
        assert [m.content for m in found.conversation_a] == ["Hi", "Ho", "And?"]
        assert [m.role for m in found.conversation_b] == ["user", "assistant", "user"]
        assert found.turns == 2

    @pytest.mark.parametrize(
        ("bad", "said"),
        [
            (event("middlevote"), "'middlevote'"),
            (event("leftvote", states=[{}]), "'states'"),
            (event("leftvote", states=[1, 2]), "'states[0]'"),
            ({**event("leftvote"), "models": 5}, "'models' is 5"),
            (event("leftvote", states=[{"model_name": "a"}, {"model_name": None}]), "'model_b'"),
            (event("leftvote", states=[{"messages": [["USER"]]}, {}]), "messages[0]"),
            (event("leftvote", states=[{"offset": -1}, {}]), "'states[0].messages'"),
        ],
    )
    def test_a_vote_that_cannot_be_read_is_an_error(
        self, tmp_path: Path, bad: dict[str, Any], said: str
    ) -> None:
        path = write_rows(tmp_path / "x.jsonl", [event("leftvote"), bad])
        line = problem(lambda: read([path]))
        assert f"{path}:2: " in line
        assert said in line

    def test_a_log_without_a_vote(self, tmp_path: Path) -> None:
        path = write_rows(tmp_path / "x.jsonl", [event("leftvote", models=("a", "b"))])
        assert "no battles" in problem(lambda: read([path]))


BAD_ROWS = {
    "unknown winner": (row(winner="draw"), "'draw'"),
    "winner in other letters": (row(winner="TIE"), "'TIE'"),
    "no winner": (row(winner=None), "'winner'"),
    "NaN for a model": (row(model_b="NaN"), "'model_b'"),
    "None for a model": (row(model_a="None"), "'model_a'"),
    "blank model": (row(model_a="  "), "'model_a'"),
    "no model": (row(model_b=None), "'model_b'"),
    "itself": (row("m\nn", "m\nn"), "'m n'"),
    "time": (row(time="yesterday"), "'yesterday'"),
    "endless time": (row(time="inf"), "inf"),
    "turns": (row(turns="1.5"), "1.5"),
    "no turns": (row(turns="0"), "0"),
    "endless turns": (row(turns="inf"), "inf"),
    "more turns than can be": (row(turns="1e300"), "1e300"),
}


class TestBadRows:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("case", BAD_ROWS)
    def test_file_row_and_value_are_named(self, tmp_path: Path, case: str, kind: str) -> None:
        bad, said = BAD_ROWS[case]
        more = {name: None for name in bad if name not in row()}
        good = [row(**more), row("b", "c", **more)]
        path = write_rows(tmp_path / f"x{kind}", [*good, bad])
        for wanted in (("time", "turns"), ("time", "turns", "tags"), ALL):
            line = problem(lambda wanted=wanted: read([path], wanted))
            assert line.startswith(str(path))
            assert (
                "row 3" in line
                or ":3: " in line
                or (kind == ".csv" and ":4: " in line)
                or (
                    "m n" in said  # A quoted line end: the row ends a line later.
                )
            )
            assert said in line
        assert said in problem(lambda: list(read_battles([path])))

    @pytest.mark.parametrize("value", [5, [5], {"a": 1}], ids=repr)
    def test_categories(self, tmp_path: Path, value: Any) -> None:
        path = write_rows(tmp_path / "x.jsonl", [row(), row(categories=value)])
        assert f":2: 'categories' is {value!r}" in problem(lambda: read([path], ["tags"]))
        if not isinstance(value, dict):
            path = parquet(tmp_path / "x.parquet", categories=[None, value])
            assert "row 2: 'categories'" in problem(lambda: read([path], ["tags"]))

    @pytest.mark.parametrize("value", [True, ["x"]], ids=repr)
    @pytest.mark.parametrize("column", ["judge", "id", "language", "prompt"])
    def test_names(self, tmp_path: Path, column: str, value: Any) -> None:
        if column == "prompt" and value == ["x"]:
            return  # The user's turns.
        path = parquet(tmp_path / "x.parquet", **{column: [None, value]})
        assert f"row 2: '{column}" in problem(lambda: read([path], [column]))
        path = write_rows(tmp_path / "x.jsonl", [row(), row(**{column: value})])
        assert f":2: '{column}" in problem(lambda: read([path], [column]))

    @pytest.mark.parametrize("values", [[1, 2], [1.0, None], [b"a", b"b"]], ids=repr)
    def test_models_that_are_no_text(self, tmp_path: Path, values: list[Any]) -> None:
        path = parquet(tmp_path / "x.parquet", model_a=values)
        assert "'model_a'" in problem(lambda: read([path]))

    @pytest.mark.parametrize("said", ["much", "", "inf", "nan"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_covariates(self, tmp_path: Path, kind: str, said: str) -> None:
        rows = [row(len="1.5"), row(len=" 2 "), row(len="1e-3"), row(len=said)]
        path = write_rows(tmp_path / f"x{kind}", rows[:3])
        assert read([path], (), ["len"]).covariates["len"].tolist() == [1.5, 2, 0.001]
        line = problem(lambda: read([write_rows(path, rows)], (), ["len"]))
        assert "row 4: " in line
        assert "'len'" in line
        assert said in line

    def test_a_covariate_that_is_not_there(self, tmp_path: Path) -> None:
        for kind in KINDS:
            path = write_rows(tmp_path / f"x{kind}", [row()])
            assert "'len'" in problem(lambda path=path: read([path], (), ["len"]))

    @given(said=st.text(st.characters(exclude_categories=("Cs",))) | st.integers() | st.booleans())
    def test_an_unknown_winner_is_never_a_tie(self, said: Any) -> None:
        if said in (*OUTCOMES, "tie (bothbad)", "tie (both bad)", "bothbad"):
            return
        with pytest.raises(Unusable) as error:
            winner_in({"winner": said})
        assert len(error.value.detail.splitlines()) == 1


def rubbish(size: int = 5000) -> bytes:
    return np.random.default_rng(0).bytes(size)


def bad_utf8(path: Path) -> str:
    path.write_bytes(b"model_a,model_b,winner\n" + b"a,b,tie\n" * 5000 + b"M\xfcller,b,tie\n")
    return "line 5002"


def wide(path: Path) -> str:
    path.write_text("x" * 10_000_000 + ",model_a,model_b,winner\n1,a,b,tie\n")
    return "line 1 is longer than 8 MB"


def long_csv(path: Path) -> str:
    path.write_text(f"model_a,model_b,winner\na,b,tie\n{'x' * 10_000_000},b,tie\n")
    return "line 3 is longer than 8 MB"


def long_jsonl(path: Path) -> str:
    line = orjson.dumps(row("x" * 10_000_000))
    path.write_bytes(orjson.dumps(row()) + b"\n" + line + b"\n")
    return "line 2 is longer than 8 MB"


def put(content: bytes | str, said: str) -> Callable[[Path], str]:
    def write(path: Path) -> str:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return said

    return write


def folder(path: Path) -> str:
    path.mkdir()
    return "there is no file of these kinds"


def nothing(path: Path) -> str:
    return "no such file"


HEADER = "model_a,model_b,winner"
BAD_FILES: dict[str, tuple[str, Callable[[Path], str]]] = {
    "empty csv": ("x.csv", put("", "empty")),
    "empty jsonl": ("x.jsonl", put("", "no battles")),
    "empty json": ("x.json", put("[]", "no battles")),
    "empty parquet": ("x.parquet", put("", "cannot read it")),
    "header only": ("x.csv", put(HEADER + "\n", "no battles")),
    "one model": ("x.csv", put(f"{HEADER}\nm,m,tie\nm,m,model_a\n", "row 1: 'm' fights")),
    "missing column": ("x.csv", put("model_a,model_b\na,b\n", "no column 'winner' (columns: mod")),
    "other separator": ("x.csv", put("model_a|model_b|winner\na|b|tie\n", "no column 'model_a'")),
    "ragged": ("x.csv", put(HEADER + "\na,b,tie\na,b\n", "a,b")),
    "open quote": ("x.csv", put(HEADER + '\na,"b,tie\n', "a,")),
    "no model in jsonl": ("x.jsonl", put('{"model_a": "a", "winner": "tie"}', ":1: 'model_b'")),
    "not an object": ("x.jsonl", put("5\n", ":1: ")),
    "not json": ("x.jsonl", put('{"model_a": NaN}\n', ":1: ")),
    "half an array": ("x.json", put('[{"model_a": "a"}, {', "not valid JSON")),
    "utf-8": ("x.csv", bad_utf8),
    "utf-8 in the header": ("x.csv", put(b"M\xfc," + HEADER.encode() + b"\n", "line 1")),
    "utf-16": ("x.csv", put((HEADER + "\na,b,tie\n").encode("utf-16"), "UTF-8")),
    "utf-8 in jsonl": ("x.jsonl", put(b'{"model_a": "M\xfc"}\n', ":1: ")),
    "long line": ("x.csv", long_csv),
    "long header": ("x.csv", wide),
    "long jsonl": ("x.jsonl", long_jsonl),
    "folder": ("x.csv", folder),
    "absent": ("x.parquet", nothing),
    "absent votes": ("x.sqlite", nothing),
    "unknown": ("x.txt", put(HEADER, "unknown kind of file; use one of .jsonl")),
    "no suffix": ("x", put(HEADER, "unknown kind of file")),
    **{
        f"rubbish {kind}": (f"x.{kind}", put(rubbish(), "x."))
        for kind in ("csv", "parquet", "jsonl", "json", "sqlite")
    },
}


class TestBadFiles:
    @pytest.mark.parametrize("case", BAD_FILES)
    def test_one_line_names_the_file(self, tmp_path: Path, case: str) -> None:
        name, write = BAD_FILES[case]
        path = tmp_path / name
        said = write(path)
        for wanted in ((), ALL):
            line = problem(lambda wanted=wanted: read([path], wanted))
            assert line.startswith(str(path))
            assert said in line

    def test_bytes_in_parquet_that_are_no_text(self, tmp_path: Path) -> None:
        buffers = [None, pa.py_buffer(np.array([0, 1, 2], "i4").tobytes()), pa.py_buffer(b"\xffb")]
        broken = pa.Array.from_buffers(pa.string(), 2, buffers)
        path = parquet(tmp_path / "x.parquet", model_a=broken)
        assert "'model_a' is not UTF-8" in problem(lambda: read([path]))

    def test_a_large_array_is_one_line(self, tmp_path: Path) -> None:
        path = write_rows(tmp_path / "x.json", [row(note="x" * 500)] * 18_000)
        assert path.stat().st_size > 8 << 20
        assert len(read([path])) == 18_000

    @given(content=st.binary(max_size=300))
    def test_no_file_is_more_than_an_error(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes
    ) -> None:
        folder = tmp_path_factory.mktemp("any")
        for kind in (*KINDS, ".sqlite"):
            path = folder / f"x{kind}"
            for prefix in (b"", HEADER.encode() + b"\na,b,tie\n", b'{"model_a": "'):
                path.write_bytes(prefix + content)
                try:
                    read([path], ALL)
                except DataError as error:
                    assert len(str(error).splitlines()) == 1

    @pytest.mark.parametrize("case", ["rubbish csv", "rubbish sqlite", "long header"])
    def test_on_the_command_line(self, tmp_path: Path, case: str) -> None:
        name, write = BAD_FILES[case]
        said = write(tmp_path / name)
        code, out, err = run("arena", "rank", tmp_path / name)
        assert (code, out) == (2, "")
        (line,) = err.splitlines()
        assert line.startswith(f"error: {tmp_path / name}")
        assert said in line

    def test_a_bad_row_on_the_command_line(self, tmp_path: Path) -> None:
        path = write_csv(tmp_path / "x.csv", [["a", "b", "tie"], ["a", "b", "draw"]])
        code, out, err = run("arena", "rank", path)
        assert (code, out) == (2, "")
        assert err == (
            f"error: {path}: row 2: 'winner' is 'draw', not one of model_a, model_b, tie, "
            "both_bad\n"
        )


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_that_is_there_twice_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"twice.{kind}"
    names = ["model_a", "model_b", "winner", "winner"]
    if kind == "csv":
        path.write_text(",".join(names) + "\na,b,tie,model_a\n")
    else:
        columns = [pa.array([value]) for value in ("a", "b", "tie", "model_a")]
        pq.write_table(pa.Table.from_arrays(columns, names=names), path)
    with pytest.raises(DataError, match="column 'winner' is there twice; leave one out"):
        read([path])


def test_a_battles_folder_is_told_where_its_votes_are(tmp_path: Path) -> None:
    (tmp_path / "duel").mkdir()
    (tmp_path / "duel" / "verdicts.log").write_text("")
    with pytest.raises(DataError, match="folder of a battle; its votes are in"):
        list(read_battles([tmp_path / "duel"]))


def test_battles_of_a_spreadsheet_with_semicolons_are_read(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\xef\xbb\xbfmodel_a;model_b;winner\r\nx;y;model_a\r\n")
    (battle,) = read_battles([tmp_path / "b.csv"])
    assert (battle.model_a, battle.model_b, battle.winner) == ("x", "y", "model_a")
    assert len(read([tmp_path / "b.csv"])) == 1
