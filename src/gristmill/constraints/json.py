"""The answer is JSON."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from gristmill.constraints._arguments import Phrase
from gristmill.constraints._wordings import wordings
from gristmill.constraints.base import Constraint, Outcome

_FENCED = re.compile(r"```[ \t]*(?:json)?[ \t]*\n(.*)\n?```", re.DOTALL | re.IGNORECASE)


class Json(Constraint):
    """The whole answer is one JSON object or array, in a fenced block or not; with `keys`, an
    object with these keys and no other at its top level."""

    decides: ClassVar = frozenset(
        {"layout", "start", "end", "sentences", "case", "language", "length"}
    )
    clashes: ClassVar = frozenset({"no_commas", "highlights", "placeholders", "no_digits"})

    keys: Annotated[tuple[Phrase, ...], Field(max_length=50)] = ()
    """The keys of the object, in any order; none: any JSON will do."""

    def verify(self, text: str) -> Outcome:
        fenced = _FENCED.fullmatch(text)
        try:
            # Infinity and NaN are Python's, not JSON's.
            value = json.loads(fenced[1] if fenced else text, parse_constant=_refuse)
        except RecursionError:
            return Outcome(False, "not JSON: nested too deeply")
        except ValueError as error:
            return Outcome(False, f"not JSON: {error}")
        if not isinstance(value, dict if self.keys else dict | list):
            wanted = "an object" if self.keys else "an object or array"
            return Outcome(False, f"JSON of type {type(value).__name__}, wanted {wanted}")
        if self.keys and (wrong := set(self.keys) ^ set(value)):
            shown = ", ".join(f"{'missing' if k in self.keys else 'extra'} {k}" for k in wrong)
            return Outcome(False, f"keys: {shown:.200}")
        return Outcome(True, "valid JSON")

    def texts(self) -> tuple[str, ...]:
        return self.keys

    def variant(self) -> str:
        return "keys" if self.keys else "text"

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        keys = wordings(language).pick["keys"]
        return cls(keys=tuple(random.sample(keys, random.choice([0, 2, 3]))))


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")
