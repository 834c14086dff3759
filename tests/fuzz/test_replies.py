"""Whatever a server sends is a reply that can be kept, or a fault that says so."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite

import aiohttp
import orjson
from hypothesis import given
from hypothesis import strategies as st

from gristmill.backends.batch_anthropic import read_message
from gristmill.backends.batch_api import id_of, object_of, objects_of
from gristmill.backends.chat_reply import read_chat
from gristmill.backends.decoding import NotJson, decoded
from gristmill.backends.endpoint_embedding import read_embedding
from gristmill.backends.endpoint_stream import Pieces
from gristmill.backends.fault import EVER, Fault, fault_in_reply, fault_of_status, retry_after
from gristmill.backends.health import _listed
from gristmill.backends.remembered import pack, unpack
from gristmill.backends.reply import usage_of
from gristmill.backends.reward_reply import read_chat_reward, read_classify, read_pooling
from gristmill.backends.secret import Secret
from gristmill.records import Response, Score
from strange import damaged, fuzzed, near, plain, texts, written

USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
CHAT = {
    "id": "x",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "<think>so</think>Hi", "refusal": None},
        }
    ],
    "usage": {**USAGE, "completion_tokens_details": {"reasoning_tokens": 2}},
}
CALLED = {
    "choices": [
        {
            "finish_reason": "tool_calls",
            "message": {"content": None, "reasoning_content": "so", "tool_calls": [CALL]},
        }
    ]
}
PARTS = {
    "choices": [
        {
            "finish_reason": "length",
            "message": {
                "content": [
                    {"type": "thinking", "thinking": "so"},
                    {"type": "text", "text": '<tool_call>{"name": "f"}</tool_call>'},
                    {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
                ],
                "reasoning_details": [{"type": "reasoning.text", "text": "so"}],
            },
        }
    ]
}
ERRORS = (
    {"error": {"message": "no", "type": "invalid", "code": 429, "status": "x"}},
    {"object": "error", "message": "too long", "code": "400"},
    {"detail": [{"loc": ["body", "n"], "msg": "bad"}]},
    {"error": "busy", "error_type": "validation"},
)
REWARD = "helpfulness:4.09,correctness:4.03,coherence:4.25,complexity:0.57,verbosity:1.1"
TOKENS = [{"token": name, "logprob": 1.5} for name in ("helpfulness", "correctness", "coherence")]
GRADES = (
    {"choices": [{"message": {"content": REWARD}, "logprobs": None}], "usage": USAGE},
    {"choices": [{"message": [{"content": "reward:-7.9"}], "logprobs": {"content": TOKENS}}]},
    {"choices": [{"message": {"content": "-7.9"}}]},
)


def read_as_a_pool_does(raw: bytes) -> object:
    """As `read_whole` does with what it has read. Raises Fault."""
    try:
        reply = decoded(raw, lambda: "latin-9")
    except NotJson:
        raise Fault("bad_reply", "no JSON") from None
    if fault := fault_in_reply(reply):
        raise fault
    assert all(type(n) is int and 0 <= n < 2**53 for n in usage_of(reply))
    return reply


def check_response(response: Response) -> None:
    """It can be kept, and counts only what can be counted with."""
    assert unpack(orjson.loads(orjson.dumps(pack(response)))) == response
    assert all(0 <= n < 2**53 for n in response.paid)


def check_score(score: Score) -> None:
    given = (*(score.attributes or ()), *(() if score.scalar is None else (score.scalar,)))
    assert given and all(type(g) is float and isfinite(g) for g in given)
    assert 0 <= score.tokens < 2**53


@contextmanager
def or_a_fault() -> Iterator[None]:
    """What may be a fault in place of a value, and one that is as it should be."""
    try:
        yield
    except Fault as fault:
        check_fault(fault)


def check_fault(fault: Fault) -> None:
    assert isinstance(fault.message, str)
    assert fault.kind.isidentifier()
    assert fault.after is None or 0 <= fault.after <= EVER


@fuzzed
@given(near(CHAT, CALLED, PARTS, *ERRORS))
def test_chat_replies(raw):
    with or_a_fault():
        check_response(read_chat(read_as_a_pool_does(raw), "m"))


@fuzzed
@given(
    near(
        {
            "content": PARTS["choices"][0]["message"]["content"],
            "usage": USAGE,
            "stop_reason": "end_turn",
        }
    )
)
def test_messages_of_anthropic(raw):
    with or_a_fault():
        check_response(read_message(read_as_a_pool_does(raw), "m"))


@fuzzed
@given(near(*GRADES), texts)
def test_rewards_in_chat_replies(raw, said):
    for given_ in (raw, written({"choices": [{"message": {"content": said}}]})):
        with or_a_fault():
            check_score(read_chat_reward(read_as_a_pool_does(given_), "m"))


@fuzzed
@given(
    near(
        {"data": [{"probs": [0.5]}], "usage": USAGE},
        {"data": [{"data": [[1.5], [2.5]], "probs": [1, 2, 3, 4, 5]}]},
        {"data": [{"data": [1, 2, 3, 4, 5, 6, 7, 8, 9]}]},
    )
)
def test_rewards_of_vllm(raw):
    for read in (read_classify, read_pooling):
        with or_a_fault():
            check_score(read(read_as_a_pool_does(raw), "m"))


@fuzzed
@given(
    near(
        {"data": [{"embedding": [0.5, 0.25]}], "usage": USAGE},
        {"data": [{"embedding": "AACAPwAAgD8="}]},
    )
)
def test_embeddings(raw):
    with or_a_fault():
        found = read_embedding(read_as_a_pool_does(raw))
        assert abs(float((found.vector**2).sum()) - 1) < 1e-3
        assert 0 <= found.tokens < 2**53


@fuzzed
@given(near({"data": [{"id": "m"}]}))
def test_lists_of_models(raw):
    assert isinstance(_listed(raw), set)


@fuzzed
@given(
    near(*ERRORS),
    st.integers(100, 599),
    st.one_of(texts, st.text(alphabet="0123456789.eE+- :GMT,Janueryf", max_size=30)),
)
def test_refusals(raw, status, told):
    check_fault(fault_of_status(status, {"Retry-After": told, "Location": told}, raw))
    assert (after := retry_after(told)) is None or 0 <= after <= EVER


@fuzzed
@given(near(*ERRORS, {"id": "b", "data": [{"id": "c"}]}))
def test_ids_of_batches(raw):
    try:
        reply = decoded(raw)
    except NotJson:
        return
    assert isinstance(object_of(reply), dict)
    assert all(isinstance(one, dict) for one in objects_of(reply, "data"))
    with or_a_fault():
        assert id_of(reply)


# Streams

DELTAS = (
    {"choices": [{"delta": {"role": "assistant", "content": "<think>so"}}]},
    {"choices": [{"index": 0, "delta": {"content": "</think>Hi"}, "finish_reason": None}]},
    {"choices": [{"delta": {"reasoning_content": "so", "reasoning_details": [{"text": "so"}]}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 0, **CALL}]}}]},
    {"choices": [{"delta": {"function_call": {"name": "f", "arguments": "{}"}}}]},
    {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": USAGE},
    {"error": {"message": "no", "code": 500}},
)


class Sent:
    """As much of a reply as a reader sees: `content.iter_any`."""

    content_type = "text/event-stream"

    def __init__(self, chunks: list[bytes]) -> None:
        self.content = self
        self._chunks = chunks

    async def iter_any(self):
        for chunk in self._chunks:
            yield chunk


events = st.lists(near(*DELTAS).map(lambda raw: b"data: " + raw + b"\n\n"), max_size=5)
streams = damaged(events.map(lambda all_: b"".join(all_) + b"data: [DONE]\n\n"))


@fuzzed
@given(streams, st.integers(1, 400))
def test_streams(raw, size):
    chunks = [raw[at : at + size] for at in range(0, min(len(raw), size * 50), size)]
    pieces = Pieces(Secret("sk-secret"))

    async def heard() -> list[str | Response]:
        async def call() -> Response:
            reply = await pieces.read(Sent(chunks), 1 << 20)  # type: ignore[arg-type]
            return read_chat(reply, "m")

        return [piece async for piece in pieces.until(call())]

    with or_a_fault():
        *said, response = asyncio.run(heard())
        assert isinstance(response, Response)
        check_response(response)
        for piece in said:
            assert isinstance(piece, str)
            piece.encode()


@fuzzed
@given(st.lists(plain, max_size=4), texts)
def test_keys_are_never_told(parts, said):
    redacted = Secret("sk-secret").redact(f"{parts} sk-secret {said}")
    assert "sk-secret" not in redacted


def test_a_client_reads_headers_that_nobody_can_mean():
    """What aiohttp itself makes of a charset is a text or nothing."""
    assert aiohttp.helpers.parse_mimetype("text/plain; charset=²").parameters.get("charset") == "²"
