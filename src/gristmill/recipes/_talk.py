"""What recipes share that let the model answer, and show it the conversation so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gristmill.recipes._ask import Ask
from gristmill.recipes._items import Draft, Item
from gristmill.records import Message


async def answered(ask: Ask, messages: tuple[Message, ...], before: Item) -> Item | None:
    """The model's own answer to a conversation, as an item; None where it gave none."""
    text = await ask.reply("answer", messages, plain=True)
    return None if text is None else Item("answer", text, before)


def talked(seed: Draft) -> dict[str, Any]:
    """What holds of a seed's prompt and of the conversation that it begins, too: not its answer."""
    return {name: value for name, value in seed.facts.items() if name != "answer"}


def conversation(messages: Sequence[Message]) -> str:
    """The turns with who said them, without the system's."""
    said = (f"{m.role.capitalize()}: {m.content}" for m in messages if m.role != "system")
    return "\n\n".join(said)
