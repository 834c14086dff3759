"""The commands as a user meets them: real processes, real files."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from processes import run, start, wait_until
from servers import FaultyServer

HERE = str(Path(__file__).parents[1])
LENGTH = "scripted:bench_judges:length"


@pytest.fixture(autouse=True)
def _judges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes find the scripted judges of the tests."""
    monkeypatch.setenv("PYTHONPATH", HERE)


def pairs(folder: Path, count: int = 20, **more: Any) -> Path:
    path = folder / "pairs.jsonl"
    rows = (
        {"prompt": f"{n}?", "chosen": "x" * (n % 7 + 1), "rejected": "yyyy", **more}
        for n in range(count)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def line_of(err: str) -> str:
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    return lines[0]


def test_judge_eval_writes_its_folder(tmp_path: Path) -> None:
    code, out, err = run(
        "judge-eval", pairs(tmp_path), "--model", LENGTH, "--out", tmp_path / "out"
    )
    assert (code, err) == (0, "")
    assert "all rows" in out and f"report: {tmp_path}/out/report.html" in out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    wanted = {"metrics.json", "report.html", "card.md", "sections.svg", "refused.jsonl", "judges"}
    assert wanted <= names
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["num_prompts"] == 20


def test_a_file_of_figures_can_be_named(tmp_path: Path) -> None:
    code, _, err = run(
        "rewardbench", "--data", "tutor:20:bench", "--model", LENGTH, "--out", tmp_path / "f.json"
    )
    assert (code, err) == (0, "")
    assert json.loads((tmp_path / "f.json").read_text())["benchmark"] == "Tutor world"
    assert (tmp_path / "f" / "report.html").exists()


def test_a_local_model_is_what_its_files_say(tmp_path: Path) -> None:
    code, out, _ = run(
        "judge-eval", "tutor:4:bench", "--judge", "tiny:reward", "--out", tmp_path / "out"
    )
    assert code == 0, out
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["judges"][0]["kind"] == "reward model"


def test_the_implicit_reward_of_a_policy(tmp_path: Path) -> None:
    code, out, err = run(
        *("rewardbench", "--data", "tutor:10:bench", "--model", "tiny:instruct"),
        *("--reference", "tiny:base", "--out", tmp_path / "out"),
    )
    assert (code, err) == (0, ""), out
    judge = json.loads((tmp_path / "out" / "metrics.json").read_text())["judges"][0]
    assert (judge["kind"], judge["reference"]) == ("implicit reward", "tiny:base")
    assert judge["num_prompts"] == 10


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", LENGTH, "--data", "none.jsonl"], "none.jsonl: no such file"),
        (["--model", LENGTH, "--data", "nowhere"], "nowhere: no such file or folder (and no data"),
        (["--data", "tutor:10:bench"], "no judge: name a reward model with --model, a chat model"),
        (["--model", "tiny:rewrad", "--data", "tutor:10:bench"], "model 'tiny:rewrad'"),
        (["--model", "nemo:x", "--data", "tutor:10:bench"], "unknown model 'nemo:x'"),
        (["--model", LENGTH, "--model", LENGTH, "--data", "tutor:10:bench"], "named twice"),
        (["--model", LENGTH, "--data", "tutor:10:banch"], "no such source; write tutor:4000"),
        (
            ["--model", LENGTH, "--reference", "tiny:base", "--data", "tutor:10:bench"],
            "reference",
        ),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run("rewardbench", *arguments)
    assert code == 2
    assert said in line_of(err)


def test_a_missing_column_names_file_line_and_field(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt": "?", "chosen": "a", "subset": "hep-cpp"}\n')
    code, _, err = run("rewardbench", "--model", LENGTH, "--data", path, "--out", tmp_path / "o")
    assert code == 2
    said = "pairs.jsonl:1: missing_field: no 'rejected' beside 'chosen'"
    assert said in line_of(err)
    assert not (tmp_path / "o").exists()


def test_an_unknown_subset(tmp_path: Path) -> None:
    path = pairs(tmp_path, subset="alpacaeval-esay")
    code, _, err = run("rewardbench", "--model", LENGTH, "--data", path)
    assert code == 2
    assert "unknown subset 'alpacaeval-esay': did you mean 'alpacaeval-easy'?" in line_of(err)


def test_limit_is_said(tmp_path: Path) -> None:
    code, out, _ = run(
        *("judge-eval", pairs(tmp_path), "--model", LENGTH, "--limit", "5"),
        *("--out", tmp_path / "out"),
    )
    assert code == 0
    assert "Only the first 5 rows were looked at (--limit)." in out


def test_kill_dash_nine_loses_no_verdict(tmp_path: Path) -> None:
    path, out = pairs(tmp_path, 300), tmp_path / "out"
    slow = f"{LENGTH}?latency=0.02"
    arguments = ("judge-eval", path, "--model", slow, "--out", out, "--concurrency", "2")

    def kept() -> int:
        return sum(log.read_bytes().count(b"\n") for log in out.glob("judges/*/outcomes.log"))

    with start(*arguments) as process:
        assert wait_until(lambda: kept() > 40, process)
        process.send_signal(signal.SIGKILL)
    before = kept()
    assert 40 < before < 300
    code, _, err = run(*arguments)
    assert (code, err) == (0, "")
    # One line for each pair: none was judged twice.
    assert kept() == 300
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["num_prompts"] == 300


def test_ctrl_c_says_that_it_goes_on(tmp_path: Path) -> None:
    path, out = pairs(tmp_path, 300), tmp_path / "out"
    arguments = ("judge-eval", path, "--model", f"{LENGTH}?latency=0.05", "--out", out)
    with start(*arguments, "--concurrency", "1") as process:
        logs = lambda: list(out.glob("judges/*/outcomes.log"))  # noqa: E731
        assert wait_until(lambda: any(log.stat().st_size for log in logs()), process)
        process.send_signal(signal.SIGINT)
        said, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run again" in said + err
    assert "Traceback" not in said + err


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    path, out = pairs(tmp_path, 300), tmp_path / "out"
    arguments = ("judge-eval", path, "--model", f"{LENGTH}?latency=0.5", "--out", out)
    with start(*arguments, "--concurrency", "1") as process:
        assert wait_until(lambda: any(out.glob("judges/*/outcomes.log")), process)
        code, _, err = run(*arguments)
        process.kill()
    assert code == 2
    assert "another gristmill process is writing to this folder" in line_of(err)


def test_rows_of_a_builtin_source(tmp_path: Path) -> None:
    for name in ("rows.jsonl", "deeper/rows.parquet"):
        code, out, err = run("rows", "tutor:30:bench", "--out", tmp_path / name)
        assert (code, err) == (0, "")
        assert out == f"30 rows: {tmp_path / name}\n"
    first = json.loads((tmp_path / "rows.jsonl").read_text().splitlines()[0])
    assert list(first) == ["prompt", "chosen", "rejected", "subset", "id"]
    assert pq.read_table(tmp_path / "deeper" / "rows.parquet").to_pylist()[0] == first
    for wrong, said in (("rows.csv", ".jsonl or .parquet"), ("x/y", ".jsonl or .parquet")):
        code, _, err = run("rows", "tutor:30:bench", "--out", tmp_path / wrong)
        assert code == 2 and said in line_of(err)
    code, _, err = run("rows", "pairs.jsonl", "--out", tmp_path / "rows.jsonl")
    assert code == 2 and "not a built-in source" in line_of(err)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as running:
        yield running


def test_an_endpoint_is_asked_for_scores(server: FaultyServer, tmp_path: Path) -> None:
    code, out, err = run(
        *("rewardbench", "--data", "tutor:20:bench", "--model", server.reward),
        *("--out", tmp_path / "out"),
    )
    assert (code, err) == (0, ""), out
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["num_prompts"] == 20
    assert list((tmp_path / "out" / "judges").iterdir())
