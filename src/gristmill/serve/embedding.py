"""`POST /v1/embeddings`, and `/pooling` of a model that embeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gristmill.backends.embedding import Embedded
from gristmill.backends.local_embedding import LocalEmbedding
from gristmill.errors import BackendError
from gristmill.serve.asked import EmbeddingAsked, PoolingAsked
from gristmill.serve.completions import texts_of
from gristmill.serve.grading import encoded, pooling
from gristmill.serve.refusal import Refused, refused_by
from gristmill.serve.reply import together


async def embeddings(name: str, backend: LocalEmbedding, asked: EmbeddingAsked) -> dict[str, Any]:
    """A vector of length 1 for each text, in order. A text that is longer than the model reads is
    read in pieces, and its vector is their mean. Raises Refused, which names the text."""
    found = await _embedded(backend, _texts(asked.input))
    coded = encoded if asked.encoding_format == "base64" else list
    data = [
        {"object": "embedding", "index": i, "embedding": coded(one.vector.tolist())}
        for i, one in enumerate(found)
    ]
    return {"object": "list", "model": name, "data": data, "usage": _usage(found)}


async def pooled(name: str, backend: LocalEmbedding, asked: PoolingAsked) -> dict[str, Any]:
    """The same as vLLM's `/pooling` gives it. Raises Refused."""
    if asked.messages is not None or asked.task == "classify":
        raise Refused(400, f"model '{name}' embeds texts: give `input`", "invalid_value")
    found = await _embedded(backend, _texts(asked.input))
    rows = [one.vector.tolist() for one in found]
    return pooling(name, rows, _usage(found), asked.encoding_format)


def _texts(given: Any) -> list[str]:
    texts = texts_of(given)
    if not all(isinstance(text, str) for text in texts):
        raise Refused(400, "`input`: token ids are not embedded here; give texts", "invalid_value")
    return [text for text in texts if isinstance(text, str)]


async def _embedded(backend: LocalEmbedding, texts: Sequence[str]) -> list[Embedded]:
    async def one(index: int, text: str) -> Embedded:
        try:
            return await backend.embed(text)
        except BackendError as error:
            raise refused_by(error, f"input[{index}]") from None

    return await together(one(i, text) for i, text in enumerate(texts))


def _usage(found: Sequence[Embedded]) -> dict[str, int]:
    tokens = sum(one.tokens for one in found)
    return {"prompt_tokens": tokens, "total_tokens": tokens}
