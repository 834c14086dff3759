"""The scripted backend: from functions and files, with latencies and faults, always the same."""

import asyncio
import time

import pytest

from gristmill.backends import open_chat, open_reward
from gristmill.backends.scripted import ScriptedChat, ScriptedReward
from gristmill.errors import BackendError, ConfigError, DataError
from gristmill.records import (
    Message,
    Prompt,
    Response,
    Sampling,
    Score,
    ToolCall,
    prompt_id,
    sample_seed,
)

TALK = (Message("user", "q"), Message("assistant", "a"))


def shout(messages, index, seed):
    """A module-level function, for `scripted:MODULE:FUNCTION`."""
    return f"{messages[-1]['content'].upper()} {index} {seed}"


def prompt(text: str, name: str | None = None) -> Prompt:
    messages = (Message("user", text),)
    return Prompt(name or prompt_id(messages), messages)


def ask(backend, text="hello", index=0, name=None):
    return asyncio.run(backend.sample(prompt(text, name), index, Sampling(seed=3)))


def grade(backend, talk=TALK):
    return asyncio.run(backend.score(talk))


def test_echo():
    chat = open_chat("scripted:echo")
    assert ask(chat) == ask(chat)
    assert ask(chat).text == "Echo 1: hello"
    assert ask(chat, index=1).text == "Echo 2: hello"
    assert ask(chat).prompt_tokens == 2
    first = grade(open_reward("scripted:echo"))
    assert first == grade(open_reward("scripted:echo"))
    assert first.attributes is not None
    assert all(0 <= value <= 4 for value in first.attributes)
    assert first != grade(open_reward("scripted:echo"), (*TALK[:1], Message("assistant", "b")))


def test_function_by_name():
    chat = open_chat("scripted:fake_scripts:shout")
    assert ask(chat).text == f"HELLO 0 {sample_seed(3, prompt('hello').id, 0)}"


@pytest.fixture(autouse=True)
def fake_scripts(tmp_path, monkeypatch):
    """A module beside the user's config, where the command is called."""
    source = "def shout(messages, index, seed):\n"
    source += "    return f\"{messages[-1]['content'].upper()} {index} {seed}\"\n"
    (tmp_path / "fake_scripts.py").write_text(source)
    monkeypatch.chdir(tmp_path)


def test_functions_may_be_coroutines_and_return_records():
    async def answer(messages, index, seed):
        return Response("x", "m", "length")

    assert ask(ScriptedChat(answer)).finish_reason == "length"
    assert ask(ScriptedChat(shout)).text.startswith("HELLO")


@pytest.mark.parametrize(
    "returned",
    [
        [1, 2, 3, 4, 0.5],
        {"helpfulness": 1, "correctness": 2, "coherence": 3, "complexity": 4, "verbosity": 0.5},
        Score("scripted:function", (1.0, 2.0, 3.0, 4.0, 0.5)),
    ],
)
def test_reward_functions_may_return_five(returned):
    assert grade(ScriptedReward(lambda _: returned)).attributes == (1, 2, 3, 4, 0.5)


@pytest.mark.parametrize("returned", [-7.5, {"reward": -7.5}])
def test_reward_functions_may_return_one(returned):
    score = grade(ScriptedReward(lambda _: returned))
    assert (score.scalar, score.attributes) == (-7.5, None)


@pytest.mark.parametrize(
    "returned", [None, "text", [1, 2], {"helpfulness": 1}, float("nan"), [1, 2, 3, 4, float("inf")]]
)
def test_anything_else_is_an_error_and_never_a_score(returned):
    with pytest.raises(BackendError) as caught:
        grade(ScriptedReward(lambda _: returned))
    assert caught.value.kind == "bad_reply"


def test_a_function_that_fails_is_one_failed_call():
    def fails(messages, index, seed):
        raise KeyError("oops")

    chat = ScriptedChat(fails)
    with pytest.raises(BackendError, match="KeyError") as caught:
        ask(chat)
    assert caught.value.kind == "server"
    assert chat.traffic.requests == 1
    assert chat.traffic.failures == {"server": 1}
    with pytest.raises(BackendError):
        ask(ScriptedChat(lambda *_: 3))


def test_latency_and_faults_depend_on_the_call_alone():
    def failed(order):
        chat = open_chat("scripted:echo?fail=0.3")
        found = set()
        for number in order:
            try:
                ask(chat, str(number))
            except BackendError as error:
                assert error.kind == "server"
                found.add(number)
        assert chat.traffic.requests == len(order)
        assert chat.traffic.failures.total() == len(found)
        return found

    forward = failed(range(200))
    assert forward == failed(range(199, -1, -1))
    assert 30 < len(forward) < 90
    chat = open_chat("scripted:echo?latency=0.05-0.06")
    start = time.monotonic()
    ask(chat)
    assert 0.045 < time.monotonic() - start < 5


def test_chat_file(tmp_path):
    path = tmp_path / "replies.jsonl"
    path.write_text(
        '{"prompt": "hello", "responses": ["a", "b"]}\n\n'
        '{"id": "p7", "response": "by id"}\n'
        '{"response": "other 1"}\n{"response": "other 2"}\n'
    )
    chat = open_chat(f"scripted:{path}")
    assert [ask(chat, index=i).text for i in range(3)] == ["a", "b", "a"]
    assert ask(chat, "hello", name="p7").text == "by id"
    assert {ask(chat, str(n)).text for n in range(20)} == {"other 1", "other 2"}
    assert ask(chat, "x") == ask(chat, "x")


def test_reward_file(tmp_path):
    path = tmp_path / "grades.jsonl"
    path.write_text('{"response": "a", "reward": 1.5}\n{"reward": -2}\n')
    judge = open_reward(f"scripted:{path}")
    assert grade(judge).scalar == 1.5
    assert grade(judge, (*TALK[:1], Message("assistant", "b"))).scalar == -2


def test_a_prompt_without_a_line_fails_alone(tmp_path):
    path = tmp_path / "replies.jsonl"
    path.write_text('{"prompt": "hello", "response": "a"}\n')
    with pytest.raises(BackendError, match="no line"):
        ask(open_chat(f"scripted:{path}"), "other")


@pytest.mark.parametrize("line", ["{", "[1]", '{"prompt": "x"}', '{"responses": [1]}', ""])
def test_bad_files_name_file_and_line(tmp_path, line):
    path = tmp_path / "replies.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DataError, match=r"replies\.jsonl" + (", line 1" if line else "")):
        open_chat(f"scripted:{path}")


@pytest.mark.parametrize(
    "model",
    [
        "scripted:nothing",
        "scripted:missing.jsonl",
        "scripted:no_such_module:f",
        "scripted:json:no_such_function",
        "scripted:echo?delay=1",
        "scripted:echo?latency=x",
        "scripted:echo?latency=3-1",
        "scripted:echo?fail=2",
        "scripted:echo?fail=nan",
    ],
)
def test_bad_model_strings(model):
    with pytest.raises(ConfigError):
        open_chat(model)


def test_half_a_surrogate_pair_is_graded():
    grade(open_reward("scripted:echo?fail=0.01"), (Message("user", "\ud83d"), TALK[1]))


def test_a_call_costs_microseconds():
    async def main():
        chat, prompts = open_chat("scripted:echo"), [prompt(str(n)) for n in range(20_000)]
        start = time.process_time()
        for each in prompts:
            await chat.sample(each, 0, Sampling())
        return (time.process_time() - start) / len(prompts)

    assert asyncio.run(main()) < 50e-6


def test_a_thought_in_a_text_is_apart_from_the_answer(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(
        '{"id": "a", "response": "<think>First 12.</think>\\nIt is 15."}\n'
        '{"id": "b", "response": "It is 15.", "reasoning": "First 12."}\n'
        '{"id": "c", "reasoning": "hm", "tool_calls": [{"name": "f", "arguments": {"a": 1}}]}\n'
        '{"id": "d", "response": "<think>Perhaps"}\n'
    )
    chat = open_chat(f"scripted:{path}")
    for name in "ab":
        answer = ask(chat, name=name)
        assert (answer.text, answer.reasoning) == ("It is 15.", "First 12.")
        assert answer.completion_tokens >= 5
    called = ask(chat, name="c")
    assert (called.text, called.reasoning, called.says) == ("", "hm", True)
    assert called.tool_calls == (ToolCall("f", '{"a":1}'),)
    with pytest.raises(BackendError, match="raise max_tokens") as caught:
        ask(chat, name="d")
    assert caught.value.kind == "bad_reply"
    assert chat.traffic.failures == {"bad_reply": 1}


def test_a_function_may_give_a_message():
    chat = ScriptedChat(lambda messages, index, seed: {"content": "4", "reasoning": "hm"})
    assert (ask(chat).text, ask(chat).reasoning) == ("4", "hm")


def test_a_file_of_several_responses_has_no_thought_beside_them(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"responses": ["a", "b"], "reasoning": "hm"}\n')
    with pytest.raises(DataError, match="line 1: needs 'response'"):
        open_chat(f"scripted:{path}")
