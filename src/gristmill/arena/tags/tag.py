"""`gristmill arena tag`: the battles of a file again, with their categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
from pydantic import Field

from gristmill.arena.battles import Battle
from gristmill.arena.passed import Passed
from gristmill.arena.sources import named, places_of
from gristmill.arena.tags import derive
from gristmill.arena.tags.hard_prompt import criteria_in, hard_prompt, request, template
from gristmill.arena.tags.texts import texts_of
from gristmill.backends import loop
from gristmill.backends.base import Backend
from gristmill.backends.identity import identity
from gristmill.backends.kept import Kept
from gristmill.backends.many import Failed, Progress, Watch, Work, call_all
from gristmill.errors import BackendError, DataError, StorageError
from gristmill.judges._asking import Asking
from gristmill.records import Message, prompt_id
from gristmill.storage import digest, locked

SAID = 2000
"""Characters of the tagger's reply that are kept: its end, where the answer is."""


class Tagger(Asking):
    """How the chat model is asked that finds the hard prompts."""

    max_tokens: int = Field(default=1024, ge=1)
    """Room for its reasons and the list; a reply that is cut off before the list has none."""

    def identity(self) -> dict[str, Any]:
        """What decides the tags."""
        return {**identity(self), "template": template()}


def tag(
    sources: Sequence[str | Path],
    out: str | Path,
    tagger: Tagger | None = None,
    watch: Watch | None = None,
    columns: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write the battles of several sources (see `read.read_battles`) as JSONL, with categories.

    `categories` are those that a battle has and those of the rules (`derive`). With a `tagger`,
    `criteria` are what a prompt demands by its word, and `hard_prompt` is a category of those with
    six or more; a prompt without a readable answer has neither, is counted, and is asked about
    again the next time. Equal prompts are asked about once, and never again: the answers are in
    a log beside the output, named as it is with `.tags.log` at the end.

    Returns `battles`, `categories` (how many battles have each), `prompts`, `tagged`, `hard`,
    `failures` (prompts, by reason), `without_text` (battles), `notes` (what was left out). Raises
    DataError, ConfigError, StorageError, CheckpointError, RunError.
    """
    out = Path(out)
    if out.suffix not in (".jsonl", ".ndjson"):
        raise DataError(f"{out}: the battles are written as JSONL; name the file with .jsonl")
    source = _Battles(sources, columns or {})
    if out.exists() and out.resolve() in source.files():
        raise DataError(f"{out}: is the input itself; name another file")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{out.parent}: cannot write: {error.strerror}") from None
    if tagger is None:
        return _write(source, out, _Known(None, None))
    tagger.open()  # Not entered: nothing is loaded, but a wrong name is found before any work.
    log = out.with_name(out.name + ".tags.log")
    lock = log.with_name(log.name + ".lock")
    with locked(log, lock), Kept(log) as results:
        known = _Known(results, digest(tagger.identity()))
        _ask(source, tagger, known, watch or (lambda _: None))
        return _write(source, out, known)


class _Known:
    """What the tagger said of each prompt."""

    def __init__(self, results: Kept | None, tagger: str | None) -> None:
        self.results = results
        self._tagger = tagger

    def key(self, prompt: str) -> str:
        return digest([prompt_id((Message("user", prompt),)), self._tagger])

    def criteria(self, prompt: str) -> list[str] | None:
        found = self.results.get(self.key(prompt)) if self.results and prompt else None
        return None if found is None else found["criteria"]


@dataclass(frozen=True)
class _Battles:
    """The battles, read anew at each pass."""

    sources: Sequence[str | Path]
    columns: Mapping[str, str]

    def read(self, passed: Passed | None = None) -> Iterator[Battle]:
        from gristmill.arena.read import read_battles

        return read_battles(self.sources, self.columns, passed)

    def files(self) -> list[Path]:
        return [Path(named(place)).resolve() for place in places_of(self.sources)[0]]


def _prompts(source: _Battles, known: _Known) -> Iterator[tuple[str, str]]:
    """(key, prompt) of each different prompt that is known."""
    seen: set[str] = set()
    for battle in source.read():
        prompt = texts_of(battle).first
        key = known.key(prompt)
        if prompt and key not in seen:
            seen.add(key)
            yield key, prompt


def _ask(source: _Battles, tagger: Tagger, known: _Known, watch: Watch) -> None:
    results = known.results
    assert results is not None
    total = sum(1 for _ in _prompts(source, known))
    progress = Progress("hard prompts", tagger.model, 1, 1, total)

    def wanted() -> Iterator[tuple[str, str]]:
        for key, prompt in _prompts(source, known):
            if key in results:
                progress.done += 1
            else:
                yield key, prompt

    async def ask(backend: Backend, task: tuple[str, str]) -> dict[str, Any]:
        reply = await tagger.ask(backend, request(task[1]))
        criteria = criteria_in(reply.text)
        if criteria is None:
            raise BackendError("unreadable", f"no list of numbers in: {reply.text[-200:]!r}")
        used = sum(reply.paid)
        return {"criteria": criteria, "said": reply.text[-SAID:], "tokens": used}

    def keep(task: tuple[str, str], result: dict[str, Any] | Failed) -> int:
        results.add(task[0], result)
        return 0 if isinstance(result, Failed) else result["tokens"]

    work = Work(tagger.open, tagger.concurrency, ask, keep)
    loop.run(call_all(work, wanted(), progress, watch))


def _write(source: _Battles, out: Path, known: _Known) -> dict[str, Any]:
    """Write the file, whole or not at all, and count."""
    found: Counter[str] = Counter()
    categories: Counter[str] = Counter()
    prompts: dict[str, Failed | None] = {}
    hard = 0
    passed = Passed()
    fresh = out.with_name(out.name + ".new")
    try:
        with fresh.open("wb") as file:
            for battle in source.read(passed):
                prompt = texts_of(battle).first
                criteria = known.criteria(prompt)
                tagged = _categories(battle, criteria)
                row = replace(battle, categories=tagged).as_row()
                if criteria is not None:
                    row["criteria"] = criteria
                file.write(orjson.dumps(row) + b"\n")
                found["battles"] += 1
                found["without_text"] += not prompt
                categories.update(tagged)
                if prompt and (key := known.key(prompt)) not in prompts:
                    prompts[key] = known.results.failure(key) if known.results else None
                    hard += criteria is not None and hard_prompt(criteria)
        fresh.replace(out)
    except OSError as error:
        raise StorageError(f"{out}: cannot write: {error.strerror}") from None
    finally:
        fresh.unlink(missing_ok=True)
    failures = Counter(failed.kind for failed in prompts.values() if failed)
    return {
        "battles": found["battles"],
        "without_text": found["without_text"],
        "categories": dict(sorted(categories.items())),
        "prompts": len(prompts),
        "tagged": len(prompts) - failures.total() if known.results else 0,
        "hard": hard,
        "failures": dict(failures.most_common()),
        "notes": passed.notes(),
    }


def _categories(battle: Battle, criteria: list[str] | None) -> tuple[str, ...]:
    hard = ("hard_prompt",) if criteria is not None and hard_prompt(criteria) else ()
    return tuple(dict.fromkeys((*battle.categories, *derive(battle), *hard)))
