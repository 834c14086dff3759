"""The tutor: a small world of questions whose truth the program knows.

    >>> from gristmill.tutor import grade, parse_question
    >>> question = parse_question("What is 47 plus 38?")
    >>> grade(question, "47 plus 38: 40 plus 30 is 70. 7 plus 8 is 15. The answer is 85.").right
    True

It makes the whole loop measurable without a network or a person: `questions`
asks, `answer` gives answers of every quality, `grade` judges every statement of
an answer exactly, `labels` turns that into five HelpSteer2 attributes, and
`bench_rows` pairs answers to measure a judge by; `text_rows` and `chat_rows` are what
its own models learn from.
"""

from .answers import QUALITIES, answer
from .ask import questions
from .bench import BENCH_SECTIONS, bench_rows
from .grade import Grade, grade
from .labels import Labels, helpsteer2_rows, labels
from .phrases import parse_question
from .text import chat_rows, text_rows
from .world import KINDS, Question

__all__ = [
    "BENCH_SECTIONS",
    "KINDS",
    "QUALITIES",
    "Grade",
    "Labels",
    "Question",
    "answer",
    "bench_rows",
    "chat_rows",
    "grade",
    "helpsteer2_rows",
    "labels",
    "parse_question",
    "questions",
    "text_rows",
]
