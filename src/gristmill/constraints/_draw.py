"""Several constraints on one answer that do not contradict each other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from random import Random

from gristmill.constraints.base import Constraint
from gristmill.parts import find_part, name_of, part_names

_ROOM = "gristmill.constraints"
_TRIES = 20


def clash(one: Constraint, other: Constraint) -> bool:
    """Whether no sensible answer keeps to both."""
    names = name_of(one), name_of(other)
    return (
        names[0] == names[1]
        or bool(one.decides & other.decides)
        or names[0] in other.clashes
        or names[1] in one.clashes
        or not (one.agrees(other) and other.agrees(one))
    )


def draw_several(
    random: Random,
    language: str,
    text: str,
    count: int,
    among: Collection[str] = (),
    lasting: bool = False,
) -> tuple[Constraint, ...]:
    """Constraints for the prompt `text`, drawn in random order, no two of which clash.

    among: names to draw from; by default all that the language has and that suit most prompts.
    lasting: only such as can be asked of all later answers too, whatever these are about.
    Fewer than `count` come back where no more go together. Raises ConfigError for an unknown name,
    and ValueError where none of `among` is worded in the language. Equal states of `random` and
    equal arguments give equal constraints.
    """
    parts = [find_part(_ROOM, name, "constraints") for name in sorted(among)] or _usual()
    worded = [p for p in parts if language in p.languages and p.lasting >= lasting]
    if not worded:
        asked = "lasting and " if lasting else ""
        raise ValueError(f"none of {', '.join(sorted(among))} is {asked}worded in '{language}'")
    best: list[Constraint] = []
    for _ in range(_TRIES):
        chosen: list[Constraint] = []
        for part in random.sample(worded, len(worded)):
            if len(chosen) == count:
                break
            drawn = part.draw(random, language, text)
            if _fits(drawn, chosen):
                chosen.append(drawn)
        best = max(best, chosen, key=len)
        if len(best) == min(count, len(worded)):
            break
    return tuple(best)


def _fits(drawn: Constraint, chosen: Sequence[Constraint]) -> bool:
    if any(clash(drawn, other) for other in chosen):
        return False
    spans = [each.span() for each in (drawn, *chosen)]
    return sum(fewest for fewest, _ in spans) <= min(most for _, most in spans)


@lru_cache(maxsize=1)
def _usual() -> list[type[Constraint]]:
    parts = [find_part(_ROOM, name, "constraints") for name in part_names(_ROOM)]
    return [part for part in parts if not part.special]
