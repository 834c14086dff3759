"""Scripted judges of pairs, named as `scripted:bench_judges:FUNCTION`."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any

from gristmill.errors import BackendError, BackendFatal

ACCURACY = 0.8
"""How often `biased` chooses the better answer when it looks at the answers."""

FIRST = 0.25
"""How often it chooses what is shown first without looking."""

NONSENSE = 0.05
"""How often it says nothing that can be read, without looking."""

right: set[str] = set()
"""The better answers, for judges that know; tests fill it. For `biased`: see `known`."""

asked: list[str] = []
"""What judges were asked, in order; tests clear it."""

failing: set[str] = set()
"""Words; a request that holds one of them fails."""

_BLOCK = re.compile(
    r"<<< answer ([A-Z]) begins \((\w+)\) >>>\n(.*?)\n<<< answer \1 ends \(\2\) >>>", re.S
)


_REQUEST = re.compile(
    r"<<< the request begins \((\w+)\) >>>\n(.*?)\n<<< the request ends \(\1\)", re.DOTALL
)


def known(prompt: str, better: str, worse: str) -> str:
    """A pair, as `right` holds it for `biased`."""
    return f"{prompt}\0{better}\0{worse}"


def share(text: str, salt: str) -> float:
    """A number from 0 to 1 that depends on the two alone."""
    digest = blake2b(f"{salt}:{text}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


def shown(messages: list[dict[str, Any]]) -> list[str]:
    """The answers in a request, in their order."""
    return [text for _, _, text in _BLOCK.findall(messages[-1]["content"])]


def biased(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """A judge whose accuracy, bias to the first and nonsense are known.

    What it does depends on the pair, not on its order.
    """
    answers = shown(messages)
    pair = "\0".join(sorted(answers))
    asked.append(pair)
    if share(pair, "nonsense") < NONSENSE:
        return "Both have their merits."
    if share(pair, "first") < FIRST:
        return "The first one. [[A]]"
    request = _REQUEST.search(messages[-1]["content"])
    assert request
    good = [n for n in (0, 1) if known(request[2], answers[n], answers[1 - n]) in right]
    assert len(good) == 1, "the tests say which answers are right"
    looks = share(pair, "right") < ACCURACY
    chosen = good[0] if looks else next(n for n in range(len(answers)) if n != good[0])
    return f"[[Z]] would be too easy. My verdict: [[{'ABCDEFGH'[chosen]}]]"


def first(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """Always what is shown first."""
    return "[[A]]"


def nonsense(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """Never a verdict."""
    return "I would rather not say: [A] or (B), and 7 out of 10."


def knows(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """The right answer, always; and 10 for it, 2 for others."""
    answers = shown(messages)
    asked.append("\0".join(answers))
    if not answers:
        text = messages[-1]["content"]
        return f"Rating: [[{10 if any(answer in text for answer in right) else 2}]]"
    good = next(n for n, text in enumerate(answers) if text in right)
    return f"[[{'ABCDEFGH'[good]}]]"


def length(messages: list[dict[str, Any]]) -> float:
    """A reward model that likes long answers, and fails where it is told to."""
    text = messages[-1]["content"]
    asked.append(text)
    if any(word in text for word in failing):
        raise BackendError("server", "out of order")
    return float(len(text))


def equal(messages: list[dict[str, Any]]) -> float:
    """A reward model that cannot tell one answer from another."""
    return 1.0


def not_finite(messages: list[dict[str, Any]]) -> float:
    """A reward model that has lost its head."""
    return float("nan")


def down(messages: list[dict[str, Any]]) -> float:
    """A reward model that is not there."""
    raise BackendError("connection", "connection refused")


def locked_out(messages: list[dict[str, Any]]) -> float:
    """A reward model that knows no such key."""
    raise BackendFatal("the key is wrong")
