"""Models that embed texts in this process, through transformers: `hf:./dir`, `hf:org/name`.

A text's vector is the mean of its tokens' last states, unless the files that sentence-transformers
writes beside a model say the first (CLS) or the last. A text that is longer than the model reads is
cut into pieces of about equal length, and its vector is their mean by length: nothing is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gristmill.backends.calling import Calling
from gristmill.backends.decoding import decoded
from gristmill.backends.embedding import Embedded, EmbeddingBackend
from gristmill.backends.local import Local
from gristmill.backends.local_load import (
    Source,
    context_length,
    find,
    is_reward,
    is_small,
    kinds_of,
    load_config,
    load_model,
    load_tokenizer,
    reading,
)
from gristmill.backends.local_work import GRADING_TOKENS, SMALL_GRADING_TOKENS, memory_errors
from gristmill.backends.microbatch import Call, Settle
from gristmill.errors import BackendError, ConfigError
from gristmill.similarity.vectors import unit

POOLINGS = {"mean_tokens": "mean", "cls_token": "cls", "lasttoken": "last"}
"""What sentence-transformers calls them (after `pooling_mode_`), and what they are called here."""

STEPS = ("Transformer", "Pooling", "Normalize")
"""The modules of sentence-transformers that are read here."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What stands beside a model. pooling: `mean`, `cls` or `last`; longest: tokens in a text, None
    where nothing says. stated: whether sentence-transformers' files say how to embed with it."""

    pooling: str
    longest: int | None
    stated: bool


class LocalEmbedding(Local, EmbeddingBackend):
    """An encoder, or a decoder that was trained to embed."""

    async def embed(self, text: str) -> Embedded:
        """See EmbeddingBackend. Raises BackendError `bad_request` for a text without a token."""
        return await self._submit(text)

    def _open(self) -> Embedding:
        config = load_config(self._source)
        layout = read_layout(self._source)
        _check(self.model, config, layout)
        from transformers import AutoModel

        tokenizer = load_tokenizer(self._source, needs_template=False)
        model = load_model(self._source, AutoModel)
        if hasattr(model, "encoder") and hasattr(model, "decoder"):
            model = model.get_encoder()
        self._card()
        work = Embedding(self.model, tokenizer, model, layout, self._rows)
        with reading(self._source):
            work.states([work.pieces("a")[0]])
        return work


def open_embedding(calling: Calling) -> LocalEmbedding:
    """A model that embeds, not yet opened. Raises ConfigError or MissingExtra."""
    source = find(calling.model)
    if source.local:
        _check(calling.model, source.config, read_layout(source))
    return LocalEmbedding(source, calling)


def read_layout(source: Source) -> Layout:
    """What sentence-transformers wrote beside a model, if it did. Raises ConfigError for steps
    that are not known here."""
    modules = _json(source, "modules.json")
    paths = {}
    for module in modules if isinstance(modules, list) else ():
        step = str(module.get("type")).rpartition(".")[2]
        if step not in STEPS:
            raise ConfigError(
                f"model '{source.model}' has a step '{step}' after its layers, which is not "
                "known here: serve it (vLLM, TEI) and name it http://HOST:PORT/v1#NAME"
            )
        paths[step] = str(module.get("path") or "")
    pooling = _json(source, f"{paths.get('Pooling', '1_Pooling')}/config.json")
    limits = _json(source, "sentence_bert_config.json")
    longest = limits.get("max_seq_length") if isinstance(limits, dict) else None
    return Layout(
        _pooling(source.model, pooling) if isinstance(pooling, dict) else "mean",
        longest if isinstance(longest, int) and longest > 0 else None,
        isinstance(pooling, dict),
    )


def _pooling(model: str, config: Mapping[str, Any]) -> str:
    """One of `POOLINGS`. Newer files hold one name, older ones a switch for each."""
    stated = config.get("pooling_mode")
    if stated is None:
        prefix = "pooling_mode_"
        chosen = [k.removeprefix(prefix) for k, v in config.items() if k.startswith(prefix) and v]
    else:
        chosen = [stated] if isinstance(stated, str) else list(stated)
    known = {**POOLINGS, **{name: name for name in POOLINGS.values()}, "lasttoken": "last"}
    if len(chosen) != 1 or chosen[0] not in known:
        raise ConfigError(
            f"model '{model}' pools its tokens by {' and '.join(map(str, chosen)) or 'nothing'}; "
            "known here are mean, cls and lasttoken: serve it (vLLM, TEI) and name it "
            "http://HOST:PORT/v1#NAME"
        )
    return known[chosen[0]]


def _check(model: str, config: Mapping[str, Any], layout: Layout) -> None:
    if is_reward(config):
        raise ConfigError(f"model '{model}' is a reward model: name one that embeds texts")
    if not layout.stated and any(kind.endswith("ForCausalLM") for kind in kinds_of(config)):
        raise ConfigError(
            f"model '{model}' is a chat model, and nothing beside it says how it embeds a text "
            "(1_Pooling/config.json): name one that was trained to"
        )


def _json(source: Source, name: str) -> Any:
    """A file beside the model; None where there is none."""
    if source.local:
        path = Path(source.place, name)
        path = path if path.is_file() else None
    else:
        from transformers.utils.hub import cached_file

        with reading(source):
            path = cached_file(source.place, name, _raise_exceptions_for_missing_entries=False)
    try:
        return decoded(Path(path).read_bytes()) if path else None
    except (OSError, ValueError) as error:
        raise ConfigError(f"model '{source.model}': cannot read {path}: {error}") from None


class Embedding:
    """`microbatch.Work` of a model that embeds."""

    def __init__(self, name: str, tokenizer: Any, model: Any, layout: Layout, rows: int) -> None:
        self.rows = rows
        self.small = is_small(model)
        self.tokens = SMALL_GRADING_TOKENS if self.small else GRADING_TOKENS
        self.cost = None
        self._name = name
        self._tokenizer = tokenizer
        self._model = model
        self._pooling = layout.pooling
        self._longest = _longest(model, tokenizer, layout)
        # Longer texts are read in pieces.
        self.context = None

    def admit(self, call: Call) -> None:
        """Token ids of a text, in pieces that the model can read."""
        call.job = self.pieces(call.item)
        call.width = sum(map(len, call.job))

    def pieces(self, text: str) -> list[list[int]]:
        """A text as token ids: one list, or several of about equal length where it is too long,
        each with the tokens that the model expects around a text."""
        ids = self._encode(text, True)
        if not ids:
            raise BackendError("bad_request", f"model '{self._name}': the text has no token")
        if self._longest is None or len(ids) <= self._longest:
            return [ids]
        bare = self._encode(text, False)
        around = len(ids) - len(bare)
        before = next((i for i in range(around + 1) if ids[i : i + len(bare)] == bare), None)
        if before is None or around >= self._longest:
            what = f"{len(ids):,} tokens, it reads {self._longest:,}"
            raise BackendError("too_long", f"model '{self._name}': {what}")
        count = -(-len(bare) // (self._longest - around))
        cuts = [len(bare) * i // count for i in range(count + 1)]
        parts = (bare[begin:end] for begin, end in pairwise(cuts))
        return [[*ids[:before], *part, *ids[before + len(bare) :]] for part in parts]

    def _encode(self, text: str, special: bool) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=special, verbose=False)

    def run(self, batch: Sequence[Call], settle: Settle) -> None:
        """Embed all of them."""
        pieces = [piece for call in batch for piece in call.job]
        # One text may be longer than a whole batch should be.
        size = max(1, self.tokens // max(map(len, pieces)))
        with memory_errors():
            groups = [self.states(pieces[i : i + size]) for i in range(0, len(pieces), size)]
        vectors = np.concatenate(groups)
        ends = np.cumsum([len(call.job) for call in batch])
        parts = np.split(vectors, ends[:-1])
        settle([(c, self._embedded(c, found)) for c, found in zip(batch, parts, strict=True)])

    def _embedded(self, call: Call, found: np.ndarray) -> Embedded | BackendError:
        try:
            if len(found) == 1:
                return Embedded(unit(found[0]), call.width)
            weights = np.array([len(piece) for piece in call.job])
            units = np.stack([unit(row) for row in found])
            return Embedded(unit(weights @ units), call.width)
        except ValueError as error:
            return BackendError("bad_reply", f"model '{self._name}': its embedding: {error}")

    def states(self, pieces: Sequence[Sequence[int]]) -> np.ndarray:
        """(R, D) float32, the pooled last states of each piece."""
        import torch

        lengths = torch.tensor([len(piece) for piece in pieces])
        ids = torch.zeros(len(pieces), int(lengths.max()), dtype=torch.long)
        # Padded with token 0, whatever that is: the mask hides it.
        for row, piece in zip(ids, pieces, strict=True):
            row[: len(piece)] = torch.tensor(piece)
        device = self._model.device
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long().to(device)
        with torch.inference_mode():
            states = self._model(input_ids=ids.to(device), attention_mask=mask).last_hidden_state
            states = states.float()
            if self._pooling == "mean":
                shares = mask / mask.sum(1, keepdim=True)
                pooled = (states * shares[..., None]).sum(1)
            elif self._pooling == "cls":
                pooled = states[:, 0]
            else:
                pooled = states[torch.arange(len(pieces)), lengths - 1]
        return pooled.cpu().numpy()


def _longest(model: Any, tokenizer: Any, layout: Layout) -> int | None:
    """Tokens in a text at most: the least of what model, tokenizer and layout say."""
    context = context_length(model.config, tokenizer)
    # RoBERTa and its kin count positions from behind that of the padding.
    offset = getattr(getattr(model, "embeddings", None), "padding_idx", None)
    if context is not None and offset is not None:
        context -= offset + 1
    stated = tokenizer.model_max_length
    limits = [context, stated if stated < 10**9 else None, layout.longest]
    return min((limit for limit in limits if limit is not None), default=None)
