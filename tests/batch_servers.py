"""A real HTTP server with the batch APIs of OpenAI and Anthropic, whose batches go as told.

    with BatchServer([Course(end="expired", answered=0.5), Course()]) as server:
        backend = open_chat(server.chat, {"batch_api": "openai"})
        ...
    assert server.paid == {...}

`paid` counts the answers it made to each request, by what was asked, in batches and alone.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from servers import FaultyServer, graded, text_for

KEY = "batch-key-1"


@dataclass(frozen=True)
class Course:
    """How one batch goes.

    states: told one after the other, a look each, before the `end`. answered: the share of its
    requests, from the first on, that it comes to. refused: (status, error) of single requests, by
    their place. lost, twice: places of rows that are left out, or are there again. spoiled: a line
    that is no row stands between the others. bare: files that are not there are '' and no null.
    errors: of the batch as a whole. unheard: its creation is answered with 500, though it is made.
    odd: ... with what has no id, and no list of batches has it.
    """

    states: Sequence[str] = ("validating", "in_progress", "finalizing")
    end: str = "completed"
    answered: float = 1.0
    refused: dict[int, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    late: int = 0
    lost: frozenset[int] = frozenset()
    twice: frozenset[int] = frozenset()
    spoiled: bool = False
    bare: bool = False
    errors: Sequence[dict[str, Any]] = ()
    unheard: bool = False
    odd: bool = False


@dataclass
class Made:
    """A batch that was begun."""

    id: str
    course: Course
    rows: list[dict[str, Any]]
    told: dict[str, Any]
    at: float = field(default_factory=time.time)
    looks: int = 0
    files: dict[str, str] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return self.looks >= len(self.course.states) + self.course.late

    @property
    def done(self) -> int:
        return int(len(self.rows) * self.course.answered) if self.course.end != "failed" else 0


class BatchServer(FaultyServer):
    """See the module. courses: of the batches in the order of their creation; the last goes on.
    barred: the status that uploads are refused with. most: bytes of one."""

    def __init__(
        self,
        courses: Sequence[Course] = (Course(),),
        *,
        barred: int | None = None,
        most: int = 1 << 30,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.barred, self.most = barred, most
        self.courses = list(courses)
        self.paid: Counter[str] = Counter()
        self.alone = 0
        self.uploads: dict[str, bytes] = {}
        self.made: dict[str, Made] = {}
        self.before: list[dict[str, Any]] = []  # other people's batches, in Anthropic's list
        self.keys: set[str] = set()

    def _route(self, router: web.UrlDispatcher) -> None:
        super()._route(router)
        router.add_post("/v1/files", self._upload)
        router.add_get("/v1/files/{file}/content", self._content)
        router.add_post("/v1/batches", self._create)
        router.add_get("/v1/batches", self._list)
        router.add_get("/v1/batches/{id}", self._look)
        router.add_post("/v1/messages/batches", self._create_messages)
        router.add_get("/v1/messages/batches", self._list_messages)
        router.add_get("/v1/messages/batches/{id}", self._look_messages)
        router.add_get("/v1/messages/batches/{id}/results", self._messages)
        router.add_post("/v1/messages", self._message)

    def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
        self.alone += 1
        return self._answer(body)

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        self._pay(body)
        return graded(body, self.forms) if body["model"] == "reward" else super()._completion(body)

    def _pay(self, body: dict[str, Any]) -> None:
        self.paid[json.dumps(body, sort_keys=True)] += 1

    def _begin(self, rows: list[dict[str, Any]], told: dict[str, Any]) -> Made:
        course = self.courses.pop(0) if len(self.courses) > 1 else self.courses[0]
        assert len({row["custom_id"] for row in rows}) == len(rows)
        made = Made(f"batch_{len(self.made)}", course, rows, told)
        self.made[made.id] = made
        return made

    # -- OpenAI

    async def _upload(self, request: web.Request) -> web.Response:
        if self.barred:
            return web.json_response({"error": {"message": "not here"}}, status=self.barred)
        form = await request.post()
        assert form["purpose"] == "batch"
        file = form["file"]
        assert isinstance(file, web.FileField)
        name = f"file-{len(self.uploads)}"
        upload = file.file.read()
        if len(upload) > self.most:
            return web.json_response({"error": {"message": "file too large"}}, status=413)
        self.uploads[name] = upload
        return web.json_response({"id": name, "object": "file", "purpose": "batch"})

    async def _create(self, request: web.Request) -> web.Response:
        told = await request.json()
        assert (told["endpoint"], told["completion_window"]) == ("/v1/chat/completions", "24h")
        rows = [json.loads(line) for line in self.uploads[told["input_file_id"]].splitlines()]
        for row in rows:
            assert (row["method"], row["url"]) == ("POST", "/v1/chat/completions")
        made = self._begin(rows, told)
        if made.course.unheard:
            return web.json_response({"error": {"message": "upstream"}}, status=500)
        if made.course.odd:
            return web.json_response({"job": {"id": made.id}})
        return web.json_response(self._state(made))

    def _state(self, made: Made) -> dict[str, Any]:
        course = made.course
        none = "" if course.bare else None
        return {
            "id": made.id,
            "object": "batch",
            "created_at": int(made.at),
            "input_file_id": made.told["input_file_id"],
            "metadata": made.told["metadata"],
            "status": [*course.states, course.end][min(made.looks, len(course.states))],
            "output_file_id": f"{made.id}-out" if "out" in made.files else none,
            "error_file_id": f"{made.id}-err" if "err" in made.files else none,
            "errors": {"object": "list", "data": list(course.errors)} if made.over else None,
            "completed_at": int(time.time()),
            "request_counts": {"total": len(made.rows), "completed": made.done - len(course.lost)},
        }

    async def _look(self, request: web.Request) -> web.Response:
        made = self.made[request.match_info["id"]]
        made.looks += 1
        if made.over and not made.files:
            self._finish(made)
        return web.json_response(self._state(made))

    def _finish(self, made: Made) -> None:
        """Write the files of a batch that is over; this is when answers are paid for."""
        course, good, bad = made.course, [], []
        for place, row in enumerate(made.rows):
            head = {"id": f"req-{place}", "custom_id": row["custom_id"]}
            if place >= made.done:
                code = f"batch_{course.end}"
                bad.append({**head, "response": None, "error": {"code": code, "message": code}})
            elif place in course.refused:
                status, error = course.refused[place]
                response = {"status_code": status, "request_id": "r", "body": {"error": error}}
                bad.append({**head, "response": response, "error": None})
            elif place not in course.lost:
                body = self._answer(row["body"])
                response = {"status_code": 200, "request_id": "r", "body": body}
                said = {**head, "response": response, "error": None}
                good += [said] * (1 + (place in course.twice))
        good.reverse()
        made.files = {"none": ""}
        for name, rows in (("out", good), ("err", bad)):
            if rows and course.end != "failed":
                made.files[name] = self._lines(rows, course)

    @staticmethod
    def _lines(rows: list[dict[str, Any]], course: Course) -> str:
        lines = [json.dumps(row) + "\n" for row in rows]
        if course.spoiled:
            lines.insert(1, '{"id": "half a li\n')
            lines.insert(0, "\n")
            lines.append('{"custom_id": "nobody asked", "response": {"status_code": 200}}\n[]\n')
        return "".join(lines)

    async def _content(self, request: web.Request) -> web.Response:
        batch, _, name = request.match_info["file"].rpartition("-")
        return web.Response(text=self.made[batch].files[name], content_type="application/jsonl")

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response(self._page(request, "after", self._state))

    def _page(
        self, request: web.Request, after: str, state: Callable[[Made], dict[str, Any]]
    ) -> dict[str, Any]:
        """Newest first, two a page, so that pages are turned."""
        named = (state(m) for m in self.made.values() if not m.course.odd)
        there = [*named, *self.before][::-1]
        names = [one["id"] for one in there]
        start = names.index(request.query[after]) + 1 if after in request.query else 0
        return {"data": there[start : start + 2], "has_more": len(there) > start + 2}

    # -- Anthropic

    async def _create_messages(self, request: web.Request) -> web.Response:
        self._guard(request)
        told = await request.json()
        made = self._begin(told["requests"], told)
        if made.course.unheard:
            error = {"type": "error", "error": {"type": "api_error", "message": "upstream"}}
            return web.json_response(error, status=500)
        return web.json_response(self._state_of_messages(made))

    def _guard(self, request: web.Request) -> None:
        assert request.headers["anthropic-version"] == "2023-06-01"
        assert "Authorization" not in request.headers
        self.keys.add(request.headers.get("x-api-key", ""))

    def _state_of_messages(self, made: Made) -> dict[str, Any]:
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        counts["succeeded" if made.over else "processing"] = len(made.rows)
        return {
            "id": made.id,
            "type": "message_batch",
            "processing_status": "ended" if made.over else "in_progress",
            "request_counts": counts,
            "created_at": datetime.fromtimestamp(made.at, UTC).isoformat(),
            "results_url": "http://127.0.0.1:1/elsewhere" if made.over else None,
        }

    async def _look_messages(self, request: web.Request) -> web.Response:
        self._guard(request)
        name = request.match_info["id"]
        if name not in self.made:
            return web.json_response(next(b for b in self.before if b["id"] == name))
        made = self.made[name]
        made.looks += 1
        if made.over and not made.files:
            self._finish_messages(made)
        return web.json_response(self._state_of_messages(made))

    def _finish_messages(self, made: Made) -> None:
        course, rows = made.course, []
        for place, row in enumerate(made.rows):
            if place in course.lost:
                continue
            result: dict[str, Any] = {"type": course.end}
            if place in course.refused:
                error = {"type": "error", "error": course.refused[place][1]}
                result = {"type": "errored", "error": error}
            elif place < made.done:
                result = {"type": "succeeded", "message": self._said(row["params"])}
            said = {"custom_id": row["custom_id"], "result": result}
            rows += [said] * (1 + (place in course.twice))
        made.files = {"results": self._lines(rows[::-1], course)}

    async def _messages(self, request: web.Request) -> web.Response:
        self._guard(request)
        name = request.match_info["id"]
        if name not in self.made:
            row = {"custom_id": "theirs", "result": {"type": "expired"}}
            return web.Response(text=json.dumps(row) + "\n")
        return web.Response(text=self.made[name].files["results"])

    async def _list_messages(self, request: web.Request) -> web.Response:
        self._guard(request)
        return web.json_response(self._page(request, "after_id", self._state_of_messages))

    async def _message(self, request: web.Request) -> web.Response:
        self._guard(request)
        self.alone += 1
        return web.json_response(self._said(await request.json()))

    def _said(self, params: dict[str, Any]) -> dict[str, Any]:
        self._pay(params)
        text = {"type": "text", "text": text_for(params)}
        thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
        usage = {"input_tokens": 4, "cache_read_input_tokens": 7, "output_tokens": 5}
        content = [thought, text]
        return {"type": "message", "content": content, "stop_reason": "end_turn", "usage": usage}
