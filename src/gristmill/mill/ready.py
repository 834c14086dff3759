"""Whether the files that a config names are there, and hold what its parts need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from gristmill.backends import open_chat
from gristmill.backends.base import Backend
from gristmill.errors import DataError
from gristmill.intake.cells import Refused
from gristmill.intake.source import Source
from gristmill.mill.config import Config
from gristmill.mill.feed import items
from gristmill.mill.prompts import check_source
from gristmill.parts import name_of


def check(config: Config) -> None:
    """Look at all that can be wrong with a config's files, before anything is spent; what can be
    told from the config alone, `Config.of` has looked at. Raises InputError."""
    for source in config.prompts:
        check_source(source)
    _ = config.lineup().examples, config.tools()
    check_truths(config)
    for part in config.open_filters():
        part.check()


def openers(config: Config) -> Iterator[Callable[[], Backend]]:
    """What opens each model of a config, which raises InputError for what it lacks here. Opened is
    not entered: nothing is loaded and nobody asked."""
    yield from (partial(open_chat, entry) for entry in config.generate)
    for player in config.generate[0].players:
        yield partial(open_chat, player)
    yield from (judge.open for judge in config.open_judges())
    for source in config.prompts:
        for part in () if isinstance(source, Source) else source.parts:
            yield partial(open_chat, part.open(config.generate[0]))


def notices(config: Config) -> list[str]:
    """What to know of how its judges work on this machine. Raises InputError as opening them."""
    return [judge.notice for judge in config.open_judges() if judge.notice]


def check_all(config: Config) -> None:
    """The files and the models, before there is a folder. Raises InputError."""
    check(config)
    for opener in openers(config):
        opener()


def check_truths(config: Config) -> None:
    """Raises DataError where a judge would have nothing to say of any prompt, or a model no tool to
    play, and MissingExtra where a judge could say nothing of some, before one is asked.

    The files are read as far as the first prompt of which each judge has something to say: the
    first one, nearly always; to their end for judges that have to `look`. What recipes write is not
    known yet, and is not looked at.
    """
    if not all(isinstance(source, Source) for source in config.prompts):
        return
    judges = config.open_judges()
    silent = {name_of(judge): judge.needs for judge in judges if judge.needs}
    looking = [judge.look for judge in judges if judge.looks]
    toolless = (tools := config.tools()) is not None and not tools.tools
    there, aside = False, None
    for item in items(config, None):
        if isinstance(item, Refused):
            aside = aside or item
            continue
        there = True
        for look in looking:
            look(item[0])
        silent = {name: fact for name, fact in silent.items() if not getattr(item[0], fact)}
        toolless = toolless and not item[0].tools
        if not (silent or looking or toolless):
            return
    if there and toolless:
        raise DataError(
            "generate.tools: no prompt has 'tools' that a model could play; add the column, name "
            "it (columns: {tools: yours}), or give `simulate` a `file`"
        )
    for name, fact in silent.items() if there else ():
        raise DataError(
            f"judges.{name}: no prompt has '{fact}', so that it could say nothing of any response; "
            f"add the column, name it (columns: {{{fact}: yours}}), or leave the judge out"
            + (f" (rows are put aside, the first: {aside})" if aside else "")
        )
