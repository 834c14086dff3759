"""Responses that refuse; how that is said in which language stands in `refusal.yaml`."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import Field

from gristmill.filters._texts import response_of, shown
from gristmill.filters.base import Filter
from gristmill.records import Drop, Prompt, Sample

_GOES_ON = re.compile(
    r"(?i)\b(?:but|however|instead|though|that said|nonetheless|nevertheless)\b[^.!?\n]{0,60}?"
    r"\b(?:here(?:'s| is| are)|i can (?:give|offer|provide|share|tell|explain|suggest)|"
    r"in general|generally|some (?:general|tips|things|steps))"
)


_LISTED = re.compile(
    r"(?m)^[ \t]*(?:\d{1,2}[.)]|[-*\u2022])[ \t]+\S|^```"
    r"|(?i:\bhere (?:are|is|'s) (?:some|a few|the|an?|how|what|ways|tips|steps)\b)"
)
"""What answers all the same: a list, code, or its announcement."""


class Refusal(Filter):
    """Drops a response that refuses to answer. Reason: `refusal`; where it appeals to being a
    model, `refusal:as_a_model`; where it refuses and then helps, `refusal:partial`.

    It must begin with the refusal, after an apology or not: "I'm sorry, but I can't help with
    that", "As an AI language model, I do not ...", and the same in German, French, Spanish,
    Italian, Portuguese, Dutch, Polish, Russian, Turkish, Chinese, Japanese and Korean. A story in
    which somebody says it is kept, and so is an answer that is longer than `max_characters`.
    """

    max_characters: int = Field(default=4000, ge=1)
    """What is longer answers something. A refusal with its reasons seldom is."""

    partial: bool = True
    """Whether what refuses and goes on "but here is ...", or with a list, is dropped as well."""

    disclaimers: bool = True
    """Whether an appeal to being a model is a refusal, of which some are honest answers: "As an AI,
    I do not have feelings"."""

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        text = response_of(sample).strip()
        if len(text) > self.max_characters:
            return ""
        text = text.replace("’", "'")
        found = _refusals().match(text)
        if not found:
            return ""
        helps = _GOES_ON.search(text[: found.end() + 400]) or _LISTED.search(text, found.end())
        model = any(value for name, value in found.groupdict().items() if name.startswith("model"))
        # "As an AI I have no opinion, but I can tell you ..." is an answer, for all its caution.
        if model and (helps or not self.disclaimers):
            return ""
        what = f'begins "{shown(text[: found.end() + 40], 120)}"'
        if helps:
            what = f'{what}, goes on "{shown(text[helps.start() :], 60)}"'
            return Drop("refusal:partial", what) if self.partial else ""
        return Drop("refusal:as_a_model" if model else "refusal", what)


@cache
def _refusals() -> re.Pattern[str]:
    kinds = (_of_language(code, forms) for code, forms in _forms().items())
    return re.compile(r"\A[\s*_#>]{0,20}(?:" + "|".join(kinds) + ")", re.IGNORECASE)


def _of_language(code: str, forms: dict[str, Any]) -> str:
    refused = f"{'|'.join(forms['cannot'])}|(?P<model_{code}>{'|'.join(forms['model'])})"
    if "sorry" not in forms:
        return refused
    before, joined = "|".join(forms["sorry"]), "|".join(forms["but"])
    # At the end of each: "no" is not the beginning of "nobody".
    return rf"(?:\b(?:{before})\b[\s,.!:;—–-]*(?:(?:{joined})\b[\s,]*){{0,2}}){{0,3}}(?:{refused})"


@cache
def _forms() -> dict[str, dict[str, Any]]:
    text = files("gristmill.filters").joinpath("refusal.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)
