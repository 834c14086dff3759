"""What parts of a config ask of each other: all that can be told before a file is opened.

A config under which nothing could be kept, or that means something else than it says, would be paid
for to the end; so it is refused at the beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from gristmill.backends.calling import Calling
from gristmill.backends.resolve import is_rented
from gristmill.errors import ConfigError
from gristmill.filters.base import Filter
from gristmill.intake.source import Source
from gristmill.judges.base import Judge
from gristmill.mill.generate import Generate
from gristmill.mill.lineup import Lineup
from gristmill.mill.weigh import weight_of
from gristmill.parts import is_own, name_of, nearest
from gristmill.tools.simulated import Simulated


class Parts(Protocol):
    """What is looked at of a `Config`, which itself has this done."""

    prompts: list[Any]
    select: Any
    budget: Any
    target: int | None
    export: list[Any]

    @property
    def entries(self) -> Sequence[tuple[str, Generate]]: ...
    @property
    def grades(self) -> bool: ...
    @property
    def model_fields_set(self) -> set[str]: ...
    def lineup(self) -> Lineup: ...
    def open_judges(self) -> list[Judge]: ...
    def open_filters(self) -> list[Filter]: ...


def cross_check(config: Parts) -> None:
    """Raises ConfigError where parts of a config do not go together, naming key and remedy."""
    filters, judges = config.open_filters(), config.open_judges()
    _check_export(config)
    for i, part in enumerate(filters):
        if lack := part.lacks(judges):
            raise ConfigError(f"keep[{i}].{name_of(part)}: {lack}")
    if any(part.needs_survey for part in filters) and config.target is not None:
        raise ConfigError(
            "target: cannot go with a quantile in keep.threshold, which is known only when "
            "every prompt is scored; give fixed bounds, or leave target out"
        )
    for i, judge in enumerate(judges):
        if lack := judge.lacks(config.lineup().least):
            raise ConfigError(f"judges[{i}].{name_of(judge)}: {lack}")
    _check_weights(config)
    _check_tools(config.entries)
    if config.budget.usd is not None:
        check_prices(callings(config))


def _check_export(config: Parts) -> None:
    if "preference" not in config.export:
        return
    if not config.grades:
        raise ConfigError("export: preference needs a judge that grades; add one, or leave it out")
    if "export" in config.model_fields_set and config.lineup().most == 1:
        raise ConfigError(
            "export: preference needs two responses to a prompt, and generate.responses is 1; give "
            "more, or leave it out"
        )


def _check_tools(entries: Sequence[tuple[str, Generate]]) -> None:
    """All models have the same tools, which stand beside a prompt in its rows."""
    for where, entry in entries:
        if entry.tools != entries[0][1].tools:
            raise ConfigError(
                f"{where}.tools: other tools than {entries[0][0]} has; a prompt's rows have its "
                "tools, so give all entries the same ones, or none"
            )
        if entry.tools and entry.batch_api:
            raise ConfigError(
                f"{where}.batch_api: with `tools` each step of a response would wait hours for its "
                "batch; leave one of the two out"
            )


def _check_weights(config: Parts) -> None:
    """`select.weights` names judges or their models."""
    judges = config.open_judges()
    if not all(map(is_own, judges)):
        return  # somebody else's judge signs its verdicts as it likes
    known = [name_of(judge) for judge in judges]
    known += [judge.model for judge in judges if isinstance(judge, Calling)]
    weights = config.select.weights
    for name in weights:
        if name not in known:
            raise ConfigError(f"select.weights: no judge '{name}'; {nearest(name, known)}")
    grading = [judge for judge in judges if not judge.embeds]
    if grading and not any(weight_of(weights, name_of(j), _model(j)) for j in grading):
        raise ConfigError(
            "select.weights: every judge weighs 0, and nothing would have a reward; leave one above"
        )


def _model(judge: object) -> str:
    return judge.model if isinstance(judge, Calling) else ""


def callings(config: Parts) -> Iterator[tuple[str, Calling]]:
    """Every part of a config that calls a model, and the key where it stands."""
    yield from config.entries
    for i, source in enumerate(config.entries[0][1].tools):
        if isinstance(source, Simulated):
            yield f"generate.tools[{i}].simulate", source.simulate
    for i, judge in enumerate(config.open_judges()):
        if isinstance(judge, Calling):
            yield f"judges[{i}].{name_of(judge)}", judge
    for source in config.prompts:
        if not isinstance(source, Source):
            default = config.entries[0][1]
            yield from ((f"prompts.{p.name}", p.open(default)) for p in source.parts)


def check_prices(parts: Iterator[tuple[str, Calling]]) -> None:
    """Raises ConfigError where a model is behind an address, which may cost, and has no price: a
    budget in dollars would never end. Models on this machine cost nothing by the token."""
    missing = list[str]()
    for where, calling in parts:
        if not is_rented(calling):
            continue
        needed = ("input", "output") if hasattr(calling, "max_tokens") else ("input",)
        said = calling.price.model_fields_set if "price" in calling.model_fields_set else ()
        missing += [f"{where}.price.{name}" for name in needed if name not in said]
    if missing:
        raise ConfigError(
            f"budget.usd: there is no {', '.join(missing)}, so dollars cannot be counted; give "
            "US dollars per million tokens (0 for a server that costs nothing), or leave "
            "budget.usd out"
        )
