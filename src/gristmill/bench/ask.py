"""Ask a judge about every item, many at a time, and keep each outcome as soon as it is there."""

from __future__ import annotations

from collections.abc import Iterator

from gristmill.backends.kept import Kept
from gristmill.backends.many import Failed, Progress, Watch, Work, call_all
from gristmill.bench.items import Item
from gristmill.bench.judges import Judge
from gristmill.bench.outcomes import Outcome
from gristmill.intake.cells import Refused


async def ask_all(
    judge: Judge,
    items: Iterator[Item | Refused],
    outcomes: Kept,
    progress: Progress,
    watch: Watch,
) -> None:
    """Have every item judged that has no verdict yet.

    A failed call is an outcome of its own, counted and tried again by the next run; it is never a
    score. Raises BackendFatal, StorageError, and RunError where nothing but failures comes back.
    """

    def keep(item: Item, found: Outcome | Failed) -> int:
        if isinstance(found, Failed):
            outcomes.add(item.key, found)
            return 0
        outcomes.add(item.key, found.pack())
        return found.prompt_tokens + found.completion_tokens

    work = Work(judge.open, judge.settings.concurrency, judge.ask, keep)
    await call_all(work, _wanted(items, outcomes, progress), progress, watch)


def outcome_of(outcomes: Kept, item: Item) -> Outcome:
    """What a judge said of an item, or how it failed, or that it was not asked."""
    if (packed := outcomes.get(item.key)) is not None:
        return Outcome.unpack(packed)
    failed = outcomes.failure(item.key)
    return Outcome(failure=(failed.kind, failed.detail) if failed else ("missing", "was not asked"))


def _wanted(items: Iterator[Item | Refused], outcomes: Kept, progress: Progress) -> Iterator[Item]:
    """The items still to be judged; equal ones once."""
    under_way: set[str] = set()
    for item in items:
        if isinstance(item, Refused):
            continue
        key = item.key
        if key in outcomes or key in under_way:
            progress.done += 1
            continue
        under_way.add(key)
        yield item
