"""Personal data and secrets: dropped, or masked."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import ClassVar, Literal, get_args

from pydantic import Field, model_validator

from gristmill.filters._patterns import Datum, Kind, find
from gristmill.filters._texts import beside_of, response_of, texts_of
from gristmill.filters.base import Filter
from gristmill.records import Drop, Prompt, Sample


class PersonalData(Filter):
    """Drops or masks text with personal data or secrets. Reason: `personal_data:<kind>`; the
    evidence does not repeat them.

    Known are e-mail addresses, phone numbers (with a country's code, in the North American form, or
    after a word such as "Tel."), IBANs and cards whose check digits are right, public IP addresses,
    US social security numbers, and keys (of AWS, GitHub, OpenAI and others, JSON web tokens,
    private keys). Let through is what is reserved for examples: `example.com`, 555-01xx, the
    addresses of documentation, cards for tests. Names and street addresses are not found.
    """

    bars: ClassVar = True

    action: Literal["drop", "mask"] = "drop"
    """`mask` keeps the response and writes `[EMAIL]`, `[PHONE]`, ... instead; one whose thought or
    calls of tools hold such data is dropped all the same."""
    kinds: tuple[Kind, ...] = Field(default=get_args(Kind), min_length=1)
    """What to look for: email, phone, iban, card, ip, ssn, key."""
    of: Literal["response", "prompt", "both"] = "response"
    """Where to look. What goes out with a response, its thought and calls of tools, is looked at
    with it. Only the answer can be masked."""

    @model_validator(mode="after")
    def _prompts_stay(self) -> PersonalData:
        if self.action == "mask" and self.of != "response":
            raise ValueError("'action: mask' changes responses only: leave out 'of', or use 'drop' "
                             "for prompts")  # fmt: skip
        return self

    @cached_property
    def _wanted(self) -> frozenset[Kind]:
        return frozenset(self.kinds)

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        looked_at = [] if self.action == "mask" else [*texts_of(self.of, prompt, sample)]
        if self.of != "prompt":
            looked_at += beside_of(sample)
        for place, text in looked_at:
            if found := find(text, self._wanted):
                return Drop(f"personal_data:{found[0].kind}", f"in the {place}: {_listed(found)}")
        return ""

    def change(self, prompt: Prompt, sample: Sample) -> str | None:
        if self.action == "drop":
            return None
        text = response_of(sample)
        found = find(text, self._wanted)
        for datum in reversed(found):
            text = f"{text[: datum.start]}[{datum.kind.upper()}]{text[datum.end :]}"
        return text if found else None


def _listed(found: list[Datum]) -> str:
    first = found[0]
    counts = Counter(datum.kind for datum in found)
    counts[first.kind] -= 1
    more = ", ".join(f"{count} more {kind}" for kind, count in counts.items() if count)
    return f"{first.kind} {first.hidden}" + (f", {more}" if more else "")
