"""The frame that all pages share: `frame.html.j2` with a room's own template, style and script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from gristmill.page import text

FILTERS = (text.whole, text.decimal, text.percent, text.plural, text.one_line)
"""What every template may use, by the functions' names."""


class Tile(NamedTuple):
    """One figure of a page's headline, and a few words below it."""

    label: str
    value: str
    note: str = ""


def environment(
    package: str, folder: str = ".", *, style: str | Sequence[str], script: str | None = None
) -> jinja2.Environment:
    """The templates of a room, which may extend `frame.html.j2`.

    package, folder: where the room's own files are. style: its CSS file or files, which follow
    `base.css`. script: its JavaScript file, None for a page that runs none. What the frame wants
    of a page is written at its top.
    """
    own = jinja2.PackageLoader(package, folder)
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([own, jinja2.PackageLoader("gristmill.page", ".")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update({each.__name__: each for each in FILTERS})
    code = _source(made, script) if script else None
    styles = [style] if isinstance(style, str) else style
    made.globals.update(
        style=Markup("".join(_source(made, name) for name in ("base.css", *styles))),
        script=code and Markup(code),
        policy=_policy(code),
    )
    return made


def _source(made: jinja2.Environment, name: str) -> str:
    assert made.loader
    return made.loader.get_source(made, name)[0]


def _policy(script: str | None) -> str:
    """With this policy the browser runs our one script and nothing that a model wrote, and asks
    no server for anything, whatever the escaping may have missed."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    if script is None:
        return policy
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"{policy}; script-src 'sha256-{digest}'"
