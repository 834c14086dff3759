"""Examples to texts: what a model's chat template makes of them, and which stretches are learned.

A template may write less than it is given: no thoughts, no tools, or no thoughts of earlier turns.
What is to be learned must stand in the text, or the example is refused with the way out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from gristmill.backends.local_template import Template, unthinking
from gristmill.nemotron.chat import thought_first
from gristmill.records import Message
from gristmill.train.examples import Compared, Conversation, Rated

Turns = tuple[Message, ...]
Span = tuple[int, int]

USER = Message("user", "a")

OTHERS = (Message("assistant", "~"), Message("assistant", "^"))
"""Answers of which no real one shares both beginnings, nor both ends."""


@dataclass(frozen=True, slots=True)
class Text:
    """A rendered text and the stretches of it that are learned; of one to rate, the answer and
    what ends it."""

    text: str
    spans: tuple[Span, ...]


class Unfit(ValueError):
    """An example that cannot be learned from. reason: one short word; detail: in full."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Renderer:
    """Renders examples through a tokenizer's chat template.

    ends: for a reward model, which reads no thoughts. turns: which of the assistant's turns of a
    `Conversation` are learned, `all` or `last`. reasoning: what becomes of thoughts: `keep` gives
    them to the template, `inline` writes them into the text, `drop` leaves them out.
    """

    def __init__(self, tokenizer: Any, *, ends: bool, turns: str, reasoning: str) -> None:
        self._template = Template(tokenizer)
        self._ends = ends
        self._turns = turns
        self._reasoning = reasoning
        added = map(str, tokenizer.added_tokens_decoder.values())
        self._special = tuple({*tokenizer.all_special_tokens, *added})

    def texts(self, example: Rated | Compared | Conversation) -> list[Text]:
        """One text, or chosen and rejected. Raises Unfit."""
        try:
            return [self._text(turns, at, example.tools) for turns, at in conversations(example)]
        except Unfit:
            raise
        # A chat template refuses in whatever way its author chose.
        except Exception as error:
            line = " ".join(str(error).split()) or type(error).__name__
            detail = f"the template refuses it: {line[:200]}"
            raise Unfit("chat_template", detail) from error

    def _text(self, turns: Turns, first: int, tools: str) -> Text:
        """`first` is the first turn that may be learned."""
        if left_out := self._template.left_out(turns, tools):
            raise Unfit(
                "tools_dropped",
                f"the model's chat template leaves out {left_out}; name a `template` that writes "
                "them, or start from a model whose template does",
            )
        shown = self._shown(tuple(self._template.named(turns)))
        if self._ends:
            text = self._template.text(shown, tools)
            return Text(text, ((max(0, text.rfind(shown[-1].content.strip())), len(text)),))
        places = self._learned(turns, first)
        marked = self._marked(shown, places, tools)
        text, spans = marked or self._unmarked(shown, places, tools)
        for place, (begin, end) in zip(places, spans, strict=True):
            self._check(turns, place, tools, text[begin:end])
        return Text(text, tuple(spans))

    def _shown(self, turns: Turns) -> Turns:
        if self._ends or self._reasoning == "drop":
            return unthinking(turns)
        if self._reasoning == "keep":
            return turns
        return tuple(
            replace(t, content=thought_first(t.reasoning, t.content), reasoning="")
            if t.reasoning
            else t
            for t in turns
        )

    def _learned(self, turns: Turns, first: int) -> list[int]:
        """Places of the turns that are learned."""
        said = [i for i in range(first, len(turns)) if turns[i].role == "assistant"]
        wanted = said[-1:] if self._turns == "last" else said
        learned = [i for i in wanted if turns[i].learned]
        if wanted and not learned:
            raise Unfit("nothing_to_learn", "every answer that would be learned has weight 0")
        return learned

    def _marked(
        self, turns: Turns, places: Sequence[int], tools: str
    ) -> tuple[str, list[Span]] | None:
        """Text and learned stretches by the template's own marks, if it has them."""
        found = self._template.marked(turns, tools)
        if found is None:
            return None
        text, stretches = found
        said = [i for i, turn in enumerate(turns) if turn.role == "assistant"]
        by_place = dict(zip(said, stretches, strict=True))
        spans = [by_place[place] for place in places]
        if not all(
            _in_order(text[a:b], turns[place].content)
            for place, (a, b) in zip(places, spans, strict=True)
        ):
            return None
        if self._marks_hold_stop:
            return text, spans
        return text, [(begin, self._stopped(text, end)) for begin, end in spans]

    @cached_property
    def _marks_hold_stop(self) -> bool:
        """Whether the token that ends an answer lies inside the template's marks."""
        found = self._template.marked((USER, OTHERS[0], USER))
        return found is not None and self._ends_in_special(found[0][slice(*found[1][0])])

    def _unmarked(self, turns: Turns, places: Sequence[int], tools: str) -> tuple[str, list[Span]]:
        """Text and learned stretches, found by rendering parts of the conversation."""
        text = self._template.text(turns, tools)
        return text, [self._span(turns, place, tools, text) for place in places]

    def _span(self, turns: Turns, place: int, tools: str, text: str) -> Span:
        before = self._template.text(turns[:place], tools, answer=True)
        last = place == len(turns) - 1
        upto = text if last else self._template.text(turns[: place + 1], tools)
        if text.startswith(before) and text.startswith(upto):
            return len(before), len(before) + len(self._said(upto[len(before) :]))
        # The template writes the turn, or what comes before it, otherwise than where it ends.
        # What another answer leaves as it is is not the answer.
        others = [
            self._template.text((*turns[:place], other, *turns[place + 1 :]), tools)
            for other in OTHERS
        ]
        begin = min(_common(text, other) for other in others)
        after = min(_common(text[begin:][::-1], other[begin:][::-1]) for other in others)
        begin = len(before) if text.startswith(before) else begin
        end = self._stopped(text, len(text) - after)
        self._check_next(turns, place, tools, text[:end])
        return begin, end

    def _check_next(self, turns: Turns, place: int, tools: str, upto: str) -> None:
        """Raise Unfit where the stretch up to a turn's end changes with what a tool answers."""
        if place + 1 == len(turns) or turns[place + 1].role != "tool":
            return
        for other in OTHERS:
            result = replace(turns[place + 1], content=other.content)
            text = self._template.text((*turns[: place + 1], result, *turns[place + 2 :]), tools)
            if not text.startswith(upto):
                raise Unfit(
                    "chat_template",
                    "the template writes what tools answer into the assistant's turn, where it "
                    "would be learned",
                )

    def _said(self, turn: str) -> str:
        """The assistant's part of its turn, up to the stop token: the line break that some
        templates write after that is never generated."""
        return turn.rstrip() if self._ends_in_special(turn) else turn

    def _ends_in_special(self, text: str) -> bool:
        return text.rstrip().endswith(self._special)

    def _stopped(self, text: str, end: int) -> int:
        """The end of a stretch with the stop token behind it, which is learned too."""
        rest = text[end:]
        bare = rest.lstrip()
        stop = max((t for t in self._special if bare.startswith(t)), key=len, default="")
        return end + (len(rest) - len(bare) + len(stop) if stop else 0)

    def _check(self, turns: Turns, place: int, tools: str, written: str) -> None:
        """Raise Unfit where a turn's thought or answer is not in what was written of it."""
        turn, last = turns[place], place == len(turns) - 1
        thought = "" if self._reasoning == "drop" else turn.reasoning
        if _in_order(written, thought, turn.content):
            return
        if thought and _in_order(written, turn.content):
            raise Unfit("reasoning_dropped", self._way_out(last))
        if not last and _in_order(self._template.text(turns[: place + 1], tools), turn.content):
            raise Unfit(
                "chat_template",
                "the template writes earlier turns differently once later ones follow; set "
                "turns: last",
            )
        beside = " beside its tool calls" if turn.tool_calls else ""
        raise Unfit(
            "chat_template", f"the template leaves out some of what the assistant says{beside}"
        )

    def _way_out(self, last: bool) -> str:
        if not last and (self._reasoning == "inline" or self._template.writes_thoughts):
            return (
                "the model's chat template leaves out the thoughts of earlier turns; set "
                "turns: last (of sft), or reasoning: drop"
            )
        if self._reasoning == "inline":
            return (
                "the model's chat template takes thoughts out of the text; set reasoning: drop, "
                "or name a `template` that writes them"
            )
        return (
            "the model's chat template writes no thoughts; set reasoning: inline to learn them "
            "as text, or reasoning: drop"
        )


def conversations(example: Rated | Compared | Conversation) -> list[tuple[Turns, int]]:
    """The conversations of an example, and the first turn of each that may be learned."""
    if isinstance(example, Rated):
        turns = (*example.prompt, Message("assistant", example.response))
        return [(turns, len(example.prompt))]
    if isinstance(example, Compared):
        sides = (example.chosen, example.rejected)
        return [((*example.prompt, *side), len(example.prompt)) for side in sides]
    return [(example.messages, 0)]


def _common(one: str, other: str) -> int:
    """How many characters two texts share at their beginning."""
    begin, end = 0, min(len(one), len(other))
    while begin < end:
        middle = (begin + end + 1) // 2
        if one[begin:middle] == other[begin:middle]:
            begin = middle
        else:
            end = middle - 1
    return begin


def _in_order(text: str, *parts: str) -> bool:
    """Whether the parts stand in a text one behind the other, however it is spaced."""
    text, at = "".join(text.split()), 0
    for part in ("".join(part.split()) for part in parts):
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True
