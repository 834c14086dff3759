"""What a prompt says is right, read in one way by all judges that compare with it."""

from __future__ import annotations

import json

from gristmill.records import Prompt


def right_answers(prompt: Prompt) -> list[str]:
    """The answers of which any is right; none where the prompt says nothing of it.

    A JSON list that holds a text holds several, `["4", "four"]`; without one it is an answer
    itself, as an interval or a vector: `[1, 2]`.
    """
    answer = prompt.answer or ""
    if answer.lstrip().startswith("["):
        try:
            found = json.loads(answer, parse_float=_Number, parse_int=_Number)
        except (ValueError, RecursionError):
            found = None
        listed = found if isinstance(found, list) else []
        if {_Number, str} >= set(map(type, listed)) and str in map(type, listed):
            return [str(one) for one in listed]
    return [answer] if answer.strip() else []


class _Number(str):
    """A number, with the digits that it was written with."""
