"""A text that grows, taken apart as it comes: thought, answer, and what must not be shown yet.

What was given out is always the beginning of what the whole text comes to: blanks at an end, the
beginning of a word that may end the answer, half a tag, and whatever may be a call of a tool are
held back until it is known what they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from gristmill.intake.message import Said
from gristmill.lists.thought import TAGS

CALL = "<tool_call>"
CHANNELS = ("<|channel|>", "<|start|>assistant")
"""How gpt-oss begins: its channels are told apart once they are all there."""


class Growing:
    """The answer of a chat model.

    opened: the tag of a thought that the prompt ended with, or ''. stops: words that end the
    answer. calls: whether calls of tools are looked for. bare: takes special tokens out of a text.
    """

    def __init__(
        self, opened: str, stops: Sequence[str], *, calls: bool, bare: Callable[[str], str]
    ) -> None:
        self._closing = TAGS.get(opened, "")
        self._state = "thought" if opened else "start"
        self._stops = tuple(stops)
        self._calls = calls
        self._bare = bare
        self._left = ""
        self._sent = {"thought": "", "answer": ""}

    @property
    def held(self) -> int | None:
        """Characters that came and were not given yet; None where it ends within what came, and
        how much of that is said when the whole is known."""
        return None if self._state == "held" else len(self._left)

    def more(self, text: str) -> tuple[str, str]:
        """What of the thought and of the answer can be given out, now that `text` has come."""
        self._left += text
        place = first(self._left, self._stops)
        if place >= 0:
            # A word has ended it: the rest is said when that is known.
            self._left = self._left[:place]
        if self._state == "start":
            self._begin()
        thought = answer = ""
        if self._state == "thought":
            thought = self._think()
        if self._state == "answer":
            answer = self._answer()
        if place >= 0:
            self._state = "held"
        return thought, answer

    def rest(self, said: Said) -> tuple[str, str]:
        """What was not yet given out of the whole, however that is taken apart."""
        thought, answer = self._sent["thought"], self._sent["answer"]
        return (
            said.reasoning[len(thought) :] if said.reasoning.startswith(thought) else "",
            said.text[len(answer) :] if said.text.startswith(answer) else "",
        )

    def _begin(self) -> None:
        begun = self._left.lstrip()
        openings = (*TAGS, *CHANNELS)
        if not begun or any(tag.startswith(begun) and tag != begun for tag in openings):
            return
        tag = next((tag for tag in openings if begun.startswith(tag)), "")
        if tag in CHANNELS:
            self._state = "held"
        elif tag:
            self._state, self._closing = "thought", TAGS[tag]
            self._left = begun[len(tag) :]
        else:
            self._state = "answer"

    def _think(self) -> str:
        before, closed, after = self._left.partition(self._closing)
        if not closed:
            return self._give("thought", (self._closing, *self._stops))
        self._left = before
        given = self._give("thought", ())
        self._left, self._state = after, "answer"
        return given

    def _answer(self) -> str:
        signs = (CALL,) if self._calls else ()
        if self._closing:
            # Who has thought may think again, at the beginning of a line.
            signs = (*signs, *TAGS, "<|begin_of_solution|>")
        place = first(self._left, signs)
        if place < 0:
            return self._give("answer", (*signs, *self._stops))
        # What comes from here on is read when it is all there.
        self._left, self._state = self._left[:place], "held"
        return self._give("answer", ())

    def _give(self, part: str, held: Sequence[str]) -> str:
        """Give out what is left, but blanks at its end and what may begin one of `held`."""
        if not self._sent[part]:
            self._left = self._left.lstrip()
        end = len(self._left) - open_end(self._left, held)
        end = len(self._left[:end].rstrip())
        given, self._left = self._bare(self._left[:end]), self._left[end:]
        self._sent[part] += given
        return given


class Plain:
    """The text of a completion, of which only the beginning of a word that ends it is held back."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._left = ""
        self._over = False
        self._sent = 0

    def more(self, text: str) -> str:
        """What can be given out now that `text` has come."""
        self._left += "" if self._over else text
        place = first(self._left, self._stops)
        if place >= 0:
            self._left, self._over = self._left[:place], True
        end = len(self._left) - open_end(self._left, self._stops)
        given, self._left = self._left[:end], self._left[end:]
        self._sent += len(given)
        return given

    def rest(self, whole: str) -> str:
        """What was not yet given out of the whole text."""
        return whole[self._sent :]


def first(text: str, words: Sequence[str]) -> int:
    """Where the first of the words stands in a text; -1 where none does."""
    return min((place for word in words if (place := text.find(word)) >= 0), default=-1)


def open_end(text: str, words: Sequence[str]) -> int:
    """How many characters at the end of a text may be the beginning of one of the words."""
    longest = 0
    for word in words:
        most = min(len(word) - 1, len(text))
        found = (n for n in range(most, longest, -1) if text.endswith(word[:n]))
        longest = next(found, longest)
    return longest


_BYTES = re.compile("\ufffd")


def shown(token: str) -> list[int] | None:
    """The bytes of a token; None where it is only a part of a character."""
    return None if _BYTES.search(token) else list(token.encode("utf-8", "replace"))
