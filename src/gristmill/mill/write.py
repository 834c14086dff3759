"""From the checkpoint to the data sets: decide in the input's order, select, write Parquet.

It reads the checkpoint alone and holds one batch of rows, so it can run again at any time, with
other filters too, and gives the same files whatever order the prompts were finished in.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from gristmill.errors import StorageError
from gristmill.filters import changed, decide, survey
from gristmill.intake.cells import Refused
from gristmill.mill import rows
from gristmill.mill.config import Config
from gristmill.mill.feed import UNFINISHED, items
from gristmill.mill.journal import Journal
from gristmill.mill.select import best, pair
from gristmill.mill.weigh import weighed
from gristmill.records import Decision, Graded, Sample

BATCH_ROWS = 2048
"""Rows held before they are written as one row group."""


@dataclass
class Counts:
    """What a run's data holds, as `metrics.json` says it."""

    prompts_read: int = 0
    bad_input: int = 0
    duplicates: int = 0
    finished: int = 0
    accepted: int = 0
    rejected: int = 0
    sampled: int = 0
    scored: int = 0
    kept: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    rows: dict[str, int] = field(default_factory=dict)


class Passage:
    """One reading of everything that is in the checkpoint, in the input's order."""

    def __init__(self, config: Config, journal: Journal, offsets: array[int]) -> None:
        self.config = config
        self._journal = journal
        self._offsets = offsets

    def everything(self) -> Iterator[Graded | Refused]:
        """Finished prompts and bad lines; what is not finished is left out."""
        # The offsets know how far the feed has read; what lies beyond was never looked at.
        end = len(self._offsets)
        for position, item in enumerate(items(self.config, end)):
            if isinstance(item, Refused):
                yield item
            elif self._offsets[position] != UNFINISHED:
                prompt, key = item
                samples = self._journal.samples(self._offsets[position], key)
                yield weighed(Graded(position, prompt, samples), self.config.select.weights)

    def decided(self) -> Iterator[tuple[Graded, tuple[Decision, ...]] | Refused]:
        """The same with a decision for each sample. What comes after the target is over it."""
        filters = self.config.open_filters()
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

    Each file is replaced in one step when it is whole. Raises StorageError.
    """
    config = passage.config
    counts = Counts()
    names = [*config.export, "rejected"]
    try:
        with _Writers(folder, names, origin) as out:
            for item in passage.decided():
                counts.prompts_read += 1
                if isinstance(item, Refused):
                    counts.duplicates += item.reason == "input:duplicate"
                    counts.bad_input += item.reason != "input:duplicate"
                    counts.reasons[item.reason] += 1
                    out.add("rejected", rows.bad_line_row(item))
                else:
                    _write_prompt(out, counts, config, *item)
        counts.rows = out.written
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StorageError(
            f"{folder}: cannot write: {reason}; make room and run again: the checkpoint is whole"
        ) from None
    for name in ("sft", "preference", "scored"):
        if name not in names:
            (folder / f"{name}.parquet").unlink(missing_ok=True)
    return counts


def _write_prompt(
    out: _Writers,
    counts: Counts,
    config: Config,
    graded: Graded,
    decisions: tuple[Decision, ...],
) -> None:
    accepted = any(d.keep for d in decisions)
    counts.finished += 1
    counts.accepted += accepted
    counts.rejected += not accepted
    text = rows.prompt_text(graded.prompt)
    graded = changed(graded, decisions)
    for sample, decision in zip(graded.samples, decisions, strict=True):
        counts.sampled += sample.response is not None
        counts.failed += sample.failure is not None
        counts.kept += decision.keep
        over_target = decision.reason == "over_target"
        if _graded(sample) and sample.failure is None:
            counts.scored += 1
            if not over_target:
                row = rows.scored_row(graded, sample, text, decision.keep)
                out.add("scored", row)
        if not decision.keep:
            counts.reasons[decision.reason] += 1
            out.add("rejected", rows.rejected_row(graded, sample, text, decision))
    if accepted:
        # Without a judge there is no best one, and what is not picked would be in no table.
        most = config.select.best if any(map(_graded, graded.samples)) else None
        for sample in best(graded, decisions, most):
            out.add("sft", rows.sft_row(graded, sample))
        if found := pair(graded, decisions, config.select.min_gap):
            out.add("preference", rows.preference_row(graded, found))


def _graded(sample: Sample) -> bool:
    """Whether a judge looked at it that grades, and does not only embed."""
    return any(not v.vector for v in sample.verdicts)


def close_parquet(file: pq.ParquetWriter) -> None:
    """Close a file; where the disk refuses, so that pyarrow does not try and complain again."""
    try:
        file.close()
    finally:
        file.is_open = False


class _Writers:
    """One Parquet file each for the named data sets, written beside the old ones, then swapped."""

    def __init__(self, folder: Path, names: Sequence[str], origin: rows.Origin) -> None:
        self._folder = folder
        self._origin = origin
        self._rows: dict[str, list[rows.Row]] = {name: [] for name in names}
        self.written = dict.fromkeys(names, 0)
        self._files: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> _Writers:
        for name in self._rows:
            self._files[name] = pq.ParquetWriter(
                self._path(name, ".new"), rows.SCHEMAS[name], compression="zstd"
            )
        return self

    def add(self, name: str, row: rows.Row) -> None:
        batch = self._rows.get(name)
        if batch is None:
            return
        batch.append(row)
        self.written[name] += 1
        if len(batch) >= BATCH_ROWS:
            self._flush(name)

    def _flush(self, name: str) -> None:
        batch = self._rows[name]
        if batch:
            self._files[name].write_table(rows.table(batch, rows.SCHEMAS[name], self._origin))
            batch.clear()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            with ExitStack() as stack:
                for file in self._files.values():
                    stack.callback(close_parquet, file)
                if kind is None:
                    for name in self._rows:
                        self._flush(name)
            if kind is None:
                for name in self._rows:
                    self._path(name, ".new").replace(self._path(name))
        finally:
            for name in self._rows:
                self._path(name, ".new").unlink(missing_ok=True)

    def _path(self, name: str, suffix: str = "") -> Path:
        return self._folder / f"{name}.parquet{suffix}"


def as_metrics(counts: Counts, target: int | None) -> dict[str, Any]:
    """The counts in the groups that `metrics.json` has."""
    c = asdict(counts)
    prompts = ("bad_input", "duplicates", "finished", "accepted", "rejected")
    responses = ("sampled", "scored", "kept", "failed")
    return {
        "prompts": {"read": c["prompts_read"], **{n: c[n] for n in prompts}, "target": target},
        "responses": {n: c[n] for n in responses},
        "reasons": dict(counts.reasons.most_common()),
        "rows": counts.rows,
    }
