"""The prompts of a run, one at a time, whatever is wrong with some rows of the user's files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b

from gristmill.intake.cells import Refused
from gristmill.intake.record import PROMPT
from gristmill.intake.source import Source
from gristmill.keys import Keys
from gristmill.records import Message, Prompt, prompt_id

UNREADABLE = ("bad_json", "bad_encoding")
"""Of a line that holds no row at all; every other reason is of a row that is no prompt."""


def read_prompts(
    sources: Sequence[Source],
    system: str | None = None,
    unused: Counter[str] | None = None,
    tools: str = "",
) -> Iterator[Prompt | Refused]:
    """Every row of every source in order, as a prompt or as what is wrong with it; see
    `keyed_prompts`."""
    found = keyed_prompts(sources, system, unused, tools=tools)
    return (item if isinstance(item, Refused) else item[0] for item in found)


def keyed_prompts(
    sources: Sequence[Source],
    system: str | None = None,
    unused: Counter[str] | None = None,
    shown: Collection[str] = (),
    tools: str = "",
) -> Iterator[tuple[Prompt, int] | Refused]:
    """Every row of every source in order, as a prompt and its key, or as what is wrong with it.

    The key is 64 bits of id and content together: an edited prompt under an old id is a new prompt.
    A prompt that came before in the same reading is refused as `input:duplicate`, and so is one
    that models are shown the answer to. Where two prompts
    have the same id in the files, the later one's is made unique with its content hash, for ids
    name rows. system: put before prompts that have no system message. unused: counts columns that
    nothing used. shown: what is asked in examples (`examples.questions`). tools: put into prompts
    that have none.
    Raises DataError where a source cannot be read; `Source.check` says so beforehand.
    """
    seen = Keys()
    for source in sources:
        for found in source.records(PROMPT, unused=unused):
            if isinstance(found, Refused):
                yield _put_aside(found)
                continue
            if shown and _question(found.prompt) in shown:
                yield _twice(found.where, found.prompt, "it is one of `generate.examples`")
                continue
            prompt, content = _instructed(found.prompt, found.asked, system, tools)
            yield _unique(prompt, content, seen) or _twice(
                found.where, prompt, "the same prompt came before"
            )


def _twice(where: str, prompt: Prompt, why: str) -> Refused:
    return Refused(where, "input:duplicate", why, prompt.messages[-1].content)


def _question(prompt: Prompt) -> str:
    """What tells a prompt from others, whatever its system message is."""
    begins = int(prompt.messages[0].role == "system")
    return prompt_id(prompt.messages[begins:])


def _put_aside(found: Refused) -> Refused:
    """The row as `rejected` has it: its reason says that it is the input's."""
    if found.reason in UNREADABLE:
        return replace(found, reason=f"input:{found.reason}")
    return replace(found, reason="input:bad_prompt", detail=f"{found.reason}: {found.detail}")


def _instructed(prompt: Prompt, content: str, system: str | None, tools: str) -> tuple[Prompt, str]:
    """The prompt behind a system message and with tools, and the id of its content."""
    messages, tools = prompt.messages, prompt.tools or tools
    if system is not None and messages[0].role != "system":
        messages = (Message("system", system), *messages)
    if messages is prompt.messages and tools == prompt.tools:
        return prompt, content
    now = prompt_id(messages, tools)
    name = now if prompt.id == content else prompt.id
    return replace(prompt, messages=messages, tools=tools, id=name), now


def _unique(prompt: Prompt, content: str, seen: Keys) -> tuple[Prompt, int] | None:
    """The prompt with an id of its own, and its key; None if id and content were seen together
    before."""
    key = _key(prompt.id, content)
    if not seen.add(key):
        return None
    if prompt.id == content:
        return prompt, key
    if not seen.add(_hash(f"id\0{prompt.id}")):
        prompt = replace(prompt, id=f"{prompt.id}-{content}")
        key = _key(prompt.id, content)
    return prompt, key


def _key(name: str, content: str) -> int:
    return int(content, 16) if name == content else _hash(f"{name}\0{content}")


def _hash(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")
