"""Chat, completions and their streams, whole and in pieces."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest

from gristmill.backends.resolve import open_chat
from gristmill.records import Message, Prompt, Response, Sampling, prompt_id, sample_seed
from serving import Serving, asked

CHAT = "/v1/chat/completions"
QUESTION = asked("What is 34 plus 52?")
ASK: dict[str, Any] = {"model": "tiny:instruct", "messages": QUESTION, "temperature": 0}


def in_process(text: str, index: int, how: Sampling) -> tuple[Response, int]:
    """What the same model answers here, and the seed that it had."""
    messages = (Message("user", text),)
    prompt = Prompt(prompt_id(messages), messages)

    async def main() -> Response:
        async with open_chat("tiny:instruct") as backend:
            return await backend.sample(prompt, index, how)

    return asyncio.run(main()), sample_seed(how.seed, prompt.id, index)


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_an_answer_is_the_one_that_this_process_would_give(
    there: Serving, temperature: float
) -> None:
    wanted, seed = in_process("What is 34 plus 52?", 3, Sampling(temperature, 1.0, 60, 5))
    status, reply = there.post(CHAT, {**ASK, "temperature": temperature, "seed": seed})
    assert status == 200
    (choice,) = reply["choices"]
    assert choice["message"] == {"role": "assistant", "content": wanted.text}
    assert choice["finish_reason"] == wanted.finish_reason
    assert reply["usage"] == {
        "prompt_tokens": wanted.prompt_tokens,
        "completion_tokens": wanted.completion_tokens,
        "total_tokens": wanted.prompt_tokens + wanted.completion_tokens,
    }
    assert (reply["object"], reply["model"]) == ("chat.completion", "tiny:instruct")
    assert choice["logprobs"] is None


def test_n_answers_are_different_and_can_be_had_again(there: Serving) -> None:
    body = {**ASK, "temperature": 1.2, "n": 6, "seed": 7, "max_completion_tokens": 20}
    first, again = (there.post(CHAT, body)[1] for _ in range(2))
    texts = [c["message"]["content"] for c in first["choices"]]
    assert [c["index"] for c in first["choices"]] == list(range(6))
    assert len(set(texts)) > 3
    assert texts == [c["message"]["content"] for c in again["choices"]]
    assert texts != [
        c["message"]["content"] for c in there.post(CHAT, {**body, "seed": 8})[1]["choices"]
    ]
    # The prompt is read once, and counted once.
    assert first["usage"]["prompt_tokens"] == there.post(CHAT, ASK)[1]["usage"]["prompt_tokens"]


def test_a_stream_says_what_the_whole_answer_says(there: Serving) -> None:
    body = {**ASK, "temperature": 1.0, "seed": 4, "n": 3, "max_tokens": 30}
    whole = there.post(CHAT, body)[1]
    events = there.events(CHAT, {**body, "stream_options": {"include_usage": True}})
    assert events[-1]["choices"] == []
    assert events[-1]["usage"] == whole["usage"]
    assert all(event["usage"] is None for event in events[:-1])
    assert len({event["id"] for event in events}) == 1
    for choice in whole["choices"]:
        mine = [c for e in events[:-1] for c in e["choices"] if c["index"] == choice["index"]]
        assert mine[0]["delta"] == {"role": "assistant", "content": ""}
        text = "".join(c["delta"].get("content", "") for c in mine)
        assert text == choice["message"]["content"]
        assert [c["finish_reason"] for c in mine if c["finish_reason"]] == [choice["finish_reason"]]
        assert mine[-1]["finish_reason"]
    assert "usage" not in there.events(CHAT, body)[0]


def test_a_stream_comes_in_pieces_and_spells_what_is_no_character(
    there: Serving, wild: Path
) -> None:
    body = {**ASK, "model": f"hf:{wild}", "temperature": 1.5, "seed": 2, "max_tokens": 120}
    text = there.post(CHAT, body)[1]["choices"][0]["message"]["content"]
    events = there.events(CHAT, body)
    said = [e["choices"][0]["delta"].get("content", "") for e in events]
    assert "".join(said) == text
    # Tokens that came while nobody had a turn go out together: how many do is the machine's affair.
    assert len([one for one in said if one]) > 1


def test_log_probabilities_are_those_of_the_model(there: Serving) -> None:
    body = {**ASK, "logprobs": True, "top_logprobs": 3, "max_tokens": 12}
    whole = there.post(CHAT, body)[1]["choices"][0]
    tokens = whole["logprobs"]["content"]
    assert "".join(t["token"] for t in tokens) == whole["message"]["content"]
    for token in tokens:
        best = token["top_logprobs"]
        assert len(best) == 3
        assert best[0]["token"] == token["token"]
        assert best[0]["logprob"] == token["logprob"] < 0
        assert sum(math.exp(one["logprob"]) for one in best) <= 1.0001
        assert bytes(token["bytes"]).decode() == token["token"]
    events = there.events(CHAT, body)
    pieces = [e["choices"][0]["logprobs"] for e in events]
    assert [t for p in pieces if p for t in p["content"]] == tokens
    assert "top_logprobs" in tokens[0]
    plain = there.post(CHAT, {**body, "top_logprobs": 0})[1]["choices"][0]["logprobs"]
    assert plain["content"][0]["top_logprobs"] == []


def test_a_word_ends_an_answer_whole_or_in_pieces(there: Serving) -> None:
    text = there.post(CHAT, ASK)[1]["choices"][0]["message"]["content"]
    for stop in ("The answer", ["zzz", "swer i"]):
        word = stop if isinstance(stop, str) else stop[1]
        body = {**ASK, "stop": stop, "logprobs": True}
        choice = there.post(CHAT, body)[1]["choices"][0]
        wanted = text.partition(word)[0].rstrip()
        assert (choice["message"]["content"], choice["finish_reason"]) == (wanted, "stop")
        said = "".join(t["token"] for t in choice["logprobs"]["content"])
        assert said.startswith(wanted) and len(said) < len(wanted) + 12
        events = there.events(CHAT, body)
        pieces = [e["choices"][0] for e in events]
        assert "".join(p["delta"].get("content", "") for p in pieces) == wanted
        told = [t["token"] for p in pieces if p["logprobs"] for t in p["logprobs"]["content"]]
        assert "".join(told) == said


def test_a_limit_ends_an_answer_and_says_so(there: Serving) -> None:
    choice = there.post(CHAT, {**ASK, "max_tokens": 3})[1]["choices"][0]
    assert choice["finish_reason"] == "length"
    # What the context leaves, where more is asked for.
    status, reply = there.post(CHAT, {**ASK, "max_tokens": 100_000})
    assert (status, reply["choices"][0]["finish_reason"]) == (200, "stop")


def test_completions_go_on_from_texts_and_tokens(there: Serving) -> None:
    body = {"model": "tiny:instruct", "prompt": "What is", "temperature": 0, "max_tokens": 6}
    status, one = there.post("/v1/completions", {**body, "logprobs": 2})
    assert status == 200
    (choice,) = one["choices"]
    told = choice["logprobs"]
    assert "".join(told["tokens"]) == choice["text"]
    assert told["text_offset"] == [
        sum(map(len, told["tokens"][:i])) for i in range(len(told["tokens"]))
    ]
    assert all(len(top) in (2, 3) for top in told["top_logprobs"])
    many = there.post("/v1/completions", {**body, "prompt": ["What is", "Which"], "n": 2})[1]
    texts = [c["text"] for c in many["choices"]]
    assert (texts[0], texts[1]) == (choice["text"],) * 2
    assert many["usage"]["prompt_tokens"] > one["usage"]["prompt_tokens"]
    tokens = there.post("/v1/completions", {**body, "prompt": [[5, 6, 7]]})[1]
    assert tokens["usage"]["prompt_tokens"] == 3
    for stop in ([], [" 9"]):
        text = there.post("/v1/completions", {**body, "stop": stop})[1]["choices"][0]["text"]
        streamed = {**body, "stop": stop, "stream_options": {"include_usage": True}}
        events = there.events("/v1/completions", streamed)
        assert "".join(c["text"] for e in events for c in e["choices"]) == text
        assert events[-1]["usage"]["completion_tokens"] > 0


def test_requests_at_once_share_batches_and_each_gets_its_own(there: Serving) -> None:
    asks = [(Message("user", f"What is {i} plus 12?"),) for i in range(20, 60)]
    prompts = [Prompt(prompt_id(m), m) for m in asks]

    async def texts(model: str) -> list[str]:
        async with open_chat(model) as backend:
            calls = (backend.sample(p, 0, Sampling(0.0, 1.0, 60)) for p in prompts)
            return [response.text for response in await asyncio.gather(*calls)]

    served = asyncio.run(texts(there.model("tiny:instruct")))
    assert served == asyncio.run(texts("tiny:instruct"))
    assert len(set(served)) > 30
