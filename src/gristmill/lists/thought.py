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
    "<|channel>thought": "<channel|>",
}
"""How models mark their thoughts: DeepSeek, Qwen, Nemotron; others; Seed; Magistral; Kimi; Command;
Sky-T1 and OpenThoughts; Gemma 4."""

_OPEN = re.compile("|".join(map(re.escape, TAGS)))
_BEGINS = re.compile(rf"\s*({_OPEN.pattern})")
# Only those that templates are known to open themselves: the others always come in pairs.
_CLOSED = re.compile(r"(?<!`)(?:</think>|\[/THINK\]|<channel\|>)(?!`)")
_WRAPPED = ("<|begin_of_solution|>", "<|end_of_solution|>")
_HARMONY = re.compile(
    r"(?:<\|start\|>([^<]*))?<\|channel\|>\s*(\w+)((?:(?!<\|channel\|>).)*?)<\|message\|>(.*?)"
    r"(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    re.DOTALL,
)
_SPEAKS_HARMONY = re.compile(r"\s*(?:<\|start\|>assistant[^<]*)?<\|channel\|>")
# The same where the server left out the special tokens.
_BARE_HARMONY = re.compile(r"analysis(.*?)assistantfinal(.*)", re.DOTALL)
_CALLED = re.compile(r"\bto=(?:functions\.)?([\w.-]+)")
_CODE = re.compile(r"^[^\S\n]*(?:```|~~~)", re.MULTILINE)


class Spoken(NamedTuple):
    """A text taken apart. closed: False where it ends within a thought, and so was cut off."""

    thought: str
    answer: str
    closed: bool = True


def split_thought(text: str) -> Spoken:
    """The thought and the answer of a text; the answer is the text itself where there is none."""
    begun = text.lstrip()[:1]
    # Nearly every text is an answer alone, and the first character says that no thought begins it.
    if begun in ("<", "[", "◁", "a"):
        if _SPEAKS_HARMONY.match(text):
            return _channels(text)
        if text.startswith("analysis") and (bare := _BARE_HARMONY.fullmatch(text)):
            return Spoken(bare[1].strip(), bare[2].strip())
        opened = _BEGINS.match(text)
    else:
        opened = None
    if opened is None:
        if not _ends_thought(text):
            return Spoken("", text)
        closed = _CLOSED.search(text)
        # A text with both, that does not begin with one, speaks of them.
        if closed is None or _OPEN.search(text, 0, closed.start()) or in_code(text, closed.start()):
            return Spoken("", text)
        thought, rest = text[: closed.start()], text[closed.end() :]
    else:
        tag = TAGS[opened[1]]
        thought, found, rest = text[opened.end() :].partition(tag)
        if not found:
            return Spoken(thought.strip(), "", closed=False)
    return _later([thought.strip()], rest.lstrip())


def _ends_thought(text: str) -> bool:
    """Whether a closing tag that may stand alone is anywhere; quicker than the pattern."""
    if "<" in text and ("</think>" in text or "<channel|>" in text):
        return True
    return "[/THINK]" in text


def _later(thoughts: list[str], text: str) -> Spoken:
    """The thoughts between parts of an answer, which begin a line."""
    said: list[str] = []
    # Where what is not yet read begins, and how far it was looked at for fences and line ends: each
    # character is seen a few times, however many tags there are.
    begin, seen, fences, blank = 0, *_fence_at(text, 0)
    for opened in _OPEN.finditer(text):
        start = opened.start()
        if start < begin:
            continue
        fences += len(_CODE.findall(text, seen, start))
        line = text.rfind("\n", seen, start) + 1
        blank = (blank or line > 0) and not text[max(line, seen) : start].strip()
        seen = start
        if fences % 2 or not blank:
            continue
        end = text.find(TAGS[opened[0]], opened.end())
        if end < 0:
            thoughts.append(text[opened.end() :].strip())
            answer = "".join([*said, text[begin:start]]).strip()
            return Spoken(_joined(thoughts), answer, closed=False)
        thoughts.append(text[opened.end() : end].strip())
        said.append(text[begin:start])
        begin = end + len(TAGS[opened[0]])
        while begin < len(text) and text[begin].isspace():
            begin += 1
        seen, fences, blank = _fence_at(text, begin)
    answer = "".join([*said, text[begin:]])
    first, last = _WRAPPED
    if answer.lstrip().startswith(first):
        answer = answer.strip().removeprefix(first).removesuffix(last).strip()
    return Spoken(_joined(thoughts), answer)


def _fence_at(text: str, begin: int) -> tuple[int, int, bool]:
    """What a part of a text that begins there begins with: where it goes on, the fences until then,
    and whether its first line is blank until then."""
    fenced = text.startswith(("```", "~~~"), begin)
    return begin + 3 * fenced, int(fenced), not fenced


def _channels(text: str) -> Spoken:
    """gpt-oss's own form: `analysis` and `commentary` are thought, `final` is the answer. A call of
    a tool stays in the answer, as Hermes writes it."""
    thoughts, answers = [], []
    for role, name, head, said in _HARMONY.findall(text):
        if called := _CALLED.search(f"{role} {head}"):
            call = f'{{"name": "{called[1]}", "arguments": {said.strip() or "{}"}}}'
            answers.append(f"<tool_call>\n{call}\n</tool_call>")
        else:
            (answers if name == "final" else thoughts).append(said.strip())
    if not (thoughts or answers):
        return Spoken(text.strip(), "", closed=False)
    return Spoken(_joined(thoughts), "\n\n".join(answers), closed=bool(answers))


def _joined(thoughts: list[str]) -> str:
    return "\n\n".join(thought for thought in thoughts if thought)


def in_code(text: str, place: int) -> bool:
    """Whether a place lies within a fenced block, which an odd number of fences opens."""
    return len(_CODE.findall(text, 0, place)) % 2 == 1
