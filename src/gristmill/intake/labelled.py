"""Rows with two answers in columns of their own, and a label or votes that tell the better one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from gristmill.intake.asked import prompt_in, reply_in
from gristmill.intake.cells import Row, Unusable
from gristmill.intake.pairs import two
from gristmill.intake.record import Answer, Content, whatever_answers

ANNOTATORS = ("annotator1", "annotator2", "annotator3")


def labelled(
    prompt: str, first: str, second: str, label: Callable[[Row], int]
) -> Callable[[Row], Content]:
    """A reader of two columns of which `label` tells the better one, 1 or 2."""

    def read(row: Row) -> Content:
        asked = prompt_in(row, prompt)

        def pair() -> Content:
            answers = [Answer(reply_in(row[name], name)) for name in (first, second)]
            better = label(row)
            return two(asked, answers[better - 1], answers[2 - better])

        return whatever_answers(asked, pair)

    return read


def number_label(row: Row) -> int:
    """LLMBar's: 1 or 2."""
    return _one_or_two(row["label"], "label")


def arrow_label(row: Row) -> int:
    """JudgeBench's: A>B or B>A."""
    said = str(row["label"]).replace(" ", "")
    if said in ("A=B", "tie"):
        raise Unusable("no_preference", f"'label' is {said}: neither is better")
    if said not in ("A>B", "B>A"):
        raise Unusable("bad_label", f"'label' is {row['label']!r:.40}; it must be A>B or B>A")
    return 1 if said == "A>B" else 2


def voted(row: Row) -> int:
    """PandaLM's: the majority of three annotators."""
    votes = Counter(_word(row[name]) for name in ANNOTATORS if row.get(name) is not None)
    said, count = votes.most_common(1)[0] if votes else ("", 0)
    if 2 * count <= votes.total():
        raise Unusable("no_preference", f"no majority among {dict(votes)}")
    return _one_or_two(said, "annotator1 to annotator3")


def _word(value: Any) -> str:
    """A label as text: 1.0, as tables with gaps hold it, is 1."""
    return f"{value:g}" if isinstance(value, float) else str(value).strip()


def _one_or_two(value: Any, name: str) -> int:
    said = _word(value)
    if said in ("0", "tie"):
        raise Unusable("no_preference", f"'{name}' is {said}: neither is better")
    if said not in ("1", "2"):
        raise Unusable("bad_label", f"'{name}' is {value!r:.40}; it must be 1 or 2")
    return int(said)
