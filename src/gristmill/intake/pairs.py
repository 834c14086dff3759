"""Rows with two answers to one prompt or more, and who says which are better beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gristmill.intake.asked import ASKS, TURNS, field_of, prompt_in, reply_in, system_of
from gristmill.intake.cells import Row, Unusable, number_of
from gristmill.intake.conversations import asks
from gristmill.intake.record import Answer, Content, whatever_answers
from gristmill.intake.turns import Turns, messages_of, with_system
from gristmill.records import Message

STRONGEST = 3
"""HelpSteer2-Preference's -3 to 3: much, clearly, slightly better, the first or the second."""
MOST_ANSWERS = 512
"""Answers of one row; more is a mistake."""
SIDES = ("chosen", "rejected")
SCORES = {
    side: tuple(
        f"{first}{sign}{second}"
        for word in ("score", "reward", "rating")
        for first, second in ((side, word), (word, side))
        for sign in "_-"
    )
    for side in SIDES
}
"""Columns that hold a side's score: TRL, UltraFeedback binarised, Argilla's sets, distilabel."""

_SCORED = frozenset(name for names in SCORES.values() for name in names)
_NOT_GIVEN = ("n/a", "na", "nan", "none", "null")


def two(prompt: Turns, better: Answer, worse: Answer, strength: float | None = None) -> Content:
    """A pair. Raises Unusable where both say the same, white space aside, or the scores do not
    say what the pair does.

    Where a person said how clear the preference is (strength), that stands: scores beside it are a
    reward model's opinion, and may be another.
    """
    _check_differ(better.turns, worse.turns)
    high, low = better.score, worse.score
    if strength is None and high is not None and low is not None and high <= low:
        said = f"the chosen's score is {high:g}, the rejected's {low:g}"
        equal = high == low
        raise Unusable("no_preference" if equal else "scores_against_pair", said)
    return Content(prompt, (better, worse), 1, strength=strength)


def _check_differ(better: Turns, worse: Turns) -> None:
    if len(better) == len(worse) and all(map(_same, better, worse)):
        raise Unusable("identical_pair", "chosen and rejected are the same")


def _same(a: Message, b: Message) -> bool:
    return (
        a.role == b.role
        and a.tool_calls == b.tool_calls
        and a.content.split() == b.content.split()
        and a.reasoning.split() == b.reasoning.split()
    )


def chosen_rejected(row: Row) -> Content:
    """`chosen` and `rejected`: texts, messages, or whole conversations; or lists of answers.

    The prompt is the first column that asks, or what the two conversations have in common at the
    beginning.
    """
    for name, other in (SIDES, SIDES[::-1]):
        if name not in row:
            raise Unusable("missing_field", f"no '{name}' beside '{other}'")
    if _several(row["chosen"]) or _several(row["rejected"]):
        prompt = prompt_in(row, field_of(row, ASKS) or "prompt")
        return whatever_answers(prompt, lambda: _many(row, prompt))
    chosen, rejected = (reply_in(row[name], name) for name in ("chosen", "rejected"))
    whole = chosen[0].role != "assistant"
    if whole != (rejected[0].role != "assistant"):
        raise Unusable("bad_turns", "one of 'chosen' and 'rejected' holds the prompt, one does not")
    if whole:
        system = system_of(row)
        chosen, rejected = with_system(system, chosen), with_system(system, rejected)
        for turns in (chosen, rejected):
            _check_asked(row, turns[:-1])
        prompt, chosen, rejected = _common(chosen, rejected)
    else:
        prompt = _prompt(row)
    return whatever_answers(prompt, lambda: _pair(row, prompt, chosen, rejected))


def _prompt(row: Row) -> Turns:
    """What both sides answer. Where a text stands beside turns that hold it, it is the turns."""
    if (field := field_of(row, ASKS)) is None:
        raise Unusable("missing_field", "no 'prompt', and none at the beginning of both sides")
    found = prompt_in(row, field)
    if field != "prompt" or (turns := field_of(row, TURNS)) is None:
        return found
    whole = with_system(system_of(row), messages_of(row[turns], turns))
    before = whole[:-1] if whole[-1].role == "assistant" else whole
    _check_asked(row, before)
    return max(found, before, key=len)


def _check_asked(row: Row, turns: Turns) -> None:
    """Raises Unusable where a column of the prompt is another one than the conversations'."""
    for name in ("prompt", "question"):
        if name in row and not asks(turns, row[name]):
            raise Unusable("prompt_differs", f"'{name}' is not what the conversations ask")


def _pair(row: Row, prompt: Turns, chosen: Turns, rejected: Turns) -> Content:
    strength = strength_of(row) if "preference_strength" in row else None
    if strength is not None and strength < 0:
        raise Unusable("bad_strength", f"'preference_strength' is {strength:g}, against the pair")
    if row.get("status") == "tie":
        raise Unusable("no_preference", "'status' is tie: neither is better")
    if _SCORED.isdisjoint(row):
        return two(prompt, Answer(chosen), Answer(rejected), strength)
    high, low = (score_in(row, SCORES[side]) for side in SIDES)
    return two(prompt, Answer(chosen, high), Answer(rejected, low), strength)


def score_in(row: Row, names: Sequence[str], place: str = "") -> float | None:
    """The first score that is given; None where none is, as by UltraFeedback's "N/A"."""
    for name in names:
        given = row.get(name)
        if given is not None and str(given).strip().casefold() not in _NOT_GIVEN:
            return number_of(given, f"{place}{name}", "bad_score")
    return None


def _common(chosen: Turns, rejected: Turns) -> tuple[Turns, Turns, Turns]:
    """(prompt, chosen, rejected) of two whole conversations; each keeps its last turn."""
    _check_differ(chosen, rejected)
    shared = 0
    most = min(len(chosen), len(rejected)) - 1
    while shared < most and chosen[shared] == rejected[shared]:
        shared += 1
    if all(turn.role != "user" for turn in chosen[:shared]):
        raise Unusable("no_common_prompt", "chosen and rejected answer different prompts")
    return chosen[:shared], chosen[shared:], rejected[shared:]


def _several(value: Any) -> bool:
    """Whether it holds several answers, and not the messages of one."""
    return isinstance(value, list) and bool(value) and not isinstance(value[0], dict)


def _many(row: Row, prompt: Turns) -> Content:
    """RewardBench 2 (`num_correct` says how many of `chosen` count) and RM-Bench."""
    right, wrong = (_answers(row, name) for name in ("chosen", "rejected"))
    count = number_of(row.get("num_correct"), "num_correct", "bad_count")
    if count is not None and count != len(right):
        raise Unusable("bad_count", f"'num_correct' is {count:g}, 'chosen' has {len(right)}")
    if len(right) == len(wrong) == 1:
        return two(prompt, right[0], wrong[0])
    grid = count is None and 1 < len(right) == len(wrong)
    return Content(prompt, (*right, *wrong), len(right), grid)


def _answers(row: Row, name: str) -> list[Answer]:
    given = row[name] if isinstance(row[name], list) else [row[name]]
    if not 1 <= len(given) <= MOST_ANSWERS:
        raise Unusable("bad_count", f"'{name}' has {len(given)} answers; 1 to {MOST_ANSWERS} fit")
    found = [reply_in(text, f"{name}[{n}]") for n, text in enumerate(given)]
    for number, turns in enumerate(found):
        if turns[0].role != "assistant":
            detail = f"'{name}[{number}]' begins with the {turns[0].role}'s turn"
            raise Unusable("bad_turns", detail)
    return [Answer(turns) for turns in found]


def numbered(row: Row) -> Content:
    """HelpSteer2-Preference (`response_1`, `response_2`, `preference_strength`) and HelpSteer3
    (`context`, `response1`, `response2`, `overall_preference`): negative for the first."""
    prompt = prompt_in(row, "prompt" if "prompt" in row else "context")
    return whatever_answers(prompt, lambda: _numbered(row, prompt))


def _numbered(row: Row, prompt: Turns) -> Content:
    older = "response_1" in row
    names = ("response_1", "response_2") if older else ("response1", "response2")
    field = "preference_strength" if older else "overall_preference"
    first, second = (Answer(reply_in(row[name], name)) for name in names)
    strength = strength_of(row, field)
    if strength is None:
        raise Unusable("missing_field", f"no '{field}'")
    if abs(strength) > STRONGEST:
        raise Unusable("bad_strength", f"'{field}' is {strength:g}, outside -3 to 3")
    better, worse = (first, second) if strength < 0 else (second, first)
    return two(prompt, better, worse, abs(strength))


def strength_of(row: Row, field: str = "preference_strength") -> float | None:
    """How clear a preference is, None where the row does not say; 0 is no preference: Unusable."""
    strength = number_of(row.get(field), field, "bad_strength")
    if strength == 0:
        raise Unusable("no_preference", f"'{field}' is 0: neither is better")
    return strength
