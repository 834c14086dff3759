"""Models that embed texts, behind an OpenAI-compatible server: vLLM, TEI, NIM, hosted APIs.

    http://host:8000/v1#name          POST http://host:8000/v1/embeddings
    nim:nvidia/nv-embedqa-e5-v5       NVIDIA's hosted models, key from NVIDIA_API_KEY

NVIDIA's retrieval models ask for an `input_type`, and every server has its own word for a text that
is too long, which else fails as `too_long`: the option `body` holds both.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any

import numpy as np
import orjson

from gristmill.backends.calling import Calling
from gristmill.backends.decoding import count, sendable
from gristmill.backends.embedding import Embedded, EmbeddingBackend
from gristmill.backends.endpoint import Served
from gristmill.backends.fault import Fault
from gristmill.errors import ConfigError
from gristmill.similarity.vectors import unit


class EmbeddingEndpoint(Served, EmbeddingBackend):
    """A model behind a server. `embed` sends one request, and again while it fails."""

    def __init__(self, calling: Calling) -> None:
        super().__init__(calling, "embeddings")
        if self._end.address.route != "chat":
            raise ConfigError(f"model '{self.model}': `route` is for reward models; leave it out")
        extra = calling.body
        if "input" in extra:
            raise ConfigError(
                f"model '{self.model}': body: `input` is the text itself; leave it out"
            )
        fields = {"model": self._end.address.name, "encoding_format": "float", **extra}
        known = orjson.dumps({k: v for k, v in fields.items() if v is not None})
        self._head = known[:-1] + b',"input":['

    async def embed(self, text: str) -> Embedded:
        """See EmbeddingBackend."""
        body = b"".join((self._head, orjson.dumps(sendable(text)), b"]}"))
        return await self._end.call((), body, read_embedding)


def open_embedding(calling: Calling) -> EmbeddingEndpoint:
    """A model that embeds, behind a server, not yet opened. Raises ConfigError."""
    return EmbeddingEndpoint(calling)


def read_embedding(reply: Any) -> Embedded:
    """The vector in a reply of `/v1/embeddings` to one text, scaled to length 1.

    `embedding` is a list of numbers, or little-endian float32 in base64. Raises Fault `bad_reply`.
    """
    try:
        (row,) = reply["data"]
        given = row["embedding"]
    except (KeyError, TypeError, ValueError):
        raise Fault("bad_reply", "the reply has no data[0].embedding for the one text") from None
    if isinstance(given, list) and given and isinstance(given[0], list):
        advice = "it has a vector for each token; is the model served as one that embeds texts?"
        raise Fault("bad_reply", f"data[0].embedding: {advice}", again=False)
    try:
        vector = unit(_decoded(given) if isinstance(given, str) else given)
    except ValueError as error:
        raise Fault("bad_reply", f"data[0].embedding: {error}") from None
    usage = reply.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Embedded(vector, count(usage.get("total_tokens")) or count(usage.get("prompt_tokens")))


def _decoded(text: str) -> np.ndarray:
    try:
        return np.frombuffer(b64decode(text, validate=True), "<f4")
    except (binascii.Error, ValueError):
        raise ValueError("it is neither numbers nor float32 in base64") from None
