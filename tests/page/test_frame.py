"""The frame: what a page gets from it, and what it lets a browser do."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from pathlib import Path

import jinja2
import pytest

from gristmill.page.frame import Tile, environment

PAGE = """{% extends "frame.html.j2" %}
{% set kind = "small" %}
{% block lede %}{{ lede }}{% endblock %}
{% block main %}{{ 1234|whole }}{% endblock %}
"""
SAID = {"name": "<b>", "state": ("Done", "good"), "lede": "<i>", "tiles": [Tile("Rows", "<u>")]}


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with a page of its own."""
    folder = tmp_path / "a_room"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "page.html").write_text(PAGE)
    (folder / "page.css").write_text(".own { color: red }")
    (folder / "page.js").write_text("'use strict'; 1 < 2;")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "a_room", raising=False)
    return "a_room"


def policy_of(html: str) -> str:
    return re.findall(r'Security-Policy" content="([^"]*)"', html)[0].replace("&#39;", "'")


def test_a_page_is_its_own_parts_in_the_frame(room: str) -> None:
    html = environment(room, style="page.css").get_template("page.html").render(SAID)
    assert html.startswith("<!doctype html>")
    assert "<title>&lt;b&gt; · gristmill small report</title>" in html
    assert "<dt>Rows</dt><dd>&lt;u&gt;<small></small></dd>" in html
    assert '<p class="lede">&lt;i&gt;</p>' in html and "1,234" in html
    assert '<span class="state good">Done</span>' in html
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)[0]
    # The room's own comes last, so that it can say otherwise.
    assert style.index("--paper") < style.index(".own { color: red }")


def test_without_a_script_none_may_run(room: str) -> None:
    html = environment(room, style="page.css").get_template("page.html").render(SAID)
    assert "<script" not in html
    assert policy_of(html) == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_with_a_script_only_that_one_may_run(room: str) -> None:
    made = environment(room, style="page.css", script="page.js")
    html = made.get_template("page.html").render(SAID)
    script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert script == ["'use strict'; 1 < 2;"]
    assert policy_of(html).endswith(f"; script-src 'sha256-{digest}'")


@pytest.mark.parametrize("missing", ["name", "state", "tiles"])
def test_what_the_frame_wants_cannot_be_forgotten(room: str, missing: str) -> None:
    page = environment(room, style="page.css").get_template("page.html")
    with pytest.raises(jinja2.UndefinedError):
        page.render({key: value for key, value in SAID.items() if key != missing})


@pytest.mark.parametrize("block", ["lede", "main"])
def test_a_page_without_a_block_of_its_own_is_refused(room: str, block: str) -> None:
    made = environment(room, style="page.css")
    other = re.sub(rf"{{% block {block} .*?endblock %}}\n", "", PAGE)
    with pytest.raises(jinja2.TemplateRuntimeError, match="Required block"):
        made.from_string(other).render(SAID)
