"""`kill -9` of each command that writes, at random moments, until it has come to its end."""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml
from cells import CELLS, IN_FLIGHT, Cell, Found, begin, gristmill

import writers
from gristmill.arena.store import read_votes
from servers import FaultyServer, graded, text_for

KILLS = 5


class Models(FaultyServer):
    """Chat models, each with answers of its own, a writer, and reward models, by their names."""

    def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["model"].startswith("reward"):
            return graded(body, self.forms)
        reply = super()._completion({**body, "model": "chat"})
        # Not its name: the arena does not count votes on answers that tell who wrote them.
        said = f"{blake2b(body['model'].encode(), digest_size=4).hexdigest()}: {text_for(body)}"
        if body["model"] == "writer":
            said = writers.write(body["messages"], 0, body.get("seed", 0))
        reply["choices"][0]["message"]["content"] = said
        return reply

    def named(self, name: str) -> str:
        return f"{self.url}#{name}"


def _file(path: Path, values: Any) -> Path:
    path.write_text(yaml.safe_dump(values))
    return path


def _plain(value: Any, folder: Path) -> Any:
    """Figures without what the clock and the folder's name decide."""
    if isinstance(value, dict):
        # Of this process alone; and which of two equal texts is better is decided by rounding.
        left = ("seconds", "tokens", "tokens_per_second", "wins")
        return {k: _plain(v, folder) for k, v in value.items() if k not in left}
    if isinstance(value, list):
        return [_plain(v, folder) for v in value]
    return value.replace(str(folder), "OUT") if isinstance(value, str) else value


def tables(out: Path) -> Any:
    """All rows of a run's data sets."""
    return {p.name: pq.read_table(p).to_pylist() for p in sorted((out / "data").glob("*.parquet"))}


def figures(out: Path) -> Any:
    return _plain(json.loads((out / "metrics.json").read_bytes()), out)


def content(out: Path) -> str:
    """A file, or all of a folder's, as a hash."""
    found = hashlib.sha256()
    for path in sorted(p for p in out.rglob("*") if p.is_file()) if out.is_dir() else [out]:
        found.update(path.read_bytes())
    return found.hexdigest()


def judged(out: Path) -> Any:
    """What each judge said of each row, and the figures."""
    return figures(out), sorted(content(path) for path in out.glob("judges/*/rows.jsonl"))


def votes(out: Path) -> Any:
    """Each vote of a folder, once."""
    found = sorted(repr(replace(vote, time=None)) for vote in read_votes(out / "votes.sqlite"))
    assert len(found) == len(set(found)), "a vote stands twice"
    return found


def trained(out: Path) -> Any:
    """The weights, and the loss of each step."""
    lines = map(json.loads, (out / "log.jsonl").read_text().splitlines())
    return content(out / "model" / "model.safetensors"), [line.get("loss") for line in lines]


def alike(one: Any, other: Any) -> bool:
    """Equal, rewards but for rounding: it differs with the texts that are in one pass."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-4)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == other


def _asking(words: Callable[..., Sequence[object]], kept: Callable[[Path], Any], name: str) -> Any:
    """A cell of a command that asks a server. words: of folder, server and output."""

    def do(folder: Path) -> Found:
        whole, out = folder / f"whole{name}", folder / f"killed{name}"
        with Models(latency=0.02) as server:
            gristmill(*words(folder, server, whole))
            calls = server.requests
            writers.forget()
            for moment in sorted(random.Random(calls).sample(range(1, calls), KILLS)):
                with begin(*words(folder, server, out)) as process:
                    while server.requests < calls + moment and process.poll() is None:
                        time.sleep(0.002)
                    process.kill()
            gristmill(*words(folder, server, out))
            repeated = server.requests - 2 * calls
        assert alike(kept(out), kept(whole)), "the result is not that of an undisturbed run"
        # A battle is kept when both its answers are graded, so that of one two may be asked again.
        most = KILLS * IN_FLIGHT * (2 if kept is votes else 1)
        assert repeated <= most, f"{repeated} requests were sent again"
        return Found(
            f"result equal to an undisturbed one's; {calls} calls, {IN_FLIGHT} at once", 0, repeated
        )

    return do


def _computing(words: Callable[[Path, Path], Sequence[object]], kept: Callable[[Path], Any]) -> Any:
    """A cell of a command that computes here: killed at random shares of the time that it takes."""

    def do(folder: Path) -> Found:
        whole, out = folder / "whole", folder / "killed"
        begun = time.monotonic()
        gristmill(*words(folder, whole))
        takes = time.monotonic() - begun
        shares = random.Random(7)
        for _ in range(KILLS):
            with begin(*words(folder, out)) as process:
                time.sleep(takes * shares.uniform(0.3, 0.95))
                process.kill()
        gristmill(*words(folder, out))
        assert alike(kept(out), kept(whole)), "the result is not that of an undisturbed run"
        return Found(f"result equal to an undisturbed one's; it takes {takes:.0f} s", 0, None)

    return do


def _run(folder: Path, server: Models, out: Path) -> Sequence[object]:
    config = {
        "prompts": {"file": "tutor:60"},
        "generate": {"model": server.named("chat"), "responses": 4, "concurrency": IN_FLIGHT},
        "judges": [{"reward": {"model": server.named("reward"), "concurrency": IN_FLIGHT}}],
    }
    return ["run", _file(folder / "run.yaml", config), "--out", out, "--quiet"]


def _shards(folder: Path, server: Models, out: Path) -> Sequence[object]:
    return [*_run(folder, server, out), "--shards", 2]


def _prompts(folder: Path, server: Models, out: Path) -> Sequence[object]:
    return ["prompts", "open_qa", "--model", server.named("writer"), "--count", 60,
            "--concurrency", IN_FLIGHT, "--out", out]  # fmt: skip


def _score(folder: Path, server: Models, out: Path) -> Sequence[object]:
    rows = folder / "answers.jsonl"
    answers = ({"prompt": f"Question {n}?", "response": f"It is {n}."} for n in range(300))
    rows.write_text("".join(json.dumps(row) + "\n" for row in answers))
    return ["score", rows, "--model", server.named("reward"), "--concurrency", IN_FLIGHT,
            "--out", out]  # fmt: skip


def _judge(folder: Path, server: Models, out: Path) -> Sequence[object]:
    return ["judge-eval", "tutor:150:bench", "--model", server.named("reward"),
            "--concurrency", IN_FLIGHT, "--out", out]  # fmt: skip


def _rewardbench(folder: Path, server: Models, out: Path) -> Sequence[object]:
    return ["rewardbench", "--data", "tutor:150:bench", "--model", server.named("reward"),
            "--concurrency", IN_FLIGHT, "--out", out]  # fmt: skip


def _compare(folder: Path, server: Models, out: Path) -> Sequence[object]:
    return ["compare", server.named("reward"), server.named("reward-2"), "--kind", "reward",
            "--data", "tutor:80:bench", "--concurrency", IN_FLIGHT, "--out", out]  # fmt: skip


def _battle(folder: Path, server: Models, out: Path) -> Sequence[object]:
    pace = {"concurrency": IN_FLIGHT}
    config = {
        "models": [{"model": server.named(f"chat-{n}"), "name": f"m{n}", **pace} for n in "123"],
        "prompts": {"file": "tutor:50"},
        "judges": [{"reward": {"model": server.named("reward"), "name": "judge", **pace}}],
        "votes": str(out / "votes.sqlite"),
    }
    return ["arena", "battle", _file(folder / f"{out.name}.yaml", config), "--out", out]


def _rows(folder: Path, out: Path) -> Sequence[object]:
    return ["rows", "tutor:4000:rated", "--out", out.with_suffix(".parquet")]


def _training(kind: str, source: str) -> Callable[[Path, Path], Sequence[object]]:
    def words(folder: Path, out: Path) -> Sequence[object]:
        rows = ({"prompt": f"Say {n}.", "response": f"It is {n}."} for n in range(400))
        (folder / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        config = {
            "model": "tiny:base" if kind == "reward" else "tiny:instruct",
            "data": {"file": source},
            "steps": 40,
            "save_every": 5,
            "batch": {"examples": 8, "tokens": 2048},
            "optimizer": {"lr": 1.0e-4},
            "precision": "fp32",
        }
        return ["train", kind, _file(folder / "train.yaml", config), "--out", out]

    return words


def _flywheel(folder: Path, out: Path) -> Sequence[object]:
    config = {
        "name": "small",
        "prompts": {"file": "tutor:40"},
        "generate": {"model": "tiny:instruct", "responses": 2, "max_tokens": 48},
        "judges": [{"reward": {"model": "tiny:reward"}}],
        "flywheel": {
            "rounds": 1,
            "train": [{"sft": {"steps": 6, "save_every": 2, "precision": "fp32",
                               "optimizer": {"lr": 1.0e-4}}}],
            "evaluate": {"prompts": {"file": "tutor:20:held-out"}, "truth": "tutor"},
        },
    }  # fmt: skip
    return ["flywheel", _file(folder / "wheel.yaml", config), "--out", out]


def _quickstart(folder: Path, out: Path) -> Sequence[object]:
    return ["quickstart", "--out", out]


def _suffixed(kept: Callable[[Path], Any], suffix: str) -> Callable[[Path], Any]:
    return lambda out: kept(out.with_suffix(suffix))


CELLS += [
    Cell("killed", name, f"`kill -9` at {KILLS} moments", _asking(words, kept, suffix))
    for name, words, kept, suffix in (
        ("`run`", _run, tables, ""),
        ("`run --shards 2`", _shards, tables, ""),
        ("`prompts`", _prompts, content, ".jsonl"),
        ("`score`", _score, content, ".jsonl"),
        ("`judge-eval`", _judge, judged, ""),
        ("`rewardbench`", _rewardbench, judged, ""),
        ("`compare`", _compare, figures, ""),
        ("`arena battle`", _battle, votes, ""),
    )
]
CELLS += [
    Cell("killed", name, "`kill -9` at 5 moments of its time", _computing(words, kept))
    for name, words, kept in (
        ("`rows`", _rows, _suffixed(content, ".parquet")),
        ("`train sft`", _training("sft", "chats.jsonl"), trained),
        ("`train reward`", _training("reward", "tutor:400:rated"), trained),
        ("`flywheel`", _flywheel, figures),
        ("`quickstart`", _quickstart, tables),
    )
]
