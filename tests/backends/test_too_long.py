"""Refusals of a request that is too long, in the words of servers and providers, and of others."""

import orjson
import pytest

from gristmill.backends.fault import fault_in_reply, fault_of_status

LLAMA_CPP = "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing"
VLLM = (
    "This model's maximum context length is 8192 tokens. However, you requested 12000 tokens "
    "(7000 in the messages, 5000 in the completion). Please reduce the length of the messages."
)
TGI = "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 8740 "
TOO_LARGE = (
    "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, "
    "Requested 36278. The input or output tokens must be reduced in order to run successfully."
)
GROQ_TOO_LARGE = (
    "Request too large for model `openai/gpt-oss-120b` on tokens per minute (TPM): Limit 8000, "
    "Requested 34041, please reduce your message size and try again."
)
SAID = [
    # llama.cpp, its Python bindings, ik_llama.cpp, Ollama, LM Studio, TabbyAPI, mlx-serve
    (400, LLAMA_CPP),
    (400, "the request exceeds the available context size, try increasing it"),
    (500, "the request exceeds the available context size. try increasing the context size"),
    (500, "Context size has been exceeded."),
    (500, "Requested tokens (2285) exceed context window of 2048"),
    (400, "prompt too long; exceeded max context length by 4 tokens"),
    (400, "the input length exceeds the context length"),
    (400, "The number of tokens to keep from the initial prompt is greater than the context "
          "length (n_keep: 13055>= n_ctx: 4096). Try to load the model with a larger context"),
    (400, "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)"),
    (500, "Trying to keep the first 15857 tokens when context the overflows. However, the model is "
          "loaded with context length of only 4096 tokens, which is not enough"),
    (503, "Request length 71599 + 2048 is greater than max_seq_len 65536"),
    (400, "Prompt exceeds maximum context length"),
    (400, "Prompt is 11543 tokens but the model context window is 4096 tokens."),
    # vLLM over the years, SGLang, TensorRT-LLM, Triton, TGI
    (400, VLLM),
    (400, "max_tokens must be at least 1, got -7584. (parameter=max_tokens, value=-7584)"),
    (400, "Input length (11680) exceeds model's maximum context length (4096)."),
    (400, "The decoder prompt (length 76557) is longer than the maximum model length of 32000."),
    (400, "The prompt (total length 25938) is too long to fit into the model (context length 40)."),
    (400, "'max_tokens' or 'max_completion_tokens' is too large: 2000. This model's maximum context"
          " length is 4096 tokens and your request has 2104 input tokens (2000 > 4096 - 2104)."),
    (400, "The input (61709 tokens) is longer than the model's context length (40960 tokens)."),
    (400, "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens)."),
    (400, "Requested token count exceeds the model's maximum context length of 4096 tokens."),
    (500, "The sum of prompt length (9351.0), query length (0) should not exceed max_num_tokens"),
    (500, "Cannot process new request: Prompt length (5056) exceeds maximum sequence length (20)"),
    (500, "Prompt length (200) exceeds maximum input length (1)"),
    (422, TGI),
    (422, "Input validation error: `inputs` must have less than 1024 tokens. Given: 1100"),
    # hosted
    (400, "This model's maximum context length is 4097 tokens, however you requested 4226 tokens"),
    (400, "Your input exceeds the context window of this model. Please adjust your input."),
    (400, "Invalid 'messages[0].content': string too long. Expected at most 1048576 characters"),
    (400, "prompt is too long: 213462 tokens > 200000 maximum"),
    (400, "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000"),
    (413, "Request exceeds the maximum size"),
    (400, "The input token count (2845475) exceeds the maximum number of tokens allowed (104)."),
    (400, "Input is too long for requested model."),
    (400, "Input Tokens Exceeded: Number of input tokens exceeds maximum length."),
    (400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens"),
    (400, "Please reduce the length of the messages or completion."),
    (400, "prompt token count of 130000 exceeds the limit of 128000"),
    (400, "invalid params, context window exceeds limit"),
    (400, "Your request exceeded model token limit: 262144 (requested: 300000)"),
    (400, "Prompt exceeds max length"),
    (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081"),
    (400, "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768"),
    (400, "Range of input length should be [1, 30720]"),
    (429, TOO_LARGE),
    (413, GROQ_TOO_LARGE),
]  # fmt: skip


@pytest.mark.parametrize(("status", "said"), SAID)
def test_too_long_in_every_engines_words(status, said):
    for body in ({"error": {"message": said}}, {"message": said}, {"detail": said}):
        fault = fault_of_status(status, {}, orjson.dumps(body))
        assert (fault.kind, fault.again, fault.fatal) == ("too_long", False, False)
        assert not fault.overload  # others may go on as fast


def test_a_code_says_it_too():
    for code in ("context_length_exceeded", "exceed_context_size_error"):
        for name in ("code", "type"):
            body = orjson.dumps({"error": {"message": "no", name: code}})
            assert fault_of_status(400, {}, body).kind == "too_long"


@pytest.mark.parametrize(
    ("reply", "kind", "again"),
    [
        ({"error": {"message": LLAMA_CPP}}, "too_long", False),  # LM Studio, with status 200
        ({"object": "error", "message": VLLM, "code": 400}, "too_long", False),
        ({"error": TGI, "error_type": "validation"}, "too_long", False),
        ({"error": {"message": TGI, "http_status_code": 422}}, "too_long", False),
        ({"error": "`temperature` must be positive", "error_type": "validation"}, "bad_request", 0),
        ({"error": {"message": "x", "http_status_code": 422}}, "bad_request", False),
        ({"error": {"message": "upstream went away"}}, "server", True),
    ],
)
def test_with_status_200(reply, kind, again):
    fault = fault_in_reply(reply)
    assert fault is not None
    assert (fault.kind, fault.again) == (kind, again)


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (400, "max_tokens is too large: 100000. This model supports at most 16384 completion "
              "tokens, whereas you provided 100000.", "bad_request"),
        (422, "Input validation error: `max_new_tokens` must be <= 512. Given: 1024",
              "bad_request"),
        (400, "max_tokens must be at least 1, got 0.5", "bad_request"),
        (400, "Invalid 'user': string too long. Expected a string with maximum length 64",
              "bad_request"),
        (400, "Invalid 'tools[0].function.name': string too long.", "bad_request"),
        (400, "top_logprobs exceeds the maximum of 20", "bad_request"),
        (500, "The request took too long to process", "server"),
        (500, "Internal error: the operation took too long", "server"),
        (504, "upstream request timeout", "server"),
        (500, "CUDA out of memory", "server"),
        (500, "EngineCore encountered an issue. See stack trace above.", "server"),
        (503, "Too many tokens, please wait before trying again.", "server"),
        (500, "Rate limit: input tokens per minute exceeded", "server"),
        (429, "Rate limit reached: tokens per min (TPM): Limit 30000, Used 29000", "rate_limited"),
        (429, "Too many tokens, please wait before trying again.", "rate_limited"),
        (429, "This request would exceed your organization's rate limit of 30,000 input tokens per "
              "minute", "rate_limited"),
        (429, "prompt is too long", "rate_limited"),
    ],
)  # fmt: skip
def test_what_only_sounds_like_it(status, said, kind):
    fault = fault_of_status(status, {}, orjson.dumps({"error": {"message": said}}))
    assert fault.kind == kind


def test_a_request_that_is_said_back_is_no_reason():
    detail = [
        {"loc": ["body", "messages", 0], "msg": "extra field", "input": "the prompt is too long"}
    ]
    fault = fault_of_status(422, {}, orjson.dumps({"detail": detail}))
    assert fault.kind == "bad_request"
    assert fault.message == "HTTP 422: body.messages.0: extra field"


@pytest.mark.parametrize(
    "error",
    [
        {"code": "content_filter", "message": "The response was filtered due to the prompt "
         "triggering Azure OpenAI's content management policy."},
        {"code": "data_inspection_failed", "message": "Input data may contain inappropriate "
         "content."},
        {"code": "invalid_request_error", "message": "Content Exists Risk"},
        {"code": "1301", "message": "System detected potentially unsafe or sensitive content"},
    ],
)  # fmt: skip
def test_a_prompt_that_a_filter_refuses(error):
    fault = fault_of_status(400, {}, orjson.dumps({"error": error}))
    assert (fault.kind, fault.again, fault.fatal) == ("content_filter", False, False)
