"""Examples to token sequences: what is read, and which tokens or ends are learned from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gristmill import packing
from gristmill.intake.cells import Refused
from gristmill.train.examples import Document, Example, prompt_of
from gristmill.train.rendered import Renderer, Text, Unfit

CHUNK = 1_000
"""Texts that go through the tokenizer at once."""


@dataclass(frozen=True, slots=True)
class Item:
    """One example, ready to be computed.

    sequences: one, or chosen and rejected. group: examples of one group share their beginning and
    are computed together.
    """

    example: Example
    group: str
    sequences: tuple[packing.Sequence, ...]

    @property
    def tokens(self) -> int:
        """Tokens of all its sequences, shared or not."""
        return sum(len(s.ids) for s in self.sequences)

    @property
    def reads(self) -> int:
        """Tokens, or ends, that are learned from."""
        return sum(len(s.reads) for s in self.sequences)


class Encoder:
    """Turns examples into `Item`s.

    ends: True for a reward model, which reads the last token of a conversation; False for a
    language model, which predicts what the assistant said. answers: whether a reward model reads
    each token of the answer, too. limit: longest sequence in tokens, or None. turns, reasoning:
    see `Renderer`.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        ends: bool,
        limit: int | None,
        answers: bool = False,
        turns: str = "all",
        reasoning: str = "keep",
    ) -> None:
        self._tokenizer = tokenizer
        self._rates = ends
        self._last = ends and not answers
        self._limit = limit
        self._renderer = Renderer(tokenizer, ends=ends, turns=turns, reasoning=reasoning)

    def encode(self, examples: Sequence[Example]) -> Iterator[list[Item] | Refused]:
        """The item of each example, in order, or why it cannot be one. A document longer than the
        limit gives several, one behind the other."""
        for begin in range(0, len(examples), CHUNK):
            yield from self._chunk(examples[begin : begin + CHUNK])

    def _chunk(self, examples: Sequence[Example]) -> Iterator[list[Item] | Refused]:
        rendered = [self._rendered(example) for example in examples]
        flat = [text for row in rendered if not isinstance(row, Refused) for text in row]
        sequences = iter(self._sequences(flat))
        for example, row in zip(examples, rendered, strict=True):
            if isinstance(row, Refused):
                yield row
            else:
                yield self._items(example, tuple(next(sequences) for _ in row))

    def _items(
        self, example: Example, sequences: tuple[packing.Sequence, ...]
    ) -> list[Item] | Refused:
        if isinstance(example, Document):
            pieces = [Item(example, prompt_of(example), (s,)) for s in self._pieces(sequences[0])]
            return pieces or Refused(
                example.where, "nothing_to_learn", "one token, which nothing predicts"
            )
        longest = max(len(s.ids) for s in sequences)
        if self._limit is not None and longest > self._limit:
            detail = f"{longest:,} tokens, at most {self._limit:,} fit; nothing is cut off"
            return Refused(example.where, "too_long", detail)
        if not all(len(s.reads) for s in sequences):
            return Refused(example.where, "nothing_to_learn", "no token of it is learned from")
        if len(sequences) == 2 and np.array_equal(sequences[0].ids, sequences[1].ids):
            return Refused(example.where, "identical_pair", "chosen and rejected are one text")
        return [Item(example, prompt_of(example), sequences)]

    def _pieces(self, whole: packing.Sequence) -> Iterator[packing.Sequence]:
        size = self._limit or len(whole.ids)
        # Two tokens at least: a piece of one predicts nothing.
        for begin in range(0, len(whole.ids) - 1, size):
            ids = whole.ids[begin : begin + size]
            if len(ids) > 1:
                yield packing.Sequence(ids, np.arange(len(ids) - 1))

    def _rendered(self, example: Example) -> list[Text] | Refused:
        if isinstance(example, Document):
            text = example.text + (self._tokenizer.eos_token or "")
            return [Text(text, ((0, len(text)),))]
        try:
            return self._renderer.texts(example)
        except Unfit as error:
            return Refused(example.where, error.reason, error.detail)

    def _sequences(self, texts: list[Text]) -> list[packing.Sequence]:
        if not texts:
            return []
        encoded = self._tokenizer(
            [t.text for t in texts],
            add_special_tokens=False,
            return_offsets_mapping=not self._last,
            verbose=False,
        )
        sequences = []
        for i, text in enumerate(texts):
            ids = np.array(encoded["input_ids"][i], dtype=np.int32)
            if self._last:
                reads = np.array([len(ids) - 1])
            else:
                begins, ends = np.array(encoded["offset_mapping"][i]).reshape(-1, 2).T
                learned = np.zeros(len(ids), bool)
                for a, b in text.spans:
                    # A token that begins before the stretch has its first letters, too.
                    learned |= (ends > a) & (begins < b)
                # A token is rated where it stands, and predicted at the one before it; nothing
                # predicts the first.
                reads = np.flatnonzero(learned if self._rates else learned[1:])
            sequences.append(packing.Sequence(ids, reads))
        return sequences


def ended(item: Item) -> Item:
    """The same, read at the last token of each sequence alone."""
    return replace(item, sequences=tuple(replace(s, reads=s.reads[-1:]) for s in item.sequences))


def targets(items: Iterable[Item]) -> np.ndarray:
    """The token that follows each read one, over all sequences in order."""
    return np.concatenate([s.ids[s.reads + 1] for item in items for s in item.sequences])
