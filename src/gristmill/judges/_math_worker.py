"""A process that compares answers, for the judge `math`, which kills it when it takes too long.

It reads one JSON object a line, `{"gold": ..., "text": ...}`, and answers with two: what it made of
the gold answer, and what of the other.
"""

from __future__ import annotations

import json
import logging
import re
import resource
import sys
from typing import Any

from gristmill.judges._math_answer import final_answer, plain, quantity, simple

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
    if quantity(gold) is not None:
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
    from math_verify import verify

    read = read or _parsed(gold)
    return bool(read) and verify(read, _parsed(found), timeout_seconds=None)


def _same_text(gold: str, found: str) -> bool:
    """Whether two answers read the same; where they are words, case and brackets aside."""
    if simple(gold) == simple(found):
        return True
    return bool(_WORDS.fullmatch(plain(gold))) and plain(gold) == plain(found)


def _parsed(text: str) -> list[Any]:
    """What math-verify makes of one answer, a text that it could not read aside."""
    from math_verify import parse

    bare = re.sub(r"^\$+|\$+$|^\\[(\[]|\\[)\]]$", "", text.strip()).strip()
    read = parse(f"\\boxed{{{bare}}}", parsing_timeout=None)  # type: ignore[arg-type]
    if not any(not isinstance(part, str) for part in read):
        read = parse(bare, parsing_timeout=None)  # type: ignore[arg-type]
    return [part for part in read if not isinstance(part, str)]


def _say(**values: Any) -> None:
    print(json.dumps(values), flush=True)


def main() -> None:
    """Answer line by line until there is no more."""
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.set_int_max_str_digits(20_000)
    import math_verify  # noqa: F401

    _say(ready=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            gold, read = gold_of(asked["gold"])
        except (Exception, MemoryError) as error:
            _say(bad=f"{error}" or type(error).__name__)
            _say()
            continue
        _say(gold=gold)
        found = None
        try:
            found = final_answer(asked["text"])
            right = found is not None and compared(gold, read, found)
            _say(found=found, right=right)
        except (Exception, MemoryError) as error:
            _say(found=found, right=False, why=type(error).__name__)


if __name__ == "__main__":
    main()
