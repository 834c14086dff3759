"""A user's documents: found, read, and cut into parts that fit a model's context."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from glob import glob, has_magic
from hashlib import blake2b
from itertools import takewhile
from pathlib import Path
from typing import Any

from gristmill.errors import DataError
from gristmill.intake.files import KINDS, BadLine, read_rows
from gristmill.recipes._chunks import headline

TEXTS = (".txt", ".md", ".markdown")
"""Kinds of files that are one document each; `intake` reads those that hold many."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text. where: its file, or `file:line`. title: what it is called, or empty."""

    where: str
    title: str
    text: str


@dataclass(frozen=True)
class Documents:
    """What a config names. column: of the text, in files of rows."""

    places: Sequence[str]
    column: str = "text"

    def read(self, dropped: Counter[str] | None = None) -> Iterator[Document]:
        """Every different document that is not empty, in the order of the config, files of a
        folder by name.

        dropped: gets what was passed over, by reason. Raises DataError for what cannot be read,
        naming file and byte, or line.
        """
        seen: set[bytes] = set()
        dropped = Counter() if dropped is None else dropped
        for path, name in self._files():
            for document in self._documents(path, name):
                if not document.text.strip():
                    dropped["document:empty"] += 1
                    continue
                key = blake2b(" ".join(document.text.split()).encode("utf-8", "surrogatepass"))
                if key.digest()[:16] in seen:
                    dropped["document:repeated"] += 1
                    continue
                seen.add(key.digest()[:16])
                yield document

    def check(self) -> None:
        """Read all of it. Raises DataError, also where there is no text in it."""
        if not sum(1 for _ in self.read()):
            places = ", ".join(self.places)
            raise DataError(f"{places}: there is no text in any document; put some in")

    def _files(self) -> list[tuple[Path, str]]:
        """Each file once, with the name that rows call it by."""
        found: dict[Path, tuple[Path, str]] = {}
        for place in self.places:
            for path, name in _files_of(place):
                found.setdefault(path.resolve(), (path, name))
        return list(found.values())

    def _documents(self, path: Path, name: str) -> Iterator[Document]:
        if path.suffix.lower() in TEXTS:
            text = _decoded(path)
            title = headline(text) or path.stem.replace("_", " ").replace("-", " ")
            yield Document(name, title, text)
            return
        yield from self._rows(path, name)

    def _rows(self, path: Path, name: str) -> Iterator[Document]:
        rows = _Rows(path, self.column)
        for where, row, _ in read_rows(path, self.column):
            if isinstance(row, BadLine):
                raise DataError(f"{path}: {where}: {row.detail}")
            title = row.get("title")
            title = title.strip() if isinstance(title, str) else ""
            yield Document(f"{name}:{where.rpartition(':')[2]}", title, rows.text(where, row))
        rows.end()


@dataclass
class _Rows:
    """The texts of a file's rows; a row may lack one, but not all of them."""

    path: Path
    column: str
    columns: set[str] = field(default_factory=set)
    any: bool = False

    def text(self, where: str, row: dict[str, Any]) -> str:
        value = row.get(self.column)
        self.any = self.any or value is not None
        if value is None:
            self.columns.update(map(str, row))
            return ""
        if not isinstance(value, str):
            kind = type(value).__name__
            raise DataError(f"{self.path}: {where}: '{self.column}' is {kind}, not a text")
        return value

    def end(self) -> None:
        if self.columns and not self.any:
            raise DataError(
                f"{self.path}: no row has a text in '{self.column}'; name its column with "
                f"'column' (columns: {', '.join(sorted(self.columns))})"
            )


def _files_of(place: str) -> Iterator[tuple[Path, str]]:
    """The files of a file, folder or pattern, with names that do not say where the folder lies."""
    path = Path(place)
    if path.is_dir():
        files = [p for p in sorted(path.rglob("*")) if _is_document(p, path)]
        if not files:
            raise DataError(f"{place}: no documents in this folder; {_kinds()}")
        yield from ((p, p.relative_to(path).as_posix()) for p in files)
    elif path.is_file():
        if path.suffix.lower() not in (*TEXTS, *KINDS):
            raise DataError(f"{place}: unknown kind of document; {_kinds()}")
        yield path, path.name
    elif has_magic(place):
        # Path.glob takes no absolute pattern, and finds hidden files.
        found = (Path(name) for name in sorted(glob(place, recursive=True)))  # noqa: PTH207
        files = [p for p in found if p.is_file() and p.suffix.lower() in (*TEXTS, *KINDS)]
        if not files:
            raise DataError(f"{place}: no document has such a name; {_kinds()}")
        fixed = Path(*takewhile(lambda part: not has_magic(part), path.parts))
        yield from ((p, p.relative_to(fixed).as_posix()) for p in files)
    else:
        raise DataError(f"{place}: no such file or folder")


def _is_document(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.suffix.lower() in (*TEXTS, *KINDS) and path.is_file()


def _kinds() -> str:
    return f"documents are {', '.join((*TEXTS, *KINDS))}"


def _decoded(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot read it: {error.strerror}") from None
    mark = len(BOM_UTF8) if data.startswith(BOM_UTF8) else 0
    try:
        text = data[mark:].decode("utf-8")
    except UnicodeDecodeError as error:
        what = f"byte {mark + error.start}: not UTF-8 ({error.reason}); save it as UTF-8"
        raise DataError(f"{path}: {what}") from None
    if "\0" in text:
        at = data.index(b"\0")
        raise DataError(f"{path}: byte {at}: a zero byte, so not UTF-8 text; save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")
