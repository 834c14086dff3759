"""An answer asked for in more detail than `Sampling` has: by token, with its likelihoods, as it
grows, up to words that end it. What a server (`gristmill.serve`) is asked for.

A call of this kind goes the way of every other: it waits, joins a batch, and is decoded beside
samples that ask for nothing special.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gristmill.records import Message


class Likelihood(NamedTuple):
    """How likely a token was to the model itself, before temperature and top_p, in nats; and the
    likeliest tokens at its place, best first."""

    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """One answer.

    prompt: a conversation, which the chat template writes; or a text or token ids, taken as they
    are. tools: as `Prompt.tools`. seed: 31 bits. limit: new tokens at most.
    stop: words that end the answer, and are not in it. top: None for no likelihoods, else how many
    of the likeliest tokens to name beside each. grows: whether it is handed over token by token.
    """

    prompt: tuple[Message, ...] | str | tuple[int, ...]
    seed: int
    limit: int
    temperature: float = 1.0
    top_p: float = 1.0
    tools: str = ""
    stop: tuple[str, ...] = ()
    top: int | None = None
    grows: bool = False

    @property
    def followed(self) -> bool:
        """Whether each of its tokens is looked at while it is made."""
        return self.grows or self.top is not None or bool(self.stop)


class Grown(NamedTuple):
    """A token of an answer that is not yet whole. place: from 0; likelihood: where it was asked
    for; prompt: the token ids that it answers."""

    place: int
    token: int
    likelihood: Likelihood | None
    prompt: Sequence[int]


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer.

    prompt: its token ids. tokens: the new ones, without the one that ended them. spent: with it.
    finish: `stop` or `length`. text: what was said up to the word that ended it; None where a
    token or the limit did. likelihoods: one for each of `tokens`, where they were asked for.
    """

    prompt: Sequence[int]
    tokens: Sequence[int]
    spent: int
    finish: str
    text: str | None = None
    likelihoods: Sequence[Likelihood] = ()


class Spelling:
    """The text of tokens that come one by one. tokenizer: of transformers.

    A character may take several tokens; it is given when it is whole. special: whether special
    tokens are spelled too.
    """

    def __init__(self, tokenizer: Any, *, special: bool = False) -> None:
        self._tokenizer = tokenizer
        self._skip = not special
        self._ids: list[int] = []
        # Texts are told apart by decoding a little more than what is new: many a tokenizer writes
        # a token differently where it comes first.
        self._known = self._told = 0

    def more(self, tokens: Sequence[int]) -> str:
        """What these add to the text."""
        self._ids += tokens
        before = self._decode(self._ids[self._known : self._told])
        now = self._decode(self._ids[self._known :])
        if len(now) <= len(before) or now.endswith("\ufffd"):
            return ""
        self._known, self._told = self._told, len(self._ids)
        return now[len(before) :]

    def rest(self) -> str:
        """What is left when no token comes any more: bytes that never made a character."""
        before = self._decode(self._ids[self._known : self._told])
        return self._decode(self._ids[self._known :])[len(before) :]

    def _decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=self._skip) if ids else ""


class Following:
    """Looks at the tokens of one answer while it is made, on a lane's thread."""

    def __init__(self, ask: Ask, tokenizer: Any, *, special: bool = False) -> None:
        self._ask = ask
        self._spelling = Spelling(tokenizer, special=special) if ask.stop else None
        self._longest = max(map(len, ask.stop), default=0)
        self._text = ""
        self.cut: str | None = None
        self.tokens: list[int] = []
        self.likelihoods: list[Likelihood] = []

    def add(self, token: int, likelihood: Likelihood | None) -> bool:
        """Note a token; True where a word that ends the answer is now in it."""
        self.tokens.append(token)
        if likelihood is not None:
            self.likelihoods.append(likelihood)
        if self._spelling is None:
            return False
        return self._ended(self._spelling.more((token,)))

    def _ended(self, said: str) -> bool:
        start = max(0, len(self._text) - self._longest + 1)
        self._text += said
        places = [p for word in self._ask.stop if (p := self._text.find(word, start)) >= 0]
        if not places:
            return False
        self.cut = self._text[: min(places)]
        return True

    def answered(self, prompt: Sequence[int], spent: int, *, stopped: bool) -> Answered:
        """The whole, once it has ended. stopped: by a stop token."""
        if self.cut is None and self._spelling is not None and not stopped:
            # A word may end with what was held back.
            self._ended(self._spelling.rest())
        finish = "length" if self.cut is None and not stopped else "stop"
        return Answered(prompt, self.tokens, spent, finish, self.cut, self.likelihoods)
