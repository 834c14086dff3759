"""The judge of the tutor world: a program that knows the truth of its questions."""

from __future__ import annotations

from gristmill.backends.base import Backend
from gristmill.judges.base import GroundTruth
from gristmill.records import Prompt, Response, Verdict
from gristmill.tutor import grade, parse_question
from gristmill.tutor.labels import labels_of

NAME = "tutor"


class Tutor(GroundTruth):
    """Grades answers to questions of the tutor world, statement by statement: reward 1 where the
    final answer is right and nothing is false, else 0; and the five attributes by the rules that
    the world's rated rows have theirs by. Of any other prompt it says nothing."""

    @property
    def gives_attributes(self) -> bool:
        return True

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        question = parse_question(prompt.messages[-1].content)
        if question is None:
            return Verdict(NAME, "rules", None)
        graded = grade(question, response.text)
        a, b, c, d, e = map(float, labels_of(graded, response.text))
        false = [said for said, truth in graded.statements if truth is False]
        detail = f"false: {false[0]}" if false else f"answer: {graded.final}"
        return Verdict(NAME, "rules", float(graded.right), (a, b, c, d, e), detail=detail)
