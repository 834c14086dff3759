"""Responses that end before they are done."""

from __future__ import annotations

import re
import unicodedata

from gristmill.filters._texts import response_of, shown
from gristmill.filters.base import Filter
from gristmill.lists.fences import fences
from gristmill.records import Drop, Prompt, Sample

_LENGTH = ("length", "max_tokens", "model_length", "MAX_TOKENS")
"""What servers call it: OpenAI and vLLM, Anthropic, Mistral, Gemini."""


class Truncated(Filter):
    """Drops a response that the model's limit of tokens cut off. Reason: `truncated`; with
    `ending` also `truncated:sentence` and `truncated:code`."""

    ending: bool = False
    """Look at the text as well, for servers and files that do not say why a response ended: one of
    which the last paragraph is a sentence without its end, or whose block of code is not closed,
    is dropped. Poems, names and lists that end without a full stop are not taken for sentences."""

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        text = response_of(sample).rstrip()
        assert sample.response is not None
        if sample.response.finish_reason in _LENGTH:
            return Drop("truncated", f'limit of tokens, ends "{_end(text)}"')
        if not self.ending:
            return ""
        blocks = fences(text)
        if blocks and not blocks[-1].closed:
            return Drop("truncated:code", f'a block of code is open, ends "{_end(text)}"')
        return Drop("truncated:sentence", f'ends "{_end(text)}"') if _cut(text) else ""


def _cut(text: str) -> bool:
    """Whether the last line is prose without an end: it has a sentence that ended before, or is
    long, and the lines before it are not all without an end too, as in a poem or a list."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or not _open(lines[-1]) or lines[-1].split()[-1].startswith(("#", "@", "http")):
        return False
    last = lines[-1]
    if re.match(r"([-*+•#>|]|\d+[.)])\s", last) and any(map(_open, lines[-3:-1])):
        return False
    ended = re.search(r"[\w)][.!?]\s+\w|[。！？।]", last) is not None
    return ended or (len(last) > 80 and (len(lines) < 2 or not _open(lines[-2])))


def _open(line: str) -> bool:
    """Whether a line ends in a letter or a comma. Anything else may end a text: punctuation, a
    number, a closing mark, emoji, Markdown."""
    return line[-1] in ",，、" or unicodedata.category(line[-1])[0] in "LM"


def _end(text: str) -> str:
    return shown(text[-40:])
