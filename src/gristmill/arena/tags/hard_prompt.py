"""Hard prompts: those that demand much at once, as a chat model sees it.

The idea is that of LMSYS's board of the same name: seven things that a request may demand, and
those with six or more are hard. The wording (`hard_prompt.md`) is gristmill's own, and so figures
of the two boards cannot be compared.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from importlib.resources import files

from gristmill.records import Message, prompt_id

CRITERIA = (
    "specificity",
    "domain_knowledge",
    "complexity",
    "problem_solving",
    "creativity",
    "technical_accuracy",
    "real_world",
)
"""What a prompt may demand, numbered from 1 in the template."""

HARD = 6
"""Criteria from which a prompt is hard."""

_LAST = re.compile(r"[\s*_`#>-]*(?:[\w -]{1,40}:)?[\s*_`]*\[([^\[\]]*)\][\s*_`.]*")
"""A last line that is a list, with a label in front and emphasis around it at most. A model that
only says the request back must not seem to have answered."""
_NUMBERS = re.compile(r"\s*(?:[1-7]\s*(?:,\s*[1-7]\s*)*)?")


def hard_prompt(criteria: Collection[str]) -> bool:
    """Whether a prompt of which these hold is hard: six at least."""
    return len(set(criteria) & set(CRITERIA)) >= HARD


def request(prompt: str) -> str:
    """What the tagger is asked about a prompt."""
    # Six digits that its author could not know, so that the prompt cannot pretend to end.
    mark = prompt_id((Message("user", prompt),))[:6]
    return template().format(mark=mark, request=prompt)


def criteria_in(reply: str) -> tuple[str, ...] | None:
    """The criteria that hold by a reply, in order; None where it does not say.

    What counts is the last line, which holds nothing but a list, as it was asked for. Anything
    but different numbers from 1 to 7 in it is no answer.
    """
    last = reply.rstrip().rpartition("\n")[2]
    found = _LAST.fullmatch(last)
    if found is None or not _NUMBERS.fullmatch(found[1]):
        return None
    numbers = [int(n) for n in found[1] if n.isdecimal()]
    if len(set(numbers)) < len(numbers):
        return None
    return tuple(CRITERIA[n - 1] for n in sorted(numbers))


@lru_cache
def template() -> str:
    """The wording, which is part of what decides the tags."""
    return files("gristmill.arena.tags").joinpath("hard_prompt.md").read_text("utf-8").strip()
