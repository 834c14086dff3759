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
from gristmill.parts import build
from gristmill.storage import write_atomically
from gristmill.terminal.console import speaker

ON_PAGE = frozenset({"id", "judge", "time", "turns", "language", "tags"})
"""What the leaderboard page wants to know beside the outcomes."""


Paths = str | Path | Sequence[str | Path]


def rank(
    battles: Paths, out: Paths = (), *, quiet: bool = False, **settings: Any
) -> dict[str, Any]:
    """Rate the models of battles: `gristmill arena rank`.

    battles: one file or several. out: where to write, .json, .csv or .html, if anywhere. settings:
    of `settings.Settings` (`method`, `ci`, `category`, ...). quiet: show nothing. Returns the
    leaderboard as JSON values, best first in `ratings`. Raises ConfigError, DataError, RunError or
    StorageError.
    """
    with speaker(quiet).status("reading the battles, fitting the ratings"):
        return _rank(_listed(battles), settings, _listed(out))


def _listed(paths: Paths) -> list[Path]:
    return [Path(p) for p in ([paths] if isinstance(paths, str | Path) else paths)]


def _rank(
    sources: Sequence[Path], settings: Mapping[str, Any], outs: Sequence[Path]
) -> dict[str, Any]:
    chosen = build(Settings, dict(settings), "")
    _check(outs, (".json", ".csv", ".html"))
    paged = any(out.suffix.lower() == ".html" for out in outs)
    battles = read(sources, chosen.wanted | (ON_PAGE if paged else set()), chosen.covariates)
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
    sources: Sequence[Path], settings: Mapping[str, Any], outs: Sequence[Path]
) -> str:
    """Write the win rates of battles files as pictures (.png) and pages (.html). Returns what is
    on them, in a line. Raises as `rank`, and MissingExtra where a picture cannot be drawn.
    """
    chosen = build(Settings, dict(settings), "")
    _check(outs, (".png", ".html"))
    from gristmill.arena.heatmap import heat, heat_page, heat_picture

    battles = read(sources, chosen.wanted)
    found = rank_battles(battles, chosen)
    table = heat(of_category(battles, chosen.category), found)
    for out in outs:
        draw = heat_picture if out.suffix.lower() == ".png" else heat_page
        _write(out, draw(table, found, _name(sources)))
    return (
        f"{len(table.models)} models, {found['battles']:,} battles, {table.pairs:,} of "
        f"{table.possible:,} pairs met"
    )


def _page(sources: Sequence[Path], battles: Any, found: dict[str, Any], chosen: Settings) -> bytes:
    from gristmill.arena.page import leaderboard_page

    return leaderboard_page(_name(sources), battles, found, chosen)


def _name(sources: Sequence[Path]) -> str:
    more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    return f"{sources[0].name}{more}"


def _check(outs: Sequence[Path], kinds: Sequence[str]) -> None:
    for out in outs:
        if out.suffix.lower() not in kinds:
            raise ConfigError(f"--out {out}: name it {', '.join(kinds[:-1])} or {kinds[-1]}")


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot write: {error.strerror}") from None
    write_atomically(path, content)
