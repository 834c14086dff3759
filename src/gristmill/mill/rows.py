"""The rows of the four data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from gristmill.filters.threshold import score_of
from gristmill.intake.calls import arguments_json, with_calls
from gristmill.intake.cells import Refused
from gristmill.mill.columns import Row, schema_of
from gristmill.mill.select import Pair
from gristmill.records import (
    ATTRIBUTES,
    Decision,
    Graded,
    Message,
    Prompt,
    Response,
    Sample,
    as_dicts,
    response_id,
)

Made = tuple[Prompt, tuple[Sample, ...]]
"""What the `provenance` of a row is made of: the prompt, and the responses."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made the rows of a run. models, licences: of each entry of `generate`, and with it all
    that its rows come under; owners: the entry of each response, by its number. simulated_by: who
    played the tools in a response's steps, where a model did."""

    models: Sequence[str]
    judges: list[str]
    licences: Sequence[list[str | None]]
    seed: int
    owners: Sequence[int] = ()
    simulated_by: Callable[[Sequence[Message]], str | None] | None = None

    def extras(self, made: Iterable[Made | None]) -> frozenset[str]:
        """What the provenance of some of these needs beside what all have."""
        return frozenset({"simulated"} if any(map(self._simulated, made)) else ())

    def column(self, made: Sequence[Made | None], kind: pa.StructType) -> pa.StructArray:
        """The `provenance` column of a batch of rows; null for a row that has no prompt.

        Built column by column: most of it is the same in every row.
        """
        n, texts, more = len(made), pa.list_(pa.string()), "simulated" in kind.names
        prompts = [m and m[0] for m in made]
        if len(self.models) == 1:
            model = pa.repeat(pa.scalar(self.models[0], pa.string()), n)
            licences = pa.repeat(pa.scalar(self.licences[0], texts), n)
        else:
            whose = [m and [self.owners[sample.index] for sample in m[1]] for m in made]
            model = pa.array([by and _joined(self.models[k] for k in by) for by in whose])
            licences = pa.array([by and self._licences(by) for by in whose], texts)
        return pa.StructArray.from_arrays(
            [
                model,
                pa.repeat(pa.scalar(self.judges, texts), n),
                licences,
                pa.array([p and p.source for p in prompts], pa.string()),
                pa.repeat(pa.scalar(self.seed, pa.int64()), n),
                pa.array([p and p.parents for p in prompts], texts),
                *([pa.array(map(self._simulated, made), pa.string())] if more else ()),
            ],
            fields=list(kind),
            mask=pa.array([m is None for m in made]),
        )

    def _simulated(self, made: Made | None) -> str | None:
        if self.simulated_by is None or made is None:
            return None
        return self.simulated_by([step for s in made[1] if s.response for step in s.response.steps])

    def _licences(self, by: Sequence[int]) -> list[str | None]:
        return list(dict.fromkeys(licence for k in by for licence in self.licences[k]))


def _joined(models: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(models))


def prompt_text(prompt: Prompt) -> str:
    """The prompt as HelpSteer2 writes it: one turn plain, several with `<extra_id_1>` between.

    A system message goes first, as its own paragraph. Tool calls stand in their turn as Hermes
    writes them.
    """
    parts = []
    begun = False
    for message in prompt.messages:
        if message.role == "system":
            parts.append(f"{message.content}\n\n" if message.content else "")
            continue
        said = with_calls(message)
        if not begun and message.role == "user":
            parts.append(said)
        else:
            parts.append(f"\n<extra_id_1>{message.role.capitalize()}\n{said}")
        begun = True
    return "".join(parts)


def table(rows: Sequence[Row], name: str, more: frozenset[str], origin: Origin) -> pa.Table:
    """A batch of rows of a data set as one table, with the columns of `more` (`columns.extras`)."""
    # Arrow makes no JSON cell of Python's values, but casts texts to it.
    schema = schema_of(name, more, pa.string())
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        if field.name == "provenance":
            columns.append(origin.column(values, field.type))
        else:
            columns.append(pa.array(values, field.type))
    made = pa.Table.from_arrays(columns, schema=schema)
    return made.cast(schema_of(name, more)) if more else made


def sft_row(graded: Graded, sample: Sample, thoughts: bool = True) -> Row:
    """A conversation to fine-tune on; with its thoughts or without."""
    assert sample.response is not None
    return {
        "messages": turns((*graded.prompt.messages, *sample.response.turns), thoughts),
        **_tools(graded.prompt),
        "reward": score_of(sample.verdicts, "reward"),
        "prompt_id": graded.prompt.id,
        "response_id": response_id(graded.prompt.id, sample.index),
        "provenance": (graded.prompt, (sample,)),
    }


def preference_row(graded: Graded, pair: Pair, thoughts: bool = True) -> dict[str, Any]:
    """Chosen and rejected for one prompt, as message lists; with their thoughts or without."""
    assert pair.chosen.response is not None
    assert pair.rejected.response is not None
    return {
        "prompt": turns(graded.prompt.messages, thoughts),
        "chosen": turns(pair.chosen.response.turns, thoughts),
        "rejected": turns(pair.rejected.response.turns, thoughts),
        **_tools(graded.prompt),
        "chosen_score": pair.chosen_score,
        "rejected_score": pair.rejected_score,
        "prompt_id": graded.prompt.id,
        "chosen_id": response_id(graded.prompt.id, pair.chosen.index),
        "rejected_id": response_id(graded.prompt.id, pair.rejected.index),
        "provenance": (graded.prompt, (pair.chosen, pair.rejected)),
    }


def turns(messages: Iterable[Message], thoughts: bool) -> list[dict[str, Any]]:
    """Messages as a data set has them: `as_dicts`, arguments as JSON, `weight` 0 where a turn is
    not to be learned."""
    return [
        {"role": m.role, "content": m.content} if m.plain and m.learned else _turn(m, thoughts)
        for m in messages
    ]


def _turn(message: Message, thoughts: bool) -> dict[str, Any]:
    (said,) = as_dicts((message,))
    if not thoughts:
        said.pop("reasoning_content", None)
    for made, call in zip(said.get("tool_calls", ()), message.tool_calls, strict=True):
        made["function"]["arguments"] = arguments_json(call)
    return said if message.learned else {**said, "weight": 0}


def _tools(prompt: Prompt) -> dict[str, str]:
    return {"tools": prompt.tools} if prompt.tools else {}


def scored_row(graded: Graded, sample: Sample, text: str, kept: bool) -> Row:
    """A graded response in HelpSteer2's columns; attributes as floats."""
    assert sample.response is not None
    return {
        "prompt": text,
        "response": sample.response.text,
        **_beside(sample.response),
        **_scores(sample),
        "prompt_id": graded.prompt.id,
        "response_id": response_id(graded.prompt.id, sample.index),
        "kept": kept,
        "provenance": (graded.prompt, (sample,)),
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
        **(_beside(sample.response) if sample.response else {}),
        **_scores(sample),
        "source": graded.prompt.source,
        "provenance": (graded.prompt, (sample,)),
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


def _beside(response: Response) -> dict[str, str]:
    """What there is beside the answer's text: the thought, tool calls and steps as JSON."""
    if not (response.reasoning or response.tool_calls or response.steps):
        return {}
    (said,) = as_dicts((response.message,))
    found = {"reasoning": response.reasoning} if response.reasoning else {}
    if response.tool_calls:
        found["tool_calls"] = orjson.dumps(said["tool_calls"]).decode()
    if response.steps:
        steps = as_dicts(response.steps)
        for made, step in zip(steps, response.steps, strict=True):
            for one, call in zip(made.get("tool_calls", ()), step.tool_calls, strict=True):
                one["function"]["arguments"] = call.arguments  # to the letter, for whoever reads on
        found["steps"] = orjson.dumps(steps).decode()
    return found


def _judgements(sample: Sample) -> list[dict[str, Any]] | None:
    """What each judge said; None where one judge gave a reward and no reasons: it is there.

    A judge that embeds says nothing: alone it leaves the list empty, and beside others it keeps
    its place in their order.
    """
    if len(sample.verdicts) == 1 and not (sample.verdicts[0].detail or sample.verdicts[0].vector):
        return None
    if sample.failure is None and all(v.vector for v in sample.verdicts):
        return []
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
