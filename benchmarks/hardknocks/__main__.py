"""The hard knocks that docs/reliability.md tells of, on real processes of this machine.

    python benchmarks/hardknocks                    every cell, about half an hour
    python benchmarks/hardknocks killed arena       the cells of some groups
    python benchmarks/hardknocks soak --minutes 30  a long run, faults and a `kill -9` each minute
    ... --write                                     and put what it found into docs/reliability.md

A cell does something to the tool and holds what is left against what must be left. One that does
not hold ends this with status 1. Cells that need what is not here (root for a real full disk,
libfaketime, Gradio) say so.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "tests"), str(Path(__file__).parent)]

import inputs  # noqa: E402, F401
import killed  # noqa: E402, F401
import machine  # noqa: E402, F401
import network  # noqa: E402, F401
import soak  # noqa: E402
import trouble  # noqa: E402, F401
from cells import CELLS, Cell, Found, Missing  # noqa: E402

import arena  # noqa: E402, F401 - the modules register their cells

PAGE = ROOT / "docs" / "reliability.md"
HEAD = "| cell | what was done | what happened | lost | repeated |\n|---|---|---|---|---|\n"


def main() -> int:
    """Run what is asked for; 1 if something did not hold."""
    groups = list(dict.fromkeys(cell.group for cell in CELLS))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join([*groups, "soak"]))
    parser.add_argument("--minutes", type=float, default=30, help="of the soak (30)")
    parser.add_argument(
        "--write", action="store_true", help="put the tables into docs/reliability.md"
    )
    asked = parser.parse_args()
    if unknown := set(asked.groups) - {*groups, "soak"}:
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    held = True
    for group in groups:
        if asked.groups and group not in asked.groups:
            continue
        rows = []
        for cell in CELLS:
            if cell.group == group:
                row, good = _row(cell)
                print(row, flush=True)
                held &= good
                rows.append(row)
        if asked.write:
            _write(group, HEAD + "\n".join(rows))
    if "soak" in asked.groups:
        told, good = soak.soak(asked.minutes)
        print(told)
        held &= good
        if asked.write:
            _write("soak", told)
    return 0 if held else 1


def _row(cell: Cell) -> tuple[str, bool]:
    """A line of the table, and whether it is as it must be."""
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="knocks-") as folder:
            found = cell.do(Path(folder))
    except Missing as missing:
        found = Found(f"not tried: {missing}", None, None)
    except Exception as error:  # a cell that ends in any other way does not hold
        said = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"{cell.name}: {error}", file=sys.stderr)
        found = Found(f"**does not hold**: {said[:300]}", None, None, held=False)
    print(f"  {cell.group}: {cell.name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    counts = ("" if n is None else f"{n:,}" for n in (found.lost, found.repeated))
    # The folder's name is this machine's affair.
    happened = re.sub(rf"{re.escape(tempfile.gettempdir())}/knocks-\w+", "…", found.happened)
    cells = (cell.name, cell.done, happened, *counts)
    return f"| {' | '.join(text.replace('|', '&#124;') for text in cells)} |", found.held


def _write(group: str, text: str) -> None:
    """Put a table between its marks on the page."""
    page = PAGE.read_text()
    marks = rf"(<!-- {group} -->\n).*?(<!-- end -->)"
    new, count = re.subn(
        marks, lambda found: f"{found[1]}{text}\n{found[2]}", page, flags=re.DOTALL
    )
    if not count:
        raise SystemExit(f"{PAGE} has no marks for {group}")
    PAGE.write_text(new)


if __name__ == "__main__":
    sys.exit(main())
