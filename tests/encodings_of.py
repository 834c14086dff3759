"""Examples as the tiny family's tokenizer encodes them, under any chat template."""

from __future__ import annotations

from functools import cache
from typing import Any

from chat_templates import STOPS
from gristmill.backends.local_load import find, load_tokenizer
from gristmill.intake.cells import Refused
from gristmill.train.encode import Encoder, Item, targets
from gristmill.train.examples import Example


@cache
def tokenizer(template: str = "") -> Any:
    """The tiny family's, or the same with another template and its special tokens."""
    found = load_tokenizer(find("tiny:instruct"))
    if template:
        found.add_special_tokens({"additional_special_tokens": list(STOPS)})
        found.chat_template = template
    return found


def encode(
    examples: list[Example],
    template: str = "",
    *,
    ends: bool = False,
    limit: int | None = None,
    turns: str = "all",
    reasoning: str = "keep",
) -> list[list[Item] | Refused]:
    encoder = Encoder(tokenizer(template), ends=ends, limit=limit, turns=turns, reasoning=reasoning)
    return list(encoder.encode(examples))


def one(example: Example, template: str = "", **options: Any) -> Item:
    (found,) = encode([example], template, **options)
    assert not isinstance(found, Refused), found
    (item,) = found
    return item


def refusal(example: Example, template: str = "", **options: Any) -> Refused:
    (found,) = encode([example], template, **options)
    assert isinstance(found, Refused)
    return found


def learned(item: Item, template: str = "") -> list[str]:
    """The text of each sequence's learned tokens."""
    ids = iter(targets([item]).tolist())
    return [
        tokenizer(template).decode([next(ids) for _ in sequence.reads])
        for sequence in item.sequences
    ]


def whole(item: Item, template: str = "") -> list[str]:
    return [tokenizer(template).decode(sequence.ids) for sequence in item.sequences]
