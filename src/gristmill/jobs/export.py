"""`gristmill export`: prompts with what judges need, in the rows that RL trainers read; a run's
data sets as JSON lines; and conversations as OpenAI and Hermes have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.errors import DataError, InputError, StorageError
from gristmill.foreign import read_json
from gristmill.intake.cells import Refused
from gristmill.intake.source import Source
from gristmill.jobs.conversations import FORMS, conversations_in, lines_of
from gristmill.jobs.jsonl import write_jsonl
from gristmill.judges._answers import right_answers
from gristmill.mill.config import Config
from gristmill.mill.folder import Folder
from gristmill.mill.source import read_prompts
from gristmill.mill.supply import Supply
from gristmill.parts import read_yaml
from gristmill.records import Message, Prompt, as_dicts
from gristmill.storage import write_atomically

BATCH = 1024
FACTS = ("answer", "tests", "constraints", "rubric", "tools", "calls", "language", "category")
"""What of a prompt goes along, under the names that every row may have them."""
JSONL_ALONE = {"gym": "NeMo Gym", "openai": "OpenAI", "hermes": "who takes Hermes' form"}


@dataclass(frozen=True)
class Exported:
    """rows: written. refused: rows that are no prompts, as they were named."""

    out: Path
    rows: int
    refused: list[str]


def export(source: str | Path, trainer: str, out: str | Path | None = None) -> Exported:
    """Write every prompt of a source as a trainer's row: of the folder of a run all that the run
    reads, with the same ids, or of a file, a folder of files, `tutor:200`, `hf:...`.

    trainer: `trl`, `verl`, `openrlhf`, `gym` (NeMo Gym) or `nemo` (NeMo RL); docs/rl.md has the
    columns of each. out: a `.jsonl` or `.parquet` file. Answers, tests, constraints and rubrics go
    along; all rows have the columns that any of them needs.

    `jsonl` is no trainer: it writes the data sets of a run's folder as they are, `sft.jsonl` and so
    on, into the folder `out`, or beside the Parquet files. `openai` and `hermes` write
    conversations to fine-tune on as these have them, a run's `sft` or whatever has any.

    Raises InputError for another trainer or ending and where `out` is among the files that are
    read, DataError where nothing is a prompt.
    """
    if trainer == "jsonl":
        counts = write_jsonl(Path(source), Path(out) if out else None)
        return Exported(Path(out) if out else Path(source) / "data", sum(counts.values()), [])
    if trainer not in (*_ROWS, *FORMS):
        raise InputError(f"--for {trainer}: write one of {', '.join((*_ROWS, *FORMS))}, jsonl")
    if not out:
        raise InputError("--out: missing; name a .jsonl or a .parquet file")
    path = Path(out)
    if path.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"{path}: name a .jsonl or a .parquet file")
    if path.suffix != ".jsonl" and (only := JSONL_ALONE.get(trainer)):
        raise InputError(f"{path}: {only} reads .jsonl files alone; name one")
    refused: list[str] = []
    if trainer in FORMS:
        talks = conversations_in(str(source))
        _spare(path, [talks])
        lines = list(lines_of(talks, trainer, refused))
        _make_room(path)
        write_atomically(path, lines)
        return Exported(path, len(lines), refused)
    sources, system, tools = _sources(str(source))
    _spare(path, sources)
    prompts: list[Prompt] = []
    for found in read_prompts(sources, system, tools=tools):
        if isinstance(found, Refused):
            refused.append(f"{found.where}: {found.reason}: {found.detail}")
        else:
            prompts.append(found)
    names = [name for name in FACTS if any(getattr(prompt, name) for prompt in prompts)]
    rows = []
    for prompt in prompts:
        try:
            rows.append(_ROWS[trainer](prompt, _facts(prompt, names)))
        except DataError as error:
            refused.append(f"{prompt.source}: {prompt.id}: {error}")
    if not rows:
        raise DataError(f"{source}: no row is a prompt{': ' + refused[0] if refused else ''}")
    _make_room(path)
    if path.suffix == ".jsonl":
        write_atomically(path, (orjson.dumps(row) + b"\n" for row in rows))
    else:
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=BATCH)
        write_atomically(path, sink.getvalue().to_pybytes())
    return Exported(path, len(rows), refused)


def _spare(path: Path, sources: list[Source]) -> None:
    if path.exists() and any(path.resolve().is_relative_to(read) for read in _read(sources)):
        raise InputError(f"{path}: is among what is read; name another file with --out")


def _make_room(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot write: {error.strerror}") from None


def _sources(source: str) -> tuple[list[Source], str | None, str]:
    """What is read, and the system message and the tools that a run gives its prompts."""
    if not (Path(source) / "run.yaml").is_file():
        return [Source(file=source)], None, ""
    folder = Folder(Path(source))
    if not folder.is_run():
        raise InputError(f"{source}: this is no run's folder; name a file of prompts")
    values = read_yaml(folder.run)
    config = Config.of({key: values[key] for key in Config.model_fields if key in values})
    # What recipes wrote lies in the folder.
    config = Supply(config, folder, None).as_files()
    return config.sources, config.system, config.offered()


def _read(sources: list[Source]) -> Iterator[Path]:
    """The files and folders of sources, as far as they are on this machine."""
    for source in sources:
        # Path.glob takes no absolute pattern.
        for name in (source.file, *glob(source.file, recursive=True)):  # noqa: PTH207
            yield Path(name).resolve()


def _facts(prompt: Prompt, names: list[str]) -> dict[str, Any]:
    """What judges compare with. Constraints are JSON in a text: their keys differ by row, and a
    table has one form for each column. So is a rubric, as rows of it are read."""
    facts = {name: getattr(prompt, name) or None for name in names}
    if facts.get("constraints"):
        facts["constraints"] = f"[{', '.join(prompt.constraints)}]"
    if facts.get("rubric"):
        facts["rubric"] = orjson.dumps([c._asdict() for c in prompt.rubric]).decode()
    return facts


def _trl(prompt: Prompt, facts: dict[str, Any]) -> dict[str, Any]:
    return {"id": prompt.id, "prompt": as_dicts(prompt.messages), **facts}


def _verl(prompt: Prompt, facts: dict[str, Any]) -> dict[str, Any]:
    # https://verl.readthedocs.io: "Prepare Data for Post-Training".
    truth, ability = facts.pop("answer", None), facts.pop("category", None)
    return {
        "data_source": prompt.source,
        "prompt": as_dicts(prompt.messages),
        "ability": ability or "",
        "reward_model": {"style": "rule", "ground_truth": truth or ""},
        # compute_score is given this, and not the row's prompt.
        "extra_info": {"id": prompt.id, "prompt": as_dicts(prompt.messages), **facts},
    }


def _openrlhf(prompt: Prompt, facts: dict[str, Any]) -> dict[str, Any]:
    # A reward function sees the label alone: it holds all facts, where there are others.
    given = {name: value for name, value in facts.items() if value and name != "category"}
    label = given.get("answer", "")
    if given.keys() - {"answer"}:
        label = orjson.dumps(given).decode()
    return {"input": as_dicts(prompt.messages), "label": label, "datasource": prompt.source}


def _gym(prompt: Prompt, facts: dict[str, Any]) -> dict[str, Any]:
    # NeMo Gym's docs, "Prepare data"; `question` and `expected_answer` are what its own
    # servers for mathematics read.
    asked: dict[str, Any] = {"input": [item for m in prompt.messages for item in _items(m)]}
    if prompt.tools:
        tools = [tool["function"] for tool in read_json(prompt.tools)]
        asked["tools"] = [{"type": "function", "strict": False, **tool} for tool in tools]
    metadata = {"id": prompt.id, **facts}
    row = {"responses_create_params": asked, "verifier_metadata": metadata}
    if right := right_answers(prompt):
        row |= {"question": prompt.messages[-1].content, "expected_answer": right[0]}
    return row


def _items(message: Message) -> list[dict[str, Any]]:
    """A message as items of OpenAI's Responses API."""
    if message.role == "tool":
        call = {"call_id": message.tool_call_id, "output": message.content}
        return [{"type": "function_call_output", **call}]
    calls = [
        {"type": "function_call", "call_id": c.id, "name": c.name, "arguments": c.arguments}
        for c in message.tool_calls
    ]
    said = [{"role": message.role, "content": message.content}]
    return [*(said if message.content or not calls else []), *calls]


def _nemo(prompt: Prompt, facts: dict[str, Any]) -> dict[str, Any]:
    # NeMo RL's ResponseDataset, which reads no other column.
    right = right_answers(prompt)
    if len(prompt.messages) != 1 or not right:
        raise DataError("NeMo RL's rows hold one question and its answer; --for gym holds more")
    return {"input": prompt.messages[0].content, "output": right[0]}


_ROWS: dict[str, Callable[[Prompt, dict[str, Any]], dict[str, Any]]] = {
    "trl": _trl,
    "verl": _verl,
    "openrlhf": _openrlhf,
    "gym": _gym,
    "nemo": _nemo,
}
