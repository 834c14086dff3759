"""`import gristmill` in a script, and where a loop is running already, as in a notebook."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import gristmill
import gristmill.flywheel.config
import gristmill.train.config
from gristmill.errors import ConfigError
from mills import settings, write_prompts
from processes import PATIENCE, wait_until

HEAD = """
import asyncio, gristmill

async def cell():
    {0}

asyncio.run(cell())
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def script(code: str) -> subprocess.Popen[str]:
    """A plain script whose loop is running when it calls."""
    path = os.pathsep.join(sys.path)
    return subprocess.Popen(
        [sys.executable, "-c", HEAD.format(code)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(code: str) -> list[str]:
    with script(code) as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    return out.splitlines()


def dicts(place: Path, count: int = 20, **changes: Any) -> dict[str, Any]:
    return {"name": "bot", **settings(write_prompts(place, count), **changes)}


def test_a_run_in_a_running_loop_takes_a_dict_and_shows_how_far_it_is(place: Path) -> None:
    lines = said(f"print(gristmill.run({dicts(place)!r}, 'out').metrics['prompts']['finished'])")
    assert lines[-1] == "20"
    assert lines[-2].startswith("20 of 20 prompts | accepted ")
    assert Path("out/report.html").exists()


def test_ctrl_c_in_a_running_loop_ends_in_order_and_it_goes_on(place: Path) -> None:
    slow = dicts(place, 100, generate={"model": "scripted:echo?latency=0.05", "concurrency": 2})
    code = f"print(gristmill.run({slow!r}, 'out', quiet=True).status)"
    log = Path("out/checkpoint/finished.jsonl")
    with script(code) as process:
        assert wait_until(lambda: log.exists() and log.stat().st_size > 0, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err, out.split()) == (0, "", ["interrupted"])
    before = len(log.read_text().splitlines())
    assert 0 < before < 100
    quick = dicts(place, 100, generate={"model": "scripted:echo?latency=0.05", "concurrency": 64})
    outcome = gristmill.run(quick, "out", quiet=True)
    assert outcome.status == "complete"
    assert outcome.metrics["requests"]["sent_now"] <= 2 * 2 * (100 - before)


def test_a_config_is_a_path_a_dict_or_read_already(place: Path) -> None:
    values = dicts(place, 3)
    Path("bot.yaml").write_text(yaml.safe_dump(values))
    for given in ("bot.yaml", Path("bot.yaml"), values, gristmill.Config.of(values)):
        outcome = gristmill.run(given, quiet=True)
        assert outcome.folder == Path("out/bot")
        assert gristmill.forecast(given).prompts == 3
    assert outcome.table("scored").num_rows == 6
    with pytest.raises(gristmill.GristmillError, match="no data set 'sftt'; there is sft, pref"):
        outcome.table("sftt")
    assert "metrics" not in repr(outcome)


def test_what_is_asked_of_models_works_in_a_running_loop(place: Path, capsys: Any) -> None:
    pairs = [{"prompt": f"Q{n}?", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(5)]
    Path("pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs))
    rows = [{"prompt": f"Q{n}?", "response": f"good {n}"} for n in range(5)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    async def cell() -> None:
        found = gristmill.judge_eval("pairs.jsonl", model="scripted:echo")
        assert found.folder == Path("out/judges-pairs.jsonl")
        assert found.metrics["judges"][0]["name"] == "scripted:echo"
        bench = gristmill.rewardbench("scripted:echo", data="tutor:20:bench", out=Path("bench"))
        assert bench.folder == Path("bench")
        assert gristmill.score("rows.jsonl", "scripted:echo", Path("graded.jsonl")).rows == 5
        writing = gristmill.write_prompts(
            "open_qa", "prompts.jsonl", model="scripted:writers:write", count=3, topics=2
        )
        assert writing.delivered == 3

    asyncio.run(cell())
    told = capsys.readouterr().out
    assert "scripted:echo: 5 of 5" in told
    assert "open_qa: 3 of 3 prompts" in told


def test_ranking_gives_the_leaderboard_and_writes_where_it_is_told(place: Path) -> None:
    votes = [{"model_a": "a", "model_b": "b", "winner": w} for w in ("model_a", "model_b", "tie")]
    Path("votes.jsonl").write_text("".join(json.dumps(vote) + "\n" for vote in votes * 4))
    found = gristmill.rank("votes.jsonl", "board.json", anchor=("a", 1200), method="davidson")
    assert {row["model"]: row["rating"] for row in found["ratings"]} == pytest.approx(
        {"a": 1200, "b": 1200}
    )
    assert json.loads(Path("board.json").read_text()) == json.loads(json.dumps(found))
    with pytest.raises(ConfigError, match="unknown key; did you mean 'method'"):
        gristmill.rank(["votes.jsonl"], metod="bt")


def test_rooms_that_are_commands_can_be_called(place: Path) -> None:
    assert list(inspect.signature(gristmill.train).parameters)[:3] == ["kind", "config", "out"]
    with pytest.raises(ConfigError, match="unknown kind of training 'stf'"):
        gristmill.train("stf", {"model": "tiny:base"})
    with pytest.raises(ConfigError, match="flywheel: missing"):
        gristmill.flywheel(dicts(place))
    with pytest.raises(ConfigError, match="no such file"):
        gristmill.flywheel("none.yaml")


def test_the_page_on_python_runs_and_names_every_function(place: Path) -> None:
    page = (Path(__file__).parents[1] / "docs/python.md").read_text(encoding="utf-8")
    code, cell = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    indented = "".join(f"    {line}\n" for line in cell.splitlines())
    code += f"import asyncio\nasync def cell():\n{indented}asyncio.run(cell())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for name in set(gristmill.__all__) - {"Config", "GristmillError", "Outcome"}:
        assert f"| `{name}(" in page or f"| `await {name}(" in page


def test_being_quiet_says_nothing(place: Path, capsys: Any) -> None:
    gristmill.run(dicts(place), "out", quiet=True)
    gristmill.rewardbench("scripted:echo", data="tutor:20:bench", out="bench", quiet=True)
    assert capsys.readouterr() == ("", "")
