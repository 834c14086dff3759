"""Exact duplicates, after normalisation: the first one in the input's order stays."""

from __future__ import annotations

import unicodedata
from functools import cached_property
from hashlib import blake2b
from typing import Literal

from gristmill.filters._texts import calls_of
from gristmill.filters.base import Filter
from gristmill.keys import Places
from gristmill.records import Prompt, Sample


class Dedup(Filter):
    """Drops a response that was seen before. Reason: `dedup`.

    Texts are compared after Unicode NFKC, case folding and squeezing white space, calls of tools by
    name and arguments; 127 bits of a digest are remembered, which take 27 to 54 bytes.
    """

    of: Literal["row", "response"] = "row"
    """What must be new: `row` is prompt and response together (so that two prompts may share a
    short answer), `response` is the response alone, across all prompts."""

    @cached_property
    def _seen(self) -> tuple[Places, set[tuple[int, int]]]:
        """The second half of each digest by its first, and those whose first half another had: of a
        thousand million responses hardly one. A set of Python's takes 100 bytes for each."""
        # Not a PrivateAttr: pydantic takes five times as long to look one up.
        return Places(), set()

    def _is_new(self, digest: bytes) -> bool:
        key = int.from_bytes(digest[:8], "big")
        rest = int.from_bytes(digest[8:], "big") >> 1
        seen, others = self._seen
        before = len(seen)
        if seen.first(key, rest) == rest:
            return len(seen) > before
        if (key, rest) in others:
            return False
        others.add((key, rest))
        return True

    def reason(self, prompt: Prompt, sample: Sample) -> str:
        assert sample.response is not None
        digest = blake2b(normalise(sample.response.text).encode("utf-8", "replace"), digest_size=16)
        if calls := calls_of(sample):
            digest.update(b"\0calls\0" + calls.encode("utf-8", "replace"))
        if self.of == "row":
            for message in prompt.messages:
                digest.update(b"\0" + normalise(message.content).encode("utf-8", "replace"))
        return "" if self._is_new(digest.digest()) else "dedup"


def normalise(text: str) -> str:
    """NFKC, case-folded, white space squeezed: what counts as the same text."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())
