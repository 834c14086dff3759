"""Data sets on the disk: one file or parts, swapped whole, whatever ends the process."""

from __future__ import annotations

import shutil
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.errors import DataError
from gristmill.intake.files import count_rows, read_rows
from gristmill.storage import tables

PARTS = {"one": 1, "three": 3, "four": 4}


def written(table: Path, parts: int, content: str) -> None:
    """Write so many parts, each of two rows, and put them in the table's place."""
    staged = tables.staging(table)
    paths = [staged / f"{number:05}.parquet" for number in range(parts)]
    for number, path in enumerate(paths):
        pq.write_table(pa.table({"text": [f"{content} {number} {row}" for row in "ab"]}), path)
    tables.publish(table, paths)


def texts(parts: int, content: str) -> list[str]:
    return [f"{content} {number} {row}" for number in range(parts) for row in "ab"]


def read(table: Path) -> list[str]:
    found = tables.read_table(table, ["text"])["text"].to_pylist()
    assert tables.count_rows(table) == len(found)
    assert [row["text"] for _, row, _ in read_rows(table) if isinstance(row, dict)] == found
    return found


@pytest.mark.parametrize("before", PARTS)
@pytest.mark.parametrize("after", PARTS)
def test_a_table_is_one_file_or_parts_and_what_was_there_is_gone(
    tmp_path: Path, before: str, after: str
) -> None:
    table = tmp_path / "v1.5.parquet"
    written(table, PARTS[before], "old")
    written(table, PARTS[after], "new")
    assert read(table) == texts(PARTS[after], "new")
    assert tables.columns_of(table) == ["text"]
    place = tables.place_of(table)
    assert place.name == ("v1.5.parquet" if after == "one" else "v1.5")
    assert [p.name for p in tmp_path.iterdir()] == [place.name]
    tables.remove(table)
    assert not list(tmp_path.iterdir()) and tables.parts_of(table) == []


def test_parts_have_a_manifest_and_are_one_table_to_others(tmp_path: Path) -> None:
    table = tmp_path / "sft.parquet"
    written(table, 3, "row")
    folder = tmp_path / "sft"
    manifest = orjson.loads((folder / "_manifest.json").read_bytes())
    names = sorted(path.name for path in folder.glob("*.parquet"))
    assert [part["file"] for part in manifest["parts"]] == names
    assert [name[:19] for name in names] == [f"part-0000{n}-of-00003" for n in range(3)]
    assert manifest["rows"] == 6 and [part["rows"] for part in manifest["parts"]] == [2, 2, 2]
    assert [p["bytes"] for p in manifest["parts"]] == [(folder / n).stat().st_size for n in names]
    digests = [blake2b((folder / name).read_bytes()).hexdigest() for name in names]
    assert [part["blake2b"] for part in manifest["parts"]] == digests
    assert pq.read_table(folder)["text"].to_pylist() == texts(3, "row")
    # By the folder as by the file's name, and rows are named alike.
    by_name, by_folder = list(read_rows(table)), list(read_rows(folder))
    assert by_name == by_folder and by_name[0][0] == f"sft/{names[0]}:1"
    assert count_rows(table) == 6


@pytest.mark.parametrize("spoil", ["missing", "cut", "manifest"])
def test_half_of_a_table_is_refused_and_named(tmp_path: Path, spoil: str) -> None:
    table = tmp_path / "sft.parquet"
    written(table, 3, "row")
    part = tables.parts_of(table)[1]
    if spoil == "missing":
        part.unlink()
    elif spoil == "cut":
        part.write_bytes(part.read_bytes()[:-1])
    else:
        part = part.with_name("_manifest.json")
        part.write_text('{"rows": 6}')
    for reading in (tables.read_table, lambda t: list(read_rows(t)), tables.count_rows):
        with pytest.raises(DataError, match="run again what wrote it") as refused:
            reading(table)
        assert part.name in str(refused.value)
    with pytest.raises(DataError, match=part.name):
        list(read_rows(tmp_path / "sft"))


class Killed(BaseException):
    """In the place of `kill -9`: nothing of ours runs after it."""


@pytest.mark.parametrize("before", PARTS)
@pytest.mark.parametrize("after", PARTS)
def test_whoever_is_killed_while_swapping_leaves_the_old_rows_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    table = tmp_path / "sft.parquet"
    old, new = texts(PARTS[before], "old"), texts(PARTS[after], "new")
    seen = []
    for moment in range(100):
        written(table, PARTS[before], "old")
        left = [moment]

        def step(real: Any, left: list[int] = left) -> Any:
            def stepped(*args: Any, **given: Any) -> Any:
                if not left[0]:
                    raise Killed
                left[0] -= 1
                return real(*args, **given)

            return stepped

        with monkeypatch.context() as patched:
            for name in ("rename", "replace", "unlink", "write_bytes", "rmdir", "mkdir"):
                patched.setattr(Path, name, step(getattr(Path, name)))
            patched.setattr(shutil, "rmtree", step(shutil.rmtree))
            try:
                written(table, PARTS[after], "new")
                break
            except Killed:
                pass
        seen.append(read(table))
        assert seen[-1] in (old, new), moment
    assert len(seen) > 3 and seen == [old] * seen.count(old) + [new] * seen.count(new)
    written(table, PARTS[after], "new")
    assert [p.name for p in tmp_path.iterdir()] == [tables.place_of(table).name]


def test_a_reader_that_began_before_finds_no_part_of_what_came_after(tmp_path: Path) -> None:
    table = tmp_path / "sft.parquet"
    written(table, 3, "old")
    begun = read_rows(table)
    first = [next(begun)[1] for _ in range(2)]
    written(table, 3, "new")
    assert first == [{"text": text} for text in texts(3, "old")[:2]]
    with pytest.raises(DataError, match="part-00001-of-00003"):
        next(begun)
