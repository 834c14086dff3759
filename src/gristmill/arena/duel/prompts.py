"""The prompts that models fight over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gristmill.intake.cells import Refused
from gristmill.intake.record import PROMPT
from gristmill.intake.source import Source
from gristmill.records import Message, Prompt, prompt_id


def read_prompts(sources: Sequence[Source]) -> Iterator[Prompt | Refused]:
    """Every row of every source in order, as a prompt or as what is wrong with it.

    What has the same messages as a prompt before it is refused as a `duplicate`. Raises DataError
    where a source cannot be read.
    """
    seen: set[str] = set()
    for source in sources:
        for found in source.records(PROMPT):
            if isinstance(found, Refused):
                yield found
                continue
            content = prompt_id(found.prompt.messages, found.prompt.tools)
            if content in seen:
                yield Refused(found.where, "duplicate", "the same prompt came before")
            else:
                seen.add(content)
                yield found.prompt


def spoken(prompt: Prompt) -> tuple[Message, ...]:
    """The turns of a prompt without its system message."""
    return tuple(m for m in prompt.messages if m.role != "system")
