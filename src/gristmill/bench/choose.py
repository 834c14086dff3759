"""From the model strings of a request to judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gristmill.bench.judges import ByChoice, ByComparison, ByScore, Judge, folder_name
from gristmill.errors import ConfigError
from gristmill.judges._asking import Asking
from gristmill.judges.genrm import Genrm
from gristmill.judges.reward import Reward
from gristmill.parts import build, read_yaml


@dataclass(frozen=True)
class Request:
    """What was asked for.

    data, columns, limit: the rows, see `intake.source.Source`. scored: see `survey.Evaluation`.
    models: to be asked for scores; chats: to be asked which answer is best; genrms: generative
    reward models. A local model is what its files say it is, whichever of the first two it was
    named as; a `.yaml` holds one judge's settings (`judges.reward.Reward`, `judges._asking.Asking`
    or `judges.genrm.Genrm`), `model` among them.
    reference: of DPO-trained `models`.
    orders: 1 or 2, in how many a chat model sees the answers. settings: of every call (`Calling`),
    those that are None left out. max_tokens: of a reply; None is the default of its judge.
    """

    data: str
    scored: bool
    models: Sequence[str] = ()
    chats: Sequence[str] = ()
    genrms: Sequence[str] = ()
    reference: str | None = None
    orders: int = 1
    max_tokens: int | None = None
    limit: int | None = None
    columns: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def judges_of(request: Request) -> list[Judge]:
    """The judges, none of them loaded yet. Raises ConfigError or MissingExtra."""
    named = [*((m, True) for m in request.models), *((m, False) for m in request.chats)]
    if not (named or request.genrms):
        raise ConfigError(
            "no judge: name a reward model with --model, a chat model with --judge or a generative "
            "reward model with --genrm"
        )
    found = [judge_of(model, scores, request) for model, scores in named]
    found += [genrm_of(model, request) for model in request.genrms]
    folders = [folder_name(judge) for judge in found]
    for judge, folder in zip(found, folders, strict=True):
        if folders.count(folder) > 1:
            raise ConfigError(f"model '{judge.settings.model}' is named twice")
    for judge in found:
        judge.open()  # Not entered: nothing is loaded, but a wrong name is found before any work.
    return found


def judge_of(named: str, scores: bool, request: Request) -> Judge:
    """Whoever is named, a model or a .yaml of one; a reward model if it `scores`, where no files
    say what it is. Not opened. Raises ConfigError or MissingExtra."""
    given, where, called = _settings(named, request)
    if scores and request.reference:
        given.setdefault("reference", request.reference)
    known = True if given.get("reference") else is_reward(given["model"])
    if scores if known is None else known:
        return ByScore(build(Reward, given, where), called)
    return ByChoice(build(Asking, _roomy(given, request), where), request.orders, called)


def genrm_of(named: str, request: Request) -> Judge:
    """The generative reward model that is named. Not opened. Raises ConfigError."""
    given, where, called = _settings(named, request)
    return ByComparison(build(Genrm, _roomy(given, request), where), request.orders, called)


def _settings(named: str, request: Request) -> tuple[dict[str, Any], str, str]:
    """A judge's settings, the file that they are from, and what pages call it."""
    given = {k: v for k, v in request.settings.items() if v is not None} | {"model": named}
    where = called = ""
    if named.endswith((".yaml", ".yml")):
        where, called = named, Path(named).stem
        try:
            given |= {"model": None, **read_yaml(Path(named))}
        except ConfigError as error:
            raise ConfigError(f"{named}: {error}") from None
        if not given["model"]:
            raise ConfigError(f"{named}: model: missing; add it")
    return given, where, called


def _roomy(given: dict[str, Any], request: Request) -> dict[str, Any]:
    return given if request.max_tokens is None else {"max_tokens": request.max_tokens, **given}


def is_reward(model: str | list[str]) -> bool | None:
    """Whether a local model's files make it a reward model; None for what is not here."""
    if not isinstance(model, str) or model.partition(":")[0] not in ("tiny", "hf"):
        return None
    from gristmill.backends import local_load

    source = local_load.find(model)
    return local_load.is_reward(source.config) if source.local else None
