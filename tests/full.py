"""Scripted models that use all the room they have, for tests: `scripted:full:FUNCTION`."""

from __future__ import annotations

from random import Random
from typing import Any

from gristmill.judges.genrm import GUIDELINES
from gristmill.records import Response
from writers import wanted, words

TOKENS = 64
"""As `max_tokens` that these models fill."""


def answer(messages: list[dict[str, Any]], index: int, seed: int) -> Response:
    """Made-up words until the end."""
    return _cut(words(Random(f"{messages}/{index}/{seed}"), 4 * TOKENS), messages)


def verdict(messages: list[dict[str, Any]], index: int, seed: int) -> Response:
    """Reasons that fill the reply, and a verdict at its end."""
    end = "\n[[tie]]\nhelpfulness: 3\ncorrectness: 3\ncoherence: 3\ncomplexity: 3\nverbosity: 3"
    text = words(Random(seed), TOKENS)[: 4 * TOKENS - len(end)] + end
    return Response(text, "full", "stop", _asked(messages), TOKENS)


def scores(messages: list[dict[str, Any]], index: int, seed: int) -> Response:
    """Reasons that fill the reply, and a generative reward model's scores at its end."""
    end = (
        "\n[The Begin of Individual Scores]\n\\boxed{3, 4}\n[The End of Individual Scores]"
        "\n[The Begin of Ranking Score]\n\\boxed{4}\n[The End of Ranking Score]"
    )
    text = words(Random(seed), TOKENS)[: 4 * TOKENS - len(end)] + end
    # The model's template has how to score, which its server counts.
    return Response(text, "full", "stop", _asked(messages) + GUIDELINES // 2, TOKENS)


def yes(messages: list[dict[str, Any]], index: int, seed: int) -> Response:
    """Reasons that fill the reply, and that a criterion holds at its end."""
    text = words(Random(seed), TOKENS)[: 4 * TOKENS - 7] + "\n1: yes"
    return Response(text, "full", "stop", _asked(messages), TOKENS)


def dull(messages: list[dict[str, Any]], index: int, seed: int) -> Response:
    """Lists and texts of which most say the same again, each with much around it."""
    random = Random(f"{messages}/{index}/{seed}")
    text = messages[-1]["content"]
    if '"yes"' in text:
        return _cut("yes", messages)
    if "numbered list" not in text:
        return _cut(words(Random(random.randrange(6)), 12), messages)
    count = wanted(text)
    items = (words(Random(random.randrange(6 + count)), 6) for _ in range(count))
    return _cut("\n".join(f"{n}. {item}" for n, item in enumerate(items, 1)), messages)


def _cut(text: str, messages: list[dict[str, Any]]) -> Response:
    text = text[: 4 * TOKENS]
    return Response(text, "full", "stop", _asked(messages), -(-len(text) // 4))


def _asked(messages: list[dict[str, Any]]) -> int:
    return sum(-(-len(m["content"]) // 4) for m in messages)
