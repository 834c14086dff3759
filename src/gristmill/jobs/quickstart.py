"""The main job on the embedded tiny family, and how much truer it made the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import yaml
from rich.console import Console

from gristmill import mill, tutor
from gristmill.errors import StorageError
from gristmill.jobs.display import Display
from gristmill.jobs.run import finished
from gristmill.jobs.summary import show_outcome
from gristmill.storage import write_atomically
from gristmill.storage.tables import read_table

QUESTIONS = 200
SEED = 0

CONFIG: dict[str, Any] = {
    "name": "quickstart",
    "prompts": {"file": "prompts.jsonl"},
    "generate": {
        "model": "tiny:instruct",
        "responses": 4,
        "temperature": 0.8,
        "max_tokens": 128,
        "concurrency": 200,
    },
    "judges": [{"reward": {"model": "tiny:reward"}}],
    "keep": [{"threshold": {"correctness": 2.5, "coherence": 2.5}}, {"dedup": {}}],
    "seed": SEED,
}
"""A config as a user would write it; it is left in the folder to start from."""


def quickstart(out: Path, console: Console) -> dict[str, Any]:
    """Make the folder, print what came out, and return its metrics with `truth` filled in.

    The questions are held out: the models never saw their operands together. `truth` is computed
    here, by grading each answer against what the program knows.
    """
    config_file = prepare(out)
    config = mill.Config.load(config_file)
    console.print(
        f"{QUESTIONS} questions that the models have never seen, "
        f"{config.generate[0].responses} answers each; loading tiny:instruct and tiny:reward",
        soft_wrap=True,
    )
    with Display(console, config, None) as watch:
        outcome = mill.run(config, out, watch=watch)
    outcome = finished(outcome, truth=truth(out))
    show_outcome(console, outcome)
    found = outcome.metrics["truth"]
    console.print(
        f"\n[bold]right before grading: {found['right_before']:.0%}[/] of {found['sampled']} "
        f"answers\n[bold]right after:           {found['right_after']:.0%}[/] of the "
        f"{found['kept']} that were picked for fine-tuning",
        soft_wrap=True,
    )
    console.print(
        f"\nNext: look at the report; put your own prompts and model into a copy of {config_file} "
        "and start it with `gristmill run`.",
        soft_wrap=True,
    )
    return outcome.metrics


def prepare(out: Path) -> Path:
    """Write the questions and the config into the folder; returns the config's path."""
    questions = tutor.questions(QUESTIONS, SEED, held_out=True)
    lines = [
        orjson.dumps({"prompt": q.text, "answer": q.answer, "category": q.kind}) for q in questions
    ]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{out}: cannot write: {error.strerror}") from None
    write_atomically(out / "prompts.jsonl", b"\n".join(lines) + b"\n")
    config_file = out / "quickstart.yaml"
    write_atomically(config_file, yaml.safe_dump(CONFIG, sort_keys=False))
    return config_file


def truth(folder: Path) -> dict[str, Any]:
    """How many answers are right: of all that were sampled, and of those picked for `sft`."""
    scored = read_table(folder / "data" / "scored.parquet", ["prompt", "response"])
    before = [_is_right(row["prompt"], row["response"]) for row in scored.to_pylist()]
    picked = read_table(folder / "data" / "sft.parquet", ["messages"])
    pairs = ([m["content"] for m in row["messages"][-2:]] for row in picked.to_pylist())
    after = [_is_right(prompt, response) for prompt, response in pairs]
    return {
        "right_before": sum(before) / max(1, len(before)),
        "right_after": sum(after) / max(1, len(after)),
        "sampled": len(before),
        "kept": len(after),
    }


def _is_right(prompt: str, response: str) -> bool:
    question = tutor.parse_question(prompt)
    return question is not None and tutor.grade(question, response).right
