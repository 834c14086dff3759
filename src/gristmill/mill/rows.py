"""The rows of the four data sets, and their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from gristmill.filters.threshold import score_of
from gristmill.intake.cells import Refused
from gristmill.mill.select import Pair
from gristmill.records import ATTRIBUTES, Decision, Graded, Prompt, Sample, as_dicts, response_id

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
JUDGEMENTS = pa.list_(
    pa.struct(
        [
            ("judge", pa.string()),
            ("model", pa.string()),
            ("reward", pa.float64()),
            ("detail", pa.string()),
        ]
    )
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
            ("judgements", JUDGEMENTS),
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
            ("judgements", JUDGEMENTS),
        ]
    ),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """What every row of a run shares: models, licences and seed that made it."""

    model: str
    judges: list[str]
    licences: list[str | None]
    seed: int

    def column(self, prompts: Sequence[Prompt | None]) -> pa.StructArray:
        """The `provenance` column of a batch of rows; null for a row that has no prompt.

        Built column by column: most of it is the same in every row.
        """
        n = len(prompts)

        def same(values: Sequence[str | None]) -> pa.Array:
            return pa.repeat(pa.scalar(values, pa.list_(pa.string())), n)

        return pa.StructArray.from_arrays(
            [
                pa.repeat(pa.scalar(self.model, pa.string()), n),
                same(self.judges),
                same(self.licences),
                pa.array([p and p.source for p in prompts], pa.string()),
                pa.repeat(pa.scalar(self.seed, pa.int64()), n),
                pa.array([p and p.parents for p in prompts], pa.list_(pa.string())),
            ],
            fields=list(PROVENANCE),
            mask=pa.array([p is None for p in prompts]),
        )


def prompt_text(prompt: Prompt) -> str:
    """The prompt as HelpSteer2 writes it: one turn plain, several with `<extra_id_1>` between.

    A system message goes first, as its own paragraph.
    """
    parts = []
    begun = False
    for message in prompt.messages:
        if message.role == "system":
            parts.append(f"{message.content}\n\n" if message.content else "")
            continue
        if not begun and message.role == "user":
            parts.append(message.content)
        else:
            parts.append(f"\n<extra_id_1>{message.role.capitalize()}\n{message.content}")
        begun = True
    return "".join(parts)


Row = Mapping[str, Any]
"""A value for each column of a schema; `provenance` holds the prompt, absent columns are null."""


def table(rows: Sequence[Row], schema: pa.Schema, origin: Origin) -> pa.Table:
    """A batch of rows as one table."""
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        if field.name == "provenance":
            columns.append(origin.column(values))
        else:
            columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def sft_row(graded: Graded, sample: Sample) -> Row:
    """A conversation to fine-tune on."""
    assert sample.response is not None
    answer = {"role": "assistant", "content": sample.response.text}
    return {
        "messages": [*as_dicts(graded.prompt.messages), answer],
        "reward": score_of(sample.verdicts, "reward"),
        "prompt_id": graded.prompt.id,
        "response_id": response_id(graded.prompt.id, sample.index),
        "provenance": graded.prompt,
    }


def preference_row(graded: Graded, pair: Pair) -> Row:
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
        "provenance": graded.prompt,
    }


def scored_row(graded: Graded, sample: Sample, text: str, kept: bool) -> Row:
    """A graded response in HelpSteer2's columns; attributes as floats."""
    assert sample.response is not None
    return {
        "prompt": text,
        "response": sample.response.text,
        **_scores(sample),
        "prompt_id": graded.prompt.id,
        "response_id": response_id(graded.prompt.id, sample.index),
        "kept": kept,
        "provenance": graded.prompt,
        "judgements": _judgements(sample),
    }


def rejected_row(graded: Graded, sample: Sample, text: str, decision: Decision) -> Row:
    """A response that was put aside, or the failure in its place, with all that is known."""
    return {
        "reason": decision.reason,
        "detail": decision.evidence or None,
        "prompt_id": graded.prompt.id,
        "response_id": response_id(graded.prompt.id, sample.index),
        "prompt": text,
        "response": sample.response.text if sample.response else None,
        **_scores(sample),
        "source": graded.prompt.source,
        "provenance": graded.prompt,
        "judgements": _judgements(sample),
    }


def bad_line_row(line: Refused) -> Row:
    """A line of the input that is no prompt."""
    return {
        "reason": line.reason,
        "detail": f"{line.where}: {line.detail}",
        "prompt": line.text,
        "source": line.where,
    }


def _judgements(sample: Sample) -> list[dict[str, Any]] | None:
    """What each judge said; None where one judge gave a reward and no reasons: it is there.

    A judge that embeds says nothing: alone it leaves the list empty, and beside others it keeps
    its place in their order.
    """
    if sample.failure is None and all(v.vector for v in sample.verdicts):
        return []
    if len(sample.verdicts) == 1 and not sample.verdicts[0].detail:
        return None
    return [
        {"judge": v.judge, "model": v.model, "reward": v.reward, "detail": v.detail or None}
        for v in sample.verdicts
    ]


def _scores(sample: Sample) -> dict[str, float | None]:
    verdicts = sample.verdicts
    if len(verdicts) == 1 and (only := verdicts[0].attributes) is not None:
        scores: dict[str, float | None] = dict(zip(ATTRIBUTES, only, strict=True))
        scores["reward"] = verdicts[0].reward
        return scores
    return {name: score_of(verdicts, name) for name in (*ATTRIBUTES, "reward")}
