"""What a run asks of each of its models, and how that is known: measured, or assumed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gristmill.backends.calling import Calling, Price
from gristmill.errors import ConfigError, DataError, RunError
from gristmill.judges.base import GroundTruth, GroupJudge, Judge
from gristmill.mill import Config, run
from gristmill.mill.generate import Generate
from gristmill.mill.journal import read_calls, read_finished
from gristmill.page.text import plural
from gristmill.parts import name_of
from gristmill.records import Response, Sample
from gristmill.storage import read_saved

FREE = ("tiny:", "scripted:")
"""Beginnings of model strings that cost nothing but seconds to try."""


FREE_OF_CHARGE = Price()
"""Of a model without a price."""


@dataclass(frozen=True)
class Work:
    """What one model does for one prompt, on average.

    role: `generate`, `recipes`, or the judge's name. model: its model string; empty where no model
    is asked. calls, prompt_tokens, completion_tokens: for one prompt, all its responses together.
    """

    role: str
    model: str
    calls: float
    prompt_tokens: float
    completion_tokens: float
    concurrency: int = 64
    price: Price = FREE_OF_CHARGE

    def times(self, prompts: float) -> Work:
        """The same for so many prompts."""
        return replace(
            self,
            calls=self.calls * prompts,
            prompt_tokens=self.prompt_tokens * prompts,
            completion_tokens=self.completion_tokens * prompts,
        )


@dataclass(frozen=True)
class Measured:
    """A run, or part of one, that is behind us. works: for one prompt. seen: prompts finished,
    accepted of them. where: for a reader."""

    works: tuple[Work, ...]
    seen: int
    accepted: int
    where: str


def free_to_try(config: Config) -> bool:
    """Whether every model of the config is a tiny or scripted one."""
    models = [*(entry.model for entry in config.generate), *_models(config)]
    return all(model.startswith(FREE) for model in models)


def _models(config: Config) -> list[str]:
    judges = [j.model for j in config.open_judges() if isinstance(j, Calling)]
    written = [p for s in config.prompts for p in getattr(s, "parts", ())]
    return [*judges, *(p.open(config.generate[0]).model for p in written)]


def try_out(config: Config, prompts: int, watch: Callable[[Any], None] | None = None) -> Measured:
    """Run the first prompts to the end, in a folder that is then thrown away, and measure.

    The models are called and paid for; whoever calls has asked for it. Raises what `run` raises.
    """
    whole = config.model_copy(update={"target": None})
    with tempfile.TemporaryDirectory(prefix="gristmill-plan-") as folder:
        outcome = run(whole, folder, limit=prompts, watch=watch)
        if outcome.status == "failed":
            raise RunError(f"nothing can be measured: {outcome.detail}; put it right, or --try 0")
        found = measure(config, Path(folder))
    return replace(found, where=f"measured on {plural(found.seen, 'prompt')}, tried now")


def measure(config: Config, folder: Path) -> Measured:
    """What a run's folder says of its work; the run may still be under way.

    Raises DataError where it is no run's folder, or nothing of it is finished.
    """
    samples = read_finished(folder / "checkpoint")
    metrics_file = folder / "metrics.json"
    if not samples:
        raise DataError(f"{folder}: no finished prompt in it; name the folder of a run (--like)")
    if not metrics_file.exists():
        raise DataError(f"{metrics_file}: not there yet; let the run end, or interrupt it once")
    metrics = read_saved(metrics_file, "run `gristmill run` with the same --out again")
    _same_judges(config, samples, folder)
    works = _generation(config, samples, folder)
    answering = len(works)
    works += _judging(config, samples, folder)
    works += _writing(config, works, answering, metrics, len(samples))
    where = f"measured on {plural(len(samples), 'prompt')} of {folder}"
    return Measured(tuple(works), _decided(metrics), metrics["prompts"]["accepted"], where)


def _same_judges(config: Config, prompts: list[tuple[Sample, ...]], folder: Path) -> None:
    """Verdicts are told apart by their place; with other judges they would be someone else's."""
    ours = sorted(name_of(judge) for judge in config.open_judges())
    whole = (s for samples in prompts for s in samples if s.response and not s.failure)
    theirs = next((sorted(v.judge for v in s.verdicts) for s in whole), ours)
    # A judge of the user's own may sign its verdicts as it likes.
    own = any(":" in name for name in ours)
    if len(theirs) != len(ours) if own else theirs != ours:
        raise ConfigError(
            f"--like {folder}: its judges are {', '.join(theirs) or 'none'}, the config's are "
            f"{', '.join(ours) or 'none'}; measure on a run with the same ones"
        )


def _decided(metrics: dict[str, Any]) -> int:
    """Prompts that were decided on; what was finished beyond the target was not."""
    finished, sampled = metrics["prompts"]["finished"], metrics["responses"]["sampled"]
    each = max(1.0, sampled / max(1, finished))
    over = metrics["reasons"].get("over_target", 0) / each
    return max(1, metrics["prompts"]["accepted"], round(finished - over))


def _generation(config: Config, prompts: list[tuple[Sample, ...]], folder: Path) -> list[Work]:
    """One work for each entry of `generate`; responses are told apart by their number."""
    entries, owners = config.generate, config.lineup().owners
    several, found = len(entries) > 1, [list[Response]() for _ in entries]
    for sample in (s for samples in prompts for s in samples):
        if sample.response is None:
            continue
        if several and sample.index >= len(owners):
            raise ConfigError(
                f"--like {folder}: it has more responses to a prompt than the entries of "
                "`generate` ask for; measure on a run with the same ones"
            )
        found[owners[sample.index] if several else 0].append(sample.response)
    return [
        entry_work(
            entry,
            len(answers) / len(prompts),
            sum(r.prompt_tokens for r in answers) / len(prompts),
            sum(r.completion_tokens for r in answers) / len(prompts),
        )
        for entry, answers in zip(entries, found, strict=True)
    ]


def entry_work(entry: Generate, calls: float, read: float, written: float) -> Work:
    """What the model of an entry of `generate` does for one prompt."""
    how = entry.concurrency, entry.paid
    return Work("generate", entry.model, calls, read, written, *how)


def _judging(config: Config, prompts: list[tuple[Sample, ...]], folder: Path) -> list[Work]:
    """One work for each judge that asks a model; verdicts stand in the order of the session's."""
    judges = sorted(config.open_judges(), key=lambda j: isinstance(j, GroupJudge))
    calls = read_calls(folder / "checkpoint")
    groups = sum(_asks(j) and isinstance(j, GroupJudge) for j in judges)
    works = []
    for place, judge in enumerate(judges):
        if not _asks(judge):
            continue
        said = [v for p in prompts for s in p for v in s.verdicts[place : place + 1]]
        count = float(sum(max(1, len(v.turns)) for v in said))
        tokens, written = float(sum(v.tokens for v in said)), 0.0
        if isinstance(judge, GroupJudge):
            # Its calls are kept one by one, for all such judges together.
            count = len(calls) / groups
            written = sum(c.completion_tokens for c in calls) / groups
            tokens = max(tokens, written)
        works.append(_judge_work(judge, count, tokens - written, written, len(prompts)))
    return works


def _asks(judge: Judge) -> bool:
    return isinstance(judge, Calling) and not isinstance(judge, GroundTruth)


def _judge_work(judge: Judge, calls: float, read: float, written: float, among: float) -> Work:
    assert isinstance(judge, Calling)
    return Work(
        name_of(judge),
        judge.model,
        calls / among,
        read / among,
        written / among,
        judge.concurrency,
        judge.paid,
    )


def _writing(
    config: Config, works: list[Work], answering: int, metrics: dict[str, Any], count: int
) -> list[Work]:
    """What recipes asked: what is left of the run's tokens and requests. answering: how many of
    the works, the first, are of models that answer."""
    if not metrics["recipes"]:
        return []
    tokens, sent = metrics["tokens"], metrics["requests"]["sent"] - metrics["requests"]["retries"]
    part = next(p for s in config.prompts for p in getattr(s, "parts", ()))
    model = part.open(config.generate[0])
    answers = works[:answering]
    return [
        Work(
            "recipes",
            model.model,
            max(0.0, sent / count - sum(w.calls for w in works)),
            max(0.0, tokens["prompt"] / count - sum(w.prompt_tokens for w in answers)),
            max(0.0, tokens["completion"] / count - sum(w.completion_tokens for w in answers)),
            config.generate[0].concurrency,
            config.generate[0].paid,
        )
    ]
