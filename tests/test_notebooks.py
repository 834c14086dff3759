"""Gristmill in a notebook: the examples as a kernel runs them, and what cells show."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import gristmill
from gristmill.mill.outcome import Outcome
from mills import settings, write_prompts
from servers import FaultyServer

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells that call `gristmill` call this one."""
    here = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", here + os.pathsep + os.environ["PATH"])


def executed(book: Any, folder: Path) -> Any:
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3", resources=resources).execute()
    return book


def shown(cell: Any) -> str:
    """All that a cell shows."""
    parts = []
    for output in cell.outputs:
        data = output.get("data", {})
        parts.append(output.get("text") or data.get("text/html") or data.get("text/plain", ""))
    return "\n".join(parts)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path: Path, tmp_path: Path) -> None:
    book = executed(nbformat.read(path, 4), tmp_path)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in code)
    # tqdm, which transformers brings, says so where ipywidgets is missing.
    said = "\n".join(map(shown, code)).replace("TqdmWarning", "")
    assert "Warning" not in said and "Traceback" not in said
    assert not any(cell.outputs for cell in nbformat.read(path, 4).cells if "outputs" in cell)


def test_a_cell_shows_one_bar_and_then_a_table(tmp_path: Path) -> None:
    config = settings(write_prompts(tmp_path, 30), generate={"model": "scripted:echo?latency=0.1"})
    source = f"import gristmill\nawait gristmill.arun({config!r}, 'out')"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    (cell,) = executed(book, tmp_path).cells
    bar, table = (output["data"]["text/html"] for output in cell.outputs)
    assert "30 of 30 prompts" in bar and "in flight" in bar
    assert "every prompt is done" in table and "data/scored.parquet" in table


def test_what_an_outcome_shows_is_text(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 3)
    outcome = gristmill.run(settings(prompts, name="<b>me</b>"), tmp_path / "out", quiet=True)
    page = outcome._repr_html_()
    assert "&lt;b&gt;me" in page and "<b>me" not in page
    frame = outcome.to_pandas("scored")
    assert len(frame) == outcome.table("scored").num_rows == 6


def test_runs_that_are_awaited_go_on_at_once(tmp_path: Path) -> None:
    async def both(server: FaultyServer) -> list[Outcome]:
        models = {"generate": {"model": server.chat}, "judges": [], "keep": []}
        config = settings(write_prompts(tmp_path, 10), **models)
        runs = (gristmill.arun(config, tmp_path / name, quiet=True) for name in "ab")
        return await asyncio.gather(*runs)

    with FaultyServer(latency=0.1) as server:
        outcomes = asyncio.run(both(server))
    assert [o.metrics["prompts"]["accepted"] for o in outcomes] == [10, 10]
    assert server.max_in_flight > 8, "more than one run has in flight"


def test_a_run_that_is_cancelled_ends_in_order(tmp_path: Path) -> None:
    async def cut(server: FaultyServer) -> None:
        models = {"generate": {"model": server.chat}, "judges": [], "keep": []}
        config = settings(write_prompts(tmp_path, 200), **models)
        running = asyncio.create_task(gristmill.arun(config, tmp_path / "out", quiet=True))
        while server.requests < 20:  # noqa: ASYNC110 - another thread's
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    with FaultyServer(latency=0.05) as server:
        asyncio.run(cut(server))
        sent = server.requests
        assert 20 <= sent < 200
        config = settings(
            write_prompts(tmp_path, 200), generate={"model": server.chat}, judges=[], keep=[]
        )
        outcome = gristmill.run(config, tmp_path / "out", quiet=True)
    assert outcome.status == "complete"
    assert server.requests == outcome.metrics["responses"]["sampled"] == 400
