"""The application: which path is answered by whom, and what becomes of an error."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gristmill import __version__
from gristmill.errors import BackendError
from gristmill.serve import chat, completions, embedding, grading, streaming
from gristmill.serve.asked import (
    Asked,
    ChatAsked,
    CompletionAsked,
    EmbeddingAsked,
    PoolingAsked,
    RewardsAsked,
    read,
)
from gristmill.serve.figures import CONTENT_TYPE, Figures
from gristmill.serve.models import Kind, Models, Served
from gristmill.serve.refusal import Gone, Refused, refused_by
from gristmill.serve.reply import Ends, Events, json_reply, refusal, while_wanted
from gristmill.serve.schema import operation

_LOG = logging.getLogger("gristmill.serve")


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer that comes in pieces. stream: a `streaming.Stream` or a `completions.Stream`."""

    stream: Any
    served: Served
    count: int


Answer = Callable[[Any, Served], Awaitable["dict[str, Any] | Streamed"]]


class Service:
    """What is behind every route. room: new tokens of an answer where a request does not say."""

    def __init__(self, models: Models, ends: Ends, room: int) -> None:
        self.models = models
        self.figures = Figures(models)
        self._ends = ends
        self._room = room

    def route(self, path: str, kind: type[Asked], answer: Answer) -> Callable[..., Any]:
        """The function that FastAPI calls for a path."""

        async def handle(request: Request) -> Response:
            began = time.perf_counter()
            told = _Told(self.figures, path, began)
            try:
                asked = read(kind, await request.body())
                served = self.models.named(asked.model)
                told.model = served.name
                work = self._answered(answer(asked, served), told)
                reply = await while_wanted(work, request.receive, self._ends)
            except Exception as error:
                if isinstance(error, Gone) or type(error).__name__ == "ClientDisconnect":
                    told.ended(499)
                    return Response(status_code=499)
                refused = failed(error)
                told.ended(refused.status)
                return refusal(refused)
            if not isinstance(reply, Events):
                told.ended(200)
            return reply

        return handle

    async def _answered(self, work: Awaitable[dict[str, Any] | Streamed], told: _Told) -> Response:
        given = await work
        if isinstance(given, dict):
            told.used(given.get("usage") or {})
            return json_reply(given)
        stack = ExitStack()
        stack.enter_context(given.served.places.take(given.count))
        events: AsyncGenerator[bytes] = given.stream.events()
        try:
            # What the model does not take is refused before a reply begins.
            first = await anext(events)
        except BaseException:
            await events.aclose()
            stack.close()
            raise
        told.begun()

        def ended(whole: bool) -> None:
            stack.close()
            told.used(given.stream.used)
            told.ended(200 if whole else 499)

        return Events(first, events, self._ends, failed, ended)

    async def chat(self, asked: ChatAsked, served: Served) -> dict[str, Any] | Streamed:
        if served.kind == "reward":
            grading.check_sampling(served.name, asked)
            with served.places.take():
                return await grading.graded_chat(served.name, served.reward, asked)
        backend = served.chat
        asks = chat.asks_of(asked, self._room)
        if asked.stream:
            usage = asked.stream_options is not None and asked.stream_options.include_usage
            return Streamed(streaming.Stream(served.name, backend, asks, usage), served, len(asks))
        with served.places.take(len(asks)):
            return await chat.complete(served.name, backend, asks)

    async def completions(self, asked: CompletionAsked, served: Served) -> Any:
        backend = served.chat
        # A body of a megabyte may ask for millions of answers: counted before they are written out.
        served.places.check(asked.n * len(completions.texts_of(asked.prompt)))
        asks = completions.asks_of(asked)
        prompts = len(asks) // asked.n
        if asked.stream:
            usage = asked.stream_options is not None and asked.stream_options.include_usage
            stream = completions.Stream(served.name, backend, asks, prompts, usage)
            return Streamed(stream, served, len(asks))
        with served.places.take(len(asks)):
            return await completions.complete(served.name, backend, asks, prompts)

    async def embeddings(self, asked: EmbeddingAsked, served: Served) -> dict[str, Any]:
        backend = served.embedding
        with served.places.take(1 if isinstance(asked.input, str) else len(asked.input)):
            return await embedding.embeddings(served.name, backend, asked)

    async def rewards(self, asked: RewardsAsked, served: Served) -> dict[str, Any]:
        backend = served.reward
        rows = grading.rows_of(asked)
        with served.places.take(len(rows)):
            return await grading.rewards(served.name, backend, rows)

    async def classify(self, asked: PoolingAsked, served: Served) -> dict[str, Any]:
        backend = served.reward
        with served.places.take(grading.count_of(asked)):
            return await grading.pooled(served.name, backend, asked, classify=True)

    async def pooling(self, asked: PoolingAsked, served: Served) -> dict[str, Any]:
        with served.places.take(grading.count_of(asked)):
            if served.kind == "embedding":
                return await embedding.pooled(served.name, served.embedding, asked)
            return await grading.pooled(served.name, served.reward, asked, classify=False)


class _Told:
    """One request, for the figures."""

    def __init__(self, figures: Figures, route: str, began: float) -> None:
        self.model = ""
        self._figures = figures
        self._route = route
        self._began = began

    def begun(self) -> None:
        self._figures.begun(self.model, time.perf_counter() - self._began)

    def used(self, usage: dict[str, int]) -> None:
        self._figures.tokens(self.model, usage)

    def ended(self, status: int) -> None:
        seconds = time.perf_counter() - self._began
        self._figures.answered(self.model, self._route, status, seconds)


def failed(error: BaseException) -> Refused:
    """What an error is to whoever asked. What nobody foresaw goes into the log, not to them."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, BackendError):
        return refused_by(error)
    _LOG.error("a request failed", exc_info=error)
    return Refused(500, f"unexpected {type(error).__name__}; see the server's log", "unexpected")


def application(models: Models, ends: Ends, room: int) -> FastAPI:
    """All routes, over models that are open."""
    service = Service(models, ends, room)
    app = FastAPI(title="gristmill serve", version=__version__, docs_url=None, redoc_url=None)
    routes: list[tuple[str, type[Asked], Answer, tuple[Kind, ...]]] = [
        ("/v1/chat/completions", ChatAsked, service.chat, ("chat", "reward")),
        ("/v1/completions", CompletionAsked, service.completions, ("chat",)),
        ("/v1/embeddings", EmbeddingAsked, service.embeddings, ("embedding",)),
        ("/v1/rewards", RewardsAsked, service.rewards, ("reward",)),
        ("/classify", PoolingAsked, service.classify, ("reward",)),
        ("/pooling", PoolingAsked, service.pooling, ("reward", "embedding")),
    ]
    for path, kind, answer, kinds in routes:
        names = [served.name for served in models if served.kind in kinds]
        app.add_api_route(
            path,
            service.route(path, kind, answer),
            methods=["POST"],
            response_class=Response,
            name=answer.__name__,
            **operation(kind, names),
        )

    @app.get("/v1/models", response_class=Response, **operation(None))
    async def models_there() -> Response:
        return json_reply({"object": "list", "data": [served.card for served in models]})

    @app.get("/v1/models/{name:path}", response_class=Response, **operation(None))
    async def model_there(name: str) -> Response:
        return json_reply(models.named(name).card)

    @app.get("/health", response_class=Response, **operation(None))
    async def health() -> Response:
        over = ends.over.is_set()
        return json_reply({"status": "stopping" if over else "ok"}, 503 if over else 200)

    @app.get("/metrics", response_class=Response, **operation(None))
    async def metrics() -> Response:
        return Response(service.figures.text(), media_type=CONTENT_TYPE)

    app.exception_handler(HTTPException)(_http)
    app.exception_handler(Refused)(_refused)
    return app


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = "method_not_allowed" if error.status_code == 405 else "no_such_route"
    allow = (error.headers or {}).get("Allow")
    return refusal(Refused(error.status_code, str(error.detail).lower(), code, allow=allow))


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refusal(error)
