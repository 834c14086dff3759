"""How far the judges of a run agree, and what each of them gave, failed at and leaned to.

One pass over `judgements` in `data/scored.parquet`, where all judges' verdicts on a response stand
in one order, and one over the failures in `data/rejected.parquet`; memory does not grow with the
run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from gristmill.judges.base import GroupJudge, Judge
from gristmill.parts import find_part, part_names
from gristmill.report import words
from gristmill.report.folder import Run, Table, numbers
from gristmill.report.tallies import Agreement, Opinions, Pair, Tally

ROWS = 2_048
"""Rows held at once: their reasons may be long."""

Tallies = defaultdict[int, Tally]
"""By the judge's place in the order in which they are asked."""


@dataclass(frozen=True)
class Judges:
    """The judges of a run that grade, in the order in which they were asked, and every two."""

    opinions: tuple[Opinions, ...]
    agreements: tuple[Agreement, ...]

    @property
    def names(self) -> list[str]:
        """What to call each: by its name, and its model where another has the same name."""
        count = Counter(one.name for one in self.opinions)
        return [
            one.name if count[one.name] == 1 else f"{one.name} {one.model}" for one in self.opinions
        ]


def measure_judges(run: Run) -> Judges | None:
    """Measure the verdicts of a run; None of no judge, and of one that gave bare rewards.

    A judge that embeds grades nothing: it keeps its place in the order, and is left out.
    """
    tables = [run.tables.get(name) for name in ("scored", "rejected")]
    scored, rejected = (t if t and t.rows and "judgements" in t.columns else None for t in tables)
    named = _named(run)
    tallies = Tallies(Tally)
    pairs: defaultdict[tuple[int, int], Pair] = defaultdict(Pair)
    if scored:
        for codes, rewards in _whole_prompts(_read(scored, tallies)):
            for i, j in combinations(range(rewards.shape[1]), 2):
                pairs[i, j].add(codes, rewards[:, i], rewards[:, j])
    if rejected:
        _read_failures(rejected, tallies)
    known = range(max([*tallies, len(named) - 1], default=-1) + 1)
    places = [n for n in known if n >= len(named) or not embeds(named[n][0])]
    alone = len(places) < 2 and not any(_is_group(name) for name, _ in named)
    if alone or not tallies.keys() & set(places):
        return None
    at = {place: n for n, place in enumerate(places)}
    return Judges(
        tuple(tallies[n].figures(*(named[n] if n < len(named) else ("", ""))) for n in places),
        tuple(
            pairs[i, j].figures(at[i], at[j], tallies[i].binary and tallies[j].binary)
            for i, j in combinations(places, 2)
        ),
    )


Chunk = tuple[np.ndarray, np.ndarray]
"""Prompt ids, (R,), and rewards, (R, judges), NaN where a judge has no say."""


def _read(table: Table, tallies: Tallies) -> Iterator[Chunk]:
    """The rewards batch by batch; counts what each judge gave on the way."""
    for batch in table.batches(["prompt_id", "judgements"], ROWS):
        rows, places, fields = _verdicts(batch.column("judgements"))
        rewards = np.full((len(batch), int(places.max(initial=-1)) + 1), np.nan)
        rewards[rows, places] = numbers(fields["reward"])
        for place in range(rewards.shape[1]):
            asked = places == place
            tallies[place].add(rewards[rows[asked], place], int(asked.sum()))
            _listen(tallies[place], fields, asked)
        yield batch.column("prompt_id").to_numpy(zero_copy_only=False), rewards


def _read_failures(table: Table, tallies: Tallies) -> None:
    """Count the responses that a judge failed to grade, and what those before it gave.

    The verdicts of such a response end where it failed: their number is the judge's place.
    """
    names = ["reason", "detail", "reward", "response", "judgements"]
    for batch in table.batches(names, ROWS):
        failed = [bool(r and r.startswith("error:")) for r in batch.column("reason").to_pylist()]
        answered = batch.column("response").is_valid().to_numpy(zero_copy_only=False)
        batch = batch.filter(pa.array(np.array(failed, bool) & answered))
        rows, places, fields = _verdicts(batch.column("judgements"))
        for place in np.unique(places).tolist():
            at = places == place
            tallies[place].add(numbers(fields["reward"])[at], int(at.sum()))
            _listen(tallies[place], fields, at)
        given = np.bincount(rows, minlength=len(batch))
        # One judge's bare reward needs no list: it stands in the row.
        bare = batch.column("judgements").is_null().to_numpy(zero_copy_only=False)
        given[bare] = 1
        if bare.any():
            tallies[0].add(numbers(batch.column("reward"))[bare], int(bare.sum()))
        reasons, details = (batch.column(name).to_pylist() for name in ("reason", "detail"))
        for place, reason, detail in zip(given.tolist(), reasons, details, strict=True):
            tallies[place].failed[reason.removeprefix("error:")] += 1
            tallies[place].hear(detail)


def _verdicts(lists: Any) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """The verdicts of a batch: of which row, of which judge by its place, and their fields."""
    sizes = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    flat = lists.flatten()
    names = [flat.type.field(i).name for i in range(flat.type.num_fields)]
    return rows, places, dict(zip(names, flat.flatten(), strict=True))


def _listen(tally: Tally, fields: dict[str, Any], at: np.ndarray) -> None:
    """Note who the judge is, and hear what it tells of its matches."""
    mask = pa.array(at)
    if not tally.name and at.any():
        tally.name = fields["judge"].filter(mask)[0].as_py() or ""
        tally.model = fields["model"].filter(mask)[0].as_py() or ""
    for detail in fields["detail"].filter(mask).to_pylist():
        tally.hear(detail)


def _whole_prompts(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """The chunks, cut where a prompt ends; ids as ascending numbers."""
    ids, rewards = np.empty(0, object), np.empty((0, 0))
    for more, values in chunks:
        ids = np.concatenate([ids, more])
        width = max(rewards.shape[1], values.shape[1])
        rewards = np.concatenate([_padded(rewards, width), _padded(values, width)])
        starts = np.flatnonzero(ids[1:] != ids[:-1]) + 1
        end = int(starts[-1]) if len(starts) else 0
        yield np.searchsorted(starts, np.arange(end), "right"), rewards[:end]
        ids, rewards = ids[end:], rewards[end:]
    yield np.zeros(len(ids), np.int64), rewards


def _padded(rewards: np.ndarray, width: int) -> np.ndarray:
    return np.pad(rewards, ((0, 0), (0, width - rewards.shape[1])), constant_values=np.nan)


def _named(run: Run) -> list[tuple[str, str]]:
    """(name, model) of the judges of the config, in the order in which they are asked."""
    judges = words.parts(run.config, "judges")
    judges.sort(key=lambda part: _is_group(part[0]))
    return [(name, str(options.get("model") or "")) for name, options in judges]


def _is_group(name: str) -> bool:
    """Whether it looks at all responses together; such judges are asked last."""
    return issubclass(_kind(name), GroupJudge)


def embeds(name: str) -> bool:
    """Whether it embeds responses and grades none."""
    return _kind(name).embeds is not Judge.embeds


def grades(config: dict[str, Any]) -> bool:
    """Whether a judge grades the responses, as far as the config says: one that embeds does not."""
    listed = words.parts(config, "judges")
    return "judges" not in config or any(not embeds(name) for name, _ in listed)


def _kind(name: str) -> type[Judge]:
    """The class behind a judge's name; `Judge` itself where it is none of gristmill's: a folder
    that is only looked at runs no code that it names."""
    known = name in part_names("gristmill.judges")
    return find_part("gristmill.judges", name, "judges") if known else Judge
