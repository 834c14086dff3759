"""The losses, as plain functions of tensors: one number for each label or pair, never a mean.

Means are taken over a whole step by the trainer, which knows how many there are in all of its
parts. Notation: s is the logistic function; for a pair, lc and lr are the policy's
log-probabilities of the chosen and the rejected response, summed over their tokens, and the
reference's are subtracted:

    b = beta * ((lc - lc_ref) - (lr - lr_ref))        the gap that the policy implies
    t = eta * (reward of chosen - reward of rejected) the gap that the reward model sees
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MISSING = -100.0
"""A label that was not given."""


def squared_errors(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """(errors, known), both (N, K): (score - label)^2 where the label is known, else 0.

    Summed and divided by the sum of `known` it is the masked mean squared error with which
    HelpSteer2 and Nemotron-4-340B-Reward were trained (Wang et al. 2024, arXiv:2406.08673).
    """
    known = (labels != MISSING).to(scores.dtype)
    # Where nothing is known the difference must not reach the gradient, be it infinite.
    difference = torch.where(labels != MISSING, scores - labels, torch.zeros_like(scores))
    return difference.square(), known


def likelihood(said: Tensor, log_probabilities: Tensor) -> Tensor:
    """(said - max(0, 4 + log p))^2, (N,): how likely each token is to a language model, on the
    scale of labels: 4 is certain, 0 is a chance of e^-4 or less. 0 where log p is NaN, unknown."""
    wanted = (4 + log_probabilities).clamp(min=0)
    return torch.where(wanted.isnan(), torch.zeros_like(said), said - wanted).square()


def bradley_terry(
    gap: Tensor, *, margin: Tensor | None = None, scale: Tensor | None = None
) -> Tensor:
    """-scale * log s(gap - margin), (N,): gap is the chosen reward minus the rejected one.

    Plain (Ouyang et al. 2022), with margin (Llama 2, Touvron et al. 2023), or scaled by the
    preference's strength (HelpSteer2-Preference, Wang et al. 2024, arXiv:2410.01257).
    """
    loss = -F.logsigmoid(gap if margin is None else gap - margin)
    return loss if scale is None else scale * loss


def centring(chosen: Tensor, rejected: Tensor) -> Tensor:
    """(chosen + rejected)^2, (N,): keeps rewards around zero (Eisenstein et al. 2023)."""
    return (chosen + rejected).square()


def implied_gap(policy: Tensor, reference: Tensor, beta: float) -> Tensor:
    """b, (N,). policy and reference are (N, 2): log-probabilities of chosen and rejected."""
    ratios = policy - reference
    return beta * (ratios[:, 0] - ratios[:, 1])


def dpo(b: Tensor) -> Tensor:
    """-log s(b), (N,): direct preference optimisation (Rafailov et al. 2023)."""
    return -F.logsigmoid(b)


def rpo(b: Tensor, t: Tensor, divergence: str = "backward_kl") -> Tensor:
    """Reward-aware preference optimisation, (N,), zero where b = t.

    backward_kl: s(t) log(s(t) / s(b)) + s(-t) log(s(-t) / s(-b)), the divergence of
        Bernoulli(s(b)) from Bernoulli(s(t)), as in the Nemotron-4 340B report (arXiv:2406.11704,
        section 3.3.2; all three in Sun et al. 2025, arXiv:2502.00203). As t grows without bound
        it becomes DPO's -log s(b).
    forward_kl: the same with b and t exchanged.
    squared: (b - t)^2.

    Raises ValueError for any other name.
    """
    if divergence == "backward_kl":
        return _bernoulli_kl(t, b)
    if divergence == "forward_kl":
        return _bernoulli_kl(b, t)
    if divergence == "squared":
        return (b - t).square()
    raise ValueError(f"divergence is {divergence!r}: backward_kl, forward_kl or squared")


def _bernoulli_kl(p: Tensor, q: Tensor) -> Tensor:
    """KL of Bernoulli(s(p)) from Bernoulli(s(q)); in logits, so that nothing is rounded to 0."""
    log_p, log_not_p = F.logsigmoid(p), F.logsigmoid(-p)
    gain = log_p.exp() * (log_p - F.logsigmoid(q))
    return gain + log_not_p.exp() * (log_not_p - F.logsigmoid(-q))
