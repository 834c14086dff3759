"""A chat completion's reply: text, finish reason, usage."""

from __future__ import annotations

from typing import Any

from gristmill.backends.retry import Fault
from gristmill.records import Response


def read_chat(reply: Any, model: str) -> Response:
    """The Response in a reply of `/chat/completions`. Raises Fault `bad_reply`."""
    try:
        choice = reply["choices"][0]
        message = choice["message"]
    except (KeyError, IndexError, TypeError):
        raise Fault("bad_reply", "the reply has no choices[0].message") from None
    if isinstance(message, list):
        message = message[-1] if message else None
    if not isinstance(message, dict):
        raise Fault("bad_reply", "choices[0].message is not an object")
    finish = choice.get("finish_reason")
    text = message.get("content")
    if type(text) is not str:
        text = _unusual_text(message, finish)
    usage = reply.get("usage")
    if type(usage) is not dict:
        usage = {}
    return Response(
        text=text,
        model=model,
        finish_reason=finish if type(finish) is str else None,
        prompt_tokens=count(usage.get("prompt_tokens")),
        completion_tokens=count(usage.get("completion_tokens")),
    )


def count(value: Any) -> int:
    """A token count as the server gave it, 0 where it gave none."""
    return value if type(value) is int and value > 0 else 0


def _unusual_text(message: dict[str, Any], finish: Any) -> str:
    """The text of a message whose content is no string: parts, a refusal, or nothing usable."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        texts = [part for part in parts if isinstance(part, str)]
        if texts:
            return "".join(texts)
    if isinstance(message.get("refusal"), str) and message["refusal"]:
        return message["refusal"]
    thought = message.get("reasoning_content") or message.get("reasoning")
    if finish == "length" and thought:
        # With the same seed the next attempt would end the same way.
        advice = "all tokens went into reasoning, none into the answer; raise max_tokens"
        raise Fault("bad_reply", advice, again=False)
    if finish == "content_filter":
        raise Fault("bad_reply", "the provider's content filter removed the answer", again=False)
    raise Fault("bad_reply", "choices[0].message.content is empty")
