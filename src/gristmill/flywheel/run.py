"""The flywheel: rounds of every arm, measured against each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from gristmill.errors import CheckpointError, StorageError
from gristmill.flywheel import deal, figures
from gristmill.flywheel.config import Arm, Loaded
from gristmill.flywheel.evaluate import evaluate
from gristmill.flywheel.figures import Marks
from gristmill.flywheel.page import write_page
from gristmill.flywheel.rounds import Models, Place, read_figures, turn
from gristmill.flywheel.show import Show
from gristmill.records import Prompt
from gristmill.storage import differences, digest, locked, versions, write_atomically


@dataclass(frozen=True)
class Outcome:
    """What a flywheel left behind. best: model string of the best round of the main arm."""

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
        student = self.loaded.student
        self.zero = self._measured(student, self.root / "round-0")
        start = {"round": 0, "model": student, **figures.summary(self.zero)}
        for arm in self.loaded.arms:
            main = arm is self.loaded.arms[0]
            self.marks[arm.name], self.rounds[arm.name] = [self.zero], [start]
            self._turn_all(arm, self._most(), stops=main)

    def _most(self) -> int:
        """Rounds of an arm: as many as are wanted, and for an ablation as the main arm came to."""
        main = self.rounds.get(self.loaded.arms[0].name, [])
        return len(main) - 1 if len(main) > 1 else self.loaded.flywheel.rounds

    def _turn_all(self, arm: Arm, most: int, *, stops: bool) -> None:
        models = Models(self.loaded.mill.generate.model, self.loaded.student, None)
        for number in range(1, most + 1):
            self.show.at(f"{arm.name}, round {number}")
            models = self._round(arm, number, models)
            marks = self.marks[arm.name]
            before = max(m.score.mean() for m in marks[:-1])
            won = float(marks[-1].score.mean() - before)
            if stops and won <= self.loaded.flywheel.min_gain:
                self.stopped = (
                    f"round {number} is not better than the best before it "
                    f"({won:+.4f}, more than {self.loaded.flywheel.min_gain:g} is wanted)"
                )
                self.show.say(f"{arm.name}: {self.stopped}; stopping here")
                return

    def _round(self, arm: Arm, number: int, models: Models) -> Models:
        folder = self.root / "arms" / arm.name / f"round-{number}"
        prompts = self.dealt.rounds[number - 1]
        file = self.root / "prompts" / f"round-{number}.jsonl"
        place = Place(self.root, folder, self._mill_folder(arm, number, folder), file, self.show)
        known = read_figures(folder / "figures.json")
        if known is None:
            turned = turn(self.loaded, arm, number, models, prompts, place)
            known = turned.figures | {"next_judge": turned.models.judge}
        measured = self._measured(known["model"], folder / "evaluation")
        earlier = self.marks[arm.name]
        found = {
            **known,
            **figures.summary(measured),
            "gain": figures.gain(measured, self.zero),
            "gain_on_last": figures.gain(measured, earlier[-1]),
            "greedy_gain": figures.greedy_gain(measured, self.zero),
        }
        write_atomically(folder / "figures.json", json.dumps(found, indent=2) + "\n")
        self.marks[arm.name].append(measured)
        self.rounds[arm.name].append(found)
        return Models(known["model"], known["model"], known["next_judge"])

    def _mill_folder(self, arm: Arm, number: int, folder: Path) -> Path:
        """Round 1's responses are the same for all arms with the same mill: a paired comparison."""
        main = self.loaded.arms[0]
        if number == 1 and arm.mill.identity() == main.mill.identity():
            if (arm.mill.keep, arm.mill.select) == (main.mill.keep, main.mill.select):
                return self.root / "arms" / main.name / "round-1" / "mill"
        return folder / "mill"

    def _measured(self, model: str, out: Path) -> Marks:
        file = self.root / "prompts" / "evaluation.jsonl"
        return evaluate(self.loaded, self.dealt.evaluation, file, model, out, self.show)

    def metrics(self) -> dict[str, Any]:
        """All figures, as `metrics.json` holds them."""
        main = self.loaded.arms[0].name
        best = max(range(len(self.marks[main])), key=lambda i: self.marks[main][i].score.mean())
        arms = {}
        for arm in self.loaded.arms:
            marks = self.marks[arm.name]
            arms[arm.name] = {
                "filter": arm.filter,
                "stages": [stage.kind for stage in arm.stages],
                "rounds": self.rounds[arm.name],
                "wins": [[figures.win_rate(a, b) for b in marks] for a in marks],
                "against_main": figures.gain(self.marks[main][-1], marks[-1]),
                "main_wins": figures.win_rate(self.marks[main][-1], marks[-1]),
            }
        return {
            "name": self.loaded.mill.name,
            "main": main,
            "by": "accuracy" if self.loaded.flywheel.evaluate.truth else "reward",
            "best_round": best,
            "best_model": self.rounds[main][best]["model"],
            "stopped": self.stopped,
            "evaluation_prompts": len(self.dealt.evaluation),
            "responses": self.loaded.flywheel.evaluate.responses,
            "temperature": self.loaded.flywheel.evaluate.temperature,
            "leaked": self.dealt.leaked,
            "unusable": self.dealt.unusable,
            "synthetic": _synthetic(self.rounds[main]),
            "arms": arms,
            "seed": self.loaded.mill.seed,
            "versions": versions(),
        }


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
        _claim(loaded, out)
        wheel = Wheel(loaded, out, Show(console), _deal(loaded, out))
        wheel.run()
        metrics = wheel.metrics()
        write_atomically(out / "metrics.json", json.dumps(metrics, indent=2) + "\n")
        write_page(out)
    return Outcome(out, metrics["best_model"], metrics)


def _claim(loaded: Loaded, out: Path) -> None:
    """Make the folder this config's. Raises CheckpointError where it is another's."""
    file = out / "flywheel.yaml"
    identity = loaded.identity()
    if file.exists():
        try:
            there = yaml.safe_load(file.read_text(encoding="utf-8"))["identity"]
        except (OSError, ValueError, yaml.YAMLError, TypeError, KeyError):
            raise CheckpointError(
                f"{file}: damaged, so it cannot be told whose folder this is; name another with "
                "--out"
            ) from None
        arms = {**there["arms"], **identity["arms"]}
        same = {name: arm for name, arm in there["arms"].items() if name in identity["arms"]}
        here = {**identity, "arms": {name: identity["arms"][name] for name in same}}
        if found := differences({**there, "arms": same}, here):
            raise CheckpointError(
                f"{out}: this folder belongs to another config ({'; '.join(found)}); name another "
                "folder with --out, or change the config back"
            )
        identity = {**identity, "arms": arms}
    text = {"identity": identity, "hash": digest(identity), "versions": versions()}
    write_atomically(file, yaml.safe_dump(text, sort_keys=False, allow_unicode=True))


def _deal(loaded: Loaded, out: Path) -> deal.Dealt:
    """The prompts, written where the mill reads them."""
    wheel, system = loaded.flywheel, loaded.mill.generate.system
    evaluation, bad = deal.read(wheel.evaluate.prompts, system)
    prompts, worse = deal.read(wheel.prompts, system)
    dealt = deal.deal(evaluation, prompts, wheel.rounds, loaded.mill.seed)
    _write(dealt.evaluation, out / "prompts" / "evaluation.jsonl")
    for number, share in enumerate(dealt.rounds, 1):
        _write(share, out / "prompts" / f"round-{number}.jsonl")
    return deal.Dealt(dealt.evaluation, dealt.rounds, dealt.leaked, bad + worse)


def _write(prompts: Sequence[Prompt], file: Path) -> None:
    deal.write(prompts, file)


def _synthetic(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rows trained on over all rounds: how many a model wrote, how many people."""
    stages = [stage for figures_ in rounds for stage in figures_.get("stages", [])]
    synthetic = sum(stage["synthetic"] for stage in stages)
    human = sum(stage["human"] for stage in stages)
    share = synthetic / (synthetic + human) if synthetic + human else None
    return {"rows": synthetic, "human": human, "share": share}
