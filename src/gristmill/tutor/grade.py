"""Exact grading: every statement of an answer is read and judged, not only its last number.

An answer is cut into statements (sentences, and the clauses of a counted
chain). Each is matched against the small grammar the tutor's answers are
written in and judged against arithmetic, the calendar, the units, or the
question's own list. What the grammar does not know has no truth (None): it is
neither held against the answer nor counted for it, but an answer made mostly of
such text is not understandable.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .answers import FILLERS, OFF_POINT
from .missing import REFUSALS
from .world import DAYS, MONTHS, UNITS, Question, step_calendar

UNDERSTANDABLE = 0.8  # share of words that must lie in statements the grammar knows
MAX_CHARS = 4_000  # text beyond this is not read, and the answer counts as not understandable

_FILLERS = frozenset(x.rstrip(".").lower() for x in FILLERS)
_OFF_POINT = frozenset(x.rstrip(".").lower() for x in OFF_POINT)
# How many of the base unit one of each is; units convert only within their own group.
_SIZES: dict[str, tuple[str, int]] = {
    "second": ("time", 1),
    "minute": ("time", 60),
    "hour": ("time", 3_600),
    "day": ("time", 86_400),
    "week": ("time", 604_800),
    "centimetre": ("length", 1),
    "metre": ("length", 100),
    "cent": ("money", 1),
    "dollar": ("money", 100),
}


@dataclass(frozen=True, slots=True)
class Grade:
    """What the truth says of one answer.

    `right`: the final answer is the true one, nothing stated is false, and the
    text is understandable and not broken off. `final`: the answer given last, or None if none can
    be read. `statements`: (text, truth) in order, truth None where the grammar
    has none. Besides: `roles` (final, step, lead, filler, off, refusal, unknown) and
    `ends` (character offset where each statement ends), one a statement;
    `understood`, the share of words in known statements; `cut`, whether the
    text breaks off mid-sentence.
    """

    right: bool
    final: str | None
    statements: tuple[tuple[str, bool | None], ...]
    roles: tuple[str, ...]
    ends: tuple[int, ...]
    understood: float
    cut: bool

    @property
    def false(self) -> int:
        """How many statements are false."""
        return sum(truth is False for _, truth in self.statements)

    @property
    def true_steps(self) -> int:
        """How many worked steps are true."""
        return sum(
            truth is True and role == "step"
            for (_, truth), role in zip(self.statements, self.roles, strict=True)
        )


_PIECE = re.compile(r"[^.!?\n]+")
_COLON = re.compile(r"(?<!answer): ", re.IGNORECASE)
_CLAUSE = re.compile(r"\d{1,9} is [a-z]+")


def pieces(text: str) -> list[tuple[str, int]]:
    """(statement text, end offset): sentences, restatements before a colon, chained clauses."""
    out: list[tuple[str, int]] = []
    for sentence in _PIECE.finditer(text):
        begin = sentence.start()
        for part in _COLON.split(sentence.group()):
            end = begin + len(part)
            clauses = part.strip().removeprefix("Backwards, ").split(", ")
            if len(clauses) > 1 and all(_CLAUSE.fullmatch(c.lower()) for c in clauses):
                at = end - len(part.rstrip()) + len(part)
                for clause in reversed(clauses):
                    out.append((clause, min(at, end)))
                    at -= len(clause) + 2
                out[-len(clauses) :] = reversed(out[-len(clauses) :])
            elif part.strip():
                out.append((part.strip(), end))
            begin = end + 2
    return out


_REFUSED = [
    re.compile(re.escape(piece.lower()).replace("@", ".+"))
    for refusal in REFUSALS
    for piece, _ in pieces(refusal.format("@"))
]
"""What refusals say, a statement each."""


def grade(question: Question, response: str) -> Grade:
    """Judge a response to a question. Never raises, whatever the text."""
    text = response[:MAX_CHARS]
    reader = _Reader(question)
    found = pieces(text)
    bare = _value(text.strip().rstrip(".").lower()) if len(found) == 1 else None
    results: list[tuple[str, bool | None]] = []
    roles: list[str] = []
    finals: list[str] = []
    words = known = 0
    open_ended = not text.rstrip().endswith((".", "!", "?"))
    for i, (piece, _) in enumerate(found):
        final = bare if bare is not None else _final(piece)
        if final is not None:
            role, truth = "final", reader.is_answer(final)
            finals.append(final)
        else:
            role, truth = reader.judge(piece.lower().rstrip(" ,;"))
        results.append((piece, truth))
        roles.append(role)
        count = len(piece.split())
        if open_ended and role == "unknown" and i == len(found) - 1 and known:
            break  # a sentence broken off is not a sentence misunderstood
        words += count
        known += count if role != "unknown" else 0
    understood = known / words if words and len(response) <= MAX_CHARS else 0.0
    cut = open_ended and bool(roles) and roles[-1] != "final"
    right = (
        bool(finals)
        and not cut
        and all(reader.is_answer(f) for f in finals)
        and all(truth is not False for _, truth in results)
        and understood >= UNDERSTANDABLE
    )
    return Grade(
        right,
        finals[-1] if finals else None,
        tuple(results),
        tuple(roles),
        tuple(end for _, end in found),
        understood,
        cut,
    )


_FINAL = re.compile(r"(?:so |then |and )?(?:the )?(?:final )?answer(?: is|:)? +(.+)", re.IGNORECASE)
_ITEM = r"(?:\d{1,9}|[a-z]+)"
_VALUE = re.compile(rf"\d{{1,9}} [a-z]+|{_ITEM}(?:, (?:and )?{_ITEM})*")


def _value(text: str) -> str | None:
    """A number (with a word for its unit), a word or a list of them; else None."""
    return text if _VALUE.fullmatch(text) else None


def _final(piece: str) -> str | None:
    match = _FINAL.fullmatch(piece)
    return _value(match[1].strip().lower()) if match else None


Judgement = tuple[str, bool | None]


class _Reader:
    """The grammar, for one question. Remembers where a spoken ranking has got to."""

    def __init__(self, question: Question) -> None:
        self.q = question
        self.numbers = [x for x in question.operands if isinstance(x, int)]
        self.listed = question.op in ("largest", "smallest", "ascending", "descending")
        self.ranking: list[int] = []

    def is_answer(self, final: str) -> bool:
        """Whether a readable final answer is the true one; a wrong unit is wrong."""
        number, _, unit = final.partition(" ")
        if number.isdigit() and unit.isalpha():
            if not self.q.unit or unit not in (self.q.unit, self.q.unit[:-1]):
                return False
            final = number
        return final.replace("and ", "") == self.q.answer.lower()

    def judge(self, piece: str) -> Judgement:
        """(role, truth) of one statement that is not a final answer."""
        if piece in _FILLERS:
            return "filler", None
        if piece in _OFF_POINT:
            return "off", None
        if any(pattern.fullmatch(piece) for pattern in _REFUSED):
            return "refusal", False  # nothing is missing from a `Question`
        for pattern, rule in _RULES:
            match = pattern.fullmatch(piece)
            if match is not None:
                return rule(self, *match.groups())
        return "unknown", None

    def arithmetic(self, a: str, sign: str, b: str, c: str) -> Judgement:
        total = int(a) - int(b) if sign in ("minus", "-") else int(a) + int(b)
        return "step", total == int(c)

    def compared(self, a: str, word: str, b: str) -> Judgement:
        more = word in ("more", "larger", "greater", "bigger")
        return "step", int(a) > int(b) if more else int(a) < int(b)

    def converted(self, a: str, big: str, b: str, small: str) -> Judgement:
        of, to = _SIZES.get(big.rstrip("s")), _SIZES.get(small.rstrip("s"))
        if of is None or to is None:
            return "unknown", None
        return "step", of[0] == to[0] and int(a) * of[1] == int(b) * to[1]

    def extreme(self, which: str, a: str) -> Judgement:
        self.ranking = sorted(self.numbers, reverse=which == "largest") if self.listed else []
        return "step", bool(self.ranking) and self.ranking.pop(0) == int(a)

    def then(self, a: str) -> Judgement:
        return "step", bool(self.ranking) and self.ranking.pop(0) == int(a)

    def place(self, n: str, word: str) -> Judgement:
        i, op = int(n), self.q.op
        if op in ("after", "before"):
            by = i if op == "after" else -i
            return "step", step_calendar(str(self.q.operands[0]), by).lower() == word
        if op in ("add", "subtract", "convert") or self.listed:
            return "step", False
        return "step", 1 <= i <= len(self.q.operands) and self.q.operands[i - 1] == word

    def sum_lead(self, a: str, sign: str, b: str) -> Judgement:
        pair = (int(a), int(b))
        if sign == "plus":
            return "lead", self.q.op == "add" and sorted(pair) == sorted(self.numbers)
        return "lead", self.q.op == "subtract" and pair == self.q.operands

    def extreme_lead(self, which: str, items: str) -> Judgement:
        return "lead", self.q.op == which and self._same(items)

    def numbers_lead(self, items: str) -> Judgement:
        return "lead", self.listed and self._same(items)

    def _same(self, items: str) -> bool:
        return sorted(items.split(", ")) == sorted(str(x) for x in self.numbers)

    def list_lead(self, items: str) -> Judgement:
        return "lead", tuple(items.split(", ")) == self.q.operands

    def convert_lead(self, a: str, big: str, b: str, small: str) -> Judgement:
        if self.q.op != "convert":
            return "lead", False
        one, two, unit = self.q.operands
        units = (str(unit).rstrip("s"), UNITS[str(unit)][0].rstrip("s"))
        said = (big.rstrip("s"), small.rstrip("s"))
        return "lead", (int(a), int(b)) == (one, two) and said == units

    def calendar_lead(self, k: str, word: str, start: str) -> Judgement:
        operands = tuple(str(x).lower() for x in self.q.operands)
        return "lead", self.q.op == word and operands == (start, str(int(k)))


_N = r"(\d{1,9})"
_IS = r"(?:is|are|=|equals|makes|gives)"
_PRE = r"(?:so |and |first,? |next,? |now )?"
_NUMBERS = r"(\d{1,9}(?:, \d{1,9})*)"
_DAY = "|".join(x.lower() for x in (*DAYS, *MONTHS))
_RULES: list[tuple[re.Pattern[str], Callable[..., Judgement]]] = [
    (re.compile(rf"{_PRE}{_N} (plus|minus|\+|-) {_N} {_IS} {_N}"), _Reader.arithmetic),
    (
        re.compile(rf"{_PRE}{_N} is (more|larger|greater|bigger|less|smaller) than {_N}"),
        _Reader.compared,
    ),
    (re.compile(rf"{_PRE}{_N} ([a-z]+) {_IS} {_N} ([a-z]+)"), _Reader.converted),
    (re.compile(rf"the (smallest|largest) is {_N}"), _Reader.extreme),
    (re.compile(rf"(?:then|next is) {_N}"), _Reader.then),
    (re.compile(rf"{_N} is ([a-z]+)"), _Reader.place),
    (re.compile(rf"backwards, {_N} is ([a-z]+)"), _Reader.place),
    (re.compile(rf"{_N} (plus|minus) {_N}"), _Reader.sum_lead),
    (re.compile(rf"the (largest|smallest) of {_NUMBERS}"), _Reader.extreme_lead),
    (re.compile(rf"the numbers are {_NUMBERS}"), _Reader.numbers_lead),
    (re.compile(r"the list is ([a-z]+(?:, [a-z]+)*)"), _Reader.list_lead),
    (re.compile(rf"{_N} ([a-z]+) and {_N} ([a-z]+)"), _Reader.convert_lead),
    (re.compile(rf"{_N} (after|before) ({_DAY})"), _Reader.calendar_lead),
]
