"""What a local model's tokens say: the text that a server would have given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gristmill.backends.answer import response_of
from gristmill.backends.fault import Fault
from gristmill.backends.local_ask import Spelling
from gristmill.errors import BackendError
from gristmill.intake.message import Said, answer_of
from gristmill.lists.thought import TAGS, split_thought
from gristmill.records import Response

_NEAR_THE_END = 8
"""Tokens of a prompt's end that hold a tag, should the chat template open the thought itself."""


class Speech:
    """Turns token ids into Responses. tokenizer: of transformers.

    Some families mark thoughts with special tokens, which a text is usually left without (gpt-oss,
    Command, Gemma 4), and some templates open the thought in the prompt (DeepSeek R1): both are
    seen here, so that a thought is never taken for the answer. marked: whether special tokens mark
    thoughts.
    """

    def __init__(self, model: str, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder.values()
        special = {*tokenizer.all_special_tokens, *(t.content for t in added if t.special)}
        marks = ("<|channel|>", "<|channel>", *TAGS)
        self.marked = any(mark in special for mark in marks)
        self._special = re.compile("|".join(map(re.escape, special)) or r"(?!)")

    def response(
        self,
        prompt: Sequence[int],
        tokens: Sequence[int],
        *,
        stopped: bool,
        cut: str | None = None,
    ) -> Response | BackendError:
        """The Response of new tokens after a prompt, or how it failed. stopped: by a stop token,
        the last of them, which is counted and not said. cut: their text up to a word that ended it,
        where one did."""
        said = self.text(tokens[:-1] if stopped else tokens) if cut is None else cut
        text = self.opened(prompt) + said.strip()
        counts = len(prompt), len(tokens)
        try:
            finish = "length" if cut is None and not stopped else "stop"
            response = response_of({"content": text}, finish, self._model, counts)
        except Fault as fault:
            return BackendError(fault.kind, f"model '{self._model}': {fault.message}")
        if not self.marked:
            return response
        text, thought = (self.bare(said).strip() for said in (response.text, response.reasoning))
        return replace(response, text=text, reasoning=thought)

    def said(self, prompt: Sequence[int], text: str, *, calls: bool) -> Said:
        """A text that was said after a prompt, taken apart: also one that ended within its thought,
        which `response` calls a failure. calls: whether calls of tools are looked for.
        """
        text = self.opened(prompt) + text.strip()
        if calls:
            said = answer_of({"content": text}, "the answer")
        else:
            thought, answer, ended = split_thought(text)
            said = Said(answer, thought, (), ended)
        return said._replace(
            text=self.bare(said.text).strip(), reasoning=self.bare(said.reasoning).strip()
        )

    def text(self, tokens: Sequence[int], *, special: bool | None = None) -> str:
        """What tokens spell. special: whether special tokens are spelled too; by default where they
        mark thoughts."""
        shown = self.marked if special is None else special
        return self._tokenizer.decode(list(tokens), skip_special_tokens=not shown)

    def spelling(self) -> Spelling:
        """The same for tokens that come one by one."""
        return Spelling(self._tokenizer, special=self.marked)

    def bare(self, text: str) -> str:
        """A text without the special tokens that are spelled in it."""
        return self._special.sub("", text) if self.marked else text

    def opened(self, prompt: Sequence[int]) -> str:
        """The tag that the prompt ends with; empty where it opens no thought."""
        end = self._tokenizer.decode(prompt[-_NEAR_THE_END:], skip_special_tokens=False).rstrip()
        return next((tag for tag in TAGS if end.endswith(tag)), "")
