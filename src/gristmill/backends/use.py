"""What calls may take at most, before any is made."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import NamedTuple

from gristmill.records import Message, Prompt

BYTES_PER_TOKEN = 2.0
"""Fewer than any text has that people write: English has four to five under the usual tokenizers,
code three, Chinese two to three."""

AROUND, PER_MESSAGE = 32, 8
"""Tokens that a chat template puts around a conversation, and around each message of it."""


class Use(NamedTuple):
    """Calls, and the tokens that they read and write in all."""

    calls: int = 0
    read: int = 0
    written: int = 0

    def plus(self, other: Use) -> Use:
        return Use(self.calls + other.calls, self.read + other.read, self.written + other.written)

    def times(self, n: int) -> Use:
        return Use(self.calls * n, self.read * n, self.written * n)


class Asked(NamedTuple):
    """A prompt as a forecast knows it: its tokens, how many turns of the assistant it has, and the
    tokens of each criterion of its rubric."""

    tokens: int = 0
    turns: int = 0
    criteria: tuple[int, ...] = ()


def tokens_in(text: str) -> int:
    """Tokens of a text, at most."""
    return ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN)


def tokens_of(messages: Iterable[Message]) -> int:
    """Tokens of a conversation as a model reads it, at most."""
    # What is not plain text, calls above all, is sent as JSON of about the same length.
    told = (f"{m.content}{m.reasoning}{m.tool_calls or ''}" for m in messages)
    return AROUND + sum(PER_MESSAGE + tokens_in(text) for text in told)


def asked_in(prompt: Prompt) -> Asked:
    """A prompt, measured."""
    turns = sum(m.role == "assistant" for m in prompt.messages)
    criteria = tuple(tokens_in(criterion.text) for criterion in prompt.rubric)
    return Asked(tokens_of(prompt.messages) + tokens_in(prompt.tools), turns, criteria)
