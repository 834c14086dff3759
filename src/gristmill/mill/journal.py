"""The checkpoint: an append-only log in which nothing that was paid for is lost.

Two logs (`gristmill.storage.log`):
`finished.jsonl` holds each finished prompt once with all its samples; `partial.jsonl` holds the
single responses and verdicts of prompts that are still under way, so that a crash repeats no
request but those in flight.

Each shard of a run (`gristmill.mill.shard`) has a journal of its own, in a folder beside these two;
whoever opens one reads the others, too, and writes to none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from gristmill.backends import remembered
from gristmill.backends.kept import Kept
from gristmill.backends.remembered import Calls
from gristmill.errors import DataError
from gristmill.keys import Places
from gristmill.mill.budget import Spent
from gristmill.mill.shard import Shard
from gristmill.records import PLAYING, Failure, Response, Sample, Verdict
from gristmill.storage.log import Log, last_record, read_log
from gristmill.storage.logs import Logs

PARTIAL_LIMIT = 64 << 20
"""Bytes of `partial.jsonl` after which it is started anew with what is still needed."""

LOGS = ("finished.jsonl", "partial.jsonl")
"""The files of a checkpoint, in its folder."""

CALLS = "calls.jsonl"
"""Single calls of judges that ask a chat model, in a checkpoint's folder."""

VECTORS = "vectors.jsonl"
"""Embeddings of the rows of files that filters compare with, in a checkpoint's folder."""

RESPONSE, VERDICTS, FAILURE = 1, 2, 3
"""Where a packed sample holds them."""


def journals(checkpoint: Path) -> list[Path]:
    """The folders of a checkpoint's journals: its own, and that of each shard."""
    return [checkpoint, *sorted(checkpoint.glob("*-of-*"))]


def spent_in(folder: Path) -> Spent:
    """The last total of the journal in a folder, which somebody may be writing to."""
    spent = Spent()
    for name in (*LOGS, CALLS):
        record = last_record(folder / name)
        spent = spent.or_later(record and record[2])
    return spent


def stored_in(checkpoint: Path) -> tuple[bool, bool]:
    """Whether a checkpoint holds any response, and any that is judged (by none, where the config
    had none); what is damaged counts as both."""
    response = verdict = False
    for path in (folder / name for folder in journals(checkpoint) for name in LOGS):
        whole = False
        for _, found, *_ in read_log(path) if path.exists() else ():
            whole = True
            finished = path.name == LOGS[0]
            samples = found if finished else [found] if found is not None else []
            response = response or any(s[RESPONSE] for s in samples)
            verdict = verdict or any(
                s[VERDICTS] or (finished and s[RESPONSE] and not s[FAILURE]) for s in samples
            )
            if response and verdict:
                return True, True
        if not whole and path.exists() and path.stat().st_size:
            return True, True
    return response, verdict


class Journal:
    """A checkpoint, open for writing by one process.

    Every record carries the `spent` totals of its moment, so that a resumed run knows what the
    earlier ones cost; a kill forgets at most the requests that were in flight.

    others: folders of journals that are only read. shard: whose prompts are looked for in them, all
    by default; the shards beside it may be writing to theirs.

    After opening, `spent` is the last total, `elsewhere` that of the others together, `finished`
    maps the key of each prompt that was finished before to its place, `failed` holds those of them
    with a failed sample, and `take_partial` gives what is known of one that is still to do.
    """

    def __init__(
        self, folder: Path, others: Sequence[Path] = (), shard: Shard | None = None
    ) -> None:
        growing = shard is not None
        self.folder = folder

        def logs(name: str) -> list[Path]:
            return [other / name for other in others]

        self._done = Logs(folder / LOGS[0], logs(LOGS[0]), growing=growing)
        self._under_way = Log(folder / LOGS[1])
        self.calls = Calls(folder / CALLS, logs(CALLS), growing=growing)
        self.vectors = Kept(folder / VECTORS)
        self.finished = Places()
        self.failed: set[int] = set()
        self._partial: dict[int, dict[int, list[Any]]] = {}
        """Of each prompt the records of its samples: the latest by their index, those that were
        found here by numbers below 0."""
        self._limit = PARTIAL_LIMIT
        self.spent = spent_in(folder)
        # A shard has an allowance of its own (`gristmill.mill.allowance`).
        self.elsewhere = Spent() if shard else Spent.total(map(spent_in, others))
        for place, (key, samples, *_) in self._done.scan():
            if shard is None or shard.has(key):
                self._note(key, place, len(samples), failed=any(s[FAILURE] for s in samples))
        for record in chain(*map(read_log, logs(LOGS[1])), (r for _, r in self._under_way.scan())):
            key = record[0]
            if (
                record[1] is not None
                and (shard is None or shard.has(key))
                and (key not in self.finished or key in self.failed)
            ):
                found = self._partial.setdefault(key, {})
                found[~len(found)] = record

    def _note(self, key: int, place: int, count: int, failed: bool) -> None:
        if not failed:
            again = key in self.finished and key not in self.failed
            if again and len(self.samples(self.finished[key], key)) > count:
                return  # another process has added the responses of one more model
            self.failed.discard(key)
        elif key in self.finished and key not in self.failed:
            return  # one process failed with it, and another did not
        else:
            self.failed.add(key)
        self.finished[key] = place

    def add_partial(self, key: int, sample: Sample, spent: Spent) -> None:
        """Remember what one sample has so far."""
        record = [key, _pack(sample), spent.as_list()]
        self._under_way.append(record)
        # What was known of the sample before is in it.
        self._partial.setdefault(key, {})[sample.index] = record
        if self._under_way.end > self._limit:
            self.forget_partial(spent)
            self._limit = max(PARTIAL_LIMIT, 2 * self._under_way.end)

    def add_finished(
        self, key: int, samples: tuple[Sample, ...], spent: Spent, facts: str = ""
    ) -> int:
        """Remember a finished prompt; returns its place. facts: what judges compared with, see
        `records.facts_id`."""
        record = [key, [_pack(s) for s in samples], spent.as_list()]
        place = self._done.append([*record, facts] if facts else record)
        self._partial.pop(key, None)
        return place

    def take_partial(self, key: int, place: int | None) -> dict[int, Sample]:
        """The samples of an unfinished prompt that need no new generation, by index.

        place: of its finished record, where it was finished with failures.
        """
        known = self.samples(place, key) if place is not None else ()
        result = {s.index: s for s in known if s.response is not None}
        for record in self._partial.get(key, {}).values():
            sample = _unpack(record[1])
            # Of one journal, later records know more; of several, any may be the one that does.
            old = result.get(sample.index)
            if old is None or _known(old) <= _known(sample):
                result[sample.index] = sample
        return result

    def samples(self, place: int, key: int) -> tuple[Sample, ...]:
        """The samples of the finished prompt at a place. Raises as `finished_at` does."""
        return self.finished_at(place, key)[0]

    def finished_at(self, place: int, key: int) -> tuple[tuple[Sample, ...], str]:
        """The samples of the finished prompt at a place, and the facts that it had then.

        Raises DataError if it is another prompt's, for then the input is no longer what it was.
        """
        written, samples, _, *facts = self._done.read(place)
        if written != key:
            raise DataError(
                "a prompt file was changed while the mill was at work; run again: what is "
                "finished is kept"
            )
        return tuple(map(_unpack, samples)), "".join(facts)

    def close(self) -> None:
        self._done.close()
        self._under_way.close()
        self.calls.close()
        self.vectors.close()

    def add_spent(self, spent: Spent) -> None:
        """Remember what was spent on calls that left no other record, such as failed ones."""
        if spent != self.spent:
            self._under_way.append([0, None, spent.as_list()])

    def forget_partial(self, spent: Spent) -> None:
        """Drop partial results of prompts that are finished by now."""
        records = [r for found in self._partial.values() for r in found.values()]
        self._under_way.restart([*records, [0, None, spent.as_list()]])


def _known(sample: Sample) -> tuple[bool, int, int]:
    """How much is known of a sample: whether it is answered, its steps, its verdicts."""
    r = sample.response
    if r is None:
        return False, 0, 0
    return r.finish_reason != PLAYING, len(r.steps), len(sample.verdicts)


def read_finished(checkpoint: Path) -> list[tuple[Sample, ...]]:
    """The samples of every finished prompt of a checkpoint that nobody need be able to write to.

    It may be growing: a half line at its end is passed over. Empty where there is none.
    """
    found = {}
    for folder in journals(checkpoint):
        for key, samples, *_ in read_log(folder / LOGS[0]):
            found[key] = tuple(map(_unpack, samples))
    return list(found.values())


def read_calls(checkpoint: Path) -> list[Response]:
    """The answers of judges that make many calls for one verdict; see `read_finished`."""
    records = chain(*(read_log(folder / CALLS) for folder in journals(checkpoint)))
    return [remembered.unpack(answer) for _, answer, _ in records if len(answer) > 2]


def _pack(sample: Sample) -> list[Any]:
    """A sample as short JSON lists; None where a part is missing."""
    r, f = sample.response, sample.failure
    return [
        sample.index,
        r and remembered.pack(r),
        [_pack_verdict(v) for v in sample.verdicts],
        f and [f.stage, f.kind, f.message],
    ]


def _unpack(packed: list[Any]) -> Sample:
    index, response, verdicts, failure = packed
    return Sample(
        index,
        remembered.unpack(response) if response else None,
        tuple(map(_unpack_verdict, verdicts)),
        Failure(*failure) if failure else None,
    )


def _pack_verdict(v: Verdict) -> list[Any]:
    packed: list[Any] = [v.judge, v.model, v.reward, v.attributes, v.tokens]
    if v.vector:
        return [*packed, v.detail, v.turns, v.vector]
    return [*packed, v.detail, v.turns] if v.detail or v.turns else packed


def _unpack_verdict(packed: list[Any]) -> Verdict:
    judge, model, reward, attributes, tokens, *more = packed
    detail, turns, *vector = more or ("", ())
    scores = tuple(attributes) if attributes else None
    verdict = Verdict(judge, model, reward, scores, tokens, detail, tuple(turns))
    return replace(verdict, vector=vector[0]) if vector else verdict
