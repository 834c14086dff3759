"""Models whose answers outlive a run: what any run on this machine has asked is not asked again.

`caching(folder)` puts a cache (`storage.cache`) behind every model that is opened within it,
whoever opens it. An answer is known by everything that decides it: the model with its address,
settings and files, the whole conversation, sampling, seed and index. What failed is not kept, nor
an answer that says nothing or of which only the beginning came.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from gristmill.backends.base import ChatBackend, RewardBackend
from gristmill.backends.behind import B, Behind
from gristmill.backends.calling import Calling
from gristmill.backends.embedding import Embedded, EmbeddingBackend
from gristmill.backends.identity import identity
from gristmill.backends.remembered import call_key, key_of, pack, said_in, unpack
from gristmill.errors import BackendError
from gristmill.records import Message, Prompt, Response, Sampling, Score
from gristmill.storage import versions

if TYPE_CHECKING:
    from gristmill.storage.cache import Cache

READING = 1
"""Raise it when requests or the reading of replies change so that old answers are not the same."""

_USELESS = ("unreadable", "empty", "bad_reply")
"""Failures after an answer that came."""

_IN_USE: ContextVar[Cache | None] = ContextVar("_IN_USE", default=None)
_HEARD: ContextVar[list[bytes] | None] = ContextVar("_HEARD", default=None)
"""Keys of the answers to the piece of work in this context, those of its tasks among them."""

R = TypeVar("R")


@contextmanager
def caching(folder: str | Path | None) -> Iterator[None]:
    """Every model opened within has the cache in this folder; None leaves it as it is.

    Raises StorageError or DataError for a folder that cannot be used.
    """
    if folder is None:
        yield
        return
    from gristmill.storage.cache import Cache  # brings SQLite

    cache = Cache(Path(folder).expanduser())
    token = _IN_USE.set(cache)
    try:
        yield
    finally:
        _IN_USE.reset(token)
        cache.close()


def hits() -> int:
    """Answers that have come out of the cache in use so far."""
    cache = _IN_USE.get()
    return cache.hits if cache is not None else 0


def doubting() -> AbstractContextManager[Callable[[BackendError], None]]:
    """For one piece of work: where its answers cannot be read, none of them is kept, so that trying
    again is no reading of the same again. Gives what is to be told of such an error that is not
    raised."""
    cache = _IN_USE.get()
    # Every verdict of a run passes here, and most runs have no cache.
    return _NO_DOUBT if cache is None else _doubting(cache)


_NO_DOUBT: AbstractContextManager[Callable[[BackendError], None]] = nullcontext(lambda _: None)


@contextmanager
def _doubting(cache: Cache) -> Iterator[Callable[[BackendError], None]]:
    heard: list[bytes] = []

    def doubt(error: BackendError) -> None:
        if error.kind in _USELESS:
            cache.forget(heard)

    token = _HEARD.set(heard)
    try:
        yield doubt
    except BackendError as error:
        doubt(error)
        raise
    finally:
        _HEARD.reset(token)


def cached(inner: B, calling: Calling) -> B:
    """A backend behind the cache in use, if there is one."""
    cache = _IN_USE.get()
    if cache is not None:
        for kind, wrapper in _WRAPPERS.items():
            if isinstance(inner, kind):
                return wrapper(inner, calling, cache)
    return inner


class Cached(Behind[B]):
    """What all kinds share."""

    def __init__(self, inner: B, calling: Calling, cache: Cache) -> None:
        super().__init__(inner)
        self._calling = calling
        self._cache = cache
        # Which files a model of the hub has is known when it is loaded.
        self._on_hub = any(_is_hub(m) for m in (calling.model, calling.reference or ""))
        self._own()

    def _own(self) -> None:
        from gristmill.storage.cache import Owner

        who = [type(self).__name__, READING, *_identity(self._calling)]
        self._who = key_of(who, ()).hex()
        self._owner = Owner(bytes.fromhex(self._who), self.model)
        self.licence = self.licence or self._cache.licence(self._owner)

    async def __aenter__(self):
        if self._on_hub:
            await self._opened()
            self._own()
        return self

    async def _through(
        self,
        key: bytes,
        ask: Callable[[B], Awaitable[R]],
        packed: Callable[[R], bytes | None],
        unpacked: Callable[[bytes], R],
    ) -> R:
        """The answer under a key, or the model's. packed: None for one that is not to be kept."""
        known = self._cache.get(key)
        if (heard := _HEARD.get()) is not None:
            heard.append(key)
        if known is not None:
            return unpacked(known)
        answer = await ask(await self._opened())
        self._keep(key, packed(answer))
        return answer

    def _keep(self, key: bytes, answer: bytes | None) -> None:
        if answer is not None:
            self._cache.put(key, self._owner, answer)

    async def __aexit__(self, *exc_info: object) -> None:
        if self._is_open and self.licence:
            self._cache.note_licence(self._owner, self.licence)
        await super().__aexit__(*exc_info)


class CachedChat(Cached[ChatBackend], ChatBackend):
    """A chat model. A hit is a Response that is `cached`."""

    def __init__(self, inner: ChatBackend, calling: Calling, cache: Cache) -> None:
        super().__init__(inner, calling, cache)
        self.takes_schema = inner.takes_schema

    async def sample(self, prompt: Prompt, index: int, sampling: Sampling) -> Response:
        """See ChatBackend."""
        key = call_key(self._who, prompt, index, sampling)
        return await self._through(
            key, lambda model: model.sample(prompt, index, sampling), _packed_response, _response
        )

    async def stream(
        self, prompt: Prompt, index: int, sampling: Sampling
    ) -> AsyncGenerator[str | Response]:
        """See ChatBackend. What is known comes as one piece; what breaks off is not kept."""
        key = call_key(self._who, prompt, index, sampling)
        known = self._cache.get(key)
        if known is not None:
            response = _response(known)
            yield response.text
            yield response
            return
        model = await self._opened()
        async with aclosing(model.stream(prompt, index, sampling)) as told:
            async for piece in told:
                if isinstance(piece, Response):
                    self._keep(key, _packed_response(piece))
                yield piece


class CachedReward(Cached[RewardBackend], RewardBackend):
    """A reward model."""

    async def score(self, messages: Sequence[Message]) -> Score:
        """See RewardBackend."""
        key = key_of([self._who], said_in(messages))
        return await self._through(key, lambda model: model.score(messages), _packed_score, _score)


class CachedEmbedding(Cached[EmbeddingBackend], EmbeddingBackend):
    """A model that embeds."""

    async def embed(self, text: str) -> Embedded:
        """See EmbeddingBackend."""
        key = key_of([self._who], (text,))
        return await self._through(key, lambda model: model.embed(text), _packed_vector, _vector)


_WRAPPERS: dict[type[Any], Callable[..., Any]] = {
    ChatBackend: CachedChat,
    RewardBackend: CachedReward,
    EmbeddingBackend: CachedEmbedding,
}
"""How a model that says how likely answers are is not among them: weights that are here are asked
for that as fast as they are read."""


def _packed_response(response: Response) -> bytes | None:
    return orjson.dumps(pack(response)) if response.says else None


def _response(packed: bytes) -> Response:
    return replace(unpack(orjson.loads(packed)), cached=True)


def _packed_score(score: Score) -> bytes | None:
    given = [*(score.attributes or ()), *([] if score.scalar is None else [score.scalar])]
    if not given or not all(map(isfinite, given)):
        return None
    return orjson.dumps([score.model, score.attributes, score.scalar])


def _score(packed: bytes) -> Score:
    model, attributes, scalar = orjson.loads(packed)
    return Score(model, tuple(attributes) if attributes else None, scalar)


def _packed_vector(found: Embedded) -> bytes:
    return found.vector.astype("<f4").tobytes()


def _vector(packed: bytes) -> Embedded:
    import numpy as np

    return Embedded(np.frombuffer(packed, "<f4"))


def _is_hub(model: str) -> bool:
    prefix, _, place = model.partition(":")
    return prefix == "hf" and not Path(place).expanduser().is_dir()


def _identity(calling: Calling) -> list[Any]:
    """All that makes a model this one and no other, as JSON."""
    beside = set(type(calling).model_fields) - set(Calling.model_fields)
    # `http://*#name`, as several servers are called, may elsewhere be another model of that name.
    known: list[Any] = [identity(calling, *beside), sorted(calling.servers)]
    for model in (calling.model, calling.reference or ""):
        prefix, _, place = model.partition(":")
        if prefix in ("tiny", "hf", "scripted"):
            # In this process the answer is made by this very code.
            known.append({n: v for n, v in versions().items() if n in _MAKERS})
        if _is_hub(model):
            known.append(_commit(place))
        elif prefix == "scripted":
            known.append(_source_stamp(place))
    return known


_MAKERS = ("gristmill", "torch", "transformers")


def _commit(name: str) -> str | None:
    """Which files of a model of the hub are here."""
    if find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, "config.json")
    return Path(found).parent.name if isinstance(found, str) else None


def _source_stamp(place: str) -> list[Any]:
    """Size and time of the module that a scripted model's function is in."""
    module = sys.modules.get(place.partition(":")[0])
    file = getattr(module, "__file__", None)
    return [(found := Path(file).stat()).st_size, found.st_mtime_ns] if file else []
