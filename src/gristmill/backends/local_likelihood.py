"""How likely a model of this process finds a given answer: what a perplexity is made of.

It reads what a policy reads that is graded by its implicit reward (`local_implicit`), with no
reference beside it: texts packed, and logits at those places alone whose next token is the
answer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from gristmill import packing
from gristmill.backends.likelihood import Likelihood
from gristmill.backends.local_implicit import ImplicitGrading, Likeliness, LogProbabilities
from gristmill.backends.local_load import (
    Source,
    context_length,
    load_model,
    load_tokenizer,
)
from gristmill.backends.microbatch import Call
from gristmill.errors import BackendError


class LikelihoodGrader(Likeliness):
    """Two numbers for each text: the sum over its answer's tokens, and how many those are."""

    def run(self, texts: Sequence[packing.Sequence]) -> list[list[float]]:
        """See the class; texts are those of `local_implicit`."""
        (found,), owners = self.of_tokens(texts)
        sums = np.bincount(owners, found)
        return [[float(s), len(text.reads)] for s, text in zip(sums, texts, strict=True)]


class LikelihoodGrading(ImplicitGrading):
    """`microbatch.Work` of a model that is asked how likely answers are."""

    def _score(self, call: Call, outputs: Sequence[float]) -> Likelihood | BackendError:
        total, tokens = outputs
        if not isfinite(total):
            return BackendError(
                "bad_reply", f"model '{self._model}' gave log-probabilities that are not finite"
            )
        return Likelihood(total, int(tokens))


def load_likelihood(source: Source, rows: int) -> LikelihoodGrading:
    """Tokenizer and weights, ready to be asked. Raises ConfigError."""
    from transformers import AutoModelForCausalLM

    tokenizer: Any = load_tokenizer(source)
    model = LogProbabilities(source.model, load_model(source, AutoModelForCausalLM))
    grader = LikelihoodGrader(model, context=context_length(model.model.config, tokenizer))
    return LikelihoodGrading(source.model, tokenizer, grader, rows)
