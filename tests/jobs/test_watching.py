"""A run seen from outside: its log, its figures over HTTP, and when it shall be quiet."""

from __future__ import annotations

import json
import re
import socket
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import gristmill as package
from commands import Gristmill
from gristmill.errors import BackendFatal, ConfigError, InputError, RunError, StorageError
from gristmill.jobs import log as log_module
from gristmill.jobs.exposing import MetricsPort
from gristmill.jobs.log import RunLog
from gristmill.mill import Config, Session
from mills import config, settings, write_prompts
from servers import FaultyServer

SAMPLE = re.compile(
    r'gristmill_[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\.)*"(,[a-z]+="(?:[^"\\\n]|\\.)*")*\})? [0-9.e+-]+'
)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def events(path: Path) -> list[str]:
    return [line["event"] for line in lines(path)]


class TestLog:
    def test_a_run_from_start_to_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(log_module, "EVERY", 0.0)
        made = config(write_prompts(tmp_path, 12), name="bot")
        outcome = package.run(made, tmp_path / "out", quiet=True, log=tmp_path / "deep" / "log")
        found = lines(tmp_path / "deep" / "log")
        assert [found[0]["event"], found[1]["event"], found[-1]["event"]] == [
            "start",
            "phase",
            "end",
        ]
        assert "progress" in events(tmp_path / "deep" / "log")
        start, end = found[0], found[-1]
        assert start["model"] == "scripted:echo" and start["judges"] == ["scripted:echo"]
        assert start["versions"]["gristmill"] == package.__version__
        for line in found:
            assert line["run"] == "bot"
            assert datetime.fromisoformat(line["time"]).tzinfo == UTC
        assert end["status"] == "complete" and end["prompts"] == outcome.metrics["prompts"]
        assert found[-2]["finished"] == 12 and found[-2]["in_flight"] == 0

    def test_failures_are_there_once_by_kind_and_nothing_of_the_prompts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log_module, "EVERY", 0.0)
        monkeypatch.setenv("MY_KEY", "sk-very-secret")
        path = tmp_path / "log"
        told = "this quotes Question 0? and {authorization}"
        with FaultyServer(status=400, error=told) as server:
            model = {"model": server.chat, "key_env": "MY_KEY", "concurrency": 2, "retries": 0}
            made = config(write_prompts(tmp_path, 20), generate=model)
            package.run(made, tmp_path / "out", quiet=True, log=path)
        found = lines(path)
        assert [f["kind"] for f in found if f["event"] == "failure"] == ["bad_request"]
        assert found[-1]["status"] == "failed"
        assert found[-1]["requests"]["failures"] == {"bad_request": 40}
        text = path.read_text()
        assert "sk-very-secret" not in text and "Question" not in text and "quotes" not in text

    def test_a_dead_server_of_several_is_seen_in_all_of_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log_module, "EVERY", 0.0)
        path = tmp_path / "log"
        with FaultyServer() as dead:
            pass
        with FaultyServer(latency=0.01) as alive:
            model = {"model": [alive.chat, dead.chat], "concurrency": 4}
            made = config(write_prompts(tmp_path, 30), generate=model)
            port = MetricsPort("0", made)
            with port:
                outcome = package.run(made, tmp_path / "out", watch=port, quiet=True, log=path)
                told = port.text()
        *_, last = (f for f in lines(path) if f["event"] == "progress")
        living, gone = (server.url.removesuffix("/v1") for server in (alive, dead))
        assert {s: one["used"] for s, one in last["servers"].items()} == {living: True, gone: False}
        assert last["servers"][gone]["out"] == 1
        assert f'gristmill_server_used{{server="{gone}"}} 0' in told
        assert f'gristmill_server_out_total{{server="{gone}"}} 1' in told
        page = (outcome.folder / "report.html").read_text()
        assert f"<dt>{gone}</dt>" in page and "left out 1 time" in page

    def test_a_budget_says_why_it_stopped_and_resuming_adds(self, tmp_path: Path) -> None:
        path = tmp_path / "log"
        prompts = write_prompts(tmp_path, 9)
        for budget in ({"requests": 8}, {}):
            package.run(config(prompts, budget=budget), tmp_path / "out", quiet=True, log=path)
        (stop,) = (line for line in lines(path) if line["event"] == "stop")
        assert stop["why"].startswith("budget.requests: 8 of 8 sent") or "budget" in stop["why"]
        ends = [line["status"] for line in lines(path) if line["event"] == "end"]
        assert ends == ["budget", "complete"] and events(path).count("start") == 2

    def test_recipes_are_a_phase_of_their_own(self, tmp_path: Path) -> None:
        made = Config.of(
            {
                **settings([]),
                "prompts": {"recipe": "open_qa", "model": "scripted:writers:write", "topics": 2,
                            "count": 4},
            }
        )  # fmt: skip
        package.run(made, tmp_path / "out", quiet=True, log=tmp_path / "log")
        phases = [line for line in lines(tmp_path / "log") if line["event"] == "phase"]
        assert [p["phase"] for p in phases] == ["writing", "milling"]
        assert phases[0]["source"] == "open_qa" and phases[0]["of"] == 4

    @pytest.mark.parametrize(
        ("error", "status", "detail"),
        [
            (InputError("put this right"), "error", "put this right"),
            (BackendFatal("a wrong key"), "error", "a wrong key"),
            (RunError("failed on: Question 0?"), "error", ""),
            (RuntimeError("a bug at Question 0?"), "error", ""),
            (KeyboardInterrupt(), "interrupted", ""),
        ],
    )
    def test_whatever_ends_it_is_there(
        self, tmp_path: Path, error: BaseException, status: str, detail: str
    ) -> None:
        made = config(write_prompts(tmp_path, 3))

        def watch(_: Any) -> None:
            raise error

        with pytest.raises(type(error)):
            package.run(made, tmp_path / "out", watch=watch, log=tmp_path / "log")
        end = lines(tmp_path / "log")[-1]
        assert (end["event"], end["status"], end["detail"]) == ("end", status, detail)
        assert end["error"] == type(error).__name__

    def test_names_cannot_write_lines_of_their_own(self, tmp_path: Path) -> None:
        made = config(write_prompts(tmp_path, 1), name='a\n{"event":"end"}\x1b[2J\u202e')
        package.run(made, tmp_path / "out", quiet=True, log=tmp_path / "log")
        assert all(line["event"] != "end" for line in lines(tmp_path / "log")[:-1])
        raw = (tmp_path / "log").read_text()
        assert "\x1b" not in raw and "\u202e" not in raw

    def test_a_place_that_cannot_be_is_an_error_and_a_full_disk_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        made = config(write_prompts(tmp_path, 1))
        with pytest.raises(StorageError, match="cannot write"):
            package.run(made, tmp_path / "out", quiet=True, log=tmp_path)
        with RunLog(Path("/dev/full"), made, tmp_path, None) as watcher:
            watcher._say("progress")
        (said,) = caplog.messages
        assert "/dev/full" in said and "going on without the log" in said


class TestMetrics:
    def test_prometheus_can_read_them_while_the_run_goes_on(self, tmp_path: Path) -> None:
        texts: list[str] = []
        port = _free_port()

        def watch(seen: Any) -> None:
            if isinstance(seen, Session):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as told:
                    assert told.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                    texts.append(told.read().decode())
                with pytest.raises(urllib.error.HTTPError, match="404"):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10)

        made = config(write_prompts(tmp_path, 12), target=3, name='a "quoted"\\name')
        package.run(made, tmp_path / "out", watch=watch, metrics=port)
        last = texts[-1]
        for line in last.splitlines():
            assert line.startswith(("# HELP gristmill_", "# TYPE gristmill_")) or SAMPLE.fullmatch(
                line
            )
        figures = dict(line.rsplit(" ", 1) for line in last.splitlines() if line[0] != "#")
        assert int(figures["gristmill_requests_total"]) > 0
        assert int(figures['gristmill_prompts{state="accepted"}']) >= 3
        assert figures["gristmill_target_prompts"] == "3"
        assert figures["gristmill_in_flight"] == "0"
        assert int(figures['gristmill_tokens_total{kind="completion"}']) > 0
        assert 'name="a \\"quoted\\"\\\\name"' in last
        with pytest.raises(OSError, match=r"refused|Connection"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)

    def test_failures_of_all_phases_are_counted_and_hits_once(self, tmp_path: Path) -> None:
        port = MetricsPort("0", config(write_prompts(tmp_path, 1)))
        writing = {"phase": "writing", "source": "a", "prompts": 3, "cached": 5}
        rows = {"phase": "embedding", "rows": 3, "cached": 2}
        for state in (
            {**rows, "failures": {"timeout": 1}},
            {**writing, "failures": {"timeout": 2, "server": 1}},
            {**writing, "source": "b", "failures": {}},
        ):
            port._states[state["phase"], state.get("source", "")] = state
        text = port.text()
        assert 'gristmill_failures_total{kind="timeout"} 3' in text
        assert 'gristmill_failures_total{kind="server"} 1' in text
        assert "gristmill_cached_total 5" in text
        assert 'gristmill_written_prompts{source="b"} 3' in text

    def test_it_is_for_this_machine_alone_unless_a_host_is_named(self, tmp_path: Path) -> None:
        made = config(write_prompts(tmp_path, 1))
        with MetricsPort("0", made) as port:
            assert port.address.startswith("http://127.0.0.1:") and ":0/" not in port.address
            number = port.address.split(":")[2].partition("/")[0]
            with pytest.raises(ConfigError, match=f"--metrics {number}: cannot listen there"):
                MetricsPort(number, made).__enter__()
        assert MetricsPort("[::1]:9100", made).address == "http://[::1]:9100/metrics"
        for bad in ("x", "99999", "host:", "-1", "٣"):
            with pytest.raises(ConfigError, match="write a port"):
                MetricsPort(bad, made)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class TestCommand:
    def test_quiet_says_one_line(self, gristmill: Gristmill, tmp_path: Path) -> None:
        import yaml

        write_prompts(tmp_path, 3)
        values = {**settings([]), "prompts": [{"file": "prompts.jsonl"}], "cache": "kept"}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(values))
        run = ("run", "c.yaml", "--quiet", "--log", "log.jsonl", "--metrics", "0")
        result = gristmill(*run, "--out", "one")
        assert (result.code, result.err) == (0, "")
        (line,) = result.out.splitlines()
        assert line.startswith("'run': every prompt is done; ") and line.endswith("accepted: one")
        assert events(tmp_path / "log.jsonl")[-1] == "end"
        loud = gristmill("run", "c.yaml", "--out", "two", "--metrics", "0")
        assert "metrics: http://127.0.0.1:" in loud.out
        assert "out of the cache" in loud.out
        assert gristmill("run", "c.yaml", "--quiet", "--metrics", "no").line.startswith(
            "error: --metrics no: write a port"
        )

    def test_the_cache_shows_and_clears(self, gristmill: Gristmill, tmp_path: Path) -> None:
        import yaml

        write_prompts(tmp_path, 3)
        values = {**settings([]), "prompts": [{"file": "prompts.jsonl"}], "cache": "kept"}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(values))
        assert "no cache is there" in gristmill("cache", "kept").line
        gristmill("run", "c.yaml", "--quiet")
        shown = gristmill("cache", "kept").out
        assert "scripted:echo" in shown and "12 answers, " in shown
        assert "add --clear" in gristmill("cache", "kept", "--model", "scripted:echo").line
        assert "as in 30d" in gristmill("cache", "kept", "--clear", "--older-than", "soon").line
        old = gristmill("cache", "kept", "--clear", "--older-than", "30d")
        assert old.out == "0 answers deleted: kept\n"
        assert "12 answers deleted" in gristmill("cache", "kept", "--clear").out
        assert "0 answers, " in gristmill("cache", "kept").out
