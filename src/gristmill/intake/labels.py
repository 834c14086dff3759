"""Labels of the five attributes in the ways that people's files write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import field_validator

from gristmill.intake.cells import Unusable, number_of
from gristmill.parts import Options
from gristmill.records import ATTRIBUTES

Labels = tuple[float | None, float | None, float | None, float | None, float | None]
"""The five attributes in order, each 0 to 4. None is not given: masked, never a zero."""

MISSING = -100
"""What NeMo-Aligner writes for a label that was not given."""

OLDER = ("quality", "toxicity", "humor", "creativity")
"""Attributes that a list of nine has in front of ours; they are not learned."""

HIGHEST = 4.0


class Scale(Options):
    """A label in a column of another name, or on another scale."""

    column: str
    """The file's name for it; dots lead into nested columns: `scores.overall`."""
    range: tuple[float, float] = (0, 4)
    """Worst and best of the file's scale, brought to 0 to 4 in a straight line."""

    @field_validator("range")
    @classmethod
    def _some_range(cls, ends: tuple[float, float]) -> tuple[float, float]:
        if ends[0] == ends[1]:
            raise ValueError("both ends are the same")
        return ends


def scaled(value: Any, name: str, ends: tuple[float, float]) -> float | None:
    """A label on a scale from `ends[0]`, worst, to `ends[1]`, best, brought to 0 to 4."""
    number = number_of(value, name, "bad_label")
    if number is None:
        return None
    if not min(ends) <= number <= max(ends):
        detail = f"'{name}' is {number:g}, outside {ends[0]:g} to {ends[1]:g}"
        raise Unusable("label_out_of_range", detail)
    return HIGHEST * (number - ends[0]) / (ends[1] - ends[0])


def labels_of(values: Mapping[str, Any]) -> Labels:
    """The labels under the attributes' names; raises Unusable where there is none, or a bad one."""
    a, b, c, d, e = (scaled(values.get(name), name, (0.0, HIGHEST)) for name in ATTRIBUTES)
    found = (a, b, c, d, e)
    if all(label is None for label in found):
        raise Unusable("no_label", f"none of {', '.join(ATTRIBUTES)} is given")
    return found


def listed_labels(given: Any) -> Labels:
    """Labels as NeMo-Aligner writes them: a list of five or nine, or `helpfulness:3,...`."""
    if isinstance(given, str):
        pairs = (part.partition(":") for part in given.split(","))
        return labels_of({name.strip(): value.strip() for name, _, value in pairs})
    names = {5: ATTRIBUTES, 9: (*OLDER, *ATTRIBUTES)}
    if not isinstance(given, list) or len(given) not in names:
        raise Unusable("bad_label", "'label' is not a list of five or nine numbers")
    values = dict(zip(names[len(given)], given, strict=True))
    return labels_of({k: None if v == MISSING else v for k, v in values.items()})
