"""The responses of a mill's run, read back from its data sets, with what the truth says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from gristmill.errors import CheckpointError, DataError
from gristmill.flywheel.truth import Truth
from gristmill.intake.calls import calls_of
from gristmill.intake.turns import messages_of
from gristmill.records import Prompt, Response
from gristmill.storage import tables


@dataclass(frozen=True, slots=True)
class Answer:
    """One response. index: which of its prompt's. right: None where nobody knows the truth.
    reward: None where no judge gave one."""

    prompt: Prompt
    index: int
    response: Response
    right: bool | None
    reward: float | None

    @property
    def response_id(self) -> str:
        """As the mill's data sets have it."""
        return f"{self.prompt.id}.{self.index}"


def answers(mill: Path, prompts: Mapping[str, Prompt], truth: Truth | None) -> list[Answer]:
    """Every response that there is of a run, in the order of the prompts, kept or not.

    Also those that no judge could grade; those beyond a `target` are left out, since how many
    there are is chance. Raises CheckpointError where the data are not what the mill wrote.
    """
    found: dict[tuple[str, int], Answer] = {}
    for row in _rows(mill / "data"):
        prompt = prompts.get(row["prompt_id"])
        if prompt is None:
            raise CheckpointError(
                f"{mill}: holds a response to '{row['prompt_id']}', which is no prompt of this "
                "round; name another folder with --out"
            )
        index = int(row["response_id"].rpartition(".")[2])
        response = Response(
            row["response"],
            model="",
            reasoning=row.get("reasoning") or "",
            tool_calls=calls_of(row.get("tool_calls"), "tool_calls"),
            steps=messages_of(row["steps"], "steps") if row.get("steps") else (),
        )
        answer = Answer(prompt, index, response, None, row["reward"])
        found.setdefault((prompt.id, index), answer)
    order = {name: place for place, name in enumerate(prompts)}
    told = sorted(found.values(), key=lambda a: (order[a.prompt.id], a.index))
    if truth is None:
        return told
    known = truth([(answer.prompt, answer.response) for answer in told])
    return [replace(a, right=right) for a, right in zip(told, known, strict=True)]


def texts(mill: Path) -> dict[tuple[str, int], str]:
    """What a run's responses say, by prompt's id and index; of calls alone their JSON."""
    return {
        (row["prompt_id"], int(row["response_id"].rpartition(".")[2])): (
            row["response"] if row["response"].strip() else str(row.get("tool_calls") or "")
        )
        for row in _rows(mill / "data")
    }


def _rows(data: Path) -> list[dict[str, Any]]:
    """Scored first: `rejected` holds some of the same, and those that were not graded."""
    scored, sft = data / "scored.parquet", data / "sft.parquet"
    try:
        names = ["prompt_id", "response_id"]
        if tables.parts_of(scored):
            rows = _columns(scored, [*names, "response", "reward"])
        else:
            rows = [_last(row) for row in _columns(sft, [*names, "messages"])]
        put_aside = [*names, "response", "reward", "reason"]
        rejected = _columns(data / "rejected.parquet", put_aside)
    except (OSError, DataError, pa.ArrowException) as error:
        cause = " ".join(str(error).split())[:160]
        raise CheckpointError(
            f"{data}: not the mill's files ({cause}); delete the round's figures.json and run again"
        ) from None
    said = (row for row in rejected if row["response"] is not None and row["response_id"])
    return rows + [row for row in said if row["reason"] != "over_target"]


def _columns(file: Path, names: list[str]) -> list[dict[str, Any]]:
    """Columns of a file, and those of what only some responses have, where it has them."""
    beside = {"reasoning", "tool_calls"} & set(tables.columns_of(file))
    return tables.read_table(file, [*names, *sorted(beside)]).to_pylist()


def _last(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `sft` as `scored` would have it."""
    said = row["messages"][-1]
    beside = {"reasoning": said.get("reasoning_content"), "tool_calls": said.get("tool_calls")}
    return {**row, "response": said["content"], "reward": None, **beside}
