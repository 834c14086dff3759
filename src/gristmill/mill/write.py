"""From the checkpoint to the data sets: decide in the input's order, select, write Parquet.

It reads the checkpoint alone and holds one batch of rows, so it can run again at any time, with
other filters too, and gives the same files whatever order the prompts were finished in.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from gristmill.errors import StorageError
from gristmill.filters import changed, decide, survey
from gristmill.intake.cells import Refused
from gristmill.mill import rows
from gristmill.mill.config import DATASETS, Config
from gristmill.mill.feed import UNFINISHED, items
from gristmill.mill.journal import Journal
from gristmill.mill.known import opened_filters
from gristmill.mill.lineup import Lineup
from gristmill.mill.parquet import Writers
from gristmill.mill.select import Pair, best, pair
from gristmill.mill.weigh import weighed
from gristmill.records import MAX_STEPS, PLAYING, Decision, Graded, Sample, facts_id
from gristmill.storage import tables

ENDINGS = frozenset({None, "stop", "length", "tool_calls", MAX_STEPS})
"""How a response is known to end; whatever else a server says counts as an answer, and is named."""


@dataclass
class Answered:
    """What came of the responses of one entry of `generate`. name: what it is called. rewards,
    total: of the rows of `scored`, how many have a reward, and their sum. sft, chosen, rejected:
    rows of `sft`, and sides of preference pairs."""

    name: str
    asked: int = 0
    """Calls for a response, failed ones among them."""
    sampled: int = 0
    scored: int = 0
    kept: int = 0
    failed: int = 0
    rewards: int = 0
    total: float = 0.0
    sft: int = 0
    chosen: int = 0
    rejected: int = 0

    def as_json(self) -> dict[str, Any]:
        """As `metrics.json` has it, with the mean reward."""
        mean = self.total / self.rewards if self.rewards else None
        counts = {k: v for k, v in asdict(self).items() if k not in ("asked", "rewards", "total")}
        return {**counts, "reward": mean}


@dataclass
class Counts:
    """What a run's data holds, as `metrics.json` says it."""

    prompts_read: int = 0
    bad_input: int = 0
    duplicates: int = 0
    finished: int = 0
    accepted: int = 0
    rejected: int = 0
    models: list[Answered] = field(default_factory=list)
    """Of responses, by who gave them, in the order of `generate`."""
    said: str = ""
    """What the first call that failed was told, and whose it was, where a judge's."""
    unread: str = ""
    """The first line that is no prompt, and why."""
    reasons: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    """Responses by their `finish_reason`, of those that nobody knows."""
    unused_columns: Counter[str] = field(default_factory=Counter)
    """Columns of the user's rows that nothing used, and in how many rows."""
    rows: dict[str, int] = field(default_factory=dict)

    def responses(self, what: str) -> int:
        """Responses of all models together: `asked`, `sampled`, `scored`, `kept`, `failed`."""
        return sum(getattr(one, what) for one in self.models)


class Unfinished(Exception):
    """A prompt is not finished, where all were thought to be."""


class Passage:
    """One reading of everything that is in the checkpoint, in the input's order.

    places: where each prompt's record lies, by its position; by default every row of the input,
    or the first `limit`, is looked up by its key, and must be finished.
    """

    def __init__(
        self,
        config: Config,
        journal: Journal,
        places: array[int] | None = None,
        limit: int | None = None,
    ) -> None:
        self.config = config
        self._journal = journal
        self._places = places
        # The places know how far the feed has read; what lies beyond was never looked at.
        self._end = limit if places is None else len(places)
        self._facts = config.facts
        self.lineup = config.lineup()
        self.unused: Counter[str] = Counter()
        """Columns of the rows read last that nothing used."""

    def everything(self) -> Iterator[Graded | Refused]:
        """Finished prompts and bad lines; what is not finished is left out."""
        self.unused = Counter()
        for position, item in enumerate(items(self.config, self._end, self.unused)):
            if isinstance(item, Refused):
                yield item
                continue
            prompt, key = item
            if (place := self._place(position, key)) != UNFINISHED:
                samples, facts = self._journal.finished_at(place, key)
                if self._places is None and (
                    facts != facts_id(prompt, self._facts) or not self.lineup.whole(prompt, samples)
                ):
                    raise Unfinished
                yield weighed(Graded(position, prompt, samples), self.config.select.weights)

    def _place(self, position: int, key: int) -> int:
        if self._places is not None:
            return self._places[position]
        if (place := self._journal.finished.get(key)) is None:
            raise Unfinished
        return place

    def decided(self) -> Iterator[tuple[Graded, tuple[Decision, ...]] | Refused]:
        """The same with a decision for each sample. What comes after the target is over it."""
        filters = opened_filters(self.config, self._journal)
        if any(f.needs_survey for f in filters):
            survey(filters, (g for g in self.everything() if isinstance(g, Graded)))
        over = Decision(False, "over_target")
        accepted = 0
        for item in self.everything():
            if isinstance(item, Refused):
                yield item
            elif accepted == self.config.target:
                yield item, (over,) * len(item.samples)
            else:
                decisions = decide(filters, item)
                accepted += any(d.keep for d in decisions)
                yield item, decisions

    def accepted(self) -> int:
        """Prompts with a kept response, up to the target."""
        return sum(
            any(d.keep for d in item[1]) for item in self.decided() if isinstance(item, tuple)
        )


def write(passage: Passage, folder: Path, origin: rows.Origin) -> Counts:
    """Write `sft`, `preference`, `scored` (as `export` names them) and `rejected` to `folder`.

    Each is replaced when it is whole; a large one is a folder of parts (`storage.tables`). What an
    earlier one was exported to beside it goes. Raises StorageError.
    """
    config = passage.config
    grades = config.grades
    counts = Counts(models=[Answered(name) for name in passage.lineup.names])
    names = [*config.export, "rejected"]
    try:
        for name in (*DATASETS, "rejected"):
            # Made of what is replaced here (`jobs.jsonl`).
            (folder / f"{name}.jsonl").unlink(missing_ok=True)
        with Writers(folder, names, origin) as out:
            for item in passage.decided():
                counts.prompts_read += 1
                if isinstance(item, Refused):
                    counts.duplicates += item.reason == "input:duplicate"
                    counts.bad_input += item.reason != "input:duplicate"
                    counts.reasons[item.reason] += 1
                    counts.unread = counts.unread or str(item)
                    out.add("rejected", rows.bad_line_row(item))
                else:
                    _write_prompt(out, counts, passage, grades, *item)
        counts.rows = out.written
        counts.unused_columns = passage.unused
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StorageError(
            f"{folder}: cannot write: {reason}; make room and run again: the checkpoint is whole"
        ) from None
    for name in DATASETS:
        if name not in names:
            tables.remove(folder / f"{name}.parquet")
    return counts


def _write_prompt(
    out: Writers,
    counts: Counts,
    passage: Passage,
    grades: bool,
    graded: Graded,
    decisions: tuple[Decision, ...],
) -> None:
    config, lineup = passage.config, passage.lineup
    accepted = any(d.keep for d in decisions)
    counts.finished += 1
    counts.accepted += accepted
    counts.rejected += not accepted
    text = rows.prompt_text(graded.prompt)
    graded = changed(graded, decisions)
    for sample, decision in zip(graded.samples, decisions, strict=True):
        by = counts.models[lineup.owners[sample.index]]
        by.asked += 1
        own = graded
        if lineup.apart:
            own = lineup.shown_in(graded, sample.index)
            text = rows.prompt_text(own.prompt)
        if sample.response is not None and sample.response.finish_reason != PLAYING:
            by.sampled += 1
            if (ending := sample.response.finish_reason) not in ENDINGS:
                counts.endings[str(ending)] += 1
        if sample.failure is not None:
            by.failed += 1
            judge = f"{sample.failure.stage}: " if sample.failure.stage != "generate" else ""
            counts.said = counts.said or judge + sample.failure.message
        by.kept += decision.keep
        over_target = decision.reason == "over_target"
        if grades and _graded(sample) and sample.failure is None:
            by.scored += 1
            if not (over_target or decision.barred):
                row = rows.scored_row(own, sample, text, decision.keep)
                out.add("scored", row)
                if (reward := row["reward"]) is not None and -inf < reward < inf:
                    by.rewards += 1
                    by.total += reward
        if not decision.keep:
            counts.reasons[decision.reason] += 1
            out.add("rejected", rows.rejected_row(own, sample, text, decision))
    if accepted:
        # Without a judge there is no best one, and what is not picked would be in no table.
        most = config.select.best if grades and any(map(_graded, graded.samples)) else None
        for sample in best(graded, decisions, most):
            counts.models[lineup.owners[sample.index]].sft += 1
            own = lineup.shown_in(graded, sample.index)
            out.add("sft", rows.sft_row(own, sample, _thoughts(lineup, sample)))
        if found := pair(graded, decisions, config.select.min_gap):
            _write_pair(out, counts, lineup, graded, found)


def _write_pair(out: Writers, counts: Counts, lineup: Lineup, graded: Graded, found: Pair) -> None:
    chosen, rejected = (lineup.owners[one.index] for one in (found.chosen, found.rejected))
    counts.models[chosen].chosen += 1
    counts.models[rejected].rejected += 1
    # Where each entry has a system message of its own, the pair has that of what is to be learned.
    graded = lineup.shown_in(graded, found.chosen.index)
    row = rows.preference_row(graded, found, _thoughts(lineup, found.chosen))
    if len(lineup.each) > 1:
        names = {"chosen_model": chosen, "rejected_model": rejected}
        row |= {column: lineup.each[by].model for column, by in names.items()}
    out.add("preference", row)


def _thoughts(lineup: Lineup, sample: Sample) -> bool:
    """Whether what is learned from has the thoughts of the model that gave a response."""
    return lineup.each[lineup.owners[sample.index]].reasoning == "keep"


def _graded(sample: Sample) -> bool:
    """Whether a judge looked at it that grades, and does not only embed."""
    return any(not v.vector for v in sample.verdicts)


def as_metrics(counts: Counts, target: int | None) -> dict[str, Any]:
    """The counts in the groups that `metrics.json` has."""
    c = asdict(counts)
    prompts = ("bad_input", "duplicates", "finished", "accepted", "rejected")
    responses = ("sampled", "scored", "kept", "failed")
    return {
        "prompts": {"read": c["prompts_read"], **{n: c[n] for n in prompts}, "target": target},
        "responses": {name: counts.responses(name) for name in responses},
        "models": [one.as_json() for one in counts.models],
        "reasons": dict(counts.reasons.most_common()),
        "endings": dict(counts.endings.most_common()),
        "unused_columns": dict(counts.unused_columns.most_common()),
        "rows": counts.rows,
    }
