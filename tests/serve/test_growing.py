"""A text that grows: what is given out is always the beginning of what it comes to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gristmill.backends.local import LocalChat
from gristmill.backends.local_ask import Answered, Ask, Grown, Likelihood
from gristmill.backends.local_speech import Speech
from gristmill.intake.message import Said
from gristmill.records import Message
from gristmill.serve.chat import complete, logprobs_of
from gristmill.serve.growing import Growing, Plain
from gristmill.serve.streaming import Stream, _Choice

TOOLS = '[{"type":"function","function":{"name":"add"}}]'
CALL = '<tool_call>{"name": "add", "arguments": {"a": 2}}</tool_call>'
PARTS = ("<think>", "</think>", "<thi", "\n", " ", "hm", "15", "The end", "The e", CALL, "<tool_",
         "`", "[THINK]", "a < b", "\n\n")  # fmt: skip


class Pieces:
    """A tokenizer whose tokens are pieces of text, by number; 0 ends an answer."""

    all_special_tokens = ("<eos>",)
    added_tokens_decoder = {0: SimpleNamespace(content="<eos>", special=True)}  # noqa: RUF012

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = ["<eos>", *pieces]

    def decode(self, tokens: Sequence[int], *, skip_special_tokens: bool) -> str:
        return "".join(self.pieces[t] for t in tokens if t or not skip_special_tokens)


class Speaking:
    """A chat backend that says these pieces, one after the other."""

    def __init__(self, pieces: Sequence[str], opened: str = "", finish: str = "stop") -> None:
        self.speech = Speech("m", Pieces([*pieces, opened or "q"]))
        self._count = len(pieces)
        self._finish = finish

    async def answer(self, ask: Ask, told: Callable[[Grown], None] | None = None) -> Answered:
        prompt = [self._count + 1]
        tokens = list(range(1, self._count + 1))
        for place, token in enumerate(tokens):
            await asyncio.sleep(0)
            if told is not None and ask.grows:
                told(Grown(place, token, None, prompt))
        return Answered(prompt, tokens, len(tokens) + 1, self._finish)


def both(pieces: Sequence[str], tools: str = "", **how: Any) -> tuple[dict[str, Any], Any]:
    """The message of the whole reply, and the one that a stream's pieces add up to."""
    backend = cast(LocalChat, Speaking(pieces, **how))
    ask = Ask((Message("user", "q"),), 0, 9, tools=tools)
    grows = Ask((Message("user", "q"),), 0, 9, tools=tools, grows=True)

    async def main() -> tuple[dict[str, Any], Any]:
        reply = await complete("m", backend, [ask])
        events = [e async for e in Stream("m", backend, [grows], False).events()]
        choices = [orjson.loads(e.removeprefix(b"data: "))["choices"][0] for e in events]
        added: dict[str, Any] = {}
        for choice in choices:
            for name, value in choice["delta"].items():
                added[name] = added[name] + value if name in added else value
        assert choices[-1]["finish_reason"] == reply["choices"][0]["finish_reason"]
        return reply["choices"][0]["message"], added

    return asyncio.run(main())


@given(
    st.lists(st.sampled_from(PARTS), max_size=12), st.booleans(), st.sampled_from(["", "<think>"])
)
def test_pieces_add_up_to_the_whole(pieces: list[str], tools: bool, opened: str) -> None:
    whole, added = both(pieces, TOOLS if tools else "", opened=opened)
    # A thought whose opening tag was never written looks like an answer until it ends.
    assume(opened or "reasoning_content" not in whole or "".join(pieces).lstrip()[0] in "<[")
    assert (added.get("content") or "") == (whole["content"] or "")
    assert added.get("reasoning_content", "") == whole.get("reasoning_content", "")
    assert len(added.get("tool_calls", [])) == len(whole.get("tool_calls", []))


def test_a_thought_is_apart_from_the_answer_in_pieces_too() -> None:
    pieces = ["<th", "ink>", "Two ", "and two.", " </think", ">\n\n", "Four", ". "]
    whole, added = both(pieces)
    assert whole == {
        "role": "assistant", "content": "Four.", "reasoning_content": "Two and two.",
    }  # fmt: skip
    assert added == whole


def test_a_thought_that_came_to_no_end_is_no_answer() -> None:
    whole, added = both(["<think>", "Two and"], finish="length")
    assert whole == {"role": "assistant", "content": None, "reasoning_content": "Two and"}
    assert (added["content"], added["reasoning_content"]) == ("", "Two and")


def test_calls_of_tools_are_calls_and_no_text() -> None:
    pieces = ["One moment.", "\n<tool", "_call>", '{"name": "add", ', '"arguments": {"a": 2}}',
              "</tool_call>"]  # fmt: skip
    whole, added = both(pieces, TOOLS)
    (call,) = whole["tool_calls"]
    assert whole["content"] == added["content"] == "One moment."
    assert call["function"] == {"name": "add", "arguments": '{"a":2}'}
    assert call["id"].startswith("call_")
    assert added["tool_calls"][0]["index"] == 0
    assert added["tool_calls"][0]["function"] == call["function"]
    # Nobody offered a tool: what looks like a call is text.
    whole, added = both(pieces)
    assert whole["content"] == added["content"] == "".join(pieces)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_the_beginning_of_a_stop_word_is_held_back(size: int) -> None:
    text = "a STO STOP and more"
    growing, plain = Growing("", ("STOP",), calls=False, bare=str), Plain(("STOP",))
    answer = said = ""
    for i in range(0, len(text), size):
        answer += growing.more(text[i : i + size])[1]
        said += plain.more(text[i : i + size])
        assert "a STO ".startswith(said)
    answer += growing.rest(Said("a STO", "", (), True))[1]
    assert (answer, said + plain.rest("a STO ")) == ("a STO", "a STO ")


@given(st.sampled_from(range(1, 7)))
def test_tokens_that_come_at_once_have_the_likelihoods_of_those_that_come_alone(batch: int) -> None:
    pieces = ("It ", "is ", "86", ". ", "The ", "end")
    speech = Speech("m", Pieces(pieces))
    ask = Ask((Message("user", "q"),), 0, 9, stop=("The end",), top=0)
    tokens = tuple(range(1, len(pieces) + 1))
    likelihoods = tuple(Likelihood(-float(token)) for token in tokens)
    answer = Answered((1,), tokens, len(tokens), "stop", "It is 86. ", likelihoods)
    choice, came = _Choice(speech, ask), list[Grown]()
    said: list[dict[str, Any]] = []
    for place, (token, one) in enumerate(zip(tokens, likelihoods, strict=True)):
        came.append(Grown(place, token, one, (1,)))
        if len(came) % batch == 0:
            said += [p[1] for p in choice.more(came, None) if p[1]]
    said += [p[1] for p in choice.more(came, answer) if p[1]]
    wanted = logprobs_of(speech, answer)
    assert wanted is not None
    assert [token for each in said for token in each["content"]] == wanted["content"]
