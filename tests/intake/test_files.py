"""Rows from files whose columns are nobody's business here, and from built-in sources."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill import tutor
from gristmill.errors import DataError
from gristmill.intake.cells import Refused
from gristmill.intake.files import check_files, count_rows, header_of, read_rows
from gristmill.intake.places import files_of, located
from gristmill.intake.source import Source
from gristmill.mill.config import Config
from gristmill.mill.source import read_prompts
from gristmill.records import Prompt


def rows(source: str) -> list[dict[str, Any]]:
    return [row for _, row, _ in read_rows(source) if not isinstance(row, Refused)]


def test_a_csv_files_columns_are_its_own(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("question,reply\na,b\n")
    assert [found[:2] for found in read_rows(path)] == [
        ("p.csv:2", {"question": "a", "reply": "b"})
    ]
    check_files([str(path)])


@pytest.mark.parametrize("sign", [";", "\t"])
def test_a_csv_may_have_what_spreadsheets_write_for_a_comma(tmp_path: Path, sign: str) -> None:
    path = tmp_path / "p.csv"
    lines = [["Frage", "Antwort"], ['"Was, wenn\r\nsie quietscht?"', "Putzen, ölen"]]
    text = "".join(sign.join(line) + "\r\n" for line in lines)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert rows(str(path)) == [{"Frage": "Was, wenn\r\nsie quietscht?", "Antwort": "Putzen, ölen"}]
    (file,) = files_of(str(path))
    assert header_of(file) == ["Frage", "Antwort"]


class TestTutor:
    def test_questions_with_their_answers(self) -> None:
        found = list(read_rows("tutor:3"))
        assert [where for where, _, _ in found] == ["tutor:3:1", "tutor:3:2", "tutor:3:3"]
        expected = tutor.questions(3, 0, held_out=False)
        assert rows("tutor:3") == [
            {"prompt": q.text, "answer": q.answer, "category": q.kind} for q in expected
        ]

    @pytest.mark.parametrize("source", ["tutor:40", "tutor:40:held-out", "tutor:40:held-out:rated"])
    def test_the_sides_and_the_seed(self, source: str) -> None:
        first, third = rows(source), rows(f"{source}:seed=3")
        assert first == rows(source) == rows(f"{source}:seed=0") != third
        for row in first + third:
            question = tutor.parse_question(row["prompt"])
            if question is None:  # one in ten rated ones leaves something out
                assert "rated" in source
                continue
            assert question.held_out == ("held-out" in source)

    def test_rated_rows_are_helpsteers(self) -> None:
        assert rows("tutor:5:rated:seed=2") == list(tutor.helpsteer2_rows(5, 2))

    @pytest.mark.parametrize("source", ["tutor:23:bench", "tutor:23:held-out:bench"])
    def test_bench_rows_are_held_out_whether_it_is_said_or_not(self, source: str) -> None:
        assert rows(source) == rows(f"{source}:seed=0") == list(tutor.bench_rows(23, 0))
        assert rows(f"{source}:seed=2") == list(tutor.bench_rows(23, 2))

    @pytest.mark.parametrize(
        "source", ["tutor:7", "tutor:7:rated", "tutor:7:held-out:seed=1", "tutor:7:bench:seed=1"]
    )
    def test_they_are_counted_and_checked_like_files(self, source: str) -> None:
        check_files([source])
        assert count_rows(source) == 7 == len(rows(source))

    @pytest.mark.parametrize(
        "source",
        [
            "tutor:",
            "tutor:many",
            "tutor:-4",
            "tutor:4:heldout",
            "tutor:4:seed=",
            "tutor:4:seed=1:rated",
            "tutor:4:rated:bench",
            "tutor:4:bench:rated",
            "tutor:4:bench:held-out",
            "tutor:4:benches",
            "tutor:4 ",
        ],
    )
    def test_a_malformed_one_says_the_forms(self, source: str) -> None:
        message = r"tutor:500:held-out, tutor:2000:rated, .* or tutor:9000:chat, with :seed"
        for use in (rows, count_rows, lambda s: check_files([s])):
            with pytest.raises(DataError, match=message):
                use(source)

    @pytest.mark.parametrize("source", ["tutor:0", "tutor:100001"])
    def test_so_few_or_many_there_are_not(self, source: str) -> None:
        with pytest.raises(DataError, match="ask for 1 to 100000 rows"):
            rows(source)

    def test_a_config_may_name_it_wherever_the_config_lies(self, tmp_path: Path) -> None:
        values = {
            "prompts": [{"file": "tutor:2:seed=1"}, {"file": "p.jsonl"}],
            "generate": {"model": "scripted:echo"},
        }
        config = Config.of(values, folder=tmp_path)
        assert [p.file for p in config.prompts] == ["tutor:2:seed=1", str(tmp_path / "p.jsonl")]
        assert located("tutor:nonsense", tmp_path) == "tutor:nonsense"

    def test_its_rows_are_prompts_with_the_truth(self) -> None:
        first, second = read_prompts([Source(file="tutor:2:seed=1")])
        assert isinstance(first, Prompt) and isinstance(second, Prompt)
        question = tutor.questions(1, 1, held_out=False)[0]
        assert first.messages[0].content == question.text
        assert (first.answer, first.category) == (question.answer, question.kind)
        assert first.source == "tutor:2:seed=1"


def test_dates_in_nanoseconds_are_read(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    times = pa.array([1_700_000_000_123_456_789, None], pa.timestamp("ns", "UTC"))
    pq.write_table(pa.table({"prompt": ["a", "b"], "asked": times}), path)
    first, second = rows(str(path))
    assert first["asked"] == datetime.fromtimestamp(1_700_000_000, UTC).replace(microsecond=123_456)
    assert second == {"prompt": "b"}
