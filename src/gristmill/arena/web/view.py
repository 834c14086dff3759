"""What the page shows of a round: texts and which buttons work, without Gradio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from gristmill.arena.web.clean import markdown, quoted
from gristmill.arena.web.round import Answer, Round
from gristmill.page.text import label

CHOICES = {
    "model_a": "A is better",
    "model_b": "B is better",
    "tie": "Tie",
    "both_bad": "Both are bad",
}
"""The buttons, by the outcome that each stands for."""

_NOT_COUNTED = {
    "after_reveal": "Your vote is kept but not counted: the names were already known.",
    "error": "Your vote is kept but not counted: an answer broke off.",
    "identity": "Your vote is kept but not counted: an answer gave its model away.",
}
_ERRORS = {
    "timeout": "The model did not answer in time.",
    "rate_limited": "The model is busy.",
    "too_long": "The conversation is too long for the model.",
    "stopped": "The answer was stopped.",
}


@dataclass(frozen=True)
class View:
    """What there is to see and to do.

    talks: messages of A's and of B's side as Gradio's chat takes them. titles: of the sides, as
    text. note: a line of HTML between answers and buttons. typed: what the text box holds, None
    to leave it; placeholder: what it says when empty. decided: whether the names are known, so that
    a new round is the next thing to do. The rest: which buttons work.
    """

    talks: tuple[Sequence[dict[str, Any]], Sequence[dict[str, Any]]] = ((), ())
    titles: tuple[str, str] = ("Assistant A", "Assistant B")
    note: str = ""
    typed: str | None = None
    placeholder: str = "Ask both anything"
    can_send: bool = True
    can_vote: bool = False
    can_undo: bool = False
    can_again: bool = False
    can_new: bool = False
    decided: bool = False


def view_of(
    found: Round | None, now: float, undo_seconds: float, *, typed: str | None = None
) -> View:
    """The view of a round; None is the page before the first prompt.

    now: seconds since 1970. undo_seconds: how long a vote may be taken back.
    """
    if found is None:
        return View(note=note(""), typed=typed)
    shown = [label(model.shown, 60) for model in found.models]
    sides = zip("AB", shown, strict=True)
    titles = [f"{side}: {name}" if found.revealed else f"Assistant {side}" for side, name in sides]
    return View(
        talks=(_talk(found, 0), _talk(found, 1)),
        titles=(titles[0], titles[1]),
        note=_said(found, shown),
        typed=typed,
        placeholder="Go on with both, or vote" if found.ballot is None else "Go on with both",
        can_send=not found.busy and not found.failed,
        can_vote=found.open,
        can_undo=found.can_undo(now, undo_seconds),
        can_again=not found.busy and bool(found.turns),
        can_new=not found.busy and bool(found.turns),
        decided=found.revealed and not found.asking,
    )


def note(said: str, kind: str = "") -> str:
    """A line for the page, made of plain text. kind: `warn` for what went wrong."""
    return _line(escape(said), kind)


def _line(said: Markup, kind: str = "") -> str:
    return Markup('<p class="note {}" role="status">{}</p>').format(kind, said)


def _talk(found: Round, side: int) -> list[dict[str, Any]]:
    messages = []
    for number, turn in enumerate(found.turns, 1):
        answering = found.asking and number == len(found.turns)
        answer = _content(turn.answers[side], answering)
        for role, text in (("user", quoted(turn.prompt)), ("assistant", answer)):
            # As a part, and not as a text alone: of that Gradio takes the indentation away.
            messages.append({"role": role, "content": [{"type": "text", "text": text}]})
    return messages


def _content(answer: Answer, answering: bool) -> str:
    if answering and not answer.done and not answer.error:
        return markdown(answer.text + " ▍").lstrip()
    said = ""
    if answer.error:
        said = _ERRORS.get(answer.error, "The model could not answer.")
    elif answer.finish_reason == "length":
        said = "The answer was cut at its longest length."
    elif not answer.text.strip():
        said = "The answer is empty."
    return f"{markdown(answer.text)}\n\n*{said}*" if said else markdown(answer.text)


def _said(found: Round, shown: list[str]) -> str:
    if found.asking:
        return note("Both are answering …")
    if found.ballot is not None:
        choice = CHOICES[found.ballot.winner]
        if not found.revealed:
            said = Markup("You voted: {}. The names come in a moment. A slip? Undo it first.")
            return _line(said.format(choice), "good")
        said = Markup("You voted: {}. A is <b>{}</b>, B is <b>{}</b>.").format(choice, *shown)
        reason = _NOT_COUNTED.get(found.ballot.reason)
        counted = Markup(" {}").format(reason) if reason else Markup("")
        return _line(said + counted, "warn" if reason else "good")
    if found.failed:
        return note("An answer broke off. Regenerate it, or start a new round.", "warn")
    return note("Which answer is better?")
