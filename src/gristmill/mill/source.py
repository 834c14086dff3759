"""Prompts from a user's file, one at a time, whatever is wrong with some of its lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import orjson

from gristmill.constraints import as_json, from_json
from gristmill.errors import InputError
from gristmill.intake.files import BadLine, read_rows
from gristmill.intake.messages import asked
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
        messages = asked(row)
        facts = {name: _text(row, name) for name in ("id", "answer", "category", "language")}
        tests, constraints = _tests(row), _constraints(row)
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
        source=_origin(row, where),
        parents=tuple(str(p) for p in parents) if isinstance(parents, list) else (),
        tests=tests,
        constraints=constraints,
    )


def _origin(row: dict[str, Any], where: str) -> str:
    """The recipe that wrote the prompt, or the file that it stands in."""
    given = row.get("source")
    if isinstance(given, str) and given.startswith("recipe:"):
        return given
    return where.rpartition(":")[0]


def _tests(row: dict[str, Any]) -> str | None:
    """A test program; of a list of texts (MBPP's) the lines, of input and output pairs the JSON."""
    given = row.get("tests")
    if not isinstance(given, list):
        return _text(row, "tests")
    if all(isinstance(test, str) for test in given):
        return "\n".join(given) or None
    if not all(isinstance(test, dict) and {"input", "output"} <= set(test) for test in given):
        raise ValueError("'tests' is neither texts nor objects with 'input' and 'output'")
    return orjson.dumps(given).decode()


def _constraints(row: dict[str, Any]) -> tuple[str, ...]:
    given = row.get("constraints")
    if given in (None, ""):
        return ()
    try:
        given = orjson.loads(given) if isinstance(given, str) else given
        if not isinstance(given, list):
            raise ValueError(f"'constraints' is {type(given).__name__}, not a list")
        texts = (g if isinstance(g, str) else orjson.dumps(g).decode() for g in given)
        demands = [from_json(text) for text in texts]
        return tuple(as_json(demand.constraint, demand.since) for demand in demands)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"'constraints' is not JSON: {error}") from None
    except InputError as error:
        raise ValueError(f"'constraints': {error}") from None


def _text(row: dict[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"'{name}' is {type(value).__name__}, not a text or number")
