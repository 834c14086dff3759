"""The tiny family's text: tokenizer, pretraining documents, and arrays of token ids.

Documents are written once, ahead of training, into flat int16 arrays, so the
trainer never waits for Python. Beside the ids lie per-token loss weights in
quarters (uint8): questions weigh little (their operands are noise no model can
predict), answers fully, and a wrong answer inside a marked document nothing:
only its mark is learned.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gristmill.nemotron.chat import CHAT_TEMPLATE, END, SPECIAL_TOKENS, TURN, chat_prompt
from gristmill.tutor import KINDS, QUALITIES, answer
from gristmill.tutor.ask import draw

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCAB = 1_024
QUESTION_WEIGHT, ANSWER_WEIGHT = 1, 10  # tenths
# Kinds that are learned more slowly come more often.
EMPHASIS = {"sort": 2.0, "compare": 1.5, "story": 1.5}
# A number's first digit takes its space along, each later digit stands alone:
# " 47" is two tokens, and every digit is still its own token.
_SPLIT = r"\n| ?\d| ?\p{L}+| ?[^\s\p{L}\d]| "


@dataclass(frozen=True, slots=True)
class Documents:
    """Tokenized documents: flat `ids` and `weights`, document i at `starts[i]:starts[i+1]`.

    `targets` (tokens, k) holds what a reward model should say at a token, -1
    for nothing; k is 0 for plain text.
    """

    ids: np.ndarray
    weights: np.ndarray
    starts: np.ndarray
    targets: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int8))

    def save(self, path: Path) -> None:
        """Write to one .npz (plain arrays, no pickle)."""
        fields = ("ids", "weights", "starts", "targets")
        np.savez(path, **{name: getattr(self, name) for name in fields})

    @staticmethod
    def load(path: Path) -> Documents:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            fields = ("ids", "weights", "starts", "targets")
            return Documents(*(arrays[name] for name in fields if name in arrays))


# A document as pieces: (text, weight in tenths).
Piece = tuple[str, int]


def document(rng: random.Random) -> list[Piece]:
    """One pretraining document over a training question, as weighted pieces.

    Of a hundred: 40 question and answer, 25 chat, 15 prose, 20 marked homework
    (any quality of answer, then whether it is right), which is what teaches the
    backbone to check as well as to solve.
    """
    kind = rng.choices(KINDS, [EMPHASIS.get(k, 1.0) for k in KINDS])[0]
    question = draw(rng, held_out=False, kind=kind)
    shape = rng.random()
    if shape < 0.8:
        quality = rng.choices(("right", "terse", "rambling"), (80, 6, 14))[0]
        text = answer(question, quality, rng)
        if shape < 0.40:
            pair = (f"Question: {question.text}\nAnswer:", f" {text}{END}")
        elif shape < 0.65:
            prompt = chat_prompt([{"role": "user", "content": question.text}])
            pair = (prompt, f"{text}\n{TURN}{END}")
        else:
            pair = (question.text, f" {text}{END}")
        return [(pair[0], QUESTION_WEIGHT), (pair[1], ANSWER_WEIGHT)]
    quality = rng.choices(QUALITIES, (36, 4, 6, 44, 3, 4, 3))[0]
    right = quality in ("right", "terse", "rambling")
    text = answer(question, quality, rng)
    return [
        (f"Question: {question.text}\nAnswer:", QUESTION_WEIGHT),
        (f" {text}\nMark:", ANSWER_WEIGHT if right else 0),
        (f" {'right' if right else 'wrong'}{END}", 2 * ANSWER_WEIGHT),
    ]


def train_tokenizer(seed: int, documents: int = 20_000) -> PreTrainedTokenizerFast:
    """A byte-level BPE of at most `VOCAB` tokens, learned on pretraining documents."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    rng = random.Random(f"tokenizer:{seed}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = ("".join(piece for piece, _ in document(rng)) for _ in range(documents))
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=None,
        eos_token=END,
        pad_token=END,
        additional_special_tokens=list(SPECIAL_TOKENS[1:]),
        model_max_length=512,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def tokenize(tokenizer: PreTrainedTokenizerFast, documents: list[list[Piece]]) -> Documents:
    """Token ids and weights of documents. Pieces are tokenized apart, then joined."""
    flat = [piece for pieces in documents for piece, _ in pieces]
    encoded = tokenizer(flat, add_special_tokens=False)["input_ids"]
    ids: list[int] = []
    weights: list[int] = []
    starts, at = [0], 0
    for pieces in documents:
        for _, weight in pieces:
            ids.extend(encoded[at])
            weights.extend([weight] * len(encoded[at]))
            at += 1
        starts.append(len(ids))
    return Documents(
        np.array(ids, dtype=np.int16), np.array(weights, dtype=np.uint8), np.array(starts)
    )


def pretraining(tokenizer: PreTrainedTokenizerFast, count: int, seed: int) -> Documents:
    """`count` pretraining documents, tokenized in slices to bound memory."""
    rng = random.Random(f"pretraining:{seed}")
    parts = []
    for begin in range(0, count, 20_000):
        batch = [document(rng) for _ in range(min(20_000, count - begin))]
        parts.append(tokenize(tokenizer, batch))
    return joined(parts)


def joined(parts: list[Documents]) -> Documents:
    """Several sets of documents as one."""
    shift = np.cumsum([0] + [len(p.ids) for p in parts])
    starts = [p.starts[:-1] + s for p, s in zip(parts, shift, strict=False)]
    return Documents(
        np.concatenate([p.ids for p in parts]),
        np.concatenate([p.weights for p in parts]),
        np.concatenate([*starts, shift[-1:]]),
        np.concatenate([p.targets for p in parts]),
    )


def tokenizer_at(path: Path) -> PreTrainedTokenizerFast:
    """The tokenizer saved under a folder."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(path)
