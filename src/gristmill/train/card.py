"""The model card of a training run: what the model was made of, what it measures, how to use it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import yaml

from gristmill.intervals import fisher
from gristmill.page import markdown
from gristmill.page.text import brief, decimal, duration, one_line, percent, plural, whole
from gristmill.train import wording
from gristmill.train.caveats import caveats, licence_of
from gristmill.train.config import PreferenceConfig, RewardConfig, RpoConfig, TrainConfig
from gristmill.train.wording import amount, counts, listed, mapping, number

_three = partial(decimal, digits=3)
FIGURES: dict[str, tuple[str, Callable[[float | None], str]]] = {
    "loss": ("loss", _three),
    "perplexity": ("perplexity", _three),
    "accuracy": ("accuracy on pairs", percent),
    "margin": ("mean margin", _three),
}
"""Plain figures of a validation: their names, and how they are written."""


def model_card(metrics: dict[str, Any], config: TrainConfig) -> str:
    """`README.md` for a trained model, with the YAML head that the Hugging Face Hub reads.

    Every figure comes from `metrics` (what the run wrote to `metrics.json`), every setting from
    `config`; what a partial run does not know is left out or shown as a dash.
    """
    kind = wording.text(metrics.get("kind")) or config.kind
    name = wording.text(metrics.get("name")) or config.name
    what = wording.KINDS.get(kind, "model")
    start = wording.text(metrics.get("model")) or config.model or "a new model"
    sections = [
        f"# {_md(name)}\n\nA {what}, trained with gristmill from {_code(start)}.",
        _measured(metrics),
        _said("What to keep in mind", caveats(metrics)),
        _sources(metrics),
        _training(metrics, config),
        _use(kind),
    ]
    head = yaml.safe_dump(_head(metrics, config, kind), sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n" + "\n\n".join(s for s in sections if s) + "\n"


def _head(metrics: dict[str, Any], config: TrainConfig, kind: str) -> dict[str, Any]:
    head: dict[str, Any] = {}
    licence = licence_of(metrics, config.licence)
    if licence and re.fullmatch(r"[\w.+-]+", licence):
        head["license"] = licence.lower()  # The Hub writes SPDX names so.
    elif licence:
        head |= {"license": "other", "license_name": one_line(licence)}
    head["library_name"] = "transformers"
    base = config.model.removeprefix("hf:")
    # Not a folder: those start with a dot, a slash or a tilde, or go deeper.
    if config.model.startswith("hf:") and re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", base):
        head["base_model"] = base
    head["tags"] = [{"reward": "reward-model"}.get(kind, kind), "gristmill"]
    return head


def _measured(metrics: dict[str, Any]) -> str:
    """Tables of what was measured on the validation data."""
    validation, before = mapping(metrics, "validation"), mapping(metrics, "validation_before")
    if not validation:
        return ""
    examples = amount(metrics, "examples", "validation")
    on = f"On {plural(examples, 'example')} that it was not trained on." if examples else ""
    rows = [
        (title, *(shown(number(figures, key)) for figures in (before, validation)))
        for key, (title, shown) in FIGURES.items()
        if number(validation, key) is not None
    ]
    parts = ["## Measured", on, _table(("figure", "before training", "after"), rows)]
    parts += [_attributes(validation), _pairs(validation), _length(validation)]
    return "\n\n".join(part for part in parts if part)


def _attributes(validation: dict[str, Any]) -> str:
    head = (
        "attribute", "labels", "Pearson", "95 % interval", "Spearman", "MAE",
        "MAE of the mean label", "RMSE", "calibration error",
    )  # fmt: skip
    rows = []
    for name in mapping(validation, "attributes"):
        own = mapping(validation, "attributes", name)
        names = ("pearson", "spearman", "mae", "baseline_mae", "rmse")
        figures = [decimal(number(own, k), 3) for k in names]
        figures.insert(1, correlation_interval(own))
        error = number(validation, "calibration", name, "error")
        rows.append((_md(name), whole(amount(own, "n")), *figures, decimal(error, 3)))
    note = (
        "Errors are in points of the 0 to 4 scale. The model is of use for an attribute where its "
        "MAE is below that of always saying the mean label. The calibration error is the mean gap "
        "between what the model says and what raters say of the same group of responses."
    )
    return f"{_table(head, rows)}\n\n{note}" if rows else ""


def correlation_interval(figures: dict[str, Any]) -> str:
    """The ends of the Pearson correlation's 95 % interval; a dash where there is none."""
    ends = fisher(number(figures, "pearson"), number(figures, "n"))
    return f"{decimal(ends[0], 2)} to {decimal(ends[1], 2)}" if ends else "–"


def _pairs(validation: dict[str, Any]) -> str:
    pairs = mapping(validation, "pairs")
    if not amount(pairs, "n"):
        return ""
    ends = wording.interval(pairs)
    within = f" (95 % interval {percent(ends[0])} to {percent(ends[1])})" if ends else ""
    kind = "pairs implied by ratings" if pairs.get("implied") else "pairs"
    said = (
        f"It gives the chosen response the higher reward in **{percent(number(pairs, 'accuracy'))}"
        f"**{within} of {whole(amount(pairs, 'n'))} {kind}; a tie is a loss "
        f"({whole(amount(pairs, 'ties'))} of them). Mean margin: "
        f"{decimal(number(pairs, 'margin'), 3)}."
    )
    rows = [
        (strength(row), whole(amount(row, "n")), percent(number(row, "accuracy")))
        for row in listed(pairs, "by_strength")
    ]
    table = _table(("strength of the preference", "pairs", "accuracy"), rows)
    return f"{said}\n\n{table}" if rows else said


def strength(row: dict[str, Any]) -> str:
    """The strength, or range of strengths, of one row of `by_strength`."""
    low, high = (number(row, end) for end in ("from", "to"))
    shown = ["–" if x is None else f"{x:.3g}".replace("-", "−") for x in (low, high)]
    return shown[0] if shown[0] == shown[1] else " to ".join(shown)


def length_sentences(validation: dict[str, Any]) -> list[str]:
    """What was measured of length, in words."""
    rated, pairs = (mapping(validation, k) for k in ("length_bias", "pair_length_bias"))
    said = []
    if (partial := number(rated, "partial")) is not None:
        said.append(
            f"At equal quality, the rank correlation of reward and length is {decimal(partial, 2)} "
            f"(without regard to quality {decimal(number(rated, 'spearman'), 2)}; "
            f"{plural(amount(rated, 'n'), 'response')})."
        )
    if (wins := number(pairs, "longer_wins")) is not None:
        said.append(
            f"The longer response of a pair gets the higher reward in {percent(wins)} of "
            f"{plural(amount(pairs, 'n'), 'pair')}, and people chose it in "
            f"{percent(number(pairs, 'longer_is_chosen'))}: it wins "
            f"{percent(number(pairs, 'longer_wins_if_chosen'))} of those where they did and "
            f"{percent(number(pairs, 'longer_wins_if_rejected'))} of those where they did not."
        )
    return said


def _length(validation: dict[str, Any]) -> str:
    return " ".join(["Length:", *found]) if (found := length_sentences(validation)) else ""


def _sources(metrics: dict[str, Any]) -> str:
    rows = []
    for source in listed(metrics, "sources"):
        refused = ", ".join(f"{_md(r)} {n:,}" for r, n in counts(source, "refused").items())
        numbers = [whole(amount(source, k)) for k in ("rows", "used")]
        weight = number(source, "weight")
        shown = "–" if weight is None else f"{weight:g}"
        rows.append((_code(source.get("file") or "?"), *numbers, shown, refused or "none"))
    if not rows:
        return ""
    table = _table(("source", "rows", "used", "weight", "refused, by reason"), rows)
    return f"## Trained on\n\n{table}"


def _training(metrics: dict[str, Any], config: TrainConfig) -> str:
    rows = [(label, _md(value)) for label, value in settings(config)]
    tokens, computed = amount(metrics, "tokens"), amount(metrics, "tokens_computed")
    run = [
        ("status", _md(wording.text(metrics.get("status")) or "–")),
        ("steps", whole(amount(metrics, "steps"))),
        ("examples", whole(amount(metrics, "examples", "train"))),
        ("tokens of the examples seen", whole(tokens)),
        ("tokens computed", f"{whole(computed)}{saved(tokens, computed)}"),
        ("tokens learned from", whole(amount(metrics, "tokens_trained"))),
        ("loss, first and last tenth of the steps", " → ".join(
            decimal(number(metrics, "loss", k), 4) for k in ("first", "last"))),
        ("parameters trained, of all", " of ".join(
            brief(number(metrics, "parameters", k)) for k in ("trained", "all"))),
        ("wall time", duration(number(metrics, "seconds"))),
    ]  # fmt: skip
    versions = mapping(metrics, "versions")
    made = ", ".join(f"{_md(k)} {_md(wording.text(v))}" for k, v in versions.items())
    run = [(label, value) for label, value in run if "–" not in value]
    rows = [*run, *rows, *([("versions", made)] if made else [])]
    return f"## Training\n\n{_table(('setting or figure', 'value'), rows)}"


def saved(tokens: int | None, computed: int | None) -> str:
    """What sharing prefixes saved, as ` (34 % saved by shared prefixes)`, empty for nothing."""
    if not tokens or computed is None or computed >= tokens:
        return ""
    return f" ({percent(1 - computed / tokens)} saved by sharing what examples begin with)"


def settings(config: TrainConfig) -> list[tuple[str, str]]:
    """The settings that decide what the model learned, in words."""
    o = config.optimizer
    lora = config.lora
    found = [
        ("epochs", f"{config.epochs:,}"),
        ("examples a step", f"{config.batch.examples:,}"),
        ("optimiser", f"AdamW, betas {o.betas[0]:g} and {o.betas[1]:g}, weight decay "
            f"{o.weight_decay:g}, gradient clipped at {o.clip:g}"),
        ("learning rate", f"{o.lr:g}, {o.schedule} after {plural(o.warmup, 'step')} of warm-up"),
        ("weights trained", f"LoRA, rank {lora.rank}, alpha {lora.alpha:g}, merged" if lora
            else "all"),
        ("precision", config.precision),
        ("seed", str(config.seed)),
    ]  # fmt: skip
    if isinstance(config, RewardConfig):
        how = "" if config.loss == "regression" else f", pairs {config.pairs}"
        found.append(("objective", f"{config.loss.replace('_', '-')}{how}"))
        weights = ", ".join(f"{name} {w:g}" for name, w in config.weights.items())
        scalar = config.loss == "bradley_terry"
        found.append(("reward", "one number" if scalar else f"weighted sum: {weights}"))
    if isinstance(config, PreferenceConfig):
        found.append(("objective", f"beta {config.beta:g}, weight of SFT {config.sft_weight:g}"))
    if isinstance(config, RpoConfig):
        found.append(("reward gap", f"eta {config.eta:g}, {config.divergence.replace('_', ' ')}"))
    return found


def _use(kind: str) -> str:
    if kind == "reward":
        return (
            "## Use\n\n```sh\ngristmill score responses.jsonl --model hf:DIR --out scored.jsonl\n"
            "```\n\nor as the judge of a run: `judges: [{reward: {model: hf:DIR}}]`. DIR is this "
            "folder, or its name on the Hub. It grades the last token of a conversation in the "
            "tokenizer's chat template; in transformers it is an "
            "`AutoModelForSequenceClassification`, and `vllm serve DIR` serves it."
        )
    return (
        '## Use\n\n```python\nfrom transformers import pipeline\n\nmodel = pipeline("text-'
        'generation", "DIR")\n```\n\nor in a run of gristmill: `generate: {model: hf:DIR}`. DIR is '
        "this folder, or its name on the Hub."
    )


def _said(title: str, sentences: list[str]) -> str:
    lines = "\n".join(f"- {_md(sentence, 600)}" for sentence in sentences)
    return f"## {title}\n\n{lines}" if lines else ""


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    if not rows:
        return ""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _md(value: object, limit: int = 200) -> str:
    """A value as plain text in one line of Markdown: nothing in it may start something."""
    return markdown.plain(one_line(value, limit))


def _code(value: object) -> str:
    """A value as a code span."""
    return markdown.code(one_line(value))
