"""What a model gave becomes an answer, or a call that failed: endings, thoughts, tool calls."""

import pytest

from gristmill.backends.answer import SPENT, ending_of, response_of
from gristmill.backends.chat_reply import read_chat
from gristmill.backends.fault import Fault
from gristmill.records import Response, ToolCall


@pytest.mark.parametrize(
    ("word", "ending"),
    [
        *((w, "stop") for w in ("stop", "STOP", "eos", "eos_token", "end_turn", "stop_sequence",
                                "COMPLETE", "FinishReason.STOP", "FINISH_REASON_STOP", "endTurn",
                                "end_of_sequence")),
        *((w, "length") for w in ("length", "max_tokens", "MAX_TOKENS", "model_length",
                                  "max_output_tokens", "model_context_window_exceeded",
                                  "FinishReason.MAX_TOKENS", "token_limit")),
        *((w, "tool_calls") for w in ("tool_calls", "tool_use", "function_call", "TOOL_CALL")),
        *((w, None) for w in (None, "", "null", 7, [])),
        # Nobody knows these: they count as an end, and stay as they are.
        *((w, w) for w in ("repetition", "pause_turn", "OTHER", "load", "unload", "Nové")),
    ],
)  # fmt: skip
def test_words_for_an_end(word, ending):
    assert ending_of(word) == ending


@pytest.mark.parametrize(
    ("word", "kind", "again"),
    [
        *((w, "server", True) for w in (
            "error", "ERROR", "abort", "aborted", "cancelled", "USER_CANCEL", "network_error",
            "insufficient_system_resource", "MALFORMED_FUNCTION_CALL", "malformed_model_output",
            "function_call_filter: MALFORMED_FUNCTION_CALL", "ERROR_LIMIT", "failed")),
        *((w, "timeout", True) for w in ("timeout", "TIMEOUT", "timed_out", "time_limit")),
        *((w, "content_filter", False) for w in (
            "content_filter", "content-filter", "SAFETY", "RECITATION", "PROHIBITED_CONTENT",
            "BLOCKLIST", "SPII", "IMAGE_SAFETY", "content_filter: PROHIBITED_CONTENT", "sensitive",
            "guardrail_intervened", "content_filtered", "refusal", "ERROR_TOXIC")),
    ],
)  # fmt: skip
def test_words_for_a_failure(word, kind, again):
    for content in ("Half an answer", "", None):
        with pytest.raises(Fault, match=f"ended the answer with '{word}'") as caught:
            response_of({"content": content}, word, "m")
        assert (caught.value.kind, caught.value.again) == (kind, again)


THOUGHT = {"reasoning_content": "let me think"}


@pytest.mark.parametrize(
    "message",
    [
        {"content": "", **THOUGHT},
        {"content": None, **THOUGHT},
        {"content": " \n", "reasoning": "hm"},
        {"content": "<think>Perhaps it is 12, but"},
        {"content": "<think></think>", **THOUGHT},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
        {"content": "<|channel|>analysis<|message|>They ask"},
    ],
)
@pytest.mark.parametrize("finish", ["length", None, "MAX_TOKENS", "odd"])
def test_a_thought_that_took_all_the_tokens(message, finish):
    with pytest.raises(Fault, match="raise max_tokens") as caught:
        response_of(message, finish, "m")
    assert (caught.value.kind, caught.value.again) == ("bad_reply", False)


def test_a_thought_that_never_ends_is_no_answer_whatever_the_server_says():
    with pytest.raises(Fault, match=SPENT):
        response_of({"content": "<think>Perhaps \\boxed{12}"}, "stop", "m")


@pytest.mark.parametrize(
    "message", [{"content": "<think>hm</think>\n"}, {"content": "", **THOUGHT}]
)
def test_a_thought_that_ended_with_nothing_after_it_is_an_empty_answer(message):
    response = response_of(message, "stop", "m")
    assert (response.text, response.says) == ("", False)
    assert response.reasoning


def test_a_hidden_thought_that_took_all_the_tokens():
    usage = {"completion_tokens": 64, "completion_tokens_details": {"reasoning_tokens": 64}}
    choice = {"message": {"content": ""}, "finish_reason": "length"}
    with pytest.raises(Fault, match="raise max_tokens"):
        read_chat({"choices": [choice], "usage": usage}, "m")


def test_nothing_at_all_is_not_an_answer():
    with pytest.raises(Fault, match="content is empty"):
        response_of({"content": None, "tool_calls": [], "reasoning": None}, "stop", "m")


def test_calls_of_tools_are_an_answer():
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    response = response_of({"content": None, "tool_calls": [call]}, "tool_calls", "m", (3, 4))
    assert response == Response(
        "", "m", "tool_calls", 3, 4, tool_calls=(ToolCall("f", '{"a":1}', "c1"),)
    )
    with pytest.raises(Fault, match="no call with a name"):
        response_of({"content": None, "tool_calls": [{"id": "c1"}]}, "tool_calls", "m")


def test_half_a_surrogate_pair_is_kept_from_what_comes_after():
    call = {"function": {"name": "f", "arguments": '{"a":"\ud83d"}'}}
    message = {"content": "Nice \ud83d", "reasoning": "\udc00 hm", "tool_calls": [call]}
    response = response_of(message, "stop", "m")
    assert response.text == "Nice \ufffd"
    assert response.reasoning == "\ufffd hm"
    assert response.tool_calls[0].arguments == '{"a":"\ufffd"}'


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        ({"message": {"content": "The first step"}, "finish_reason": "error",
          "error": {"code": 502, "message": "upstream went away"}}, "server"),
        ({"message": {"content": ""}, "finish_reason": "stop",
          "error": {"code": 429, "message": "slow down"}}, "rate_limited"),
        ({"finish_reason": "error", "error": {"message": "no provider"}}, "server"),
        ({"message": None, "finish_reason": "SAFETY"}, "content_filter"),
        ({"message": {"content": "fine"}, "finish_reason": "stop", "error": None}, None),
    ],
)  # fmt: skip
def test_a_choice_that_failed(choice, kind):
    reply = {"choices": [choice, {"message": {"content": "second"}, "finish_reason": "stop"}]}
    if kind is None:
        assert read_chat(reply, "m").text == "fine"
        return
    with pytest.raises(Fault) as caught:
        read_chat(reply, "m")
    assert caught.value.kind == kind
