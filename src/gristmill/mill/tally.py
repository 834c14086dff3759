"""Counts of a run while it goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gristmill.filters import decide
from gristmill.filters.base import Filter
from gristmill.mill.weigh import weighed
from gristmill.records import Graded


@dataclass
class Tally:
    """What has been decided so far, in the order in which prompts were finished.

    That order differs from run to run, so a filter with a memory may decide a little differently
    here than in the data, where the input's order rules; the mill counts again before it ends.
    """

    filters: Sequence[Filter]
    weights: Mapping[str, float] = field(default_factory=dict)
    read: int = 0
    bad_input: int = 0
    finished: int = 0
    accepted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        # A bound that needs all scores cannot be judged yet.
        self.filters = [f for f in self.filters if not f.needs_survey]

    def add(self, graded: Graded) -> None:
        """Count one finished prompt."""
        decisions = decide(self.filters, weighed(graded, self.weights))
        self.finished += 1
        dropped = [decision.reason for decision in decisions if not decision.keep]
        self.accepted += len(dropped) < len(decisions)
        for reason in dropped:
            self.reasons[reason] += 1
