"""Prompts from a user's file, one at a time, whatever is wrong with some of its lines."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.errors import DataError
from gristmill.records import Message, Prompt, prompt_id

ROLES = ("system", "user", "assistant")
KINDS = (".jsonl", ".ndjson", ".json", ".parquet", ".csv")


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no prompt. `where` is `file:line`, `reason` one of `input:<word>`."""

    where: str
    reason: str
    detail: str
    text: str


def read_prompts(files: list[str], system: str | None = None) -> Iterator[Prompt | BadLine]:
    """Every line of every file in order, as a prompt or as a `BadLine`.

    A prompt that came before in the same reading is a `BadLine` with the reason
    `input:duplicate`. Where two prompts have the same id in the files, the later one's is made
    unique with its content hash, for ids name rows. system: put before prompts that have no
    system message.
    Raises DataError where a file cannot be read; `check_files` says so beforehand.
    """
    seen: set[int] = set()
    for name in files:
        path = Path(name)
        for number, row, raw in read_rows(path):
            where = f"{path.name}:{number}"
            item = row if isinstance(row, BadLine) else _prompt(row, where, system, raw)
            if isinstance(item, Prompt):
                item = _unique(item, seen) or BadLine(
                    where, "input:duplicate", "the same prompt came before", raw
                )
            yield item


def _unique(prompt: Prompt, seen: set[int]) -> Prompt | None:
    """The prompt with an id of its own; None if id and content were seen together before."""
    content = prompt_id(prompt.messages)
    key = _key(prompt.id, content)
    if key in seen:
        return None
    seen.add(key)
    if prompt.id == content:
        return prompt
    name = _hash(f"id\0{prompt.id}")
    if name in seen:
        prompt = replace(prompt, id=f"{prompt.id}-{content}")
    seen.add(name)
    return prompt


def prompt_key(prompt: Prompt) -> int:
    """64 bits of id and content together: an edited prompt under an old id is a new prompt."""
    return _key(prompt.id, prompt_id(prompt.messages))


def _key(name: str, content: str) -> int:
    return int(content, 16) if name == content else _hash(f"{name}\0{content}")


def _hash(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")


def check_files(files: list[str]) -> None:
    """Raises DataError where a file is missing, unreadable, empty or of an unknown kind."""
    for name in files:
        if next(read_rows(Path(name)), None) is None:
            raise DataError(f"{name}: the file is empty; write one prompt a line")


def count_rows(path: Path) -> int | None:
    """How many rows a file has, for a progress bar; None where counting would mean parsing."""
    kind = path.suffix.lower()
    if kind in (".csv", ".json"):
        return None
    if kind == ".parquet":
        return pq.read_metadata(path).num_rows
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def _check_file(path: Path) -> None:
    if path.suffix.lower() not in KINDS:
        raise DataError(f"{path}: unknown kind of file; use one of {', '.join(KINDS)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise DataError(f"{path}: cannot read it: {error.strerror}") from None


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | BadLine, str]]:
    """(line or row number from 1, row or BadLine, its text) of a JSONL, Parquet or CSV file."""
    _check_file(path)
    kind = path.suffix.lower()
    if kind == ".parquet":
        yield from _parquet_rows(path)
    elif kind == ".csv":
        yield from _csv_rows(path)
    elif kind == ".json" and _is_array(path):
        yield from _json_array(path)
    else:
        yield from _json_rows(path)


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | BadLine, str]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            # A byte-order mark is what some editors and exports put first.
            line = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
            if not line:
                continue
            raw = line[:2000].decode("utf-8", "replace")
            where = f"{path.name}:{number}"
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                yield number, BadLine(where, "input:bad_json", str(error), raw), raw
                continue
            yield number, _object(row, where, raw), raw


def _json_array(path: Path) -> Iterator[tuple[int, dict[str, Any] | BadLine, str]]:
    """The elements of a file that is one array; line 3 is the third element."""
    try:
        rows = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None
    for number, row in enumerate(rows, 1):
        raw = orjson.dumps(row)[:2000].decode("utf-8", "replace")
        yield number, _object(row, f"{path.name}:{number}", raw), raw


def _is_array(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def _object(row: Any, where: str, raw: str) -> dict[str, Any] | BadLine:
    if isinstance(row, dict):
        return row
    detail = f"expected an object, found {type(row).__name__}"
    return BadLine(where, "input:bad_json", detail, raw)


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | BadLine, str]]:
    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {k: v for k, v in row.items() if v is not None}, str(row)[:2000]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {error}") from None


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | BadLine, str]]:
    # The module's own limit of 128 KiB a field is too small for a long document.
    csv.field_size_limit(1 << 30)
    # newline="" and the csv module: quoted fields may hold line ends.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        reader = csv.DictReader(lines)
        try:
            header = reader.fieldnames or []
            if not any(name.strip() for name in header):
                return
            if "prompt" not in header:
                columns = ", ".join(header).encode("utf-8", "replace").decode()
                raise DataError(f"{path}: line 1: no column 'prompt' (columns: {columns})")
            for row in reader:
                yield _csv_row(path, reader.line_num, row)
        except csv.Error as error:
            raise DataError(f"{path}: line {reader.line_num}: {error}") from None


def _csv_row(
    path: Path, number: int, row: dict[Any, Any]
) -> tuple[int, dict[str, Any] | BadLine, str]:
    named = {k: v for k, v in row.items() if k is not None and v not in (None, "")}
    raw = str(named)[:2000]
    try:
        "".join([*named, *named.values()]).encode()
    except UnicodeEncodeError:
        raw = raw.encode("utf-8", "replace").decode()
        detail = "not UTF-8; save the file as UTF-8"
        return number, BadLine(f"{path.name}:{number}", "input:bad_encoding", detail, raw), raw
    return number, named, raw


def _prompt(row: dict[str, Any], where: str, system: str | None, raw: str) -> Prompt | BadLine:
    """The prompt of one row, or what is wrong with it."""
    try:
        messages = _messages(row)
        facts = {name: _text(row, name) for name in ("id", "answer", "category", "language")}
    except ValueError as error:
        return BadLine(where, "input:bad_prompt", str(error), raw)
    if system is not None and messages[0].role != "system":
        messages = (Message("system", system), *messages)
    parents = row.get("parents")
    return Prompt(
        id=facts["id"] or prompt_id(messages),
        messages=messages,
        answer=facts["answer"],
        category=facts["category"],
        language=facts["language"],
        source=where.rpartition(":")[0],
        parents=tuple(str(p) for p in parents) if isinstance(parents, list) else (),
    )


def _messages(row: dict[str, Any]) -> tuple[Message, ...]:
    if "messages" not in row:
        if "prompt" not in row:
            raise ValueError("neither 'prompt' nor 'messages'")
        text = row["prompt"]
        if isinstance(text, list):
            return turns(text, "prompt", "user")
        if not isinstance(text, str) or not text.strip():
            raise ValueError("'prompt' is empty or not a text")
        return (Message("user", text),)
    return turns(row["messages"], "messages", "user")


def turns(given: Any, field: str, last: str) -> tuple[Message, ...]:
    """A list of `role`/`content` dictionaries as messages, the last of them by `last`.

    Raises ValueError naming the turn and what is wrong with it.
    """
    if not isinstance(given, list) or not given:
        raise ValueError(f"'{field}' is not a list of messages")
    result = []
    for number, turn in enumerate(given):
        role = turn.get("role") if isinstance(turn, dict) else None
        content = turn.get("content") if isinstance(turn, dict) else None
        if role not in ROLES:
            raise ValueError(f"'{field}[{number}].role' is {role!r}; use {', '.join(ROLES)}")
        if not isinstance(content, str) or (not content.strip() and role != "system"):
            raise ValueError(f"'{field}[{number}].content' is empty or not a text")
        result.append(Message(role, content))
    if result[-1].role != last:
        raise ValueError(f"the last of '{field}' is the {result[-1].role}'s, not the {last}'s")
    return tuple(result)


def _text(row: dict[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"'{name}' is {type(value).__name__}, not a text or number")
