"""The prompts of a run, one at a time, whatever is wrong with some rows of the user's files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b

from gristmill.intake.cells import Refused
from gristmill.intake.record import PROMPT
from gristmill.intake.source import Source
from gristmill.records import Message, Prompt, prompt_id

UNREADABLE = ("bad_json", "bad_encoding")
"""Of a line that holds no row at all; every other reason is of a row that is no prompt."""


def read_prompts(
    sources: Sequence[Source], system: str | None = None, unused: Counter[str] | None = None
) -> Iterator[Prompt | Refused]:
    """Every row of every source in order, as a prompt or as what is wrong with it.

    A prompt that came before in the same reading is refused as `input:duplicate`. Where two prompts
    have the same id in the files, the later one's is made unique with its content hash, for ids
    name rows. system: put before prompts that have no system message. unused: counts columns that
    nothing used.
    Raises DataError where a source cannot be read; `Source.check` says so beforehand.
    """
    seen: set[int] = set()
    for source in sources:
        for found in source.records(PROMPT, unused=unused):
            if isinstance(found, Refused):
                yield _put_aside(found)
                continue
            prompt = _instructed(found.prompt, system)
            yield _unique(prompt, seen) or Refused(
                found.where,
                "input:duplicate",
                "the same prompt came before",
                prompt.messages[-1].content,
            )


def _put_aside(found: Refused) -> Refused:
    """The row as `rejected` has it: its reason says that it is the input's."""
    if found.reason in UNREADABLE:
        return replace(found, reason=f"input:{found.reason}")
    return replace(found, reason="input:bad_prompt", detail=f"{found.reason}: {found.detail}")


def _instructed(prompt: Prompt, system: str | None) -> Prompt:
    if system is None or prompt.messages[0].role == "system":
        return prompt
    messages = (Message("system", system), *prompt.messages)
    named = prompt.id != prompt_id(prompt.messages, prompt.tools)
    name = prompt.id if named else prompt_id(messages, prompt.tools)
    return replace(prompt, messages=messages, id=name)


def _unique(prompt: Prompt, seen: set[int]) -> Prompt | None:
    """The prompt with an id of its own; None if id and content were seen together before."""
    content = prompt_id(prompt.messages, prompt.tools)
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
    return _key(prompt.id, prompt_id(prompt.messages, prompt.tools))


def _key(name: str, content: str) -> int:
    return int(content, 16) if name == content else _hash(f"{name}\0{content}")


def _hash(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")
