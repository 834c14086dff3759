"""Scripted chat models that judge answers such as `x/3`, of which the number is the quality."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from bench_judges import share, shown
from gristmill.errors import BackendError, BackendFatal

asked: Counter[str] = Counter()
"""How often each request was made; tests clear it."""

failing: dict[str, str] = {}
"""Word -> kind: requests that hold the word fail so."""

fatal: set[str] = set()
"""Words at which the model is gone for good."""

_ANSWER = re.compile(
    r"<<< the answer begins \((\w+)\) >>>\n(.*?)\n<<< the answer ends \(\1\)", re.S
)


def forget() -> None:
    for memory in (asked, failing, fatal):
        memory.clear()


def quality(text: str) -> int:
    """What an answer is worth: the number that it ends with."""
    found = re.search(r"(\d+)\W*\Z", text)
    return int(found[1]) if found else 0


def lines(*values: object) -> str:
    """The five lines that a judge of one answer is to end with."""
    names = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
    return "\n".join(f"{name}: {value}" for name, value in zip(names, values, strict=True))


def better(answers: list[str]) -> str:
    a, b = map(quality, answers)
    return "tie" if a == b else "A" if a > b else "B"


def perfect(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """Always right; says that two of the same quality are."""
    request = _note(messages)
    answers = shown(messages)
    if answers:
        return f"I compared {answers[0]!r} and {answers[1]!r}.\n\n[[{better(answers)}]]"
    found = _ANSWER.search(request)
    assert found
    grade = min(4, quality(found[2]))
    return f"I looked at {found[2]!r}.\n\n{lines(grade, grade, 4, 1, 2)}"


def first(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """Always what is shown first."""
    _note(messages)
    return "The first one. [[A]]"


def leaning(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """Right in three of four pairs; in the others it takes what is shown first."""
    pair = "\0".join(sorted(shown(messages)))
    return "[[A]]" if share(pair, "lean") < 0.25 else perfect(messages, index, seed)


def coin(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """Heads or tails, anew in each order."""
    return f"[[{'AB'[seed % 2]}]]" if _note(messages) else ""


def nonsense(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """Never a verdict."""
    _note(messages)
    return "Both are fine: (A) or [B], 7 out of 10, helpfulness is 3."


def refuses(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """Never a verdict, politely."""
    _note(messages)
    return "I'm sorry, but I can't judge the work of other assistants."


def thinks(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """The wrong verdict in its thoughts, the right one in what it says."""
    said = perfect(messages, index, seed)
    return f"<think>Is it [[A]]? {lines(0, 0, 0, 0, 0)} [[A]]</think>\n{said}"


def _note(messages: list[dict[str, Any]]) -> str:
    request = messages[-1]["content"]
    asked[request] += 1
    for word, kind in failing.items():
        if word in request:
            raise BackendError(kind, f"{word}: {kind}")
    if any(word in request for word in fatal):
        raise BackendFatal("the judge is gone")
    return request
