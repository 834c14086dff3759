"""Rows as a benchmark's items: where they are, their names, and what they are counted under."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gristmill.bench.items import EVALUATED, Item, items_of
from gristmill.bench.run import Request, run
from gristmill.bench.words import warnings
from gristmill.errors import ConfigError
from gristmill.intake.cells import Refused
from gristmill.intake.source import Source

PAIRS = [{"prompt": f"Q{n}", "chosen": "good", "rejected": "bad"} for n in range(3)]
MODEL = "scripted:bench_judges:length"


def lines(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def items(place: str | Path) -> list[Item]:
    found = list(items_of(Source(file=str(place))))
    assert all(isinstance(one, Item) for one in found), found
    return [one for one in found if isinstance(one, Item)]


def asked(place: str | Path) -> list[str]:
    return [item.prompt[-1].content for item in items(place)]


def subsets(place: str | Path) -> list[str]:
    return [item.subset for item in items(place)]


class TestFiles:
    def test_a_row_has_its_files_name_and_line(self, tmp_path: Path) -> None:
        path = lines(tmp_path / "mine.jsonl.gz", *PAIRS)
        first, second, third = found = items(path)
        assert (first.subset, third.prompt[0].content) == ("mine", "Q2")
        assert first.where == first.id == "mine.jsonl.gz:1"
        assert second.key != first.key
        # Again, and the same.
        assert items(path) == found

    def test_a_line_that_is_no_row_is_refused_and_the_rest_goes_on(self, tmp_path: Path) -> None:
        path = lines(tmp_path / "f.jsonl", PAIRS[0], '{"prompt"', {"prompt": "Q"}, "7", PAIRS[1])
        found = list(items_of(Source(file=str(path))))
        assert [type(one) for one in found] == [Item, Refused, Refused, Refused, Item]
        said = [(one.where, one.reason, one.text) for one in found if isinstance(one, Refused)]
        assert said == [
            ("f.jsonl:2", "bad_json", '{"prompt"'),
            ("f.jsonl:3", "wrong_kind", '{"prompt": "Q"}'),
            ("f.jsonl:4", "bad_json", "7"),
        ]

    def test_an_empty_file_has_no_rows(self, tmp_path: Path) -> None:
        assert items(lines(tmp_path / "f.jsonl")) == []


class TestFolders:
    def test_all_files_in_order_by_their_names(self, tmp_path: Path) -> None:
        lines(tmp_path / "b.jsonl", PAIRS[2])
        lines(tmp_path / "a" / "deep" / "x.jsonl", PAIRS[1])
        lines(tmp_path / "a.jsonl", {**PAIRS[0], "subset": "own"})
        assert sorted(asked(tmp_path)) == ["Q0", "Q1", "Q2"]
        assert subsets(tmp_path) == ["x", "own", "b"]

    def test_where_a_split_is_named_for_it_that_one_is_evaluated(self, tmp_path: Path) -> None:
        lines(tmp_path / "data" / "raw-00000-of-00001.jsonl", PAIRS[0])
        lines(tmp_path / "data" / "filtered-00000-of-00002.jsonl", PAIRS[1])
        lines(tmp_path / "data" / "filtered-00001-of-00002.jsonl", PAIRS[2])
        assert asked(tmp_path) == ["Q1", "Q2"]
        # All parts of a file are one category.
        assert subsets(tmp_path) == ["filtered", "filtered"]

    @pytest.mark.parametrize(
        ("names", "read"),
        [
            (("train", "test"), ["test"]),
            (("filtered", "test"), ["filtered"]),
            (("train-00000", "test-00000-of-00001"), ["test-00000-of-00001"]),
            (("testing", "latest", "unfiltered"), ["latest", "testing", "unfiltered"]),
            (("result", "dataset"), ["dataset"]),
            (("dataset", "test"), ["test"]),
        ],
    )
    def test_which_splits_count(
        self, tmp_path: Path, names: tuple[str, ...], read: list[str]
    ) -> None:
        for name in names:
            lines(tmp_path / f"{name}.jsonl", PAIRS[0])
        files = Source(file=str(tmp_path)).files(EVALUATED)
        assert [Path(file.place).stem for file in files] == read

    def test_llmbar_as_its_authors_lay_it_out(self, tmp_path: Path) -> None:
        """Its data are all called dataset.json, and what judges said of them lies below."""
        row = {"input": "Q", "output_1": "one", "output_2": "two", "label": 2}
        for name in ("Natural", "Adversarial/Neighbor"):
            lines(tmp_path / "LLMBar" / name / "dataset.json", json.dumps([row]))
            results = tmp_path / "LLMBar" / name / "evaluators" / "GPT-4" / "CoT"
            lines(results / "result.json", json.dumps([{**row, "results": []}]))
            lines(results / "statistics.json", {"correct_average": 0.8})
        assert subsets(tmp_path) == ["Neighbor", "Natural"]
        # One of them alone goes by its file's name.
        assert subsets(tmp_path / "LLMBar" / "Natural") == ["dataset"]

    def test_the_same_name_twice_in_one_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lines(tmp_path / "pairs.jsonl", PAIRS[0])
        lines(tmp_path / "pairs.ndjson", PAIRS[1])
        assert subsets(tmp_path) == ["pairs", "pairs"]
        lines(tmp_path / "more" / "pairs.jsonl", PAIRS[2])
        monkeypatch.chdir(tmp_path)
        assert subsets(".") == ["more", "pairs", "pairs"]


class TestTutor:
    def test_pairs_of_the_tutor_world(self) -> None:
        found = items("tutor:40:bench")
        assert len(found) == 40
        assert found == items("tutor:40:bench") != items("tutor:40:bench:seed=1")
        assert found[0].where == "tutor:40:bench:1"

    def test_questions_alone_are_no_pairs(self) -> None:
        found = list(items_of(Source(file="tutor:5")))
        assert [one.reason for one in found if isinstance(one, Refused)] == ["wrong_kind"] * 5


class TestColumns:
    ROWS = tuple(
        {"q": f"Q{n}", "best": {"text": "a long one"}, "worst": "short", "seen": n, "id": n}
        for n in range(4)
    )
    NAMED = {"prompt": "q", "chosen": "best.text", "rejected": "worst"}  # noqa: RUF012

    def test_under_the_files_own_names(self, tmp_path: Path) -> None:
        path = lines(tmp_path / "f.jsonl", *self.ROWS)
        request = Request(str(path), False, models=(MODEL,), columns=self.NAMED)
        found = run(request, tmp_path / "out")
        metrics, folder = found.metrics, found.folder
        assert (metrics["rows"], metrics["accuracy"]) == (4, 1)
        assert metrics["unused_columns"] == {"seen": 4}
        (line,) = warnings(metrics)
        assert line == "Columns that nothing used, with their rows: seen 4."
        assert line in (folder / "report.html").read_text()

    def test_where_all_are_used_nothing_is_said(self, tmp_path: Path) -> None:
        path = lines(tmp_path / "f.jsonl", {**PAIRS[0], "subset": "s", "id": 1, "system": "S"})
        metrics = run(Request(str(path), False, models=(MODEL,)), tmp_path / "out").metrics
        assert metrics["unused_columns"] == {} and warnings(metrics) == []

    def test_they_are_counted_once_however_many_judges_there_are(self, tmp_path: Path) -> None:
        path = lines(tmp_path / "f.jsonl", {**PAIRS[0], "note": "n"})
        models = (MODEL, "scripted:bench_judges:equal")
        metrics = run(Request(str(path), False, models=models), tmp_path / "out").metrics
        assert Counter(metrics["unused_columns"]) == {"note": 1}

    def test_a_name_that_is_none_of_ours(self, tmp_path: Path) -> None:
        path = lines(tmp_path / "f.jsonl", PAIRS[0])
        request = Request(str(path), False, models=(MODEL,), columns={"chosn": "best"})
        with pytest.raises(ConfigError, match="unknown name 'chosn'; did you mean 'chosen'"):
            run(request, tmp_path / "out")
