"""All figures of a flywheel, as `metrics.json` holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gristmill.flywheel import figures
from gristmill.flywheel.arms import Arm, Loaded
from gristmill.flywheel.deal import Dealt
from gristmill.flywheel.figures import Marks
from gristmill.storage import versions

Rounds = Sequence[Mapping[str, Any]]


def results(
    loaded: Loaded,
    dealt: Dealt,
    marks: Mapping[str, Sequence[Marks]],
    rounds: Mapping[str, Rounds],
    stopped: str,
) -> dict[str, Any]:
    """marks, rounds: what was measured and the figures, of each arm from round 0 on. stopped: why
    the main arm ended early, or empty."""
    main, wheel = loaded.main.name, loaded.flywheel
    best = best_of(marks[main])
    last = {arm.name: marks[arm.name][-1] for arm in loaded.arms}
    return {
        "name": loaded.mill.name,
        "main": main,
        "by": "accuracy" if wheel.evaluate.truth else "reward",
        "best_round": best,
        "best_model": rounds[main][best]["model"],
        "rounds": wheel.rounds,
        "stopped": stopped,
        "evaluation_prompts": len(dealt.evaluation),
        "responses": wheel.evaluate.responses,
        "temperature": wheel.evaluate.temperature,
        "sampled_at": loaded.mill.generate[0].temperature,
        "leaked": dealt.leaked + dealt.leaked_human,
        "unusable": dealt.unusable,
        "synthetic": synthetic(rounds[main]),
        "greedy_changes": _changes(marks[main][0], last[main]),
        "arms": {
            arm.name: {
                "filter": arm.filter,
                "stages": [stage.kind for stage in arm.stages],
                "skipped": list(arm.skipped),
                "rounds": list(rounds[arm.name]),
                "wins": _against(marks[arm.name], marks[arm.name]),
                "against_main": figures.gain(last[main], last[arm.name]),
                "main_wins": figures.win_rate(last[main], last[arm.name]),
                "share_of_oracle": _oracle_share(arm, loaded, marks),
            }
            for arm in loaded.arms
        },
        "arm_wins": _against(list(last.values()), list(last.values())),
        "seed": loaded.mill.seed,
        "versions": versions(),
    }


def best_of(marks: Sequence[Marks]) -> int:
    """The round with the highest score, the earliest of equal ones."""
    return int(np.argmax([each.mean_score for each in marks]))


def synthetic(rounds: Rounds) -> dict[str, Any]:
    """Rows trained on over all rounds: how many a model wrote, how many people."""
    stages = [stage for found in rounds for stage in found.get("stages", [])]
    written = sum(stage["synthetic"] for stage in stages)
    human = sum(stage["human"] for stage in stages)
    share = written / (written + human) if written + human else None
    return {"rows": written, "human": human, "share": share}


def _against(rows: Sequence[Marks], columns: Sequence[Marks]) -> list[list[dict[str, Any]]]:
    return [[figures.win_rate(a, b) for b in columns] for a in rows]


def _changes(before: Marks, after: Marks) -> dict[str, int] | None:
    """Prompts by whether the greedy answer was right before and after; None without a truth."""
    if before.greedy is None or after.greedy is None:
        return None
    was, now = before.greedy > 0, after.greedy > 0
    return {
        "still_right": int((was & now).sum()),
        "now_right": int((~was & now).sum()),
        "now_wrong": int((was & ~now).sum()),
        "still_wrong": int((~was & ~now).sum()),
    }


def _oracle_share(
    arm: Arm, loaded: Loaded, marks: Mapping[str, Sequence[Marks]]
) -> dict[str, Any] | None:
    """An arm's gain over that of the oracle with the same stages; None without one, and for the
    oracle itself."""
    kinds = [stage.kind for stage in arm.stages]
    for other in loaded.arms if arm.filter != "oracle" else []:
        if other.filter == "oracle" and [stage.kind for stage in other.stages] == kinds:
            zero, best = marks[other.name][0], marks[other.name][-1]
            return figures.share_of_gain(marks[arm.name][-1], best, zero)
    return None
