"""docs/tools.md: its example is that of the folder, and does what the page says."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from boxes import needs_sandbox
from commands import Gristmill
from gristmill.mill.generate import Generate
from gristmill.tools.server import Place
from gristmill.tools.toolbox import KINDS
from mills import tables
from shown import blocks, holds

pytest.importorskip("jsonschema")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/tools.md").read_text(encoding="utf-8")
TRIP = ROOT / "examples/trip"


def test_the_page_shows_the_files_of_the_example() -> None:
    shown = [text for _, text in blocks(PAGE)]
    assert shown[0] == (TRIP / "tools.py").read_text()
    assert shown[1] == (TRIP / "trip.jsonl").read_text()
    assert shown[2] == "# trip.yaml\n" + (TRIP / "trip.yaml").read_text()


def test_every_key_is_told() -> None:
    keys = {"tools", "max_steps", *Place.model_fields}
    keys |= {name for kind in KINDS.values() for name in kind.model_fields}
    assert keys - {"tools", "max_steps"} and {"tools", "max_steps"} <= set(Generate.model_fields)
    for key in keys:
        assert re.search(rf"\b{key}\b", PAGE), f"docs/tools.md does not mention '{key}'"


@needs_sandbox
def test_the_example_does_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gristmill: Gristmill
) -> None:
    folder = tmp_path / "trip"
    shutil.copytree(TRIP, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(folder)
    sys.modules.pop("caller", None)
    gristmill("run", "trip.yaml", "--out", "out/trip", "--quiet")
    gristmill("export", "out/trip", "--for", "jsonl")
    sys.modules.pop("caller", None)
    lines = (folder / "out/trip/data/sft.jsonl").read_text().splitlines()
    (row,) = (text for kind, text in blocks(PAGE) if kind == "json")
    assert any(holds(line, row) for line in lines)
    data = tables(folder / "out/trip")
    second = next(r for r in data["scored"] if r["response_id"] == "unit.1")
    told = {v["judge"]: (v["reward"], v["detail"]) for v in second["judgements"]}
    assert told["truth"][0] == 1 and told["tools"][0] == 0
    assert " ".join(told["tools"][1].split()) in " ".join(PAGE.split())
    assert {r["chosen_id"] for r in data["preference"]} == {"both.0", "unit.0"}
    (lost,) = data["rejected"]
    assert (lost["response_id"], lost["reason"]) == ("lost.1", "max_steps")
    page = (folder / "out/trip/report.html").read_text()
    assert "6 steps with tools" in page and json.dumps("kilometres")[1:-1] in page
