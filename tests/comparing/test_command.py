"""`gristmill compare` as a user meets it, and its page."""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import compared
from browser import hinders
from commands import Gristmill
from gristmill import cli
from gristmill.comparing.plot import scatter
from gristmill.comparing.read import SOURCES
from pages import Page
from processes import start, wait_until

UP, HALF, DOWN = (f"scripted:compared:{name}" for name in ("up", "half", "down"))
HOSTILE = '<script>alert(1)</script></pre><img src=x onerror=alert(2)>\u202e{{ 7*7 }} "'


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    compared.asked.clear()
    compared.broken.clear()


def test_the_table_and_the_folder(
    gristmill: Gristmill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    data = compared.pairs(tmp_path)
    done = gristmill("compare", UP, HALF, "--kind", "reward", "--data", data, "--limit", "18")
    assert (done.code, done.err) == (0, "")
    folder = Path("out/compare-scripted-compared-up-scripted-compared-half")
    assert done.out.splitlines()[-1] == f"report: {folder}/report.html"
    assert "same verdict on two answers" in done.out
    assert "Only the first 18 rows of each source were read (--limit)." in done.out
    names = {path.name for path in folder.iterdir()} - {".lock"}
    assert names == {"metrics.json", "report.html", "rows.jsonl", "refused.jsonl", "models"}
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["accuracy"]["paired"]["first"] == HALF
    page = Page((folder / "report.html").read_text("utf-8"))
    assert page.open == [] and "1 of 2" not in page.text
    assert "Each point is one answer. On the line both say the same." in page.text
    assert len([tag for tag, _ in page.tags if tag == "circle"]) == metrics["answers"]


def test_nothing_hinders_reading(gristmill: Gristmill, tmp_path: Path) -> None:
    data = compared.pairs(tmp_path)
    gristmill("compare", UP, HALF, "--kind", "reward", "--data", data, "--out", "out")
    assert hinders(Path("out/report.html")) == []


def test_several_sources_and_a_chat_model(gristmill: Gristmill, tmp_path: Path) -> None:
    data = ["--data", "tutor:6", "--data", "tutor:4:bench"]
    done = gristmill("compare", "scripted:echo", "scripted:echo", "--kind", "chat", *data)
    assert (done.code, done.err) == (0, "")
    assert "equal texts" in done.out and "of 10" in done.out
    assert "nobody knows what is right" not in done.out.replace("\n", " ")


def test_errors_are_one_line(gristmill: Gristmill) -> None:
    assert "compare two of one kind" in gristmill("compare", "tiny:reward", "tiny:base").line
    done = gristmill("compare", UP, HALF, "--kind", "reward", "--truth", "{a: [")
    assert (done.code, done.line) == (
        2,
        "error: --truth: cannot read '{a: ['; write for instance math",
    )
    missing = gristmill("compare", UP, HALF, "--kind", "reward", "--data", "none.jsonl")
    assert missing.line == "error: none.jsonl: no such file"


def test_nothing_that_a_row_says_can_act(gristmill: Gristmill, tmp_path: Path) -> None:
    row = {
        "prompt": HOSTILE,
        "chosen": f"{HOSTILE} 5",
        "rejected": f"{HOSTILE} 4",
        "category": HOSTILE,
    }
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps({"prompt": 1}) + "\n")
    for b, kind in ((DOWN, "reward"), ("scripted:echo", "chat")):
        a = UP if kind == "reward" else "scripted:compared:right"
        done = gristmill("compare", a, b, "--kind", kind, "--data", path, "--out", kind)
        assert (done.code, done.err) == (0, "")
        page = Page(Path(kind, "report.html").read_text("utf-8"))
        tags = {tag for tag, _ in page.tags}
        assert page.open == [] and not tags & {"script", "img", "iframe"}
        assert "⟦U+202E⟧" in page.text and "{{ 7*7 }}" in page.text
        assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_a_killed_comparison_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gristmill: Gristmill
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    data = compared.pairs(tmp_path, 60)
    slow = ("compare", f"{UP}?latency=0.05", f"{HALF}?latency=0.05", "--kind", "reward")
    where = ("--data", data, "--out", tmp_path / "out")
    logs = tmp_path / "out/models"
    with start(*slow, *where, "--concurrency", "4") as process:
        log = lambda: list(logs.glob("a-*/said.log"))  # noqa: E731
        assert wait_until(lambda: bool(log()) and log()[0].stat().st_size > 600, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    kept = log()[0].read_bytes().count(b"\n")
    assert 0 < kept < 120
    done = gristmill(*slow, *where)
    assert (done.code, done.err) == (0, "")
    assert compared.asked["up"] == 120 - kept and compared.asked["half"] == 120


def test_points_stay_within_the_square() -> None:
    for pairs, one_scale in (
        ([(0.0, 5.0), (4.0, -3.0)], True),
        ([(1.0, 900.0), (1.0, 2.0)], False),
    ):
        found = scatter(pairs, one_scale=one_scale)
        assert found is not None
        assert all(found.edge <= at <= found.size - found.edge for p in found.points for at in p)
        assert (found.diagonal is not None) == one_scale
    assert scatter([(1.0, 1.0)], one_scale=True) is None
    many = scatter([(float(n), float(n)) for n in range(5000)], one_scale=True)
    assert many is not None and 1000 <= len(many.points) <= 1200


PAGE = (Path(__file__).parents[2] / "docs/compare.md").read_text(encoding="utf-8")


def test_the_page_names_every_option_and_source() -> None:
    for command in ("compare", "quantize"):
        for parameter in vars(typer.main.get_command(cli.app))["commands"][command].params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                assert f"{parameter.opts[0]}`" in PAGE or f"{parameter.opts[0]} " in PAGE
    for source in (*SOURCES["reward"], *SOURCES["chat"]):
        assert f"`{source}`" in PAGE


def test_the_pages_code_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    runpy.run_path(str(_written(tmp_path / "page.py", code)))
    p, equal = map(float, capsys.readouterr().out.splitlines()[-1].split())
    assert 0 <= p <= 1 and 0 < equal < 1


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
