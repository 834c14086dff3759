"""The judge that grades nothing: it embeds responses or prompts for filters that compare them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from functools import cached_property
from hashlib import blake2b
from typing import Literal, cast

from gristmill.backends import Embedded, EmbeddingBackend, open_embedding
from gristmill.backends.base import Backend
from gristmill.backends.calling import Calling
from gristmill.backends.use import Asked, Use, tokens_in
from gristmill.judges.base import Judge
from gristmill.records import Prompt, Response, Verdict
from gristmill.similarity.vectors import pack

RECENT = 1024
"""Texts of which it remembers the vectors: the samples of a prompt ask for the same one."""


class Embedding(Calling, Judge):
    """Embeds the response, the prompt or both, once, while the run executes; the vectors stay in
    the checkpoint, where the filters `semantic_duplicates` and `decontamination` read them.

    It gives no reward: a run with this judge alone exports what a run without judges does.
    """

    of: Literal["response", "prompt", "row"] = "response"
    """What is embedded: `response` and `prompt` are these alone, `row` is both together. A system
    message is left out."""
    prefix: str = ""
    """Put before every text, for models that were trained with one: `"query: "` for E5."""

    @property
    def embeds(self) -> str:
        return self.of

    @property
    def gives_attributes(self) -> bool:
        return False

    def open(self) -> EmbeddingBackend:
        return open_embedding(self)

    def shown(self, response: Response) -> Response | None:
        return response if response.text.strip() else None

    def may_take(self, asked: Asked, responses: int, longest: int) -> Use:
        prompt = 0 if self.of == "response" else asked.tokens
        response = 0 if self.of == "prompt" else longest
        return Use(1, tokens_in(self.prefix) + prompt + response, 0).times(responses)

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        texts = [m.content for m in prompt.messages if m.role != "system"]
        if self.of == "response":
            texts = []
        if self.of != "prompt":
            texts.append(response.text)
        asked = self._recall("\n".join(texts))
        tokens = 0
        async with asked.lock:
            if asked.found is None:
                asked.found = await self.embed(backend, asked.text)
                tokens = asked.found.tokens
        vector = pack(self.of, asked.found.vector)
        return Verdict("embedding", self.model, None, tokens=tokens, vector=vector)

    async def embed(self, backend: Backend, text: str) -> Embedded:
        """Embed one text. Raises BackendError where there is no vector."""
        return await cast(EmbeddingBackend, backend).embed(self.prefix + text)

    def key(self, text: str) -> str:
        """What tells its embedding of a text from every other."""
        said = f"{self.model}\0{self.prefix}\0{text}".encode("utf-8", "surrogatepass")
        return blake2b(said, digest_size=16).hexdigest()

    @cached_property
    def _recent(self) -> OrderedDict[str, _Asked]:
        return OrderedDict()

    def _recall(self, text: str) -> _Asked:
        asked = self._recent.pop(text, None) or _Asked(text)
        self._recent[text] = asked
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        return asked


class _Asked:
    """A text, and its vector once somebody has asked; the others wait for the lock."""

    __slots__ = ("found", "lock", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.lock = asyncio.Lock()
        self.found: Embedded | None = None
