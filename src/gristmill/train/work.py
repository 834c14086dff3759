"""The work of one training run, from the prepared data to the pages about the result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from gristmill.errors import CheckpointError, StorageError
from gristmill.intake.cells import Refused
from gristmill.storage import versions, write_atomically
from gristmill.train import curves, finish, model, parallel, trackers
from gristmill.train.card import model_card
from gristmill.train.config import PreferenceConfig, TrainConfig
from gristmill.train.data import unused_columns
from gristmill.train.encode import Item
from gristmill.train.examples import counts_of
from gristmill.train.loop import Trainer, Watch
from gristmill.train.objectives import LanguageObjective, Objective, PreferenceObjective, Reference
from gristmill.train.page import training_page
from gristmill.train.parallel import World
from gristmill.train.prepare import Work, prepare, rate_of
from gristmill.train.trackers import tracked


def train(config: TrainConfig, folder: Path, world: World, watch: Watch) -> dict[str, Any]:
    """Do the run, from its checkpoint on; returns the metrics, written with model and pages."""
    curves.check()
    trackers.check(config)
    work = prepare(config)
    if world.first:
        _write_refused(folder / "refused.jsonl", work.data.refused)
    held = work.data.held
    trainer = Trainer(work.learner, work.objective or LanguageObjective(), config, folder, world)
    trainer.objective = work.objective or _preference(trainer, work, config)
    begun = finish.validation(trainer, held) if held else {}
    with tracked(config, folder) if world.first else nullcontext() as told:

        def lines(line: dict[str, Any]) -> None:
            if told is not None:
                told(line)
            watch(line)

        trainer.run(
            work.steps(config),
            rate_of(config, work.total),
            work.fingerprint,
            lines,
            (lambda: finish.validation(trainer, held)) if held else None,
        )
        validation = finish.validation(trainer, held, whole=True) if held else {}
        weights = parallel.whole_state(trainer.module)
        metrics = _metrics(config, work, trainer, begun, validation)
        if told is not None:
            metrics["warnings"] = [*metrics["warnings"], *told.failures]
            metrics["trackers"] = told.where
            _write_model(config, work, trainer, weights, folder, metrics)
    world.wait()
    return metrics


def _preference(trainer: Trainer, work: Work, config: TrainConfig) -> Objective:
    """DPO's or RPO's objective, with the starting model's log-probabilities: computed once, before
    the first step, and kept in `reference.safetensors`."""
    assert isinstance(config, PreferenceConfig)
    items = [*work.data.items, *work.data.held]
    file = trainer.folder / "reference.safetensors"
    if file.exists():
        stored = load_file(file)
        if bytes(stored["data"].tolist()).decode() != work.fingerprint:
            raise CheckpointError(f"{file}: belongs to other data; name another folder with --out")
        rows = stored["log_probabilities"]
    else:
        rows = reference(trainer, items)
        if trainer.world.first:
            data = torch.tensor(list(work.fingerprint.encode()), dtype=torch.uint8)
            fresh = file.with_name(file.name + ".new")
            save_file({"log_probabilities": rows, "data": data}, fresh)
            fresh.replace(file)
        trainer.world.wait()
    found: Reference = {id(item): row for item, row in zip(items, rows, strict=True)}
    return PreferenceObjective(config, found)


def reference(trainer: Trainer, items: Sequence[Item]) -> torch.Tensor:
    """(N, 2): each pair's log-probability of chosen and rejected, as the model now stands."""
    outputs = trainer.outputs(items)
    rows = []
    for item, output in zip(items, outputs, strict=True):
        chosen, rejected = output.split([len(s.reads) for s in item.sequences])
        rows.append(torch.stack((chosen.sum(), rejected.sum())))
    return torch.stack(rows)


def _metrics(
    config: TrainConfig, work: Work, trainer: Trainer, begun: dict[str, Any], held: dict[str, Any]
) -> dict[str, Any]:
    facts, data = trainer.facts, work.data
    first, last = _losses(trainer.folder / "log.jsonl")
    return {
        "kind": config.kind,
        "name": config.name,
        "model": config.model,
        "status": "complete",
        "steps": facts.step,
        "epochs": config.epochs,
        "examples": {"train": len(data.items), "validation": len(data.held)},
        "tokens": facts.tokens,
        "tokens_computed": facts.computed,
        "tokens_trained": facts.learned,
        "seconds": round(facts.seconds, 3),
        "loss": {"first": first, "last": last},
        "validation_before": begun,
        "validation": held,
        "sources": [_source(counts) for counts in data.corpus.sources],
        "refused": counts_of(data.refused),
        "unused_columns": unused_columns(data),
        "warnings": work.warnings,
        "licence": config.licence or work.learner.source.licence,
        "parameters": work.learner.parameters(),
        "processes": trainer.world.size,
        "versions": versions(),
    }


def _source(counts: Any) -> dict[str, Any]:
    """What became of one source's rows; `data` has counted what was put aside when encoded."""
    values = asdict(replace(counts, refused=dict(counts.refused)))
    return {**values, "used": counts.train + counts.validation}


def _losses(log: Path) -> tuple[float | None, float | None]:
    """Means over the first and the last tenth of the steps."""
    steps, _ = curves.read_log(log)
    losses = [line["loss"] for line in steps]
    part = max(1, len(losses) // 10)
    if not losses:
        return None, None
    return round(sum(losses[:part]) / part, 6), round(sum(losses[-part:]) / part, 6)


def _write_model(
    config: TrainConfig,
    work: Work,
    trainer: Trainer,
    weights: dict[str, torch.Tensor],
    folder: Path,
    metrics: dict[str, Any],
) -> None:
    """The model beside its place, then in it; the metrics, which say that all is done, last."""
    learner = work.learner
    if parallel.is_sharded(trainer.module):
        # The shards cannot take the whole weights back; a fresh model can.
        learner = model.load(config, trainer.objective.head)
    fresh = folder / "model.new"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        said = model.save(learner, weights, fresh)
        metrics = {**metrics, "warnings": [*metrics["warnings"], *said]}
        (fresh / "README.md").write_text(model_card(metrics, config), encoding="utf-8")
        shutil.rmtree(folder / "model", ignore_errors=True)
        fresh.replace(folder / "model")
    except OSError as error:
        raise StorageError(f"{fresh}: cannot write: {error.strerror or error}") from None
    curves.plot(folder / "log.jsonl", folder / "curves.png")
    write_atomically(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    training_page(folder)
    trainer.checkpoints.remove()


def _write_refused(path: Path, refused: Sequence[Refused]) -> None:
    rows = (json.dumps(asdict(row), ensure_ascii=False) for row in refused)
    write_atomically(path, "".join(f"{row}\n" for row in rows))
