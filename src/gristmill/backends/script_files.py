"""The files that scripted models read their answers and grades from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from math import isfinite, nan
from pathlib import Path
from typing import Any, cast

import orjson

from gristmill.errors import BackendError, ConfigError, DataError
from gristmill.foreign import read_json
from gristmill.records import ATTRIBUTES, Prompt, Score

Reply = str | dict[str, Any]
"""A text, or a message as a server gives it."""


class ChatFile:
    """Answers by prompt id or text, else in turn. See `scripted` for the lines."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._by_prompt: dict[str, list[Reply]] = {}
        self._by_id: dict[str, list[Reply]] = {}
        self._others: list[Reply] = []
        for number, line in _lines(path):
            replies = _replies(line, f"{path}, line {number}")
            if isinstance(line.get("id"), str):
                self._by_id.setdefault(line["id"], []).extend(replies)
            elif isinstance(line.get("prompt"), str):
                self._by_prompt.setdefault(line["prompt"], []).extend(replies)
            else:
                self._others.extend(replies)
        if not (self._by_id or self._by_prompt or self._others):
            raise DataError(f"{path}: holds no responses")

    def answer(self, prompt: Prompt, index: int, seed: int) -> Reply:
        """The `index`-th answer to `prompt`, begun again when there are fewer."""
        replies = self._by_id.get(prompt.id) or self._by_prompt.get(prompt.messages[-1].content)
        if replies:
            return replies[index % len(replies)]
        if not self._others:
            raise BackendError("bad_reply", f"{self._path} has no line for this prompt")
        return self._others[seed % len(self._others)]


def _replies(line: dict[str, Any], place: str) -> Sequence[Reply]:
    texts = line.get("responses", line.get("response"))
    beside = {name: line[name] for name in ("reasoning", "tool_calls") if line.get(name)}
    if beside and (texts is None or isinstance(texts, str)):
        return [{"content": texts, **beside}]
    texts = [texts] if isinstance(texts, str) else texts
    if beside or not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
        raise DataError(
            f"{place}: needs 'response' (text), with 'reasoning' and 'tool_calls' if you like, or "
            "'responses'"
        )
    return texts


class RewardFile:
    """Grades by the response's text, else by hash. See `scripted` for the lines."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._by_response: dict[str, Score] = {}
        self._others: list[Score] = []
        for number, line in _lines(path):
            try:
                score = as_score(line, f"scripted:{path}")
            except (BackendError, TypeError, ValueError) as error:
                raise DataError(f"{path}, line {number}: {error}") from None
            if isinstance(line.get("response"), str):
                self._by_response[line["response"]] = score
            else:
                self._others.append(score)
        if not self._by_response and not self._others:
            raise DataError(f"{path}: holds no grades")

    def __call__(self, messages: list[dict[str, Any]]) -> Score:
        score = self._by_response.get(messages[-1]["content"])
        if score is None and self._others:
            key = "\0".join(m["content"] for m in messages).encode("utf-8", "surrogatepass")
            score = self._others[number_of(key) % len(self._others)]
        if score is None:
            raise BackendError("bad_reply", f"{self._path} has no line for this response")
        return score


def _lines(path: str) -> list[tuple[int, dict[str, Any]]]:
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the script {path}: {error.strerror}") from error
    found = []
    for number, line in enumerate(raw.split(b"\n"), 1):
        if line.strip():
            try:
                value = read_json(line)
            except orjson.JSONDecodeError as error:
                raise DataError(f"{path}, line {number}: not JSON ({error})") from None
            if not isinstance(value, dict):
                raise DataError(f"{path}, line {number}: not an object")
            found.append((number, value))
    return found


def as_score(graded: Any, model: str) -> Score:
    """A Score of whatever a reward function may return. Raises BackendError `bad_reply`."""
    if isinstance(graded, Score):
        return graded
    five: Sequence[Any] | None = None
    scalar = graded
    # Lists first: they are what most functions return, and an abstract class is slow to ask.
    if isinstance(graded, list | tuple) or (
        isinstance(graded, Sequence) and not isinstance(graded, str)
    ):
        five, scalar = graded, None
    elif isinstance(graded, Mapping):
        scalar = graded.get("reward")
        if all(name in graded for name in ATTRIBUTES):
            five = [graded[name] for name in ATTRIBUTES]
        elif scalar is None:
            raise BackendError("bad_reply", "needs the five attributes or 'reward'")
    attributes = tuple(map(_number, five)) if five is not None else None
    reward = None if scalar is None else _number(scalar)
    numbers = (*(attributes or ()), *(() if reward is None else (reward,)))
    if (
        not numbers
        or not all(map(isfinite, numbers))
        or (attributes is not None and len(attributes) != 5)
    ):
        raise BackendError("bad_reply", f"needs five finite numbers or one, not {graded!r:.200}")
    return Score(model, cast("tuple[float, float, float, float, float] | None", attributes), reward)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return nan


def number_of(data: bytes) -> int:
    """32 bits of BLAKE2b."""
    return int.from_bytes(blake2b(data, digest_size=4).digest(), "big")
