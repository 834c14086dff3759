"""The play itself: whatever a model calls, each call is answered once, and any step can be the last
before a crash."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.backends.base import ChatBackend
from gristmill.backends.remembered import pack, unpack
from gristmill.backends.wire import chat_messages
from gristmill.errors import BackendError
from gristmill.intake.message import answer_of
from gristmill.records import (
    MAX_STEPS,
    PLAYING,
    Message,
    Prompt,
    Response,
    Sampling,
    ToolCall,
    as_dicts,
)
from gristmill.tools.play import play
from gristmill.tools.toolbox import Listed, Toolbox, open_source

pytest.importorskip("jsonschema")

LISTED = Listed([open_source({"python": "callers", "only": ["add", "boom"]}, "tools[0]")])
PROMPT = Prompt("p", (Message("user", "?"),), tools=LISTED.tools)
ARGUMENTS = st.sampled_from(['{"a": 1}', "{}", "", "[1]", '{"a": 2', '{"a": null}', '"\\ud800"'])
CALL = st.builds(
    ToolCall,
    st.sampled_from(["add", "boom", "nothing"]) | st.text(max_size=5),
    ARGUMENTS | st.text(max_size=9),
    st.sampled_from(["", "x", "call00000"]),
)
TURN = st.builds(
    Response, st.text(max_size=5), st.just("m"), st.just("tool_calls"), st.just(3), st.just(2),
    st.text(max_size=5), st.lists(CALL, max_size=3).map(tuple),
)  # fmt: skip


class Script(ChatBackend):
    """Says one reply after the other, by how many turns there are already."""

    def __init__(self, replies: list[Response]) -> None:
        super().__init__("m")
        self.replies, self.asked = replies, 0

    async def sample(self, prompt: Prompt, index: int, sampling: Sampling) -> Response:
        self.asked += 1
        orjson.loads(chat_messages(prompt.messages))
        for turn in as_dicts(prompt.messages):  # what a template is shown
            for call in turn.get("tool_calls", ()):
                assert isinstance(call["function"]["arguments"], dict)
        done = sum(bool(m.tool_calls) for m in prompt.messages)
        return self.replies[done] if done < len(self.replies) else Response("done", "m")


def played(
    model: ChatBackend, known: Response | None = None, most: int = 3
) -> tuple[Response, list[Response]]:
    told: list[Response] = []

    async def work() -> Response:
        async with Toolbox(LISTED) as box:
            how = Sampling()
            return await play(
                model, PROMPT, 0, how, box, most, known, lambda now, _: told.append(now)
            )

    return asyncio.run(work()), told


@settings(max_examples=25, deadline=None)
@given(st.lists(TURN, max_size=5))
def test_each_call_is_answered_once_and_any_step_can_be_gone_on_from(
    replies: list[Response],
) -> None:
    model = Script(replies)
    whole, told = played(model)
    assert told[-1] == whole and all(one.finish_reason == PLAYING for one in told[:-1])
    turns = list(whole.steps)
    calling = [turn for turn in turns if turn.role == "assistant"]
    assert len(calling) <= 3 and all(turn.tool_calls for turn in calling)
    assert (whole.finish_reason == MAX_STEPS) == (len(calling) == 3 and bool(whole.tool_calls))
    while turns:
        calls = turns.pop(0).tool_calls
        answers, turns = turns[: len(calls)], turns[len(calls) :]
        assert [a.tool_call_id for a in answers] == [c.id for c in calls]
        assert len({c.id for c in calls}) == len(calls) and all(c.id for c in calls)
        assert [a.name for a in answers] == [c.name for c in calls]
    assert model.asked == len(calling) + 1
    for number, one in enumerate(told):
        kept = unpack(orjson.loads(orjson.dumps(pack(one))))
        assert kept == one
        if one.finish_reason == PLAYING:
            again = Script(replies)
            assert played(again, kept)[0] == whole
            asked = sum(bool(step.tool_calls) for step in one.steps)
            assert again.asked == model.asked - asked, number


def test_what_is_written_is_read_back_as_it_was() -> None:
    steps = played(Script([Response("", "m", tool_calls=(ToolCall("add", '{"a":1}'),))]))[0].steps
    (said,) = as_dicts(steps[:1])
    assert answer_of(said, "").calls[0].name == "add"


def test_a_failed_call_leaves_what_was_there() -> None:
    class Dying(Script):
        async def sample(self, *how: Any) -> Response:
            if self.asked == 1:
                raise BackendError("timeout", "no")
            return await super().sample(*how)

    call = ToolCall("add", '{"a": 1}', "x")
    told: list[Response] = []

    async def work() -> None:
        async with Toolbox(LISTED) as box:
            model = Dying([Response("", "m", tool_calls=(call, call))])
            await play(model, PROMPT, 0, Sampling(), box, 3, None, lambda now, _: told.append(now))

    with pytest.raises(BackendError):
        asyncio.run(work())
    assert [len(one.steps) for one in told] == [1, 2, 3]
    assert [step.role for step in told[-1].steps] == ["assistant", "tool", "tool"]
