"""Sources: files of every kind, other people's columns and scales, and where they lie."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.errors import ConfigError, DataError, MissingExtra
from gristmill.intake.cells import Refused
from gristmill.parts import build
from gristmill.records import Message
from gristmill.train.examples import Conversation, Document, Rated
from gristmill.train.sources import TrainingSource, read

ROWS = [
    {"prompt": "Q1", "response": "A1", "helpfulness": 4, "verbosity": None},
    {"prompt": "Q2", "response": "A2", "helpfulness": 0, "verbosity": 1.5},
]


def source(file: str | Path, **options: Any) -> TrainingSource:
    return build(TrainingSource, {"file": str(file), **options}, "data[0]")


def lines(path: Path, *rows: Any) -> Path:
    texts = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(texts))
    return path


def write(folder: Path, kind: str) -> Path:
    path = folder / f"rows.{kind}"
    if kind == "jsonl":
        return lines(path, *ROWS)
    if kind == "json":
        path.write_text(json.dumps(ROWS, indent=1))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(ROWS[0]))
            writer.writeheader()
            writer.writerows(ROWS)
    return path


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet", "csv"])
def test_files_of_every_kind_give_the_same(tmp_path: Path, kind: str) -> None:
    first, second = read(source(write(tmp_path, kind)), (Rated,))
    line = 2 if kind == "csv" else 1
    assert first == Rated(
        (Message("user", "Q1"),), "A1", (4, None, None, None, None), f"rows.{kind}:{line}"
    )
    assert isinstance(second, Rated)
    assert second.labels == (0, None, None, None, 1.5)


def test_a_csv_file_needs_no_prompt(tmp_path: Path) -> None:
    path = lines(tmp_path / "t.csv", "text,id", "Once upon a time,1")
    assert list(read(source(path), (Document,))) == [Document("Once upon a time", "t.csv:2")]


def test_lines_that_are_no_rows_are_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = lines(tmp_path / "f.jsonl", ROWS[0], '{"prompt"', '"text"', {"prompt": "Q"}, ROWS[1])
    found = list(read(source(path), (Rated,)))
    assert [type(item) for item in found] == [Rated, Refused, Refused, Refused, Rated]
    said = [(item.where, item.reason) for item in found if isinstance(item, Refused)]
    assert said == [
        ("f.jsonl:2", "bad_json"), ("f.jsonl:3", "bad_json"), ("f.jsonl:4", "wrong_kind"),
    ]  # fmt: skip


def test_the_first_rows_alone(tmp_path: Path) -> None:
    path = lines(tmp_path / "f.jsonl", *ROWS)
    assert len(list(read(source(path, limit=1), (Rated,)))) == 1
    assert len(list(read(source(path, limit=9), (Rated,)))) == 2


def test_a_file_that_gives_nothing_is_an_error_with_the_counts(tmp_path: Path) -> None:
    row = {"prompt": "Q", "response": " "}
    path = lines(tmp_path / "f.jsonl", row, {"messages": []}, row)
    message = (
        r"f\.jsonl: none of 3 rows can be used \(2 empty_response, 1 bad_turns\); "
        r"the first, f\.jsonl:1: empty_response: 'response' is empty"
    )
    with pytest.raises(DataError, match=message):
        list(read(source(path), (Conversation,)))


@pytest.mark.parametrize("name", ["e.jsonl", "e.json", "e.csv"])
def test_an_empty_file_is_an_error(tmp_path: Path, name: str) -> None:
    path = lines(tmp_path / name, "")
    with pytest.raises(DataError, match="the file is empty; write one row a line"):
        list(read(source(path), (Conversation,)))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl: no such file"):
        list(read(source(tmp_path / "none.jsonl"), (Conversation,)))


class TestColumns:
    def test_other_names_and_nested_ones(self, tmp_path: Path) -> None:
        row = {"question": "Q", "reply": {"best": "A"}, "prompt": "not this", "a.b": "S"}
        path = lines(tmp_path / "f.jsonl", row)
        columns = {"prompt": "question", "response": "reply.best", "system": "a.b"}
        (found,) = read(source(path, columns=columns), (Conversation,))
        assert isinstance(found, Conversation)
        assert [m.content for m in found.messages] == ["S", "Q", "A"]

    def test_a_column_that_is_not_there_leaves_ours(self, tmp_path: Path) -> None:
        path = lines(tmp_path / "f.jsonl", {"prompt": "Q", "response": "A"})
        columns = {"response": "reply", "prompt": "prompt.text"}
        (found,) = read(source(path, columns=columns), (Conversation,))
        assert isinstance(found, Conversation)

    def test_the_tutors_answers_as_responses(self) -> None:
        given = source("tutor:3", columns={"response": "answer"})
        found = list(read(given, (Conversation,)))
        assert len(found) == 3
        assert found[0].where == "tutor:3:1"


class TestLabels:
    SCALES: ClassVar = {
        "helpfulness": {"column": "scores.overall", "range": [1, 5]},
        "complexity": {"column": "difficulty", "range": [10, 0]},
    }

    def labels(self, tmp_path: Path, **values: Any) -> Any:
        row = {"prompt": "Q", "response": "A", "correctness": 3, **values}
        path = lines(tmp_path / "f.jsonl", row, ROWS[0] | {"difficulty": 5})
        found = next(read(source(path, labels=self.SCALES), (Rated,)))
        return found.labels if isinstance(found, Rated) else (found.reason, found.detail)  # type: ignore[union-attr]

    def test_other_scales_and_masks(self, tmp_path: Path) -> None:
        found = self.labels(tmp_path, scores={"overall": 2}, difficulty=10)
        assert found == (1.0, None, None, 0.0, None)
        assert self.labels(tmp_path, difficulty="2.5") == (None, None, None, 3.0, None)

    def test_a_label_off_its_own_scale(self, tmp_path: Path) -> None:
        found = self.labels(tmp_path, scores={"overall": 0})
        assert found == ("label_out_of_range", "'scores.overall' is 0, outside 1 to 5")
        found = self.labels(tmp_path, scores={"overall": "good"})
        assert found == ("bad_label", "'scores.overall' is 'good', not a number")

    def test_no_label_is_refused(self, tmp_path: Path) -> None:
        assert self.labels(tmp_path)[0] == "no_label"

    def test_real_scores_of_other_attributes(self, shared_data: Path) -> None:
        given = source(
            shared_data / "topical_chat" / "topical_chat.json",
            columns={"prompt": "source", "response": "system_output"},
            labels={
                "helpfulness": {"column": "scores.overall", "range": [1, 5]},
                "coherence": {"column": "scores.coherence", "range": [1, 3]},
            },
        )
        found = list(read(given, (Rated,)))
        assert len(found) == 360
        for item in found:
            assert isinstance(item, Rated)
            helpful, _, coherent, *_ = item.labels
            assert helpful is not None and 0 <= helpful <= 4
            assert coherent is not None and 0 <= coherent <= 4


class TestSettings:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"columns": {"promt": "q"}}, r"columns: unknown name 'promt'; did you mean 'prompt'"),
            ({"labels": {"fun": {"column": "x"}}}, "labels: unknown name 'fun'; known: helpful"),
            ({"labels": {"coherence": {"column": "x", "range": [1, 1]}}}, "both ends are the same"),
            ({"weight": 0}, "weight: Input should be greater than 0"),
            ({"limit": 0}, "limit: Input should be greater than or equal to 1"),
            ({"format": "alpaca"}, "format: "),
            ({"wieght": 2}, "unknown key; did you mean 'weight'"),
            ({"split": "test"}, "split: only an `hf:` data set or a folder has splits"),
        ],
    )
    def test_what_is_wrong_is_named(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            source("f.jsonl", **options)

    @pytest.mark.parametrize(
        ("file", "place"),
        [
            ("f.jsonl", "/c/f.jsonl"),
            ("/x/f.jsonl", "/x/f.jsonl"),
            ("tutor:4:rated", "tutor:4:rated"),
            ("hf:org/name", "hf:org/name"),
            ("hf:./dir", "hf:/c/dir"),
        ],
    )
    def test_relative_paths_start_from_the_configs_folder(self, file: str, place: str) -> None:
        given = source(file, weight=2)
        assert given.located(Path("/c")) == source(place, weight=2)

    def test_a_named_format_is_not_guessed(self, tmp_path: Path) -> None:
        row = {"text": "T", "prompt": "Q", "response": "A"}
        path = lines(tmp_path / "f.jsonl", row)
        (found,) = read(source(path, format="text"), (Document,))
        assert found == Document("T", "f.jsonl:1")


class TestHub:
    def test_its_rows_are_read_like_a_files(self, monkeypatch: pytest.MonkeyPatch) -> None:
        datasets = pytest.importorskip("datasets")

        def load(name: str, *, split: str) -> Any:
            assert (name, split) == ("org/name", "validation")
            return datasets.Dataset.from_list(ROWS)

        monkeypatch.setattr(datasets, "load_dataset", load)
        first, second = read(source("hf:org/name", split="validation"), (Rated,))
        assert isinstance(first, Rated) and isinstance(second, Rated)
        assert first.labels == (4, None, None, None, None)
        assert second.where == "hf:org/name:2"

    @pytest.mark.parametrize(
        ("named", "name", "folder"),
        [
            ("nvidia/HelpSteer2/preference", "nvidia/HelpSteer2", "preference"),
            ("org/name/a/b", "org/name", "a/b"),
            ("./here/and/there", "./here/and/there", None),
            ("/here/and/there", "/here/and/there", None),
            ("name", "name", None),
        ],
    )
    def test_a_folder_of_a_data_set(
        self, monkeypatch: pytest.MonkeyPatch, named: str, name: str, folder: str | None
    ) -> None:
        datasets = pytest.importorskip("datasets")

        def load(given: str, *, split: str, data_dir: str | None = None) -> Any:
            assert (given, split, data_dir) == (name, "train", folder)
            return datasets.Dataset.from_list(ROWS)

        monkeypatch.setattr(datasets, "load_dataset", load)
        assert len(list(read(source(f"hf:{named}"), (Rated,)))) == 2

    def test_what_it_cannot_load_is_one_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        datasets = pytest.importorskip("datasets")

        def load(*_: Any, **__: Any) -> Any:
            raise FileNotFoundError("Couldn't find\n it")

        monkeypatch.setattr(datasets, "load_dataset", load)
        with pytest.raises(DataError, match=r"hf:org/x: cannot load split 'train': Couldn't find"):
            list(read(source("hf:org/x"), (Rated,)))

    def test_without_the_library_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "datasets", None)
        with pytest.raises(MissingExtra, match=r"hf:org/x needs the extra 'train'"):
            list(read(source("hf:org/x"), (Rated,)))
