"""What the figures of a training do not show, said in words beside them."""

from __future__ import annotations

from math import sqrt, tanh
from typing import Any

from gristmill.intervals import Z95, fisher, wilson
from gristmill.page.text import NARROW, decimal, one_line, percent, plural, whole
from gristmill.train.measure import LEAST
from gristmill.train.wording import (
    amount,
    counts,
    find,
    interval,
    listed,
    mapping,
    number,
    sentences,
)

INTERVAL = f"95{NARROW}% interval"
ENOUGH = 200
"""Validation examples below which the width of an interval is said: at 200 that of a share is
still up to seven points either way."""
BIASED = 0.15
"""Partial correlation of reward and length from which it is said, unless chance explains it."""
MANY_REFUSED = 0.1
"""Share of the rows refused from which it is said."""


def caveats(metrics: dict[str, Any]) -> list[str]:
    """What a reader should know before believing the figures, a plain sentence or two each.

    Made from the figures alone; the run's own `warnings` come last.
    """
    kind = metrics.get("kind")
    validation = mapping(metrics, "validation")
    found = _status(metrics)
    if not validation:
        found.append(
            "Nothing was held out, so no figure here says how the model does on data that it was "
            "not trained on."
        )
    found += _pairs(mapping(validation, "pairs"))
    found += _attributes(mapping(validation, "attributes"))
    found += _length(validation)
    if kind in ("dpo", "rpo"):
        found += _preference(validation, amount(metrics, "examples", "validation"))
    elif kind in ("sft", "pretrain"):
        # A run on few says so itself, among its warnings.
        told = any("validation example" in one for one in sentences(metrics, "warnings"))
        found += _language(validation, None if told else amount(metrics, "examples", "validation"))
    found += [*_refused(metrics), *sentences(metrics, "warnings")]
    return [one_line(sentence[:1].upper() + sentence[1:], 600) for sentence in found]


def _status(metrics: dict[str, Any]) -> list[str]:
    status = metrics.get("status")
    if status in (None, "complete"):
        return []
    at = plural(amount(metrics, "steps"), "step")
    return [f"The training did not reach its end: it stands at {at}."]


def _pairs(pairs: dict[str, Any]) -> list[str]:
    n, accuracy = amount(pairs, "n"), number(pairs, "accuracy")
    ends = interval(pairs)
    if not n or accuracy is None or ends is None:
        return []
    said = []
    if n < ENOUGH:
        said.append(
            f"Pair accuracy was measured on {plural(n, 'pair')} only: {percent(accuracy)} may as "
            f"well be anything from {percent(ends[0])} to {percent(ends[1])} ({INTERVAL})."
        )
    if ends[0] <= 0.5:
        said.append("As far as these pairs tell, it may choose no better than a coin.")
    if pairs.get("implied"):
        said.append(
            "The pairs are implied by ratings (two responses to one prompt, the better rated one "
            "is the chosen); nobody compared them side by side."
        )
    return said


def _attributes(attributes: dict[str, Any]) -> list[str]:
    said, constant, useless, absent = [], [], [], []
    few: list[tuple[Any, ...]] = []
    for name in attributes:
        figures = mapping(attributes, name)
        n, mae, baseline = (number(figures, k) for k in ("n", "mae", "baseline_mae"))
        if n is not None and n < LEAST:
            absent.append(name)
        elif figures.get("constant"):
            constant.append(name)
        elif mae is not None and baseline is not None and mae >= baseline:
            useless.append(f"{name} ({decimal(mae, 2)} against {decimal(baseline, 2)})")
        few += _width(name, number(figures, "pearson"), n)
    if few:
        _, name, n, low, high = max(few)
        said.append(
            f"Few labels make wide intervals: with {whole(n)} of {name}, the Pearson correlation "
            f"lies between {decimal(low, 2)} and {decimal(high, 2)} ({INTERVAL}, the widest)."
        )
    if constant:
        said.append(
            f"All validation labels of {_and(constant)} are the same: whether the model tells "
            "good from bad there was not measured."
        )
    if useless:
        said.append(
            "Always saying the mean label would be as close to the raters as the model is, or "
            f"closer, in mean absolute error: {_and(useless)}."
        )
    if absent:
        said.append(f"There are no validation labels, or next to none, for {_and(absent)}.")
    return said


def _width(name: str, r: float | None, n: float | None) -> list[tuple[Any, ...]]:
    """Width, name, labels and ends of Fisher's interval, where there are few labels."""
    ends = fisher(r, n)
    if ends is None or n is None or n >= ENOUGH:
        return []
    return [(ends[1] - ends[0], name, n, *ends)]


def _length(validation: dict[str, Any]) -> list[str]:
    partial = number(validation, "length_bias", "partial")
    n = number(validation, "length_bias", "n") or 0
    said = []
    # Fisher's interval again; what is held fixed costs one response more.
    clear = partial is not None and n > 4 and abs(partial) > tanh(Z95 / sqrt(n - 4))
    if partial is not None and clear and abs(partial) >= BIASED:
        which = "Longer" if partial > 0 else "Shorter"
        said.append(
            f"{which} responses get higher rewards than their quality explains (partial rank "
            f"correlation {decimal(partial, 2)}): whatever is optimised for this reward will drift "
            "that way."
        )
    pairs = mapping(validation, "pair_length_bias")
    wins, truth = number(pairs, "longer_wins"), number(pairs, "longer_is_chosen")
    if wins is not None and truth is not None and wins - truth >= 0.1:
        said.append(
            f"It prefers the longer response in {percent(wins)} of pairs, people in "
            f"{percent(truth)}."
        )
    return said


def _preference(validation: dict[str, Any], n: int | None) -> list[str]:
    said = [
        "Accuracy here is how often the model, against the one it started from, made the chosen "
        "response more likely than the rejected one. Whether its own answers became better was "
        "not measured."
    ]
    accuracy = number(validation, "accuracy")
    ends = wilson(round(accuracy * n), n) if accuracy is not None and n else None
    if accuracy is not None and n and ends and n < ENOUGH and 0 <= accuracy <= 1:
        said.append(
            f"It was measured on {plural(n, 'pair')} only: {percent(accuracy)} may as well be "
            f"anything from {percent(ends[0])} to {percent(ends[1])} ({INTERVAL})."
        )
    return said


def _language(validation: dict[str, Any], n: int | None) -> list[str]:
    if not validation:
        return []
    said = [
        "Loss and perplexity say how well the model foresees text like the validation data, not "
        "whether what it says is true or useful."
    ]
    if n is not None and n < ENOUGH:
        said.append(f"They were measured on {plural(n, 'example')} only.")
    return said


def _refused(metrics: dict[str, Any]) -> list[str]:
    refused = sum(counts(metrics, "refused").values())
    rows = sum(amount(source, "rows") or 0 for source in listed(metrics, "sources"))
    if not rows or refused / rows < MANY_REFUSED:
        return []
    first = next(iter(counts(metrics, "refused")))
    return [
        f"{percent(refused / rows)} of the rows were not trained on, most often for the reason "
        f"“{first}”: the model saw a selection of the data."
    ]


def licence_of(metrics: dict[str, Any], stated: str | None) -> str | None:
    """The licence that the config states, else that of the metrics; None if neither is known."""
    found = stated or find(metrics, "licence")
    return found if isinstance(found, str) and found and found.lower() != "unknown" else None


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
