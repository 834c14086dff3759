"""A user's documents: found, read, and cut into parts that fit a model's context."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from gristmill.errors import DataError
from gristmill.intake.cells import Refused
from gristmill.intake.files import rows_of
from gristmill.intake.places import KINDS, File, files_of, kind_of
from gristmill.recipes._chunks import headline

TEXTS = (".txt", ".md", ".markdown")
"""Kinds of files that are one document each; of the others each row is one."""


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
        for file in self._files():
            for document in self._documents(file):
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

    def others(self) -> int:
        """How many files of the folders are of kinds that are not read, as PDF; hidden ones and
        their folders aside."""
        inside = (
            (file, file.relative_to(place).parts)
            for place in map(Path, self.places)
            for file in (place.rglob("*") if place.is_dir() else ())
        )
        return sum(
            not kind_of(file.name, (*TEXTS, *KINDS))[0] and file.is_file()
            for file, parts in inside
            if not any(part.startswith(".") for part in parts)
        )

    def _files(self) -> list[File]:
        """Each file once, by the name under which it was found first."""
        found: dict[Path, File] = {}
        for place in self.places:
            for file in files_of(place, kinds=(*TEXTS, *KINDS)):
                found.setdefault(Path(file.place).resolve(), file)
        return list(found.values())

    def _documents(self, file: File) -> Iterator[Document]:
        if file.kind in TEXTS:
            text = _decoded(file)
            title = headline(text) or Path(file.name).stem.replace("_", " ").replace("-", " ")
            yield Document(file.name, title, text)
            return
        rows = _Rows(file.place, self.column)
        for where, row, _ in rows_of(file):
            if isinstance(row, Refused):
                raise DataError(f"{file.place}: {where}: {row.detail}")
            title = row.get("title")
            title = title.strip() if isinstance(title, str) else ""
            yield Document(where, title, rows.text(where, row))
        rows.end()


@dataclass
class _Rows:
    """The texts of a file's rows; a row may lack one, but not all of them."""

    path: str
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


def _decoded(file: File) -> str:
    path = file.place
    with file.open() as opened:
        data = opened.read()
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
