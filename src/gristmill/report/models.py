"""What the page says of the models that answered, where a run has several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gristmill.page.text import label
from gristmill.report import words
from gristmill.report.folder import Run
from gristmill.report.overview import wilson

COUNTS = ("sampled", "failed", "kept", "sft", "chosen", "rejected")


@dataclass(frozen=True)
class Model:
    """A model that answered. how: it was asked. counts: `COUNTS` by name. reward: the mean of its
    scored responses. share: of its responses, those kept, between `low` and `high`, each counted as
    independent."""

    name: str
    how: str
    counts: dict[str, int]
    reward: float | None
    share: float
    low: float
    high: float


def models(run: Run) -> list[Model]:
    """Each entry of `generate`, in its order; empty where there is one, or an older folder says
    nothing of them."""
    found = run.metrics.get("models")
    entries = words.generators(run.config)
    if not isinstance(found, list) or len(found) < 2 or len(found) != len(entries):
        return []
    each = zip((one for one in found if isinstance(one, dict)), entries, strict=False)
    return [_model(replace(run, metrics=one), entry) for one, entry in each]


def _model(run: Run, entry: dict[str, Any]) -> Model:
    counts = {name: run.count(name) for name in COUNTS}
    share = min(1.0, counts["kept"] / max(1, counts["sampled"]))
    name, how = label(run.metrics.get("name") or "", 90), label(words.sampling(entry), 120)
    return Model(name, how, counts, run.number("reward"), share, *wilson(share, counts["sampled"]))
