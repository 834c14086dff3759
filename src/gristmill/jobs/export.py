"""`gristmill export`: prompts with what judges need, in the rows that RL trainers read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.errors import DataError, InputError
from gristmill.intake.cells import Refused
from gristmill.intake.record import PROMPT
from gristmill.intake.source import Source
from gristmill.records import Prompt, as_dicts
from gristmill.storage import write_atomically

BATCH = 1024


@dataclass(frozen=True)
class Exported:
    """rows: written. refused: rows that are no prompts, as they were named."""

    out: Path
    rows: int
    refused: list[str]


def export(source: str, trainer: str, out: str | Path) -> Exported:
    """Write every prompt of a source (a file, a folder, `tutor:200`, `hf:...`) as a trainer's row.

    trainer: `trl` (`prompt` and the facts as columns), `verl` (`data_source`, `prompt`, `ability`,
    `reward_model`, `extra_info`) or `openrlhf` (`input`, `label`). out: a `.jsonl` or `.parquet`
    file. Answers, tests, constraints and rubrics go along; where a prompt's row had none, it has
    none. Raises InputError for another trainer or ending, DataError where nothing is a prompt.
    """
    path = Path(out)
    if trainer not in _ROWS:
        raise InputError(f"--for {trainer}: write one of {', '.join(_ROWS)}")
    if path.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"{path}: name a .jsonl or a .parquet file")
    refused: list[str] = []

    def rows() -> Iterator[dict[str, Any]]:
        for found in Source(file=source).records(PROMPT):
            if isinstance(found, Refused):
                refused.append(f"{found.where}: {found.reason}: {found.detail}")
            else:
                yield _ROWS[trainer](found.prompt, _facts(found.prompt))

    written = list(rows())
    if not written:
        raise DataError(f"{source}: no row is a prompt{': ' + refused[0] if refused else ''}")
    if path.suffix == ".jsonl":
        write_atomically(path, b"".join(orjson.dumps(row) + b"\n" for row in written))
    else:
        sink = pa.BufferOutputStream()
        # A table has the columns of its first row alone, where nobody says which.
        names = list(dict.fromkeys(name for row in written for name in row))
        table = pa.table({name: [row.get(name) for row in written] for name in names})
        pq.write_table(table, sink, row_group_size=BATCH)
        write_atomically(path, sink.getvalue().to_pybytes())
    return Exported(path, len(written), refused)


def _facts(prompt: Prompt) -> dict[str, Any]:
    """What judges compare with. Constraints are JSON in a text: their keys differ by row, and a
    table has one form for each column. So is a rubric, as rows of it are read."""
    facts = {
        "answer": prompt.answer,
        "tests": prompt.tests,
        "constraints": f"[{', '.join(prompt.constraints)}]" if prompt.constraints else None,
        "rubric": orjson.dumps([c._asdict() for c in prompt.rubric]).decode()
        if prompt.rubric
        else None,
    }
    return {name: value for name, value in facts.items() if value}


def _trl(prompt: Prompt, facts: dict[str, Any]) -> dict[str, Any]:
    return {"id": prompt.id, "prompt": as_dicts(prompt.messages), **facts}


def _verl(prompt: Prompt, facts: dict[str, Any]) -> dict[str, Any]:
    # https://verl.readthedocs.io: "Prepare Data for Post-Training".
    truth = facts.pop("answer", "")
    return {
        "data_source": prompt.source.rpartition(":")[0] or prompt.source,
        "prompt": as_dicts(prompt.messages),
        "ability": prompt.category or "",
        "reward_model": {"style": "rule", "ground_truth": truth},
        "extra_info": {"id": prompt.id, "question": prompt.messages[-1].content, **facts},
    }


def _openrlhf(prompt: Prompt, facts: dict[str, Any]) -> dict[str, Any]:
    # Its --input_key and --label_key; messages need --apply_chat_template.
    label = facts.pop("answer", "")
    return {"input": as_dicts(prompt.messages), "label": label, **facts}


_ROWS: dict[str, Callable[[Prompt, dict[str, Any]], dict[str, Any]]] = {
    "trl": _trl,
    "verl": _verl,
    "openrlhf": _openrlhf,
}
