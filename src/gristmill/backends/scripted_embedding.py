"""Embeddings from a function instead of a model: for tests, dry runs and demonstrations.

    scripted:echo                        counts the words: texts that share many are close
    scripted:package.module:function     function(text) -> a list of numbers

`?latency=0.2&fail=0.05` and what else holds for scripted models holds for these.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from gristmill.backends.calling import Calling
from gristmill.backends.embedding import Embedded, EmbeddingBackend
from gristmill.backends.script_files import number_of
from gristmill.backends.scripted import Played, import_function, split
from gristmill.errors import BackendError, ConfigError, GristmillError
from gristmill.similarity.vectors import unit
from gristmill.similarity.words import words

WIDTH = 512
"""Numbers in a vector of `scripted:echo`, each the count of the words that fall on it."""


class ScriptedEmbedding(Played, EmbeddingBackend):
    """A model played by `function(text)`, which may be a coroutine function. What it raises, unless
    it is an error of gristmill's own, becomes a BackendError `server`."""

    async def embed(self, text: str) -> Embedded:
        """See EmbeddingBackend. Tokens are counted as a quarter of the characters."""
        await self._script.play(self, number_of(text.encode("utf-8", "surrogatepass")))
        try:
            found = self._function(text)
            if self._awaits:
                found = await found
        except GristmillError:
            raise
        except Exception as error:
            raise self._failed("server", f"raised {type(error).__name__}: {error}") from error
        try:
            return Embedded(unit(found), (len(text) + 3) // 4)
        except ValueError as error:
            raise self._failed("bad_reply", f"returned no embedding: {error}") from None

    def _failed(self, kind: str, what: str) -> BackendError:
        self.traffic.failures[kind] += 1
        return BackendError(kind, f"{self.model} {what}")


def open_embedding(calling: Calling) -> ScriptedEmbedding:
    """The backend of `scripted:...`. Raises ConfigError."""
    model = calling.model
    name, query = split(model)
    if name.endswith(".jsonl"):
        raise ConfigError(
            f"model '{model}': a file of answers holds no embeddings; write scripted:echo or "
            "scripted:MODULE:FUNCTION"
        )
    function = _counted if name == "echo" else import_function(name, model)
    return ScriptedEmbedding(function, model=model, licence=calling.licence, **query)


def _counted(text: str) -> np.ndarray:
    # A text without a word, such as emoji alone, is its characters, and a blank one is one word.
    found = words(text) or list("".join(text.split())) or [""]
    counts = np.zeros(WIDTH)
    for word in found:
        digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest()
        counts[int.from_bytes(digest, "big") % WIDTH] += 1
    return counts
