"""`gristmill arena battle`: models answer, judges decide, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from gristmill.arena.agreement import agreement
from gristmill.arena.battles import Battle, Battles
from gristmill.arena.duel.bouts import Bouts, model_identity
from gristmill.arena.duel.config import Config
from gristmill.arena.duel.judges.base import Judge
from gristmill.arena.duel.phases import Court, answer
from gristmill.arena.passed import Passed
from gristmill.arena.read import read_battles
from gristmill.arena.store import Votes
from gristmill.backends.cached import caching, hits
from gristmill.backends.identity import told, with_files
from gristmill.backends.kept import Kept
from gristmill.backends.many import Failed, Watch
from gristmill.errors import CheckpointError, DataError, StorageError
from gristmill.intake.record import PROMPT
from gristmill.storage import (
    check_free,
    differences,
    folder_of,
    locked,
    read_saved,
    versions,
    write_atomically,
)
from gristmill.storage.log import read_log

ANSWERS, VERDICTS = "answers.log", "verdicts.log"
"""The files of a folder in which everything lies that was paid for."""


def battle(
    config: Config, out: str | Path | None = None, watch: Watch | None = None
) -> dict[str, Any]:
    """Have the models answer, the judges decide, and store the votes. Returns the summary.

    out: the folder; by default `out/` and the config's name. Run again with the same folder, it
    goes on: nothing that is there is asked for again, and what failed is tried once more.

    The summary, also `summary.json` in the folder: `prompts`, `refused` (rows, by reason),
    `models` and `judges` (for each what it did, and its `failures` by reason), `pairs` that were
    to be fought and `battles` that had both answers, `agreement` (of all votes in the table, see
    `agreement.agreement`), `notes`, `votes` (the table's path), `folder`.
    Raises ConfigError, DataError, StorageError, CheckpointError, RunError.
    """
    folder = folder_of(out, config.name)
    watch = watch or (lambda _: None)
    judges = config.open_judges()
    for source in config.prompts:
        source.check(PROMPT)
    for part in (*config.models, *judges):
        part.open()  # Not entered: nothing is loaded, but a wrong name is found before any work.
    bouts = Bouts(config)
    if config.prompts and next(bouts.dealt(), None) is None:
        files = ", ".join(source.file for source in config.prompts)
        bad = next(bouts.refused())
        raise DataError(f"{files}: no prompt can be used; {bad.where}: {bad.detail}")
    written = ("summary.json", "refused.jsonl", ANSWERS, VERDICTS)
    check_free(folder, written, ours=(folder / "identity.json").exists())
    for place in (folder, Path(config.votes).parent):
        _make(place)
    with locked(folder, folder / ".lock"):
        _check_identity(config, folder)
        refused = _write_refused(bouts, folder)
        with ExitStack() as stack:
            stack.enter_context(caching(config.cache))
            votes = Votes(Path(config.votes))
            stack.callback(votes.close)
            answers = stack.enter_context(Kept(folder / ANSWERS))
            verdicts = stack.enter_context(Kept(folder / VERDICTS))
            for place in range(len(config.models)):
                answer(bouts, place, config.seed, answers, watch)
            courts = [
                Court(judge, number, len(judges), verdicts, votes)
                for number, judge in enumerate(judges, 1)
            ]
            for court in courts:
                court.decide(bouts, answers, watch)
            passed = Passed()
            summary = {
                "name": config.name,
                "folder": str(folder),
                "votes": config.votes,
                "refused": refused,
                "cached": hits(),
                **_answered(bouts, answers),
                **_decided(bouts, answers, verdicts, courts),
                "agreement": agreement(
                    Battles.of(_all_votes(config, votes, passed)), seed=config.seed
                ),
                "notes": [*_notes(config, judges), *passed.notes()],
                "versions": versions(),
            }
        write_atomically(folder / "summary.json", _json(summary))
    return summary


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot write: {error.strerror}") from None


def _check_identity(config: Config, folder: Path) -> None:
    """Raises CheckpointError where a model or judge had other settings under the same name: its
    votes before and after would be mixed without anybody seeing it."""
    path = folder / "identity.json"
    now: dict[str, dict[str, Any]] = {
        "models": {model.called: model_identity(model) for model in config.models},
        "judges": {judge.called: judge.identity() for judge in config.open_judges()},
    }
    now = orjson.loads(orjson.dumps(now))
    known: dict[str, dict[str, Any]] = {"models": {}, "judges": {}}
    if path.exists():
        known |= read_saved(
            path,
            "what models and judges had for settings is not known; name another folder with --out",
        )
        for kind, log in (("models", ANSWERS), ("judges", VERDICTS)):
            # Where nothing was said, as at a wrong address, nothing can be mixed.
            if all("failure" in said for _, said in read_log(folder / log)):
                known[kind] = {}
    for kind, named in now.items():
        for name, identity in named.items():
            before = known[kind].setdefault(name, identity)
            before |= with_files(before, identity)
            if found := told(differences(before, identity)):
                raise CheckpointError(
                    f"{folder}: {kind}: '{name}' had other settings here ({found[0]}); give it a "
                    "name of its own, or name another folder with --out"
                )
    write_atomically(path, _json(known))


def _write_refused(bouts: Bouts, folder: Path) -> dict[str, int]:
    """Write the rows that cannot be used; how many there are, by reason."""
    bad = list(bouts.refused())
    rows = [{"where": b.where, "reason": b.reason, "detail": b.detail, "row": b.text} for b in bad]
    write_atomically(folder / "refused.jsonl", b"".join(orjson.dumps(r) + b"\n" for r in rows))
    return dict(Counter(b.reason for b in bad))


def _answered(bouts: Bouts, answers: Kept) -> dict[str, Any]:
    found = [{"answers": 0, "tokens": 0, "cut_off": 0} for _ in bouts.models]
    failed = [Failures() for _ in bouts.models]
    prompts = 0
    for prompt, pairs in bouts.dealt():
        prompts += 1
        for model in {m for pair in pairs for m in pair}:
            key = bouts.answer_key(model, prompt)
            given = answers.get(key)
            if given is None:
                failed[model].add(answers.failure(key))
                continue
            found[model]["answers"] += 1
            found[model]["tokens"] += given["tokens"]
            found[model]["cut_off"] += given["finish"] == "length"
    models = {
        model.called: {**row, **why.as_json()}
        for model, row, why in zip(bouts.models, found, failed, strict=True)
    }
    return {"prompts": prompts, "models": models}


@dataclass
class Failures:
    """What failed, by kind, and what the first of them was told."""

    kinds: Counter[str] = field(default_factory=Counter)
    first: str = ""

    def add(self, failure: Failed | None) -> None:
        """Count one; None of a call that was not made."""
        self.kinds[failure.kind if failure else "not_asked"] += 1
        self.first = self.first or (failure.detail if failure else "")

    def as_json(self) -> dict[str, Any]:
        """For the summary."""
        return {"failures": dict(self.kinds.most_common()), "first_failure": self.first or None}


def _decided(bouts: Bouts, answers: Kept, verdicts: Kept, courts: list[Court]) -> dict[str, Any]:
    found: list[Counter[str]] = [Counter() for _ in courts]
    failed = [Failures() for _ in courts]
    pairs = battles = 0
    for bout in bouts.fought(answers):
        pairs += 1
        if bout is None:
            continue
        battles += 1
        for court, row, why in zip(courts, found, failed, strict=True):
            key = court.key(bout)
            verdict = verdicts.get(key)
            if verdict is None:
                why.add(verdicts.failure(key))
                continue
            row["votes"] += 1
            row["ties"] += verdict["winner"] == "tie"
            row["flips"] += verdict.get("flipped", False)
            row["equal"] += verdict.get("equal", False)
            row["tokens"] += verdict.get("tokens", 0)
    kinds = ("votes", "ties", "flips", "equal", "tokens")
    judges = {
        court.judge.called: {**{k: row[k] for k in kinds}, **why.as_json()}
        for court, row, why in zip(courts, found, failed, strict=True)
    }
    return {"pairs": pairs, "battles": battles, "judges": judges}


def _notes(config: Config, judges: Sequence[Judge]) -> list[str]:
    """What a reader of the votes should know."""
    notes = []
    for judge in judges:
        if own := [model.called for model in config.models if model.model == judge.model]:
            notes.append(
                f"{judge.called} also fights, as {', '.join(own)}: models tend to prefer their own "
                "answers, so check its votes against another judge's"
            )
    return notes


def _all_votes(config: Config, votes: Votes, passed: Passed) -> Iterator[Battle]:
    """The votes of the table and of the files that were judged once more, without their texts,
    which agreement has no use for."""
    table = Path(config.votes).resolve()
    others = [s for s in config.battles if Path(s.file).resolve() != table]
    read = (read_battles([s.file], s.columns, passed) for s in others)
    for battle in chain(votes.battles(), *read):
        yield replace(battle, prompt="", conversation_a=(), conversation_b=())


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)
