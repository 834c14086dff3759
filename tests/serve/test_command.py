"""`gristmill serve` as a process: its lines, its signals, its codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from commands import Gristmill
from gristmill.errors import MissingExtra
from gristmill.serve.run import serve
from processes import PATIENCE, start
from serving import asked


def lines_of(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_ends_in_order(number: int) -> None:
    with start("serve", "tiny:instruct", "tiny:reward", "--port", "0") as process:
        chat, reward = lines_of(process, 2)
        found = re.fullmatch(r"chat +(http://127\.0\.0\.1:\d+/v1)#tiny:instruct", chat)
        assert found, chat
        assert reward.split() == ["reward", f"{found[1]}#tiny:reward"]
        body = {"model": "tiny:instruct", "messages": asked("What is 2 plus 3?"), "n": 3}
        request = urllib.request.Request(
            f"{found[1]}/chat/completions", json.dumps(body).encode(), {"A": "b"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            assert len(json.load(reply)["choices"]) == 3
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out.strip(), err) == (0, "stopped", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tiny:nobody",), "choose one of base, instruct, reward"),
        (("http://a/v1#b",), "is none that this process can hold: name tiny:instruct"),
        (("hf:./nothing",), "no directory nothing; check the path"),
        (("tiny:reward", "tiny:reward"), "model 'tiny:reward' is named twice"),
        (("tiny:reward", "--key-env", "NO_SUCH_KEY"), "set the environment variable NO_SUCH_KEY"),
        (("tiny:reward", "--host", "203.0.113.1"), "cannot listen on 203.0.113.1, port 8000"),
        (("tiny:reward", "--engine", "sglang"), "--engine sglang: not one of local, vllm"),
        (("tiny:reward", "--print"), "--print and --job are for an engine: add --engine vllm"),
        (("tiny:base", "tiny:reward", "--engine", "vllm"), "serves one model; 2 are named"),
        (("tiny:instruct", "--engine", "vllm", "--vllm", "no-such"), "there is no 'no-such' here"),
        (("tiny:instruct", "--engine", "vllm", "--print", "--precision", "int2"),
         "--precision int2: not one of bf16, fp16, fp32, fp8"),
        (("tiny:instruct", "--engine", "vllm", "--job", "cron"), "--job cron: not one of slurm"),
        (("tiny:instruct", "--engine", "vllm", "--job", "kubernetes", "--tensor", "16"),
         "16 GPUs are more than the 8 of one machine"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(
    gristmill: Gristmill, arguments: tuple[str, ...], said: str
) -> None:
    result = gristmill("serve", *arguments)
    assert result.code == 2
    assert said in result.line


def test_a_key_that_no_header_can_carry_is_not_repeated(
    gristmill: Gristmill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "two words")
    result = gristmill("serve", "tiny:reward", "--key-env", "MY_KEY")
    assert result.code == 2
    assert "two words" not in result.line


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "uvicorn" else find(name, *a)
    )
    with pytest.raises(MissingExtra, match=r"pip install 'gristmill\[serve\]'"):
        serve(["tiny:reward"])


def test_a_port_that_is_open_to_others_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from gristmill.serve.run import is_loopback

    assert [is_loopback(h) for h in ("127.0.0.1", "::1", "localhost")] == [True] * 3
    assert [is_loopback(h) for h in ("0.0.0.0", "::", "example.org")] == [False] * 3


FAKE = """#!{python}
import http.server, json, os, signal, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
open({log!r}, "w").write(json.dumps([sys.argv[1:], os.environ.get("VLLM_API_KEY")]))
if "--fail" in sys.argv:
    sys.exit(3)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
    def log_message(self, *a): pass
signal.signal(signal.SIGTERM, lambda *_: (open({log!r}, "a").write(" ended"), sys.exit(0)))
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def fake(tmp_path: Path) -> tuple[Path, Path]:
    """An executable that behaves as vLLM does from outside, and what it writes of itself."""
    log, path = tmp_path / "log.json", tmp_path / "vllm"
    path.write_text(FAKE.format(python=sys.executable, log=str(log)))
    path.chmod(0o755)
    return path, log


def free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_an_engine_is_started_waited_for_and_stopped(
    fake: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, log = fake
    monkeypatch.setenv("MY_KEY", "s3cret")
    port = str(free_port())
    options = ("--engine", "vllm", "--vllm", path, "--port", port, "--key-env", "MY_KEY")
    with start("serve", "tiny:instruct", *options, "--flag=--enforce-eager") as process:
        line, ready, key = lines_of(process, 3)
        assert line.startswith(f'VLLM_API_KEY="$MY_KEY" {path} serve /')
        assert "s3cret" not in line
        assert ready == f"ready: http://127.0.0.1:{port}/v1#tiny:instruct"
        assert key == "its key: key_env: MY_KEY"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out.strip(), err) == (0, "stopped", "")
    said, ended = log.read_text().rsplit("]", 1)
    arguments, given = json.loads(said + "]")
    assert (given, ended) == ("s3cret", " ended")
    assert arguments[-1] == "--enforce-eager"


def test_an_engine_that_ends_by_itself_is_a_failure(
    fake: tuple[Path, Path], gristmill: Gristmill
) -> None:
    options = ("--engine", "vllm", "--vllm", fake[0], "--flag=--fail")
    result = gristmill("serve", "tiny:instruct", *options)
    assert result.code == 1
    assert "vLLM ended by itself with code 3" in result.err


class TestLine:
    """What vLLM is told, from a model's own files."""

    def line(self, gristmill: Gristmill, *arguments: Any) -> str:
        result = gristmill("serve", *arguments, "--engine", "vllm", "--print")
        assert (result.code, result.err) == (0, "")
        return result.out.strip()

    def test_a_chat_model(self, gristmill: Gristmill) -> None:
        line = self.line(gristmill, "tiny:instruct", "--tensor", 8, "--pipeline", 2,
                         "--precision", "fp8", "--max-length", 4096)  # fmt: skip
        assert line.startswith("vllm serve /")
        assert "/tiny/instruct --served-model-name tiny:instruct --host 127.0.0.1" in line
        assert "--dtype bfloat16 --quantization fp8_per_tensor" in line
        assert "--tensor-parallel-size 8 --pipeline-parallel-size 2" in line
        assert line.endswith("--max-model-len 4096")
        assert "runner" not in line
        line = self.line(gristmill, "tiny:instruct", "--vllm", "/opt/v/bin/python3")
        assert line.startswith("/opt/v/bin/python3 -m vllm.entrypoints.openai.api_server --model /")

    def test_the_split_comes_from_the_plan(self, gristmill: Gristmill) -> None:
        # Shapes alone: a folder with the config of Nemotron-4 15B, and none of its weights.
        Path("big").mkdir()
        config = {
            "architectures": ["NemotronForCausalLM"], "model_type": "nemotron",
            "hidden_size": 6144, "num_hidden_layers": 32, "num_attention_heads": 48,
            "num_key_value_heads": 8, "intermediate_size": 24576, "vocab_size": 256000,
            "max_position_embeddings": 4096,
        }  # fmt: skip
        Path("big/config.json").write_text(json.dumps(config))
        line = self.line(gristmill, "hf:./big", "--gpu", "rtx-4090", "--max-length", 2048)
        assert "--tensor-parallel-size 2" in line
        result = gristmill("serve", "hf:./big", "--engine", "vllm", "--gpu", "h100", "--tensor", 2)
        assert "--gpu plans the split" in result.line

    def test_weights_that_are_quantised_already(self, gristmill: Gristmill) -> None:
        Path("m").mkdir()
        config = {"architectures": ["NemotronForCausalLM"], "quantization_config": {"bits": 8}}
        Path("m/config.json").write_text(json.dumps(config))
        line = self.line(gristmill, "hf:./m", "--precision", "fp8")
        assert f"vllm serve {Path.cwd()}/m --served-model-name hf:./m" in line
        assert "--quantization" not in line

    @pytest.mark.parametrize(
        ("config", "overrides"),
        [
            ({"architectures": ["NemotronRewardModel"], "num_outputs": 9},
             {"architectures": ["NemotronForSequenceClassification"], "num_labels": 9,
              "problem_type": "regression"}),
            ({"architectures": ["LlamaForSequenceClassification"]}, {"problem_type": "regression"}),
            ({"architectures": ["NemotronForSequenceClassification"],
              "problem_type": "regression"}, None),
        ],
    )  # fmt: skip
    def test_a_reward_head_gives_its_own_values(
        self, gristmill: Gristmill, config: dict[str, Any], overrides: dict[str, Any] | None
    ) -> None:
        Path("r").mkdir()
        Path("r/config.json").write_text(json.dumps(config))
        line = self.line(gristmill, "hf:./r")
        assert "--runner pooling" in line
        found = re.search(r"--hf-overrides '(.*)'", line)
        assert (json.loads(found[1]) if found else None) == overrides

    def test_a_head_with_a_bias_is_refused(self, gristmill: Gristmill) -> None:
        from local_models import reward_model

        reward_model(Path("b"), 5)
        result = gristmill("serve", "hf:./b", "--engine", "vllm", "--print")
        assert result.code == 2
        assert "its reward head has a bias, for which vLLM has no place" in result.line


def test_a_slurm_job_for_one_machine_and_for_two(gristmill: Gristmill, tmp_path: Path) -> None:
    common = ("tiny:instruct", "--engine", "vllm", "--job", "slurm", "--key-env", "K")
    one = gristmill("serve", *common, "--tensor", 4).out
    assert "#SBATCH --nodes=1" in one
    assert "#SBATCH --gpus-per-node=4" in one
    assert "--host 0.0.0.0" in one
    two = gristmill("serve", *common, "--tensor", 8, "--pipeline", 2).out
    assert "#SBATCH --nodes=2" in two
    assert "--nnodes 2 --node-rank $SLURM_NODEID --master-addr $head" in two
    # Run with stand-ins for Slurm and vLLM: what would each machine start?
    for name, text in (
        ("scontrol", "echo first; echo second"),
        ("srun", 'SLURM_NODEID=0 "$@"; SLURM_NODEID=1 "$@"'),
        ("vllm", 'echo "$VLLM_API_KEY: $@"'),
    ):
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "K": "the key"}
    done = subprocess.run(
        ["bash"], input=two, env={**env, "SLURM_JOB_NODELIST": "x"}, capture_output=True, text=True
    )
    assert done.stderr == ""
    where, head, worker = done.stdout.splitlines()
    assert where == "http://first:8000/v1#tiny:instruct"
    assert head.endswith("--node-rank 0 --master-addr first")
    assert worker.endswith("--node-rank 1 --master-addr first --headless")
    assert head.startswith("the key: serve /")
    del env["K"]
    done = subprocess.run(["bash"], input=two, env=env, capture_output=True, text=True)
    assert done.returncode != 0
    assert "K: set it where you call sbatch" in done.stderr


def test_a_kubernetes_file_is_what_kubectl_takes(gristmill: Gristmill) -> None:
    import yaml

    options = ("--engine", "vllm", "--job", "kubernetes", "--tensor", 2, "--key-env", "K")
    result = gristmill("serve", "tiny:instruct", *options)
    assert "# In a config: http://tiny-instruct:8000/v1#tiny:instruct" in result.out
    assert "&id" not in result.out
    deployment, service = yaml.safe_load_all(result.out)
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"][0].endswith("/tiny/instruct")
    assert container["args"][1:3] == ["--served-model-name", "tiny:instruct"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 2}
    assert container["env"][0]["valueFrom"]["secretKeyRef"]["key"] == "K"
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
