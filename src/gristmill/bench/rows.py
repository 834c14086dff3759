"""Rows of people's benchmarks as items: RewardBench 1 and 2, RM-Bench, LLMBar, JudgeBench,
PandaLM, HelpSteer2-Preference, and anybody's `chosen` and `rejected`.

A row's columns show its format; nothing has to be set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gristmill.bench.items import Item, Refused, Turns
from gristmill.intake.files import BadLine, Found
from gristmill.intake.pairs import check_differ, numbered_sides, side, sides, strength_of
from gristmill.intake.turns import Unusable, number_of, prompt_of_row, text_of
from gristmill.records import Message

Row = dict[str, Any]

CATEGORIES = ("subset", "category", "domain")
"""Columns that may say what a row is counted under, the first that is there."""

NAMES = ("id", "pair_id", "idx", "prompt_id")
"""Columns that may hold a row's name."""

MOST_ANSWERS = 512
"""Answers of one row; more is not a benchmark but a mistake."""


def items(found: Iterable[Found], category: str) -> Iterator[Item | Refused]:
    """Each row as an item, or why it is none. category: for rows that name none themselves."""
    for where, row, raw in found:
        if isinstance(row, BadLine):
            yield Refused(row.where, row.reason, row.detail, row.text)
            continue
        try:
            yield _item(row, where, category)
        except Unusable as error:
            yield Refused(where, error.reason, error.detail, raw)


def _item(row: Row, where: str, category: str) -> Item:
    read = _format(row)
    prompt, answers, right, grid = read(row)
    named = next((row[name] for name in NAMES if row.get(name) not in (None, "")), where)
    return Item(str(named), _category(row, category), prompt, answers, where, right, grid)


Read = tuple[Turns, tuple[Turns, ...], int, bool]
"""(prompt, answers, how many of them are right, whether they form a grid)."""


def _format(row: Row) -> Callable[[Row], Read]:
    if "chosen" in row and "rejected" in row:
        return _many if _listed(row["chosen"]) or _listed(row["rejected"]) else _pair
    for needed, read in FORMATS:
        if needed <= row.keys():
            return read
    for name, other in (("chosen", "rejected"), ("rejected", "chosen")):
        if name in row:
            raise Unusable("missing_field", f"no '{other}' beside '{name}'")
    known = "; ".join(", ".join(sorted(needed)) for needed, _ in FORMATS)
    raise Unusable(
        "unknown_format",
        f"columns {', '.join(row) or 'none'} are no known form of pair; write prompt, chosen, "
        f"rejected (also known: {known})",
    )


def _listed(value: Any) -> bool:
    """Whether it holds several answers, and not the messages of one."""
    return isinstance(value, list) and bool(value) and not isinstance(value[0], dict)


def _category(row: Row, otherwise: str) -> str:
    for name in CATEGORIES:
        value = row.get(name)
        if value is not None:
            if not isinstance(value, str) or not value.strip():
                raise Unusable("bad_category", f"'{name}' is {value!r:.40}, not a name")
            return value.strip()
    # JudgeBench has its four parts at the beginning of `source`.
    source = row.get("source")
    if "response_A" in row and isinstance(source, str) and source:
        return "mmlu-pro" if source.startswith("mmlu-pro") else source
    return otherwise


def _two(prompt: Turns, better: Turns, worse: Turns) -> Read:
    check_differ(better, worse)
    return prompt, (better, worse), 1, False


def _pair(row: Row) -> Read:
    strength = strength_of(row)
    if strength is not None and strength < 0:
        raise Unusable("bad_strength", f"'preference_strength' is {strength:g}, against the pair")
    return _two(*sides(row))


def _numbered(row: Row) -> Read:
    return _two(*numbered_sides(row)[:3])


def _many(row: Row) -> Read:
    """RewardBench 2 (`num_correct` says how many of `chosen` count) and RM-Bench."""
    prompt = prompt_of_row(row)
    right, wrong = (_texts(row, name) for name in ("chosen", "rejected"))
    count = number_of(row.get("num_correct"), "num_correct", "bad_count")
    if count is not None and count != len(right):
        raise Unusable("bad_count", f"'num_correct' is {count:g}, 'chosen' has {len(right)}")
    if len(right) == len(wrong) == 1:
        check_differ(right[0], wrong[0])
    grid = count is None and 1 < len(right) == len(wrong)
    return prompt, (*right, *wrong), len(right), grid


def _texts(row: Row, name: str) -> tuple[Turns, ...]:
    given = row[name] if isinstance(row[name], list) else [row[name]]
    if not 1 <= len(given) <= MOST_ANSWERS:
        raise Unusable("bad_count", f"'{name}' has {len(given)} answers; 1 to {MOST_ANSWERS} fit")
    found = tuple(side({f"{name}[{n}]": text}, f"{name}[{n}]") for n, text in enumerate(given))
    for number, turns in enumerate(found):
        if turns[0].role != "assistant":
            raise Unusable(
                "bad_turns", f"'{name}[{number}]' begins with the {turns[0].role}'s turn"
            )
    return found


def _labelled(prompt: str, first: str, second: str, label: Callable[[Row], int]) -> Any:
    """A reader of two columns of which `label` tells the better one, 1 or 2."""

    def read(row: Row) -> Read:
        asked = prompt_of_row(row, prompt)
        answers = [
            (Message("assistant", text_of(row, name, "empty_response")),)
            for name in (first, second)
        ]
        better = label(row)
        return _two(asked, answers[better - 1], answers[2 - better])

    return read


def _number(row: Row) -> int:
    return _one_or_two(row["label"], "label")


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


def _arrow(row: Row) -> int:
    said = str(row["label"]).replace(" ", "")
    if said in ("A=B", "tie"):
        raise Unusable("no_preference", f"'label' is {said}: neither is better")
    if said not in ("A>B", "B>A"):
        raise Unusable("bad_label", f"'label' is {row['label']!r:.40}; it must be A>B or B>A")
    return 1 if said == "A>B" else 2


ANNOTATORS = ("annotator1", "annotator2", "annotator3")


def _voted(row: Row) -> int:
    votes = Counter(_word(row[name]) for name in ANNOTATORS if row.get(name) is not None)
    said, count = votes.most_common(1)[0] if votes else ("", 0)
    if 2 * count <= votes.total():
        raise Unusable("no_preference", f"no majority among {dict(votes)}")
    return _one_or_two(said, "annotator1 to annotator3")


def _instruction(row: Row) -> Read:
    """PandaLM: `instruction` and, for some, `input` to it."""
    asked = text_of(row, "instruction", "empty_prompt")
    given = row.get("input")
    if isinstance(given, str) and given.strip():
        asked = f"{asked}\n\n{given}"
    return _labelled("prompt", "response1", "response2", _voted)({**row, "prompt": asked})


FORMATS: tuple[tuple[set[str], Callable[[Row], Read]], ...] = (
    (
        {"input", "output_1", "output_2", "label"},
        _labelled("input", "output_1", "output_2", _number),
    ),
    (
        {"question", "response_A", "response_B", "label"},
        _labelled("question", "response_A", "response_B", _arrow),
    ),
    ({"instruction", "response1", "response2", "annotator1"}, _instruction),
    ({"prompt", "response_1", "response_2", "preference_strength"}, _numbered),
)
"""Columns that show a format, and what reads it: LLMBar, JudgeBench, PandaLM, HelpSteer2."""
