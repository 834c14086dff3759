"""The whole evaluation: data, judges and a folder in; figures, pages and rows out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from gristmill.bench.ask import Outcomes, Progress, Watch, ask_all
from gristmill.bench.boards import REWARDBENCH, Board, board_of
from gristmill.bench.items import Item, Refused
from gristmill.bench.judges import Judge, folder_name, identity
from gristmill.bench.sources import Source
from gristmill.bench.tally import Bench, Tally
from gristmill.errors import DataError, StorageError
from gristmill.storage import locked, versions, write_atomically

JUDGES = "judges"
"""The folder of what each judge said, in an evaluation's folder."""


@dataclass(frozen=True)
class Evaluation:
    """What is evaluated on what.

    scored: whether the subsets must be those of a known board, RewardBench or another; else every
    category counts as it comes. limit: items at most, None for all.
    """

    source: Source
    judges: Sequence[Judge]
    scored: bool
    limit: int | None = None

    def items(self) -> Iterator[Item | Refused]:
        """The rows in order, as far as the limit."""
        return iter(self.source) if self.limit is None else islice(self.source, self.limit)


@dataclass
class Survey:
    """What the data holds, found before any model is loaded."""

    board: Board | None = None
    counts: dict[str, int] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    truncated: int = 0


MOST_REFUSED = 100_000
"""Refused rows that are kept in `refused.jsonl`; more are counted."""


def evaluate(
    evaluation: Evaluation, folder: Path, watch: Watch | None = None
) -> tuple[dict[str, Any], list[Tally]]:
    """Judge, measure, and write the folder. Returns what `metrics.json` holds, and the tallies.

    Run again with the same folder, what is judged is not judged again; another judge is added
    beside those that are named again. Raises DataError, ConfigError, StorageError, CheckpointError,
    RunError.
    """
    survey = look(evaluation)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot write: {error.strerror}") from None
    with locked(folder, folder / ".lock"), ExitStack() as stack:
        bench = Bench(evaluation.source.name, survey.board, survey.counts)
        seconds = []
        tallies = []
        stores = []
        for number, judge in enumerate(evaluation.judges, 1):
            place = folder / JUDGES / folder_name(judge)
            store = stack.enter_context(Outcomes(place / "outcomes.log"))
            write_atomically(place / "judge.json", _json(identity(judge)))
            progress = Progress(judge.settings.model, number, len(evaluation.judges), bench.rows)
            began = time.perf_counter()
            ask_all(judge, evaluation.items(), store, progress, watch or (lambda _: None))
            seconds.append(time.perf_counter() - began)
            stores.append(store)
            tallies.append(Tally(bench, judge))
        _write_refused(folder, survey)
        _tally(evaluation, tallies, stores, folder)
    from gristmill.bench.figures import figures

    metrics = figures(bench, tallies, seconds, survey, evaluation)
    metrics["versions"] = versions()
    write_atomically(folder / "metrics.json", _json(metrics))
    return metrics, tallies


def look(evaluation: Evaluation) -> Survey:
    """Read the data once: its board, its rows in each subset, and what cannot be used.

    Raises DataError where nothing can, or, if `scored`, where a subset is of no board or of
    another one than the first.
    """
    survey = Survey()
    for item in evaluation.items():
        if isinstance(item, Refused):
            if len(survey.refused) < MOST_REFUSED:
                survey.refused.append(item)
            else:
                survey.truncated += 1
            continue
        if evaluation.scored:
            survey.board = _board(item, survey.board)
        survey.counts[item.subset] = survey.counts.get(item.subset, 0) + 1
    if not survey.counts:
        name = evaluation.source.name
        if not survey.refused:
            raise DataError(f"{name}: holds no rows")
        first = survey.refused[0]
        raise DataError(
            f"{name}: none of {len(survey.refused):,} rows can be used; the first, {first.where}: "
            f"{first.reason}: {first.detail}"
        )
    return survey


def _board(item: Item, before: Board | None) -> Board:
    board = board_of(item.subset)
    if board is not None and before in (None, board):
        return board
    if board is not None and before is not None:
        raise DataError(
            f"{item.where}: subset '{item.subset}' is of {board.name}, the rows before it are of "
            f"{before.name}; evaluate them apart"
        )
    near = (before or REWARDBENCH).nearest(item.subset)
    hint = f"did you mean '{near}'?" if near else "RewardBench has no such subset;"
    raise DataError(
        f"{item.where}: unknown subset '{item.subset}': {hint} pairs of your own go to "
        "`gristmill judge-eval`"
    )


def _tally(
    evaluation: Evaluation, tallies: Sequence[Tally], stores: Sequence[Outcomes], folder: Path
) -> None:
    """Count every outcome in the data's order, and write the rows of each judge."""
    with ExitStack() as stack:
        files = []
        for judge in evaluation.judges:
            fresh = folder / JUDGES / folder_name(judge) / "rows.jsonl.new"
            stack.callback(_gone, fresh)
            try:
                files.append(stack.enter_context(fresh.open("wb")))
            except OSError as error:
                raise StorageError(f"{fresh}: cannot write: {error.strerror}") from None
        try:
            for item in evaluation.items():
                if isinstance(item, Item):
                    tallies[0].bench.add(item)
                    for tally, store, file in zip(tallies, stores, files, strict=True):
                        row = tally.add(item, store.get(item.key))
                        file.write(orjson.dumps(row) + b"\n")
            for file in files:
                file.flush()
                Path(file.name).replace(Path(file.name).with_suffix(""))
        except OSError as error:
            raise StorageError(f"{folder}: cannot write: {error.strerror}") from None


def _gone(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _write_refused(folder: Path, survey: Survey) -> None:
    lines = [
        orjson.dumps({"where": r.where, "reason": r.reason, "detail": r.detail, "row": r.text})
        for r in survey.refused
    ]
    write_atomically(folder / "refused.jsonl", b"".join(line + b"\n" for line in lines))


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)
