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


# Calls in tags, what tools answer in turns of their own, those of one call behind another together.
_HERMES = (
    "{%- for m in messages -%}{%- if loop.first and tools -%}{{- '<|im_start|>system\n' -}}"
    "{{- (m.content + '\n\n') if m.role == 'system' else '' -}}"
    "{{- '<tools>' + (tools | map(attribute='function') | list | tojson) -}}"
    "{{- '</tools><|im_end|>\n' -}}"
    "{%- endif -%}{%- if m.role == 'assistant' -%}{{- '<|im_start|>assistant\n' -}}[GENERATED]"
    '{{- m.content -}}{%- for call in m.tool_calls or [] -%}{{- \'\n<tool_call>\n{"name": "\' -}}'
    '{{- call.function.name + \'", "arguments": \' -}}'
    "{{- (call.function.arguments | tojson) + '}\n</tool_call>' -}}{%- endfor -%}"
    "{{- '<|im_end|>\n' -}}[/GENERATED]{%- elif m.role == 'tool' -%}"
    "{%- if loop.previtem.role != 'tool' -%}{{- '<|im_start|>tool\n' -}}{%- endif -%}"
    "{{- '<tool_response>\n' + m.content + '\n</tool_response>\n' -}}"
    "{%- if loop.last or loop.nextitem.role != 'tool' -%}{{- '<|im_end|>\n' -}}{%- endif -%}"
    "{%- elif m.role != 'system' or not tools -%}"
    "{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' -}}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)

# One call at a time, as bare JSON without the text beside it; tools within the first question, what
# they answer as a JSON string.
_LLAMA = (
    "{%- set ns = namespace(asked=false) -%}{%- for m in messages -%}"
    "{%- if m.role == 'assistant' -%}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}[GENERATED]"
    "{%- if m.tool_calls -%}{%- if m.tool_calls | length != 1 -%}"
    "{{- raise_exception('one call of a tool at a time') -}}{%- endif -%}"
    "{%- set call = m.tool_calls[0].function -%}"
    "{{- '{\"name\": \"' + call.name + '\", \"parameters\": ' + (call.arguments | tojson) + '}' -}}"
    "{%- else -%}{{- m.content | trim -}}{%- endif -%}{{- '<|eot_id|>' -}}[/GENERATED]"
    "{%- elif m.role == 'tool' -%}{{- '<|start_header_id|>ipython<|end_header_id|>\n\n' -}}"
    "{{- (m.content | tojson) + '<|eot_id|>' -}}"
    "{%- else -%}{{- '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' -}}"
    "{%- if m.role == 'user' and tools and not ns.asked -%}{%- set ns.asked = true -%}"
    "{{- 'Answer with a call of one of these:\n\n' + (tools | tojson) + '\n\n' -}}{%- endif -%}"
    "{{- (m.content | trim) + '<|eot_id|>' -}}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}{%- endif -%}"
)

# Tools before the last question alone, calls with ids of nine letters and digits, no text beside
# them, and no opening of the assistant's turn.
_MISTRAL = (
    _LAST_USER + "{%- for m in messages -%}{%- if m.role == 'user' -%}"
    "{%- if tools and loop.index0 == ns.last -%}"
    "{{- '[AVAILABLE_TOOLS]' + (tools | tojson) + '[/AVAILABLE_TOOLS]' -}}{%- endif -%}"
    "{{- '[INST]' + m.content + '[/INST]' -}}{%- elif m.role == 'assistant' -%}[GENERATED]"
    "{%- if m.tool_calls -%}{{- '[TOOL_CALLS][' -}}{%- for call in m.tool_calls -%}"
    "{%- if (call.id or '') | length != 9 -%}"
    "{{- raise_exception('ids of calls have nine letters and digits') -}}{%- endif -%}"
    "{{- (call.function | tojson)[:-1] + ', \"id\": \"' + call.id + '\"}' -}}"
    "{{- ', ' if not loop.last else ']' -}}{%- endfor -%}"
    "{%- else -%}{{- ' ' + m.content -}}{%- endif -%}{{- '</s>' -}}[/GENERATED]"
    "{%- elif m.role == 'tool' -%}{%- if (m.tool_call_id or '') | length != 9 -%}"
    "{{- raise_exception('ids of calls have nine letters and digits') -}}{%- endif -%}"
    '{{- \'[TOOL_RESULTS]{"content": \' + (m.content | tojson) + \', "call_id": "\' -}}'
    "{{- m.tool_call_id + '\"}[/TOOL_RESULTS]' -}}{%- endif -%}{%- endfor -%}"
)


def _both(template: str) -> tuple[str, str]:
    """Without the marks of what is generated, and with them."""
    bare = template.replace("[GENERATED]", "").replace("[/GENERATED]", "")
    marked = template.replace("[GENERATED]", "{%- generation -%}")
    return bare, marked.replace("[/GENERATED]", "{%- endgeneration -%}")


QWEN, QWEN_MARKED = _both(_QWEN)
NEMOTRON, NEMOTRON_MARKED = _both(_NEMOTRON)
HERMES, HERMES_MARKED = _both(_HERMES)
LLAMA, LLAMA_MARKED = _both(_LLAMA)
MISTRAL, MISTRAL_MARKED = _both(_MISTRAL)
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

TOOLED = {
    **CALLING,
    "hermes": HERMES,
    "hermes_marked": HERMES_MARKED,
    "llama": LLAMA,
    "llama_marked": LLAMA_MARKED,
    "mistral": MISTRAL,
    "mistral_marked": MISTRAL_MARKED,
}
"""Those, and templates that know calls and no thoughts."""
STOPS = ("<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
         "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]",
         "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]")  # fmt: skip
"""Tokens of theirs that are one each."""
