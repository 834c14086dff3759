"""Rows with several answers to one prompt, of which some are better."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from gristmill.intake.cells import Row, Unusable, number_of
from gristmill.intake.conversations import asks, prompt_in, reply_in, system_of, turns_field
from gristmill.intake.record import Answer, Content
from gristmill.intake.turns import Turns, messages_of, with_system

STRONGEST = 3
"""HelpSteer2-Preference's -3 to 3: much, clearly, slightly better, the first or the second."""
MOST_ANSWERS = 512
"""Answers of one row; more is a mistake."""
ANNOTATORS = ("annotator1", "annotator2", "annotator3")


def two(prompt: Turns, better: Answer, worse: Answer, strength: float | None = None) -> Content:
    """A pair. Raises Unusable where both say the same, white space aside, or the scores do not
    say what the pair does."""
    if _plain(better.turns) == _plain(worse.turns):
        raise Unusable("identical_pair", "chosen and rejected are the same")
    if better.score is not None and worse.score is not None and better.score <= worse.score:
        said = f"the chosen's score is {better.score:g}, the rejected's {worse.score:g}"
        equal = better.score == worse.score
        raise Unusable("no_preference" if equal else "scores_against_pair", said)
    return Content(prompt, (better, worse), 1, strength=strength)


def _plain(turns: Turns) -> list[Any]:
    return [(t.role, t.content.split(), t.reasoning.split(), t.tool_calls) for t in turns]


def chosen_rejected(row: Row) -> Content:
    """`chosen` and `rejected`: texts, messages, or whole conversations; or lists of answers.

    The prompt is `prompt` (text or messages), the turns in `conversations` or `messages`, or
    what the two conversations have in common at the beginning.
    """
    for name, other in (("chosen", "rejected"), ("rejected", "chosen")):
        if name not in row:
            raise Unusable("missing_field", f"no '{name}' beside '{other}'")
    if _listed(row["chosen"]) or _listed(row["rejected"]):
        return _many(row)
    strength = strength_of(row)
    if strength is not None and strength < 0:
        raise Unusable("bad_strength", f"'preference_strength' is {strength:g}, against the pair")
    chosen, rejected = reply_in(row, "chosen"), reply_in(row, "rejected")
    whole = chosen[0].role != "assistant"
    if whole != (rejected[0].role != "assistant"):
        raise Unusable("bad_turns", "one of 'chosen' and 'rejected' holds the prompt, one does not")
    if whole:
        system = system_of(row)
        prompt, *sides = _common(with_system(system, chosen), with_system(system, rejected))
        _check_asked(row, prompt)
    else:
        field = "prompt" if "prompt" in row else turns_field(row)
        if field not in row:
            raise Unusable("missing_field", "no 'prompt', and none at the beginning of both sides")
        prompt, sides = prompt_in(row, field), [chosen, rejected]
    better, worse = (
        Answer(turns, score=_score(row, name))
        for turns, name in zip(sides, ("chosen", "rejected"), strict=True)
    )
    return two(prompt, better, worse, strength)


def _score(row: Row, side: str) -> float | None:
    for name in (f"{side}_score", f"{side}_reward", f"score_{side}"):
        if row.get(name) is not None:
            return number_of(row[name], name, "bad_score")
    return None


def _common(chosen: Turns, rejected: Turns) -> tuple[Turns, Turns, Turns]:
    """(prompt, chosen, rejected) of two whole conversations; each keeps its last turn."""
    if _plain(chosen) == _plain(rejected):
        raise Unusable("identical_pair", "chosen and rejected are the same")
    shared = 0
    most = min(len(chosen), len(rejected)) - 1
    while shared < most and chosen[shared] == rejected[shared]:
        shared += 1
    if all(turn.role != "user" for turn in chosen[:shared]):
        raise Unusable("no_common_prompt", "chosen and rejected answer different prompts")
    return chosen[:shared], chosen[shared:], rejected[shared:]


def _check_asked(row: Row, prompt: Turns) -> None:
    """Raises Unusable where a column of the prompt is another one than the conversations'."""
    given = row.get("prompt")
    if isinstance(given, list | dict):
        begun = [turn for turn in messages_of(given, "prompt") if turn.role == "user"]
        given = begun[-1].content if begun else None
    if isinstance(given, str) and given.strip() and not asks(prompt, given):
        raise Unusable("prompt_differs", "'prompt' is not what 'chosen' and 'rejected' answer")


def _listed(value: Any) -> bool:
    """Whether it holds several answers, and not the messages of one."""
    return isinstance(value, list) and bool(value) and not isinstance(value[0], dict)


def _many(row: Row) -> Content:
    """RewardBench 2 (`num_correct` says how many of `chosen` count) and RM-Bench."""
    prompt = prompt_in(row)
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
    found = [reply_in({f"{name}[{n}]": text}, f"{name}[{n}]") for n, text in enumerate(given)]
    for number, turns in enumerate(found):
        if turns[0].role != "assistant":
            detail = f"'{name}[{number}]' begins with the {turns[0].role}'s turn"
            raise Unusable("bad_turns", detail)
    return [Answer(turns) for turns in found]


def numbered(row: Row) -> Content:
    """HelpSteer2-Preference (`response_1`, `response_2`, `preference_strength`) and HelpSteer3
    (`context`, `response1`, `response2`, `overall_preference`): negative for the first."""
    older = "response_1" in row
    names = ("response_1", "response_2") if older else ("response1", "response2")
    field = "preference_strength" if older else "overall_preference"
    prompt = prompt_in(row, "prompt" if "prompt" in row else "context")
    first, second = (Answer(reply_in(row, name)) for name in names)
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


def ranked(prompt: Turns, answers: list[Answer]) -> Content:
    """Several answers with scores: the best of them against all others.

    Raises Unusable where none is better than another.
    """
    able = [answer for answer in answers if answer.score is not None]
    if len(able) < 2:
        raise Unusable("no_score", f"{len(able)} of {len(answers)} answers have a score")
    able.sort(key=lambda answer: -(answer.score or 0.0))
    right = sum(answer.score == able[0].score for answer in able)
    if right == len(able):
        raise Unusable("no_preference", f"all {right} answers have one score")
    return Content(prompt, tuple(able), right)


def ultrafeedback(row: Row) -> Content:
    """UltraFeedback: `instruction` and `completions`, each with an overall score."""
    field = "instruction" if "instruction" in row else "prompt"
    given = row["completions"]
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise Unusable("bad_turns", "'completions' is not a list of answers")
    answers = []
    for number, one in enumerate(given):
        place = f"completions[{number}]"
        text = reply_in({f"{place}.response": one.get("response")}, f"{place}.response")
        score = next((one[n] for n in ("overall_score", "fine-grained_score") if n in one), None)
        answers.append(Answer(text, score=number_of(score, f"{place}.overall_score", "bad_score")))
    return ranked(prompt_in(row, field), answers)


def nectar(row: Row) -> Content:
    """Nectar: `prompt` and `answers`, each with a rank, 1 the best."""
    given = row["answers"]
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise Unusable("bad_turns", "'answers' is not a list of answers")
    answers = []
    for number, one in enumerate(given):
        place = f"answers[{number}]"
        text = reply_in({f"{place}.answer": one.get("answer")}, f"{place}.answer")
        rank = number_of(one.get("rank"), f"{place}.rank", "bad_score")
        answers.append(Answer(text, score=None if rank is None else -rank))
    return ranked(prompt_in(row), answers)


def labelled(
    prompt: str, first: str, second: str, label: Callable[[Row], int]
) -> Callable[[Row], Content]:
    """A reader of two columns of which `label` tells the better one, 1 or 2."""

    def read(row: Row) -> Content:
        asked = prompt_in(row, prompt)
        answers = [Answer(reply_in(row, name)) for name in (first, second)]
        better = label(row)
        return two(asked, answers[better - 1], answers[2 - better])

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
