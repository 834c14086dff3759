"""From a graded prompt to one decision a sample: the first filter that says no wins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gristmill.filters.base import Filter
from gristmill.records import KEPT, Decision, Graded


def decide(filters: Sequence[Filter], graded: Graded) -> tuple[Decision, ...]:
    """A decision for each sample, in order. A failed sample is dropped with its `error:` reason,
    a blank response as `empty_response`."""
    decisions = []
    for sample in graded.samples:
        if sample.failure is not None:
            decisions.append(Decision(False, sample.failure.reason))
            continue
        if sample.response is None or not sample.response.text.strip():
            decisions.append(Decision(False, "empty_response"))
            continue
        for f in filters:
            if reason := f.reason(graded.prompt, sample):
                decisions.append(Decision(False, reason))
                break
        else:
            decisions.append(KEPT)
    return tuple(decisions)


def survey(filters: Sequence[Filter], everything: Iterable[Graded]) -> None:
    """Show every gradable sample to the filters that ask for it, before the first decision."""
    asking = [f for f in filters if f.needs_survey]
    if not asking:
        return
    for graded in everything:
        for sample in graded.samples:
            if sample.failure is None:
                for f in asking:
                    f.survey(graded.prompt, sample)
