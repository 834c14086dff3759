"""Answers that come in pieces: from a server, from a script, and from what knows no pieces."""

import asyncio
import json
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web

from calls import prompt
from gristmill.backends import ChatBackend, open_chat, retry
from gristmill.backends.scripted import ScriptedChat
from gristmill.errors import BackendError, BackendFatal
from gristmill.records import Response, Sampling, ToolCall, sample_seed

DONE = b"data: [DONE]\n\n"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(retry, "BASE_DELAY", 0.01)
    monkeypatch.setattr(retry, "REFUSAL_DELAY", 0.01)


def event(text=None, finish=None, **more) -> bytes:
    delta = {} if text is None else {"content": text}
    data = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}
    return b"data: " + json.dumps(data).encode() + b"\n\n"


@asynccontextmanager
async def serving(*scripts, kind="text/event-stream"):
    """A server that plays one script a request, the last one again and again: bytes to send,
    seconds to wait, a status to refuse with, or None to cut the connection."""
    asked = []

    async def answer(request: web.Request) -> web.StreamResponse:
        script = scripts[min(len(asked), len(scripts) - 1)]
        asked.append(await request.json())
        if isinstance(script[0], int):
            return web.json_response({"error": {"message": "no"}}, status=script[0])
        reply = web.StreamResponse(headers={"Content-Type": kind})
        await reply.prepare(request)
        for step in script:
            if step is None:
                assert request.transport is not None
                request.transport.abort()
                return reply
            if isinstance(step, bytes):
                await reply.write(step)
                await asyncio.sleep(0.01)  # so that it goes out alone
            else:
                await asyncio.sleep(step)
        return reply

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1#chat", asked
    finally:
        await runner.cleanup()


async def told(backend: ChatBackend, text="hello") -> tuple[list[str], Response]:
    async with aclosing(backend.stream(prompt(text), 0, Sampling(seed=7))) as stream:
        *pieces, last = [piece async for piece in stream]
    assert isinstance(last, Response)
    assert all(isinstance(piece, str) for piece in pieces)
    return [str(piece) for piece in pieces], last


def streamed(*scripts, options=None, kind="text/event-stream"):
    """(pieces, response, requests, backend) of one streamed answer."""

    async def main():
        async with serving(*scripts, kind=kind) as (model, asked):
            async with open_chat(model, options) as backend:
                pieces, response = await told(backend)
            return pieces, response, asked, backend

    return asyncio.run(main())


def test_pieces_come_as_they_are_sent_and_add_up():
    usage = {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}
    script = (
        b": a comment\n\n",
        event("", role="assistant"),
        event("A "),
        event("gr\u00fcst"),
        event("mill."),
        event(finish="stop"),
        b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n",
        DONE,
    )
    pieces, response, asked, backend = streamed(script)
    assert pieces == ["A ", "grüst", "mill."]
    assert response == Response("A grüstmill.", response.model, "stop", 4, 3)
    assert asked[0]["stream"] is True
    assert asked[0]["seed"] == sample_seed(7, prompt("hello").id, 0)
    assert (backend.traffic.requests, backend.traffic.retries) == (1, 0)


def test_events_cut_anywhere_with_any_line_ends():
    whole = event("one ") + event("twö") + event(finish="length") + DONE
    whole = whole.replace(b"\n", b"\r\n")
    pieces, response, *_ = streamed([whole[i : i + 7] for i in range(0, len(whole), 7)])
    assert pieces == ["one ", "twö"]
    assert response.finish_reason == "length"


def test_an_end_without_its_last_word():
    pieces, response, *_ = streamed((event("all") + event(finish="stop")[:-2],))
    assert (pieces, response.text) == (["all"], "all")


def test_a_server_that_answers_as_a_whole_although_asked_to_stream():
    reply = {"choices": [{"message": {"content": "all of it"}, "finish_reason": "stop"}]}
    script = (json.dumps(reply).encode(),)
    pieces, response, *_ = streamed(script, kind="application/json")
    assert (pieces, response.text) == (["all of it"], "all of it")


def test_a_user_who_wants_no_stream():
    reply = {"choices": [{"message": {"content": "all"}, "finish_reason": "stop"}]}
    options = {"body": {"stream": False}}
    _, _, asked, _ = streamed((json.dumps(reply).encode(),), kind="text/json", options=options)
    assert asked[0]["stream"] is False


def test_tried_again_before_the_first_piece_only():
    good = (event("fine"), event(finish="stop"), DONE)
    pieces, _, asked, backend = streamed((503,), (b": wait\n\n", None), (DONE,), good)
    assert pieces == ["fine"]
    assert len(asked) == 4
    assert backend.traffic.retries == 3
    assert backend.traffic.failures == {"server": 1, "connection": 1, "bad_reply": 1}


ERROR = b'data: {"error": {"message": "out of memory", "code": %d}}\n\n'


@pytest.mark.parametrize(
    ("end", "kind", "said"),
    [
        (ERROR % 500, "server", "out of memory"),
        (ERROR % 401, "bad_request", "out of memory"),
        (ERROR % 429, "rate_limited", "out of memory"),
        (None, "connection", "."),
        (b"", "connection", "ended before"),
        (b"data: {half\n\n", "bad_reply", "no JSON"),
        (b"data: []\n\n", "bad_reply", "no JSON object"),
        (5.0, "timeout", "no reply in time"),
    ],
)
def test_what_breaks_in_the_middle_is_an_error_of_this_call(end, kind, said):
    seen = []

    async def main():
        async with serving((event("half an "), end)) as (model, asked):
            async with open_chat(model, {"timeout": 0.5}) as backend:
                async for piece in backend.stream(prompt("hello"), 0, Sampling()):
                    seen.append(piece)
            return asked

    with pytest.raises(BackendError, match=said) as caught:
        asyncio.run(main())
    assert caught.value.kind == kind
    assert seen == ["half an "]


def test_an_address_that_is_wrong_stays_fatal():
    with pytest.raises(BackendFatal):
        streamed((404,))


def test_thoughts_are_not_the_answer():
    def thought(text):
        return b"data: " + json.dumps({"choices": [{"delta": {"reasoning": text}}]}).encode()

    script = (thought("hm\n") + b"\n\n", event("yes"), event(finish="stop"), DONE)
    pieces, response, *_ = streamed(script)
    assert (pieces, response.text) == (["yes"], "yes")
    with pytest.raises(BackendError, match="all tokens went into reasoning"):
        streamed((thought("hm") + b"\n\n", event(finish="length"), DONE))


def delta(**said) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": said}]}).encode() + b"\n\n"


@pytest.mark.parametrize(
    ("thinks", "thought"),
    [
        (({"reasoning_content": "They "}, {"reasoning_content": "ask."}), "They ask."),
        (({"reasoning": "They ", "reasoning_content": "They "},
          {"reasoning": "ask.", "reasoning_content": "ask."}), "They ask."),
        (tuple({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": t}]}]}
               for t in ("They", " ask", ".")), "They ask."),
        (tuple({"content": "", "reasoning_details": [{"type": "reasoning.text", "text": t}]}
               for t in ("They", " ask.")), "They ask."),
        (({"content": " <th"}, {"content": "ink>They"}, {"content": " ask.</thi"},
          {"content": "nk>\n\n"}), "They ask."),
        (({"content": "[THINK]a[/THINK]"}, {"content": "<think>b</think>"}), "a\n\nb"),
    ],
)  # fmt: skip
def test_a_thought_is_not_shown_and_stands_beside_the_answer(thinks, thought):
    script = (*(delta(**t) for t in thinks), event("yes, "), event("4"), event(finish="stop"), DONE)
    pieces, response, *_ = streamed(script)
    assert pieces == ["yes, ", "4"]
    assert (response.text, response.reasoning) == ("yes, 4", thought)


def test_a_thought_that_the_template_opened_is_shown_and_then_taken_back():
    script = (event("hm "), event("</think>4"), event(finish="stop"), DONE)
    pieces, response, *_ = streamed(script)
    assert "".join(pieces) == "hm </think>4"
    assert (response.text, response.reasoning) == ("4", "hm")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (["<thin lines>", " and more"], "<thin lines> and more"),
        (["  ", "<", "b>"], "  <b>"),
        (["<"], "<"),
        (["<|channel|>analysis<|message|>hm<|end|>",
          "<|start|>assistant<|channel|>final<|message|>4"], "4"),
    ],
)  # fmt: skip
def test_what_might_have_been_a_thought(said, shown):
    pieces, response, *_ = streamed((*map(event, said), event(finish="stop"), DONE))
    assert "".join(pieces) == response.text == shown


def test_a_thought_that_never_ends_shows_nothing():
    with pytest.raises(BackendError, match="raise max_tokens"):
        streamed((event("<think>"), event("hm"), event(finish="length"), DONE))


@pytest.mark.parametrize("numbered", [True, False])
def test_calls_of_tools_come_in_pieces(numbered):
    def call(index, **function):
        name = {"id": f"c{index}"} if "name" in function else {}
        place = {"index": index} if numbered else {}
        return delta(tool_calls=[{**place, **name, "function": function}])

    script = (
        call(0, name="f", arguments=""),
        call(0, arguments='{"a":'),
        call(0, arguments=" 1}"),
        call(1, name="g", arguments={"b": 2}),
        event(finish="tool_calls"),
        DONE,
    )
    pieces, response, *_ = streamed(script)
    assert (pieces, response.text, response.finish_reason) == ([], "", "tool_calls")
    calls = (ToolCall("f", '{"a": 1}', "c0"), ToolCall("g", '{"b":2}', "c1"))
    assert response.tool_calls == calls


def test_calls_that_a_server_all_numbers_0():
    def call(name):
        return {"index": 0, "id": name, "function": {"name": name, "arguments": "{}"}}

    script = (delta(tool_calls=[call("f"), call("g")]), event(finish="stop"), DONE)
    _, response, *_ = streamed(script)
    assert [called.name for called in response.tool_calls] == ["f", "g"]


def test_half_a_pair_waits_for_the_other_half():
    halves = [b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n' % half
              for half in (b"Nice \\ud83d", b"\\ude00 and \\ud83d")]  # fmt: skip
    pieces, response, *_ = streamed((b"\xef\xbb\xbf" + halves[0], halves[1], event(finish="stop")))
    assert "".join(pieces) == response.text == "Nice \U0001f600 and \ufffd"


def test_a_second_choice_is_passed_over():
    other = b'data: {"choices": [{"index": 1, "delta": {"content": "second"}}]}\n\n'
    pieces, response, *_ = streamed((event("first"), other, event(finish="stop"), DONE))
    assert (pieces, response.text) == (["first"], "first")


@pytest.mark.parametrize(
    "end",
    [
        b'data: {"choices": [{"delta": {}, "finish_reason": "error"}]}\n\n',
        b'data: {"choices": [{"delta": {"content": ""}, "error": {"message": "gone"}}]}\n\n',
    ],
)
def test_an_answer_that_fails_on_its_way_is_no_answer(end):
    script = (event("The first step"), end, DONE)
    with pytest.raises(BackendError) as caught:
        streamed(script)
    assert caught.value.kind == "server"
    # Nobody had seen anything of it: it is tried again.
    pieces, _, asked, _ = streamed((end, DONE), (event("fine"), event(finish="stop"), DONE))
    assert (pieces, len(asked)) == (["fine"], 2)


def test_the_key_shows_up_in_no_thought_and_no_call(monkeypatch):
    monkeypatch.setenv("MILL_KEY", "sk-secret-123")
    call = {"index": 0, "function": {"name": "f", "arguments": '{"k": "sk-secret-123"}'}}
    script = (
        delta(reasoning="sk-secret-123?"),
        delta(tool_calls=[call]),
        event("no"),
        event(finish="stop"),
        DONE,
    )
    _, response, *_ = streamed(script, options={"key_env": "MILL_KEY"})
    assert response.reasoning == "[key]?"
    assert response.tool_calls[0].arguments == '{"k": "[key]"}'


def test_a_key_is_never_shown_however_it_is_cut(monkeypatch):
    monkeypatch.setenv("MILL_KEY", "sk-secret-123")
    said = "it is sk-secret-123, sk-sec, sk-secret-12"
    events = [event(char) for char in said]
    pieces, response, *_ = streamed(
        (*events, event(finish="stop"), DONE), options={"key_env": "MILL_KEY"}
    )
    assert response.text == "".join(pieces) == "it is [key], sk-sec, sk-secret-12"
    assert "secret-123" not in repr(pieces)


def test_who_reads_no_further_stops_the_request():
    async def main():
        async with serving((event("one"), 30.0)) as (model, _), open_chat(model, {}) as backend:
            stream = backend.stream(prompt("hello"), 0, Sampling())
            assert await anext(stream) == "one"
            await stream.aclose()
            assert backend._end.opened().gate.busy == 0

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_script_speaks_word_by_word_over_its_latency():
    backend = ScriptedChat(lambda messages: 1, latency=0.2)
    backend._function = lambda messages, index, seed: " Two  words\nand one. "

    async def main():
        start = asyncio.get_running_loop().time()
        times = []
        async for _ in backend.stream(prompt("x"), 0, Sampling()):
            times.append(asyncio.get_running_loop().time() - start)
        return (
            times,
            await told(backend),
            await backend.sample(prompt("hello"), 0, Sampling(seed=7)),
        )

    times, (pieces, response), whole = asyncio.run(main())
    assert pieces == [" Two", "  words", "\nand", " one. "]
    assert response == whole
    assert times[0] < 0.15 < 0.19 <= times[-1]


def test_a_script_without_words():
    backend = ScriptedChat(lambda messages, index, seed: "")
    pieces, response = asyncio.run(told(backend))
    assert (pieces, response.text) == ([], "")


def test_a_call_that_fails_by_script_breaks_off_halfway():
    backend = ScriptedChat(lambda messages, index, seed: "one two three four", fail=1.0)
    seen = []

    async def main():
        async for piece in backend.stream(prompt("x"), 0, Sampling()):
            seen.append(piece)

    with pytest.raises(BackendError, match="fails by script"):
        asyncio.run(main())
    assert seen == ["one", " two"]
    assert backend.traffic.failures == {"server": 1}


def test_a_backend_that_knows_no_pieces_gives_one():
    class Whole(ChatBackend):
        async def sample(self, prompt, index, sampling):
            return Response("all at once", self.model, "stop")

    pieces, response = asyncio.run(told(Whole("own:model")))
    assert pieces == ["all at once"]
    assert response.finish_reason == "stop"
