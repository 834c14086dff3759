"""The rows of the four data sets, and their columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from gristmill.filters import Pair
from gristmill.filters.threshold import score_of
from gristmill.mill.source import BadLine
from gristmill.records import ATTRIBUTES, Graded, Prompt, Sample, as_dicts, response_id

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
PROVENANCE = pa.struct(
    [
        ("model", pa.string()),
        ("judges", pa.list_(pa.string())),
        ("licences", pa.list_(pa.string())),
        ("recipe", pa.string()),
        ("seed", pa.int64()),
        ("parents", pa.list_(pa.string())),
    ]
)
_SCORES = [(name, pa.float32()) for name in ATTRIBUTES] + [("reward", pa.float64())]
_IDS = [("prompt_id", pa.string()), ("response_id", pa.string())]

SCHEMAS = {
    "sft": pa.schema(
        [("messages", MESSAGES), ("reward", pa.float64()), *_IDS, ("provenance", PROVENANCE)]
    ),
    "preference": pa.schema(
        [
            ("prompt", MESSAGES),
            ("chosen", MESSAGES),
            ("rejected", MESSAGES),
            ("chosen_score", pa.float64()),
            ("rejected_score", pa.float64()),
            ("prompt_id", pa.string()),
            ("chosen_id", pa.string()),
            ("rejected_id", pa.string()),
            ("provenance", PROVENANCE),
        ]
    ),
    "scored": pa.schema(
        [
            ("prompt", pa.string()),
            ("response", pa.string()),
            *_SCORES,
            *_IDS,
            ("kept", pa.bool_()),
            ("provenance", PROVENANCE),
        ]
    ),
    "rejected": pa.schema(
        [
            ("reason", pa.string()),
            ("detail", pa.string()),
            *_IDS,
            ("prompt", pa.string()),
            ("response", pa.string()),
            *_SCORES,
            ("source", pa.string()),
            ("provenance", PROVENANCE),
        ]
    ),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """What every row of a run shares."""

    model: str
    judges: list[str]
    licences: list[str]
    seed: int


def provenance(origin: Origin, prompt: Prompt) -> dict[str, Any]:
    """Which models, licences, recipe and seed made a row, and from what."""
    return {
        "model": origin.model,
        "judges": origin.judges,
        "licences": origin.licences,
        "recipe": prompt.source,
        "seed": origin.seed,
        "parents": list(prompt.parents),
    }


def prompt_text(prompt: Prompt) -> str:
    """The prompt as HelpSteer2 writes it: one turn plain, several with `<extra_id_1>` between.

    A system message goes first, as its own paragraph.
    """
    parts = []
    for message in prompt.messages:
        if message.role == "system":
            parts.append(f"{message.content}\n\n" if message.content else "")
        elif not any(parts[1:]) and message.role == "user" and len(parts) <= 1:
            parts.append(message.content)
        else:
            parts.append(f"\n<extra_id_1>{message.role.capitalize()}\n{message.content}")
    return "".join(parts)


def sft_row(graded: Graded, sample: Sample, origin: dict[str, Any]) -> dict[str, Any]:
    """A conversation to fine-tune on."""
    assert sample.response is not None
    answer = {"role": "assistant", "content": sample.response.text}
    return {
        "messages": [*as_dicts(graded.prompt.messages), answer],
        "reward": score_of(sample.verdicts, "reward"),
        "prompt_id": graded.prompt.id,
        "response_id": response_id(graded.prompt.id, sample.index),
        "provenance": origin,
    }


def preference_row(graded: Graded, pair: Pair, origin: dict[str, Any]) -> dict[str, Any]:
    """Chosen and rejected for one prompt, as message lists."""
    assert pair.chosen.response is not None
    assert pair.rejected.response is not None
    return {
        "prompt": as_dicts(graded.prompt.messages),
        "chosen": [{"role": "assistant", "content": pair.chosen.response.text}],
        "rejected": [{"role": "assistant", "content": pair.rejected.response.text}],
        "chosen_score": pair.chosen_score,
        "rejected_score": pair.rejected_score,
        "prompt_id": graded.prompt.id,
        "chosen_id": response_id(graded.prompt.id, pair.chosen.index),
        "rejected_id": response_id(graded.prompt.id, pair.rejected.index),
        "provenance": origin,
    }


def scored_row(
    graded: Graded, sample: Sample, text: str, kept: bool, origin: dict[str, Any]
) -> dict[str, Any]:
    """A graded response in HelpSteer2's columns; attributes as floats."""
    assert sample.response is not None
    return {
        "prompt": text,
        "response": sample.response.text,
        **_scores(sample),
        "prompt_id": graded.prompt.id,
        "response_id": response_id(graded.prompt.id, sample.index),
        "kept": kept,
        "provenance": origin,
    }


def rejected_row(
    graded: Graded, sample: Sample, text: str, reason: str, origin: dict[str, Any]
) -> dict[str, Any]:
    """A response that was put aside, or the failure in its place, with all that is known."""
    return {
        "reason": reason,
        "detail": sample.failure.message if sample.failure else None,
        "prompt_id": graded.prompt.id,
        "response_id": response_id(graded.prompt.id, sample.index),
        "prompt": text,
        "response": sample.response.text if sample.response else None,
        **_scores(sample),
        "source": graded.prompt.source,
        "provenance": origin,
    }


def bad_line_row(line: BadLine) -> dict[str, Any]:
    """A line of the input that is no prompt."""
    return {
        "reason": line.reason,
        "detail": f"{line.where}: {line.detail}",
        "prompt": line.text,
        "source": line.where,
    }


def _scores(sample: Sample) -> dict[str, float | None]:
    verdicts = sample.verdicts
    if len(verdicts) == 1 and (only := verdicts[0].attributes) is not None:
        scores: dict[str, float | None] = dict(zip(ATTRIBUTES, only, strict=True))
        scores["reward"] = verdicts[0].reward
        return scores
    return {name: score_of(verdicts, name) for name in (*ATTRIBUTES, "reward")}
