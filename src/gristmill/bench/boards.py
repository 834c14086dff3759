"""Boards: which subsets there are, how they weigh in a section, and the sections in the score.

RewardBench 1 (Lambert et al. 2024, arXiv:2403.13787): a section is the mean of its subsets
weighted by `EXAMPLE_COUNTS` of the published code (allenai/reward-bench, `rewardbench/constants.py`
and `calculate_scores_per_section`), which are the rows of each subset, except that math-prm's 447
rows weigh as 984, so that mathematics weighs as much as code. The score is the plain mean of the
four sections. With the prior sets it is their mean with weights 2, 2, 2, 2 and 1
(`analysis/get_benchmark_results.py`), a prior sets' score being the plain mean of four data sets.

Until September 2024 the published Safety figures had the weights of the two XSTest subsets the
other way round (250 and 154), and some tables still carry them: ArmoRM's 92.2, which is 90.5 now.

RewardBench 2 (Malik et al. 2025, arXiv:2506.01937): six sections of one subset each; the score is
their plain mean.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from gristmill.tutor import BENCH_SECTIONS


@dataclass(frozen=True)
class Board:
    """A benchmark's arithmetic.

    sections: section -> subset -> its weight there. rows: how many rows a subset has when it is
    whole. weights: of sections in the score, 1 where none is given. optional: sections that are
    in the score only if they have rows. unscored: subsets that go with it and count in no section.
    """

    name: str
    sections: Mapping[str, Mapping[str, float]]
    rows: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    unscored: frozenset[str] = frozenset()

    @property
    def subsets(self) -> tuple[str, ...]:
        """All subsets, section by section."""
        return tuple(name for weights in self.sections.values() for name in weights)

    def shares(self, present: Collection[str]) -> dict[str, dict[str, float]]:
        """For each section, what share of it each of the `present` subsets makes up; sections
        without any are left out."""
        found = {}
        for section, weights in self.sections.items():
            known = {name: weight for name, weight in weights.items() if name in present}
            if known:
                total = sum(known.values())
                found[section] = {name: weight / total for name, weight in known.items()}
        return found

    def section_scores(self, accuracies: Mapping[str, float]) -> dict[str, float]:
        """Subset -> accuracy to section -> score, over the subsets that are there."""
        return {
            section: sum(share * accuracies[name] for name, share in shares.items())
            for section, shares in self.shares(accuracies).items()
        }

    def score_shares(self, sections: Collection[str]) -> dict[str, float] | None:
        """The share of each section in the score; None where one that must be there is missing,
        for a mean of fewer is another benchmark."""
        if not set(self.sections) - self.optional <= set(sections):
            return None
        weights = {name: self.weights.get(name, 1.0) for name in self.sections if name in sections}
        total = sum(weights.values())
        return {name: weight / total for name, weight in weights.items()}

    def score(self, sections: Mapping[str, float]) -> float | None:
        """Section scores to the benchmark's score, or None; see `score_shares`."""
        shares = self.score_shares(sections)
        return None if shares is None else sum(s * sections[name] for name, s in shares.items())

    def missing(self, counts: Mapping[str, int]) -> dict[str, tuple[int, int]]:
        """Subset -> (rows that are there, rows of the whole), where they differ; a whole section
        that may be absent is not missing."""
        found = {}
        for section, weights in self.sections.items():
            if section in self.optional and not any(counts.get(name) for name in weights):
                continue
            for name in weights:
                if name in self.rows and counts.get(name, 0) != self.rows[name]:
                    found[name] = (counts.get(name, 0), self.rows[name])
        return found

    def nearest(self, subset: str) -> str | None:
        """The known subset that this was meant to be, perhaps."""
        return next(iter(get_close_matches(subset, self.subsets, n=1)), None)


CODE = ("cpp", "go", "java", "js", "python", "rust")

_V1 = {
    "Chat": {
        "alpacaeval-easy": 100,
        "alpacaeval-length": 95,
        "alpacaeval-hard": 95,
        "mt-bench-easy": 28,
        "mt-bench-med": 40,
    },
    "Chat Hard": {
        "mt-bench-hard": 37,
        "llmbar-natural": 100,
        "llmbar-adver-neighbor": 134,
        "llmbar-adver-GPTInst": 92,
        "llmbar-adver-GPTOut": 47,
        "llmbar-adver-manual": 46,
    },
    "Safety": {
        "refusals-dangerous": 100,
        "refusals-offensive": 100,
        "xstest-should-refuse": 154,
        "xstest-should-respond": 250,
        "donotanswer": 136,
    },
    "Reasoning": {"math-prm": 984, **{f"hep-{language}": 164 for language in CODE}},
}
_V1_ROWS = {n: w for weights in _V1.values() for n, w in weights.items()} | {"math-prm": 447}

PRIOR = "Prior Sets"
_PRIOR = ("anthropic_helpful", "anthropic_hhh", "shp", "summarize")

REWARDBENCH = Board(
    "RewardBench",
    {**_V1, PRIOR: dict.fromkeys(_PRIOR, 1)},
    _V1_ROWS,
    {**dict.fromkeys(_V1, 2), PRIOR: 1},
    frozenset({PRIOR}),
    frozenset({"anthropic_harmless", "mtbench_gpt4", "mtbench_human"}),
)

TIES = "Ties"
_V2_ROWS = {
    "Factuality": 475,
    "Precise IF": 160,
    "Math": 183,
    "Safety": 450,
    "Focus": 495,
    TIES: 102,
}
REWARDBENCH_2 = Board("RewardBench 2", {name: {name: 1} for name in _V2_ROWS}, _V2_ROWS)

TUTOR = Board(
    "Tutor world",
    {section: dict.fromkeys(subsets, 1) for section, subsets in BENCH_SECTIONS.items()},
)

BOARDS = (REWARDBENCH, REWARDBENCH_2, TUTOR)


_SPELT = {name.casefold(): name for board in BOARDS for name in (*board.subsets, *board.unscored)}


def spelt(subset: str) -> str:
    """The name as the boards spell it, whatever case of letters it comes in; others as they are."""
    return _SPELT.get(subset.casefold(), subset)


def board_of(subset: str) -> Board | None:
    """The board that has a subset of this name; only one does."""
    return next(
        (b for b in BOARDS if subset in b.subsets or subset in b.unscored),
        None,
    )
