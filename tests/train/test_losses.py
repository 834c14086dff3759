"""Every loss against its formula, written out in NumPy, and its gradient against differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from gristmill.train import losses

EXTREME = 300.0


def rows(size: float = EXTREME, n: int = 6) -> Any:
    """(n,) float64 of up to this size."""
    return arrays(np.float64, n, elements=st.floats(-size, size, allow_subnormal=False))


def log_s(x: np.ndarray) -> np.ndarray:
    """log of the logistic function: log(1 / (1 + exp(-x)))."""
    return -np.logaddexp(0.0, -x)


def bernoulli(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """s(p) log(s(p) / s(q)) + s(-p) log(s(-p) / s(-q))."""
    first = np.exp(log_s(p)) * (log_s(p) - log_s(q))
    return first + np.exp(log_s(-p)) * (log_s(-p) - log_s(-q))


def close(found: Tensor, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-6, atol=1e-6)


def gradient(loss: Callable[..., Tensor], *inputs: np.ndarray) -> list[np.ndarray]:
    tensors = [torch.tensor(x, requires_grad=True) for x in inputs]
    loss(*tensors).sum().backward()
    return [
        np.zeros_like(x.detach().numpy()) if x.grad is None else x.grad.numpy() for x in tensors
    ]


def differences(
    loss: Callable[..., Tensor], *inputs: np.ndarray, step: float = 1e-5
) -> list[np.ndarray]:
    """Central finite differences of the sum of the losses."""
    found = []
    for i, x in enumerate(inputs):
        slope = np.zeros_like(x)
        for at in np.ndindex(x.shape):
            ends = []
            for sign in (1, -1):
                moved = [y.copy() for y in inputs]
                moved[i][at] += sign * step
                ends.append(loss(*map(torch.from_numpy, moved)).sum().item())
            slope[at] = (ends[0] - ends[1]) / (2 * step)
        found.append(slope)
    return found


def gradients_agree(loss: Callable[..., Tensor], *inputs: np.ndarray) -> None:
    found, wanted = gradient(loss, *inputs), differences(loss, *inputs)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def labels_of(known: list[list[bool]]) -> np.ndarray:
    values = np.random.default_rng(len(known)).uniform(0, 4, (len(known), 5))
    return np.where(np.array(known), values, losses.MISSING)


masks = st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=6)


@given(masks, st.floats(-EXTREME, EXTREME))
def test_squared_errors_are_of_known_labels_alone(known: list[list[bool]], shift: float) -> None:
    labels = labels_of(known)
    scores = np.random.default_rng(3).normal(size=labels.shape) + shift
    errors, counted = losses.squared_errors(torch.tensor(scores), torch.tensor(labels))
    mask = np.array(known, float)
    close(errors, np.where(mask > 0, (scores - labels) ** 2, 0.0))
    close(counted, mask)
    gradients_agree(
        lambda s: losses.squared_errors(s, torch.tensor(labels))[0], np.clip(scores, -9, 9)
    )


@given(masks, st.sampled_from([np.inf, -np.inf, np.nan]))
def test_a_missing_label_gives_no_gradient_whatever_the_score(
    known: list[list[bool]], broken: float
) -> None:
    mask = np.array(known)
    scores = torch.tensor(np.where(mask, 1.0, broken), requires_grad=True)
    errors, counted = losses.squared_errors(scores, torch.tensor(labels_of(known)))
    (errors.sum() / counted.sum().clamp(min=1)).backward()
    assert scores.grad is not None
    assert torch.isfinite(errors).all()
    assert torch.isfinite(scores.grad).all()
    assert (scores.grad[~torch.tensor(mask)] == 0).all()


def test_a_row_without_any_label_is_nothing() -> None:
    scores = torch.randn(2, 5, requires_grad=True)
    errors, known = losses.squared_errors(scores, torch.full((2, 5), losses.MISSING))
    errors.sum().backward()
    assert errors.sum() == known.sum() == 0
    assert scores.grad is not None
    assert not scores.grad.any()


@given(rows(), rows(20), rows(5))
def test_bradley_terry_plain_with_margin_and_scaled(
    gap: np.ndarray, margin: np.ndarray, scale: np.ndarray
) -> None:
    g, m, s = map(torch.tensor, (gap, margin, scale))
    close(losses.bradley_terry(g), -log_s(gap))
    close(losses.bradley_terry(g, margin=m), -log_s(gap - margin))
    close(losses.bradley_terry(g, scale=s), -scale * log_s(gap))
    close(losses.bradley_terry(g, margin=m, scale=s), -scale * log_s(gap - margin))


@given(rows(), rows())
def test_centring(chosen: np.ndarray, rejected: np.ndarray) -> None:
    close(losses.centring(torch.tensor(chosen), torch.tensor(rejected)), (chosen + rejected) ** 2)


@given(rows(), rows(), rows(), rows(), st.floats(1e-4, 10))
def test_dpo_of_the_implied_gap(
    lc: np.ndarray, lr: np.ndarray, lc_ref: np.ndarray, lr_ref: np.ndarray, beta: float
) -> None:
    policy, reference = (torch.tensor(np.stack(x, 1)) for x in ((lc, lr), (lc_ref, lr_ref)))
    b = losses.implied_gap(policy, reference, beta)
    wanted = beta * ((lc - lc_ref) - (lr - lr_ref))
    close(b, wanted)
    close(losses.dpo(b), -log_s(wanted))


@given(rows(), rows())
def test_rpo_in_all_divergences(b: np.ndarray, t: np.ndarray) -> None:
    tb, tt = torch.tensor(b), torch.tensor(t)
    close(losses.rpo(tb, tt), bernoulli(t, b))
    close(losses.rpo(tb, tt, "backward_kl"), bernoulli(t, b))
    close(losses.rpo(tb, tt, "forward_kl"), bernoulli(b, t))
    close(losses.rpo(tb, tt, "squared"), (b - t) ** 2)
    # Forward and backward are each other's exchange.
    assert torch.equal(losses.rpo(tb, tt, "forward_kl"), losses.rpo(tt, tb, "backward_kl"))


@given(rows(), rows())
def test_rpo_is_finite_in_float32_and_its_gradient_too(b: np.ndarray, t: np.ndarray) -> None:
    for divergence in ("backward_kl", "forward_kl", "squared"):
        tb = torch.tensor(b, dtype=torch.float32, requires_grad=True)
        each = losses.rpo(tb, torch.tensor(t, dtype=torch.float32), divergence)
        each.sum().backward()
        assert tb.grad is not None
        assert torch.isfinite(each).all()
        assert torch.isfinite(tb.grad).all()


@given(rows(), st.sampled_from(["backward_kl", "forward_kl", "squared"]))
def test_rpo_is_zero_and_stationary_where_the_gaps_agree(t: np.ndarray, divergence: str) -> None:
    b = torch.tensor(t, requires_grad=True)
    each = losses.rpo(b, torch.tensor(t), divergence)
    each.sum().backward()
    close(each, np.zeros_like(t))
    assert b.grad is not None
    close(b.grad, np.zeros_like(t))


@given(rows(8), rows(8), st.sampled_from(["backward_kl", "forward_kl", "squared"]))
def test_rpo_is_never_negative(b: np.ndarray, t: np.ndarray, divergence: str) -> None:
    assert (losses.rpo(torch.tensor(b), torch.tensor(t), divergence) >= -1e-12).all()


@given(rows(8), arrays(np.float64, 6, elements=st.floats(0.1, 3)))
def test_rpo_becomes_dpo_as_the_reward_model_grows_sure(b: np.ndarray, gaps: np.ndarray) -> None:
    """Beyond the entropy of Bernoulli(s(t)), which vanishes, backward KL is -log s(b)."""
    distance, slope = [], []
    for eta in (1.0, 10.0, 100.0, 1000.0):
        t = eta * gaps
        entropy = -(np.exp(log_s(t)) * log_s(t) + np.exp(log_s(-t)) * log_s(-t))
        tb = torch.tensor(b, requires_grad=True)
        each = losses.rpo(tb, torch.tensor(t))
        each.sum().backward()
        assert tb.grad is not None
        # Cross-entropy: s(t) (-log s(b)) + s(-t) (-log s(-b)), and -log s(-b) = b - log s(b).
        close(each, -log_s(b) + np.exp(log_s(-t)) * b - entropy)
        distance.append(np.abs(each.detach().numpy() + log_s(b)).max())
        slope.append(np.abs(tb.grad.numpy() + np.exp(log_s(-b))).max())
    assert distance[-1] < 1e-9
    assert slope[-1] < 1e-9
    assert distance == sorted(distance, reverse=True)
    assert slope == sorted(slope, reverse=True)


@given(rows(9), rows(9), rows(4))
def test_gradients_are_the_slopes(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> None:
    gradients_agree(losses.bradley_terry, x)
    gradients_agree(lambda g, m, s: losses.bradley_terry(g, margin=m, scale=s), x, y, z)
    gradients_agree(losses.centring, x, y)
    gradients_agree(losses.dpo, x)
    gradients_agree(lambda p, r: losses.implied_gap(p, r, 0.3), x.reshape(3, 2), y.reshape(3, 2))
    for divergence in ("backward_kl", "forward_kl", "squared"):
        gradients_agree(lambda b, t, d=divergence: losses.rpo(b, t, d), x, y)


def test_an_unknown_divergence_is_named() -> None:
    with pytest.raises(ValueError, match="'kl': backward_kl, forward_kl or squared"):
        losses.rpo(torch.zeros(1), torch.zeros(1), "kl")
