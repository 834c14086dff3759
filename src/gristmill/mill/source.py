"""Prompts from a user's file, one at a time, whatever is wrong with some of its lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from gristmill.intake.files import BadLine, read_rows
from gristmill.intake.messages import turns
from gristmill.records import Message, Prompt, prompt_id


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
        for where, row, raw in read_rows(name, "prompt"):
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


def _text(row: dict[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"'{name}' is {type(value).__name__}, not a text or number")
