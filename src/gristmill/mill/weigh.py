"""How several judges make one reward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gristmill.records import Graded, Sample, Verdict


def weighed(graded: Graded, weights: Mapping[str, float]) -> Graded:
    """The prompt, its verdicts with the weights that the config gives their judges."""
    if not weights:
        return graded
    return replace(graded, samples=tuple(_sample(s, weights) for s in graded.samples))


def _sample(sample: Sample, weights: Mapping[str, float]) -> Sample:
    return replace(sample, verdicts=tuple(_verdict(v, weights) for v in sample.verdicts))


def weight_of(weights: Mapping[str, float], judge: str, model: str) -> float:
    """What a judge weighs. Its model's name is the more exact of the two: a panel's judges share
    theirs."""
    return weights.get(model, weights.get(judge, 1.0))


def _verdict(verdict: Verdict, weights: Mapping[str, float]) -> Verdict:
    weight = weight_of(weights, verdict.judge, verdict.model)
    return verdict if weight == 1.0 else replace(verdict, weight=weight)
