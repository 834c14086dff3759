"""The family's prompt format: special tokens, chat templates, and plain functions for both.

A conversation reads

    <extra_id_0>System\\n{system}\\n<extra_id_1>User\\n{p}\\n<extra_id_1>Assistant\\n{r}\\n<extra_id_1>

where the last `<extra_id_1>` opens the turn that never comes: it is the stop
token, and lies inside the template's generation block so that assistant-only
training learns to stop. For the reward model the same text ends in
`<extra_id_2>` instead. The line of an empty system message stays, empty.

What the assistant thought first stands before its answer, between `<think>` and
`</think>`, in every turn that has a thought. A reward model reads answers alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

END = "<|endoftext|>"
SYSTEM, TURN, RATE = "<extra_id_0>", "<extra_id_1>", "<extra_id_2>"
SPECIAL_TOKENS = (END, SYSTEM, TURN, RATE)
STOPS = (TURN, END)

_THOUGHT = (
    "{%- if message['reasoning_content'] -%}"
    "{{- '<think>\\n' + message['reasoning_content'] + '\\n</think>\\n\\n' -}}"
    "{%- endif -%}"
)
_STOPPED, _RATED = (f"('{token}' if loop.last" for token in (TURN, RATE))
# Strings carry every newline explicitly: Jinja's trim_blocks, which transformers
# switches on, would eat the empty system line if it stood as template text.
CHAT_TEMPLATE = (
    "{%- if messages[0]['role'] == 'system' -%}"
    "{%- set system = messages[0]['content'] -%}{%- set turns = messages[1:] -%}"
    "{%- else -%}{%- set system = '' -%}{%- set turns = messages -%}{%- endif -%}"
    "{{- '<extra_id_0>System\\n' + system + '\\n' -}}"
    "{{- '<extra_id_1>' -}}"
    "{%- for message in turns -%}"
    "{%- if message['role'] == 'assistant' -%}"
    "{{- 'Assistant\\n' -}}"
    "{%- generation -%}" + _THOUGHT + "{{- message['content'] + '\\n' -}}"
    "{{- " + _STOPPED + " else '<extra_id_1>') -}}{%- endgeneration -%}"
    "{%- elif message['role'] == 'user' -%}"
    "{{- 'User\\n' + message['content'] + '\\n' -}}"
    "{%- if not loop.last or add_generation_prompt -%}{{- '<extra_id_1>' -}}{%- endif -%}"
    "{%- else -%}{{- raise_exception('role must be system (first), user or assistant') -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- 'Assistant\\n' -}}{%- endif -%}"
)


def reward_template(template: str) -> str:
    """The reward model's version of a chat template of the family's, also of one that an older
    model brings; any other template as it is."""
    return template.replace(_STOPPED, _RATED).replace(_THOUGHT, "")


REWARD_TEMPLATE = reward_template(CHAT_TEMPLATE)


def thought_first(thought: str, answer: str) -> str:
    """A thought and the answer behind it as one text, as the template writes them."""
    return f"<think>\n{thought}\n</think>\n\n{answer}"


def chat_prompt(messages: Iterable[Mapping[str, Any]]) -> str:
    """The text a chat model continues: the conversation and an open assistant turn."""
    return _turns(map(_with_thought, messages)) + f"{TURN}Assistant\n"


def reward_text(messages: Iterable[Mapping[str, Any]]) -> str:
    """The text the reward model rates: a conversation whose last turn is the assistant's. No
    thought is in it."""
    return _turns(messages) + RATE


def _with_thought(message: Mapping[str, Any]) -> Mapping[str, Any]:
    thought = message.get("reasoning_content")
    if not thought or message["role"] != "assistant":
        return message
    return {**message, "content": thought_first(thought, message["content"])}


def _turns(messages: Iterable[Mapping[str, Any]]) -> str:
    system, text = "", ""
    for i, message in enumerate(messages):
        role, content = message["role"], message["content"]
        if role == "system" and i == 0:
            system = content
        elif role in ("user", "assistant"):
            text += f"{TURN}{role.capitalize()}\n{content}\n"
        else:
            raise ValueError(f"message {i}: role {role!r} must be system (first), user, assistant")
    return f"{SYSTEM}System\n{system}\n{text}"
