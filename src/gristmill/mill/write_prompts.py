"""Prompt synthesis alone: a file of prompts, and beside it the work that it took."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import orjson

from gristmill.backends import Calls, caching, loop
from gristmill.backends.cached import hits
from gristmill.errors import ConfigError
from gristmill.intake.source import Source
from gristmill.mill.budget import Purse, Spent
from gristmill.mill.config import Budget
from gristmill.mill.cross import check_prices
from gristmill.mill.prompts import PromptMix, Written, open_source
from gristmill.mill.synthesis import Desk, Writing
from gristmill.mill.writing_bar import WritingBar
from gristmill.parts import build, read_yaml
from gristmill.storage import check_file, locked, versions, write_atomically
from gristmill.terminal.console import speaker

Watch = Callable[[Writing], None]


def write_prompts(
    recipe: str | Path | Mapping[str, Any],
    out: str | Path,
    *,
    requests: int | None = None,
    cache: str | Path | None = None,
    watch: Watch | None = None,
    quiet: bool = False,
    **keys: Any,
) -> Writing:
    """Let a model write prompts into `out`, one JSON object a line: `gristmill prompts`.

    recipe: a recipe's name; a YAML file, or its values, `{recipe: ...}` or `{mix: [...]}` with a
    `budget:` if you like. keys: of the recipe (`model`, `count`, ...), which go before the file's;
    those that are None count as left out. requests: stop after so many, retries among them.
    cache: a folder of answers for other work to use again, and of those to use here.
    watch: called with the `Writing`, in place of the bar; quiet: show nothing.

    Beside it, `out`.work holds every call (run again, it goes on where it was), the items that
    were drafted on the way, and `report.json`. Raises InputError, BackendFatal, RunError.
    """
    source, budget = _source(recipe, {k: v for k, v in keys.items() if v is not None})
    if requests is not None:
        budget = budget.model_copy(update={"requests": requests})
    with caching(cache), nullcontext(watch) if watch else WritingBar(speaker(quiet)) as seen:
        return _write(source, Path(out), budget, seen)


def _source(recipe: str | Path | Mapping[str, Any], more: dict[str, Any]) -> tuple[Written, Budget]:
    if isinstance(recipe, Mapping):
        return _read(dict(recipe), more)
    path = Path(recipe)
    if path.suffix not in (".yaml", ".yml"):
        return _read({"recipe": str(recipe)}, more)
    try:
        source, budget = _read(read_yaml(path), more)
        return source.located(path.parent), budget
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _read(values: dict[str, Any], more: dict[str, Any]) -> tuple[Written, Budget]:
    budget = build(Budget, values.pop("budget", {}), "budget")
    source = open_source(_with(values, more), "") if {"recipe", "mix"} & set(values) else None
    if source is None or isinstance(source, Source):
        raise ConfigError("expected `recipe: ...` or `mix: [...]`")
    if budget.usd is not None:
        check_prices((part.name, part.open()) for part in source.parts)
    return source, budget


def _with(values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """A source's entry with more keys; of a mix, those that are its recipes' go to each of them."""
    mix = values.get("mix")
    if not isinstance(mix, list) or not all(isinstance(part, dict) for part in mix):
        return {**values, **more}
    own = {k: v for k, v in more.items() if k in PromptMix.model_fields}
    theirs = {k: v for k, v in more.items() if k not in own}
    return {**values, **own, "mix": [{**part, **theirs} for part in mix]}


def _write(source: Written, out: Path, budget: Budget, watch: Watch) -> Writing:
    if out.suffix.lower() not in (".jsonl", ".ndjson"):
        raise ConfigError(f"{out}: prompts are written as JSON lines; name a .jsonl file")
    if source.count is None:
        raise ConfigError(f"{source.name}: say how many prompts: count")
    source.check()
    work = out.with_name(out.name + ".work")
    check_file(out, (work / "calls.jsonl").exists())
    with locked(work, work / "lock"):
        calls = Calls(work / "calls.jsonl")
        try:
            purse = Purse(budget, Spent().or_later(calls.spent))
            desk = Desk(calls, purse, work / "items.jsonl", watch=watch)
            writing = loop.run(desk.write(source, source.count, out))
        finally:
            calls.close()
        spent = {**_spent(purse), "cached": hits()}
        report = {**writing.as_json(), "spent": spent, "versions": versions()}
        text = orjson.dumps(report, option=orjson.OPT_INDENT_2)
        write_atomically(work / "report.json", text)
    return writing


def _spent(purse: Purse) -> dict[str, Any]:
    s = purse.spent()
    tokens = {"prompt": s.prompt_tokens, "completion": s.completion_tokens}
    return {"requests": s.requests, "tokens": tokens, "usd": round(s.usd, 6)}
