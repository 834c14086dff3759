"""Where rows are: a name that a user gives, and the files behind it.

rows.jsonl   rows.csv.gz   rows.jsonl.zst      a file
shards/*.parquet   shards/                     a pattern, a folder
s3://bucket/rows.parquet   gs://   https://    elsewhere, by pyarrow or fsspec
-                                              standard input, read once and kept for the process
"""

from __future__ import annotations

import atexit
import bz2
import gzip
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from glob import glob, has_magic
from io import BufferedReader
from itertools import takewhile
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.fs as pafs

from gristmill.errors import DataError
from gristmill.intake.builtin import PREFIX
from gristmill.intake.hub import HUB, is_hub_name
from gristmill.storage.tables import MANIFEST, TABLES, parts_of, place_of

STDIN = "-"
KINDS = (".jsonl", ".ndjson", ".json", ".parquet", ".csv", ".tsv", ".arrow", ".feather")
PACKED = (".gz", ".zst", ".bz2")
"""How a file of rows may be compressed; Parquet and Arrow files compress themselves."""

_NO_ROWS = (MANIFEST, "dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json")
_MAGIC = {
    b"PAR1": ".parquet",
    b"ARROW1": ".arrow",
    b"\xff\xff\xff\xff": ".arrow",
    b"\x1f\x8b": ".gz",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"BZh": ".bz2",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file of rows. name: what its rows are called by. place: as an error names it.

    kind: one of KINDS; packed: one of PACKED, or empty. raw: opens its bytes.
    """

    name: str
    place: str
    kind: str
    packed: str
    raw: Callable[[], BinaryIO]

    def open(self) -> BinaryIO:
        """Its bytes, decompressed. Raises DataError."""
        try:
            raw = self.raw()
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{self.place}: cannot read it: {said(error)}") from None
        if self.packed == ".gz":
            return cast(BinaryIO, _Unpacked(gzip.GzipFile(fileobj=raw), raw))
        if self.packed == ".bz2":
            return cast(BinaryIO, _Unpacked(bz2.BZ2File(raw), raw))
        if self.packed == ".zst":
            return cast(
                BinaryIO, _Unpacked(pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"), raw)
            )
        return raw


class _Unpacked(BufferedReader):
    """A stream that is unpacked, and closes the file that it comes from."""

    def __init__(self, stream: Any, raw: BinaryIO) -> None:
        super().__init__(stream, 1 << 20)
        self._file = raw

    def close(self) -> None:
        super().close()
        self._file.close()


def said(error: Exception) -> str:
    """What an error of the system's or of a library's says, in one line."""
    text = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:300]


def located(source: str, folder: Path) -> str:
    """A source named in a config, its relative path starting from the config's folder."""
    rest = source.removeprefix(HUB)
    if rest != source:
        return f"{HUB}{folder / rest}" if rest.startswith(".") else source
    if source.startswith(PREFIX) or source == STDIN or "://" in source or on_hub(source, folder):
        return source
    return str(folder / source)


def on_hub(source: str, folder: Path = Path()) -> bool:
    """Whether a data set on the hub is meant: `hf:...`, or `org/name:split` where neither a file
    nor a folder can be."""
    if source.startswith(HUB):
        return True
    return is_hub_name(source) and not kind_of(source)[0] and not (folder / source).exists()


def kind_of(name: str, kinds: Sequence[str] = KINDS) -> tuple[str, str]:
    """(kind, compression) of a file by its name; empty where it shows none."""
    path = PurePosixPath(name.replace("\\", "/"))
    packed = path.suffix.lower()
    if packed not in PACKED:
        return (packed if packed in kinds else ""), ""
    inner = PurePosixPath(path.stem).suffix.lower()
    return (inner if inner in kinds else ""), packed


def files_of(place: str, splits: Sequence[str] = (), kinds: Sequence[str] = KINDS) -> list[File]:
    """The files behind a name, those of a folder or pattern in the order of their names.

    splits: of a folder with several, those whose files' names begin so are meant, the first that
    there is; without any, all. kinds: the endings that are wanted. Raises DataError where there is
    no such file, or none of these kinds.
    """
    if place == STDIN:
        return [_standard_input()]
    if "://" in place:
        return _elsewhere(place, splits, kinds)
    path = Path(place)
    if path.is_dir() and (path / MANIFEST).exists():
        path = Path(f"{path.absolute()}.parquet")
    if path.suffix == ".parquet" and ".parquet" in kinds and place_of(path) != path:
        # A run's data set that has grown: its parts are read by the name that one file has.
        return [_local(p, f"{p.parent.name}/{p.name}", kinds) for p in parts_of(path)]
    if path.is_dir():
        _refuse_run(path)
        inside = [(p, p.relative_to(path).as_posix()) for p in sorted(path.rglob("*"))]
        inside = [(p, n) for p, n in inside if _holds_rows(n, kinds) and p.is_file()]
        return _of_split(_within(path, inside, kinds), splits, place, kinds)
    if has_magic(place) and not path.exists():
        fixed = Path(*takewhile(lambda part: not has_magic(part), path.parts))
        # Path.glob takes no absolute pattern.
        named = (Path(name) for name in sorted(glob(place, recursive=True)))  # noqa: PTH207
        inside = [(p, p.relative_to(fixed).as_posix()) for p in named if p.is_file()]
        inside = [(p, n) for p, n in inside if kind_of(n, kinds)[0]]
        return _of_split(_within(fixed, inside, kinds), (), place, kinds)
    if not path.suffix and not path.exists():
        raise DataError(
            f"{place}: no such file or folder (and no data set on the hub, which is org/name:split)"
        )
    if not kind_of(place, kinds)[0]:
        raise _unknown(place, kinds)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    return [_local(path, path.name, kinds)]


def _unknown(place: str, kinds: Sequence[str]) -> DataError:
    sheet = "; save the sheet as CSV" if place.lower().endswith((".xlsx", ".xls", ".ods")) else ""
    return DataError(f"{place}: unknown kind of file; use one of {', '.join(kinds)}{sheet}")


def _refuse_run(folder: Path) -> None:
    """Raises DataError for the folder of a run, or its data: what was rejected lies in it, too."""
    for data in (folder, folder / "data"):
        names = [n for n in TABLES if place_of(data / f"{n}.parquet").exists()]
        if "rejected" in names and len(names) > 1:
            mine = ", ".join(str(data / f"{name}.parquet") for name in names if name != "rejected")
            raise DataError(
                f"{folder}: holds all that a run wrote, also what it rejected; name the data set "
                f"that is meant: {mine}"
            )


def _within(folder: Path, inside: Sequence[tuple[Path, str]], kinds: Sequence[str]) -> list[File]:
    """The files of a folder, which must lie in it: what somebody else put there may be a link to
    what nobody meant to hand out. Raises DataError.

    A snapshot in the hub's cache is links to the blobs beside it.
    """
    roots = [folder.resolve()]
    if "snapshots" in roots[0].parts[:-1]:
        place = len(roots[0].parts) - roots[0].parts[::-1].index("snapshots") - 1
        roots.append(Path(*roots[0].parts[:place], "blobs"))
    for path, _ in inside:
        target = path.resolve()
        if not any(target.is_relative_to(root) for root in roots):
            raise DataError(
                f"{path}: is a link to {target}, outside of {folder}; copy that file there, or "
                "name it itself"
            )
    return [_local(path, name, kinds) for path, name in inside]


def _local(path: Path, name: str, kinds: Sequence[str]) -> File:
    return File(name, str(path), *kind_of(path.name, kinds), lambda: path.open("rb"))


def _holds_rows(name: str, kinds: Sequence[str]) -> bool:
    parts = name.split("/")
    hidden = any(part.startswith(".") for part in parts)
    return not hidden and bool(kind_of(name, kinds)[0]) and parts[-1] not in _NO_ROWS


def _splits_in(name: str) -> set[str]:
    """The splits that a file may be named for: its folders' names, and what its own begins with."""
    *folders, own = name.split("/")
    return {*folders, own.split("-")[0].split(".")[0]}


def _of_split(
    found: list[File], splits: Sequence[str], place: str, kinds: Sequence[str]
) -> list[File]:
    for split in splits:
        named = [file for file in found if split in _splits_in(file.name)]
        if named:
            return named
    if not found:
        raise DataError(f"{place}: there is no file of these kinds: {', '.join(kinds)}")
    return found


def _elsewhere(place: str, splits: Sequence[str], kinds: Sequence[str]) -> list[File]:
    """Files that another file system holds."""
    system, path = _system(place)
    scheme = place.partition("://")[0]

    def file(inside: str, name: str) -> File:
        return File(
            name,
            f"{scheme}://{inside}",
            *kind_of(inside, kinds),
            lambda: cast(BinaryIO, BufferedReader(cast(Any, system.open_input_file(inside)))),
        )

    try:
        if not has_magic(path):
            info = system.get_file_info(path)
            if info.type == pafs.FileType.File:
                if not kind_of(path, kinds)[0]:
                    raise _unknown(place, kinds)
                return [file(path, path.rpartition("/")[2])]
            if info.type == pafs.FileType.NotFound:
                raise DataError(f"{place}: no such file")
        base = path if not has_magic(path) else path[: _first_magic(path)].rpartition("/")[0]
        inside = sorted(
            f.path
            for f in system.get_file_info(pafs.FileSelector(base, recursive=True))
            if f.type == pafs.FileType.File and _holds_rows(f.path[len(base) :].lstrip("/"), kinds)
        )
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{place}: cannot read it: {said(error)}") from None
    if has_magic(path):
        inside, splits = [name for name in inside if _fits(name.split("/"), path.split("/"))], ()
    return _of_split([file(p, p[len(base) :].lstrip("/")) for p in inside], splits, place, kinds)


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a path fit those of a pattern; `**` stands for any number of folders."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[at:], pattern[1:]) for at in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])


def _first_magic(path: str) -> int:
    return min(place for sign in "*?[" if (place := path.find(sign)) >= 0)


def _system(place: str) -> tuple[pafs.FileSystem, str]:
    """The file system behind a URI, and the path in it: pyarrow's own, else fsspec's."""
    try:
        return pafs.FileSystem.from_uri(place)
    except (pa.ArrowException, OSError, ValueError) as error:
        with suppress(ImportError, ValueError):
            import fsspec

            system, path = fsspec.core.url_to_fs(place)
            return pafs.PyFileSystem(pafs.FSSpecHandler(system)), path
        scheme = place.partition("://")[0]
        raise DataError(
            f"{place}: cannot open {scheme}:// ({said(error)}); install what reads it "
            f"(`pip install fsspec`, and for {scheme} what fsspec's list names)"
        ) from None


@cache
def _standard_input() -> File:
    """Standard input in a file that lasts as long as the process, for rows are read several
    times."""
    kept = tempfile.NamedTemporaryFile(prefix="gristmill-", delete=False)  # noqa: SIM115
    path = Path(kept.name)
    atexit.register(path.unlink, missing_ok=True)
    with kept:
        copyfileobj(sys.stdin.buffer, kept)
    with path.open("rb") as opened:
        packed = _sniffed(opened.read(8))
    file = File("stdin", STDIN, "", packed if packed in PACKED else "", lambda: path.open("rb"))
    with file.open() as opened:
        start = opened.read(4096)
    kind = _sniffed(start)
    if kind not in KINDS:
        start = start.removeprefix(b"\xef\xbb\xbf").lstrip()
        kind = ".json" if start[:1] in (b"{", b"[") else ".csv"
        line = start.partition(b"\n")[0]
        kind = ".tsv" if kind == ".csv" and b"\t" in line and b"," not in line else kind
    return File(file.name, file.place, kind, file.packed, file.raw)


def _sniffed(start: bytes) -> str:
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), "")
