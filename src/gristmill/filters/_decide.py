"""From a graded prompt to one decision a sample: the first filter that says no gives the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gristmill.filters.base import Filter
from gristmill.page.text import one_line
from gristmill.records import KEPT, MAX_STEPS, Decision, Drop, Graded, Prompt, Sample


def decide(filters: Sequence[Filter], graded: Graded) -> tuple[Decision, ...]:
    """A decision for each sample, in order. A failed sample is dropped with its `error:` reason,
    a blank response as `empty_response`, one that was still calling tools as `max_steps`."""
    return tuple([_decision(filters, graded.prompt, sample) for sample in graded.samples])


def _decision(filters: Sequence[Filter], prompt: Prompt, sample: Sample) -> Decision:
    if sample.failure is not None:
        return Decision(False, sample.failure.reason, sample.failure.message)
    if sample.response is None or not sample.response.says:
        return Decision(False, "empty_response")
    if sample.response.finish_reason == MAX_STEPS:
        calls = ", ".join(call.name for call in sample.response.tool_calls)
        return Decision(False, MAX_STEPS, one_line(f"it would go on to call {calls}"))
    decision = KEPT
    for f in filters:
        if not decision.keep and not f.bars:
            continue
        if said := f.reason(prompt, sample):
            reason, evidence = said if isinstance(said, Drop) else (said, "")
            if decision.keep:
                decision = replace(decision, keep=False, reason=reason, evidence=evidence)
            if f.bars:
                return replace(decision, barred=True)
        elif (text := f.change(prompt, sample)) is not None:
            # Later filters see what will be exported.
            assert sample.response is not None
            decision = replace(decision, text=text)
            sample = replace(sample, response=replace(sample.response, text=text))
    return decision


def changed(graded: Graded, decisions: Sequence[Decision]) -> Graded:
    """The prompt with its responses as they read after filters that change them."""
    if all(d.text is None for d in decisions):
        return graded
    samples = tuple(
        s
        if d.text is None or s.response is None
        else replace(s, response=replace(s.response, text=d.text))
        for s, d in zip(graded.samples, decisions, strict=True)
    )
    return replace(graded, samples=samples)


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
