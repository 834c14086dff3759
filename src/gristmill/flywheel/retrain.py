"""A new reward model between two rounds, from the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gristmill.flywheel.answers import Answer
from gristmill.flywheel.arms import Arm, Loaded, absolute
from gristmill.flywheel.config import BLIND
from gristmill.flywheel.deal import write_rows
from gristmill.flywheel.place import Place
from gristmill.judges.reward import Reward
from gristmill.records import ATTRIBUTES
from gristmill.train import config_of
from gristmill.train import run as train
from gristmill.train.stages import Stage
from gristmill.tutor import labels, parse_question


def retrained(
    loaded: Loaded, arm: Arm, judge: str | None, found: Sequence[Answer], place: Place
) -> str | None:
    """The model that judges the next round; `judge` (None: the config's) where it stays.

    found: the round's responses. An arm whose rows no reward model picks, or whose judges are of
    another kind, trains none.
    """
    how = loaded.flywheel.reward
    current = judge or reward_model(arm)
    if how is None or current is None or arm.filter in (*BLIND, "oracle"):
        return judge
    data = [source.model_dump(mode="json", exclude_unset=True) for source in how.data]
    if how.labels == "tutor":
        file = place.folder / "rows" / "rated.jsonl"
        write_rows(_labelled(found), file)
        data.insert(0, {"file": str(file.resolve())})
    values = {"name": f"{loaded.mill.name}-reward", **how.train, "data": data}
    values["model"] = absolute(current)
    # Its other files (`validation`, `template`) start from the config's folder, as a stage's do.
    config = config_of("reward", values, arm.stages[0].folder)
    with place.show.stage(Stage("reward", "reward", values, place.folder)) as watch:
        trained = train(config, place.folder / "reward", watch=watch)
    return f"hf:{trained.model.resolve()}"


def reward_model(arm: Arm) -> str | None:
    """The first reward model among an arm's judges."""
    judges = (judge for judge in arm.mill.open_judges() if isinstance(judge, Reward))
    return next((judge.model for judge in judges), None)


def _labelled(found: Sequence[Answer]) -> list[dict[str, Any]]:
    """Responses with the tutor world's labels; those to other questions are left out."""
    rows = []
    for answer in found:
        text = answer.prompt.messages[-1].content
        question = parse_question(text)
        if question is not None and answer.response.text.strip():
            given = dict(zip(ATTRIBUTES, labels(question, answer.response.text), strict=True))
            rows.append({"prompt": text, "response": answer.response.text, **given})
    return rows
