"""A whole training run: a config into a folder, resumed where it was left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import yaml

from gristmill.backends.identity import embedded_path, fingerprint, told
from gristmill.errors import CheckpointError, ConfigError, StorageError
from gristmill.parts import build, identity_in
from gristmill.settings import configured
from gristmill.storage import (
    check_free,
    differences,
    locked,
    read_saved,
    versions,
    write_atomically,
)
from gristmill.train.config import KINDS, TrainConfig

PACE = {
    *("save_every", "measure_every", "report_to", "tensorboard"),
    *("checkpointing", "sharding", "licence"),
}
"""Settings that change neither what is learned nor from what: a resumed run may have others."""

WRITTEN = (
    *("model", "checkpoint", "README.md", "metrics.json", "log.jsonl"),
    *("refused.jsonl", "curves.png", "report.html", "trackers.json"),
)
"""What a training writes, beside its `run.yaml`."""

END = 1 << 20
"""Bytes at either end of a weights' file that tell it from another."""

SHOWN = 4
"""Differences to another run's config that a message names."""


@dataclass(frozen=True)
class Trained:
    """What a run left behind. model: a Hugging Face folder, `hf:<model>` in a config. metrics:
    what `metrics.json` holds."""

    folder: Path
    model: Path
    metrics: dict[str, Any] = field(repr=False)


def config_of(kind: str, values: dict[str, Any], folder: Path | None = None) -> TrainConfig:
    """Validate a training config of a kind (`pretrain`, `sft`, `reward`, `dpo`, `rpo`).

    folder: where relative paths start. Raises ConfigError.
    """
    if kind not in KINDS:
        raise ConfigError(f"unknown kind of training '{kind}'; known: {', '.join(KINDS)}")
    config = build(KINDS[kind], values, "")
    return config if folder is None else config.located(folder)


def load_config(kind: str, path: Path, settings: Sequence[str] = ()) -> TrainConfig:
    """Read a YAML file; relative paths in it start from its own folder. settings: as of `--set`.
    Raises ConfigError."""
    return configured(path, settings, lambda values: config_of(kind, values, path.parent))


def run(
    config: TrainConfig, out: str | Path, *, watch: Callable[[dict[str, Any]], None] | None = None
) -> Trained:
    """Train into a folder; with the same folder again, it goes on, or returns what is there.

    watch: called with each line of `log.jsonl` as it is written. Raises InputError for what the
    user must put right, and RunError for a loss that is no number or memory that ran out; the
    last checkpoint stays.
    """
    from gristmill.train import parallel

    folder = Path(out)
    with parallel.joined() as world:
        check_free(folder, WRITTEN, ours=(folder / "run.yaml").exists())
        if not world.first:
            return _run(config, folder, world, watch)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{folder}: cannot write: {error.strerror}") from None
        with locked(folder, folder / ".lock"):
            return _run(config, folder, world, watch)


def _run(config: TrainConfig, folder: Path, world: Any, watch: Any) -> Trained:
    from gristmill.train.work import train

    identity = identity_of(config)
    finished = _finished(folder, identity)
    if finished is not None:
        return finished
    world.wait()  # All have looked before the first one writes.
    if world.first:
        values = config.model_dump(mode="json")
        text = {"kind": config.kind, **values, "identity": identity, "versions": versions()}
        write_atomically(folder / "run.yaml", yaml.safe_dump(text, sort_keys=False))
    metrics = train(config, folder, world, watch or (lambda _: None))
    return Trained(folder, folder / "model", metrics)


def identity_of(config: TrainConfig) -> dict[str, Any]:
    """What decides the result: another identity needs another folder."""
    sources = [*config.data, *(config.validation if isinstance(config.validation, list) else [])]
    files = {source.file: _file_digest(source.file) for source in sources}
    if config.template is not None:
        files[config.template] = _file_digest(config.template)
    if (weights := _weights_digest(config.model)) is not None:
        files[config.model] = weights
    return {"kind": config.kind, **_decisive(config), "files": files}


def _decisive(config: TrainConfig) -> dict[str, Any]:
    values = config.model_dump(mode="json", exclude=PACE)
    # Parts of another size add up to the same gradient.
    values["batch"].pop("tokens")
    return values


def _as_now(there: dict[str, Any], model: str, files: dict[str, Any]) -> dict[str, Any]:
    """An identity that was written down, with what an older version knew nothing of: of keys that
    came later their defaults, of an embedded model's files what they hold now."""
    known = there.get("files", {})
    if embedded_path(model):
        known = {model: files[model], **known}
    values = {key: value for key, value in there.items() if key not in ("kind", "files")}
    with suppress(ConfigError):  # It is told what it differs in, as it stands.
        values = _decisive(config_of(str(there.get("kind")), values))
    return {"kind": there.get("kind"), **values, "files": known}


def _weights_digest(model: str) -> str | None:
    """Of a model in a folder: names, sizes and ends of its weights' files, which any training
    changes; to read all of a large one would take minutes."""
    if embedded_path(model):
        return fingerprint(model)
    folder = Path(model.removeprefix("hf:")).expanduser()
    if not model.startswith("hf:") or not folder.is_dir():
        return None
    found = blake2b(digest_size=16)
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        found.update(f"{path.name}:{size}:".encode())
        with path.open("rb") as file:
            found.update(file.read(END))
            file.seek(max(0, size - END))
            found.update(file.read())
    return found.hexdigest()


def _file_digest(name: str) -> str:
    path = Path(name)
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        found = blake2b(digest_size=16)
        for chunk in iter(lambda: file.read(1 << 20), b""):
            found.update(chunk)
    return found.hexdigest()


def _finished(folder: Path, identity: dict[str, Any]) -> Trained | None:
    """What a finished run of the same identity left; None where there is still work.

    Raises CheckpointError for a folder of another run.
    """
    there = folder / "run.yaml"
    if not there.exists():
        return None
    if not (folder / "metrics.json").exists() and not (folder / "checkpoint").exists():
        # Nothing was learned yet: a config that failed to start may be put right in its folder.
        (folder / "reference.safetensors").unlink(missing_ok=True)
        return None
    mine = _as_now(identity_in(there), identity["model"], identity["files"])
    if every := told(differences(mine, identity)):
        more = f"; and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
        found = "; ".join(every[:SHOWN]) + more
        raise CheckpointError(
            f"{folder}: this folder belongs to another run ({found}); name another folder with "
            "--out, or change the config back"
        )
    try:
        metrics = read_saved(folder / "metrics.json")
    except (OSError, CheckpointError):
        return None
    done = metrics.get("status") == "complete"
    return Trained(folder, folder / "model", metrics) if done else None
