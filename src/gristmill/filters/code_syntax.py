"""Code that does not parse in its language."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

from gristmill.filters._parsing import ALIASES, LANGUAGES, fault_in
from gristmill.filters._texts import response_of, shown
from gristmill.filters.base import Filter
from gristmill.lists.fences import fences
from gristmill.records import Drop, Prompt, Sample

_CODING = ("code", "coding", "programming")
"""Categories of prompts that ask for code."""


class CodeSyntax(Filter):
    """Drops a response with a fenced block of code that does not parse. Reason:
    `code_syntax:<language>`, or `code_syntax:missing`.

    Python is parsed by Python itself (sessions with `>>>` and a notebook's commands are
    understood), JSON, YAML and TOML by their own parsers, others by tree-sitter, which repairs what
    it can, but says where it had to. Blocks without a language, or in one that has no parser here,
    are not looked at. Nothing is run.
    """

    languages: tuple[str, ...] = ()
    """Languages to look at; by default all that have a parser."""
    missing: Literal["pass", "drop"] = "pass"
    """What becomes of a response without any block of code whose prompt's category is `code`,
    `coding` or `programming`, or begins so (`coding:python`)."""

    @field_validator("languages", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        names = (value,) if isinstance(value, str) else value
        if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
            return value
        found = tuple(ALIASES.get(name.lower(), name.lower()) for name in names)
        for name in found:
            if name not in LANGUAGES:
                raise ValueError(f"no parser for '{name}'; known: {', '.join(sorted(LANGUAGES))}")
        return found

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        text = response_of(sample)
        blocks = fences(text)
        # `coding:python` is how the recipe says it.
        category = (prompt.category or "").partition(":")[0].lower()
        if text.strip() and not blocks and self.missing == "drop" and category in _CODING:
            return Drop("code_syntax:missing", "no fenced block of code")
        for block in blocks:
            language = ALIASES.get(block.language, block.language)
            if language not in (self.languages or LANGUAGES) or not block.text.strip():
                continue
            if fault := fault_in(language, block.text):
                line = block.line + fault.line - 1
                return Drop(f"code_syntax:{language}", f"line {line}: {shown(fault.what)}")
        return ""
