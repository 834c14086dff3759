"""Chat templates with the habits of those that are out there, each with and without the marks of
what is generated."""

from __future__ import annotations

from gristmill.nemotron import CHAT_TEMPLATE

CHATML = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)

_LAST_USER = (
    "{%- set ns = namespace(last=-1) -%}{%- for m in messages -%}{%- if m.role == 'user' -%}"
    "{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}"
)
_OTHERS = (
    "{%- elif m.role == 'tool' -%}"
    "{{- '<|im_start|>user\n<tool_response>\n' + m.content + '\n</tool_response><|im_end|>\n' -}}"
    "{%- else -%}{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' -}}{%- endif -%}"
    "{%- endfor -%}"
)

# A thought behind the last user's turn alone, an empty one where there is none; calls as JSON.
_QWEN = (
    "{%- if tools -%}{{- '<|im_start|>system\n# Tools\n' + (tools | tojson) + '<|im_end|>\n' -}}"
    "{%- endif -%}" + _LAST_USER + "{%- for m in messages -%}{%- if m.role == 'assistant' -%}"
    "{{- '<|im_start|>assistant\n' -}}[GENERATED]"
    "{%- if loop.index0 > ns.last and (loop.last or m.reasoning_content) -%}"
    "{{- '<think>\n' + (m.reasoning_content or '').strip('\n') + '\n</think>\n\n' -}}{%- endif -%}"
    "{{- m.content -}}{%- for call in m.tool_calls or [] -%}"
    "{{- '\n<tool_call>\n' + (call.function | tojson) + '\n</tool_call>' -}}{%- endfor -%}"
    "{{- '<|im_end|>\n' -}}[/GENERATED]"
    + _OTHERS
    + "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)

# The prompt opens the thought; earlier thoughts go, and an empty pair of tags says that none is
# there; calls as parameters, each in tags of its own.
_NEMOTRON = (
    "{{- '<|im_start|>system\n' -}}{%- for tool in tools or [] -%}"
    "{{- '<function><name>' ~ tool.function.name ~ '</name></function>\n' -}}{%- endfor -%}"
    "{{- '<|im_end|>\n' -}}" + _LAST_USER + "{%- for m in messages -%}"
    "{%- if m.role == 'assistant' -%}{{- '<|im_start|>assistant\n' -}}[GENERATED]"
    "{%- if m.reasoning_content and loop.index0 > ns.last -%}"
    "{{- '<think>\n' + m.reasoning_content + '\n</think>\n' -}}"
    "{%- else -%}{{- '<think></think>' -}}{%- endif -%}{{- m.content -}}"
    "{%- for call in m.tool_calls or [] -%}{{- '<tool_call>\n<function=' ~ call.function.name -}}"
    "{%- for name, value in call.function.arguments.items() -%}"
    "{{- '>\n<parameter=' ~ name ~ '>\n' ~ value ~ '\n</parameter>\n' -}}{%- endfor -%}"
    "{{- '</function>\n</tool_call>\n' -}}{%- endfor -%}{{- '<|im_end|>\n' -}}[/GENERATED]"
    + _OTHERS
    + "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n<think>\n' -}}{%- endif -%}"
)


def _both(template: str) -> tuple[str, str]:
    """Without the marks of what is generated, and with them."""
    bare = template.replace("[GENERATED]", "").replace("[/GENERATED]", "")
    marked = template.replace("[GENERATED]", "{%- generation -%}")
    return bare, marked.replace("[/GENERATED]", "{%- endgeneration -%}")


QWEN, QWEN_MARKED = _both(_QWEN)
NEMOTRON, NEMOTRON_MARKED = _both(_NEMOTRON)
THINKING = {
    "family": CHAT_TEMPLATE,
    "qwen": QWEN,
    "qwen_marked": QWEN_MARKED,
    "nemotron": NEMOTRON,
    "nemotron_marked": NEMOTRON_MARKED,
}
"""Templates that write the last turn's thought."""
CALLING = {name: template for name, template in THINKING.items() if name != "family"}
"""Templates that write tools and calls of them."""
