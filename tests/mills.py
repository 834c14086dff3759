"""Small runs of the mill, for tests: a config, a prompt file, and the tables that come out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from gristmill.mill import Config
from gristmill.records import Graded, Message, Prompt, Response, Sample, Verdict, prompt_id

TABLES = ("sft", "preference", "scored", "rejected")


def write_prompts(folder: Path, count: int, name: str = "prompts.jsonl", **beside: Any) -> Path:
    """A file of `count` prompts, each with an id; the last has `beside`, too."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    rows = [{"id": f"p{i}", "prompt": f"Question {i}?"} for i in range(count)]
    rows[-1:] = [row | beside for row in rows[-1:]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def settings(prompts: Path | list[Path], **changes: Any) -> dict[str, Any]:
    """A config as YAML would give it: two scripted answers a prompt, graded by hash."""
    files = prompts if isinstance(prompts, list) else [prompts]
    generate = {"model": "scripted:echo", "responses": 2, "concurrency": 8}
    base: dict[str, Any] = {
        "prompts": [{"file": str(file)} for file in files],
        "generate": {**generate, **changes.pop("generate", {})},
        "judges": [{"reward": {"model": "scripted:echo"}}],
        "keep": [{"threshold": {"correctness": 2.0}}],
    }
    return {**base, **changes}


def config(prompts: Path | list[Path], **changes: Any) -> Config:
    return Config.of(settings(prompts, **changes))


def tables(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Every table of a run's folder, as rows."""
    paths = {name: folder / "data" / f"{name}.parquet" for name in TABLES}
    return {n: pq.read_table(p).to_pylist() for n, p in paths.items() if p.exists()}


def data_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The tables, without what lies over the target: that depends on what was in flight."""
    found = tables(folder)
    found["rejected"] = [row for row in found["rejected"] if row["reason"] != "over_target"]
    return found


def prompt(text: str, name: str | None = None) -> Prompt:
    messages = (Message("user", text),)
    return Prompt(name or prompt_id(messages), messages)


def verdict(reward: float, attributes: tuple[float, ...] | None = None) -> Verdict:
    return Verdict("reward", "m", reward, attributes)  # type: ignore[arg-type]


def sample(index: int, text: str, *verdicts: Verdict) -> Sample:
    return Sample(index, Response(text, "m"), verdicts)


def graded(*samples: Sample, asked: str = "Q?") -> Graded:
    return Graded(0, prompt(asked), samples)
