"""A policy trained with DPO as a reward model: how much likelier it finds an answer than the
reference model does from which it was trained.

    reward(x, y) = log pi(y | x) - log pi_ref(y | x), summed over the tokens of y

DPO makes a policy whose own reward this is, up to a factor (beta) and a term of the prompt alone,
neither of which changes which of two answers wins. RewardBench measures such policies in this way.

Both models read the same packs (`gristmill.packing`), in which answers to one prompt share it,
and logits are made at those positions alone whose next token belongs to an answer.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gristmill import packing
from gristmill.backends.local_load import (
    Source,
    context_length,
    is_small,
    load_config,
    load_model,
    load_tokenizer,
)
from gristmill.backends.local_pair import check_pair, check_sizes, check_vocabularies
from gristmill.backends.local_work import Grades, Grading, token_ids
from gristmill.errors import BackendError, ConfigError
from gristmill.packing import Pack
from gristmill.records import Message

LOGITS = 1 << 24
"""Logits that are held at once, 64 MiB of them in float32: those of a whole batch would take more
memory than a model."""

OTHERS = ("~", "^")
"""Answers with which few real ones begin, and which tokens rarely join to what comes before."""

PROBE = (1, 2, 3, 4)
"""Token ids that every vocabulary holds, to try a model with."""


class LogProbabilities:
    """A causal language model that says how likely the tokens of an answer are.

    packs: whether it reads packs; else it gets padded rows. Safe on several threads at once.
    Raises ConfigError for a model whose logits cannot be made apart from its states.
    """

    def __init__(self, name: str, model: Any) -> None:
        self.model = model
        self.packs = packing.can_attend(model)
        if self.packs:
            # Here and never again: it changes what every thread that runs the model would see.
            packing.attend(model)
        self.vocabulary = int(model.get_output_embeddings().weight.shape[0])
        self._check(name)

    def packed(self, pack: Pack, targets: Tensor) -> Tensor:
        """Log-probability of `targets` after each read token of a pack, (R,) float32."""
        pack = pack.to(self.model.device)
        outputs = packing.run(self.model.base_model, pack)
        return self._follow(outputs, outputs.last_hidden_state[0, pack.rows], targets)

    def padded(self, texts: Sequence[packing.Sequence], targets: Tensor) -> Tensor:
        """The same for the reads of each text in turn, a row a text."""
        ids = torch.zeros(len(texts), max(len(text.ids) for text in texts), dtype=torch.long)
        # Padded on the right with token 0, whatever that is: what comes before looks at none of it.
        for row, text in zip(ids, texts, strict=True):
            row[: len(text.ids)] = torch.from_numpy(text.ids)
        outputs = self._states(ids)
        rows = np.repeat(np.arange(len(texts)), [len(text.reads) for text in texts])
        places = np.concatenate([text.reads for text in texts])
        return self._follow(outputs, outputs.last_hidden_state[rows, places], targets)

    def _states(self, ids: Tensor) -> Any:
        return self.model.base_model(input_ids=ids.to(self.model.device), use_cache=False)

    def _follow(self, outputs: Any, states: Tensor, targets: Tensor) -> Tensor:
        found = torch.empty(len(states), device=states.device)
        size = max(1, LOGITS // self.vocabulary)
        for begin in range(0, len(states), size):
            end = begin + size
            logits = self._logits(outputs, states[begin:end]).float()
            wanted = targets[begin:end].to(logits.device)
            found[begin:end] = -F.cross_entropy(logits, wanted, reduction="none")
        return found

    def _logits(self, outputs: Any, states: Tensor) -> Tensor:
        """(R, V) from final states (R, D); outputs: of the model's body, where they come from.

        Many a model scales or caps what its last layer gives, so it is the model's own forward
        that runs, on a copy (of the model's shell, never its weights) whose body has done its work.
        """
        done = replace(outputs, last_hidden_state=states[None])
        body = copy.copy(self.model.base_model)
        body.forward = lambda *_, **__: done
        shell = copy.copy(self.model)
        shell._modules = {**self.model._modules, self.model.base_model_prefix: body}
        return shell(inputs_embeds=states[None], use_cache=False).logits[0]

    @torch.inference_mode()
    def _check(self, name: str) -> None:
        refusal = ConfigError(
            f"model '{name}' is a {type(self.model).__name__}, whose logits cannot be made for an "
            "answer alone: to be asked how likely one is, as a policy with `reference` is, needs "
            "another kind of model"
        )
        if self.model.base_model is self.model:
            raise refusal
        ids = torch.tensor([PROBE])
        whole = self.model(input_ids=ids.to(self.model.device), use_cache=False).logits[0].float()
        outputs = self._states(ids)
        parts = self._logits(outputs, outputs.last_hidden_state[0]).float()
        # Far from what 16 bits round, and from what a body that runs twice would give.
        if (whole - parts).abs().max() > 0.05 * whole.abs().max():
            raise refusal


def load_pair(policy: Source, reference: Source) -> tuple[Any, ImplicitGrader]:
    """The policy's tokenizer, and both models ready to grade. Raises ConfigError."""
    from transformers import AutoModelForCausalLM

    names = (policy.model, reference.model)
    check_pair(names[0], load_config(policy), names[1], load_config(reference))
    tokenizer = load_tokenizer(policy)
    # Its chat template is not used, and it may have none: training can bring the policy's.
    other = load_tokenizer(reference, needs_template=False)
    check_vocabularies(names[0], tokenizer, names[1], other)
    ours, theirs = (
        LogProbabilities(source.model, load_model(source, AutoModelForCausalLM))
        for source in (policy, reference)
    )
    check_sizes(names[0], ours.vocabulary, names[1], theirs.vocabulary)
    lengths = (
        context_length(ours.model.config, tokenizer),
        context_length(theirs.model.config, other),
    )
    context = min((length for length in lengths if length is not None), default=None)
    return tokenizer, ImplicitGrader(ours, theirs, context=context)


class Likeliness:
    """What grades answers by how likely models find their tokens; `Grading` runs it as it runs a
    `Grader`.

    context: tokens that all models know positions for, or None. packs: whether all read packs.
    """

    def __init__(self, *models: LogProbabilities, context: int | None) -> None:
        self.context = context
        self.packs = all(one.packs for one in models)
        self.small = all(is_small(one.model) for one in models)
        self._models = models

    def tokens(self, texts: Sequence[packing.Sequence]) -> int:
        """Tokens that each model computes for these texts in one pack."""
        return packing.packed_length([text.ids for text in texts])

    @torch.inference_mode()
    def of_tokens(self, texts: Sequence[packing.Sequence]) -> tuple[np.ndarray, np.ndarray]:
        """Each model's log-probabilities of the answers' tokens, a row each, and which text a token
        is of. A text's `reads` are the positions whose next token belongs to the answer."""
        after = np.concatenate([text.ids[text.reads + 1] for text in texts])
        targets = torch.from_numpy(after.astype(np.int64))
        pack = packing.pack(list(texts)) if self.packs else None
        found = [
            (one.packed(pack, targets) if pack else one.padded(texts, targets)).cpu().double()
            for one in self._models
        ]
        owners = np.repeat(np.arange(len(texts)), [len(text.reads) for text in texts])
        return torch.stack(found).numpy(), owners


class ImplicitGrader(Likeliness):
    """Grades answers by a policy and its reference."""

    def run(self, texts: Sequence[packing.Sequence]) -> list[list[float]]:
        """The one reward of each text, in order."""
        (policy, reference), owners = self.of_tokens(texts)
        return np.bincount(owners, policy - reference)[:, None].tolist()


class ImplicitGrading(Grading):
    """`microbatch.Work` of a policy and its reference, which read what the policy's tokenizer and
    chat template make of a conversation."""

    def __init__(self, model: str, tokenizer: Any, grader: Grades, rows: int) -> None:
        super().__init__(model, tokenizer, grader, (0,), rows)
        # The answers to a prompt come as calls of their own.
        self._opened = lru_cache(maxsize=1024)(self._open)

    def _open(self, prompt: tuple[Message, ...]) -> list[int]:
        return token_ids(self._model, self._template, prompt, answer=True)

    def _encode(self, messages: tuple[Message, ...]) -> tuple[list[int], packing.Sequence]:
        ids, _ = super()._encode(messages)
        # Nothing predicts a text's first token.
        begin = max(1, self._begin(messages, ids))
        if begin >= len(ids):
            raise BackendError(
                "bad_request", f"model '{self._model}': its chat template leaves out the answer"
            )
        return ids, packing.Sequence(np.array(ids, np.int32), np.arange(begin - 1, len(ids) - 1))

    def _begin(self, messages: tuple[Message, ...], ids: list[int]) -> int:
        """How many of a conversation's tokens come before its answer: those that the policy is
        given when it is to answer, its turn's opening with them."""
        opened = self._opened(messages[:-1])
        if ids[: len(opened)] == opened:
            return len(opened)
        # The template writes the prompt differently once there is an answer (Mistral's drops the
        # system message, DeepSeek's the tag that opens a thought), or a token reaches over the
        # border. What other answers leave as it is comes before the answer.
        answer = messages[-1].content.lstrip()
        others = [other for other in OTHERS if not answer.startswith(other)]
        return max(_common(ids, self._instead(messages, other)) for other in others)

    def _instead(self, messages: tuple[Message, ...], answer: str) -> list[int]:
        return super()._encode((*messages[:-1], Message("assistant", answer)))[0]


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two texts share at their beginning."""
    both = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(both) if x != y), min(len(a), len(b)))
