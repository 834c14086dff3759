"""What a generative reward model (GenRM) says at the end of its reply. Nothing is guessed.

Three forms are known. NVIDIA's Llama-3.3-Nemotron-Super-49B-GenRM, as HelpSteer3 trained it
(arXiv:2505.11475), ends with

    [The Begin of Individual Scores]
    \\boxed{4, 2}
    [The End of Individual Scores]
    [The Begin of Ranking Score]
    \\boxed{2}
    [The End of Ranking Score]

and with the first part alone about a single answer. Qwen3-Nemotron-235B-A22B-GenRM ends with
`{"score_1": 4, "score_2": 2, "ranking": 2}`. Qwen3-Nemotron-32B-GenRM-Principle
(arXiv:2509.21319) ends with `Final Judgement: Yes`, or `No`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gristmill.judges._asking import final
from gristmill.records import Response

MIDDLE = 3.5
"""Of the ranking, 1 (the first answer is much better) to 6 (the second is)."""

_NUMBER = r"[ \t\"]{0,4}(\d(?:\.\d{1,4})?)[ \t\"]{0,4}"
_BOXED = rf"\s{{0,8}}[*$`]{{0,4}}\\{{1,2}}boxed\{{{_NUMBER}(?:,{_NUMBER})?\}}"
_INDIVIDUAL = "[The Begin of Individual Scores]"
_RANKING = re.compile(
    rf"{_BOXED}.{{0,200}}?\[The Begin of Ranking Score\]\s{{0,8}}[*$`]{{0,4}}"
    rf"\\{{1,2}}boxed\{{{_NUMBER}\}}",
    re.DOTALL,
)
_ALONE = re.compile(_BOXED)
_KEY = '"score_1"'
_JSON = re.compile(
    rf'\s{{0,8}}:{_NUMBER}(?:,\s{{0,32}}"score_2"\s{{0,8}}:{_NUMBER}'
    rf',\s{{0,32}}"ranking"\s{{0,8}}:{_NUMBER})?\s{{0,32}}[,}}]'
)
_JUDGEMENT = re.compile(r"\bjudge?ment[\s*_]{0,4}:", re.IGNORECASE)
_YES_OR_NO = re.compile(r"[\s*_]{0,4}(yes|no)\b(?![ \t]{0,4}(?:/|or\b))", re.IGNORECASE)


class Scores(NamedTuple):
    """each: how helpful each answer is, 1 to 5, in the order shown. ranking: of two, 1 to 6."""

    each: tuple[float, ...]
    ranking: float | None = None

    @property
    def settled(self) -> tuple[float, ...]:
        """The scores; of two that are equal each moved by what the ranking is off its middle, as
        NeMo Gym does (`genrm_compare`, simple_tiebreaker). So from -1.5 to 7.5."""
        if self.ranking is None or self.each[0] != self.each[1]:
            return self.each
        ahead = MIDDLE - self.ranking
        return self.each[0] + ahead, self.each[1] - ahead

    def __str__(self) -> str:
        said = " to ".join(f"{score:g}" for score in self.each)
        return said if self.ranking is None else f"{said}, ranking {self.ranking:g}"


def scores_in(reply: Response, count: int) -> Scores | None:
    """The scores that a reply about one or two answers ends with; None where any of them is
    missing or out of range, or where there is one for another number of answers.

    Only what stands last counts: an earlier one may be a quotation from an answer.
    """
    text = final(reply)
    boxed, key = text.rfind(_INDIVIDUAL), text.rfind(_KEY)
    if key > boxed:
        found = _JSON.match(text, key + len(_KEY))
    elif boxed >= 0:
        form = _RANKING if count == 2 else _ALONE
        found = form.match(text, boxed + len(_INDIVIDUAL))
    else:
        found = None
    given = [float(number) for number in found.groups() if number] if found else []
    each, ranking = tuple(given[:count]), given[count:]
    if len(given) != (3 if count == 2 else 1) or not all(1 <= score <= 5 for score in each):
        return None
    if not ranking:
        return Scores(each)
    return Scores(each, ranking[0]) if 1 <= ranking[0] <= 6 else None


def judgement_in(reply: Response) -> Scores | None:
    """1 where the last judgement is `Yes`, 0 where it is `No`; None where it is neither."""
    text = final(reply)
    *_, last = None, *_JUDGEMENT.finditer(text)
    said = last and _YES_OR_NO.match(text, last.end())
    return Scores((float(said[1].lower() == "yes"),)) if said else None
