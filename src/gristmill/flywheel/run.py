"""The flywheel: rounds of every arm, measured against each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console

from gristmill.errors import CheckpointError, StorageError
from gristmill.flywheel import deal, figures
from gristmill.flywheel.arms import Arm, Loaded
from gristmill.flywheel.evaluate import marks_of, measure
from gristmill.flywheel.figures import Marks
from gristmill.flywheel.page import write_page
from gristmill.flywheel.rounds import Models, Place, turn
from gristmill.flywheel.show import Show
from gristmill.storage import differences, digest, locked, versions, write_atomically


@dataclass(frozen=True)
class Outcome:
    """What a flywheel left behind. best: model string of the main arm's best round, round 0's
    student among them."""

    folder: Path
    best: str
    metrics: dict[str, Any]


@dataclass
class Wheel:
    """One process's work on a flywheel's folder."""

    loaded: Loaded
    root: Path
    show: Show
    dealt: deal.Dealt
    marks: dict[str, list[Marks]] = field(default_factory=dict)
    rounds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    stopped: str = ""

    def run(self) -> None:
        """Measure the student, then turn every arm; the main one says how many rounds."""
        self.show.at("round 0")
        student, main = self.loaded.student, self.loaded.main
        zero = self._measured(student, self.root / "round-0")
        for arm in self.loaded.arms:
            self.marks[arm.name] = [zero]
            self.rounds[arm.name] = [{"round": 0, "model": student, **figures.summary(zero)}]
            most = self.loaded.flywheel.rounds if arm is main else len(self.rounds[main.name]) - 1
            self._turn_all(arm, most)

    def _turn_all(self, arm: Arm, most: int) -> None:
        models = Models(self.loaded.mill.generate.model, self.loaded.student, None)
        for number in range(1, most + 1):
            self.show.at(f"{arm.name}, round {number}")
            models = self._round(arm, number, models)
            if arm is self.loaded.main and self._not_better(number):
                return

    def _not_better(self, number: int) -> bool:
        """Whether the main arm's last round is not better than the best before it."""
        marks = self.marks[self.loaded.main.name]
        scores = [float(np.nanmean(m.score)) for m in marks]
        won, wanted = scores[-1] - max(scores[:-1]), self.loaded.flywheel.min_gain
        if won > wanted:
            return False
        self.stopped = (
            f"round {number} is not better than the best before it ({won:+.4f}; more than "
            f"{wanted:g} is wanted)"
        )
        self.show.say(f"{self.stopped}; stopping here")
        return True

    def _round(self, arm: Arm, number: int, models: Models) -> Models:
        folder = self.root / "arms" / arm.name / f"round-{number}"
        prompts = self.root / "prompts"
        human = [prompts / f"human-{i}.jsonl" for i in range(1, len(self.dealt.human) + 1)]
        mill, file = self._mill_folder(arm, number, folder), prompts / f"round-{number}.jsonl"
        place = Place(self.root, folder, mill, file, human, self.show)
        known = _read(folder / "figures.json")
        if known is None:
            known = turn(self.loaded, arm, number, models, self.dealt.rounds[number - 1], place)
        now = self._measured(known["model"], folder / "evaluation")
        marks = self.marks[arm.name]
        gains = figures.gains(now, marks[0])
        found = {
            **known,
            **figures.summary(now),
            "gain": gains["score"],
            "greedy_gain": gains["greedy"],
            "reward_gain": gains["reward"],
            "gain_on_last": figures.gain(now, marks[-1]),
        }
        # Last of all: where it is, the round is done.
        write_atomically(folder / "figures.json", json.dumps(found, indent=2) + "\n")
        marks.append(now)
        self.rounds[arm.name].append(found)
        return Models(known["model"], known["model"], known["next_judge"])

    def _mill_folder(self, arm: Arm, number: int, folder: Path) -> Path:
        """Round 1's responses are the same for all arms with the same mill: a paired comparison."""
        main = self.loaded.main
        mine, first = arm.identity(), main.identity()
        same = all(mine[key] == first[key] for key in ("judges", "keep", "select"))
        if number == 1 and same:
            return self.root / "arms" / main.name / "round-1" / "mill"
        return folder / "mill"

    def _measured(self, model: str, out: Path) -> Marks:
        file = self.root / "prompts" / "evaluation.jsonl"
        measure(self.loaded, file, model, out, self.show)
        return marks_of(self.loaded, self.dealt.evaluation, out)

    def metrics(self) -> dict[str, Any]:
        """All figures, as `metrics.json` holds them."""
        main, wheel = self.loaded.main.name, self.loaded.flywheel
        last = self.marks[main]
        best = int(np.argmax([np.nanmean(m.score) for m in last]))
        arms = {}
        for arm in self.loaded.arms:
            marks = self.marks[arm.name]
            arms[arm.name] = {
                "filter": arm.filter,
                "stages": [stage.kind for stage in arm.stages],
                "skipped": list(arm.skipped),
                "rounds": self.rounds[arm.name],
                "wins": [[figures.win_rate(a, b) for b in marks] for a in marks],
                "against_main": figures.gain(last[-1], marks[-1]),
                "main_wins": figures.win_rate(last[-1], marks[-1]),
                "share_of_oracle": self._oracle_share(arm),
            }
        return {
            "name": self.loaded.mill.name,
            "main": main,
            "by": "accuracy" if wheel.evaluate.truth else "reward",
            "best_round": best,
            "best_model": self.rounds[main][best]["model"],
            "stopped": self.stopped,
            "evaluation_prompts": len(self.dealt.evaluation),
            "responses": wheel.evaluate.responses,
            "temperature": wheel.evaluate.temperature,
            "leaked": self.dealt.leaked + self.dealt.leaked_human,
            "unusable": self.dealt.unusable,
            "synthetic": _synthetic(self.rounds[main]),
            "arms": arms,
            "seed": self.loaded.mill.seed,
            "versions": versions(),
        }

    def _oracle_share(self, arm: Arm) -> dict[str, Any] | None:
        """An arm's gain over that of the oracle with the same stages; None without one."""
        kinds = [stage.kind for stage in arm.stages]
        for other in self.loaded.arms:
            if other.filter == "oracle" and [stage.kind for stage in other.stages] == kinds:
                zero, best = self.marks[other.name][0], self.marks[other.name][-1]
                return figures.share_of_gain(self.marks[arm.name][-1], best, zero)
        return None


def run(loaded: Loaded, out: Path, console: Console | None = None) -> Outcome:
    """Turn the flywheel in a folder; with the same folder again, it goes on.

    Raises InputError for what the user must put right and RunError for what failed; what was
    finished stays.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{out}: cannot write: {error.strerror}") from None
    with locked(out, out / ".lock"):
        dealt = deal.deal_all(loaded)
        _claim(loaded, dealt, out)
        deal.write(dealt, out / "prompts")
        wheel = Wheel(loaded, out, Show(console), dealt)
        wheel.run()
        metrics = wheel.metrics()
        write_atomically(out / "metrics.json", json.dumps(metrics, indent=2) + "\n")
        write_page(out)
    return Outcome(out, metrics["best_model"], metrics)


def _claim(loaded: Loaded, dealt: deal.Dealt, out: Path) -> None:
    """Make the folder this config's. Raises CheckpointError where it is another's.

    Arms may be added to a folder; those that are in both must be the same.
    """
    file = out / "flywheel.yaml"
    identity = {**loaded.identity(), "prompts": dealt.digests()}
    if file.exists():
        try:
            there = yaml.safe_load(file.read_text(encoding="utf-8"))["identity"]
            known = dict(there["arms"])
        except (OSError, ValueError, yaml.YAMLError, TypeError, KeyError):
            raise CheckpointError(
                f"{file}: damaged, so it cannot be told whose folder this is; name another with "
                "--out"
            ) from None
        both = [name for name in known if name in identity["arms"]]
        mine = {**identity, "arms": {name: identity["arms"][name] for name in both}}
        if found := differences({**there, "arms": {name: known[name] for name in both}}, mine):
            raise CheckpointError(
                f"{out}: this folder belongs to another config ({'; '.join(found)}); name another "
                "folder with --out, or change the config back"
            )
        identity["arms"] = {**known, **identity["arms"]}
    resolved = loaded.mill.model_dump(mode="json", exclude={"flywheel"})
    text = {
        **resolved,
        "flywheel": loaded.flywheel.model_dump(mode="json"),
        "identity": identity,
        "hash": digest(identity),
        "versions": versions(),
    }
    write_atomically(file, yaml.safe_dump(text, sort_keys=False, allow_unicode=True))


def _read(file: Path) -> dict[str, Any] | None:
    """A finished round's figures; None where it is not finished."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _synthetic(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rows trained on over all rounds: how many a model wrote, how many people."""
    stages = [stage for found in rounds for stage in found.get("stages", [])]
    synthetic = sum(stage["synthetic"] for stage in stages)
    human = sum(stage["human"] for stage in stages)
    share = synthetic / (synthetic + human) if synthetic + human else None
    return {"rows": synthetic, "human": human, "share": share}
