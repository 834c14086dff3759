"""A process that compares answers, for the judge `math`, which kills it when it takes too long.

It reads one JSON object a line, `{"gold": ..., "text": ..., "language": ...}`, and answers with
two: what it made of the gold answer, and what of the other.
"""

from __future__ import annotations

import json
import logging
import re
import resource
import sys
from contextlib import suppress
from typing import Any

from gristmill.judges._math_answer import final_answer, in_base, plain, quantity, without_unit
from gristmill.judges._math_spelling import simple, spelled
from gristmill.languages.numbers import written

_AS_TEXT = re.compile(r"\\[lc]?dots|\u2026|\.\.\.|\d\s*:\s*\d")
"""What goes on in the same way, times of day and ratios: a text is all that they equal."""
_ROOT = re.compile(r"\\sqrt\s*\{?\s*-")
"""Of a negative number."""
_NEAR = 2e-6
"""How far two numbers may be apart, as a share: what a third is from 0.333333."""
_WORDS = re.compile(r"[^\W\d_][\w\s'-]*")
MEMORY = 2 << 30
"""Bytes of address space: a number with a billion digits is refused."""


def gold_of(text: str) -> tuple[str, list[Any]]:
    """The gold answer and what math-verify reads in it. Raises ValueError.

    A whole solution is one with `\\boxed` or `####` in it.
    """
    text = text.strip()
    gold = (final_answer(text) or "") if "\\boxed" in text or "####" in text else text
    if not gold:
        raise ValueError("there is no answer in it")
    if quantity(gold) is not None or _AS_TEXT.search(gold):
        return gold, []
    read = _parsed(gold)
    if not read and not _WORDS.fullmatch(plain(gold)):
        raise ValueError(f"'{gold:.100}' cannot be read as mathematics")
    return gold, read


def compared(gold: str, read: list[Any], found: str) -> bool:
    """Whether two answers are equal, as quantities, as text or as mathematics."""
    one, other = quantity(gold), quantity(found)
    if one is not None and other is not None:
        return one.equals(other)
    if _same_text(gold, found):
        return True
    based = in_base(gold), in_base(found)
    if any(based):
        return based[0] == based[1]
    if _AS_TEXT.search(gold) or _AS_TEXT.search(found):
        return False
    units = without_unit(gold)[1], without_unit(found)[1]
    if all(units) and units[0] != units[1]:
        return False
    from math_verify import verify

    read, answer = read or _parsed(gold), _parsed(found)
    if any(_ROOT.search(spelled(text)) for text in (gold, found)):
        read, answer = _imaginary(read), _imaginary(answer)
    equal = bool(read) and verify(read, answer, timeout_seconds=None)
    return equal and not _apart(read[0], answer[0])


def _imaginary(read: list[Any]) -> list[Any]:
    """What was read with the letter `i` as the imaginary unit, which a root of -1 beside it is."""
    from sympy import I

    return [
        one.subs({s: I for s in getattr(one, "free_symbols", ()) if s.name == "i"}).doit()
        for one in read
    ]


def _apart(one: Any, other: Any) -> bool:
    """Whether two numbers differ that are equal once rounded, as those near zero are."""
    if not (getattr(one, "is_number", False) and getattr(other, "is_number", False)):
        return False
    a, b = one.evalf(30), other.evalf(30)
    return not a.equals(b) and bool(abs(a - b) > _NEAR * max(abs(a), abs(b)))


def _same_text(gold: str, found: str) -> bool:
    """Whether two answers read the same; where they are words, case and brackets aside."""
    if _tight(gold) == _tight(found):
        return True
    return bool(_WORDS.fullmatch(plain(gold))) and plain(gold) == plain(found)


def _tight(text: str) -> str:
    text = re.sub(r"(?<=\d) (?=[A-Za-z](?![A-Za-z]))", "", simple(text))
    return re.sub(r"\s*([^\w\s.])\s*", r"\1", text)


def _parsed(text: str) -> list[Any]:
    """What an answer means, if all of it can be read: of `4 \\foo` nothing, and not 4."""
    from latex2sympy2_extended.latex2sympy2 import (
        NormalizationConfig,
        latex2sympy,
        normalize_latex,
    )
    from math_verify.grader import should_treat_as_complex
    from math_verify.parser import get_last_eq
    from sympy import nan, zoo

    bare = re.sub(r"^\$+|\$+$|^\\[(\[]|\\[)\]]$", "", spelled(text).strip().rstrip(".")).strip()
    bare = re.sub(r"\\math(?:rm|it|bf)\{([A-Za-z])\}", r"\1", without_unit(bare)[0])
    # Units are taken off here: math-verify would take the t of 2t for one.
    config = NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none"
    )
    whole = normalize_latex(bare, config)
    for formula in dict.fromkeys([whole, get_last_eq(whole)]):
        with suppress(Exception):
            real = not should_treat_as_complex(formula)
            found: Any = latex2sympy(
                formula, is_real=real, convert_degrees=False, normalization_config=None
            )
            return [] if found.has(nan, zoo) else [found]
    return []


def _say(**values: Any) -> None:
    print(json.dumps(values), flush=True)


def main() -> None:
    """Answer line by line until there is no more."""
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.set_int_max_str_digits(20_000)
    # What is loaded here does not count as time of the first answer.
    compared("x+1", _parsed("x+1"), "x+2")
    _say(ready=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            gold, read = gold_of(written(asked["gold"], asked.get("language")))
        except (Exception, MemoryError) as error:
            _say(bad=f"{error}" or type(error).__name__)
            _say()
            continue
        _say(gold=gold)
        found = None
        try:
            right = False
            # "4 million" answers how many there are, and how many millions.
            for powers in (True, False):
                said = final_answer(written(asked["text"], asked.get("language"), powers=powers))
                right = said is not None and said != found and compared(gold, read, said)
                found = said if right or powers else found
                if right:
                    break
            _say(found=found, right=right)
        except (Exception, MemoryError) as error:
            _say(found=found, right=False, why=type(error).__name__)


if __name__ == "__main__":
    main()
