"""`arena rank` and `arena heatmap`: from files to files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from gristmill.arena.boards import of_category
from gristmill.arena.export import as_csv
from gristmill.arena.rank import rank as rank_battles
from gristmill.arena.read import read
from gristmill.arena.settings import Settings
from gristmill.errors import ConfigError, StorageError
from gristmill.page.text import plural, visible
from gristmill.parts import build
from gristmill.storage import write_atomically
from gristmill.terminal.console import speaker

ON_PAGE = frozenset({"id", "judge", "time", "turns", "language", "tags"})
"""What the leaderboard page wants to know beside the outcomes."""


Paths = str | Path | Sequence[str | Path]


def rank(
    battles: Paths,
    out: Paths = (),
    *,
    columns: Mapping[str, str] | None = None,
    quiet: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Rate the models of battles (see `read.read`): `gristmill arena rank`.

    battles: one file or several. out: where to write, .json, .csv or .html, if anywhere. columns:
    the files' names for ours. settings: of `settings.Settings` (`method`, `ci`, `category`, ...).
    quiet: show nothing. Returns the leaderboard as JSON values, best first in `ratings`. Raises
    ConfigError, DataError, RunError or StorageError.
    """
    with speaker(quiet).status("reading the battles, fitting the ratings"):
        chosen = build(Settings, dict(settings), "")
        return _rank(_listed(battles), chosen, _listed(out), columns)


def _listed(paths: Paths) -> list[str | Path]:
    return [paths] if isinstance(paths, str | Path) else list(paths)


def _rank(
    sources: list[str | Path],
    chosen: Settings,
    names: list[str | Path],
    columns: Mapping[str, str] | None,
) -> dict[str, Any]:
    outs = _checked(names, (".json", ".csv", ".html"))
    paged = any(out.suffix.lower() == ".html" for out in outs)
    wanted = chosen.wanted | (ON_PAGE if paged else set())
    battles = read(sources, wanted, chosen.covariates, columns)
    found = rank_battles(battles, chosen)
    makers: dict[str, Callable[[], bytes]] = {
        ".json": lambda: orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n",
        ".csv": lambda: as_csv(found),
        ".html": lambda: _page(sources, battles, found, chosen),
    }
    for out in outs:
        _write(out, makers[out.suffix.lower()]())
    return found


def heatmap_files(
    sources: Sequence[str | Path],
    settings: Mapping[str, Any],
    outs: Sequence[str | Path],
    columns: Mapping[str, str] | None = None,
) -> list[str]:
    """Write the win rates of battles as pictures (.png) and pages (.html). Returns what is on
    them in a line, and what has to be said about it. Raises as `rank`, and MissingExtra where a
    picture cannot be drawn.
    """
    chosen = build(Settings, dict(settings), "")
    outs = _checked(outs, (".png", ".html"))
    from gristmill.arena.heatmap import heat, heat_page, heat_picture

    battles = read(sources, chosen.wanted, columns=columns)
    found = rank_battles(battles, chosen)
    table = heat(of_category(battles, chosen.category), found)
    for out in outs:
        draw = heat_picture if out.suffix.lower() == ".png" else heat_page
        _write(out, draw(table, found, _name(sources)))
    said = (
        f"{plural(len(table.models), 'model')}, {plural(found['battles'], 'battle')}, "
        f"{table.pairs:,} of {plural(table.possible, 'pair')} met"
    )
    return [said, *(visible(f"note: {line}") for line in found["warnings"])]


def _page(
    sources: Sequence[str | Path], battles: Any, found: dict[str, Any], chosen: Settings
) -> bytes:
    from gristmill.arena.page import leaderboard_page

    return leaderboard_page(_name(sources), battles, found, chosen)


def _name(sources: Sequence[str | Path]) -> str:
    first = str(sources[0])
    more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    return f"{first.rstrip('/').rpartition('/')[2] or first}{more}"


def _checked(outs: Sequence[str | Path], kinds: Sequence[str]) -> list[Path]:
    found = [Path(out) for out in outs]
    for out in found:
        if out.suffix.lower() not in kinds:
            raise ConfigError(f"--out {out}: name it {', '.join(kinds[:-1])} or {kinds[-1]}")
    return found


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot write: {error.strerror}") from None
    write_atomically(path, content)
