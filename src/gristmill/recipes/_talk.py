"""What recipes share that let the model answer, and show it the conversation so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from gristmill.backends.use import PER_MESSAGE, Asked
from gristmill.recipes._ask import Ask
from gristmill.recipes._items import Draft, Item
from gristmill.recipes._polite import spoken
from gristmill.recipes._replies import TRIES, squeezed
from gristmill.records import Message


def talk_of(seed: Asked, turns: int, longest: int) -> Asked:
    """The longest conversation of so many more turns of each side, of `longest` tokens each."""
    return Asked(seed.tokens + 2 * turns * (longest + PER_MESSAGE), seed.turns + turns)


async def answered(
    ask: Ask, messages: tuple[Message, ...], before: Item, seed: Draft
) -> Item | None:
    """The model's own answer to a conversation that began with a seed, as an item; None where it
    gave none. It sees the seed's tools, and an answer that calls one is none."""
    tools = seed.facts.get("tools")
    text = await ask.answer("answer", messages, orjson.dumps(tools).decode() if tools else "")
    return None if text is None else Item("answer", text, before)


async def goes_on(
    ask: Ask, stage: str, template: str, said: Sequence[Message], persona: str, **told: Any
) -> str:
    """What the user says next, by a template that is told the conversation; empty where the model
    only ever thanked, or repeated what one of the two had said."""
    before = {squeezed(message.content) for message in said}
    counts = ask.shared.report.stage(stage)
    for attempt in range(TRIES):
        variant = ask.turn * TRIES + attempt
        told |= {"conversation": conversation(said), "persona": persona}
        text = await ask.text(stage, template, variant=variant, **told)
        if text is None:
            break
        if (found := spoken(text)) and squeezed(found) not in before:
            return found
        counts.items -= 1
        counts.repeated += bool(found)
        counts.unusable += not found
    return ""


async def followed(
    ask: Ask, said: tuple[Message, ...], seed: Draft
) -> tuple[tuple[Message, ...], Item] | None:
    """The conversation with the model's answer and what the user says to it, and that as an item;
    None where one of the two is missing."""
    answer = await answered(ask, said, seed.item, seed)
    if answer is None:
        return None
    said = (*said, Message("assistant", answer.text))
    persona = ask.persona(seed.item)
    text = await goes_on(ask, "follow_up", "follow_up", said, persona)
    item = Item("follow_up", text, answer, persona=persona)
    return ((*said, Message("user", text)), item) if text else None


def talked(seed: Draft) -> dict[str, Any]:
    """What holds of a seed's prompt and of the conversation that it begins, too: not its answer,
    and not what it takes to find it."""
    return {n: value for n, value in seed.facts.items() if n not in ("answer", "calls")}


def conversation(messages: Sequence[Message]) -> str:
    """The turns with who said them, without the system's."""
    said = (f"{m.role.capitalize()}: {m.content}" for m in messages if m.role != "system")
    return "\n\n".join(said)
