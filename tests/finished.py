"""Folders of finished runs, as the mill writes them, made of invented but lifelike numbers."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
WEIGHTS = np.array([0.3, 0.74, 0.46, 0.47, -0.33])
TEXTS = pa.list_(pa.string())
PROVENANCE = pa.struct(
    {
        "model": pa.string(),
        "judges": TEXTS,
        "licences": TEXTS,
        "recipe": pa.string(),
        "seed": pa.int64(),
        "parents": TEXTS,
    }
)
TURNS = pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))
SCORES = {name: pa.float32() for name in ATTRIBUTES} | {"reward": pa.float64()}
IDS = {"prompt_id": pa.string(), "response_id": pa.string()}
SCHEMAS = {
    "scored": {"prompt": pa.string(), "response": pa.string()}
    | SCORES | IDS | {"kept": pa.bool_(), "provenance": PROVENANCE},
    "rejected": {"reason": pa.string(), "detail": pa.string()} | IDS
    | {"prompt": pa.string(), "response": pa.string()} | SCORES
    | {"source": pa.string(), "provenance": PROVENANCE},
    "sft": {"messages": TURNS} | IDS | {"reward": pa.float64(), "provenance": PROVENANCE},
    "preference": {
        "prompt": TURNS, "chosen": TURNS, "rejected": TURNS,
        "chosen_score": pa.float64(), "rejected_score": pa.float64(), "provenance": PROVENANCE,
    },
}  # fmt: skip
ORIGIN = {
    "model": "tiny:instruct",
    "judges": ["tiny:reward"],
    "licences": ["Apache-2.0"],
    "recipe": "prompts.jsonl",
    "seed": 0,
    "parents": [],
}
CONFIG: dict[str, Any] = {
    "name": "support-bot",
    "prompts": [{"file": "prompts.jsonl"}],
    "generate": {"model": "tiny:instruct", "responses": 4, "temperature": 0.8, "concurrency": 64},
    "judges": [{"reward": {"model": "tiny:reward", "weights": dict(zip(ATTRIBUTES, WEIGHTS.tolist(), strict=True))}}],  # noqa: E501
    "keep": [
        {"threshold": {"correctness": 2.5, "helpfulness": {"min": 2.0}, "verbosity": {"max": 3.6}}},
        {"dedup": {}},
    ],
    "select": {"best": 1, "min_gap": 0.25},
    "export": ["sft", "preference", "scored"],
    "seed": 0,
    "target": None,
    "budget": {"requests": None, "tokens": None, "usd": None},
    "identity": {"seed": 0},
    "hashes": {"identity": "5b1c2f7a90d34e8b", "config": "8a44e01bd7c6f293"},
    "versions": {"gristmill": "0.1.0", "python": "3.11.9", "pyarrow": "26.0.1"},
}  # fmt: skip


def question(rng: random.Random) -> tuple[str, int]:
    """A small question of the kind that the embedded family answers."""
    a, b = rng.randint(3, 88), rng.randint(3, 67)
    who, thing = rng.choice(["Mia", "Tom", "Ada", "Leo"]), rng.choice(["apples", "coins", "cards"])
    asked = rng.choice(
        [
            f"What is {a} plus {b}?",
            f"{who} has {a} {thing} and gets {b} more. How many {thing} does {who} have now?",
            f"Work out {a} plus {b}.",
        ]
    )
    return asked, a + b


def answer(rng: random.Random, right: bool, total: int) -> str:
    said = total if right else total + rng.choice([-10, -2, -1, 1, 2, 10, 20])
    style = rng.choice(
        ["The answer is {}.", "That makes {} in all.", "Let us add step by step.\n{}"]
    )
    return style.format(said) + (" So it is so it is so it is." * 4 if rng.random() < 0.06 else "")


def rows_of(prompts: int, responses: int, seed: int = 0) -> list[dict[str, Any]]:
    """Scored responses whose scores go with a hidden right or wrong."""
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    rows = []
    for i in range(prompts):
        asked, total = question(rng)
        for j in range(responses):
            right = rng.random() < 0.62
            centre = [3.1, 3.3, 3.4, 1.6, 1.5] if right else [1.5, 1.1, 2.7, 1.4, 1.8]
            scores = np.clip(noise.normal(centre, [0.5, 0.65, 0.4, 0.35, 0.6]), -0.2, 4.3)
            rows.append(
                {
                    "prompt": asked,
                    "response": answer(rng, right, total),
                    **dict(zip(ATTRIBUTES, scores.tolist(), strict=True)),
                    "reward": float(scores @ WEIGHTS),
                    "prompt_id": f"{i:016x}",
                    "response_id": f"{i:016x}.{j}",
                    "provenance": ORIGIN,
                    "right": right,
                }
            )
    return rows


def decide(row: dict[str, Any], seen: set[str]) -> str:
    key = row["prompt"] + "\0" + row["response"]
    if row["correctness"] < 2.5:
        return "threshold:correctness"
    if row["helpfulness"] < 2.0:
        return "threshold:helpfulness"
    if row["verbosity"] > 3.6:
        return "threshold:verbosity"
    if key in seen:
        return "dedup"
    seen.add(key)
    return ""


def tables_of(rows: list[dict[str, Any]], min_gap: float = 0.25) -> dict[str, list[dict[str, Any]]]:
    """The four data sets that a run makes of scored rows."""
    seen: set[str] = set()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}
    by_prompt: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        reason = decide(row, seen)
        found["scored"].append({**row, "kept": not reason})
        by_prompt.setdefault(row["prompt_id"], []).append(found["scored"][-1])
        if reason:
            found["rejected"].append({**row, "reason": reason, "source": "prompts.jsonl"})
    for group in by_prompt.values():
        kept = sorted((r for r in group if r["kept"]), key=lambda r: -r["reward"])
        worst = min(group, key=lambda r: r["reward"])
        if not kept:
            continue
        best, asked = kept[0], {"role": "user", "content": group[0]["prompt"]}
        said, other = ({"role": "assistant", "content": r["response"]} for r in (best, worst))
        found["sft"].append({**best, "messages": [asked, said]})
        if best["reward"] - worst["reward"] >= min_gap:
            found["preference"].append(
                {
                    "prompt": [asked], "chosen": [said], "rejected": [other],
                    "chosen_score": best["reward"], "rejected_score": worst["reward"],
                    "provenance": ORIGIN,
                }
            )  # fmt: skip
    return found


def failed(count: int, kind: str, start: int = 0) -> list[dict[str, Any]]:
    """Rejected rows of calls that failed."""
    return [
        {
            "reason": f"error:{kind}",
            "detail": f"tiny:instruct: no reply within 120 s ({kind})",
            "prompt_id": f"{start + i:016x}",
            "response_id": f"{start + i:016x}.0",
            "prompt": "What is 3 plus 4?",
            "source": "prompts.jsonl",
            "provenance": {**ORIGIN, "judges": []},
        }
        for i in range(count)
    ]


def metrics_of(tables: dict[str, list[dict[str, Any]]], prompts: int) -> dict[str, Any]:
    reasons = Counter(row["reason"] for row in tables["rejected"])
    bad = sum(n for r, n in reasons.items() if r.startswith("input:"))
    errors = {r.split(":")[1]: n for r, n in reasons.items() if r.startswith("error:")}
    scored = tables["scored"]
    kept = [row for row in scored if row["kept"]]
    known = bool(kept) and "right" in kept[0]
    return {
        "name": "support-bot",
        "status": "complete",
        "prompts": {
            "read": prompts + bad, "bad_input": bad, "duplicates": 0, "finished": prompts,
            "accepted": len(tables["sft"]), "rejected": prompts - len(tables["sft"]),
            "target": None,
        },
        "responses": {
            "sampled": len(scored) + errors.get("bad_reply", 0), "scored": len(scored),
            "kept": len(kept), "failed": sum(errors.values()),
        },
        "reasons": dict(reasons),
        "rows": {name: len(rows) for name, rows in tables.items()},
        "requests": {"sent": 2 * len(scored) + 31, "retries": 19, "failures": errors},
        "tokens": {"prompt": 18 * len(scored), "completion": 12 * len(scored),
                   "judge": 33 * len(scored)},
        "cost_usd": 0.42,
        "seconds": 47.3,
        "truth": {
            "right_before": sum(r["right"] for r in scored) / len(scored),
            "right_after": sum(r["right"] for r in kept) / len(kept),
            "sampled": len(scored), "kept": len(kept),
        } if known else None,
        "versions": {"gristmill": "0.1.0", "python": "3.11.9", "torch": "2.13.0"},
    }  # fmt: skip


Writer = Callable[..., Path]


def write_run(
    folder: Path,
    tables: dict[str, list[dict[str, Any]]],
    metrics: dict[str, Any],
    config: dict[str, Any] | None = None,
) -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        table = pa.Table.from_pylist(rows, pa.schema(list(SCHEMAS[name].items())))
        with pq.ParquetWriter(folder / "data" / f"{name}.parquet", table.schema) as writer:
            # As the mill writes it: no row group where there is no row.
            for start in range(0, len(rows), 300):
                writer.write_table(table.slice(start, 300))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "run.yaml").write_text(yaml.safe_dump(config or CONFIG, sort_keys=False))
    return folder


def normal_run(folder: Path) -> Path:
    """200 prompts, 4 responses each, some calls failed, one bad line."""
    rows = rows_of(200, 4)
    tables = tables_of(rows)
    tables["rejected"] += failed(3, "timeout") + failed(1, "bad_reply", 7)
    tables["rejected"].append(
        {"reason": "input:bad_json", "detail": "prompts.jsonl:17: unexpected end of data: line 1",
         "prompt": '{"prompt": "What is 12 pl', "source": "prompts.jsonl:17"}
    )  # fmt: skip
    return write_run(folder, tables, metrics_of(tables, 200))


def small_run(folder: Path) -> Path:
    """Three scored responses to one prompt."""
    tables = tables_of(rows_of(1, 3, seed=4))
    return write_run(folder, tables, metrics_of(tables, 1) | {"cost_usd": None, "seconds": 1.84})


def nothing_kept(folder: Path) -> Path:
    """Everything was scored, nothing passed; the budget ended it."""
    rows = rows_of(40, 4, seed=2)
    for row in rows:
        row["correctness"] = min(row["correctness"], 2.4)
    tables = tables_of(rows)
    metrics = metrics_of(tables, 40) | {"status": "budget", "cost_usd": 25.01, "seconds": 7412.0}
    return write_run(folder, tables, metrics)


def all_failed(folder: Path) -> Path:
    """The server was down: no response, no score, nothing exported."""
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in SCHEMAS}
    tables["rejected"] = failed(160, "connection") + failed(12, "timeout", 200)
    metrics = metrics_of(tables, 43) | {"status": "complete", "seconds": 610.0, "cost_usd": 0.0}
    metrics["responses"]["sampled"] = 0
    return write_run(folder, tables, metrics)


RUNS = {"normal": normal_run, "small": small_run, "none": nothing_kept, "failed": all_failed}
