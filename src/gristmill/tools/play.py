"""A model that calls tools until it answers: each step is told as soon as it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import orjson

from gristmill.backends.base import ChatBackend
from gristmill.records import MAX_STEPS, PLAYING, Message, Prompt, Response, Sampling, ToolCall
from gristmill.tools.schema import arguments_in
from gristmill.tools.toolbox import Toolbox

Tell = Callable[[Response, Response | None], None]
"""Told of each step: the response as it is by then, and the model's reply where it was one."""


async def play(
    chat: ChatBackend,
    prompt: Prompt,
    index: int,
    sampling: Sampling,
    tools: Toolbox,
    max_steps: int,
    known: Response | None,
    tell: Tell,
) -> Response:
    """The response of a model whose calls are answered, until it answers without one or has called
    in `max_steps` turns.

    known: what there is of it already. tell: called after each step; the response ends in `PLAYING`
    until the last, and then as the answer does.
    Raises BackendError; what was told by then need not be done again.
    """
    tools.check(prompt)
    now = known or Response("", chat.model, PLAYING)
    while True:
        now = await _answered(now, prompt, tools, tell)
        asked = replace(prompt, messages=(*prompt.messages, *map(_readable, now.steps)))
        reply = await chat.sample(asked, index, sampling)
        tokens = {
            "prompt_tokens": now.prompt_tokens + reply.prompt_tokens,
            "completion_tokens": now.completion_tokens + reply.completion_tokens,
        }
        over = sum(bool(step.tool_calls) for step in now.steps) >= max_steps
        if not reply.tool_calls or over:
            ending = MAX_STEPS if reply.tool_calls else reply.finish_reason
            last = replace(reply, steps=now.steps, finish_reason=ending, **tokens)
            tell(last, reply)
            return last
        said = _named(reply.message, (*prompt.messages, *now.steps))
        now = replace(now, steps=(*now.steps, said), model=reply.model, **tokens)
        tell(now, reply)


async def _answered(
    now: Response,
    prompt: Prompt,
    tools: Toolbox,
    tell: Tell,
) -> Response:
    """The same with the calls of its last turn answered, those of one turn together."""
    place = max((n for n, step in enumerate(now.steps) if step.tool_calls), default=None)
    if place is None:
        return now
    before, calls = now.steps[: place + 1], now.steps[place].tool_calls
    done = {step.tool_call_id: step for step in now.steps[place + 1 :]}

    def so_far() -> Response:
        # In the order of the calls, whichever tool was faster.
        return replace(now, steps=(*before, *(done[c.id] for c in calls if c.id in done)))

    async def one(call: ToolCall) -> None:
        said = await tools.answer(call, prompt, (*prompt.messages, *before))
        done[call.id] = said
        tell(so_far(), None)

    left = [call for call in calls if call.id not in done]
    ended = await asyncio.gather(*map(one, left), return_exceptions=True)
    for error in ended:
        # The others' answers are kept by now.
        if error is not None:
            raise error
    return so_far()


def _readable(step: Message) -> Message:
    """A step as a model can be shown it: where arguments of a call are no JSON object, templates
    and servers refuse the whole conversation (vLLM, SGLang, llama.cpp); so they are put into one.
    """
    calls = []
    for call in step.tool_calls:
        if isinstance(arguments_in(call), str):
            call = replace(call, arguments=orjson.dumps({"arguments": call.arguments}).decode())
        calls.append(call if call.arguments.strip() else replace(call, arguments="{}"))
    return replace(step, tool_calls=tuple(calls))


def _named(message: Message, before: Sequence[Message]) -> Message:
    """The turn with an id for each of its calls, by which its answer is found: in the form that
    every provider takes, where the model gave none or one twice."""
    number, seen, calls = sum(len(m.tool_calls) for m in before), set[str](), []
    for call in message.tool_calls:
        while not call.id or call.id in seen:
            call, number = replace(call, id=f"call{number:05}"), number + 1
        seen.add(call.id)
        calls.append(call)
    return replace(message, tool_calls=tuple(calls))
