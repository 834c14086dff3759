"""What stands beside the turns of a row and changes them: thoughts, masks, Hermes' tools."""

from __future__ import annotations

from dataclasses import replace

from gristmill.intake.calls import tools_of, written_tools
from gristmill.intake.cells import Row, Unusable
from gristmill.intake.facts import STEPS, THOUGHT
from gristmill.intake.message import SPEAKERS, thought_in
from gristmill.intake.record import Answer, Content
from gristmill.intake.turns import Turns, listed
from gristmill.records import Message

_BESIDE = frozenset((*THOUGHT, STEPS, "mask"))
_SWITCHES = ("on", "off", "true", "false")
"""What Nemotron's rows have in `reasoning`: whether there is a thought."""


def with_beside(row: Row, found: Content) -> tuple[Content, str]:
    """(content, tools written in Hermes' form).

    A thought in a column of its own belongs to the only answer, and so do the `steps` that our own
    data sets have; NeMo's `mask` names the speaker
    whose turns are not learned. Raises Unusable where a column says another thing than the turns.
    """
    if not _BESIDE.isdisjoint(row):
        found = _masked(row, _stepped(row, _thought(row, found)))
    first = found.prompt[0] if found.prompt else None
    if first is None or first.role != "system" or (tools := written_tools(first.content)) is None:
        return found, ""
    listed, rest = tools
    kept = (Message("system", rest),) if rest else ()
    return found._replace(prompt=(*kept, *found.prompt[1:])), tools_of(listed, "<tools>")


def _masked(row: Row, found: Content) -> Content:
    mask = row.get("mask")
    if isinstance(mask, str) and SPEAKERS.get(mask.strip().casefold()) == "assistant":
        return _unlearned(found)
    return found


def _thought(row: Row, found: Content) -> Content:
    said = {name: thought_in(row[name]) for name in THOUGHT if name in row}
    name = next((name for name, thought in said.items() if thought), None)
    if name is None:
        return found
    thoughts = [answer.turns[-1].reasoning for answer in found.answers]
    if said[name].casefold() == "off" and any(thoughts):
        raise Unusable("reasoning_differs", f"'{name}' is off, and the answer has a thought")
    if said[name].casefold() in _SWITCHES or len(thoughts) != 1:
        return found
    if thoughts[0] and thoughts[0].split() != said[name].split():
        raise Unusable("reasoning_differs", f"'{name}' is not the thought that the answer has")
    *before, last = found.answers[0].turns
    turns = (*before, replace(last, reasoning=said[name]))
    return found._replace(answers=(found.answers[0]._replace(turns=turns),))


def _stepped(row: Row, found: Content) -> Content:
    given = row.get(STEPS)
    # Others have the steps of a solution in such a column: texts.
    steps = listed(given, STEPS) if isinstance(given, str) else None
    if not steps or len(found.answers) != 1:
        return found
    answer = found.answers[0]
    return found._replace(answers=(answer._replace(turns=(*steps, *answer.turns)),))


def _unlearned(found: Content) -> Content:
    def off(turns: Turns) -> Turns:
        return tuple(
            replace(turn, learned=False) if turn.role == "assistant" else turn for turn in turns
        )

    answers = tuple(Answer(off(answer.turns), answer.score) for answer in found.answers)
    return found._replace(prompt=off(found.prompt), answers=answers)
