"""Rows that list several answers to one prompt, each with a score or a rank."""

from __future__ import annotations

from gristmill.intake.asked import ASKS, field_of, prompt_in, reply_in
from gristmill.intake.cells import Row, Unusable
from gristmill.intake.pairs import score_in
from gristmill.intake.record import Answer, Content, whatever_answers
from gristmill.intake.turns import Turns
from gristmill.page.text import plural


def ranked(prompt: Turns, answers: list[Answer]) -> Content:
    """Several answers with scores: the best of them against all others. An answer without one is
    not compared.

    Raises Unusable where none is better than another.
    """
    able = [answer for answer in answers if answer.score is not None]
    if len(able) < 2:
        raise Unusable("no_score", f"{len(able)} of {plural(len(answers), 'answer')} with a score")
    able.sort(key=lambda answer: -(answer.score or 0.0))
    right = sum(answer.score == able[0].score for answer in able)
    if right == len(able):
        raise Unusable("no_preference", f"all {right} answers have one score")
    return Content(prompt, tuple(able), right)


def ultrafeedback(row: Row) -> Content:
    """UltraFeedback: `completions`, each with an overall score, or the mean of finer ones.

    A score of 10 beside a mean of 2 at most is a 1, as its authors found and mended it (issue 8 of
    OpenBMB/UltraFeedback).
    """
    prompt = prompt_in(row, field_of(row, ("instruction", *ASKS)) or "instruction")
    scores = ("overall_score", "fine-grained_score")

    def read() -> Content:
        answers = _scored(row, "completions", "response", scores)
        for place, one in enumerate(row["completions"]):
            mean = score_in(one, scores[1:], f"completions[{place}].")
            if answers[place].score == 10 and mean is not None and mean <= 2:
                answers[place] = answers[place]._replace(score=1.0)
        return ranked(prompt, answers)

    return whatever_answers(prompt, read)


def nectar(row: Row) -> Content:
    """Nectar: `answers`, each with a rank, 1 the best."""
    prompt = prompt_in(row, "prompt")
    return whatever_answers(
        prompt, lambda: ranked(prompt, _scored(row, "answers", "answer", ("rank",), sign=-1))
    )


def _scored(
    row: Row, column: str, text: str, scores: tuple[str, ...], sign: int = 1
) -> list[Answer]:
    """The answers in a list of objects, each with a text and a number under the first of `scores`
    that it has; sign -1 where the lowest is best."""
    given = row[column]
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise Unusable("bad_turns", f"'{column}' is not a list of answers")
    found = []
    for number, one in enumerate(given):
        place = f"{column}[{number}]"
        turns = reply_in(one.get(text), f"{place}.{text}")
        score = score_in(one, scores, f"{place}.")
        found.append(Answer(turns, None if score is None else sign * score))
    return found
