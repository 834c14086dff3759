"""What a run left behind, for scripts and notebooks."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from gristmill.errors import InputError
from gristmill.page.text import label, plural
from gristmill.storage import tables

if TYPE_CHECKING:
    import pandas as pd

ADVICE = {
    "complete": "every prompt is done",
    "target": "the target is reached",
    "out_of_prompts": "the prompts ran out before the target: add prompts, or loosen `keep`",
    "budget": "the budget is spent: raise it and run again, it goes on from here",
    "failed": "not one response came back, or none could be judged",
    "interrupted": "interrupted: run again, it goes on from here",
}


@dataclass(frozen=True)
class Outcome:
    """What a run left behind. In a notebook it shows itself as a table.

    status: `complete` (every prompt done), `target` (reached, stopped there), `out_of_prompts`
    (every prompt done, target not reached), `budget`, `interrupted`, `failed` (not one response, or
    not one that was judged).
    detail: for `budget`, which limit; for `failed`, what went wrong. said: where no call came to
    anything, what the first was told; a server may repeat a prompt there.
    """

    folder: Path
    status: str
    detail: str
    metrics: dict[str, Any] = field(repr=False)
    said: str = field(default="", repr=False)

    @property
    def short(self) -> bool:
        """Whether it is done, and less came than was asked for: target or budget, or a recipe that
        had no more."""
        fewer = any(source["short"] for source in self.metrics["recipes"])
        return self.status in ("out_of_prompts", "budget") or (self.status == "complete" and fewer)

    @property
    def title(self) -> str:
        """Its name, and how it ended."""
        advice, aside = ADVICE[self.status], self.metrics["reasons"]
        if self.status == "out_of_prompts" and aside:
            most = max(aside, key=lambda reason: aside[reason])
            advice += f" ({most} put aside the most, {aside[most]:,})"
        return f"'{self.metrics['name']}': {advice}"

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Its figures: what each is, and how much."""
        m = self.metrics
        prompts, responses, requests = m["prompts"], m["responses"], m["requests"]
        target = f" of {prompts['target']:,} wanted" if prompts["target"] else ""
        found = [
            ("prompts", f"{prompts['finished']:,} done of {prompts['read']:,} read"),
            ("accepted", f"{plural(prompts['accepted'], 'prompt')}{target}"),
            ("responses", f"{responses['sampled']:,}, {responses['kept']:,} kept"),
        ]
        models = m.get("models", ())  # A folder of before there were several has none.
        found += [_by(model) for model in models if len(models) > 1]
        found += [(f"  {reason}", f"{count:,}") for reason, count in m["reasons"].items()]
        for name, count in m["rows"].items():
            place = tables.place_of(self.folder / "data" / f"{name}.parquet")
            found.append((f"data/{place.name}", plural(count, "row")))
        for name, counts in (
            ("unknown endings", m["endings"]),
            ("unused columns", m["unused_columns"]),
        ):
            if counts:
                shown = ", ".join(f"{label(what, 40)} {n:,}" for what, n in counts.items())
                found.append((name, shown))
        for source in m["recipes"]:
            share = f"{source['delivered']:,} of {plural(source['wanted'], 'prompt')}"
            found.append((f"written by {source['name']}", share))
        again = f", {requests['retries']:,} of them retries" if requests["retries"] else ""
        found.append(("requests", f"{requests['sent']:,}{again}"))
        if requests["cached"]:
            found.append(("out of the cache", plural(requests["cached"], "answer")))
        if m["cost_usd"] is not None:
            found.append(("cost", f"${m['cost_usd']:,.2f}"))
        return [*found, ("time", f"{m['seconds']:,.1f} s")]

    def table(self, name: str = "sft") -> pa.Table:
        """A data set of the run: `sft`, `preference`, `scored` or `rejected`. Raises InputError
        where the run has none of that name."""
        if name not in self.metrics["rows"]:
            there = ", ".join(self.metrics["rows"])
            raise InputError(f"{self.folder}: no data set '{name}'; there is {there}")
        return tables.read_table(self.folder / "data" / f"{name}.parquet")

    def to_pandas(self, name: str = "sft") -> pd.DataFrame:
        """A data set of the run as a DataFrame. Raises InputError where pandas is missing."""
        try:
            import pandas  # noqa: F401
        except ImportError:
            raise InputError("a DataFrame needs pandas: pip install pandas") from None
        return self.table(name).to_pandas()

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left;white-space:pre'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(found)}</td></tr>"
            for name, found in [*self.lines, ("folder", str(self.folder))]
        )
        detail = f"<p>{escape(self.detail)}</p>" if self.detail else ""
        return f"<p><b>{escape(self.title)}</b></p>{detail}<table>{rows}</table>"


def _by(model: dict[str, Any]) -> tuple[str, str]:
    """What one of several models that answered came to."""
    reward = "" if model["reward"] is None else f", mean reward {model['reward']:.2f}"
    failed = f", {model['failed']:,} failed" if model["failed"] else ""
    said = f"{model['sampled']:,}, {model['kept']:,} kept{reward}{failed}"
    return f"  by {label(model['name'], 60)}", said
