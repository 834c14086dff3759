"""The judge of form: whether a response keeps to the constraints that its prompt holds."""

from __future__ import annotations

from typing import Literal

from gristmill.backends.base import Backend
from gristmill.constraints import (
    Demand,
    Outcome,
    check_as_ifeval,
    from_json,
    ready_for_ifeval,
)
from gristmill.errors import BackendError, DataError, MissingExtra
from gristmill.judges.base import GroundTruth
from gristmill.languages.detect import check as check_languages
from gristmill.page.text import plural
from gristmill.parts import name_of
from gristmill.records import Prompt, Response, Verdict


class Format(GroundTruth):
    """Checks the response, the last turn of the assistant, against `Prompt.constraints`: those of
    the last turn of the user and those that an earlier turn asked of all later answers alike.

    The verdict's detail names each constraint that is not kept, with the evidence. A prompt without
    constraints has no reward.
    """

    rule: Literal["all", "share"] = "all"
    """The reward: `all` is 1 if every constraint is kept, else 0; `share` is the share of them that
    is. `all` by default: an answer that forgets one of three rules is not the one asked for."""
    mode: Literal["strict", "loose"] = "strict"
    """`strict` takes the response as it stands; `loose`, as IFEval has it, is content if it keeps
    to a constraint without its first line, its last line or its asterisks."""
    definition: Literal["own", "ifeval"] = "own"
    """What it is to keep to a constraint: `own`, as the constraints say, near to what a reader of
    the prompt would; `ifeval`, as IFEval's published checkers decide, for those who report its
    numbers, which needs the extra `ifeval`."""

    def open(self) -> Backend:
        if self.definition == "ifeval":
            ready_for_ifeval()
        return super().open()

    @property
    def looks(self) -> bool:
        try:
            check_languages()
        except MissingExtra:
            return True
        return False

    def look(self, prompt: Prompt) -> None:
        if any('"language"' in line for line in prompt.constraints):
            check_languages()

    @property
    def needs(self) -> str:
        return "constraints"

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        if not prompt.constraints:
            return Verdict("format", "rules", None)
        demands = [_read(line) for line in prompt.constraints]
        outcomes = [self._check(demand, response.text) for demand in demands]
        kept = sum(outcome.satisfied for outcome in outcomes)
        reward = kept / len(outcomes) if self.rule == "share" else float(kept == len(outcomes))
        return Verdict("format", "rules", reward, detail=_detail(demands, outcomes, kept))

    def _check(self, demand: Demand, text: str) -> Outcome:
        constraint, loose = demand.constraint, self.mode == "loose"
        if self.definition == "ifeval":
            return check_as_ifeval(constraint, text, loose=loose)
        return constraint.check_loose(text) if loose else constraint.check(text)


def _read(line: str) -> Demand:
    try:
        return from_json(line)
    except DataError as error:
        # One prompt of many: it becomes a rejected row, and the run goes on.
        raise BackendError("unreadable", str(error)) from None


def _detail(demands: list[Demand], outcomes: list[Outcome], kept: int) -> str:
    broken = [
        f"{name_of(demand.constraint)} ({outcome.evidence})"
        for demand, outcome in zip(demands, outcomes, strict=True)
        if not outcome
    ]
    total = f"{kept} of {plural(len(outcomes), 'constraint')} kept"
    return f"{total}; not kept: {'; '.join(broken)}" if broken else total
