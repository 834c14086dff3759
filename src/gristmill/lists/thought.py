"""What a reasoning model thought, and what it then said: one text taken apart.

A thought is marked by tags that stand outside of code: at the beginning of the text, and once a
text has thought, at the beginning of a later line too. Where a chat template wrote the opening tag,
only the closing one is in the text. An answer that merely speaks of `<think>` is no thought.
"""

from __future__ import annotations

import re
from typing import NamedTuple

TAGS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
}
"""How models mark their thoughts: DeepSeek, Qwen, Nemotron; others; Seed; Magistral; Kimi; Command;
Sky-T1 and OpenThoughts."""

_OPEN = re.compile("|".join(map(re.escape, TAGS)))
# Only the two that templates are known to open themselves: the others always come in pairs.
_CLOSED = re.compile(r"(?<!`)(?:</think>|\[/THINK\])(?!`)")
_WRAPPED = re.compile(r"\s*<\|begin_of_solution\|>(.*?)(?:<\|end_of_solution\|>)?\s*\Z", re.DOTALL)
_HARMONY = re.compile(
    r"<\|channel\|>(\w+)[^<]*<\|message\|>(.*?)(?=<\|(?:end|return|start)\|>|\Z)", re.DOTALL
)
_CODE = re.compile(r"^\s*(?:```|~~~)", re.MULTILINE)


class Spoken(NamedTuple):
    """A text taken apart. closed: False where it ends within a thought, and so was cut off."""

    thought: str
    answer: str
    closed: bool = True


def split_thought(text: str) -> Spoken:
    """The thought and the answer of a text; the answer is the text itself where there is none."""
    if text.startswith("<|channel|>"):
        return _channels(text)
    opened = _OPEN.match(text, len(text) - len(text.lstrip()))
    if opened is None:
        closed = _CLOSED.search(text)
        # A text with both, that does not begin with one, speaks of them.
        if (
            closed is None
            or _OPEN.search(text, 0, closed.start())
            or _in_code(text, closed.start())
        ):
            return Spoken("", text)
        thought, rest = text[: closed.start()], text[closed.end() :]
    else:
        tag = TAGS[opened[0]]
        thought, found, rest = text[opened.end() :].partition(tag)
        if not found:
            return Spoken(thought.strip(), "", closed=False)
    return _later([thought.strip()], rest.lstrip())


def _later(thoughts: list[str], text: str) -> Spoken:
    """The thoughts between parts of an answer, which begin a line."""
    said: list[str] = []
    place = 0
    while (opened := _OPEN.search(text, place)) is not None:
        before = text[: opened.start()]
        if before.rpartition("\n")[2].strip() or _in_code(text, opened.start()):
            place = opened.end()
            continue
        thought, found, rest = text[opened.end() :].partition(TAGS[opened[0]])
        thoughts.append(thought.strip())
        if not found:
            return Spoken(_joined(thoughts), "".join([*said, before]).strip(), closed=False)
        said.append(before)
        text, place = rest.lstrip(), 0
    answer = "".join([*said, text])
    if wrapped := _WRAPPED.fullmatch(answer):
        answer = wrapped[1].strip()
    return Spoken(_joined(thoughts), answer)


def _channels(text: str) -> Spoken:
    """gpt-oss's own form: `analysis` and `commentary` are thought, `final` is the answer."""
    parts = [(m[1], m[2].strip()) for m in _HARMONY.finditer(text)]
    thoughts = [said for name, said in parts if name != "final"]
    final = [said for name, said in parts if name == "final"]
    return Spoken(_joined(thoughts), "\n\n".join(final), closed=bool(final))


def _joined(thoughts: list[str]) -> str:
    return "\n\n".join(thought for thought in thoughts if thought)


def _in_code(text: str, place: int) -> bool:
    """Whether a place lies within a fenced block, which an odd number of fences opens."""
    return len(_CODE.findall(text, 0, place)) % 2 == 1
