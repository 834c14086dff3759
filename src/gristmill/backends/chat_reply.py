"""A chat completion's reply: of several choices the first, and its usage."""

from __future__ import annotations

from typing import Any

from gristmill.backends.answer import ending_of, response_of
from gristmill.backends.decoding import count
from gristmill.backends.fault import Fault, fault_in_reply
from gristmill.records import Response


def read_chat(reply: Any, model: str) -> Response:
    """The Response in a reply of `/chat/completions`. Raises Fault; see `response_of`."""
    try:
        choice = reply["choices"][0]
        message, finish = choice.get("message"), choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise Fault("bad_reply", "the reply has no choices[0]") from None
    if fault := fault_in_reply(choice):
        raise fault
    if isinstance(message, list):
        message = message[-1] if message else None
    if not isinstance(message, dict):
        ending_of(finish)  # which may say why there is none
        raise Fault("bad_reply", "choices[0].message is not an object")
    usage = reply.get("usage")
    if type(usage) is not dict:
        usage = {}
    tokens = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    details = usage.get("completion_tokens_details")
    hidden = count(details.get("reasoning_tokens")) if type(details) is dict else 0
    return response_of(message, finish, model, tokens, hidden)
