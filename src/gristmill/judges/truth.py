"""The judge of any reference answer: the response, or a part of it, against the prompt's."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from typing import Literal

from pydantic import Field, field_validator, model_validator

from gristmill.backends.base import Backend
from gristmill.errors import BackendError
from gristmill.judges.base import GroundTruth
from gristmill.records import Prompt, Response, Verdict

_NUMBER = re.compile(
    r"(?:(?<![\w.)])[-+\u2212])?(?<![\w.])(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)?(?:(?<=\d)\.\d+|(?<!\d)\.\d+)?"
    r"(?<=\d)(?:[eE][-+]?\d+)?"
)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_SHOWN = 100


class Truth(GroundTruth):
    """Compares a response with the prompt's `answer`: reward 1 if they match, else 0.

    An `answer` that is a JSON list of texts or numbers holds several, any of which is right.
    """

    match: Literal["exact", "normalised", "number", "contains"] = "normalised"
    """`exact`: the same characters, white space at both ends aside. `normalised`: the same after
    Unicode NFKC and case folding, without punctuation, the articles a, an and the, and with white
    space squeezed, as in SQuAD's exact match. `number`: the same number, within `tolerance`; of a
    part that holds several, the last. `contains`: the answer's words, normalised, stand somewhere
    in the response as whole words."""
    part: Literal["whole", "last_line", "after"] = "whole"
    """What of the response is compared: all of it, its last line that is not empty, or what follows
    the last `marker` on its line."""
    marker: str = Field(default="Answer:", min_length=1)
    """With `part: after`: what stands before the answer, upper and lower case alike. A response
    without it is wrong."""
    tolerance: float = Field(default=0.0, ge=0)
    """With `match: number`: how far a number may be from the answer, as a share of it; 0.01 is one
    percent. The default is exact."""
    absolute: float = Field(default=0.0, ge=0)
    """With `match: number`: how far a number may be from the answer in any case, in its unit."""

    @field_validator("marker")
    @classmethod
    def _not_blank(cls, marker: str) -> str:
        if not marker.strip():
            raise ValueError("must hold more than white space")
        return marker

    @model_validator(mode="after")
    def _tolerance_of_numbers(self) -> Truth:
        if (self.tolerance or self.absolute) and self.match != "number":
            raise ValueError("tolerance and absolute are for match: number; add it, or leave out")
        return self

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        if prompt.answer is None or not prompt.answer.strip():
            return Verdict("truth", "rules", None)
        wanted = answers_in(prompt.answer)
        self._check(wanted)
        found = self._part(response.text)
        if found is None:
            return Verdict("truth", "rules", 0.0, detail=f"no '{self.marker}' found")
        right = any(self._matches(found, one) for one in wanted)
        sign = "matches" if right else "does not match"
        detail = f"{_short(found)} {sign} {' or '.join(map(_short, wanted[:3]))}"
        return Verdict("truth", "rules", float(right), detail=detail)

    def _check(self, wanted: list[str]) -> None:
        """Raises BackendError for answers that nothing could match."""
        for one in wanted:
            if self.match == "number" and number_in(one) is None:
                raise BackendError("bad_truth", f"the prompt's answer is no number: {_short(one)}")
            if self.match != "exact" and not one.strip():
                raise BackendError("bad_truth", "one of the prompt's answers is empty")

    def _part(self, text: str) -> str | None:
        if self.part == "whole":
            return text
        if self.part == "last_line":
            return next((line for line in reversed(text.splitlines()) if line.strip()), "")
        marks = list(re.finditer(re.escape(self.marker.strip()), text, re.I))
        if not marks:
            return None
        return (text[marks[-1].end() :].strip("*_ \t").splitlines() or [""])[0]

    def _matches(self, found: str, wanted: str) -> bool:
        match self.match:
            case "exact":
                return found.strip() == wanted.strip()
            case "normalised":
                return normalised(found) == normalised(wanted)
            case "contains":
                return f" {normalised(wanted)} " in f" {normalised(found)} "
            case "number":
                one, other = number_in(found), number_in(wanted)
                return (
                    one is not None
                    and other is not None
                    and math.isclose(one, other, rel_tol=0, abs_tol=self._margin(other))
                )

    def _margin(self, wanted: float) -> float:
        return max(self.absolute, self.tolerance * abs(wanted))


def answers_in(answer: str) -> list[str]:
    """The answers that a prompt's `answer` holds: those of a JSON list of texts and numbers, or
    itself."""
    if answer.lstrip().startswith("["):
        try:
            found = json.loads(answer, parse_float=str, parse_int=str)
        except (ValueError, RecursionError):
            return [answer]
        if isinstance(found, list) and found and all(isinstance(one, str) for one in found):
            return found
    return [answer]


def normalised(text: str) -> str:
    """NFKC, case-folded, without punctuation and articles, white space squeezed. A text that would
    be nothing then keeps its punctuation, or its articles."""
    text = unicodedata.normalize("NFKC", text).casefold()
    bare = "".join(" " if unicodedata.category(c)[0] == "P" else c for c in text)
    squeezed = " ".join(_ARTICLES.sub(" ", bare).split())
    return squeezed or " ".join(bare.split()) or " ".join(text.split())


def number_in(text: str) -> float | None:
    """The last number of a text, thousands separators aside; None without one."""
    found = [m for m in _NUMBER.findall(unicodedata.normalize("NFKC", text)) if m]
    return float(found[-1].replace(",", "").replace("\u2212", "-")) if found else None


def _short(text: str) -> str:
    text = repr(text.strip())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]}...'"
