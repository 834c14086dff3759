"""Keep dialogues in which every turn of the assistant is good, and not the mean alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator

from gristmill.filters.base import Filter
from gristmill.parts import Options, is_own, name_of
from gristmill.records import Drop, Prompt, Sample


class Turns(Filter):
    """Drops a dialogue by the rewards of its assistant's turns, which the judge `turns` gives.
    Reasons: `turns:every`, `turns:mean`, and `turns:no_judge` where no such judge graded it."""

    every: float | None = Field(default=None)
    """Smallest reward of any turn of the assistant."""
    mean: float | None = Field(default=None)
    """Smallest mean reward of the assistant's turns."""

    @model_validator(mode="after")
    def _some_bound(self) -> Self:
        if self.every is None and self.mean is None:
            raise ValueError("give `every`, `mean`, or both")
        return self

    def lacks(self, judges: Sequence[Options]) -> str:
        if all(map(is_own, judges)) and not any(name_of(judge) == "turns" for judge in judges):
            return "no judge grades each turn; add `judges: [{turns: {model: ...}}]`"
        return ""

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        graded = [v.turns for v in sample.verdicts if v.turns]
        if not graded:
            return Drop("turns:no_judge", "no judge graded each turn; add `judges: [{turns: ...}]`")
        for turns in graded:
            shown = ", ".join(f"{reward:.2f}" for reward in turns)
            if self.every is not None and min(turns) < self.every:
                return Drop("turns:every", f"rewards of the assistant's turns: {shown}")
            if self.mean is not None and sum(turns) / len(turns) < self.mean:
                return Drop("turns:mean", f"rewards of the assistant's turns: {shown}")
        return ""
