"""One round of one arm: the mill, the filter, the trainings. Finished parts are taken as they
are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill.errors import DataError
from gristmill.flywheel.answers import Answer, answers
from gristmill.flywheel.arms import Arm, Loaded
from gristmill.flywheel.config import PREFERENCE
from gristmill.flywheel.deal import write_rows
from gristmill.flywheel.pick import Picked, pick
from gristmill.flywheel.place import Place
from gristmill.flywheel.truth import find_truth
from gristmill.intake.source import Source
from gristmill.judges.reward import Reward
from gristmill.mill import Config
from gristmill.page.text import plural
from gristmill.records import Prompt
from gristmill.storage import read_saved
from gristmill.train.job import Trained
from gristmill.train.stages import Stage, run_stages


@dataclass(frozen=True)
class Models:
    """Who does what in a round: `generator` answers, `student` is trained, `judge` grades (None
    for the config's)."""

    generator: str
    student: str
    judge: str | None


def turn(
    loaded: Loaded, arm: Arm, number: int, models: Models, prompts: Sequence[Prompt], place: Place
) -> dict[str, Any]:
    """Everything of a round but its measurement; returns its figures so far.

    Raises RunError where the filter lets nothing through, DataError where a stage has no rows.
    """
    show, seed = place.show, loaded.mill.seed + number
    if place.shared:
        # Run again it would ask once more for what failed, and the arms' responses would differ.
        show.say(f"the responses of '{loaded.main.name}'")
        milled = read_saved(place.mill / "metrics.json")
    else:
        config = _mill_config(arm.mill, models, place.prompts, seed)
        name = f"{loaded.mill.name}, {arm.name}, round {number}"
        config = config.model_copy(update={"name": name})
        what = f"{plural(len(prompts), 'prompt')} to {models.generator}"
        milled = show.mill(config, place.mill, what).metrics
    found = responses(loaded, prompts, place)
    picked = pick(arm.filter, place.mill, found, seed, loaded.mill.generate[0].reasoning == "keep")
    write_rows(picked.sft, place.folder / "rows" / "sft.jsonl")
    write_rows(picked.preference, place.folder / "rows" / "preference.jsonl")
    _check_pairs(arm, number, picked)
    stages = [_filled(stage, loaded, arm, number, place) for stage in arm.stages]
    done = _trained(stages, models.student, place, f"arm {arm.name}, round {number}")
    return {
        "arm": arm.name,
        "filter": arm.filter,
        "round": number,
        "generator": models.generator,
        "started_from": models.student,
        "judge": models.judge,
        "model": f"hf:{done[-1].model.resolve()}",
        "mill": str(place.mill.resolve().relative_to(place.root.resolve())),
        "prompts": len(prompts),
        "responses": picked.sampled,
        "kept": milled["responses"]["kept"],
        "picked": len(picked.sft),
        "pairs": len(picked.preference),
        "right_sampled": picked.right_sampled,
        "right_picked": picked.right_picked,
        "tokens": milled["tokens"],
        "stages": [_counted(s, trained.metrics) for s, trained in zip(stages, done, strict=True)],
        "skipped": list(arm.skipped),
    }


def responses(loaded: Loaded, prompts: Sequence[Prompt], place: Place) -> list[Answer]:
    """What a round's model answered, with what the truth says of it."""
    name = loaded.flywheel.evaluate.truth
    by_id = {prompt.id: prompt for prompt in prompts}
    return answers(place.mill, by_id, find_truth(name) if name else None)


def _check_pairs(arm: Arm, number: int, picked: Picked) -> None:
    wanting = next((stage for stage in arm.stages if stage.kind in PREFERENCE), None)
    if wanting is not None and not picked.preference:
        raise DataError(
            f"arm {arm.name}, round {number}: {wanting.name} has no preference pairs to learn "
            "from; lower select.min_gap, or leave the stage out"
        )


def _trained(stages: list[Stage], student: str, place: Place, where: str) -> list[Trained]:
    """The stages' results; where one has nothing to learn from, it is named."""
    done: list[Trained] = []
    try:
        for trained in run_stages(stages, student, place.folder, place.show.stage):
            done.append(trained)
    except DataError as error:
        raise DataError(f"{where}, {stages[len(done)].name}: {error}") from None
    return done


def _mill_config(mill: Config, models: Models, prompts: Path, seed: int) -> Config:
    generate = mill.generate[0].model_copy(update={"model": models.generator})
    return mill.model_copy(
        update={
            "prompts": [Source(file=str(prompts))],
            "generate": (generate,),
            "judges": [_judged(spec, mill, i, models.judge) for i, spec in enumerate(mill.judges)],
            "seed": seed,
            "export": ["sft", "preference", "scored"] if mill.grades else ["sft"],
            "flywheel": None,
        }
    )


def _judged(spec: Any, mill: Config, index: int, model: str | None) -> Any:
    """A judge's entry, a reward model's with `model` in the place of its own."""
    if model is None or not isinstance(mill.open_judges()[index], Reward):
        return spec
    ((name, options),) = spec.items() if isinstance(spec, Mapping) else ((spec, {}),)
    return {name: {**(options or {}), "model": model}}


def _filled(stage: Stage, loaded: Loaded, arm: Arm, number: int, place: Place) -> Stage:
    """A stage with its data, a seed of the round, and a name that says which round's model it
    makes."""
    rows = "preference" if stage.kind in PREFERENCE else "sft"
    own = (place.folder / "rows" / f"{rows}.jsonl").resolve()
    data: list[dict[str, Any]] = [{"file": str(own)}]
    if stage.kind == "sft":
        for file, source in zip(place.human, loaded.flywheel.human, strict=True):
            data.append({"file": str(file.resolve()), "weight": source.weight})
    name = f"{loaded.mill.name}-{arm.name}-round-{number}-{stage.name}"
    values = {"validation": 0.0, "seed": loaded.mill.seed + number, **stage.values}
    return Stage(stage.name, stage.kind, {**values, "name": name, "data": data}, stage.folder)


def _counted(stage: Stage, metrics: dict[str, Any]) -> dict[str, Any]:
    """What a stage learned from, by where it comes from: the first source is the round's own."""
    used = [source["used"] for source in metrics["sources"]]
    kept = ("steps", "tokens", "seconds", "loss")
    return {
        "name": stage.name,
        "kind": stage.kind,
        "synthetic": used[0],
        "human": sum(used[1:]),
        **{key: metrics[key] for key in kept},
    }
