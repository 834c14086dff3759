"""A chat model that calls the tutor's tools by a script: their use, tried without a real model.

    PYTHONPATH=examples gristmill run examples/careless.yaml

It knows which calls each question of the tutor's world takes (`gristmill.tutor.tools.calls`), makes
them one after the other, and says what came back. In one of four answers it does as models do: it
guesses without a call, calls a tool that is not there, writes arguments that are no JSON, or says
another number than the tool gave.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from gristmill.tutor import parse_question
from gristmill.tutor.tools import calls

SLIPS = ("guesses", "invents", "broken", "misreads")


def answer(messages: list[dict[str, Any]], index: int, seed: int) -> dict[str, Any] | str:
    """The next turn of a conversation whose last question is one of the tutor's.

    The same response slips in the same way in all its turns. Raises LookupError for another
    question.
    """
    asked = max(n for n, turn in enumerate(messages) if turn["role"] == "user")
    question = parse_question(messages[asked]["content"])
    if question is None:
        raise LookupError(f"no question of the tutor's: {messages[asked]['content'][:200]}")
    random = Random(f"{question.text}/{index}")
    slip = random.choice(SLIPS) if random.random() < 0.25 else ""
    said = [turn["content"] for turn in messages[asked:] if turn["role"] == "tool"]
    left = [] if slip == "guesses" else calls(question)[len(said) :]
    if left and not (said and slip in ("invents", "broken")):
        name, arguments = left[0]
        text = "{" + str(arguments)[:9] if slip == "broken" else json.dumps(arguments)
        name = f"{name}_exact" if slip == "invents" else name
        call = {"id": f"call_{len(said)}", "type": "function"}
        return {
            "content": "",
            "tool_calls": [{**call, "function": {"name": name, "arguments": text}}],
        }
    right = f"{question.answer} {question.unit}".strip()
    given = json.loads(said[-1]) if said and said[-1].lstrip("-").isdigit() else None
    if slip == "misreads" and given is not None:
        return f"The answer is {given + random.choice((-10, -1, 1, 10))}."
    if slip and not said:
        return f"The answer is {random.randint(2, 99)}."
    return f"The answer is {said[-1] if given is not None else right}."
