"""The prompts of a run whose config names recipes: written first, then read as files."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any

from gristmill.backends import Calls, loop
from gristmill.errors import ConfigError
from gristmill.intake.source import Source
from gristmill.mill.budget import Purse
from gristmill.mill.config import Config
from gristmill.mill.folder import Folder
from gristmill.mill.journal import Journal
from gristmill.mill.prompts import Written
from gristmill.mill.synthesis import Desk, Writing

LOWEST_SHARE = 0.05
"""Accepted share of prompts that is assumed at least; else one bad start would ask for millions."""


def with_slack(needed: float, among: int) -> int:
    """Prompts to write from each of several sources, a tenth more than are expected to be needed in
    all: it is cheaper than another round."""
    return ceil(round(1.1 * needed / among, 6))


def first_counts(config: Config, limit: int | None) -> dict[int, int]:
    """How many prompts each source that a model writes is to have, by its place in `prompts`, as
    far as is known before the first is answered. Those without a count share the target."""
    written = {i: s for i, s in enumerate(config.prompts) if not isinstance(s, Source)}
    open_ended = sum(source.count is None for source in written.values())
    target = config.target
    counts = {}
    for place, source in written.items():
        if source.count is None and target is None:
            raise ConfigError(
                f"prompts: {source.name}: give it a count, or the run a target, to say how many"
            )
        count = source.count or with_slack(target or 0, open_ended)
        counts[place] = min(count, limit) if limit else count
    return counts


class Supply:
    """The prompts of one run, and how many of them are wanted from each recipe."""

    def __init__(self, config: Config, folder: Folder, limit: int | None) -> None:
        self._config, self._folder, self._limit = config, folder, limit
        self._dry = False
        self._accepted = 0
        self.began = time.monotonic()
        self._wanted = first_counts(config, limit)
        for place, source in self._sources():
            path = self._path(place, source)
            if source.count is None and limit is None and path.exists():
                # An earlier session may have found that it takes more.
                written = path.read_bytes().count(b"\n")
                self._wanted[place] = max(self._wanted[place], written)

    def _sources(self) -> list[tuple[int, Written]]:
        named = enumerate(self._config.prompts)
        return [(i, s) for i, s in named if not isinstance(s, Source)]

    def _path(self, place: int, source: Written) -> Path:
        return self._folder.path / "prompts" / f"{place}-{source.name}.jsonl"

    def licences(self) -> list[str | None]:
        """Of the models that write the prompts, as far as they are given."""
        default = self._config.generate[0]
        return [part.open(default).licence for _, s in self._sources() for part in s.parts]

    def as_files(self) -> Config:
        """The config as the rest of the mill knows it: with the files in place of the recipes."""
        if not self._wanted:
            return self._config
        files: list[Any] = [
            source if isinstance(source, Source) else Source(file=str(self._path(place, source)))
            for place, source in enumerate(self._config.prompts)
        ]
        return self._config.model_copy(update={"prompts": files})

    def write(self, journal: Journal, watch: Callable[[Writing], None]) -> list[Writing]:
        """Write the prompts of every recipe. What was asked before costs nothing."""
        if not self._wanted:
            return []
        (self._folder.path / "prompts").mkdir(exist_ok=True)
        calls = Calls(self._folder.checkpoint / "recipes.jsonl")
        try:
            before = journal.spent.or_later(calls.spent)
            purse = Purse(self._config.budget, before, elsewhere=journal.elsewhere)
            items = self._folder.path / "prompts" / "items.jsonl"
            desk = Desk(calls, purse, items, self._config.generate[0], watch)
            written = []
            for place, source in self._sources():
                path, count = self._path(place, source), self._wanted[place]
                written.append(loop.run(desk.write(source, count, path)))
            journal.spent = purse.spent()
        finally:
            calls.close()
        self._dry = all(w.short for w in written)
        return written

    def grow(self, metrics: dict[str, Any]) -> bool:
        """Want more from the recipes that have no count, by what share of the prompts was
        accepted. False if there are none, if they have no more, or if what was added last brought
        not one that was accepted."""
        target, prompts = self._config.target, metrics["prompts"]
        open_ended = [place for place, source in self._sources() if source.count is None]
        if target is None or self._dry or not open_ended or self._limit is not None:
            return False
        if prompts["accepted"] <= self._accepted:
            return False  # what was added brought nothing: more of it would only cost
        self._accepted = prompts["accepted"]
        missing = target - prompts["accepted"]
        share = max(LOWEST_SHARE, prompts["accepted"] / max(1, prompts["finished"]))
        more = with_slack(missing / share, len(open_ended))
        for place in open_ended:
            self._wanted[place] += more
        return True
