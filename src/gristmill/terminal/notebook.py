"""What is redrawn in a notebook: one output of a cell, with something new in it."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console, RenderableType

WIDTH = 110
_PRE = "<pre style='white-space:pre;overflow-x:auto;line-height:normal'>{code}</pre>"


def as_html(drawn: RenderableType) -> str:
    """What a terminal would show, as HTML in which text is text."""
    page = Console(file=io.StringIO(), record=True, width=WIDTH, force_jupyter=False, emoji=False)
    page.print(drawn)
    return page.export_html(inline_styles=True, code_format=_PRE)


class Redrawn:
    """As much of rich's `Live` as is used here; that one needs ipywidgets and the main thread."""

    def __init__(self) -> None:
        self._handle: Any = None

    def start(self) -> None:
        """Nothing is shown before there is something."""

    def stop(self) -> None:
        """What was drawn last stays in the notebook."""

    def update(self, drawn: RenderableType) -> None:
        """Show this instead of what was shown before."""
        from IPython.display import HTML, display

        if self._handle is None:
            self._handle = display(HTML(as_html(drawn)), display_id=True)
        else:
            self._handle.update(HTML(as_html(drawn)))
