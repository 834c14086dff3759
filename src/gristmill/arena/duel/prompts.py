"""The prompts that models fight over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gristmill.intake.files import BadLine, read_rows
from gristmill.intake.messages import turns
from gristmill.records import Message, Prompt, prompt_id


def read_prompts(files: Sequence[str]) -> Iterator[Prompt | BadLine]:
    """Every row of every source in order: `prompt` (a text or messages) or `messages`, and, if it
    has them, `id`, `category` and `language`.

    What has the same messages as a prompt before it is a BadLine, `input:duplicate`. Raises
    DataError where a source cannot be read.
    """
    seen: set[str] = set()
    for name in files:
        for where, row, raw in read_rows(name, "prompt"):
            item = row if isinstance(row, BadLine) else _prompt(row, where, raw)
            if isinstance(item, Prompt):
                content = prompt_id(item.messages)
                if content in seen:
                    item = BadLine(where, "input:duplicate", "the same prompt came before", raw)
                seen.add(content)
            yield item


def spoken(prompt: Prompt) -> tuple[Message, ...]:
    """The turns of a prompt without its system message."""
    return tuple(m for m in prompt.messages if m.role != "system")


def _prompt(row: dict[str, Any], where: str, raw: str) -> Prompt | BadLine:
    try:
        messages = _messages(row)
        facts = {name: _text(row, name) for name in ("id", "category", "language")}
    except ValueError as error:
        return BadLine(where, "input:bad_prompt", str(error), raw)
    return Prompt(
        facts["id"] or prompt_id(messages),
        messages,
        category=facts["category"],
        language=facts["language"],
        source=where.rpartition(":")[0],
    )


def _messages(row: dict[str, Any]) -> tuple[Message, ...]:
    for field in ("messages", "prompt"):
        if isinstance(row.get(field), list):
            found = turns(row[field], field, "user")
            if any(m.role == "system" for m in found[1:]):
                raise ValueError(f"'{field}' has a system message that is not the first")
            return found
    text = row.get("prompt")
    if not isinstance(text, str) or not text.strip():
        known = "neither 'prompt' nor 'messages'" if text is None else "'prompt' is empty"
        raise ValueError(f"{known}; give a text, or a list of messages")
    return (Message("user", text),)


def _text(row: dict[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"'{name}' is {type(value).__name__}, not a text or number")
    return str(value)
