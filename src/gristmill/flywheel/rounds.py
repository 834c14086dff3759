"""One round of one arm: the mill, the filter, the trainings. Finished parts are taken as they
are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill.errors import DataError
from gristmill.flywheel.answers import Answer, answers
from gristmill.flywheel.arms import Arm, Loaded
from gristmill.flywheel.config import PREFERENCE
from gristmill.flywheel.deal import write_rows
from gristmill.flywheel.pick import pick
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
    """Who does what in a round: `generator` answers, `student` is trained, `judge` grades (None
    for the config's)."""

    generator: str
    student: str
    judge: str | None


@dataclass(frozen=True)
class Place:
    """Where a round lies. root: the flywheel's folder; mill: the run that its rows come from;
    prompts: the round's prompt file; human: files of people's rows."""

    root: Path
    folder: Path
    mill: Path
    prompts: Path
    human: list[Path]
    show: Show


def turn(
    loaded: Loaded, arm: Arm, number: int, models: Models, prompts: Sequence[Prompt], place: Place
) -> dict[str, Any]:
    """Everything of a round but its measurement; returns its figures so far.

    Raises RunError where the filter lets nothing through, DataError where a stage has no rows.
    """
    show, seed = place.show, loaded.mill.seed + number
    outcome = show.mill(
        _mill_config(arm.mill, models, place.prompts, seed),
        place.mill,
        f"{len(prompts):,} prompts to {models.generator}",
    )
    name = loaded.flywheel.evaluate.truth
    by_id = {prompt.id: prompt for prompt in prompts}
    found = answers(place.mill, by_id, find_truth(name) if name else None)
    picked = pick(arm.filter, place.mill, found, seed)
    write_rows(picked.sft, place.folder / "rows" / "sft.jsonl")
    write_rows(picked.preference, place.folder / "rows" / "preference.jsonl")
    if arm.stages[-1].kind in PREFERENCE and not picked.preference:
        raise DataError(
            f"arm {arm.name}, round {number}: {arm.stages[-1].name} has no preference pairs to "
            "learn from; lower select.min_gap, or leave the stage out"
        )
    stages = [_filled(stage, arm, place, seed) for stage in arm.stages]
    done = list(run_stages(stages, models.student, place.folder, show.stage))
    return {
        "arm": arm.name,
        "filter": arm.filter,
        "round": number,
        "generator": models.generator,
        "started_from": models.student,
        "judge": models.judge,
        "model": f"hf:{done[-1].model.resolve()}",
        "next_judge": _retrained(loaded, found, models, place),
        "mill": str(place.mill.resolve().relative_to(place.root.resolve())),
        "prompts": len(prompts),
        "responses": picked.sampled,
        "kept": outcome.metrics["responses"]["kept"],
        "picked": len(picked.sft),
        "pairs": len(picked.preference),
        "right_sampled": picked.right_sampled,
        "right_picked": picked.right_picked,
        "tokens": outcome.metrics["tokens"],
        "stages": [_counted(s, trained.metrics) for s, trained in zip(stages, done, strict=True)],
        "skipped": list(arm.skipped),
    }


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
            "export": ["sft", "preference", "scored"] if judges else ["sft"],
            "flywheel": None,
        }
    )


def _filled(stage: Stage, arm: Arm, place: Place, seed: int) -> Stage:
    """A stage with its data and a seed of the round."""
    rows = "preference" if stage.kind in PREFERENCE else "sft"
    files = [place.folder / "rows" / f"{rows}.jsonl"]
    if stage.kind == "sft":
        files += place.human
    data = [{"file": str(file.resolve())} for file in files]
    values = {"validation": 0.0, "seed": seed, **stage.values, "data": data}
    return Stage(stage.name, stage.kind, values, place.folder)


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


def _retrained(loaded: Loaded, found: Sequence[Answer], models: Models, place: Place) -> str | None:
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
        write_rows(_labelled(found), file)
        data.insert(0, {"file": str(file.resolve())})
    values = {"name": "reward", **how.train, "model": current, "data": data}
    with place.show.stage(Stage("reward", "reward", values, place.folder)) as watch:
        trained = train(config_of("reward", values), place.folder / "reward", watch=watch)
    return f"hf:{trained.model.resolve()}"


def _labelled(found: Sequence[Answer]) -> list[dict[str, Any]]:
    """Responses with the tutor world's labels; those to other questions are left out."""
    rows = []
    for answer in found:
        text = answer.prompt.messages[-1].content
        question = Question.parse(text)
        if question is not None:
            given = dict(zip(ATTRIBUTES, labels(question, answer.text), strict=True))
            rows.append({"prompt": text, "response": answer.text, **given})
    return rows
