"""IFEval's own verdicts: what `instruction_following_eval/instructions.py` of google-research does,
oddities among it. It looks at a response as it came: no NFC, no other line ends.

One entry a constraint, here and nowhere else: `_COUNTS` where IFEval counts otherwise than the
constraint does, `_KEPT` where it decides otherwise. Patterns that take quadratic time there are
written so that they find the same in linear time.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from gristmill.constraints._counted import Counted
from gristmill.constraints._ifeval import libraries
from gristmill.constraints.base import Constraint, Outcome
from gristmill.parts import name_of


def check_as_ifeval(constraint: Constraint, response: str, *, loose: bool = False) -> Outcome:
    """Whether a response keeps to a constraint by IFEval's definition, strict or loose.

    Constraints that IFEval does not have are checked as ever. Raises MissingExtra, and
    BackendError("judge") for a text that NLTK gives up on.
    """
    if not _is_ifevals(constraint):
        return constraint.check_loose(response) if loose else constraint.check(response)
    strict = _check(constraint, response)
    if strict or not loose:
        return strict
    lines = response.split("\n")
    cuts = ["\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1])]
    bodies = [response, *cuts]
    for text in [*cuts, *(body.replace("*", "") for body in bodies)]:
        if found := _check(constraint, text):
            return found
    return strict


def ready_for_ifeval() -> None:
    """See that IFEval's definition can be had here. Raises MissingExtra, which says how."""
    libraries.ready()


def _is_ifevals(constraint: Any) -> bool:
    """Whether IFEval has such a constraint, with such arguments."""
    match name_of(constraint):
        case "paragraphs":
            return constraint.separator == "stars" and constraint.count is not None
        case "choice":
            return not constraint.alone
        case "json":
            return not constraint.keys
        case name:
            return name in _COUNTS or name in _KEPT


def _check(constraint: Any, text: str) -> Outcome:
    name = name_of(constraint)
    if not text.strip():
        return Outcome(False, "the response is blank")
    if isinstance(constraint, Counted) and name in _COUNTS:
        return constraint.compare(_COUNTS[name](constraint, text))
    kept = _KEPT[name](constraint, text)
    return Outcome(kept, f"{'kept' if kept else 'not kept'}, as IFEval has it")


@lru_cache(maxsize=512)
def _pattern(words: str, frame: str = "{}", flags: int = re.IGNORECASE) -> re.Pattern[str]:
    """Words as IFEval takes them: for a regular expression, which `C++` is not. There it fails;
    here it is taken literally."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.compile(frame.replace("{}", words), flags)
        except (re.error, OverflowError, RecursionError):
            return re.compile(frame.replace("{}", re.escape(words)), flags)


def _bullets(_: Any, text: str) -> int:
    stars = re.findall(r"^[^\S\n]*\*[^*].*$", text, re.MULTILINE)
    return len(stars) + len(re.findall(r"^[^\S\n]*-.*$", text, re.MULTILINE))


def _highlights(_: Any, text: str) -> int:
    # What stands between three pairs of asterisks counts twice.
    single = re.findall(r"\*[^\n*]*\*", text)
    double = re.findall(r"\*\*([^\n*]*)\*\*", text)
    return sum(bool(found.strip("*").strip()) for found in single) + sum(map(_says, double))


def _placeholders(_: Any, text: str) -> int:
    return sum(_brackets(line) for line in text.split("\n"))


def _brackets(line: str) -> int:
    found, at = 0, line.find("[")
    while at >= 0 and (end := line.find("]", at)) >= 0:
        found, at = found + 1, line.find("[", end)
    return found


def _sections(constraint: Any, text: str) -> int:
    return len(_pattern(constraint.marker, r"\s?{}\s?\d+\s?", 0).split(text)) - 1


def _capital_words(_: Any, text: str) -> int:
    return sum(map(str.isupper, libraries.words(text)))


_COUNTS: dict[str, Callable[[Any, str], int]] = {
    "bullets": _bullets,
    "capital_words": _capital_words,
    "highlights": _highlights,
    "keyword_frequency": lambda c, text: len(_pattern(c.keyword).findall(text)),
    "letter_frequency": lambda c, text: text.lower().count(c.letter),
    "placeholders": _placeholders,
    "sections": _sections,
    "sentences": lambda _, text: len(libraries.sentences(text)),
    "words": lambda _, text: len(re.findall(r"\w+", text)),
}


def _says(text: str) -> bool:
    return bool(text.strip())


def _in_case(text: str, has_case: bool) -> bool:
    return has_case and libraries.language(text) in ("en", None)


def _is_json(text: str) -> bool:
    text = text.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        text = text.removeprefix(fence)
    try:
        json.loads(text.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def _paragraphs(constraint: Any, text: str) -> bool:
    parts = list(map(_says, re.split(r"\s?\*\*\*\s?", text)))
    return all(parts[1:-1]) and sum(parts) == constraint.count


def _paragraph_start(constraint: Any, text: str) -> bool:
    paragraphs = text.split("\n\n")
    # Blank ones are not counted, and yet stand in the way of those behind them.
    if sum(map(_says, paragraphs)) != constraint.count:
        return False
    words = paragraphs[constraint.paragraph - 1].split()
    first = words[0].lstrip("'").lstrip('"') if words else ""
    # Letter by letter: a word in capitals has another last sigma than its small letters.
    bare = re.split("[.,?!'\"]", first)[0]
    return "".join(map(str.lower, bare)) == constraint.word.lower()


def _postscript(constraint: Any, text: str) -> bool:
    known = {"P.S.": r"p\.\s?s\.", "P.P.S": r"p\.\s?p\.\s?s"}
    marker = known.get(constraint.marker, constraint.marker.lower())
    return bool(_pattern(marker, flags=0).search(text.lower()))


def _quotation(_: Any, text: str) -> bool:
    text = text.strip()
    return len(text) > 1 and text[0] == text[-1] == '"'


def _title(_: Any, text: str) -> bool:
    return any(_is_titled(line) for line in text.split("\n"))


def _is_titled(line: str) -> bool:
    """From the first `<<` to the last `>>`, whatever else stands between them."""
    start, end = line.find("<<"), line.rfind(">>")
    inside = line[start : end + 2].lstrip("<").rstrip(">") if 0 <= start < end - 2 else ""
    return _says(inside)


def _two_responses(_: Any, text: str) -> bool:
    parts = [part.strip() for part in text.split("******")]
    said = [part for part in parts if part]
    return all(parts[1:-1]) and len(said) == 2 and said[0] != said[1]


_KEPT: dict[str, Callable[[Any, str], bool]] = {
    "choice": lambda c, text: any(option in text for option in c.options),
    "end_with": lambda c, text: text.strip().strip('"').lower().endswith(c.phrase.lower()),
    "forbidden_words": lambda c, text: (
        not any(_pattern(word, r"\b{}\b").search(text) for word in c.words)
    ),
    "json": lambda _, text: _is_json(text),
    "keywords": lambda c, text: all(_pattern(word).search(text) for word in c.words),
    "language": lambda c, text: libraries.language(text) in (c.language, None),
    "lowercase": lambda _, text: _in_case(text, text.islower()),
    "no_commas": lambda _, text: "," not in text,
    "paragraph_start": _paragraph_start,
    "paragraphs": _paragraphs,
    "postscript": _postscript,
    "quotation": _quotation,
    "repeat_request": lambda c, text: text.strip().lower().startswith(c.request.lower()),
    "title": _title,
    "two_responses": _two_responses,
    "uppercase": lambda _, text: _in_case(text, text.isupper()),
}
