"""One message, in the ways that people's files and servers write it.

{"role", "content"}, {"from", "value"}       any known name of a speaker
content                                      a text, or parts: text, thinking, tool_use, ...
reasoning_content, reasoning, thinking       a thought; or <think> ... </think> in the text
tool_calls, function_call                    calls of tools; or <tool_call> in the text
weight, train, loss                          whether the turn is learned from
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

from gristmill.intake.calls import calls_of, written_calls, written_responses
from gristmill.intake.cells import Unusable, switch_of
from gristmill.lists.thought import split_thought
from gristmill.records import Message, ToolCall

_NAMES = {
    "system": ("system", "developer"),
    "user": ("user", "human", "prompter", "context", "instruction"),
    "assistant": ("assistant", "gpt", "chatgpt", "bot", "model", "ai", "bing", "bard"),
    "tool": ("tool", "observation", "ipython", "environment", "function", "function_response",
             "tool_response"),
    "call": ("function_call", "tool_call"),
}  # fmt: skip
SPEAKERS = {name: role for role, names in _NAMES.items() for name in names}
"""What `role` or `from` may say, in any case of letters, and who it is. A `call` is a turn of the
assistant's whose text is the JSON of a tool call (ShareGPT's `function_call`)."""

THOUGHTS = ("reasoning_content", "reasoning", "thinking", "thought")
DETAILS = ("reasoning_details", "thinking_blocks")
"""The same thought once more, in parts (OpenRouter, LiteLLM): read where there is no other."""
_HIDDEN = ("redacted_thinking", "reasoning.encrypted")
"""Parts with a thought that nobody but the provider can read."""
_BESIDE = frozenset((*THOUGHTS, *DETAILS, "tool_calls", "function_call", "refusal"))
LEARNED = ("weight", "train", "training", "trainable", "loss")

Part = Mapping[str, Any]


def read_messages(turn: Any, place: str) -> list[Message]:
    """The message in a dictionary; of one that holds several tools' answers, one for each.

    Raises Unusable for an unknown speaker, and for content that is neither text nor parts of text.
    """
    if not isinstance(turn, Mapping):
        raise Unusable("bad_turns", f"'{place}' is not a message with role and content")
    said = turn.get("role") or turn.get("from")
    role = SPEAKERS.get(said.strip().casefold()) if isinstance(said, str) else None
    if role is None:
        known = ", ".join(SPEAKERS)
        raise Unusable("bad_turns", f"'{place}' is by {said!r:.40}; known: {known}")
    if role == "call":
        return [Message("assistant", "", tool_calls=calls_of(_value(turn), place))]
    if role == "tool":
        return _answers_of_tools(turn, place)
    content = _value(turn)
    if isinstance(content, list) and any(_kind(part) == "tool_result" for part in content):
        return [
            m for number, part in enumerate(content) for m in _result(part, f"{place}[{number}]")
        ]
    if role == "assistant":
        return [_assistant(turn, place)]
    return [Message(role, text_in(content, place))]


class Said(NamedTuple):
    """What an assistant's message holds. ended: False where it was cut off within its thought."""

    text: str
    reasoning: str
    calls: tuple[ToolCall, ...]
    ended: bool


def answer_of(message: Part, place: str) -> Said:
    """The answer in an assistant's message, and what stands beside it. Raises Unusable."""
    content = message.get("content")
    if type(content) is str and (_BESIDE.isdisjoint(message) or not any(map(message.get, _BESIDE))):
        return Said(content, "", (), True) if is_bare(content) else _said(content, [], ())
    content = _value(message)
    parts = content if isinstance(content, list) else []
    said = [thought_in(message[name]) for name in THOUGHTS if message.get(name)]
    # A server may give the same thought under two names.
    thoughts = list(dict.fromkeys(thought for thought in said if thought.strip()))
    thoughts += [t for p in parts if _kind(p) in THOUGHTS and (t := thought_in(p)).strip()]
    if not thoughts:
        thoughts = [t for n in DETAILS if message.get(n) and (t := thought_in(message[n])).strip()]
    calls = calls_of(message.get("tool_calls") or message.get("function_call"), place)
    calls += tuple(c for p in parts if _kind(p) == "tool_use" for c in calls_of(p, place))
    named = thoughts or calls or message.get("refusal") or "tool_calls" in message
    text = "" if content is None and named else text_in(content, place)
    if not text and isinstance(message.get("refusal"), str):
        text = message["refusal"]
    return _said(text, thoughts, calls)


def is_bare(given: Any) -> TypeGuard[str]:
    """Whether a value is an answer of text in which nothing is marked, as most do: a thought, a
    call and another turn are marked by one of these signs, or begin with space or `analysis`."""
    if type(given) is not str or "<" in given or "[" in given or "◁" in given:
        return False
    return bool(given) and not given[0].isspace() and not given.startswith("analysis")


def _said(text: str, thoughts: list[str], calls: tuple[ToolCall, ...]) -> Said:
    """A text, with the thought and the calls that are written in it."""
    reasoning, text, closed = split_thought(text)
    if not calls and "<" in text:
        text, calls = written_calls(text)
    if thoughts:
        reasoning = "\n\n".join(t.strip() for t in (*thoughts, reasoning) if t)
    return Said(text, reasoning, calls, closed)


def text_in(content: Any, place: str) -> str:
    """The text of a content: itself, or its parts of text joined. Raises Unusable for others."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        content = content.get("parts") or [content]
    if not isinstance(content, list) or not content:
        raise Unusable("bad_turns", f"'{place}' has no text as content")
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
            continue
        kind = _kind(part)
        if kind in THOUGHTS or kind in _HIDDEN or kind == "tool_use":
            continue
        text = part.get("text", part.get("refusal")) if isinstance(part, Mapping) else None
        if not isinstance(text, str) or kind in ("image", "image_url", "audio", "video"):
            raise Unusable("not_text", f"'{place}' has a part of {kind or 'no'} type, not text")
        texts.append(text)
    return "".join(texts)


def thought_in(given: Any) -> str:
    """The thought in a field or part: a text, or texts in a list or under the part's own name.
    Parts are pieces of one text; of plain texts each is a line."""
    if isinstance(given, str):
        return given
    if isinstance(given, list):
        return ("" if any(isinstance(p, Mapping) for p in given) else "\n").join(
            thought_in(part) for part in given
        )
    if isinstance(given, Mapping):
        for name in ("thinking", "reasoning", "text", "content", "summary"):
            if given.get(name):
                return thought_in(given[name])
    return ""


def _assistant(turn: Part, place: str) -> Message:
    said = answer_of(turn, place)
    learned = all(_learned(turn[name], f"{place}.{name}") for name in LEARNED if name in turn)
    return Message("assistant", said.text, said.reasoning, said.calls, learned=learned)


def _learned(value: Any, place: str) -> bool:
    return value is None or switch_of(value, place)


def _answers_of_tools(turn: Part, place: str) -> list[Message]:
    content = _value(turn)
    if isinstance(content, list) and any(_kind(part) == "tool_result" for part in content):
        return [m for n, part in enumerate(content) for m in _result(part, f"{place}[{n}]")]
    name, call = (_name(turn.get(field)) for field in ("name", "tool_call_id"))
    texts = written_responses("" if content is None else text_in(content, place))
    return [Message("tool", text, tool_call_id=call, name=name) for text in texts]


def _result(part: Any, place: str) -> list[Message]:
    """Anthropic's form of a tool's answer, and what the user says beside it."""
    if _kind(part) != "tool_result":
        return [Message("user", text_in([part], place))]
    text = part.get("content")
    text = "" if text is None else text_in(text, place)
    return [Message("tool", text, tool_call_id=_name(part.get("tool_use_id")))]


def _value(turn: Part) -> Any:
    content = turn.get("content")
    return turn.get("value") if content is None else content


def _kind(part: Any) -> str:
    kind = part.get("type") if isinstance(part, Mapping) else None
    return kind if isinstance(kind, str) else ""


def _name(value: Any) -> str:
    return value if isinstance(value, str) else ""
