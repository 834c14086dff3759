"""The one boundary where whatever a model gave becomes a Response, or a call that failed.

An answer is apart from the thought before it and from the calls of tools beside it, and says in
known words how it ended. What says that generating failed is no answer, however much of a text
there is: it is asked for again, at once or when the run is resumed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gristmill.backends.decoding import sendable
from gristmill.backends.fault import Fault
from gristmill.intake.cells import Unusable
from gristmill.intake.message import answer_of
from gristmill.records import Response, ToolCall

_ENDINGS = {
    # Anthropic end_turn, stop_sequence; TGI, watsonx eos_token; Cohere COMPLETE; Gemini STOP.
    "stop": "stop eos eostoken endturn stopsequence stoptoken endofsequence endoftext complete "
    "completed finished",
    # Gemini MAX_TOKENS; Mistral model_length; Anthropic, Z.ai model_context_window_exceeded.
    "length": "length maxtokens maxnewtokens maxoutputtokens maxcompletiontokens maxlength "
    "modellength tokenlimit modelcontextwindowexceeded",
    "tool_calls": "toolcalls toolcall tooluse functioncall functioncalls",
}
_KNOWN = {word: name for name, words in _ENDINGS.items() for word in words.split()}

# Gemini SAFETY, RECITATION, BLOCKLIST, PROHIBITED_CONTENT, SPII, "content_filter: SAFETY"; Bedrock
# guardrail_intervened, content_filtered; Anthropic refusal; Z.ai sensitive; Cohere ERROR_TOXIC.
_FILTERED = re.compile(
    r"contentfilter|safety|recitation|prohibited|blocklist|blocked|spii|sensitive|guardrail"
    r"|moderat|toxic|refusal|policy"
)
# OpenRouter, Mistral, vLLM error; vLLM, SGLang abort; TensorRT-LLM cancelled, timeout; watsonx
# time_limit; Z.ai network_error; DeepSeek insufficient_system_resource; Gemini
# MALFORMED_FUNCTION_CALL; Bedrock malformed_model_output; Cohere USER_CANCEL, ERROR_LIMIT.
_TIMED_OUT = re.compile(r"time(?:d)?out|timelimit|deadline")
_FAILED = re.compile(
    r"error|abort|cancel|fail|network|insufficient|malformed|unexpectedtoolcall|overload|preempt"
    r"|disconnect|crash"
)

SPENT = "all tokens went into reasoning, none into the answer; raise max_tokens"


def ending_of(word: Any) -> str | None:
    """How an answer ended, in this project's words (see Response): a word that nobody knows stays
    as it is, and counts as an end. Raises Fault for one that says that generating failed."""
    if word in ("stop", "length", "tool_calls"):
        return word
    if not isinstance(word, str) or word in ("", "null", "none"):
        return None
    plain = re.sub(r"[^a-z:]", "", word.casefold().rpartition(".")[2])
    plain = plain.removeprefix("finishreason").removeprefix("reason")
    if known := _KNOWN.get(plain):
        return known
    said = f"the server ended the answer with '{word:.60}'"
    if _FILTERED.search(plain):
        raise Fault("content_filter", said, again=False)
    if _TIMED_OUT.search(plain):
        raise Fault("timeout", said)
    if _FAILED.search(plain):
        raise Fault("server", said)
    return word


def response_of(
    message: Mapping[str, Any],
    finish: Any,
    model: str,
    tokens: tuple[int, int] = (0, 0),
    hidden: int = 0,
) -> Response:
    """The Response in an assistant's message (see `answer_of`). finish: the server's word for how
    it ended. tokens: of the prompt and of the completion; hidden: those of a thought that the
    server keeps to itself.

    Raises Fault: as `ending_of` says; `bad_reply` for a message that cannot be used, and for one
    whose thought took all the tokens. A thought that came to its end with nothing after it is an
    answer without a text.
    """
    ending = ending_of(finish)
    try:
        text, reasoning, calls, ended = answer_of(message, "choices[0].message")
    except Unusable as error:
        raise Fault("bad_reply", error.detail) from None
    if not (calls or text.strip()):
        if not ended or (ending != "stop" and (reasoning or hidden)):
            # With the same seed the next attempt would end the same way.
            raise Fault("bad_reply", SPENT, again=False)
        if not reasoning and message.get("content") is None:
            raise Fault("bad_reply", "choices[0].message.content is empty")
    # Half a surrogate pair can be neither kept nor sent on.
    if not text.isascii():
        text = sendable(text)
    if not (reasoning or calls):
        return Response(text, model, ending, *tokens)
    calls = tuple(ToolCall(*map(sendable, (c.name, c.arguments, c.id))) for c in calls)
    return Response(text, model, ending, *tokens, sendable(reasoning), calls)
