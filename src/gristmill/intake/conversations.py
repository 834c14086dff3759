"""Rows that ask something, and those that have one answer to it."""

from __future__ import annotations

import re
from collections.abc import Callable

from gristmill.intake.asked import (
    ASKS,
    REPLIES,
    TURNS,
    field_of,
    first_instance,
    prompt_in,
    reply_in,
    system_of,
    turns_field,
)
from gristmill.intake.calls import calls_of
from gristmill.intake.cells import Row, Unusable, switch_of, text_of
from gristmill.intake.record import Answer, Content, whatever_answers
from gristmill.intake.turns import (
    Turns,
    answered,
    checked,
    hh_turns,
    listed,
    messages_of,
    nemotron_turns,
    with_system,
)
from gristmill.records import Message

_SAYING = 16
"""Characters of a text that is found in a longer one by no chance."""
_SPEAKER = re.compile(r"\b(?:human|user|inst|instruction|question|im_start)\b", re.IGNORECASE)
"""Who speaks, in a transcript."""

LIKES = ("label", "kto_tag")
"""Columns that say whether an answer is a good one."""


def asks_in(*names: str) -> Callable[[Row], Content]:
    """A reader of rows that ask in the first of some columns, and may have an answer to it."""

    def read(row: Row) -> Content:
        prompt = prompt_in(row, field_of(row, names) or names[0])
        if (field := field_of(row, REPLIES)) is not None:
            return _replied(prompt, row, field)
        return Content(prompt)

    return read


def _replied(prompt: Turns, row: Row, field: str) -> Content:
    return whatever_answers(prompt, lambda: Content(prompt, (Answer(reply_in(row[field], field)),)))


def instruction(row: Row) -> Content:
    """Alpaca (`output`), Dolly (`response`), self-instruct (`instances`), or the task alone."""
    found = asks_in("instruction")(row)
    first = first_instance(row)
    output = first.get("output") if first else None
    if found.answers or found.flaw or not isinstance(output, str) or not output.strip():
        return found
    return found._replace(answers=(Answer(reply_in(output, "instances[0].output")),))


def turns_listed(row: Row) -> Content:
    """MT-Bench's form: the user's turns as a list of texts."""
    given = row["turns"]
    if not isinstance(given, list) or not all(isinstance(turn, str) for turn in given) or not given:
        raise Unusable("bad_turns", "'turns' is not a list of texts")
    turns = checked([Message("user", text) for text in given], "turns")
    return Content(with_system(system_of(row), turns))


def called(row: Row) -> Content:
    """xLAM's form: a question, and the calls of tools that answer it."""
    calls = calls_of(row["answers"], "answers")
    if not calls:
        raise Unusable("empty_response", "'answers' has no call of a tool")
    answer = Answer((Message("assistant", "", tool_calls=calls),))
    return Content(prompt_in(row, "query"), (answer,))


def liked(row: Row) -> Content:
    """A KTO row: an answer and whether it is a good one."""
    found = conversation(row) if field_of(row, TURNS) else asks_in(*ASKS)(row)
    if found.flaw:
        return found
    if not found.answers:
        raise Unusable("no_answer", "there is no answer that the label is of")
    name = field_of(row, LIKES) or LIKES[0]
    good = float(switch_of(row[name], name))
    return found._replace(answers=(found.answers[0]._replace(score=good),))


def conversation(row: Row) -> Content:
    """A row of turns. What answers them may stand beside them."""
    field = turns_field(row)
    turns = with_system(system_of(row), messages_of(row[field], field))
    reply = field_of(row, REPLIES)
    if turns[-1].role in ("user", "tool"):
        return Content(turns) if reply is None else _replied(turns, row, reply)
    answered(turns, field)
    _check_same(row, turns)
    if reply is not None and not _says(turns[-1], reply_in(row[reply], reply)[-1]):
        raise Unusable("response_differs", f"'{reply}' is not what '{field}' ends with")
    return Content(turns[:-1], (Answer(turns[-1:]),))


def _says(turn: Message, reply: Message) -> bool:
    return turn.content.split() == reply.content.split()


def _check_same(row: Row, turns: Turns) -> None:
    """Raises Unusable where `prompt` asks something that no turn of the user's does."""
    if "prompt" in row and not asks(turns, row["prompt"]):
        raise Unusable("prompt_differs", "'prompt' is not what the user says in the conversation")


def asks(turns: Turns, given: object) -> bool:
    """Whether a column of the prompt is what the user says in some turns, white space and a frame
    aside: one of them, some, or a transcript of all. A column that is no text and no messages asks
    nothing else."""
    begun = listed(given, "prompt")
    texts = [given] if begun is None else [t.content for t in begun if t.role == "user"]
    said = [" ".join(turn.content.split()) for turn in turns if turn.role == "user"]
    return all(_says_so(" ".join(text.split()), said) for text in texts if isinstance(text, str))


def _says_so(plain: str, said: list[str]) -> bool:
    if not plain or any(_quotes(plain, one) or _quotes(one, plain) for one in said):
        return True
    return _SPEAKER.search(plain) is not None and all(one in plain for one in said)


def _quotes(whole: str, part: str) -> bool:
    """Whether a text is in another, and as more than a word that may stand anywhere."""
    if part == whole:
        return True
    if part not in whole or len(part) < min(_SAYING, len(whole) / 2):
        return False
    return re.search(rf"(?<!\w){re.escape(part)}(?!\w)", whole) is not None


def nemotron_text(row: Row) -> Content:
    """A text in the family's format."""
    text = text_of(row, "text", "empty_text")
    turns = answered(nemotron_turns(text), "text")
    return Content(turns[:-1], (Answer(turns[-1:]),), text=text)


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
