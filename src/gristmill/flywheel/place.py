"""The flywheel's folder: whose it is, and where a round lies in it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gristmill.backends.identity import alike, told
from gristmill.errors import CheckpointError
from gristmill.flywheel.arms import Arm, Loaded
from gristmill.flywheel.deal import Dealt
from gristmill.flywheel.show import Show
from gristmill.mill.journal import stored_in
from gristmill.parts import identity_in
from gristmill.storage import differences, digest, read_saved, versions, write_atomically

SAID = 5
"""Differences between two configs that an error names."""


@dataclass(frozen=True)
class Place:
    """Where a round lies. root: the flywheel's folder; mill: the run that its rows come from;
    prompts: the round's prompt file; human: files of people's rows, in the config's order."""

    root: Path
    folder: Path
    mill: Path
    prompts: Path
    human: list[Path]
    show: Show

    @property
    def shared(self) -> bool:
        """Whether the mill's run is the main arm's, which has finished it."""
        return not self.mill.is_relative_to(self.folder)


def place_of(loaded: Loaded, arm: Arm, number: int, root: Path, show: Show) -> Place:
    """The place of an arm's round.

    Round 1's responses are the very same for all arms with the same judges, so that what is
    picked alone differs: with the same `keep` and `select` an arm reads the main arm's run, with
    others it decides anew on a copy of its checkpoint, without one call.
    """
    folder = root / "arms" / arm.name / f"round-{number}"
    prompts = root / "prompts"
    human = [prompts / f"human-{i}.jsonl" for i in range(1, len(loaded.flywheel.human) + 1)]
    mill = folder / "mill"
    mine, main = arm.identity(), loaded.main.identity()
    if number == 1 and arm is not loaded.main and mine["judges"] == main["judges"]:
        first = root / "arms" / loaded.main.name / "round-1" / "mill"
        if all(mine[key] == main[key] for key in ("keep", "select")):
            mill = first
        elif not mill.exists():
            _copy_checkpoint(first, mill)
    return Place(root, folder, mill, prompts / f"round-{number}.jsonl", human, show)


def _copy_checkpoint(there: Path, here: Path) -> None:
    fresh = here.with_name("mill.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(there / "checkpoint", fresh / "checkpoint")
    shutil.copy(there / "run.yaml", fresh / "run.yaml")
    fresh.replace(here)


def claim(loaded: Loaded, dealt: Dealt, out: Path) -> None:
    """Make the folder this config's. Raises CheckpointError where it is another's.

    Arms may be added to a folder; those that are in both must be the same.
    """
    file = out / "flywheel.yaml"
    identity = {**loaded.identity(), "prompts": dealt.digests()}
    if file.exists():
        known = _check(file, identity)
        identity["arms"] = {**known, **identity["arms"]}
    text = {
        **loaded.mill.model_dump(mode="json", exclude={"flywheel"}),
        "flywheel": loaded.flywheel.model_dump(mode="json"),
        "identity": identity,
        "hash": digest(identity),
        "versions": versions(),
    }
    write_atomically(file, yaml.safe_dump(text, sort_keys=False, allow_unicode=True))


def _check(file: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """The arms that the folder knows. Raises CheckpointError."""
    there = identity_in(file)
    known = there.get("arms")
    if not isinstance(known, dict):
        raise CheckpointError(f"{file}: of no flywheel; name another folder with --out")
    both = [name for name in known if name in identity["arms"]]
    mine = {**identity, "arms": {name: identity["arms"][name] for name in both}}
    there = {**there, "arms": {name: known[name] for name in both}}
    found = told(differences(alike(there, mine), mine))
    if found and not _holds_work(file.parent):
        return {}  # a wrong address, say, of which nothing came
    if found:
        more = f"; and {len(found) - SAID} more" if len(found) > SAID else ""
        raise CheckpointError(
            f"{file.parent}: this folder belongs to another config ({'; '.join(found[:SAID])}"
            f"{more}); name another folder with --out, or change the config back"
        )
    return known


def _holds_work(out: Path) -> bool:
    """Whether anything in a flywheel's folder was made: any response, or any round's figures."""
    made = any(any(stored_in(folder)) for folder in out.glob("**/checkpoint"))
    return made or any(True for _ in out.glob("**/figures.json"))


def read_figures(folder: Path) -> dict[str, Any] | None:
    """A finished round's figures; None where it is not finished. Raises CheckpointError."""
    file = folder / "figures.json"
    then = "delete it and run again: what it was made from is still there"
    return read_saved(file, then) if file.exists() else None


def write_figures(folder: Path, found: dict[str, Any]) -> None:
    """The last file of a round: where it is, the round is done."""
    write_atomically(folder / "figures.json", json.dumps(found, indent=2) + "\n")
