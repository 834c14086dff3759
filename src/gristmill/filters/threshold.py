"""Keep what scores within bounds: per attribute and for the reward, fixed or by quantile."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from gristmill.filters.base import Filter
from gristmill.parts import Options, is_own, name_of, nearest
from gristmill.records import ATTRIBUTES, Drop, Prompt, Sample, Verdict

SCALE = (0.0, 4.0)
"""Of every attribute."""


class Range(Options):
    """Bounds on one number, inclusive. A bare number in a config is `min`."""

    min: float | None = None
    """Smallest value that is kept, in the attribute's own units (0 to 4) or the reward's."""
    max: float | None = None
    """Largest value that is kept."""
    min_quantile: float | None = Field(default=None, ge=0, le=1)
    """Smallest kept, as a quantile of all scored responses of the run: 0.5 keeps the upper half."""
    max_quantile: float | None = Field(default=None, ge=0, le=1)
    """Largest kept, as a quantile."""

    @model_validator(mode="before")
    @classmethod
    def _bare_number(cls, value: Any) -> Any:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return {"min": value} if is_number else value

    @model_validator(mode="after")
    def _some_bound(self) -> Range:
        if all(v is None for v in (self.min, self.max, self.min_quantile, self.max_quantile)):
            raise ValueError("give at least one of min, max, min_quantile, max_quantile")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}: nothing could pass")
        return self

    @property
    def by_quantile(self) -> bool:
        return self.min_quantile is not None or self.max_quantile is not None


class Threshold(Filter):
    """Drops a response whose score is out of bounds. Reason: `threshold:<which score>`.

    With several judges each score is the mean over the judges that give it. A response for
    which no judge gives a score that is asked for is dropped as `threshold:no_<which>`: a
    missing score never passes.
    """

    helpfulness: Range | None = None
    """Does it help with what was asked? 0 to 4."""
    correctness: Range | None = None
    """Is it true and complete? 0 to 4."""
    coherence: Range | None = None
    """Is it clear and consistent? 0 to 4."""
    complexity: Range | None = None
    """How much expertise does it show? 0 to 4."""
    verbosity: Range | None = None
    """How long is it for what was asked? 0 to 4; a max keeps rambling out."""
    reward: Range | None = None
    """The scalar that selection ranks by; its range depends on the reward model."""
    judges: dict[str, Range] = Field(default_factory=dict)
    """Bounds on what single judges gave, by name: `{math: 1}` keeps right answers. A judge that
    has no say about a prompt, as `math` where no answer is known, drops nothing."""

    @model_validator(mode="after")
    def _asks_something(self) -> Threshold:
        if not self._ranges() and not self.judges:
            raise ValueError(f"name at least one of {', '.join((*ATTRIBUTES, 'reward', 'judges'))}")
        if any(r.by_quantile for r in self.judges.values()):
            raise ValueError("judges: quantiles are of attributes and reward; give min or max")
        return self

    def _ranges(self) -> list[tuple[str, Range]]:
        named = ((n, getattr(self, n)) for n in (*ATTRIBUTES, "reward"))
        return [(n, r) for n, r in named if r is not None]

    def lacks(self, judges: Sequence[Options]) -> str:
        grading = [judge for judge in judges if not getattr(judge, "embeds", "")]
        for name, bounds in self._ranges():
            if name == "reward":
                if not grading:
                    return "reward: no judge gives one; add one, or leave it out"
                continue
            if not any(getattr(judge, "gives_attributes", True) for judge in grading):
                return (
                    f"{name}: no judge gives attributes; add `reward`, `turns` or `llm` with "
                    "`how: pointwise`, or bound the `reward` or single `judges`"
                )
            if out := _outside(bounds, SCALE):
                return f"{name}: {out}"
        for name, bounds in self.judges.items():
            named = [judge for judge in grading if name_of(judge) == name]
            if not named and all(map(is_own, judges)):
                return f"judges: no judge '{name}'; {nearest(name, [*map(name_of, grading)])}"
            for judge in named:
                span = getattr(judge, "span", None)
                if span is not None and (out := _outside(bounds, span)):
                    return f"judges.{name}: {out}"
        return self._reward_outside(grading)

    def _reward_outside(self, grading: Sequence[Options]) -> str:
        """Whether the mean over all judges could ever be within the bounds of the reward."""
        spans = [getattr(judge, "span", None) for judge in grading]
        known = [span for span in spans if span is not None]
        if self.reward is None or len(known) < len(spans):
            return ""
        out = _outside(self.reward, (min(low for low, _ in known), max(high for _, high in known)))
        return f"reward: {out}" if out else ""

    @staticmethod
    def _fixed(name: str, bounds: Range) -> tuple[str, float, float]:
        low = -np.inf if bounds.min is None else bounds.min
        high = np.inf if bounds.max is None else bounds.max
        return name, float(low), float(high)

    @cached_property
    def _seen(self) -> dict[str, array[float]]:
        return {}

    @property
    def needs_survey(self) -> bool:
        return any(r.by_quantile for _, r in self._ranges())

    def survey(self, prompt: Prompt, sample: Sample) -> None:
        for name, bounds in self._ranges():
            value = score_of(sample.verdicts, name)
            if bounds.by_quantile and value is not None:
                self._seen.setdefault(name, array("d")).append(value)

    @cached_property
    def _bounds(self) -> list[tuple[str, float, float]]:
        """Name, smallest and largest; asked for first when all that is surveyed was seen."""
        result = []
        for name, r in self._ranges():
            _, low, high = self._fixed(name, r)
            seen = self._seen.get(name)
            if seen:
                if r.min_quantile is not None:
                    low = max(low, float(np.quantile(seen, r.min_quantile)))
                if r.max_quantile is not None:
                    high = min(high, float(np.quantile(seen, r.max_quantile)))
            result.append((name, low, high))
        return result

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        for name, low, high in self._bounds:
            value = score_of(sample.verdicts, name)
            if value is None:
                return f"threshold:no_{name}"
            if not low <= value <= high:
                return f"threshold:{name}"
        return self._by_judge(sample.verdicts) if self.judges else ""

    @cached_property
    def _judge_bounds(self) -> list[tuple[str, float, float]]:
        return [self._fixed(name, bounds) for name, bounds in self.judges.items()]

    def _by_judge(self, verdicts: tuple[Verdict, ...]) -> str | Drop:
        for name, low, high in self._judge_bounds:
            asked = [v for v in verdicts if v.judge == name]
            if not asked:
                return Drop(f"threshold:no_{name}", "no such judge graded it")
            for verdict in asked:
                if verdict.reward is not None and not low <= verdict.reward <= high:
                    return Drop(f"threshold:{name}", verdict.detail)
        return ""


def _outside(bounds: Range, span: tuple[float, float]) -> str:
    """Why nothing could be within bounds, of what is within `span`; empty where something could."""
    low, high = span
    scale = f"it is from {low:g} to {high:g}, and nothing could be kept"
    if bounds.min is not None and bounds.min > high:
        return f"min is {bounds.min:g}: {scale}"
    if bounds.max is not None and bounds.max < low:
        return f"max is {bounds.max:g}: {scale}"
    return ""


def score_of(verdicts: tuple[Verdict, ...], name: str) -> float | None:
    """One score over the judges that give it: of an attribute the mean, of the reward the mean by
    the judges' weights; None where none gives it."""
    if name != "reward":
        at = ATTRIBUTES.index(name)
        if len(verdicts) == 1:
            only = verdicts[0].attributes
            return None if only is None else only[at]
        values = [v.attributes[at] for v in verdicts if v.attributes is not None]
        return sum(values) / len(values) if values else None
    if len(verdicts) == 1:
        return verdicts[0].reward
    given = [(v.weight, v.reward) for v in verdicts if v.reward is not None and v.weight]
    return sum(w * r for w, r in given) / sum(w for w, _ in given) if given else None
