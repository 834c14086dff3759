"""`POST /v1/chat/completions` for models that answer; reward models are in `grading`."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Sequence
from typing import Any

from gristmill.backends.local import LocalChat
from gristmill.backends.local_ask import Answered, Ask, Likelihood
from gristmill.backends.local_speech import Speech
from gristmill.intake.calls import tools_of
from gristmill.intake.cells import Unusable
from gristmill.intake.message import Said, read_messages
from gristmill.records import Message, ToolCall, sample_seed
from gristmill.serve.asked import ChatAsked, Sampled
from gristmill.serve.growing import shown
from gristmill.serve.refusal import Refused
from gristmill.serve.reply import together

GREEDY = 1e-3
"""Temperatures below this are greedy: divided by them, logits leave what float32 holds."""


def conversation(turns: Sequence[Any], where: str = "messages") -> tuple[Message, ...]:
    """The turns of a request. Raises Refused, which names the turn."""
    try:
        read = [m for i, turn in enumerate(turns) for m in read_messages(turn, f"{where}[{i}]")]
    except Unusable as error:
        raise Refused(400, error.detail, "invalid_value", param=where) from None
    return tuple(read)


def seeds_of(asked: Sampled, count: int) -> list[int]:
    """A seed for each answer, 31 bits: the one that was given, and others made of it."""
    first = secrets.randbits(31) if asked.seed is None else asked.seed & 0x7FFFFFFF
    return [first, *(sample_seed(first, "", i) for i in range(1, count))]


def asks_of(asked: ChatAsked, room: int) -> list[Ask]:
    """What is asked of the model, once for each answer. room: new tokens where nothing is said.
    Raises Refused."""
    try:
        tools = tools_of(asked.tools, "tools") if asked.tool_choice == "auto" else ""
    except Unusable as error:
        raise Refused(400, error.detail, "invalid_value", param="tools") from None
    messages = conversation(asked.messages)
    return [
        Ask(
            prompt=messages,
            seed=seed,
            limit=asked.max_completion_tokens or asked.max_tokens or room,
            temperature=asked.temperature if asked.temperature >= GREEDY else 0.0,
            top_p=asked.top_p,
            tools=tools,
            stop=tuple(asked.stop),
            top=(asked.top_logprobs or 0) if asked.logprobs else None,
            grows=asked.stream,
        )
        for seed in seeds_of(asked, asked.n)
    ]


def head_of(name: str, kind: str) -> dict[str, Any]:
    """How a reply begins."""
    prefix = "cmpl" if kind.startswith("text") else "chatcmpl"
    return {
        "id": f"{prefix}-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": name,
    }


def usage_of(answers: Sequence[Answered], prompts: int) -> dict[str, int]:
    """How many tokens there were: each of the prompts is counted once."""
    given = sum(len(a.prompt) for a in answers[:: len(answers) // prompts])
    made = sum(a.spent for a in answers)
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}


async def complete(name: str, backend: LocalChat, asks: Sequence[Ask]) -> dict[str, Any]:
    """The whole reply. Raises BackendError."""
    answers = await together(backend.answer(ask) for ask in asks)
    choices = []
    for index, (ask, answer) in enumerate(zip(asks, answers, strict=True)):
        said = read_answer(backend.speech, ask, answer)
        choices.append(
            {
                "index": index,
                "message": message_of(said),
                "logprobs": logprobs_of(backend.speech, answer),
                "finish_reason": finish_of(said, answer),
            }
        )
    usage = usage_of(answers, 1)
    return {**head_of(name, "chat.completion"), "choices": choices, "usage": usage}


def read_answer(speech: Speech, ask: Ask, answer: Answered) -> Said:
    """Thought, answer and calls in what a model said."""
    text = speech.text(answer.tokens) if answer.text is None else answer.text
    return speech.said(answer.prompt, text, calls=bool(ask.tools))


def finish_of(said: Said, answer: Answered) -> str:
    """How an answer ended, in OpenAI's words."""
    return "tool_calls" if said.calls and answer.finish == "stop" else answer.finish


def message_of(said: Said) -> dict[str, Any]:
    """The assistant's turn; the thought apart from it, where there is one."""
    nothing = not said.text and (said.calls or not said.ended)
    message: dict[str, Any] = {"role": "assistant", "content": None if nothing else said.text}
    if said.reasoning:
        message["reasoning_content"] = said.reasoning
    if said.calls:
        message["tool_calls"] = [called(call) for call in said.calls]
    return message


def called(call: ToolCall) -> dict[str, Any]:
    """A call of a tool, with an id where it had none."""
    return {
        "id": call.id or f"call_{uuid.uuid4().hex[:24]}",
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def logprobs_of(speech: Speech, answer: Answered) -> dict[str, Any] | None:
    """The log-probabilities of an answer's tokens, None where nobody asked for them."""
    if not answer.likelihoods:
        return None
    kept = tokens_within(speech, answer)
    pairs = zip(answer.tokens[:kept], answer.likelihoods, strict=False)
    return {"content": [likely(speech, token, one) for token, one in pairs], "refusal": None}


def tokens_within(speech: Speech, answer: Answered) -> int:
    """How many of the tokens are of the text, where a word has ended it."""
    count = len(answer.tokens)
    if answer.text is not None:
        while count and len(speech.text(answer.tokens[: count - 1])) >= len(answer.text):
            count -= 1
    return count


def likely(speech: Speech, token: int, likelihood: Likelihood) -> dict[str, Any]:
    """One token's log-probability and those of the likeliest, in OpenAI's form."""
    top = [_one(speech, other, value) for other, value in likelihood.top]
    return {**_one(speech, token, likelihood.logprob), "top_logprobs": top}


def _one(speech: Speech, token: int, logprob: float) -> dict[str, Any]:
    text = speech.text((token,), special=True)
    # JSON has no infinity; this is OpenAI's word for it.
    return {"token": text, "logprob": max(logprob, -9999.0), "bytes": shown(text)}
