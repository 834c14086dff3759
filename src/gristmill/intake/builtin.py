"""Sources that need no file: questions of the tutor world, named by one string.

    tutor:4000             4000 questions: rows of prompt, answer, category
    tutor:500:held-out     of the side that no training text touches
    tutor:2000:rated       rated responses to them, in HelpSteer2's format
    tutor:800:bench        pairs to measure a judge by, in RewardBench's columns
    tutor:9000:text        documents to pretrain on
    tutor:9000:chat        conversations to tune on, answered well or badly

Each may have `:seed=3` at the end (0 by default), and `held-out` goes with `rated`. What `bench`
asks is held out whether it is said (`tutor:800:held-out:bench`) or not; `text` and `chat` never
are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gristmill.errors import DataError

PREFIX = "tutor:"

MOST = 100_000
"""Rows of one source: more distinct questions than this the smaller kinds do not have."""
MOST_TEXTS = 1_000_000
"""Of texts and conversations, whose questions come again."""

_FORM = re.compile(r"tutor:(\d{1,9})(:held-out)?(?::(rated|bench|text|chat))?(?::seed=(\d{1,18}))?")


@dataclass(frozen=True, slots=True)
class TutorRows:
    """What a `tutor:` string asks for. Iterate over it for the rows, the same every time."""

    count: int
    held_out: bool
    form: str | None
    """`rated`, `bench`, `text`, `chat`, or None for the questions alone."""
    seed: int

    @classmethod
    def parse(cls, name: str) -> TutorRows:
        """Raises DataError, naming the forms that there are, where `name` is none of them."""
        found = _FORM.fullmatch(name)
        if found is None:
            raise DataError(
                f"{name}: no such source; write tutor:4000, tutor:500:held-out, "
                "tutor:2000:rated, tutor:800:bench, tutor:9000:text or tutor:9000:chat, with "
                ":seed=3 at the end if you like"
            )
        count, held_out, form, seed = found.groups()
        trained = form in ("text", "chat")
        if held_out and trained:
            raise DataError(f"{name}: {form} is for training, never held out; leave held-out away")
        most = MOST_TEXTS if trained else MOST
        if not 1 <= int(count) <= most:
            raise DataError(f"{name}: ask for 1 to {most} rows")
        return cls(int(count), held_out is not None, form, int(seed or 0))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        from gristmill import tutor  # most runs ask for none of its rows

        if self.form == "bench":
            yield from tutor.bench_rows(self.count, self.seed)
            return
        if self.form in ("text", "chat"):
            rows = tutor.text_rows if self.form == "text" else tutor.chat_rows
            yield from rows(self.count, self.seed)
            return
        if self.form == "rated":
            yield from tutor.helpsteer2_rows(self.count, self.seed, held_out=self.held_out)
            return
        for question in tutor.questions(self.count, self.seed, held_out=self.held_out):
            yield {"prompt": question.text, "answer": question.answer, "category": question.kind}
