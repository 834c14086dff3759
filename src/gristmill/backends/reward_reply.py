"""The grades in a reward model's reply, in every form that servers give them.

    chat      choices[0].message.content "helpfulness:4.09,correctness:4.03,..." or "reward:-7.9",
              or the same as tokens and `logprob`s in choices[0].logprobs.content
    classify  vLLM /classify: data[0].probs, one value or five
    pooling   vLLM /pooling: data[0].data, one row, or a row for each token of which the last counts

Nine values are NeMo's older heads, whose last five are HelpSteer's. A reply without usable,
finite numbers is a Fault, never a Score.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, cast

from gristmill.backends.decoding import count
from gristmill.backends.fault import Fault
from gristmill.records import ATTRIBUTES, Score

_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)"
_PAIR = re.compile(rf"([a-z_]+)\s*[:=]\s*({_NUMBER})", re.IGNORECASE)
_BARE = re.compile(r"[-+]?\d*\.\d+(?:[eE][-+]?\d+)?")
# The whole content must be grades: prose that happens to hold "helpfulness: 4" is no grade.
_GRADES = re.compile(rf"\s*(?:{_PAIR.pattern}[\s,;]*)+", re.IGNORECASE)


def read_chat_reward(reply: Any, model: str) -> Score:
    """The Score in a reply of `/chat/completions`. Raises Fault `bad_reply`."""
    try:
        choice = reply["choices"][0]
        message = choice.get("message")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise Fault("bad_reply", "the reply has no choices") from None
    if isinstance(message, list):
        message = message[-1] if message else None
    content = message.get("content") if isinstance(message, dict) else None
    found = _grades_of_text(content) if isinstance(content, str) else {}
    if not _usable(found):
        found = _grades_of_tokens(choice.get("logprobs")) or found
    if all(name in found for name in ATTRIBUTES):
        values = [found[name] for name in ATTRIBUTES]
        return _score(model, values, found.get("reward"), reply)
    if "reward" in found:
        return _score(model, (), found["reward"], reply)
    said = content[:60] if isinstance(content, str) else content
    advice = f"no grades in the reply (content {said!r}); is it a reward model?"
    # Words instead of grades are what a chat model says, and says again.
    raise Fault("bad_reply", advice, again=not said)


def read_classify(reply: Any, model: str) -> Score:
    """The Score in a reply of vLLM's `/classify`. Raises Fault `bad_reply`."""
    values = _first(reply, "probs")
    shares = _are_numbers(values) and min(values) >= 0 and abs(sum(values) - 1) < 1e-3
    if len(values) == 5 and shares:
        advice = "the five values were put through a softmax; start vLLM with --pooler-config"
        raise Fault("bad_reply", advice + """ '{"use_activation": false}'""", again=False)
    return _score_of_row(model, values, reply)


def read_pooling(reply: Any, model: str) -> Score:
    """The Score in a reply of vLLM's `/pooling`. Raises Fault `bad_reply`."""
    values = _first(reply, "data")
    if isinstance(values[0], list):
        values = values[-1]
    return _score_of_row(model, values, reply)


def _usable(found: Mapping[str, float]) -> bool:
    return "reward" in found or all(name in found for name in ATTRIBUTES)


def _grades_of_text(text: str) -> dict[str, float]:
    """Grades by name, {} if the text is something else. A bare number is a reward where it has
    decimals: "150." and "44" are what chat models answer, named as a judge by mistake."""
    if _BARE.fullmatch(text.strip()):
        return {"reward": float(text)}
    if not _GRADES.fullmatch(text):
        return {}
    return {name.lower(): float(value) for name, value in _PAIR.findall(text)}


def _grades_of_tokens(logprobs: Any) -> dict[str, float]:
    """Grades given as tokens (names) with `logprob`s (values)."""
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    found: dict[str, float] = {}
    for token in tokens if isinstance(tokens, list) else ():
        if isinstance(token, dict) and isinstance(token.get("token"), str):
            value = token.get("logprob")
            if isinstance(value, int | float) and not isinstance(value, bool):
                found[token["token"].strip(" ,:").lower()] = float(value)
    return found if _usable(found) else {}


def _first(reply: Any, field: str) -> list[Any]:
    try:
        values = reply["data"][0][field]
    except (KeyError, IndexError, TypeError):
        raise Fault("bad_reply", f"the reply has no data[0].{field}") from None
    if isinstance(values, int | float):
        values = [values]
    if not isinstance(values, list) or not values:
        raise Fault("bad_reply", f"data[0].{field} is not a list of numbers")
    return values


def _score_of_row(model: str, row: Any, reply: Any) -> Score:
    if not _are_numbers(row):
        raise Fault("bad_reply", "the values are not numbers")
    if len(row) == 1:
        return _score(model, (), row[0], reply)
    if len(row) in (5, 9):
        return _score(model, row[-5:], None, reply)
    # Hidden states, or another task's labels: asking again changes nothing.
    advice = f"{len(row)} values where a reward model gives 1, 5 or 9; is it served as one?"
    raise Fault("bad_reply", advice, again=False)


def _are_numbers(row: Any) -> bool:
    return isinstance(row, list) and all(type(value) in (int, float) for value in row)


def _score(model: str, five: Sequence[float], scalar: float | None, reply: Any) -> Score:
    if not all(map(isfinite, five)) or not (scalar is None or isfinite(scalar)):
        raise Fault("bad_reply", "a grade is not finite")
    usage = reply.get("usage")
    tokens = count(usage.get("total_tokens")) if isinstance(usage, dict) else 0
    attributes = tuple(map(float, five)) if five else None
    return Score(
        model=model,
        attributes=cast("tuple[float, float, float, float, float] | None", attributes),
        scalar=None if scalar is None else float(scalar),
        tokens=tokens,
    )
