"""Constraints put into words together, and in conversations of several turns."""

from __future__ import annotations

from collections.abc import Sequence

from gristmill.constraints._wordings import fill, wordings
from gristmill.constraints.base import Constraint, Outcome


def say_all(constraints: Sequence[Constraint], language: str) -> str:
    """What is appended to a prompt. Raises ValueError where one is not worded in the language."""
    space = wordings(language).turns["space"]
    return space.join(constraint.say(language) for constraint in constraints)


def say_from_now_on(constraints: Sequence[Constraint], language: str) -> str:
    """The same, asked of this answer and all later ones: a demand with `since` this turn."""
    return _put("from_now_on", constraints, language)


def say_revise(constraints: Sequence[Constraint], language: str) -> str:
    """A user's turn of its own: revise the last answer so that it keeps to these."""
    return _put("revise", constraints, language)


def check_turns(
    constraint: Constraint, responses: Sequence[str], loose: bool = False
) -> tuple[Outcome, ...]:
    """An outcome for each answer of the assistant since the turn that asked for it, in order."""
    check = constraint.check_loose if loose else constraint.check
    return tuple(check(response) for response in responses)


def _put(how: str, constraints: Sequence[Constraint], language: str) -> str:
    said = say_all(constraints, language)
    return fill(wordings(language).turns[how], {"constraints": said})
