"""The two models of a comparison, which must be of one kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gristmill.backends.calling import Calling
from gristmill.bench.choose import Request, is_reward, judge_of
from gristmill.bench.judges import ByChoice, ByScore, folder_name
from gristmill.errors import ConfigError

REWARD, CHAT = "reward", "chat"
KINDS = (REWARD, CHAT)
_WORDS = {REWARD: "a reward model", CHAT: "a chat model"}


@dataclass(frozen=True)
class Side:
    """One of the two. place: 0 for A, 1 for B."""

    place: int
    judge: ByScore | ByChoice

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.judge.name

    @property
    def settings(self) -> Calling:
        return self.judge.settings

    @property
    def kind(self) -> str:
        return REWARD if isinstance(self.judge, ByScore) else CHAT

    def folder(self, out: Path) -> Path:
        """Where what it said is kept: the same model as the other side is asked on its own, since
        a server may answer the same question in two ways."""
        return out / "models" / f"{'ab'[self.place]}-{folder_name(self.judge)}"


def sides_of(
    a: str, b: str, kind: str | None, max_tokens: int, settings: Mapping[str, Any]
) -> tuple[Side, Side]:
    """Both models, none of them loaded yet. kind: what they are where no files say it.

    Raises ConfigError for a reward model against a chat model, and MissingExtra.
    """
    if kind not in (None, *KINDS):
        raise ConfigError(f"unknown kind '{kind}' (--kind): write reward or chat")
    request = Request("", False, max_tokens=max_tokens, settings=dict(settings))
    # Named once to learn what files say of them; nothing is loaded by that.
    known = [_known(model, request) for model in (a, b)]
    wanted = kind or next((one for one in known if one), None)
    if wanted is None:
        raise ConfigError(
            f"neither '{a}' nor '{b}' is here to say what it is: add --kind reward or --kind chat"
        )
    first, second = (
        Side(place, _judge(model, wanted, request)) for place, model in enumerate((a, b))
    )
    for side in (first, second):
        side.judge.open()  # Not entered: a wrong name is found before any work.
    if first.kind != second.kind:
        raise ConfigError(
            f"'{first.name}' is {_WORDS[first.kind]} and '{second.name}' {_WORDS[second.kind]}: "
            "compare two of one kind"
        )
    if kind is not None and first.kind != kind:
        raise ConfigError(f"'{first.name}' is {_WORDS[first.kind]}: leave --kind {kind} out")
    return first, second


def _judge(model: str, kind: str, request: Request) -> ByScore | ByChoice:
    judge = judge_of(model, kind == REWARD, request)
    assert isinstance(judge, ByScore | ByChoice)
    return judge


def _known(model: str, request: Request) -> str | None:
    """What a model is by its own files or settings; None where they are not here."""
    settings = judge_of(model, True, request).settings
    if settings.reference:
        return REWARD
    found = is_reward(settings.model)
    return None if found is None else REWARD if found else CHAT
