"""Traces of how a response or a prompt was made: chat templates, scaffolding, unfilled blanks."""

from __future__ import annotations

import re
from typing import Literal

from gristmill.filters._texts import prose, shown, texts_of
from gristmill.filters.base import Filter
from gristmill.records import Drop, Prompt, Sample

_TOKEN = re.compile(
    r"<\|(?:im_start|im_end|im_sep|endoftext|eot_id|eom_id|end_of_text|begin_of_text|"
    r"start_header_id|end_header_id|system|user|assistant|end|python_tag|endofprompt|"
    r"START_OF_TURN_TOKEN|END_OF_TURN_TOKEN|[A-Z_]+_TOKEN|channel|message|return|start)\|>|"
    r"<extra_id_\d+>|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>|<｜[^｜\n]{2,40}｜>|"
    r"\[(?:AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT)\]|^</?s>|</s>\s*\Z|<SPECIAL_\d+>",
    re.MULTILINE,
)
_HEADING = re.compile(
    r"^[ \t]*(?:#{2,4}[ \t]*(?:Instruction|Response|Input|Human|Assistant|User|System|Output)\s*:|"
    r"(?:Human|Assistant|USER|ASSISTANT)\s*:\s)",
    re.MULTILINE,
)
_BLANK = re.compile(
    r"\{\{\s*[a-z_][\w.]*\s*\}\}|\{%-?\s*(?:if|for|endif|endfor|else|set)\b[^%\n]*%\}|"
    r"(?<![\\$\w{^_])\{(?:question|instruction|input|response|answer|prompt|topic|topics|subtopic|"
    r"context|document|persona|language|text|n|count|task|query|passage|category|keyword|entity|"
    r"user_prompt|user_message|system_prompt)\}|"
    r"\[insert\s[^\]\n]{1,40}\](?!\()",
    re.IGNORECASE,
)
_PREFACE = re.compile(
    r"\A\W{0,20}(?:(?:sure|certainly|of course|absolutely|okay|ok|great)\b[^\n]{0,30}?[!,.:]\s+)?"
    r"(?:here(?:'s|’s| is| are)\s+(?:(?:a|an|the|my|your|one|some|\w+)\s+){0,3}"
    r"(?:revised|rewritten|refined|improved|updated|modified|rephrased|evolved|more complex|"
    r"more challenging|follow-up|possible)\s[^\n:]{0,80}(?:question|prompt|instruction|version|"
    r"task|problem|message|response|answer)[^\n:]{0,60}:|as (?:you )?requested,|"
    r"(?:the\s+)?(?:rewritten|revised|evolved|new|given|created)\s+"
    r"(?:prompt|question|instruction)\W{0,3}:)",
    re.IGNORECASE,
)
_KINDS = {"token": _TOKEN, "heading": _HEADING, "blank": _BLANK, "preface": _PREFACE}


class LeakedTemplate(Filter):
    """Drops text that shows how it was made. Reason: `leaked_template:<kind>`.

    `token` is a special token of a chat format (`<|im_start|>`, `[INST]`); `heading` the name of a
    turn at the beginning of a line (`### Response:`, `Human: `); `blank` a variable or a place that
    nobody filled (`{{ topic }}`, `{question}`, `[insert link]`); `preface` what a model says
    before it rewrites something ("Here is a revised version of the question:"). Code, fenced or
    within a line, is not looked at, and a form that the prompt has itself, or asks for, is let
    through.
    """

    of: Literal["response", "prompt", "both"] = "response"
    """Where to look; `both` or `prompt` for prompts that a model wrote."""
    blanks: bool = True
    """Whether `blank` is looked for: false where letters and forms with places to fill are
    wanted. `[Your Name]` is let through in any case: letters are written so."""

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        asked = "\n".join(message.content for message in prompt.messages)
        for place, text in texts_of(self.of, prompt, sample):
            outside = prose(text)
            for kind, pattern in _KINDS.items():
                if kind == "blank" and not self.blanks:
                    continue
                found = pattern.search(outside)
                if not found or (place == "response" and _known(kind, found[0], asked)):
                    continue
                return Drop(f"leaked_template:{kind}", f'in the {place}: "{shown(found[0])}"')
        return ""


def _known(kind: str, found: str, asked: str) -> bool:
    """Whether the prompt has the form itself, or is about templates."""
    if found.strip() in asked or (kind != "preface" and _KINDS[kind].search(asked)):
        return True
    return kind == "blank" and bool(re.search(r"(?i)template|placeholder|fill[- ]in|jinja", asked))
