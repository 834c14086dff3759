"""The prompts of a run whose config names recipes: written first, then read as files."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any

from gristmill.backends import Calls, loop
from gristmill.errors import ConfigError
from gristmill.mill.budget import Purse
from gristmill.mill.config import Config
from gristmill.mill.folder import Folder
from gristmill.mill.journal import Journal
from gristmill.mill.prompts import PromptFile, Written
from gristmill.mill.synthesis import Desk, Writing, later

SLACK = 10
"""Beyond the prompts that are expected to be needed, a tenth is written: it is cheaper than another
round."""

LOWEST_SHARE = 0.05
"""Accepted share of prompts that is assumed at least; else one bad start would ask for millions."""


def first_count(source: Written, target: int | None) -> int:
    """How many prompts a source is to write, as far as is known before the first is answered."""
    if source.count is not None:
        return source.count
    if target is None:
        raise ConfigError(
            f"prompts: {source.name}: give it a count, or the run a target, to say how many"
        )
    return target + ceil(target / SLACK)


def to_write(config: Config, limit: int | None) -> int:
    """Prompts that recipes are to write for a run."""
    written = (s for s in config.prompts if not isinstance(s, PromptFile))
    counts = (first_count(source, config.target) for source in written)
    return sum(min(count, limit) if limit else count for count in counts)


class Supply:
    """The prompts of one run, and how many of them are wanted from each recipe."""

    def __init__(self, config: Config, folder: Folder, limit: int | None) -> None:
        self._config, self._folder, self._limit = config, folder, limit
        self._dry = False
        self._accepted = 0
        self._wanted: dict[int, int] = {}
        for place, source in self._sources():
            self._wanted[place] = min(self._first(source, place), limit or 1 << 62)

    def _sources(self) -> list[tuple[int, Written]]:
        named = enumerate(self._config.prompts)
        return [(i, s) for i, s in named if not isinstance(s, PromptFile)]

    def _first(self, source: Written, place: int) -> int:
        """How many prompts to begin with: at least as many as an earlier session wrote."""
        first = first_count(source, self._config.target)
        path = self._path(place, source)
        if source.count is not None or not path.exists():
            return first
        return max(first, path.read_bytes().count(b"\n"))

    def _path(self, place: int, source: Written) -> Path:
        return self._folder.path / "prompts" / f"{place}-{source.name}.jsonl"

    def as_files(self) -> Config:
        """The config as the rest of the mill knows it: with the files in place of the recipes."""
        if not self._wanted:
            return self._config
        files: list[Any] = [
            source
            if isinstance(source, PromptFile)
            else PromptFile(file=str(self._path(place, source)))
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
            before = later(journal.spent, calls.spent)
            purse = Purse(self._config.budget, before, [])
            items = self._folder.path / "prompts" / "items.jsonl"
            desk = Desk(calls, purse, items, self._config.generate, watch)
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
        needed = missing / share
        more = ceil((needed + needed / SLACK) / len(open_ended))
        for place in open_ended:
            self._wanted[place] += more
        return True
