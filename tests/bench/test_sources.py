"""Where rows come from: a file, a folder, the tutor world, the hub."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.bench.items import Item, Refused
from gristmill.bench.sources import open_source
from gristmill.errors import DataError, MissingExtra
from gristmill.intake.hub import is_hub_name, read_hub

V1, V2 = "allenai/reward-bench:filtered", "allenai/reward-bench-2:test"
PAIRS = [{"prompt": f"Q{n}", "chosen": "good", "rejected": "bad"} for n in range(3)]


def lines(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{text}\n" for text in texts))
    return path


def asked(name: str | Path) -> list[str]:
    """What each item asks, all of them items."""
    found = list(open_source(str(name)))
    assert all(isinstance(one, Item) for one in found), found
    return [one.prompt[-1].content for one in found if isinstance(one, Item)]


def subsets(name: str | Path) -> list[str]:
    return [one.subset for one in open_source(str(name)) if isinstance(one, Item)]


class TestFiles:
    @pytest.mark.parametrize("kind", ["jsonl", "ndjson", "json", "parquet", "csv"])
    def test_files_of_every_kind(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / f"pairs.{kind}"
        if kind == "json":
            path.write_text(json.dumps(PAIRS))
        elif kind == "parquet":
            pq.write_table(pa.Table.from_pylist(PAIRS), path)
        elif kind == "csv":
            path.write_text(
                "prompt,chosen,rejected\n" + "".join(f"Q{n},good,bad\n" for n in (0, 1, 2))
            )
        else:
            lines(path, *PAIRS)
        source = open_source(str(path))
        assert (source.name, source.files) == (str(path), (path,))
        first, second, third = source
        assert isinstance(first, Item) and isinstance(third, Item)
        assert first.where == f"pairs.{kind}:{2 if kind == 'csv' else 1}"
        assert (first.subset, third.prompt[0].content) == ("pairs", "Q2")
        # Again, and the same.
        assert list(source) == [first, second, third]

    def test_a_line_that_is_no_row_is_refused_and_the_rest_goes_on(self, tmp_path: Path) -> None:
        path = lines(tmp_path / "f.jsonl", PAIRS[0], '{"prompt"', {"prompt": "Q"}, "7", PAIRS[1])
        found = list(open_source(str(path)))
        assert [type(one) for one in found] == [Item, Refused, Refused, Refused, Item]
        said = [(one.where, one.reason, one.text) for one in found if isinstance(one, Refused)]
        assert said == [
            ("f.jsonl:2", "input:bad_json", '{"prompt"'),
            ("f.jsonl:3", "unknown_format", '{"prompt": "Q"}'),
            ("f.jsonl:4", "input:bad_json", "7"),
        ]

    def test_an_empty_file_has_no_rows(self, tmp_path: Path) -> None:
        assert list(open_source(str(lines(tmp_path / "f.jsonl")))) == []

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("none.jsonl", "no such file"),
            ("none", r"no such file or folder \(and no data set on the hub, which is org/name"),
            ("a/b/c/d.parquet", "no such file"),
            ("rows.txt", "unknown kind of file; use one of .jsonl"),
            ("broken.parquet", "not a readable Parquet file"),
            ("broken.json", "not valid JSON"),
        ],
    )
    def test_what_cannot_be_read_is_said_at_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
    ) -> None:
        for broken in ("rows.txt", "broken.parquet", "broken.json"):
            (tmp_path / broken).write_text("[nothing of the kind")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(DataError, match=message):
            open_source(name)


class TestFolders:
    def test_all_files_in_order_by_their_names(self, tmp_path: Path) -> None:
        lines(tmp_path / "b.jsonl", PAIRS[2])
        lines(tmp_path / "a" / "deep" / "x.jsonl", PAIRS[1])
        lines(tmp_path / "a.jsonl", {**PAIRS[0], "subset": "own"})
        (tmp_path / "README.md").write_text("no rows")
        assert sorted(asked(tmp_path)) == ["Q0", "Q1", "Q2"]
        assert subsets(tmp_path) == ["x", "own", "b"]

    def test_what_is_hidden_and_what_describes_is_left_alone(self, tmp_path: Path) -> None:
        lines(tmp_path / "pairs.jsonl", PAIRS[0])
        for name in (".hidden.jsonl", ".cache/pairs.jsonl", "a/.b/pairs.jsonl"):
            lines(tmp_path / name, PAIRS[1])
        for name in ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"):
            lines(tmp_path / "a" / name, {"features": {}})
        (tmp_path / "folder.jsonl").mkdir()
        assert asked(tmp_path) == ["Q0"]

    def test_a_folder_that_is_hidden_itself_may_be_named(self, tmp_path: Path) -> None:
        lines(tmp_path / ".cache" / "pairs.jsonl", PAIRS[0])
        assert asked(tmp_path / ".cache") == ["Q0"]

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
        assert [path.stem for path in open_source(str(tmp_path)).files] == read

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

    def test_a_folder_without_rows(self, tmp_path: Path) -> None:
        (tmp_path / "model.safetensors").write_bytes(b"")
        with pytest.raises(DataError, match=r"holds no file of rows \(\.jsonl, "):
            open_source(str(tmp_path))


class TestTutor:
    def test_pairs_of_the_tutor_world(self) -> None:
        source = open_source("tutor:40:bench")
        found = list(source)
        assert len(found) == 40 and source.files == ()
        assert all(isinstance(one, Item) for one in found)
        assert found == list(source) != list(open_source("tutor:40:bench:seed=1"))
        assert found[0].where == "tutor:40:bench:1"

    def test_questions_alone_are_no_pairs(self) -> None:
        found = list(open_source("tutor:5"))
        assert [one.reason for one in found if isinstance(one, Refused)] == ["unknown_format"] * 5

    @pytest.mark.parametrize("name", ["tutor:", "tutor:0:bench", "tutor:5:pairs", "tutor:x"])
    def test_a_name_that_is_none(self, name: str) -> None:
        with pytest.raises(DataError, match="tutor"):
            open_source(name)


class TestHubNames:
    @pytest.mark.parametrize(
        ("name", "known"),
        [
            (V1, True),
            (V2, True),
            ("org/name", True),
            ("org-1/na_me.v2:train-split", True),
            ("hf:org/name", True),
            ("name", False),
            ("./org/name", False),
            ("../name", False),
            ("/org/name", False),
            ("org/", False),
            ("org/name:", False),
            ("org/name:a:b", False),
            ("org name/x", False),
            ("org/name\n", False),
            ("", False),
        ],
    )
    def test_what_can_be_one(self, name: str, known: bool) -> None:
        assert is_hub_name(name) == known

    def test_opening_one_loads_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "datasets", None)
        source = open_source(V2)
        assert (source.name, source.files) == (V2, ())
        with pytest.raises(MissingExtra, match=r"pip install 'gristmill\[train\]'"):
            next(iter(source))


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, where the library `datasets` caches here and asks no server."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def connect(*_: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", connect)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


class TestHub:
    """The library takes a folder `org/name` here for the data set of that name."""

    def test_a_split_by_its_name(self, offline: Path) -> None:
        row = {**PAIRS[1], "id": "x", "subset": None, "category": "mine"}
        lines(offline / "org" / "pairs" / "train.jsonl", row)
        lines(offline / "org" / "pairs" / "test.jsonl", row, PAIRS[2], {"prompt": "Q"})
        name = "org/pairs:test"
        source = open_source(name)
        assert source.files == ()
        first, second, third = source
        assert isinstance(first, Item) and isinstance(second, Item)
        assert (first.id, first.subset, first.where) == ("x", "mine", f"{name}:1")
        assert (second.id, second.subset) == (f"{name}:2", "all")
        # Every column is in every row; those without a value are as if they were not there.
        assert isinstance(third, Refused)
        assert (third.where, third.reason) == (f"{name}:3", "unknown_format")
        assert third.text == "{'prompt': 'Q'}"
        assert list(source) == [first, second, third]

    def test_a_single_split_needs_no_name(self, offline: Path) -> None:
        lines(offline / "org" / "one" / "train.jsonl", *PAIRS)
        found = list(read_hub("org/one"))
        assert found == [(f"org/one:{n}", row) for n, row in enumerate(PAIRS, 1)]

    def test_of_several_splits_one_must_be_named(self, offline: Path) -> None:
        for split in ("train", "test"):
            lines(offline / "org" / "two" / f"{split}.jsonl", *PAIRS)
        message = "org/two: has several splits; name one of org/two:train, org/two:test"
        with pytest.raises(DataError, match=message):
            list(read_hub("org/two"))

    def test_a_split_that_is_not_there(self, offline: Path) -> None:
        lines(offline / "org" / "three" / "train.jsonl", *PAIRS)
        with pytest.raises(DataError, match=r"org/three: .*split 'dev'.*'train'"):
            list(open_source("org/three:dev"))

    def test_files_that_do_not_go_together(self, offline: Path) -> None:
        lines(offline / "org" / "odd" / "test.jsonl", PAIRS[0], {"prompt": "Q", "other": [1]})
        lines(offline / "org" / "odd" / "train.jsonl", {"something": 7})
        with pytest.raises(DataError, match=r"org/odd: .*cannot load split 'test'.*something"):
            list(open_source("org/odd:test"))

    @pytest.mark.parametrize("name", ["org/none", "org/none:test", "hf:org/none"])
    def test_a_data_set_that_is_not_there(self, offline: Path, name: str) -> None:
        with pytest.raises(DataError, match=r"org/none: .*cannot load") as error:
            list(open_source(name))
        assert "\n" not in str(error.value)
        assert ("no such file or folder" in str(error.value)) == (not name.startswith("hf:"))
