"""The flywheel: rounds of every arm, measured against each other."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from gristmill.flywheel import deal, figures
from gristmill.flywheel.arms import Arm, Loaded, as_loaded
from gristmill.flywheel.evaluate import marks_of, measure
from gristmill.flywheel.figures import Marks
from gristmill.flywheel.page import write_page
from gristmill.flywheel.place import Place, claim, place_of, read_figures, write_figures
from gristmill.flywheel.results import results
from gristmill.flywheel.retrain import retrained
from gristmill.flywheel.rounds import Models, responses, turn
from gristmill.flywheel.show import Show
from gristmill.mill.config import Given
from gristmill.page.text import decimal
from gristmill.storage import check_free, folder_of, locked, write_atomically
from gristmill.terminal.console import speaker


@dataclass(frozen=True)
class Outcome:
    """What a flywheel left behind. best: model string of the main arm's best round, round 0's
    student among them."""

    folder: Path
    best: str
    metrics: dict[str, Any] = field(repr=False)


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
        folder = self.root / "round-0"
        zero = self._measured(student, folder, read_figures(folder))
        start = {"round": 0, "model": student, **figures.summary(zero)}
        write_figures(folder, start)
        for arm in self.loaded.arms:
            self.marks[arm.name], self.rounds[arm.name] = [zero], [start]
            most = self.loaded.flywheel.rounds if arm is main else len(self.rounds[main.name]) - 1
            self._turn_all(arm, most)

    def _turn_all(self, arm: Arm, most: int) -> None:
        arms = self.loaded.arms
        beside = f" (arm {arms.index(arm) + 1} of {len(arms)})" if len(arms) > 1 else ""
        models = Models(self.loaded.mill.generate[0].model, self.loaded.student, None)
        for number in range(1, most + 1):
            self.show.at(f"{arm.name}{beside}, round {number} of {most}")
            place = place_of(self.loaded, arm, number, self.root, self.show)
            model = self._round(arm, number, models, place)
            over = arm is self.loaded.main and self._not_better(number)
            if over or number == most:
                return
            models = Models(model, model, self._judge(arm, number, models, place))

    def _judge(self, arm: Arm, number: int, models: Models, place: Place) -> str | None:
        """The next round's reward model; None for the config's."""
        if self.loaded.flywheel.reward is None:
            return None
        found = responses(self.loaded, self.dealt.rounds[number - 1], place)
        return retrained(self.loaded, arm, models.judge, found, place)

    def _not_better(self, number: int) -> bool:
        """Whether the main arm's last round is not better than the best before it."""
        marks = self.marks[self.loaded.main.name]
        scores, wanted = [m.mean_score for m in marks], self.loaded.flywheel.min_gain
        if scores[-1] == -inf:
            self.stopped = f"no answer of round {number} could be graded"
        else:
            won = scores[-1] - max(scores[:-1])
            if won > wanted:
                return False
            self.stopped = (
                f"round {number} is not better than the best before it "
                f"({decimal(won, 4, signed=True)}; more than {wanted:g} is wanted)"
            )
        left = self.loaded.flywheel.rounds - number
        self.show.say(f"{self.stopped}; stopping here" if left else self.stopped)
        return True

    def _round(self, arm: Arm, number: int, models: Models, place: Place) -> str:
        """Turn and measure, or take what is finished; returns the round's model."""
        known = read_figures(place.folder)
        if known is None:
            turned = turn(self.loaded, arm, number, models, self.dealt.rounds[number - 1], place)
        else:
            turned = known
        now = self._measured(turned["model"], place.folder / "evaluation", known)
        marks = self.marks[arm.name]
        gains = figures.gains(now, marks[0])
        found = {
            **turned,
            **figures.summary(now),
            "gain": gains["score"],
            "greedy_gain": gains["greedy"],
            "reward_gain": gains["reward"],
            "gain_on_last": figures.gain(now, marks[-1]),
        }
        write_figures(place.folder, found)
        marks.append(now)
        self.rounds[arm.name].append(found)
        return turned["model"]

    def _measured(self, model: str, out: Path, known: dict[str, Any] | None) -> Marks:
        """The marks of a model; it answers only where it has not, or where answers failed."""
        if known is None or known["failed"]:
            file = self.root / "prompts" / "evaluation.jsonl"
            measure(self.loaded, file, model, out, self.show)
        else:
            self.show.say("done before")
        return marks_of(self.loaded, self.dealt.evaluation, out)


def run(
    config: Loaded | Given,
    out: str | Path | None = None,
    *,
    quiet: bool = False,
) -> Outcome:
    """Turn the flywheel in a folder; with the same folder again, it goes on: `gristmill flywheel`.

    config: a file, its values, a `Config` with `flywheel`, or what `load` gave. out: the folder;
    by default `out/`, the config's name and `-flywheel`. quiet: show nothing.
    Raises InputError for what the user must put right and RunError for what failed; what was
    finished stays.
    """
    loaded = as_loaded(config)
    out = folder_of(out, f"{loaded.mill.name}-flywheel")
    check_free(out, ("[!.]*",), ours=any(out.glob("flywheel.yaml*")))
    dealt = deal.deal_all(loaded)
    with locked(out, out / ".lock"):
        claim(loaded, dealt, out)
        deal.write(dealt, out / "prompts")
        wheel = Wheel(loaded, out, Show(speaker(quiet)), dealt)
        try:
            wheel.run()
        except KeyboardInterrupt:
            wheel.show.say("interrupted: run again, it goes on from here")
            raise
        metrics = results(loaded, dealt, wheel.marks, wheel.rounds, wheel.stopped)
        write_atomically(out / "metrics.json", json.dumps(metrics, indent=2) + "\n")
        write_page(out)
    return Outcome(out, metrics["best_model"], metrics)
