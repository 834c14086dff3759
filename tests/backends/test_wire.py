"""Messages with thoughts, calls of tools and their answers, as they go to a server."""

import asyncio

import orjson

from gristmill.backends import open_chat, open_reward
from gristmill.backends.wire import chat_messages, spoken_messages
from gristmill.records import Message, Prompt, Sampling, ToolCall
from servers import FaultyServer

TOOLS = '[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]'


def wired(*messages: Message) -> list[dict]:
    return orjson.loads(chat_messages(messages))


def test_plain_messages_are_role_and_content():
    talk = (Message("system", "s"), Message("user", "u"), Message("assistant", "a", learned=False))
    plain = [{"role": m.role, "content": m.content} for m in talk]
    assert wired(*talk) == plain == orjson.loads(spoken_messages(talk))


def test_calls_and_what_tools_answered():
    call = ToolCall("f", '{"a": 1}', "c1")
    talk = (
        Message("assistant", "", "a thought", (call,)),
        Message("tool", "2", tool_call_id="c1", name="f"),
    )
    assert wired(*talk) == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
            ],
        },
        {"role": "tool", "content": "2", "tool_call_id": "c1", "name": "f"},
    ]
    assert orjson.loads(spoken_messages(talk)) == [
        {"role": "assistant", "content": ""},
        {"role": "tool", "content": "2"},
    ]


def test_a_thought_of_an_earlier_turn_stays_here():
    assert wired(Message("assistant", "a", "thought")) == [{"role": "assistant", "content": "a"}]


def test_calls_without_a_name_are_numbered_and_answered_in_order():
    calls = (ToolCall("f"), ToolCall("g", "{}", "own"), ToolCall("h"))
    said, *answers = wired(
        Message("assistant", "", tool_calls=calls),
        Message("tool", "of g", tool_call_id="own"),
        Message("tool", "of f"),
        Message("tool", "of h"),
    )
    assert [call["id"] for call in said["tool_calls"]] == ["call00001", "own", "call00003"]
    assert [a["tool_call_id"] for a in answers] == ["own", "call00001", "call00003"]


def test_half_a_surrogate_pair_anywhere():
    (said,) = wired(Message("assistant", "\ud83d", tool_calls=(ToolCall("f", '"\ud83d"'),)))
    assert said["content"] == "\ufffd"
    assert said["tool_calls"][0]["function"]["arguments"] == '"\ufffd"'


def test_tools_go_with_the_request_and_thoughts_to_no_reward_model():
    talk = (Message("user", "q"), Message("assistant", "a", "thought"), Message("user", "r"))
    prompt = Prompt("p", talk, tools=TOOLS)

    async def main(server):
        async with open_chat(server.chat) as chat, open_reward(server.reward) as judge:
            await chat.sample(prompt, 0, Sampling())
            await judge.score((*talk[:1], Message("assistant", "a", "thought")))
        async with open_chat(server.chat, {"body": {"tools": None}}) as chat:
            await chat.sample(prompt, 0, Sampling())

    with FaultyServer() as server:
        asyncio.run(main(server))
    asked, graded, without = server.bodies
    assert asked["tools"] == orjson.loads(TOOLS)
    assert "tools" not in without
    assert "thought" not in orjson.dumps([asked, graded]).decode()
    assert [set(m) for m in graded["messages"]] == [{"role", "content"}] * 2
