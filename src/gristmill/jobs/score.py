"""Grade conversations that are already there: `gristmill score`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.backends import caching, loop
from gristmill.backends.base import Backend
from gristmill.backends.cached import hits
from gristmill.backends.identity import identities
from gristmill.backends.kept import Kept
from gristmill.backends.many import Failed, Progress, Watch, Work, call_all
from gristmill.backends.resolve import Named
from gristmill.errors import DataError, RunError, StorageError
from gristmill.intake.cells import Refused, Row, Unusable, refused
from gristmill.intake.record import CONVERSATION, PAIR, Answer, Record
from gristmill.intake.source import Source
from gristmill.judges.reward import Reward
from gristmill.mill.parquet import close_parquet
from gristmill.parts import build
from gristmill.records import ATTRIBUTES, Prompt, Response, Verdict, prompt_id
from gristmill.storage import check_file, digest, locked
from gristmill.terminal.console import speaker
from gristmill.terminal.live import Bar

COLUMNS = (*ATTRIBUTES, "reward", "chosen_score", "rejected_score", "error")
"""What is written beside a row's own columns: a conversation's attributes and reward, or the
rewards of a pair's better and worse answer, as training reads them."""
TYPES = {name: pa.float64() for name in COLUMNS} | {"error": pa.string()}

Task = tuple[str, Prompt, Answer]
"""The key of an answer, what it answers, and the answer."""


def answers_of(source: Source) -> Iterator[tuple[Row, Record | Refused]]:
    """Each row with the answers in it that are graded, or what is wrong with it."""
    for where, row, read in source.rows():
        if isinstance(row, Refused):
            yield {"line": row.text}, row
            continue
        try:
            yield row, source.record(row, where, (CONVERSATION, PAIR))
        except Unusable as error:
            yield row, refused(where, error, read)


def _graded(record: Record) -> list[tuple[tuple[str, ...], Answer]]:
    """The answers of a row, each with the columns that its grades go into: one answer's all, of
    several the best's and the worst's rewards."""
    answers = record.answers
    if len(answers) == 1:
        return [((*ATTRIBUTES, "reward"), answers[0])]
    return [(("chosen_score",), answers[0]), (("rejected_score",), answers[-1])]


@dataclass(frozen=True)
class Scored:
    """Of a scored file: rows written, and how many of them have an `error` instead of a score;
    `bad_input` of those have no answer that can be graded. cached: scores out of the cache. said:
    the first `error`; empty where there is none."""

    out: Path
    rows: int
    failed: int
    bad_input: int
    cached: int = 0
    said: str = ""


def score(
    source: str | Path,
    model: Named | Reward,
    out: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    cache: str | Path | None = None,
    watch: Watch | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Scored:
    """Write `out` (JSONL or Parquet): each row of `source` in order with its scores.

    source: conversations or pairs in any form and place (docs/data.md); columns: its names for
    ours. Every row of it is in `out`: a conversation with the five attributes and `reward`, a pair
    with `chosen_score` and `rejected_score`, or with `error` saying why it has none. Columns of
    these names that it had before (people's labels, say) go on as `given_helpfulness` and so on, or
    `given_2_helpfulness` where that is taken.
    settings: of the model (`concurrency`, `key_env`, ...); those that are None count as left out.
    cache: a folder of answers for other work to use again, and of those to use here.
    watch: called with the `Progress`, in place of the bar; quiet: show nothing.

    The scores are kept in `out`.work as they come: run again, it goes on, and what failed is tried
    again. Raises InputError, BackendFatal, or RunError if no row could be scored.
    """
    out, rows = Path(out), Source(file=str(source), columns=dict(columns or {}))
    if not isinstance(model, Reward):
        given = {k: v for k, v in settings.items() if v is not None}
        model = build(Reward, {"model": model, **given}, "score")
    rows.check(CONVERSATION, PAIR)
    if out.suffix.lower() not in (".jsonl", ".parquet"):
        raise DataError(f"{out}: name the output .jsonl or .parquet")
    if out.exists() and out.resolve() == Path(source).resolve():
        raise DataError(f"{out}: is the input itself; name another file with --out")
    model.open()  # Not entered: nothing is loaded, but a wrong name is found before any work.
    work = out.with_name(out.name + ".work")
    check_file(out, (work / "scores.log").exists())
    with caching(cache), locked(work, work / "lock"), Kept(work / "scores.log") as kept:
        scoring = _Scoring(rows, model, kept)
        with nullcontext(watch) if watch else Bar(speaker(quiet)) as seen:
            scoring.ask(seen)
        done = scoring.write(out)
    if done.bad_input == done.rows:
        raise DataError(
            f"{source}: no row has an answer to grade; the column 'error' of {out} says why"
        )
    if done.failed == done.rows:
        raise RunError(
            f"no row could be scored, the first: {done.said}; the column 'error' of {out} has each"
        )
    return done


@dataclass
class _Scoring:
    """The two passes over a file: the first asks, the second writes."""

    source: Source
    judge: Reward
    kept: Kept
    columns: dict[str, None] = field(default_factory=dict)
    """All that the first pass saw."""

    def __post_init__(self) -> None:
        self._who = [digest(one) for one in identities(self.judge)]

    def _key(self, prompt: Prompt, answer: Answer) -> str:
        """Of the scores under any of the model's names, or, where there are none, its first."""
        asked = prompt_id((*prompt.messages, *answer.turns), prompt.tools)
        keys = [digest([who, asked]) for who in self._who]
        return next((key for key in keys if key in self.kept), keys[0])

    def ask(self, watch: Watch) -> None:
        """Have every answer graded that is not yet; equal ones once."""
        progress = Progress("", self.judge.model, 1, 1, self.source.count() or 0)
        work = Work(self.judge.open, self.judge.concurrency, self._grade, self._keep)
        loop.run(call_all(work, self._wanted(progress), progress, watch))

    def _wanted(self, progress: Progress) -> Iterator[Task]:
        under_way: set[str] = set()
        for given, record in answers_of(self.source):
            self.columns |= dict.fromkeys(given)
            if isinstance(record, Refused):
                progress.failed[record.reason] += 1
                continue
            for _, answer in _graded(record):
                key = self._key(record.prompt, answer)
                if key in self.kept or key in under_way:
                    progress.done += 1
                    continue
                under_way.add(key)
                yield key, record.prompt, answer

    async def _grade(self, backend: Backend, task: Task) -> Verdict:
        _, prompt, answer = task
        *before, last = (*prompt.messages, *answer.turns)
        # What came after the user's last turn led to the answer, and is graded with it.
        start = max((n for n, turn in enumerate(before, 1) if turn.role == "user"), default=0)
        asked = Prompt("", tuple(before[:start]), tools=prompt.tools)
        said = Response(
            last.content,
            "",
            reasoning=last.reasoning,
            tool_calls=last.tool_calls,
            steps=tuple(before[start:]),
        )
        return await self.judge.judge(backend, asked, self.judge.shown(said) or said)

    def _keep(self, task: Task, found: Verdict | Failed) -> int:
        if isinstance(found, Failed):
            self.kept.add(task[0], found)
            return 0
        self.kept.add(task[0], {"attributes": found.attributes, "reward": found.reward})
        return found.tokens

    def write(self, out: Path) -> Scored:
        """Write the file, whole or not at all."""
        fresh = out.with_name(out.name + ".new")
        rows = failed = bad = 0
        said = ""
        prefix = _free_prefix(self.columns)
        try:
            with _Writer(fresh) as write:
                for given, record in answers_of(self.source):
                    scores = self._scores(record)
                    renamed = {f"{prefix}{k}" if k in COLUMNS else k: v for k, v in given.items()}
                    write({**renamed, "error": None, **scores})
                    rows += 1
                    failed += "error" in scores
                    said = said or scores.get("error", "")
                    bad += isinstance(record, Refused)
            fresh.replace(out)
        except OSError as error:
            # pyarrow's own text wraps the system's.
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise StorageError(f"{out}: cannot write: {reason}") from None
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
        return Scored(out, rows, failed, bad, hits(), said)

    def _scores(self, record: Record | Refused) -> dict[str, Any]:
        if isinstance(record, Refused):
            return {**dict.fromkeys((*ATTRIBUTES, "reward")), "error": str(record)}
        found: dict[str, Any] = {}
        for columns, answer in _graded(record):
            given = self.kept.get(key := self._key(record.prompt, answer))
            if given is None:
                failure = self.kept.failure(key)
                if failure is None:
                    raise DataError(
                        f"{self.source.file}: was changed while it was scored; run again"
                    )
                said = f"{failure.kind}: {failure.detail}"
                return {**found, **dict.fromkeys(columns), "error": said}
            five = dict.fromkeys(ATTRIBUTES) | dict(
                zip(ATTRIBUTES, given["attributes"] or (), strict=False)
            )
            values = {**five, "reward": given["reward"]}
            found |= {name: values.get(name, given["reward"]) for name in columns}
        return found


def _free_prefix(columns: dict[str, None]) -> str:
    """What the names of given columns begin with that would else be overwritten: `given_`, or
    `given_2_` in a file that has such columns from before, and so on."""
    given = [name for name in columns if name in COLUMNS]
    number, prefix = 1, "given_"
    while any(f"{prefix}{name}" in columns for name in given):
        number += 1
        prefix = f"given_{number}_"
    return prefix


class _Writer:
    """Gives a function that writes one row; the file is whole when the block ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> Callable[[dict[str, Any]], None]:
        if self._path.name.endswith(".parquet.new"):
            return self._rows.append
        self._file = self._path.open("wb")
        return lambda row: (self._file.write(orjson.dumps(row, default=str) + b"\n"), None)[1]

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if hasattr(self, "_file"):
            self._file.close()
        elif kind is None:
            # Columns differ between users' files, so that the schema is known only at the end.
            table = _table(self._rows)
            file = pq.ParquetWriter(self._path, table.schema, compression="zstd")
            with ExitStack() as stack:
                stack.callback(close_parquet, file)
                file.write_table(table)


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    """All columns that any row has; one whose values have no common type becomes JSON text."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {}
    for name in (*(n for n in names if n not in COLUMNS), *(n for n in COLUMNS if n in names)):
        values = [row.get(name) for row in rows]
        try:
            columns[name] = pa.array(values, TYPES.get(name))
        except (pa.ArrowException, OverflowError):
            columns[name] = pa.array([_json(v) for v in values], pa.string())
    return pa.table(columns)


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value, default=str).decode()
