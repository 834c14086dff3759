"""Whether a refusal says that the request is too long for the model, in every engine's words.

Too long is a prompt that the model's context cannot hold, alone or together with `max_tokens`. That
`max_tokens` alone is more than a model ever writes is another mistake, of the config.
"""

from __future__ import annotations

import re

_WORDS = re.compile(
    # Codes and types: OpenAI and its likes; llama.cpp; LiteLLM; Anthropic, Z.ai.
    r"context_length_exceeded|exceed_context_size|contextwindowexceeded|context_window_exceeded"
    # "maximum context length is 4096 tokens" (OpenAI, vLLM, OpenRouter, DeepSeek, Mistral),
    # "maximum prompt length is" (xAI), "decoder prompt ... maximum model length" (vLLM).
    r"|max(?:imum)? (?:context|prompt|model|sequence|input) length"
    # "prompt is too long: 213462 tokens" (Anthropic), "Input is too long for requested model"
    # (Bedrock), "Input prompt (2664 tokens) is too long", "prompt too long" (Ollama, llama.cpp).
    r"|\b(?:prompt|input|context|conversation|messages?|sequence|request)s?(?: \([^)]{0,40}\))?"
    r"(?: is| are|:)? too (?:long|large)\b"
    # "exceeds the available context size" (llama.cpp), "exceed context window of" (its Python),
    # "exceed context limit" (Anthropic), "exceeds the context window of this model" (OpenAI),
    # "exceeded model token limit" (Kimi), "exceeds max length" (Z.ai), "exceeds session length".
    r"|exceed(?:s|ed)?\b[^.:]{0,60}?\b(?:context|session|sequence|input|token|max(?:imum)?)[ _]?"
    r"(?:allowed )?(?:length|window|size|limit|len)\b"
    # "The input token count (1196265) exceeds the maximum number of tokens allowed" (Gemini),
    # "prompt token count of 130000 exceeds the limit" (Copilot), "Input length (160062 tokens)
    # exceeds" (SGLang), "number of input tokens exceeds" (Bedrock), "Input Tokens Exceeded".
    r"|\b(?:prompt|input|request|context)s?\b[^.]{0,40}\b(?:tokens?|length|size)\b[^.]{0,50}\bexceed"
    # "The sum of prompt length (9351.0), query length (0) should not exceed" (TensorRT-LLM),
    # "total number of tokens in the prompt cannot exceed 4081" (Cohere).
    r"|\bprompt\b[^.]{0,60}(?:\.\d[^.]{0,60})?(?:should not|cannot|must not) exceed"
    # "Context size has been exceeded." (llama.cpp), "context window exceeds limit" (MiniMax).
    r"|context[ _](?:length|window|size)[^.]{0,20}\bexceed"
    # "longer than the model's context length" (SGLang), "greater than the context length" (LM
    # Studio), "Request length 71599 + 2048 is greater than max_seq_len" (TabbyAPI).
    r"|(?:longer|greater|larger|more) than\b[^.]{0,40}\b"
    r"(?:context (?:length|window|size)|model length|max_seq_len|max_model_len)"
    # "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)", "loaded with context length of
    # only 4096 tokens" (LM Studio).
    r"|n_keep\b.{0,30}>=? ?n_ctx|context length of only \d"
    # "`inputs` tokens + `max_new_tokens` must be <= 4096", "`inputs` must have less than 1024
    # tokens" (TGI, Together), "Range of input length should be [1, 30720]" (DashScope).
    r"|\binputs?`? (?:tokens|must have less than)|input length should be"
    # "max_tokens must be at least 1, got -7584" (vLLM): what the prompt leaves of the context.
    r"|max_(?:completion_)?tokens must be at least 1, got (?:0(?![.\d])|-)"
    # "Please reduce the length of the messages or completion" (Groq, Cerebras, OpenAI).
    r"|reduce (?:the length of|your) (?:the |your )?(?:messages?|prompt|input)"
    # "Invalid 'messages[0].content': string too long" (OpenAI).
    r"|messages\[\d+\]\S* string too long"
    # "too many tokens: total number of tokens in the prompt" (Cohere), "Prompt contains 40000
    # tokens and 0 draft tokens, too large for model" (Mistral), "Prompt is 11543 tokens but".
    r"|too many (?:input |prompt )?tokens|prompt (?:contains|is|has) \d+ tokens",
    re.IGNORECASE,
)
_BUSY = re.compile(
    r"rate.?limit|throttl|quota|too many requests|please wait|per (?:min|minute|hour|day)\b",
    re.IGNORECASE,
)
# OpenAI and Groq: a single request above what the account may send in a minute is never taken.
_NEVER_TAKEN = re.compile(r"request too large", re.IGNORECASE)


def is_too_long(said: str, *, busy: bool = False) -> bool:
    """Whether a server's words say so. busy: it refuses because of its limits (status 429)."""
    if _NEVER_TAKEN.search(said):
        return True
    return not busy and bool(_WORDS.search(said)) and not _BUSY.search(said)
