"""A chat model as a judge: which of several answers is best, or how good one is.

The wording (`choice.md`, `rating.md`, `attributes.md`, `criteria.md`) is gristmill's own; the form
of the verdict, a letter or a number in double brackets, is the one that MT-bench made usual (Zheng
et al. 2023, arXiv:2306.05685). A reply without a verdict has none: it is never read as one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from importlib.resources import files
from string import ascii_uppercase
from typing import cast

from pydantic import Field

from gristmill.backends import ChatBackend, open_chat
from gristmill.backends.base import Backend
from gristmill.backends.calling import Sampled
from gristmill.records import Message, Prompt, Response, Sampling, prompt_id

Turns = tuple[Message, ...]

MOST = len(ascii_uppercase)
"""Answers that can be told apart by a letter."""

_LETTER = re.compile(r"\[\[\s*([A-Za-z])\s*\]\]")
_NUMBER = re.compile(r"\[\[\s*(\d{1,3}(?:\.\d{1,3})?)\s*\]\]")


@dataclass(frozen=True, slots=True)
class Said:
    """A judge's reply.

    choice: place of the answer it calls best, in the order shown. rating: 1 to 10. Of these the
    one that was not asked for is None, and so is one that the reply does not give.
    """

    reply: Response
    choice: int | None = None
    rating: float | None = None


class Asking(Sampled):
    """How a chat model is asked to judge."""

    temperature: float = Field(default=0.0, ge=0)
    """0, greedy, as judges are usually asked: the same verdict each time."""
    max_tokens: int = Field(default=2048, ge=1)
    """Room for the reasons and the verdict; a reply that is cut off before its verdict has none."""
    seed: int = 0
    """Of the sampling, where the temperature is above 0."""

    def open(self) -> ChatBackend:
        """The backend to ask, not yet entered. Raises ConfigError or MissingExtra."""
        return open_chat(self)

    async def choose(self, backend: Backend, prompt: Turns, answers: Sequence[Turns]) -> Said:
        """Ask which of the answers, in this order, is best. Raises BackendError."""
        reply = await self.ask(backend, choice_request(prompt, answers))
        return Said(reply, choice=verdict_in(final(reply), len(answers)))

    async def rate(self, backend: Backend, prompt: Turns, answer: Turns) -> Said:
        """Ask for a rating of one answer. Raises BackendError."""
        reply = await self.ask(backend, rating_request(prompt, answer))
        return Said(reply, rating=rating_in(final(reply)))

    async def ask(self, backend: Backend, text: str) -> Response:
        """The reply to one request. Raises BackendError."""
        messages = (Message("user", text),)
        sampling = Sampling(self.temperature, 1.0, self.max_tokens, self.seed, stop=self.stop)
        asked = Prompt(prompt_id(messages), messages)
        return await cast(ChatBackend, backend).sample(asked, 0, sampling)


def choice_request(
    prompt: Turns, answers: Sequence[Turns], rubric: str | None = None, *, tie: bool = False
) -> str:
    """What a judge is asked about several answers to one prompt; answer 0 is A.

    rubric: what makes an answer good, in place of `rubric.md`. tie: it may find none the best.
    """
    assert 2 <= len(answers) <= MOST
    letters = ascii_uppercase[: len(answers)]
    mark = _mark(prompt, *answers)
    shown = (_block(f"answer {n}", turns, mark) for n, turns in zip(letters, answers, strict=True))
    verdicts = [f"[[{letter}]] if answer {letter} is best" for letter in letters]
    if tie:
        verdicts.append("[[tie]] if they are equally good")
    return _template("choice.md").format(
        count=len(answers),
        rubric=_template("rubric.md") if rubric is None else rubric.strip(),
        request=_block("the request", prompt, mark),
        answers="\n\n".join(shown),
        verdicts=", ".join(verdicts[:-1]) + f" or {verdicts[-1]}",
    )


def rating_request(prompt: Turns, answer: Turns) -> str:
    """What a judge is asked about one answer."""
    mark = _mark(prompt, answer)
    return _template("rating.md").format(
        request=_block("the request", prompt, mark), answers=_block("the answer", answer, mark)
    )


def grading_request(prompt: Turns, answer: Turns, rubric: str | None = None) -> str:
    """What a judge is asked about the five attributes of one answer; `rubric` as above."""
    mark = _mark(prompt, answer)
    return _template("attributes.md").format(
        rubric=_template("rubric.md") if rubric is None else rubric.strip(),
        request=_block("the request", prompt, mark),
        answers=_block("the answer", answer, mark),
    )


def criteria_request(prompt: Turns, answer: Turns, criteria: Sequence[str]) -> str:
    """What a judge is asked about one answer and what was written to judge it by."""
    listed = (Message("user", "\n\n".join(f"{n}. {c}" for n, c in enumerate(criteria, 1))),)
    mark = _mark(prompt, answer, listed)
    return _template("criteria.md").format(
        request=_block("the request", prompt, mark),
        answers=_block("the answer", answer, mark),
        criteria=_block("the criteria", listed, mark),
        lines="\n".join(f"{n}: yes or no" for n in range(1, len(criteria) + 1)),
    )


def final(reply: Response) -> str:
    """What a reply says, for a verdict that stands at its end. Nothing where it was cut off, for
    then what stands last may be no more than a quotation."""
    return "" if reply.finish_reason == "length" else reply.text


def end_of(reply: Response) -> str:
    """How a reply ends that has no verdict, for an error."""
    if reply.finish_reason == "length":
        return f"in a reply that was cut off; raise max_tokens ({reply.completion_tokens} used)"
    return f"in: {reply.text[-200:]!r}"


def verdict_in(text: str, count: int) -> int | None:
    """The place of the answer whose letter stands last in double brackets; None where none does,
    or one that was not asked about."""
    found = _LETTER.findall(text)
    place = ascii_uppercase.index(found[-1].upper()) if found else MOST
    return place if place < count else None


def rating_in(text: str) -> float | None:
    """The number from 1 to 10 that stands last in double brackets, or None."""
    found = _NUMBER.findall(text)
    rating = float(found[-1]) if found else 0.0
    return rating if 1 <= rating <= 10 else None


def _mark(*texts: Turns) -> str:
    """Six hex digits that no author of an answer could know: an answer cannot pretend to end."""
    digest = blake2b(digest_size=3)
    for turns in texts:
        digest.update(prompt_id(turns).encode())
    return digest.hexdigest()


def transcript(turns: Turns) -> str:
    """The turns as one text: a single one of the user's or the assistant's as it is, else each
    with who said it."""
    one = len(turns) == 1 and turns[0].role in ("user", "assistant")
    said = (t.content if one else f"{t.role.capitalize()}: {t.content}" for t in turns)
    return "\n\n".join(said)


def _block(name: str, turns: Turns, mark: str) -> str:
    return f"<<< {name} begins ({mark}) >>>\n{transcript(turns)}\n<<< {name} ends ({mark}) >>>"


@lru_cache
def _template(name: str) -> str:
    return files("gristmill.judges").joinpath(name).read_text(encoding="utf-8").strip()
