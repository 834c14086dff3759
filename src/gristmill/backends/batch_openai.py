"""OpenAI's batches, and those of the many providers that have the same routes.

POST /files, purpose=batch      a JSONL file: {custom_id, method, url, body}
POST /batches                   {input_file_id, endpoint, completion_window, metadata}
GET  /batches/ID                status, output_file_id, error_file_id, errors.data
GET  /files/ID/content          {custom_id, response: {status_code, body}, error: {code}}
"""

from __future__ import annotations

import time
from io import BytesIO
from typing import Any

import aiohttp
import orjson

from gristmill.backends.batch_api import (
    SKEW,
    Api,
    Batch,
    Ended,
    Lost,
    Outcome,
    id_of,
    object_of,
    objects_of,
)
from gristmill.backends.fault import fault_of_status

ENDPOINT = "/v1/chat/completions"
"""As batches name it, wherever the provider's routes begin."""
OVER = ("completed", "succeeded", "failed", "expired", "cancelled", "canceled")
"""Statuses after which nothing more comes. validating, in_progress, finalizing, cancelling, and
words that nobody knows, go on."""
_PASSING = ("batch_expired", "batch_cancelled", "batch_canceled", "request_timeout")


class OpenAi(Api):
    """See the module."""

    most_requests = 50_000
    most_bytes = 190_000_000  # 200 MB are the limit, and nobody says of which kind

    def row(self, key: str, body: bytes) -> bytes:
        head = b'{"custom_id":"%b","method":"POST","url":"%b","body":'
        return head % (key.encode(), ENDPOINT.encode()) + body + b"}\n"

    async def upload(self, batch: Batch) -> str | None:
        def form() -> aiohttp.FormData:
            data = aiohttp.FormData()
            data.add_field("purpose", "batch")
            file = BytesIO(batch.requests.read_bytes())
            name = f"gristmill-{batch.name}.jsonl"
            data.add_field("file", file, filename=name, content_type="application/jsonl")
            return data

        return id_of(await self.line.call("POST", self.line.url("files"), form))

    async def create(self, batch: Batch) -> str:
        asked = {
            "input_file_id": batch.file,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {"gristmill": batch.name},
        }
        url = self.line.url(self.route)
        return id_of(await self.line.once("POST", url, lambda: orjson.dumps(asked)))

    def is_ours(self, one: dict[str, Any], batch: Batch, not_these: set[str]) -> bool:
        named = object_of(one.get("metadata")).get("gristmill") == batch.name
        return named or bool(batch.file and one.get("input_file_id") == batch.file)

    def begun(self, one: dict[str, Any]) -> float:
        at = one.get("created_at")
        return at if isinstance(at, int | float) else float("inf")

    def ended(self, batch: Batch, state: dict[str, Any]) -> Ended | None:
        status = str(state.get("status")).lower()
        if status not in OVER:
            return None
        # Providers leave a file that they have not out, null or empty.
        files = (state.get("output_file_id"), state.get("error_file_id"))
        results = tuple(self.line.url(f"files/{file}/content") for file in files if file)
        if status == "completed" and not results and self._answered_just_now(state):
            return None
        errors = objects_of(object_of(state.get("errors")), "data")
        said = "; ".join(str(e.get("message") or e.get("code")) for e in errors[:3])
        why = f"the batch {batch.id} ended as {status}" + (f": {said:.300}" if said else "")
        full = any(e.get("code") == "token_limit_exceeded" for e in errors)
        lines = frozenset(n - 1 for e in errors if type(n := e.get("line")) is int and n > 0)
        kind = "timeout" if status == "expired" else "server"
        return Ended(results, Lost(kind, why), lines, full and status == "failed")

    @staticmethod
    def _answered_just_now(state: dict[str, Any]) -> bool:
        """Whether a batch has answers of which the files may only be late."""
        answers = object_of(state.get("request_counts")).get("completed")
        return bool(answers) and time.time() - (state.get("completed_at") or 0) < SKEW

    def read(self, row: Any) -> tuple[str, Outcome]:
        key, response, error = row["custom_id"], row.get("response"), row.get("error")
        if isinstance(response, dict):
            status, body = response.get("status_code", 200), response.get("body")
            if status == 200 and isinstance(body, dict):
                return key, body
            said = orjson.dumps(body or {"error": error})
            # 200 without a body is a reply that cannot be read.
            return key, fault_of_status(status if type(status) is int else 502, {}, said)
        code, said = str(object_of(error).get("code")), orjson.dumps({"error": error})
        if code in _PASSING:
            return key, Lost("timeout" if code != "batch_cancelled" else "server", said.decode())
        return key, fault_of_status(int(code) if code.isdecimal() else 502, {}, said)

    async def alone(self, body: bytes) -> dict[str, Any]:
        return await self.line.call("POST", self.line.url("chat/completions"), lambda: body)
