"""The flywheel on a real base model: instructions that rules can check.

    python benchmarks/real_flywheel.py --model hf:./base [--out DIR]

Questions on everyday topics get one constraint each by the recipe `instructions`; the base answers
in the manner of three examples that stand in its chat template; the judge `format` keeps what does
as it was asked; LoRA learns from that, twice over. Beside it the arm `random` learns from as many
answers that nobody looked at. Measured on other topics. `base` is a folder in Hugging Face layout
with `benchmarks/real_flywheel.jinja` as its chat_template.jinja. Prints the tables of
docs/flywheel.md. The same command again goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

TOPICS = """bread|the moon|bicycles|rain|running|libraries|eggs|bees|the sea|tea|trains|mirrors
gardens|chess|winter|salt|bridges|cats|coffee|clocks|mountains|paper|potatoes|windows|birds|fire|shoes
rivers|music|soap|trees|maps|cheese|candles|horses|glass|sleep|markets|snow|wool|umbrellas|apples
stars|kitchens|boats|chairs|honey|deserts|letters|football|towers|rice|pencils|spiders|beaches
dancing|doors|milk|lamps|forests|swimming|money|knives|lemons|dogs|buses|islands|sugar|roads|gloves"""
FORMS = (
    "Tell me about {}.",
    "Why do people care about {}?",
    "What should a child know about {}?",
    "Give a friend some advice about {}.",
    "Describe {} to someone who knows nothing about the subject.",
    "What is the best thing about {}?",
)
KINDS = """bullets|capital_words|choice|end_with|forbidden_words|headings|highlights|json
keyword_frequency|keywords|lowercase|no_commas|no_digits|numbered_list|paragraphs|placeholders
postscript|quotation|sentences|start_with|title|uppercase|words"""
"""The constraints that an answer of 80 tokens can keep to."""
HELD_OUT = 25
"""Topics that are only measured on."""


def config(model: str) -> dict[str, Any]:
    """The flywheel's config, as docs/flywheel.md shows it."""
    sft = {
        "epochs": 3,
        "batch": {"examples": 8, "tokens": 4096},
        "optimizer": {"lr": 3e-4, "warmup": 5, "schedule": "cosine"},
        "lora": {"rank": 16, "alpha": 32},
    }
    return {
        "name": "constraints",
        "prompts": {"file": "train.jsonl"},
        "generate": {
            **{"model": model, "responses": 5, "temperature": 0.8, "max_tokens": 80},
            **{"stop": ["\nRequest:"], "precision": "bf16", "concurrency": 128},
        },
        "judges": [{"format": {}}],
        "keep": [{"threshold": {"judges": {"format": 1}}}, {"truncated": {}}, {"dedup": {}}],
        "select": {"best": None},
        "cache": "cache",
        "flywheel": {
            "rounds": 2,
            "train": [{"sft": sft}],
            "evaluate": {"prompts": {"file": "held-out.jsonl"}, "truth": "format", "responses": 2},
            "ablations": ["random"],
        },
    }


def write(model: str, out: Path, train: int, held_out: int) -> Path:
    """The prompts of both sides by `gristmill prompts`, and the config; returns its file."""
    out.mkdir(parents=True, exist_ok=True)
    topics = listed(TOPICS)
    sides = {"train": (topics[HELD_OUT:], train), "held-out": (topics[:HELD_OUT], held_out)}
    for seed, (name, (some, count)) in enumerate(sides.items()):
        seeds = [{"prompt": form.format(topic)} for topic in some for form in FORMS]
        (out / f"seeds-{name}.jsonl").write_text("".join(json.dumps(s) + "\n" for s in seeds))
        recipe = {"recipe": "instructions", "seeds": f"seeds-{name}.jsonl", "count": count}
        recipe |= {"most": 1, "among": listed(KINDS), "seed": seed}
        (out / f"{name}.yaml").write_text(yaml.safe_dump(recipe))
        gristmill("prompts", str(out / f"{name}.yaml"), "--out", str(out / f"{name}.jsonl"))
    file = out / "flywheel.yaml"
    file.write_text(yaml.safe_dump(config(model), sort_keys=False))
    return file


def listed(words: str) -> list[str]:
    return words.replace("\n", "|").split("|")


def gristmill(*words: str) -> None:
    """The command, as anyone calls it."""
    subprocess.run([sys.executable, "-m", "gristmill.cli", *words], check=True)


def by_kind(wheel: Path) -> list[str]:
    """Of the held-out answers, greedy and sampled, how many keep to each kind of constraint: in
    round 0 and after the last round of each arm, as Markdown rows."""
    rows = (wheel / "prompts" / "evaluation.jsonl").read_text().splitlines()
    kinds = {row["id"]: next(iter(row["constraints"][0])) for row in map(json.loads, rows)}
    metrics = json.loads((wheel / "metrics.json").read_text())
    ends = {name: len(arm["rounds"]) - 1 for name, arm in metrics["arms"].items()}
    places = {"round 0": wheel / "round-0"}
    places |= {n: wheel / "arms" / n / f"round-{end}" / "evaluation" for n, end in ends.items()}
    found = {name: _kept(place, kinds) for name, place in places.items()}
    lines = [f"| kind | answers | {' | '.join(found)} |", "|---|---|" + "---|" * len(found)]
    for kind in sorted({*kinds.values()}):
        each = [f"{100 * sum(kept[kind]) / len(kept[kind]):.0f} %" for kept in found.values()]
        lines.append(f"| `{kind}` | {len(found['round 0'][kind])} | {' | '.join(each)} |")
    return lines


def _kept(place: Path, kinds: dict[str, str]) -> dict[str, list[float]]:
    kept: dict[str, list[float]] = defaultdict(list)
    for how in ("greedy", "sampled"):
        for row in pq.read_table(place / how / "data" / "scored.parquet").to_pylist():
            kept[kinds[row["prompt_id"]]].append(row["reward"])
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, default=Path("out/real-flywheel"))
    parser.add_argument("--train", type=int, default=400, help="prompts, of both rounds")
    parser.add_argument("--held-out", type=int, default=150, help="prompts to measure on")
    args = parser.parse_args()
    file = write(args.model, args.out, args.train, args.held_out)
    gristmill("flywheel", str(file), "--out", str(args.out / "wheel"))
    print("\n".join(by_kind(args.out / "wheel")))


if __name__ == "__main__":
    main()
