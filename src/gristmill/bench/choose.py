"""From the model strings of a request to judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gristmill.bench.judges import ByChoice, ByScore, Judge
from gristmill.errors import ConfigError
from gristmill.judges._asking import Asking
from gristmill.judges.reward import Reward
from gristmill.parts import build


@dataclass(frozen=True)
class Request:
    """What was asked for.

    data: see `sources.open_source`. scored: see `evaluate.Evaluation`.
    models: to be asked for scores; chats: to be asked which answer is best. A local model is what
    its files say it is, whichever of the two it was named as. reference: of DPO-trained `models`.
    orders: 1 or 2, in how many a chat model sees the answers. settings: of every call (`Calling`),
    those that are None left out. max_tokens: of a chat model's reply. limit: rows at most.
    """

    data: str
    scored: bool
    models: Sequence[str] = ()
    chats: Sequence[str] = ()
    reference: str | None = None
    orders: int = 1
    max_tokens: int = 2048
    limit: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)


def judges_of(request: Request) -> list[Judge]:
    """The judges, none of them loaded yet. Raises ConfigError or MissingExtra."""
    named = [*((m, True) for m in request.models), *((m, False) for m in request.chats)]
    if not named:
        raise ConfigError("no judge: name a reward model with --model or a chat model with --judge")
    repeated = {model for model, _ in named if [m for m, _ in named].count(model) > 1}
    if repeated:
        raise ConfigError(f"model '{min(repeated)}' is named twice")
    found = [_judge(model, scores, request) for model, scores in named]
    for judge in found:
        judge.open()  # Not entered: nothing is loaded, but a wrong name is found before any work.
    return found


def _judge(model: str, scores: bool, request: Request) -> Judge:
    settings = {k: v for k, v in request.settings.items() if v is not None}
    reference = request.reference if scores else None
    known = None if reference else _is_reward(model)
    if scores if known is None else known:
        given = {**settings, "model": model}
        return ByScore(build(Reward, given | ({"reference": reference} if reference else {}), ""))
    given = {**settings, "model": model, "max_tokens": request.max_tokens}
    return ByChoice(build(Asking, given, ""), request.orders)


def _is_reward(model: str) -> bool | None:
    """Whether a local model's files make it a reward model; None for what is not here."""
    if model.partition(":")[0] not in ("tiny", "hf"):
        return None
    from gristmill.backends.local_load import find, is_reward

    source = find(model)
    return is_reward(source.config) if source.local else None
