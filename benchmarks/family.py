"""Make the embedded tiny family by gristmill's own commands, measure it, and write its card.

    python benchmarks/family.py [--home out/tiny] [--seeds 0 1] [--install]

For each seed, on one core each: `gristmill train staged`, `run` and `train reward` on the configs
of examples/tiny, from nothing. What is there already is kept, so that it can be stopped and started
again. Then the models are measured on held-out questions. --install puts the first seed's models
and the card into the package.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from transformers import AutoTokenizer

import gristmill
from gristmill.intervals import wilson
from gristmill.nemotron import tiny_path
from gristmill.records import ATTRIBUTES
from gristmill.train.measure import pearson
from gristmill.tutor import answer, parse_question, questions
from gristmill.tutor.bench import BENCH_SECTIONS

CONFIGS = Path(__file__).parent.parent / "examples" / "tiny"
MODELS = {"base": "1-base", "instruct": "2-instruct", "reward": "4-reward"}
QUESTIONS, EACH, SEED = 500, 4, 10
"""Held-out questions, answers to each, and the seed of both."""
KEPT = 2.5
"""Correctness from which a filter would keep an answer."""
PAIRS = 1_000
"""Pairs of the bench, and questions behind the made ones."""


def commands(home: Path, seed: int) -> dict[str, list[str]]:
    """What makes one family in `home`, in order, by name."""
    base, instruct, answers, reward = (
        home / name for name in ("1-base", "2-instruct", "3-answers", "4-reward")
    )
    first = [f"stages.{n}.{kind}.seed={seed}" for n, kind in enumerate(("pretrain", "sft"))]
    first += [
        f"stages.0.pretrain.data.0.file=tutor:300000:text:seed={seed}",
        f"stages.1.sft.data.0.file=tutor:12800:chat:seed={seed}",
    ]
    second = [f"generate.{n}.model=hf:{instruct.resolve()}/model" for n in (0, 1)]
    third = [
        f"model=hf:{base.resolve()}/model",
        f"data.0.file={answers.resolve()}/data/scored.parquet",
        f"seed={seed}",
    ]
    return {
        "train staged": _command("train staged", "base-and-instruct.yaml", home, first),
        "run": _command("run", "answers.yaml", answers, [*second, f"seed={seed}"]),
        "train reward": _command("train reward", "reward.yaml", reward, third),
    }


def _command(name: str, config: str, out: Path, settings: Iterable[str]) -> list[str]:
    words = [sys.executable, "-m", "gristmill", *name.split(), str(CONFIGS / config)]
    return [*words, "--out", str(out), *(word for one in settings for word in ("--set", one))]


def make(home: Path, seed: int) -> None:
    """One family, on one thread; what each command took is added to `times.jsonl`."""
    home.mkdir(parents=True, exist_ok=True)
    for name, words in commands(home, seed).items():
        begun = time.monotonic()
        process = subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"})
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = {"wall": time.monotonic() - begun, "cpu": used.ru_utime + used.ru_stime}
        with (home / "times.jsonl").open("a") as out:
            out.write(json.dumps({"command": name, **took}) + "\n")
        if process.returncode:
            raise SystemExit(f"seed {seed}: `gristmill {name}` ended with {process.returncode}")


def measure(home: Path) -> dict[str, Any]:
    """Figures of the family in `home`, on held-out questions."""
    models = {name: f"hf:{(home / folder / 'model').resolve()}" for name, folder in MODELS.items()}
    sampled = rows_of(home, "sampled", models["instruct"], 0.8, EACH)
    said = scored(home, "graded", sampled, models["reward"])
    truth = np.array([[row[name] for name in ATTRIBUTES] for row in sampled])
    by_prompt: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for row, five in zip(sampled, said, strict=True):
        by_prompt[row["prompt"]].append((five[-1], row["correctness"] == 4))
    pairs = [
        right > wrong
        for each in by_prompt.values()
        for right, is_right in each
        for wrong, is_wrong in each
        if is_right and not is_wrong
    ]
    answered = zip(sampled, said, strict=True)
    kept = [row["correctness"] == 4 for row, five in answered if five[1] >= KEPT]
    best = [max(each)[1] for each in by_prompt.values()]
    return {
        "base, greedy": by_kind(rows_of(home, "base", models["base"], 0.0, 1)),
        "instruct, greedy": by_kind(rows_of(home, "greedy", models["instruct"], 0.0, 1)),
        "instruct, temperature 0.8": by_kind(sampled),
        "right over wrong": share(pairs),
        "best of 4": share(best),
        "any of 4 right": share(any(right for _, right in each) for each in by_prompt.values()),
        f"kept at correctness {KEPT}": share(five[1] >= KEPT for five in said),
        "right among the kept": share(kept),
        "pearson": {
            name: round(pearson(np.array([five[i] for five in said]), truth[:, i]) or 0.0, 4)
            for i, name in enumerate(ATTRIBUTES)
        },
        "made, right over wrong": made(home, models["reward"]),
        "bench": bench(home, models["reward"], f"tutor:{PAIRS}:bench"),
    }


def rows_of(
    home: Path, name: str, model: str, temperature: float, each: int
) -> list[dict[str, Any]]:
    """A model's answers to the held-out questions, with the tutor's labels."""
    config = {
        "name": name,
        "prompts": {"file": f"tutor:{QUESTIONS}:held-out:seed={SEED}"},
        "generate": {
            "model": model, "responses": each, "temperature": temperature, "max_tokens": 120
        },
        "judges": ["tutor"],
        "seed": SEED,
    }  # fmt: skip
    outcome = gristmill.run(config, home / "measured" / name, quiet=True)
    return pq.read_table(outcome.folder / "data" / "scored.parquet").to_pylist()


def scored(
    home: Path, name: str, rows: Sequence[dict[str, Any]], model: str
) -> list[tuple[float, ...]]:
    """The five attributes and the reward that a model gives each row."""
    asked, out = (home / "measured" / f"{name}-{part}.jsonl" for part in ("asked", "out"))
    texts = ({"prompt": row["prompt"], "response": row["response"]} for row in rows)
    asked.write_text("".join(json.dumps(row) + "\n" for row in texts))
    out.unlink(missing_ok=True)
    gristmill.score(asked, model, out, quiet=True)
    found = map(json.loads, out.read_text().splitlines())
    return [tuple(row[key] for key in (*ATTRIBUTES, "reward")) for row in found]


def made(home: Path, model: str) -> tuple[float, float, float, int]:
    """A made right answer over a made wrong one: mistakes are clean, one slip in fluent text."""
    rng = random.Random(f"made:{SEED}")
    rows = [
        {"prompt": q.text, "response": answer(q, quality, rng)}
        for q in questions(PAIRS, SEED, held_out=True)
        for quality in ("right", "wrong")
    ]
    rewards = [five[-1] for five in scored(home, "made", rows, model)]
    return share(a > b for a, b in zip(rewards[::2], rewards[1::2], strict=True))


def bench(home: Path, model: str, data: str) -> dict[str, tuple[float, float, float, int]]:
    """Accuracy in the sections of a RewardBench-shaped set, and its score, with intervals."""
    out = home / "measured" / "bench"
    gristmill.rewardbench(model, data=data, out=out, quiet=True)
    (judge,) = json.loads((out / "metrics.json").read_text())["judges"]
    judged = {
        section: sum(judge["parts"][subset]["judged"] for subset in subsets)
        for section, subsets in BENCH_SECTIONS.items()
    }
    found = {**judge["sections"], "score": judge["score"]}
    return {
        name: (round(v["score"], 4), v["low"], v["high"], judged.get(name, PAIRS))
        for name, v in found.items()
    }


def by_kind(rows: Sequence[dict[str, Any]]) -> dict[str, tuple[float, float, float, int]]:
    """The share that is right of each kind of question, and of all."""
    marks: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        question = parse_question(row["prompt"])
        assert question is not None
        for kind in (question.kind, "all"):
            marks[kind].append(row["correctness"] == 4)
    return {
        kind: share(marks[kind]) for kind in sorted(marks, key=lambda kind: (kind == "all", kind))
    }


def share(marks: Iterable[bool]) -> tuple[float, float, float, int]:
    """(share, its Wilson 95 % interval, of how many)."""
    each = list(marks)
    low, high = wilson(sum(each), len(each)) or (0.0, 1.0)
    return round(sum(each) / max(1, len(each)), 4), round(low, 4), round(high, 4), len(each)


CARD = """---
license: apache-2.0
language: en
library_name: transformers
tags: [nemotron, tutor, reward-model]
---

# gristmill's tiny family: base, instruct, reward

Three small models of the Nemotron architecture that live in one small world: the *tutor*, short
questions about numbers, lists, units and days whose truth a program knows
(`gristmill.tutor`). They let the whole loop (generate, grade, filter, train again) run and be
*measured* without a network or a GPU. They know nothing else, and are no use for anything else.

They were trained on text made by a program and on nothing else, by gristmill's own commands on the
configs in `examples/tiny`, in one run from nothing; `make tiny` does it again, with two seeds, and
writes this card. The first seed's models are these. The tokenizer is older than both: 1,024 byte
pairs learned on such text. Weights and text: Apache-2.0.

## Measured
On {questions} held-out questions (seed {seed}); sampled figures at temperature 0.8, {each} answers
to each question. An answer is right when its final answer is the true one *and* nothing in it is
false. In brackets 95 % intervals, as if answers were independent.

{tables}
Made answers are a right one and one with a single clean mistake, followed through in fluent text.
The reward that ranks is 0.3 helpfulness + 0.74 correctness + 0.46 coherence + 0.47 complexity
- 0.33 verbosity; a tie is a loss. The bench is `tutor:{pairs}:bench`.

## What held out means
A stable hash of the operation's family and its sorted operands sends about a tenth of all operand
combinations to the held-out side (`gristmill.tutor.world.is_held_out`). A held-out combination is
never asked in training, in whatever phrasing or story, and held-out sums, differences and number
pairs do not occur as steps of training answers either, right or wrong ones. Sums that every long
answer uses as steps (with a multiple of ten; of single digits) are never held out. In counting,
lists, sorting and calendar it is the question's whole set of operands that is held out: a longer
training list may contain it, and a longer chain of days may pass through the same place.
The *forms* of questions are the same on both sides: the figures say how far the models generalise
to new operands, not to new kinds of question.

## Limits
- The instruct model errs on purpose: it was tuned on few answers of mixed quality, so that a
  filter has something to find. The base knows more than it shows.
- The reward model's labels are rules (`gristmill.tutor.labels`), not people's judgement.
"""


def card(homes: Sequence[Path], figures: Sequence[dict[str, Any]]) -> str:
    """The family's card, from what was measured of each seed's."""
    names = [home.name for home in homes]
    kinds = [f"{which}: {kind}" for which in figures[0] for kind in _kinds(figures[0][which])]
    rows = [[_shown(_at(one, kind)) for one in figures] for kind in kinds]
    tables = [_table(names, rows, [kind.removesuffix(": ") for kind in kinds])]
    times = [_times(home) for home in homes]
    spent = [[f"{one[name]:.0f} min" for one in times] for name in times[0]]
    tables.append(_table(names, spent, [f"processor time of `{name}`" for name in times[0]]))
    return CARD.format(
        questions=QUESTIONS, seed=SEED, each=EACH, pairs=PAIRS, tables="\n".join(tables)
    )


def _kinds(found: Any) -> list[str]:
    return list(found) if isinstance(found, dict) else [""]


def _at(figures: dict[str, Any], name: str) -> Any:
    which, _, kind = name.partition(": ")
    found = figures[which]
    return found[kind] if isinstance(found, dict) else found


def _shown(found: Any) -> str:
    if isinstance(found, float):
        return f"{found:.3f}"
    value, low, high, n = found
    return f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f}; {n:,})"


def _table(names: Sequence[str], rows: Sequence[Sequence[str]], heads: Sequence[str]) -> str:
    lines = [f"| | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    lines += [f"| {head} | {' | '.join(row)} |" for head, row in zip(heads, rows, strict=True)]
    return "\n".join(lines) + "\n"


def _times(home: Path) -> dict[str, float]:
    """Minutes of processor time of each command, restarts added up."""
    found: dict[str, float] = defaultdict(float)
    for line in map(json.loads, (home / "times.jsonl").read_text().splitlines()):
        found[line["command"]] += line["cpu"] / 60
    return found


def install(home: Path, text: str) -> None:
    """Put a family's models and the card where the package has them."""
    for name, folder in MODELS.items():
        model = home / folder / "model"
        for file in sorted(model.iterdir()):
            if file.suffix in (".json", ".safetensors"):
                shutil.copyfile(file, tiny_path(name) / file.name)
        # One file less: the template travels inside tokenizer_config.json.
        tokenizer = AutoTokenizer.from_pretrained(model)
        tokenizer.save_pretrained(tiny_path(name), save_jinja_files=False)
    (tiny_path("base").parent / "README.md").write_text(text)


def main() -> None:
    """Make each seed's family at the same time, then measure them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--home", type=Path, default=Path("out/tiny"), help="where all is made")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--install", action="store_true", help="put them into the package")
    given = parser.parse_args()
    homes = [given.home / f"seed {seed}" for seed in given.seeds]
    with ThreadPoolExecutor(len(homes)) as pool:
        list(pool.map(make, homes, given.seeds))
    figures = [measure(home) for home in homes]
    text = card(homes, figures)
    (given.home / "README.md").write_text(text)
    print(text)
    if given.install:
        install(homes[0], text)


if __name__ == "__main__":
    main()
