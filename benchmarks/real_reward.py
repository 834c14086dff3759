"""What a reward model learns from a few hundred real human labels: the figures, and how sure.

    python benchmarks/real_reward.py [--seeds 5] [--threads 2] [--out DIR]

Ten rows of HelpSteer2 (CC BY 4.0) and 360 rated replies of Topical-Chat (MIT, UniEval), whose
scores of other names and scales are mapped to helpfulness and coherence, all else masked; and with
a hundred of HelpSteer2's preference pairs beside them. From the embedded base, whose 1,024 tokens
of context some rows do not fit, and from random weights with a context of 4,096, which they do.
Each run is the command `gristmill train reward`. Every seed holds out another fifth of the
prompts, so the runs share data and the spread is on the small side of the truth.

Neither model has ever read English, so the figures say that the machinery is honest about real
data, not what a reward model can do.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml

ATTRIBUTES = ("helpfulness", "coherence")
"""Those of which there are more than ten labels."""


def shared_data() -> Path:
    """`GRISTMILL_DATA`, by default beside the repository."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    return Path(os.environ.get("GRISTMILL_DATA", beside)).resolve()


def ratings(data: Path) -> list[dict[str, Any]]:
    """The sources of rated responses, as a config has them."""
    labels = {
        "helpfulness": {"column": "scores.overall", "range": [1, 5]},
        "coherence": {"column": "scores.coherence", "range": [1, 3]},
    }
    columns = {"prompt": "source", "response": "system_output"}
    chat = str(data / "topical_chat" / "topical_chat.json")
    rows = str(data / "helpsteer2" / "helpsteer2_rows10.jsonl")
    return [{"file": rows}, {"file": chat, "columns": columns, "labels": labels}]


def pairs(data: Path) -> list[dict[str, Any]]:
    """The source of preference pairs."""
    return [{"file": str(data / "helpsteer2" / "helpsteer2_preference_100.json")}]


def config(model: str, sources: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A training config's values: regression of the two attributes that are learned."""
    values: dict[str, Any] = {
        "name": "real-reward",
        "model": model,
        "data": sources,
        "validation": 0.2,
        "epochs": 4,
        "batch": {"examples": 16, "tokens": 8192},
        "optimizer": {"lr": 1e-4, "warmup": 10, "schedule": "cosine"},
        "weights": {"helpfulness": 0.5, "coherence": 0.5},
        "precision": "fp32",
        "licence": "CC-BY-4.0",
    }
    return {**values, **changes}


def long_model(folder: Path) -> Path:
    """The tiny architecture with random weights and 4,096 tokens of context."""
    import torch
    from transformers import NemotronConfig, NemotronForCausalLM

    from gristmill.backends.local_load import quietly
    from gristmill.nemotron import preset
    from gristmill.nemotron.tiny import tiny_path

    torch.manual_seed(0)
    shape = {**preset("tiny").config_kwargs(), "max_position_embeddings": 4096}
    shape["initializer_range"] = 0.02
    with quietly():
        NemotronForCausalLM(NemotronConfig(**shape, pad_token_id=0)).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_path("base") / file, folder / file)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["model_max_length"] = 4096
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def train(values: dict[str, Any], out: Path) -> dict[str, Any]:
    """Run the command, and give its `metrics.json`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    file = out.parent / f"{out.name}.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    command = [sys.executable, "-m", "gristmill.cli", "train", "reward", str(file), "--out"]
    done = subprocess.run([*command, str(out)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{file}: {done.stdout}{done.stderr}")
    return json.loads((out / "metrics.json").read_text())


def spread(values: list[float], digits: int = 2) -> str:
    """Mean, and the least and greatest."""
    low, high = min(values), max(values)
    return f"{np.mean(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def table(name: str, runs: list[dict[str, Any]]) -> list[str]:
    """One line for each attribute, and one for pairs, over the seeds."""
    lines = []
    for attribute in ATTRIBUTES:
        found = [m["validation"]["attributes"][attribute] for m in runs]
        labels = spread([f["n"] for f in found], 0)
        cells = [spread([f[key] for f in found]) for key in ("pearson", "mae", "baseline_mae")]
        lines.append(f"| {name}, {attribute} | {labels} | {' | '.join(cells)} |")
    of = [m["validation"]["pairs"] for m in runs]
    kind = "implied pairs" if of[0].get("implied") else "people's pairs"
    n, accuracy = spread([p["n"] for p in of], 0), spread([p["accuracy"] for p in of])
    ends = ", ".join(f"{p['low']:.2f} to {p['high']:.2f}" for p in of)
    lines.append(f"| {name}, {kind} right | {n} | {accuracy}; 95 %: {ends} | | |")
    lengths = [m["validation"]["length_bias"] for m in runs]
    alone = spread([found["quality_spearman"] for found in lengths])
    lines.append(f"| {name}, rank correlation of labels with mere length | | {alone} | | |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="where to keep the runs; by default nowhere")
    options = parser.parse_args()
    data = shared_data()
    if not data.is_dir():
        raise SystemExit(f"no shared data at {data}; set GRISTMILL_DATA")
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        out = (options.out or Path(scratch)).resolve()
        long = f"hf:{long_model(out / 'long')}"
        both = {"loss": "both", "pairs": "scaled"}
        jobs = {
            "tiny:base, ratings": config("tiny:base", ratings(data)),
            "random 4,096, ratings": config(long, ratings(data)),
            "random 4,096, both": config(long, [*ratings(data), *pairs(data)], **both),
        }
        print("| run | held out | Pearson, mean of seeds (range) | MAE | MAE of the mean label |")
        print("|---|---|---|---|---|")
        for number, (name, values) in enumerate(jobs.items()):
            runs = [
                train({**values, "seed": seed}, out / f"run-{number}" / f"seed-{seed}")
                for seed in range(options.seeds)
            ]
            print("\n".join(table(name, runs)), flush=True)
            used = [f"{s['used']} of {s['rows']}" for s in runs[0]["sources"]]
            print(f"| {name}: rows used {', '.join(used)}; refused {runs[0]['refused']} | | | | |")


if __name__ == "__main__":
    main()
