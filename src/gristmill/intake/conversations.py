"""Rows that ask something, and those that have one answer to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gristmill.intake.calls import tools_of, written_tools
from gristmill.intake.cells import Row, Unusable, switch_of, text_of
from gristmill.intake.facts import SYSTEM, THOUGHT
from gristmill.intake.labels import labels_of, listed_labels
from gristmill.intake.record import Answer, Content, with_thought
from gristmill.intake.turns import (
    Turns,
    answered,
    asked,
    checked,
    hh_turns,
    messages_of,
    nemotron_turns,
    spoken,
    with_system,
)
from gristmill.records import ATTRIBUTES, Message

TURNS = ("messages", "conversations", "conversation")
"""Columns that hold a whole conversation, the first that is there."""
QUESTIONS = ("question", "problem", "query")
"""Columns that hold a prompt under another name."""
REPLIES = ("response", "completion", "output")
"""Columns that hold an answer."""


def turns_field(row: Row) -> str:
    """The column of a row's turns; `messages` where it has none."""
    return next((name for name in TURNS if name in row), TURNS[0])


def prompt_in(row: Row, field: str = "prompt") -> Turns:
    """What a column asks, text or messages, behind the row's system message."""
    if isinstance(row.get(field), list | dict):
        found = messages_of(row[field], field)
    else:
        text = text_of(row, field, "empty_prompt")
        if field == "instruction" or row.get("instruction") == text:
            text = f"{text}{_input(row)}"
        found = spoken(text, field)
    return asked(with_system(system_of(row), found), field)


def system_of(row: Row) -> Any:
    """The row's system message; None where it has none."""
    return next((row[name] for name in SYSTEM if row.get(name)), None)


def _input(row: Row) -> str:
    """What an instruction is to be carried out on: Alpaca's `input`, Dolly's `context`, or the
    first of self-instruct's instances."""
    instances = row.get("instances")
    first = instances[0] if isinstance(instances, list) and instances else row
    given = (first.get("input") or first.get("context")) if isinstance(first, dict) else None
    return f"\n\n{given.strip()}" if isinstance(given, str) and given.strip() else ""


def reply_in(row: Row, field: str) -> Turns:
    """An answer in a column: a text, a message, or messages that end with the assistant's."""
    given = row.get(field)
    if isinstance(given, list | dict):
        return answered(messages_of(given, field), field)
    text = text_of(row, field, "empty_response")
    if text.startswith("\n\nHuman:"):
        return answered(hh_turns(text, field), field)
    return messages_of({"role": "assistant", "content": text}, field)


def asked_only(row: Row) -> Content:
    """A row that asks, in `prompt`."""
    return Content(prompt_in(row))


def question(row: Row) -> Content:
    """A row that asks, under another name."""
    return Content(prompt_in(row, next(n for n in QUESTIONS if n in row)))


def turns_listed(row: Row) -> Content:
    """MT-Bench's form: the user's turns as a list of texts."""
    given = row["turns"]
    if not isinstance(given, list) or not all(isinstance(turn, str) for turn in given) or not given:
        raise Unusable("bad_turns", "'turns' is not a list of texts")
    turns = checked([Message("user", text) for text in given], "turns")
    return Content(with_system(system_of(row), turns))


def instruction(row: Row) -> Content:
    """Alpaca (`output`), Dolly (`response`), self-instruct (`instances`), or the task alone."""
    prompt = prompt_in(row, "instruction")
    if (field := next((n for n in REPLIES if n in row), None)) is not None:
        return Content(prompt, (Answer(reply_in(row, field)),))
    instances = row.get("instances")
    first = instances[0] if isinstance(instances, list) and instances else None
    if isinstance(first, dict) and isinstance(first.get("output"), str) and first["output"].strip():
        return Content(prompt, (Answer(reply_in(first, "output")),))
    return Content(prompt)


def replied(row: Row) -> Content:
    """`prompt` and `response` (HelpSteer, with labels), or `completion`; Nemotron's post-training
    rows, `input` and `output`."""
    prompt = prompt_in(row, "prompt" if "prompt" in row else "input")
    field = next(name for name in REPLIES if name in row)
    turns = reply_in(row, field)
    labels = labels_of(row) if is_labelled(row) else None
    return Content(prompt, (Answer(turns, labels),))


def liked(row: Row) -> Content:
    """A KTO row: an answer and whether it is a good one."""
    found = conversation(row) if any(n in row for n in TURNS) else replied(row)
    if not found.answers:
        raise Unusable("no_answer", f"'{turns_field(row)}' ends with the user's turn")
    good = float(switch_of(row["label"], "label"))
    return replace(found, answers=(replace(found.answers[0], score=good),))


def conversation(row: Row) -> Content:
    """A row of turns. What answers them may stand beside them."""
    field = turns_field(row)
    turns = with_system(system_of(row), messages_of(row.get(field), field))
    reply = next((name for name in REPLIES if name in row), None)
    if turns[-1].role in ("user", "tool"):
        if reply is None:
            return Content(turns)
        return Content(turns, (Answer(reply_in(row, reply)),))
    if turns[-1].role != "assistant":
        raise Unusable("no_answer", f"'{field}' ends with the {turns[-1].role}'s turn")
    _check_same(row, turns)
    return Content(turns[:-1], (Answer(turns[-1:]),))


def _check_same(row: Row, turns: Turns) -> None:
    """Raises Unusable where `prompt` asks something that no turn of the user's does."""
    if "prompt" not in row:
        return
    given = row["prompt"]
    begun = messages_of(given, "prompt") if isinstance(given, list | dict) else None
    text = begun[-1].content if begun else given
    if isinstance(text, str) and text.strip() and not asks(turns, text):
        raise Unusable("prompt_differs", "'prompt' is not what the user says in the conversation")


def asks(turns: Turns, text: str) -> bool:
    """Whether a text is what the user says in some turns, white space and a frame aside."""
    plain = " ".join(text.split())
    said = [" ".join(turn.content.split()) for turn in turns if turn.role == "user"]
    return any(plain in one or one in plain for one in said if one)


def rated_conversation(row: Row) -> Content:
    """A conversation with labels: of its last turn in the row, or of any turn beside it."""
    field = turns_field(row)
    given = row.get(field)
    if not isinstance(given, list):
        raise Unusable("bad_turns", f"'{field}' is not a list of messages")
    found = conversation(row)
    if is_labelled(row):
        if not found.answers:
            raise Unusable("no_answer", f"'{field}' ends with the user's turn")
        labels = ((len(found.turns), labels_of(row)),)
    else:
        labels = tuple(_turn_labels(row, given, field))
    if not labels:
        raise Unusable("no_label", f"no turn of '{field}' has 'attributes' or 'label'")
    return replace(found, rated=labels)


def _turn_labels(row: Row, given: list[Any], field: str) -> Any:
    for number, turn in enumerate(given, 1):
        if has_labels(turn):
            before = with_system(system_of(row), messages_of(given[:number], field))
            answered(before, f"{field}[:{number}]")
            own = turn.get("attributes")
            labels = labels_of(own) if isinstance(own, dict) else listed_labels(turn["label"])
            yield len(before), labels


def is_labelled(row: Row) -> bool:
    """Whether a row has a label of one of the five attributes."""
    return any(row.get(name) not in (None, "") for name in ATTRIBUTES)


def has_labels(turn: Any) -> bool:
    """Whether a message has labels of its own."""
    return isinstance(turn, dict) and bool(turn.get("attributes") or turn.get("label"))


def nemotron_text(row: Row) -> Content:
    """A text in the family's format, with NeMo-Aligner's labels beside it or not."""
    text = text_of(row, "text", "empty_text")
    turns = answered(nemotron_turns(text), "text")
    labels = listed_labels(row["label"]) if row.get("label") is not None else None
    return Content(turns[:-1], (Answer(turns[-1:], labels),), text=text)


def hh_text(row: Row) -> Content:
    """A text in HH-RLHF's format."""
    text = text_of(row, "text", "empty_text")
    turns = hh_turns(text, "text")
    if turns[-1].role == "user":
        return Content(turns, text=text)
    return Content(turns[:-1], (Answer(turns[-1:]),), text=text)


def document(row: Row) -> Content:
    """A text."""
    return Content(text=text_of(row, "text", "empty_text"))


def beside(row: Row, found: Content) -> tuple[Content, str]:
    """What stands beside the turns of a row and changes them: (content, tools written in Hermes'
    form). A thought in a column of its own belongs to the only answer; NeMo's `mask` names the
    speaker whose turns are not learned."""
    found = _thought(row, found)
    if isinstance(mask := row.get("mask"), str) and mask.strip().casefold() in ("assistant", "gpt"):
        found = _unlearned(found)
    first = found.prompt[0] if found.prompt else None
    if first is None or first.role != "system" or (tools := written_tools(first.content)) is None:
        return found, ""
    return replace(found, prompt=found.prompt[1:]), tools_of(tools, "<tools>")


def _thought(row: Row, found: Content) -> Content:
    name = next((n for n in THOUGHT if isinstance(row.get(n), str) and row[n].strip()), None)
    if name is None:
        return found
    said = row[name].strip()
    thoughts = [answer.turns[-1].reasoning for answer in found.answers]
    if said.casefold() == "off" and any(thoughts):
        raise Unusable("reasoning_differs", f"'{name}' is off, and the answer has a thought")
    if said.casefold() in ("on", "off", "true", "false") or len(thoughts) != 1:
        return found
    if thoughts[0] and thoughts[0].split() != said.split():
        raise Unusable("reasoning_differs", f"'{name}' is not the thought that the answer has")
    return replace(found, answers=(with_thought(found.answers[0], said),))


def _unlearned(found: Content) -> Content:
    def off(turns: Turns) -> Turns:
        return tuple(
            replace(turn, learned=False) if turn.role == "assistant" else turn for turn in turns
        )

    answers = tuple(replace(answer, turns=off(answer.turns)) for answer in found.answers)
    return replace(found, prompt=off(found.prompt), answers=answers)
