"""Exact duplicates, after normalisation: the first one in the input's order stays."""

from __future__ import annotations

import unicodedata
from functools import cached_property
from hashlib import blake2b
from typing import Literal

from gristmill.filters._texts import calls_of
from gristmill.filters.base import Filter
from gristmill.records import Prompt, Sample


class Dedup(Filter):
    """Drops a response that was seen before. Reason: `dedup`.

    Texts are compared after Unicode NFKC, case folding and squeezing white space, calls of tools by
    name and arguments; 16 bytes a response are remembered.
    """

    of: Literal["row", "response"] = "row"
    """What must be new: `row` is prompt and response together (so that two prompts may share a
    short answer), `response` is the response alone, across all prompts."""

    @cached_property
    def _seen(self) -> set[bytes]:
        # Not a PrivateAttr: pydantic takes five times as long to look one up.
        return set()

    def reason(self, prompt: Prompt, sample: Sample) -> str:
        assert sample.response is not None
        digest = blake2b(normalise(sample.response.text).encode("utf-8", "replace"), digest_size=16)
        if calls := calls_of(sample):
            digest.update(b"\0calls\0" + calls.encode("utf-8", "replace"))
        if self.of == "row":
            for message in prompt.messages:
                digest.update(b"\0" + normalise(message.content).encode("utf-8", "replace"))
        key, seen = digest.digest(), self._seen
        if key in seen:
            return "dedup"
        seen.add(key)
        return ""


def normalise(text: str) -> str:
    """NFKC, case-folded, white space squeezed: what counts as the same text."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())
