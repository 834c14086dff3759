"""The judge of any reference answer: the response, or a part of it, against the prompt's."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from typing import Literal

from pydantic import Field, field_validator, model_validator

from gristmill.backends.base import Backend
from gristmill.errors import BackendError
from gristmill.judges._answers import right_answers
from gristmill.judges.base import GroundTruth
from gristmill.languages.numbers import written
from gristmill.languages.scripts import HANGUL, SPACELESS, apart, western
from gristmill.records import Prompt, Response, Verdict

_NUMBER = re.compile(
    r"(?:(?<![\w.)])[-+])?(?<![\w.])"
    r"(?:(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_DROPPED = re.compile(r"(?<!\d)[.'](?!\d)|['\u2019`]|(?<=\d)\.(?!\d)")
"""What joins the parts of a word or ends a sentence: U.S., don't."""
_SPACED = re.compile(r"(?<![\w])-(?=[\d.])|[.,](?=\d)|([^\w\s])")
"""Signs and points of numbers, and, as a group, what else is neither letter, digit nor space."""
_SPACELESS, _HANGUL = re.compile(f"[{SPACELESS}]"), re.compile(f"[{HANGUL}]")
_DIGITS = 400
"""The most that a number's exponent may be, either way."""
_SHOWN = 100


class Truth(GroundTruth):
    """Compares a response with the prompt's `answer`: reward 1 if they match, else 0.

    An `answer` that is a JSON list of texts holds several, any of which is right. A whole number
    is the same with zeros behind a point: 8.0 is 8, which is what becomes of it in a column with a
    gap. Else texts are compared as texts, 007 is not 7; only `match: number` reads 1e3 as 1000.
    """

    match: Literal["exact", "normalised", "number", "contains"] = "normalised"
    """`exact`: the same characters, white space at both ends aside. `normalised`: the same after
    Unicode NFKC and case folding, without punctuation and the articles a, an and the, and with
    white space squeezed, much as in SQuAD's exact match. `number`: the same number, within
    `tolerance`; of a part that holds several, the last. `contains`: the answer's words, normalised,
    stand somewhere in the response, which says nothing of what stands around them."""
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

    @property
    def needs(self) -> str:
        return "answer"

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        wanted = right_answers(prompt)
        if not wanted:
            return Verdict("truth", "rules", None)
        self._check(wanted)
        found = self._part(response.text)
        if found is None:
            return Verdict("truth", "rules", 0.0, detail=f"no '{self.marker}' found")
        right = any(self._matches(found, one, prompt.language) for one in wanted)
        sign = "matches" if right else "does not match"
        detail = f"{_short(found)} {sign} {' or '.join(map(_short, wanted[:3]))}"
        return Verdict("truth", "rules", float(right), detail=detail)

    def _check(self, wanted: list[str]) -> None:
        """Raises BackendError for answers that nothing could match."""
        if self.match == "number" and all(number_in(one) is None for one in wanted):
            raise BackendError(
                "bad_truth", f"the prompt's answer is no number: {_short(wanted[0])}"
            )
        if self.match != "exact" and not all(one.strip() for one in wanted):
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

    def _matches(self, found: str, wanted: str, language: str | None) -> bool:
        match self.match:
            case "exact":
                return _whole(found.strip()) == _whole(wanted.strip())
            case "normalised":
                return _whole(normalised(found)) == _whole(normalised(wanted))
            case "contains":
                words, one = normalised(found), _whole(normalised(wanted))
                if one.isdigit():
                    words = " ".join(map(_whole, words.split()))
                # Scripts without spaces have no words' ends, and Korean's particles stand at them.
                begin = "" if _SPACELESS.match(one) else " "
                end = "" if _SPACELESS.search(one[-1:]) or _HANGUL.search(one[-1:]) else " "
                return f"{begin}{one}{end}" in f" {words} "
            case "number":
                one, other = (number_in(text, language) for text in (found, wanted))
                if one is None or other is None:
                    return False
                margin = max(_exact(self.absolute), _exact(self.tolerance) * abs(other))
                return abs(one - other) <= margin


def normalised(text: str) -> str:
    """NFKC, case-folded, without punctuation and articles, white space squeezed; signs and points
    of numbers stay. A text that would be nothing then keeps its articles, or its punctuation."""
    text = apart(western(_plain(text))).casefold()
    bare = _DROPPED.sub("", text)
    bare = _SPACED.sub(lambda m: m[0] if m[1] is None or _is_sign(m[1]) else " ", bare)
    bare = bare if bare.strip() else text
    return " ".join(_ARTICLES.sub(" ", bare).split()) or " ".join(bare.split())


def _whole(text: str) -> str:
    """A whole number without zeros behind a point, and any other text as it is."""
    return re.sub(r"\A([-+]?\d+)\.0+\Z", r"\1", text)


def number_in(text: str, language: str | None = None) -> Fraction | None:
    """The last number of a text, as `languages.numbers` reads it; None without one, and for one
    that is too long to be meant. language: the text's, where it is known."""
    found = _NUMBER.findall(written(_plain(text), language))
    if not found or len(found[-1]) > _DIGITS:
        return None
    exponent = re.search(r"[eE]([-+]?\d+)$", found[-1])
    if exponent and abs(int(exponent[1])) > _DIGITS:
        return None
    return Fraction(found[-1].replace(",", ""))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("\u2212", "-")


def _is_sign(character: str) -> bool:
    """Whether it means something where it stands alone: C++, 5%, $5, a = b."""
    return unicodedata.category(character)[0] == "S" or character == "%"


def _exact(value: float) -> Fraction:
    return Fraction(str(value))


def _short(text: str) -> str:
    text = repr(text.strip())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]}...'"
