"""One round of one arm: the mill, the filter, the trainings, the measurement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill.flywheel import pick
from gristmill.flywheel.config import PREFERENCE, Arm, Loaded
from gristmill.flywheel.show import Show
from gristmill.flywheel.truth import find_truth
from gristmill.judges.reward import Reward
from gristmill.mill import Config
from gristmill.mill.config import PromptFile
from gristmill.parts import name_of
from gristmill.records import ATTRIBUTES, Prompt
from gristmill.train import config_of
from gristmill.train import run as train
from gristmill.train.stages import Stage, run_stages
from gristmill.tutor import Question, labels


@dataclass(frozen=True)
class Models:
    """Who does what in a round: generator answers, student is trained, judge grades (None: the
    config's)."""

    generator: str
    student: str
    judge: str | None


@dataclass(frozen=True)
class Turned:
    """What a round left behind: the next round's models, and its figures."""

    models: Models
    figures: dict[str, Any]


def turn(
    loaded: Loaded, arm: Arm, number: int, models: Models, prompts: Sequence[Prompt], place: Place
) -> Turned:
    """Everything of a round but its measurement. Finished parts are taken as they are."""
    mill = place.mill
    show = place.show
    outcome = show.mill(
        _mill_config(arm.mill, models, place.prompts, loaded.mill.seed + number),
        mill,
        f"{len(prompts):,} prompts to {models.generator}",
    )
    truth = loaded.flywheel.evaluate.truth
    by_id = {prompt.id: prompt for prompt in prompts}
    found = pick.answers(mill, by_id, find_truth(truth) if truth else None)
    picked = pick.pick(arm.filter, mill, found, loaded.mill.seed + number)
    pick.write(picked.sft, place.folder / "rows" / "sft.jsonl")
    pick.write(picked.preference, place.folder / "rows" / "preference.jsonl")
    stages = [_filled(stage, loaded, place.folder, number) for stage in arm.stages]
    done = list(run_stages(stages, models.student, place.folder, show.stage))
    judge = _retrained(loaded, found, models, place)
    student = f"hf:{done[-1].model.resolve()}"
    counted = [_counted(stage, trained.metrics) for stage, trained in zip(stages, done, strict=True)]
    figures = {
        "arm": arm.name,
        "filter": arm.filter,
        "round": number,
        "generator": models.generator,
        "started_from": models.student,
        "judge": models.judge,
        "model": student,
        "mill": _relative(mill, place.root),
        "prompts": len(prompts),
        "responses": picked.sampled,
        "kept": outcome.metrics["responses"]["kept"],
        "picked": len(picked.sft),
        "pairs": len(picked.preference),
        "right_sampled": picked.right_sampled,
        "right_picked": picked.right_picked,
        "tokens": outcome.metrics["tokens"],
        "stages": counted,
    }
    return Turned(Models(student, student, judge), figures)


@dataclass(frozen=True)
class Place:
    """Where a round lies. root: the flywheel's folder; mill: the run that its rows come from."""

    root: Path
    folder: Path
    mill: Path
    prompts: Path
    show: Show


def _mill_config(mill: Config, models: Models, prompts: Path, seed: int) -> Config:
    generate = mill.generate.model_copy(update={"model": models.generator})
    judges = mill.judges
    if models.judge is not None:
        judges = [
            {name_of(j): {**j.model_dump(mode="json"), "model": models.judge}}
            if isinstance(j, Reward)
            else {name_of(j): j.model_dump(mode="json")}
            for j in mill.open_judges()
        ]
    return mill.model_copy(
        update={
            "prompts": [PromptFile(file=str(prompts))],
            "generate": generate,
            "judges": judges,
            "seed": seed,
            "export": ["sft", "preference", "scored"],
            "flywheel": None,
        }
    )


def _filled(stage: Stage, loaded: Loaded, folder: Path, number: int) -> Stage:
    """A stage with its data and a seed of the round."""
    rows = "preference" if stage.kind in PREFERENCE else "sft"
    data: list[dict[str, Any]] = [{"file": str((folder / "rows" / f"{rows}.jsonl").resolve())}]
    if stage.kind == "sft":
        data += [source.model_dump(mode="json", exclude_unset=True) for source in loaded.flywheel.human]
    values = {"validation": 0.0, "seed": loaded.mill.seed + number, **stage.values, "data": data}
    return Stage(stage.name, stage.kind, values, folder)


def _counted(stage: Stage, metrics: dict[str, Any]) -> dict[str, Any]:
    """Rows by where they come from: the first source is the round's own."""
    used = [source["used"] for source in metrics["sources"]]
    return {
        "name": stage.name,
        "kind": stage.kind,
        "synthetic": used[0],
        "human": sum(used[1:]),
        "steps": metrics["steps"],
        "tokens": metrics["tokens"],
        "seconds": metrics["seconds"],
        "loss": metrics["loss"],
    }


def _retrained(
    loaded: Loaded, found: Sequence[pick.Answer], models: Models, place: Place
) -> str | None:
    """The next round's reward model, if it is trained anew."""
    how = loaded.flywheel.reward
    if how is None:
        return models.judge
    current = models.judge or next(
        judge.model for judge in loaded.mill.open_judges() if isinstance(judge, Reward)
    )
    data = [source.model_dump(mode="json", exclude_unset=True) for source in how.data]
    if how.labels == "tutor":
        file = place.folder / "rows" / "rated.jsonl"
        pick.write(_labelled(found), file)
        data.insert(0, {"file": str(file.resolve())})
    values = {"name": "reward", **how.train, "model": current, "data": data}
    stage = Stage("reward", "reward", values, place.folder)
    with place.show.stage(stage) as watch:
        trained = train(config_of("reward", values), place.folder / "reward", watch=watch)
    return f"hf:{trained.model.resolve()}"


def _labelled(found: Sequence[pick.Answer]) -> list[dict[str, Any]]:
    """Responses with the tutor world's labels; those to other questions are left out."""
    rows = []
    for answer in found:
        text = answer.prompt.messages[-1].content
        question = Question.parse(text)
        if question is not None:
            given = dict(zip(ATTRIBUTES, labels(question, answer.text), strict=True))
            rows.append({"prompt": text, "response": answer.text, **given})
    return rows


def _relative(path: Path, root: Path) -> str:
    return str(path.resolve().relative_to(root.resolve()))


def read_figures(file: Path) -> dict[str, Any] | None:
    """What a finished round wrote last; None where it is not finished."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
