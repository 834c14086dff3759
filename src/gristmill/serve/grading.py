"""Requests to reward models, in four forms.

POST /v1/chat/completions    as NVIDIA's hosted Nemotron-4-340B-Reward: one conversation
POST /v1/rewards             many conversations, grades by name
POST /classify, /pooling     as vLLM: the numbers alone
"""

from __future__ import annotations

import time
import uuid
from base64 import b64encode
from collections.abc import Coroutine, Sequence
from typing import Any

import numpy as np

from gristmill.backends.local import LocalReward
from gristmill.errors import BackendError
from gristmill.judges._weights import CARD_WEIGHTS
from gristmill.records import ATTRIBUTES, Message, Score
from gristmill.serve.asked import ChatAsked, PoolingAsked, RewardsAsked
from gristmill.serve.chat import conversation, head_of
from gristmill.serve.completions import texts_of
from gristmill.serve.refusal import Refused, refused_by
from gristmill.serve.reply import together

_SAMPLING = ("n", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed",
             "stream", "stream_options", "tools", "top_logprobs")  # fmt: skip


def named(score: Score) -> dict[str, float]:
    """A score's numbers by name: the five attributes, or one `reward`."""
    if score.attributes is not None:
        return dict(zip(ATTRIBUTES, score.attributes, strict=True))
    assert score.scalar is not None
    return {"reward": score.scalar}


def reward_of(score: Score) -> float:
    """The scalar: the model's own, or the attributes by the weights of the model card."""
    if score.scalar is not None:
        return score.scalar
    assert score.attributes is not None
    return sum(w * a for w, a in zip(CARD_WEIGHTS, score.attributes, strict=True))


def check_sampling(name: str, asked: ChatAsked) -> None:
    """Raise Refused where a model that grades is told how to write."""
    for field in _SAMPLING:
        if field in asked.model_fields_set and getattr(asked, field) != _default(asked, field):
            raise Refused(
                400,
                f"model '{name}' grades and writes nothing: leave out `{field}`",
                "unsupported_parameter",
                param=field,
            )


def _default(asked: ChatAsked, field: str) -> Any:
    return type(asked).model_fields[field].get_default(call_default_factory=True)


async def graded_chat(name: str, backend: LocalReward, asked: ChatAsked) -> dict[str, Any]:
    """The grades of a conversation's last turn, as the hosted model gives them: as a text, and as
    tokens whose `logprob`s are the grades. Raises BackendError."""
    score = await backend.score(conversation(asked.messages))
    grades = named(score)
    content = ",".join(f"{attribute}:{value!r}" for attribute, value in grades.items())
    tokens = [
        {"token": attribute, "logprob": value, "bytes": None, "top_logprobs": []}
        for attribute, value in grades.items()
    ]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content},
        "logprobs": {"content": tokens, "refusal": None},
        # Its word for it, as there is no end that a model could have come to.
        "finish_reason": "length",
    }
    return {**head_of(name, "chat.completion"), "choices": [choice], "usage": _usage([score])}


def rows_of(asked: RewardsAsked) -> list[tuple[Message, ...]]:
    """The conversations to be graded. Raises Refused, which names the row."""
    rows = []
    for i, row in enumerate(asked.input):
        where = f"input[{i}]"
        if isinstance(row, dict):
            turns = row.get("messages")
            if set(row) != {"messages"} or not isinstance(turns, list):
                said = f"`{where}` is neither a list of messages nor an object with `messages`"
                raise Refused(400, said, "invalid_value", param=where)
            row = turns
        rows.append(conversation(row, where))
    return rows


async def rewards(
    name: str, backend: LocalReward, rows: Sequence[tuple[Message, ...]]
) -> dict[str, Any]:
    """The grades of each conversation, in order. Raises Refused, which names the row."""
    scores = await _each([backend.score(row) for row in rows], "input")
    data = [
        {
            "index": i,
            "object": "reward",
            "attributes": named(score) if score.attributes is not None else None,
            "reward": reward_of(score),
        }
        for i, score in enumerate(scores)
    ]
    return _listed("reward", name, data, _usage(scores))


async def pooled(
    name: str, backend: LocalReward, asked: PoolingAsked, *, classify: bool
) -> dict[str, Any]:
    """The model's own numbers for a conversation or for texts, as vLLM's `/classify` or `/pooling`
    gives them. Raises Refused and BackendError."""
    if asked.task == "embed":
        raise Refused(400, f"model '{name}' grades: its task is classify", "invalid_value")
    scores = await _scores(backend, asked)
    if classify:
        data = [_class(i, named(score)) for i, score in enumerate(scores)]
        return _listed("classify", name, data, _usage(scores))
    rows = [list(named(score).values()) for score in scores]
    return pooling(name, rows, _usage(scores), asked.encoding_format)


def count_of(asked: PoolingAsked) -> int:
    """How many texts there are in a request."""
    return 1 if asked.messages is not None else len(texts_of(asked.input))


async def _scores(backend: LocalReward, asked: PoolingAsked) -> list[Score]:
    if asked.messages is not None:
        return [await backend.score(conversation(asked.messages))]
    return await _each([backend.score_text(text) for text in texts_of(asked.input)], "input")


def _class(index: int, grades: dict[str, float]) -> dict[str, Any]:
    best = max(grades, key=lambda name: grades[name])
    probs = list(grades.values())
    return {"index": index, "label": best, "probs": probs, "num_classes": len(probs)}


def pooling(
    name: str, rows: Sequence[Sequence[float]], usage: dict[str, int], encoding: str
) -> dict[str, Any]:
    """Rows of numbers as vLLM's `/pooling` gives them."""
    coded = encoded if encoding == "base64" else list
    data = [{"index": i, "object": "pooling", "data": coded(row)} for i, row in enumerate(rows)]
    return _listed("pool", name, data, usage)


def encoded(row: Sequence[float]) -> str:
    """Numbers as little-endian float32 in base64."""
    return b64encode(np.asarray(row, "<f4").tobytes()).decode()


async def _each(work: Sequence[Coroutine[Any, Any, Score]], where: str) -> list[Score]:
    """All results, or the refusal of the first that has none."""

    async def one(index: int, task: Coroutine[Any, Any, Score]) -> Score:
        try:
            return await task
        except BackendError as error:
            raise refused_by(error, f"{where}[{index}]") from None

    return await together(one(i, task) for i, task in enumerate(work))


def _listed(prefix: str, name: str, data: list[Any], usage: dict[str, int]) -> dict[str, Any]:
    return {
        "id": f"{prefix}-{uuid.uuid4().hex}",
        "object": "list",
        "created": int(time.time()),
        "model": name,
        "data": data,
        "usage": usage,
    }


def _usage(scores: Sequence[Score]) -> dict[str, int]:
    tokens = sum(score.tokens for score in scores)
    return {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
