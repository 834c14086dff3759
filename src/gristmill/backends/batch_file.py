"""Batches as files, for engines that are run by hand: vLLM's `run-batch` among them.

    vllm run-batch -i NAME.requests.jsonl -o NAME.answers.jsonl --model MODEL

A batch is over once the file of answers beside its requests has a line for each of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gristmill.backends.batch_api import Batch, Ended, Lost
from gristmill.backends.batch_openai import OpenAi
from gristmill.backends.fault import Fault


class Files(OpenAi):
    """See the module: OpenAI's form of a row, and nobody to send it to."""

    async def upload(self, batch: Batch) -> str | None:
        return None

    async def create(self, batch: Batch) -> str:
        return batch.name

    async def find(self, batch: Batch, not_these: set[str]) -> str | None:
        return batch.name

    async def look(self, batch: Batch) -> Ended | None:
        answers = batch.requests.with_name(f"{batch.name}.answers.jsonl")
        if not answers.exists() or _lines(answers) < len(batch.keys):
            return None
        return Ended((answers,), Lost("server", f"{answers} has no answer to it"))

    async def alone(self, body: bytes) -> dict[str, Any]:
        raise Fault("server", "its batches had no answer to it", again=False)


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(line.endswith(b"\n") for line in file)
