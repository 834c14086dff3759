"""Where a benchmark's rows are: a file, a folder of files, a built-in source, or the hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gristmill.bench.items import Item, Refused
from gristmill.bench.rows import items
from gristmill.errors import DataError
from gristmill.intake.builtin import PREFIX
from gristmill.intake.files import KINDS, read_rows
from gristmill.intake.hub import is_hub_name, read_hub

EVALUATED = ("filtered", "test", "dataset")
"""Of a folder with several splits, those whose names begin so are evaluated; `dataset` is LLMBar's
data beside its judges' results, which hold the same rows again."""

_SHARD = re.compile(r"-\d+-of-\d+$")

_NO_ROWS = ("dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json")


@dataclass(frozen=True, slots=True)
class Source:
    """Rows that can be read again and again, in the same order.

    name: as the user gave it. files: those that are read, none for built-in sources and the hub.
    """

    name: str
    files: tuple[Path, ...] = ()

    def __iter__(self) -> Iterator[Item | Refused]:
        """Every row, as an item or as what is wrong with it. Raises DataError."""
        if self.name.startswith(PREFIX):
            yield from items(read_rows(self.name), "all")
        elif not self.files:
            found = ((where, row, str(row)[:2000]) for where, row in read_hub(self.name))
            yield from items(found, "all")
        for path in self.files:
            several = self._folders(path) > 1
            # A line has to be told from the same line of another folder's file.
            place = f"{path.parent.name}/" if several else ""
            category = (several and path.parent.name) or _name(path)
            for found in items(read_rows(path), category):
                yield replace(found, where=f"{place}{found.where}")

    def _folders(self, path: Path) -> int:
        """In how many folders there is a file of this name (LLMBar's are all `dataset.json`): if
        in several, rows that name no category have their folder's name, else the file's."""
        name = _name(path)
        return len({other.parent for other in self.files if _name(other) == name})


def open_source(name: str) -> Source:
    """The rows behind `--data`. Raises DataError where there is nothing of that name."""
    path = Path(name)
    if name.startswith(PREFIX):
        next(iter(read_rows(name)))
        return Source(name)
    if path.is_dir():
        return Source(name, _files(path))
    if path.is_file() or path.suffix.lower() in KINDS:
        next(read_rows(path), None)
        return Source(name, (path,))
    if is_hub_name(name):
        return Source(name)
    raise DataError(
        f"{name}: no such file or folder (and no data set on the hub, which is org/name:split)"
    )


def _name(path: Path) -> str:
    """The file's name without its ending, and without its number among several."""
    return _SHARD.sub("", path.stem)


def _files(folder: Path) -> tuple[Path, ...]:
    """The files of a folder, or, where some are named for the split that counts, those alone."""
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in KINDS
        and path.is_file()
        and path.name not in _NO_ROWS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    for split in EVALUATED:
        named = tuple(path for path in found if path.stem.split("-")[0] == split)
        if named:
            return named
    if not found:
        raise DataError(f"{folder}: holds no file of rows ({', '.join(KINDS)})")
    return tuple(found)
