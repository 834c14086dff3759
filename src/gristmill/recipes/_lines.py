"""A user's file of lines: people, personalities, keywords."""

from __future__ import annotations

from pathlib import Path

from gristmill.errors import DataError


def lines_of(path: Path) -> list[str]:
    """The lines of a text file, without blank and repeated ones. Raises DataError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise DataError(f"{path}: cannot read it: {error.strerror}") from None
    found = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if not found:
        raise DataError(f"{path}: the file is empty; write one a line")
    return found
