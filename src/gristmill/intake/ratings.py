"""Labels of the five attributes in a row: its own, its turns', or a list beside its text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gristmill.intake.asked import turns_field
from gristmill.intake.cells import Row, Unusable
from gristmill.intake.labels import Labels, labels_of, listed_labels
from gristmill.intake.record import Content
from gristmill.intake.turns import Turns, answered, messages_of
from gristmill.records import ATTRIBUTES


def rated(row: Row, found: Content) -> tuple[tuple[int, Labels], ...]:
    """Which turns of a conversation are rated: how many there are up to each, and its labels.

    Raises Unusable where none is, or where nobody asks before it.
    """
    field, turns = turns_field(row), found.turns
    if is_labelled(row):
        rated = [(len(turns), labels_of(row))]
    elif isinstance(row.get(field), list):
        rated = list(_of_turns(row[field], field, turns))
        if not rated:
            raise Unusable("no_label", f"no turn of '{field}' has 'attributes' or 'label'")
    elif "text" in row:
        if "label" not in row:
            raise Unusable("no_label", "no 'label' beside 'text'")
        rated = [(len(turns), listed_labels(row["label"]))]
    else:
        raise Unusable("no_label", f"none of {', '.join(ATTRIBUTES)} is given")
    for end, _ in rated:
        if all(turn.role != "user" for turn in turns[: end - 1]):
            raise Unusable("bad_turns", "no turn of the user's is before the response")
    return tuple(rated)


def _of_turns(given: list[Any], field: str, turns: Turns) -> Iterator[tuple[int, Labels]]:
    system = turns[0].role == "system"
    for number, turn in enumerate(given, 1):
        if has_labels(turn):
            before = answered(messages_of(given[:number], field), f"{field}[:{number}]")
            own = turn.get("attributes")
            labels = labels_of(own) if isinstance(own, dict) else listed_labels(turn["label"])
            yield sum(m.role != "system" for m in before) + system, labels


def is_labelled(row: Row) -> bool:
    """Whether a row has a label of one of the five attributes."""
    return any(row.get(name) not in (None, "") for name in ATTRIBUTES)


def has_labels(turn: Any) -> bool:
    """Whether a message has labels of its own."""
    return isinstance(turn, dict) and bool(turn.get("attributes") or turn.get("label"))
