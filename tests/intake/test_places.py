"""Where rows are: every kind of file and compression, folders, patterns, standard input, URIs, the
hub; read whole, or refused with one line that names the file."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest

from gristmill.errors import DataError, MissingExtra
from gristmill.intake.cells import Refused
from gristmill.intake.files import check_files, count_rows, read_rows
from gristmill.intake.hub import is_hub_name, read_hub
from gristmill.intake.places import files_of, kind_of, located, on_hub
from gristmill.intake.source import Source

ROWS = [{"prompt": f"Q{n}, «ü» {n}?", "answer": n} for n in range(3)]
ASKED = [row["prompt"] for row in ROWS]
FILLED = 400
"""Rows of a file that is too long for one block of a decompressor."""


def table(rows: list[dict[str, Any]] = ROWS) -> pa.Table:
    return pa.Table.from_pylist(rows)


def parquet(rows: list[dict[str, Any]] = ROWS) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table(rows), sink)
    return sink.getvalue()


def arrow(stream: bool) -> bytes:
    sink = io.BytesIO()
    new = ipc.new_stream if stream else ipc.new_file
    with new(sink, table().schema) as writer:
        writer.write_table(table(), max_chunksize=2)
    return sink.getvalue()


def text_table(delimiter: str = ",", rows: list[dict[str, Any]] = ROWS) -> bytes:
    sink = io.StringIO(newline="")
    writer = csv.DictWriter(sink, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return sink.getvalue().encode()


def jsonl(rows: list[Any] = ROWS) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def zstd(data: bytes, frames: int = 1) -> bytes:
    step = -(-len(data) // frames)
    codec = pa.Codec("zstd")
    parts = (data[place : place + step] for place in range(0, len(data), step))
    return b"".join(codec.compress(part, asbytes=True) for part in parts)


BYTES: dict[str, bytes] = {
    ".jsonl": jsonl(),
    ".ndjson": jsonl(),
    ".json": json.dumps(ROWS).encode(),
    ".csv": text_table(),
    ".tsv": text_table("\t"),
    ".parquet": parquet(),
    ".arrow": arrow(stream=False),
    ".feather": arrow(stream=True),
}
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": zstd,
}


def rows(place: str | Path, **how: Any) -> list[dict[str, Any]]:
    """The rows behind a name, all of them rows."""
    found = [row for _, row, _ in read_rows(place, **how)]
    assert not any(isinstance(row, Refused) for row in found), found
    return found  # type: ignore[return-value]


def asked(place: str | Path, **how: Any) -> list[str]:
    return [row["prompt"] for row in rows(place, **how)]


def refusal(place: str | Path) -> str:
    """What is said of a place that cannot be read: one line."""
    with pytest.raises(DataError) as raised:
        list(read_rows(place))
    said = str(raised.value)
    assert "\n" not in said and len(said) < 500
    return said


def write(path: Path, data: bytes | list[Any] = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jsonl(data) if isinstance(data, list) else data)
    return path


class TestKinds:
    @pytest.mark.parametrize("packed", PACK)
    @pytest.mark.parametrize("kind", BYTES)
    def test_of_file_and_compression(self, tmp_path: Path, kind: str, packed: str) -> None:
        path = write(tmp_path / f"rows{kind}{packed}", PACK[packed](BYTES[kind]))
        places = [where for where, _, _ in read_rows(path)]
        begins = 2 if kind in (".csv", ".tsv") else 1
        assert places == [f"rows{kind}{packed}:{n}" for n in range(begins, begins + 3)]
        assert asked(path) == ASKED
        check_files([str(path)])
        assert count_rows(str(path)) in (3, None)
        Source(file=str(path)).check("prompt")

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("a.JSONL", (".jsonl", "")),
            ("a.b/c.Parquet", (".parquet", "")),
            ("a.csv.GZ", (".csv", ".gz")),
            ("a.txt.gz", ("", ".gz")),
            ("a.gz", ("", ".gz")),
            ("a", ("", "")),
            (r"c:\rows\a.tsv", (".tsv", "")),
        ],
    )
    def test_what_a_name_shows(self, name: str, kind: tuple[str, str]) -> None:
        assert kind_of(name) == kind

    @pytest.mark.parametrize("packed", [".gz", ".bz2", ".zst"])
    def test_several_members_or_frames_in_one_file(self, tmp_path: Path, packed: str) -> None:
        many = [{"prompt": f"Q{n} " + "x" * (n % 97)} for n in range(FILLED)]
        data, pack = jsonl(many), PACK[packed]
        parts = [data[:1000], data[1000:1001], data[1001:]]
        path = write(tmp_path / f"r.jsonl{packed}", b"".join(map(pack, parts)))
        assert rows(path) == many

    def test_a_parquet_file_of_several_row_groups(self, tmp_path: Path) -> None:
        path = tmp_path / "r.parquet"
        pq.write_table(table(ROWS * 10), path, row_group_size=4)
        assert asked(path) == ASKED * 10
        assert count_rows(path) == 30

    def test_nothing_is_there_where_a_cell_is_null_or_empty(self, tmp_path: Path) -> None:
        given = [{"prompt": "Q", "answer": None}, {"prompt": None, "answer": "A"}]
        pq.write_table(table(given), tmp_path / "r.parquet")
        write(tmp_path / "r.jsonl", given)
        write(tmp_path / "r.csv", b"prompt,answer\nQ,\n,A\n")
        for kind in ("parquet", "jsonl", "csv"):
            assert rows(tmp_path / f"r.{kind}") == [{"prompt": "Q"}, {"answer": "A"}]

    def test_tables_of_text_with_quotes_and_line_ends(self, tmp_path: Path) -> None:
        hard = [{"prompt": 'He said "no",\nthen\tleft.', "answer": "a, b"}]
        for kind, delimiter in (("csv", ","), ("tsv", "\t")):
            path = write(tmp_path / f"r.{kind}.gz", gzip.compress(text_table(delimiter, hard)))
            assert rows(path) == hard

    @pytest.mark.parametrize("kind", [".csv", ".tsv", ".jsonl", ".json"])
    @pytest.mark.parametrize("packed", PACK)
    def test_a_byte_order_mark(self, tmp_path: Path, kind: str, packed: str) -> None:
        path = write(tmp_path / f"r{kind}{packed}", PACK[packed](b"\xef\xbb\xbf" + BYTES[kind]))
        assert asked(path) == ASKED

    def test_a_file_that_is_named_json_and_holds_lines(self, tmp_path: Path) -> None:
        assert asked(write(tmp_path / "r.json", jsonl())) == ASKED
        assert asked(write(tmp_path / "r.json.gz", gzip.compress(jsonl()))) == ASKED


class TestWhatCannotBeRead:
    @pytest.mark.parametrize("packed", [".gz", ".bz2", ".zst"])
    @pytest.mark.parametrize("kind", BYTES)
    def test_a_file_that_is_cut_off(self, tmp_path: Path, kind: str, packed: str) -> None:
        data = PACK[packed](BYTES[kind])
        path = write(tmp_path / f"r{kind}{packed}", data[: len(data) // 2])
        assert refusal(path).startswith(f"{path}: ")

    # Zstandard keeps no sum of a file by default: what decodes to other bytes is a bad line.
    @pytest.mark.parametrize("packed", [".gz", ".bz2"])
    def test_a_file_that_is_damaged_within(self, tmp_path: Path, packed: str) -> None:
        many = jsonl([{"prompt": os.urandom(40).hex()} for _ in range(FILLED)])
        data = bytearray(PACK[packed](many))
        middle = len(data) // 2
        data[middle : middle + 40] = b"\xff" * 40
        path = write(tmp_path / f"r.jsonl{packed}", bytes(data))
        assert refusal(path).startswith(f"{path}: ")

    @pytest.mark.parametrize("name", ["r.jsonl.gz", "r.csv.bz2", "r.parquet.zst", "r.json.gz"])
    def test_a_file_that_is_not_packed_as_its_name_says(self, tmp_path: Path, name: str) -> None:
        path = write(tmp_path / name, b"no such thing, and long enough to see that")
        assert refusal(path).startswith(f"{path}: ")

    @pytest.mark.parametrize("name", ["r.parquet", "r.arrow", "r.feather", "r.parquet.gz"])
    @pytest.mark.parametrize("data", [b"", b"[nothing of the kind", b"PAR1"])
    def test_a_table_that_is_none(self, tmp_path: Path, name: str, data: bytes) -> None:
        packed = gzip.compress(data) if name.endswith(".gz") else data
        path = write(tmp_path / name, packed)
        assert "not a readable" in refusal(path)
        with pytest.raises(DataError):
            Source(file=str(path)).check("prompt")

    @pytest.mark.parametrize("name", ["r.jsonl", "r.csv", "r.json", "r.jsonl.gz", "r.csv.gz"])
    @pytest.mark.parametrize("packed_nothing", [False, True])
    def test_an_empty_file(self, tmp_path: Path, name: str, packed_nothing: bool) -> None:
        """Of no bytes, or, packed, of a packed nothing."""
        data = gzip.compress(b"") if packed_nothing and name.endswith(".gz") else b""
        path = write(tmp_path / name, data)
        assert rows(path) == []
        with pytest.raises(DataError, match="the file is empty; write one row a line"):
            Source(file=str(path)).check("prompt")

    def test_json_that_is_none(self, tmp_path: Path) -> None:
        assert "not valid JSON" in refusal(write(tmp_path / "r.json", b"[{]"))

    def test_a_bad_line_is_one_row(self, tmp_path: Path) -> None:
        path = write(
            tmp_path / "r.jsonl.gz", gzip.compress(b'{"prompt": "Q"}\n{"prompt\n7\n\n{}\n')
        )
        found = list(read_rows(path))
        assert [where for where, _, _ in found] == [f"r.jsonl.gz:{n}" for n in (1, 2, 3, 5)]
        bad = [row.reason for _, row, _ in found if isinstance(row, Refused)]
        assert bad == ["bad_json", "bad_json"]

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("none.jsonl", "no such file"),
            ("a/b/c/d.parquet", "no such file"),
            ("none", "none: no such file or folder"),
            ("rows.txt", "unknown kind of file"),
            ("rows.txt.gz", "unknown kind of file"),
            ("rows.xlsx", "save the sheet as CSV"),
            ("empty", "no file of these kinds: .jsonl"),
            ("*.jsonl", "no file of these kinds"),
            ("nowhere://bucket/r.jsonl", "cannot open nowhere://"),
        ],
    )
    def test_names_of_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
    ) -> None:
        write(tmp_path / "rows.txt")
        (tmp_path / "empty").mkdir()
        monkeypatch.chdir(tmp_path)
        assert said in refusal(name) and refusal(name).startswith(name)

    def test_a_file_that_may_not_be_read(self, tmp_path: Path) -> None:
        path = write(tmp_path / "r.jsonl", ROWS)
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read everything")
        assert "Permission denied" in refusal(path)


class TestFolders:
    def test_files_of_all_kinds_in_the_order_of_their_names(self, tmp_path: Path) -> None:
        write(tmp_path / "b.csv.gz", gzip.compress(text_table()))
        write(tmp_path / "a" / "deep" / "x.parquet", parquet())
        write(tmp_path / "c.jsonl.zst", zstd(jsonl()))
        write(tmp_path / "README.md", b"no rows")
        places = [where for where, _, _ in read_rows(tmp_path)]
        assert places[::3] == ["a/deep/x.parquet:1", "b.csv.gz:2", "c.jsonl.zst:1"]
        assert asked(tmp_path) == ASKED * 3

    def test_what_is_hidden_and_what_describes_is_left_alone(self, tmp_path: Path) -> None:
        write(tmp_path / "rows.jsonl", ROWS)
        for name in (".hidden.jsonl", ".cache/rows.jsonl", "a/.b/rows.jsonl.gz"):
            write(tmp_path / name, b"nothing")
        for name in ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"):
            write(tmp_path / "a" / name, b"{}")
        (tmp_path / "folder.jsonl").mkdir()
        assert asked(tmp_path) == ASKED
        write(tmp_path / ".cache" / "rows.jsonl", ROWS[:1])
        assert asked(tmp_path / ".cache") == ASKED[:1]

    def test_splits(self, tmp_path: Path) -> None:
        for number, name in enumerate(("train-00000-of-00001", "test", "testing")):
            write(tmp_path / "data" / f"{name}.jsonl.gz", gzip.compress(jsonl([ROWS[number]])))
        assert asked(tmp_path, splits=["dev", "test", "train"]) == ASKED[1:2]
        assert asked(tmp_path, splits=["dev"]) == [ASKED[1], ASKED[2], ASKED[0]]
        named = Source(file=str(tmp_path), split="train")
        assert [row["prompt"] for _, row, _ in named.rows() if isinstance(row, dict)] == ASKED[:1]
        assert [Path(file.place).name for file in Source(file=str(tmp_path)).files(["test"])] == [
            "test.jsonl.gz"
        ]

    def test_a_folder_that_the_library_datasets_saved(self, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets")
        datasets.Dataset.from_list(ROWS).save_to_disk(tmp_path / "one", num_shards=2)
        assert asked(tmp_path / "one") == ASKED
        both = {"train": datasets.Dataset.from_list(ROWS[:2])}
        both["test"] = datasets.Dataset.from_list(ROWS[2:])
        datasets.DatasetDict(both).save_to_disk(tmp_path / "two")
        assert asked(tmp_path / "two") == [ASKED[2], *ASKED[:2]]
        assert asked(tmp_path / "two", splits=["train"]) == ASKED[:2]
        assert asked(tmp_path / "two" / "test") == ASKED[2:]


class TestLinks:
    @pytest.mark.parametrize("place", ["docs", "docs/*.jsonl"])
    def test_one_that_leads_out_of_the_folder_is_refused(self, tmp_path: Path, place: str) -> None:
        (tmp_path / "docs").mkdir()
        secret = tmp_path / "secret.jsonl"
        for file in (tmp_path / "docs" / "a.jsonl", secret):
            file.write_text('{"prompt": "x"}\n')
        inner = tmp_path / "docs" / "b.jsonl"
        inner.symlink_to("a.jsonl")
        assert [f.name for f in files_of(str(tmp_path / place))] == ["a.jsonl", "b.jsonl"]
        (tmp_path / "docs" / "c.jsonl").symlink_to("../secret.jsonl")
        with pytest.raises(DataError, match=r"c\.jsonl: is a link to .*secret\.jsonl, outside of"):
            files_of(str(tmp_path / place))
        # Who names a link means what it leads to.
        assert files_of(str(tmp_path / "docs" / "c.jsonl"))

    def test_a_snapshot_of_the_hub_is_made_of_links(self, tmp_path: Path) -> None:
        snapshot = tmp_path / "datasets--org--name" / "snapshots" / "0123abc"
        blobs = tmp_path / "datasets--org--name" / "blobs"
        snapshot.mkdir(parents=True)
        blobs.mkdir()
        (blobs / "f00d").write_text('{"prompt": "x"}\n')
        (snapshot / "train.jsonl").symlink_to("../../blobs/f00d")
        assert [f.name for f in files_of(str(snapshot))] == ["train.jsonl"]


class TestPatterns:
    def test_files_in_order(self, tmp_path: Path) -> None:
        for number in (2, 0, 1):
            write(tmp_path / f"part-{number}.jsonl", [ROWS[number]])
        write(tmp_path / "other.jsonl", [{"prompt": "other"}])
        write(tmp_path / "part-3.txt", b"no rows")
        (tmp_path / "part-4.jsonl").mkdir()
        assert asked(tmp_path / "part-*.jsonl") == asked(tmp_path / "part-*") == ASKED
        assert asked(tmp_path / "part-[01].jsonl") == ASKED[:2]
        assert asked(tmp_path / "part-?.jsonl") == ASKED

    def test_files_with_one_name_are_told_apart(self, tmp_path: Path) -> None:
        for number, folder in enumerate(("x", "y/z")):
            write(tmp_path / folder / "rows.jsonl", [ROWS[number]])
        places = [where for where, _, _ in read_rows(tmp_path / "**" / "rows.jsonl")]
        assert places == ["x/rows.jsonl:1", "y/z/rows.jsonl:1"]

    def test_a_name_that_only_looks_like_one(self, tmp_path: Path) -> None:
        assert asked(write(tmp_path / "rows[1].jsonl", ROWS)) == ASKED

    def test_hidden_files_are_not_meant(self, tmp_path: Path) -> None:
        write(tmp_path / ".a.jsonl", b"nothing")
        write(tmp_path / "a.jsonl", ROWS)
        assert asked(tmp_path / "*.jsonl") == ASKED


class TestStandardInput:
    READ = (
        "from gristmill.intake.files import check_files, read_rows\n"
        "check_files(['-'])\n"
        "for again in (1, 2):\n"
        "    for where, row, _ in read_rows('-'):\n"
        "        print(where, row['prompt'] if isinstance(row, dict) else row.reason)\n"
    )

    def read(self, data: bytes) -> tuple[int, list[str], str]:
        made = subprocess.run(
            [sys.executable, "-c", self.READ], input=data, capture_output=True, check=False
        )
        said = made.stdout.decode().splitlines()
        return made.returncode, said, made.stderr.decode()

    @pytest.mark.parametrize("packed", ["", ".gz", ".zst", ".bz2"])
    @pytest.mark.parametrize("kind", [".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow"])
    def test_what_it_is_shows_itself(self, kind: str, packed: str) -> None:
        if packed and kind in (".json", ".arrow", ".tsv"):
            pytest.skip("one of each kind is enough")
        code, said, err = self.read(PACK[packed](BYTES[kind]))
        assert (code, err) == (0, "")
        begins = 2 if kind in (".csv", ".tsv") else 1
        # Read again, and the same.
        assert said == [f"stdin:{n} {text}" for n, text in enumerate(ASKED, begins)] * 2

    def test_nothing(self) -> None:
        code, _, err = self.read(b"")
        assert code == 1 and "-: the file is empty" in err.splitlines()[-1]

    def test_what_is_none_of_them(self) -> None:
        _, said, _ = self.read(b'{"prompt": "Q"}\n{"prompt')
        assert said[:2] == ["stdin:1 Q", "stdin:2 bad_json"]


class TestElsewhere:
    @pytest.fixture
    def memory(self) -> Any:
        fsspec = pytest.importorskip("fsspec")
        system = fsspec.filesystem("memory")
        yield system
        system.store.clear()

    @pytest.mark.parametrize("kind", [".jsonl.gz", ".parquet", ".csv", ".arrow", ".json.zst"])
    def test_a_file_by_its_uri(self, tmp_path: Path, memory: Any, kind: str) -> None:
        inner = "." + kind.split(".")[1]
        data = PACK[kind.removeprefix(inner)](BYTES[inner])
        path = write(tmp_path / f"rows{kind}", data)
        assert asked(f"file://{path}") == ASKED
        memory.pipe(f"/bucket/rows{kind}", data)
        assert asked(f"memory://bucket/rows{kind}") == ASKED

    def test_folders_and_patterns(self, tmp_path: Path, memory: Any) -> None:
        for number, name in enumerate(("x/a.jsonl", "x/deep/a.jsonl", "b.jsonl")):
            write(tmp_path / "in" / name, [ROWS[number]])
            memory.pipe(f"/in/{name}", jsonl([ROWS[number]]))
        write(tmp_path / "in" / ".hidden" / "a.jsonl", b"nothing")
        memory.pipe("/in/.hidden/a.jsonl", b"nothing")
        for base in (f"file://{tmp_path}/in", "memory://in"):
            places = [where for where, _, _ in read_rows(base)]
            assert places == ["b.jsonl:1", "x/a.jsonl:1", "x/deep/a.jsonl:1"]
            assert asked(f"{base}/x/*.jsonl") == ASKED[:1]
            assert asked(f"{base}/**/a.jsonl") == ASKED[:2]
            assert asked(base, splits=["b"]) == ASKED[2:]

    @pytest.mark.parametrize("place", ["file:///no/where/r.jsonl", "memory://no/where.jsonl"])
    def test_what_is_not_there(self, memory: Any, place: str) -> None:
        assert refusal(place) == f"{place}: no such file"

    def test_unknown_kinds(self, tmp_path: Path) -> None:
        path = write(tmp_path / "rows.txt", b"a")
        assert "unknown kind of file" in refusal(f"file://{path}")

    def test_a_store_that_cannot_be_reached_says_so_soon(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        place = "s3://no-such-bucket/rows.parquet?region=us-east-1"
        began = time.monotonic()
        said = refusal(place)
        # Not a measurement: minutes of retries would be a program that hangs.
        assert time.monotonic() - began < 60
        assert said.startswith("s3://no-such-bucket/rows.parquet")

    def test_where_it_is_stays_where_a_config_lies(self, tmp_path: Path) -> None:
        for place in ("-", "tutor:4", "s3://b/r.jsonl", "hf:org/name", "org/name:test"):
            assert located(place, tmp_path) == place
        assert located("r.jsonl", tmp_path) == str(tmp_path / "r.jsonl")
        assert located("in/r.jsonl", tmp_path) == str(tmp_path / "in/r.jsonl")
        assert located("hf:./here", tmp_path) == f"hf:{tmp_path}/here"


V1, V2 = "allenai/reward-bench:filtered", "allenai/reward-bench-2:test"


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
        assert is_hub_name(name) == on_hub(name) == known

    def test_what_is_here_is_no_name_of_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        write(tmp_path / "org" / "name" / "rows.jsonl", ROWS)
        assert not on_hub("org/name") and not on_hub("org/rows.jsonl.gz")
        assert asked("org/name") == ASKED
        assert on_hub("org/name:train") and on_hub("org/data-v1.5:train")

    def test_a_name_with_a_dot_has_splits(self) -> None:
        assert Source(file="hf:org/data-v1.5", split="train").split == "train"
        with pytest.raises(ValueError, match="only an `hf:` data set or a folder has splits"):
            Source(file="rows.jsonl.gz", split="train")

    def test_the_library_is_an_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "datasets", None)
        with pytest.raises(MissingExtra, match=r"pip install 'gristmill\[train\]'"):
            list(read_rows(V2))


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
        write(offline / "org" / "pairs" / "train.jsonl", [{**ROWS[0], "more": "y"}])
        write(offline / "org" / "pairs" / "test.jsonl", [*ROWS[1:], {"prompt": "Q", "more": "x"}])
        for name in ("org/pairs:test", "hf:org/pairs:test"):
            found = list(read_rows(name))
            assert [where for where, _, _ in found] == [f"{name}:{n}" for n in (1, 2, 3)]
            # Every column is in every row; those without a value are as if they were not there.
            assert [row for _, row, _ in found] == [*ROWS[1:], {"prompt": "Q", "more": "x"}]
        assert asked("hf:org/pairs", split="train") == ASKED[:1]

    def test_a_single_split_needs_no_name(self, offline: Path) -> None:
        write(offline / "org" / "one" / "train.jsonl", ROWS)
        found = list(read_hub("org/one"))
        assert found == [(f"org/one:{n}", row) for n, row in enumerate(ROWS, 1)]

    def test_of_several_splits_one_must_be_named(self, offline: Path) -> None:
        for split in ("train", "test"):
            write(offline / "org" / "two" / f"{split}.jsonl", ROWS)
        message = "org/two: has several splits; name one of org/two:train, org/two:test"
        with pytest.raises(DataError, match=message):
            list(read_hub("org/two"))

    def test_a_split_that_is_not_there(self, offline: Path) -> None:
        write(offline / "org" / "three" / "train.jsonl", ROWS)
        with pytest.raises(DataError, match=r"org/three: .*split 'dev'.*'train'"):
            list(read_rows("org/three:dev"))

    def test_files_that_do_not_go_together(self, offline: Path) -> None:
        write(offline / "org" / "odd" / "test.jsonl", [ROWS[0], {"prompt": "Q", "other": [1]}])
        write(offline / "org" / "odd" / "train.jsonl", [{"something": 7}])
        with pytest.raises(DataError, match=r"org/odd: .*cannot load split 'test'.*something"):
            list(read_rows("org/odd:test"))

    @pytest.mark.parametrize("name", ["org/none", "org/none:test", "hf:org/none"])
    def test_a_data_set_that_is_not_there(self, offline: Path, name: str) -> None:
        with pytest.raises(DataError, match=r"org/none: .*cannot load") as error:
            list(read_rows(name))
        assert "\n" not in str(error.value)
        assert ("no such file or folder" in str(error.value)) == (not name.startswith("hf:"))

    def test_a_folder_here(self, offline: Path) -> None:
        write(offline / "mine" / "train.jsonl", ROWS)
        assert asked("hf:./mine") == asked(f"hf:{offline}/mine:train") == ASKED

    def test_a_folder_that_the_library_saved(self, offline: Path) -> None:
        import datasets

        both = {"train": datasets.Dataset.from_list(ROWS), "test": datasets.Dataset.from_list(ROWS)}
        datasets.DatasetDict(both).save_to_disk(offline / "saved")
        assert asked("hf:./saved:test") == ASKED
        datasets.Dataset.from_list(ROWS).save_to_disk(offline / "single")
        assert asked("hf:./single") == ASKED


@pytest.mark.parametrize("data", [Path("data"), Path()])
def test_the_folder_of_a_run_is_no_source_for_what_it_rejected_lies_there(
    tmp_path: Path, data: Path
) -> None:
    for name in ("sft", "scored", "rejected"):
        write(tmp_path / data / f"{name}.parquet", BYTES[".parquet"])
    with pytest.raises(DataError, match=r"all that a run wrote.*: \S+sft.parquet, \S+scored"):
        files_of(str(tmp_path))
    assert asked(str(tmp_path / data / "sft.parquet")) == ASKED
    (tmp_path / data / "rejected.parquet").unlink()
    assert len(files_of(str(tmp_path))) == 2


def test_every_file_has_a_place_to_name() -> None:
    assert [file.name for file in files_of(__file__.replace(".py", ".*"), kinds=(".py",))] == [
        Path(__file__).name
    ]
