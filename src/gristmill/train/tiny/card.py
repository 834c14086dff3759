"""The model card, written from measured figures alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_HEAD = """---
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

They were trained on text made by a program (`gristmill.train.tiny`; `make tiny` makes
them again) and on nothing else. Weights and text: Apache-2.0.
"""

_HELD_OUT = """
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
- One seed of one recipe each; the figures would move by a few points with another. The standard
  error of a share over {questions} questions is up to {error:.1f} points (answers to one question
  go together, so more answers help little).
- The instruct model errs on purpose: it was tuned on few answers of mixed quality, so that a
  filter has something to find. The base knows more than it shows.
- The reward model's labels are rules (`gristmill.tutor.labels`), not people's judgement.
- Training is bounded by wall time, so another machine sees another number of tokens.
"""


def last_line(log: Path) -> dict[str, Any]:
    """The last entry of a training log."""
    return json.loads(log.read_text().splitlines()[-1])


def card(figures: dict[str, Any], note: str = "") -> str:
    """The model card's text for what `evaluate` measured, with `training` logs added.

    `note` is said after the training table: what a reader must know of this one
    run, such as a change made on the way.
    """
    questions, each = figures["questions"], figures["answers_each"]
    error = 50 / questions**0.5
    return "\n".join(
        [
            _HEAD,
            "## Measured",
            f"On {questions} held-out questions (seed {figures['seed']}); sampled figures at "
            f"temperature 0.8, {each} answers to each question. An answer is right when its final "
            "answer is the true one *and* nothing in it is false.",
            "",
            _accuracy(figures),
            _reward(figures),
            _training(figures["training"]),
            note.strip(),
            _HELD_OUT.format(questions=questions, error=error),
        ]
    )


def percent(share: float) -> str:
    """A share as per cent with one decimal."""
    return f"{100 * share:.1f} %"


def _accuracy(figures: dict[str, Any]) -> str:
    columns = ("base_greedy", "instruct_greedy", "instruct_t08")
    lines = [
        "| questions | base, greedy | instruct, greedy | instruct, temperature 0.8 |",
        "|---|---|---|---|",
    ]
    for kind in figures["base_greedy"]:
        cells = " | ".join(percent(figures[c].get(kind, 0.0)) for c in columns)
        lines.append(f"| {kind} | {cells} |")
    return "\n".join(lines) + "\n"


def _reward(figures: dict[str, Any]) -> str:
    sampled = figures["instruct_t08"]["all"]
    lines = [
        "## The reward model, on the instruct model's own held-out answers",
        f"- It scores the right answer above the wrong one in **{percent(figures['pair_accuracy'])}"
        f"** of {figures['pairs']} pairs of answers to the same question (a tie is a loss), by the "
        "scalar 0.3 helpfulness + 0.74 correctness + 0.46 coherence + 0.47 complexity "
        "- 0.33 verbosity.",
        f"- On made answers, a right one against one with a single clean mistake, followed through "
        f"in fluent text: only {percent(figures['made_pair_accuracy'])}. It knows the instruct "
        "model's mistakes much better than a careful forger's.",
        f"- Best of {figures['answers_each']} by that scalar: {percent(figures['best_of'])} right, "
        f"against {percent(sampled)} sampled ({percent(figures['any_right'])} if the best were "
        "always found).",
        f"- Keeping what it gives correctness 2.5 or more: {percent(figures['kept_share'])} kept, "
        f"of which {percent(figures['kept_right'])} right.",
        "",
        "| attribute | Pearson with the rules | mean label | deviation |",
        "|---|---|---|---|",
    ]
    for name, r in figures["pearson"].items():
        mean, deviation = figures["label_mean"][name], figures["label_deviation"][name]
        lines.append(f"| {name} | {r:.3f} | {mean:.2f} | {deviation:.2f} |")
    return "\n".join(lines) + "\n"


def _training(training: dict[str, Any]) -> str:
    lines = ["## Training", "| stage | steps | tokens | wall time |", "|---|---|---|---|"]
    for name, line in training.items():
        tokens, minutes = line["tokens"] / 1e6, line["seconds"] / 60
        lines.append(f"| {name} | {line['step']} | {tokens:.1f} M | {minutes:.1f} min |")
    return "\n".join(lines) + "\n"
