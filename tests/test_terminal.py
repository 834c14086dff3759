"""A terminal is shown text, whatever a server, a model or a config says."""

from __future__ import annotations

import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gristmill.terminal.console import Spelling, show_warnings

HOSTILE = "bad \x1b[31mred\x1b[0m \x07\x1b]0;title\x07 \u202etxt.exe"


@given(st.text(max_size=60))
def test_nothing_but_text_and_lines_comes_out(text: str) -> None:
    out = io.StringIO()
    console = Spelling(file=out, highlight=False, emoji=False, width=80)
    console.print(text, markup=False)
    console.print(Text(text))
    table = Table.grid()
    table.add_row(Text(text), "x")
    console.print(table)
    assert not {c for c in out.getvalue() if ord(c) < 32} - {"\n", "\t"}
    assert "\x7f" not in out.getvalue()


def test_styles_and_live_displays_work_as_ever() -> None:
    out = io.StringIO()
    console = Spelling(
        file=out, force_terminal=True, width=80, color_system="standard", highlight=False
    )
    console.print(HOSTILE, style="red", markup=False)
    with Live(Text(HOSTILE), console=console, refresh_per_second=1) as live:
        live.update(Text("done"), refresh=True)
    said = out.getvalue()
    assert "\x1b[31mbad ⟦U+001B⟧[31mred" in said  # our red, and not theirs
    assert "\x1b[2K" in said and "done" in said  # the display was redrawn
    assert "\x1b]0;" not in said and "\x07" not in said and "\u202e" not in said


def test_warnings_are_text_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert logging.lastResort is not None
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # those of the suite
    monkeypatch.setattr(logging.lastResort, "formatter", None)
    show_warnings()
    logging.getLogger("gristmill.servers").warning("server says %s", HOSTILE)
    assert "⟦U+001B⟧[31mred" in capsys.readouterr().err
