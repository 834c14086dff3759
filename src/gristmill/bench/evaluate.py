"""The whole evaluation: data, judges and a folder in; figures, pages and rows out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import orjson

from gristmill.backends import loop
from gristmill.backends.cached import hits
from gristmill.backends.kept import Kept
from gristmill.backends.many import Progress, Watch
from gristmill.bench.ask import ask_all, outcome_of
from gristmill.bench.figures import figures
from gristmill.bench.items import Item
from gristmill.bench.judges import folder_name, identity
from gristmill.bench.survey import Evaluation, Survey, look
from gristmill.bench.tally import Bench, Tally
from gristmill.errors import StorageError
from gristmill.storage import locked, versions, write_atomically

JUDGES = "judges"
"""The folder of what each judge said, in an evaluation's folder."""


def evaluate(
    evaluation: Evaluation, folder: Path, watch: Watch | None = None
) -> tuple[dict[str, Any], list[Tally]]:
    """Judge, measure, and write the folder. Returns what `metrics.json` holds, and the tallies.

    Run again with the same folder, what is judged is not judged again; another judge is added
    beside those that are named again. Raises DataError, ConfigError, StorageError, CheckpointError,
    RunError.
    """
    survey = look(evaluation)
    with locked(folder, folder / ".lock"), ExitStack() as stack:
        bench = Bench(evaluation.source.file, survey.board, survey.counts)
        seconds = []
        tallies = []
        stores = []
        places = []
        for number, judge in enumerate(evaluation.judges, 1):
            place = folder / JUDGES / folder_name(judge)
            store = stack.enter_context(Kept(place / "outcomes.log"))
            write_atomically(place / "judge.json", _json(identity(judge)))
            progress = Progress("", judge.name, number, len(evaluation.judges), bench.rows)
            began = time.perf_counter()
            every = evaluation.items()
            loop.run(ask_all(judge, every, store, progress, watch or (lambda _: None)))
            seconds.append(time.perf_counter() - began)
            stores.append(store)
            places.append(place)
            tallies.append(Tally(bench, judge))
        _write_refused(folder, survey)
        _tally(evaluation, tallies, stores, places)
    metrics = figures(bench, tallies, seconds, survey, evaluation)
    metrics["cached"] = hits()
    metrics["versions"] = versions()
    write_atomically(folder / "metrics.json", _json(metrics))
    return metrics, tallies


def _tally(
    evaluation: Evaluation, tallies: Sequence[Tally], stores: Sequence[Kept], places: list[Path]
) -> None:
    """Count every outcome in the data's order, and write each judge's rows into its place."""
    with ExitStack() as stack:
        files = []
        for place in places:
            fresh = place / "rows.jsonl.new"
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
                        row = tally.add(item, outcome_of(store, item))
                        file.write(orjson.dumps(row) + b"\n")
            for file in files:
                file.flush()
                Path(file.name).replace(Path(file.name).with_suffix(""))
        except OSError as error:
            raise StorageError(f"{places[0]}: cannot write: {error.strerror}") from None


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
