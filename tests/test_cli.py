"""The command line as its user meets it: one clear line, the right exit code, nothing lost."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
import yaml

from boxes import needs_sandbox
from commands import Gristmill
from disk import full_disk
from gristmill import cli
from gristmill.records import ATTRIBUTES
from gristmill.sandbox import guard
from mills import data_of, settings, tables, write_prompts
from servers import FaultyServer


def configure(folder: Path, count: int = 5, **changes: Any) -> Path:
    """config.yaml beside prompts.jsonl, as a user has them."""
    if count:
        write_prompts(folder, count)
    prompts = changes.pop("prompts", [{"file": "prompts.jsonl"}])
    values = {**settings([], **changes), "prompts": prompts}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def assert_goes_on(gristmill: Gristmill, config: Path, prompts: int = 5) -> dict[str, Any]:
    """After whatever happened, the same command finishes the run with nothing missing."""
    result = gristmill("run", config, "--out", "out")
    assert (result.code, result.err) == (0, "")
    ids = [row["response_id"] for row in tables(Path("out"))["scored"]]
    assert ids == [f"p{i}.{k}" for i in range(prompts) for k in range(2)]
    return json.loads(Path("out/metrics.json").read_text())


class TestRun:
    def test_a_run_leaves_everything_and_says_where(
        self, gristmill: Gristmill, tmp_path: Path
    ) -> None:
        result = gristmill("run", configure(tmp_path))
        assert (result.code, result.err) == (0, "")
        assert "'run': every prompt is done" in result.out
        assert "report: out/run/report.html" in result.out
        for name in ("README.md", "report.html", "metrics.json", "run.yaml", "data/sft.parquet"):
            assert (tmp_path / "out" / "run" / name).exists()

    def test_a_dry_run_calls_nothing_writes_nothing_and_forecasts(
        self, gristmill: Gristmill, tmp_path: Path
    ) -> None:
        with FaultyServer() as server:
            price = {"input": 1.0, "output": 2.0}
            generate = {"model": server.chat, "max_tokens": 1_000_000, "price": price}
            judges = [{"reward": {"model": server.reward}}]
            config = configure(tmp_path, generate=generate, judges=judges, target=2)
            before = sorted(tmp_path.iterdir())
            result = gristmill("run", config, "--dry-run")
            assert server.requests == 0
        assert (result.code, result.err) == (0, "")
        assert sorted(tmp_path.iterdir()) == before
        said = " ".join(result.out.split())
        assert "prompts 5 (0 bad, 0 duplicates)" in said
        assert "calls at most 20" in said
        assert "completion tokens at most 10,000,000" in said
        assert "cost at most $20.00" in said
        assert "target: stops at 2 accepted prompts" in said

    @needs_sandbox
    @pytest.mark.parametrize("command", [(), ("--dry-run",)])
    def test_a_run_of_code_says_what_holds_the_memory_of_sandboxes(
        self, gristmill: Gristmill, tmp_path: Path, command: tuple[str, ...]
    ) -> None:
        asked = {"prompt": "Write f.", "tests": "assert f() == 1"}
        (tmp_path / "prompts.jsonl").write_text(json.dumps(asked) + "\n")
        config = configure(tmp_path, count=0, judges=[{"code": {}}], keep=[])
        result = gristmill("run", config, *command)
        assert (result.code, result.err) == (0, "")
        note = f"note: judges.code: the memory of its sandboxes is {guard()}"
        assert result.out.count(note) == 1

    def test_what_is_named_in_brackets_or_like_an_emoji_is_printed_as_it_is(
        self, gristmill: Gristmill, tmp_path: Path
    ) -> None:
        config = configure(tmp_path, name="[/bold] :100:")
        result = gristmill("run", config, "--out", "out")
        assert "'[/bold] :100:': every prompt is done" in result.out
        result = gristmill("run", tmp_path / "none:100:[/x].yaml")
        assert "none:100:[/x].yaml: no such file" in result.line


class TestBadInput:
    """Each of the issue's cases: exit code 2, one line, and afterwards the run goes on."""

    def test_a_missing_config(self, gristmill: Gristmill) -> None:
        result = gristmill("run", "none.yaml")
        assert (result.code, result.line) == (2, "error: none.yaml: no such file")

    @pytest.mark.parametrize("command", [(), ("--dry-run",)])
    def test_a_missing_prompt_file(
        self, gristmill: Gristmill, tmp_path: Path, command: tuple[str, ...]
    ) -> None:
        config = configure(tmp_path, count=0)
        result = gristmill("run", config, "--out", "out", *command)
        assert result.code == 2
        assert result.line.endswith("prompts.jsonl: no such file")
        write_prompts(tmp_path, 5)
        assert_goes_on(gristmill, config)

    def test_an_empty_prompt_file(self, gristmill: Gristmill, tmp_path: Path) -> None:
        config = configure(tmp_path)
        (tmp_path / "prompts.jsonl").write_text("\n")
        result = gristmill("run", config, "--out", "out")
        assert result.code == 2
        assert result.line.endswith("the file is empty; write one row a line")
        write_prompts(tmp_path, 5)
        assert_goes_on(gristmill, config)

    def test_a_bad_line_among_good_ones(self, gristmill: Gristmill, tmp_path: Path) -> None:
        config = configure(tmp_path)
        with (tmp_path / "prompts.jsonl").open("a") as file:
            file.write('{"prompt": "cut off\n')
        assert_goes_on(gristmill, config)
        (bad,) = [r for r in tables(Path("out"))["rejected"] if r["reason"] == "input:bad_json"]
        assert bad["source"] == "prompts.jsonl:6"
        assert bad["detail"].startswith("prompts.jsonl:6: ")
        assert bad["prompt"] == '{"prompt": "cut off'

    def test_nothing_but_bad_lines(self, gristmill: Gristmill, tmp_path: Path) -> None:
        config = configure(tmp_path)
        (tmp_path / "prompts.jsonl").write_text("[\n{}\n]\n")
        result = gristmill("run", config, "--out", "out")
        assert result.code == 2
        assert "no line of the input is a prompt" in result.line
        assert ", the first: prompts.jsonl:1: input:bad_json: " in result.line
        assert "out/data/rejected.parquet" in result.line

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"jugdes": []}, "config.yaml: jugdes: unknown key; did you mean 'judges'?"),
            ({"generate": {"temprature": 1}}, "generate.temprature: unknown key; did you mean"),
            ({"keep": [{"treshold": {}}]}, "keep[0]: unknown part 'treshold'; did you mean"),
            ({"keep": [{"threshold": {"corectness": 1}}]}, "did you mean 'correctness'?"),
            ({"generate": {"responses": 0}}, "generate.responses: Input should be greater"),
            ({"target": 0}, "target: Input should be greater than or equal to 1 (got 0)"),
            ({"prompts": []}, "prompts: name at least one source"),
            ({"prompts": [{"recipe": "open_qa"}]}, "open_qa: give it a count, or the run a target"),
            ({"export": ["stf"]}, "export[0]: Input should be 'sft', 'preference' or 'scored'"),
            ({"judges": [], "export": ["preference"]}, "export: preference needs a judge"),
            ({"budget": {"usd": -1}}, "budget.usd: Input should be greater than 0"),
        ],
    )
    def test_an_unknown_key_or_a_wrong_value(
        self, gristmill: Gristmill, tmp_path: Path, changes: dict[str, Any], said: str
    ) -> None:
        result = gristmill("run", configure(tmp_path, **changes), "--out", "out")
        assert result.code == 2
        assert said in result.line
        assert_goes_on(gristmill, configure(tmp_path))

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("a: [1\nb: 2\n", "config.yaml: line 2: "),
            ("- a\n- b\n", "expected 'key: value' lines, found a list"),
            ("", "expected 'key: value' lines, found nothing"),
            ("a: \x00", "config.yaml: "),
            ("1: 2", "config.yaml: "),
            ("generate: {model: x}", "prompts: missing; add it"),
        ],
    )
    def test_a_config_that_is_no_config(
        self, gristmill: Gristmill, tmp_path: Path, text: str, said: str
    ) -> None:
        (tmp_path / "config.yaml").write_text(text)
        result = gristmill("run", tmp_path / "config.yaml")
        assert result.code == 2
        assert said in result.line

    @pytest.mark.parametrize("where", ["generate", "judges"])
    @pytest.mark.parametrize(
        ("model", "said"),
        [
            ("tinny:instruct", "unknown model 'tinny:instruct': did you mean 'tiny:...'?"),
            ("gpt-4", "unknown model 'gpt-4': write `http://HOST:PORT/v1#gpt-4` for a server's"),
            ("org/name-1.5", "write `hf:org/name-1.5` in this process"),
            ("ollama:llama3", "/v1#llama3` for a server's"),
            ("http://localhost:1/v1", "add the name that the server knows the model by"),
            ("scripted:none.jsonl", "cannot read the script none.jsonl"),
            ("vllm:org/name", "have it started, with `fleet"),
        ],
    )
    def test_an_unknown_model_string(
        self, gristmill: Gristmill, tmp_path: Path, model: str, said: str, where: str
    ) -> None:
        changes: dict[str, Any] = {
            "generate": {"model": model} if where == "generate" else {},
            "judges": [{"reward": {"model": model if where == "judges" else "scripted:echo"}}],
        }
        config = configure(tmp_path, **changes)
        for command in ((), ("--dry-run",)):
            result = gristmill("run", config, "--out", "out", *command)
            assert result.code == 2
            assert said in result.line
        assert_goes_on(gristmill, configure(tmp_path))

    def test_a_missing_key_variable(
        self, gristmill: Gristmill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("NVIDIA_API_KEY", raising=False)
        config = configure(tmp_path, generate={"model": "nim:nvidia/nemotron-4-340b-instruct"})
        result = gristmill("run", config, "--out", "out")
        assert result.code == 2
        assert "set the environment variable NVIDIA_API_KEY" in result.line

    def test_a_key_reaches_no_file(
        self, gristmill: Gristmill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MY_KEY", "sk-very-secret-1234")
        with FaultyServer(status=400, error="no: {authorization}") as server:
            generate = {"model": server.chat, "key_env": "MY_KEY"}
            result = gristmill("run", configure(tmp_path, generate=generate), "--out", "out")
        assert result.code == 1
        written = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
        assert len(written) > 5
        assert all(b"very-secret" not in p.read_bytes() for p in written)
        assert "very-secret" not in result.out + result.err

    def test_a_missing_extra_names_the_pip_command(self, tmp_path: Path) -> None:
        config = configure(tmp_path, generate={"model": "tiny:instruct"})
        code = (
            "import sys; sys.modules.update(torch=None, transformers=None);"
            f"sys.argv = ['gristmill', 'run', {str(config)!r}, '--out', {str(tmp_path / 'out')!r}];"
            "from gristmill.cli import main; main()"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert "needs the extra 'local': pip install 'gristmill[local]'" in done.stderr
        assert done.stderr.count("\n") == 1

    def test_a_folder_of_another_config(self, gristmill: Gristmill, tmp_path: Path) -> None:
        config = configure(tmp_path)
        assert gristmill("run", config, "--out", "out").code == 0
        before = data_of(Path("out"))
        result = gristmill("run", configure(tmp_path, seed=1), "--out", "out")
        assert result.code == 2
        assert (
            "belongs to another config (seed: 0 there, 1 now); name another folder" in result.line
        )
        assert data_of(Path("out")) == before
        assert assert_goes_on(gristmill, configure(tmp_path))["requests"]["sent_now"] == 0

    def test_two_processes_on_one_folder(self, gristmill: Gristmill, tmp_path: Path) -> None:
        config = configure(tmp_path)
        assert gristmill("run", config, "--out", "out").code == 0
        with Path("out/checkpoint/lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            result = gristmill("run", config, "--out", "out")
        assert result.code == 2
        assert "another gristmill process is writing to this folder" in result.line
        assert_goes_on(gristmill, config)

    def test_a_disk_full_while_working(self, gristmill: Gristmill, tmp_path: Path) -> None:
        config = configure(tmp_path, count=80)
        with full_disk(8000):
            result = gristmill("run", config, "--out", "out")
        assert result.code == 2
        assert "cannot write: File too large; make room and run again" in result.line
        log = Path("out/checkpoint/finished.jsonl").read_bytes()
        assert log.endswith(b"\n") or not log
        metrics = assert_goes_on(gristmill, config, prompts=80)
        assert metrics["requests"]["sent"] <= 80 * 4 + 8 + 2

    def test_a_disk_full_while_writing_the_data(self, gristmill: Gristmill, tmp_path: Path) -> None:
        config = configure(tmp_path, count=40)
        assert gristmill("run", config, "--out", "out").code == 0
        before = data_of(Path("out"))
        with full_disk(3000):
            result = gristmill("run", config, "--out", "out")
        assert result.code == 2
        assert "out/data: cannot write: File too large; make room" in result.line
        assert data_of(Path("out")) == before
        assert not list(Path("out").rglob("*.new"))
        assert assert_goes_on(gristmill, config, prompts=40)["requests"]["sent_now"] == 0

    @pytest.mark.parametrize("name", ["finished.jsonl", "partial.jsonl"])
    def test_a_corrupted_checkpoint(self, gristmill: Gristmill, tmp_path: Path, name: str) -> None:
        config = configure(tmp_path)
        assert gristmill("run", config, "--out", "out").code == 0
        log = Path("out/checkpoint") / name
        raw = bytearray(log.read_bytes())
        raw[len(raw) // 2] ^= 1
        log.write_bytes(raw)
        before = data_of(Path("out"))
        result = gristmill("run", config, "--out", "out")
        assert result.code == 2
        assert f"checkpoint/{name}: line " in result.line
        assert "is damaged; delete that line (sed -i " in result.line
        assert data_of(Path("out")) == before
        advice = result.line.partition("(sed")[2].partition(")")[0]
        assert os.system("sed" + advice) == 0
        metrics = assert_goes_on(gristmill, config)
        assert metrics["requests"]["sent_now"] == (4 if name == "finished.jsonl" else 0)
        assert data_of(Path("out")) == before

    def test_a_folder_that_cannot_be_written(self, gristmill: Gristmill, tmp_path: Path) -> None:
        config = configure(tmp_path)
        (tmp_path / "file").write_text("not a folder")
        for out in ("file", "file/out", "/sys/gristmill"):
            result = gristmill("run", config, "--out", out)
            assert result.code == 2
            assert result.line.startswith(f"error: {out}: cannot write: ")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_read_only_folder(self, gristmill: Gristmill, tmp_path: Path) -> None:
        config = configure(tmp_path)
        (tmp_path / "out" / "checkpoint").mkdir(parents=True)
        (tmp_path / "out" / "data").mkdir()
        (tmp_path / "out" / "checkpoint").chmod(0o555)
        result = gristmill("run", config, "--out", "out")
        assert (result.code, "cannot write" in result.line) == (2, True)
        (tmp_path / "out" / "checkpoint").chmod(0o755)
        assert_goes_on(gristmill, config)

    def test_a_report_of_no_run(self, gristmill: Gristmill, tmp_path: Path) -> None:
        result = gristmill("report", "nowhere")
        assert result.code == 2
        assert "nowhere: no such folder" in result.line


class TestFailures:
    def test_a_wrong_key_is_exit_code_1_and_one_line(
        self, gristmill: Gristmill, tmp_path: Path
    ) -> None:
        with FaultyServer(status=401) as server:
            config = configure(tmp_path, generate={"model": server.chat})
            result = gristmill("run", config, "--out", "out")
            assert result.code == 1
            assert "no key was sent" in result.line
            assert server.requests <= 8

    def test_a_server_that_is_not_there(self, gristmill: Gristmill, tmp_path: Path) -> None:
        generate = {"model": "http://127.0.0.1:9/v1#m", "retries": 0}
        result = gristmill("run", configure(tmp_path, generate=generate), "--out", "out")
        assert result.code == 1
        assert "is the server running at http://127.0.0.1:9/v1" in result.line

    def test_when_every_response_fails(self, gristmill: Gristmill, tmp_path: Path) -> None:
        config = configure(tmp_path, generate={"model": "scripted:echo?fail=1"})
        result = gristmill("run", config, "--out", "out")
        assert result.code == 1
        assert "all 10 responses failed (error:server)" in result.line
        assert "out/data/rejected.parquet says why" in result.line

    def test_debug_gives_the_traceback(self, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "gristmill.cli", "run", "none.yaml"]
        plain = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        debug = subprocess.run([*command, "--debug"], capture_output=True, text=True, cwd=tmp_path)
        assert (plain.returncode, plain.stderr) == (2, "error: none.yaml: no such file\n")
        assert "Traceback (most recent call last)" in debug.stderr
        assert "ConfigError: none.yaml: no such file" in debug.stderr

    def test_a_fault_of_ours_asks_to_be_reported(
        self, gristmill: Gristmill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError("over\nseveral lines")

        monkeypatch.setattr("gristmill.mill.Config.load", broken)
        result = gristmill("run", configure(tmp_path))
        assert result.code == 1
        assert "unexpected ZeroDivisionError: over several lines (run again with" in result.line

    def test_a_file_that_may_not_be_looked_at_is_named(
        self, gristmill: Gristmill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def denied(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied", "data/sft")

        monkeypatch.setattr("gristmill.mill.Config.load", denied)
        result = gristmill("run", configure(tmp_path))
        assert result.code == 2
        assert "error: data/sft: Permission denied (--debug" in result.line


class TestHelp:
    def commands(self) -> dict[str, Any]:
        return dict(vars(typer.main.get_command(cli.app))["commands"])

    def test_every_command_and_option_says_what_it_does(self, gristmill: Gristmill) -> None:
        overview = gristmill("--help")
        assert overview.code == 0
        for name, command in self.commands().items():
            assert name in overview.out
            assert command.help
            page = gristmill(name, "--help")
            assert page.code == 0
            for parameter in command.params:
                assert getattr(parameter, "help", None), f"{name} {parameter.name}"
                if parameter.param_type_name == "option":
                    assert all(option in page.out for option in parameter.opts)

    def test_the_version(self, gristmill: Gristmill) -> None:
        from gristmill import __version__

        assert gristmill("--version").out == f"gristmill {__version__}\n"

    def test_bad_usage_is_exit_code_2(self, gristmill: Gristmill) -> None:
        for wrong in (("run",), ("rnu", "x"), ("run", "c.yaml", "--limit", "0"), ("score", "x")):
            result = gristmill(*wrong)
            assert result.code == 2
            assert "Traceback" not in result.err


ROWS = [
    {"prompt": "Q1?", "response": "A1."},
    {"prompt": "Q2?\n<extra_id_1>Assistant\nA?\n<extra_id_1>User\nQ3?", "response": "A3."},
    {"prompt": "no response"},
    {"prompt": "Q4?", "response": "Ä4, “quoted”"},
]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            out = csv.DictWriter(file, ["prompt", "response"])
            out.writeheader()
            out.writerows(rows)
    else:
        path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def read_rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


class TestScore:
    @pytest.mark.parametrize("to", ["jsonl", "parquet"])
    @pytest.mark.parametrize("of", ["jsonl", "parquet", "csv"])
    def test_every_row_is_there_in_order_with_scores_or_a_reason(
        self, gristmill: Gristmill, tmp_path: Path, of: str, to: str
    ) -> None:
        file, out = write_rows(tmp_path / f"in.{of}", ROWS), tmp_path / f"out.{to}"
        result = gristmill("score", file, "--model", "scripted:echo", "--out", out)
        assert (result.code, result.err) == (0, "")
        assert f"3 rows graded, 1 with an error: {out}" in result.out
        rows = read_rows(out)
        assert [row["prompt"] for row in rows] == [row["prompt"] for row in ROWS]
        assert [row.get("response") for row in rows] == [row.get("response") for row in ROWS]
        assert [row["error"] is None for row in rows] == [True, True, False, True]
        assert "wrong_kind: a row of 'prompt' gives prompts" in rows[2]["error"]
        for row in rows:
            scored = row["error"] is None
            assert all((row[name] is not None) == scored for name in (*ATTRIBUTES, "reward"))
        assert not list(tmp_path.glob("*.new"))

    def test_a_first_row_with_fewer_columns_loses_none(
        self, gristmill: Gristmill, tmp_path: Path
    ) -> None:
        rows = [{"x": 1}, {**ROWS[0], "tag": [1, 2]}, {**ROWS[3], "tag": "text"}]
        file = write_rows(tmp_path / "in.jsonl", rows)
        with file.open("ab") as lines:
            lines.write(b"{broken\n")
        out = tmp_path / "out.parquet"
        assert gristmill("score", file, "--model", "scripted:echo", "--out", out).code == 0
        found = read_rows(out)
        assert [row["prompt"] for row in found] == [None, "Q1?", "Q4?", None]
        assert [row["tag"] for row in found] == [None, "[1,2]", '"text"', None]
        assert found[3]["line"] == "{broken"

    def test_helpsteer2_rows_keep_the_labels_people_gave(
        self, gristmill: Gristmill, tmp_path: Path, shared_data: Path
    ) -> None:
        file = shared_data / "helpsteer2" / "helpsteer2_rows10.jsonl"
        given = read_rows(file)
        for name in ("out.jsonl", "out.parquet"):
            out = tmp_path / name
            assert gristmill("score", file, "--model", "scripted:echo", "--out", out).code == 0
            rows = read_rows(out)
            assert len(rows) == len(given) == 10
            for row, before in zip(rows, given, strict=True):
                assert row["error"] is None
                assert {n: row[f"given_{n}"] for n in ATTRIBUTES} == {
                    n: before[n] for n in ATTRIBUTES
                }
                assert row["response"] == before["response"]

    def test_the_server_fails_for_good(self, gristmill: Gristmill, tmp_path: Path) -> None:
        file = write_rows(tmp_path / "in.jsonl", ROWS * 50)
        with FaultyServer(status=401) as server:
            result = gristmill("score", file, "--model", server.reward, "--out", "out.jsonl")
        assert result.code == 1
        assert "no key was sent" in result.line
        assert not Path("out.jsonl").exists()

    @pytest.mark.parametrize(
        ("file", "model", "out", "said"),
        [
            ("none.jsonl", "scripted:echo", "out.jsonl", "none.jsonl: no such file"),
            ("in.jsonl", "scipted:echo", "out.jsonl", "unknown model 'scipted:echo'"),
            ("in.jsonl", "scripted:echo", "out.txt", "name the output .jsonl or .parquet"),
            ("in.jsonl", "scripted:echo", "in.jsonl", "is the input itself"),
            ("in.jsonl", "scripted:echo", "in.jsonl/out.jsonl", "cannot write"),
            ("empty.jsonl", "scripted:echo", "out.jsonl", "the file is empty"),
            ("bad.jsonl", "scripted:echo", "out.jsonl", "no row has an answer to grade"),
            ("in.csv", "scripted:echo", "out.jsonl", "line 1: columns a, b are no known format"),
            ("in.parquet", "scripted:echo", "out.jsonl", "not a readable Parquet file"),
        ],
    )
    def test_bad_input_is_one_line(
        self, gristmill: Gristmill, tmp_path: Path, file: str, model: str, out: str, said: str
    ) -> None:
        write_rows(tmp_path / "in.jsonl", ROWS)
        (tmp_path / "empty.jsonl").write_text("")
        (tmp_path / "bad.jsonl").write_text("{}\n[]\n")
        (tmp_path / "in.csv").write_text("a,b\n1,2\n")
        (tmp_path / "in.parquet").write_text("PAR1")
        result = gristmill("score", file, "--model", model, "--out", out)
        assert result.code == 2
        assert said in result.line
        assert len(read_rows(tmp_path / "in.jsonl")) == len(ROWS)

    def test_all_grades_failing_is_a_failure_and_the_rows_are_there(
        self, gristmill: Gristmill, tmp_path: Path
    ) -> None:
        file = write_rows(tmp_path / "in.jsonl", [ROWS[0]])
        result = gristmill("score", file, "--model", "scripted:echo?fail=1", "--out", "out.jsonl")
        assert result.code == 1
        assert "no row could be scored" in result.line
        assert read_rows(Path("out.jsonl"))[0]["error"].startswith("server: ")

    def test_a_full_disk(self, gristmill: Gristmill, tmp_path: Path) -> None:
        file = write_rows(tmp_path / "in.jsonl", ROWS * 200)
        for out in ("out.jsonl", "out.parquet"):
            with full_disk(5000 if out.endswith("jsonl") else 100):
                result = gristmill("score", file, "--model", "scripted:echo", "--out", out)
            assert result.code == 2
            assert "cannot write: File too large" in result.line
            assert not Path(out).exists()
