"""From what a user wrote to a config.json: a preset, a file, a folder, or a model in the cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from gristmill.backends.decoding import decoded
from gristmill.errors import ConfigError, DataError
from gristmill.nemotron.presets import PRESETS, preset
from gristmill.nemotron.tiny import TINY, tiny_path
from gristmill.plan.read import read_shape
from gristmill.plan.shape import Shape

FILE = Path(__file__).parent / "presets.yaml"


@dataclass(frozen=True)
class Known:
    """A model that is known by name. published: billions of parameters that its maker states, and
    source where; None where the maker states none that is exact enough to hold a count against."""

    name: str
    config: Mapping[str, Any]
    hub: str
    aliases: tuple[str, ...] = ()
    published: float | None = None
    source: str = ""

    def served_as(self, name: str) -> str:
        """What the hub calls the model that was asked for by that name: some presets stand for
        several of one architecture."""
        for one in self.aliases:
            if "/" in one and _plain(name) in (_plain(one), _plain(one.partition("/")[2])):
                return one
        return self.hub


@cache
def known() -> dict[str, Known]:
    """The presets by name, in the file's order, and the embedded tiny family's architecture."""
    found = {}
    for name, entry in yaml.safe_load(FILE.read_text(encoding="utf-8")).items():
        config = dict(entry.get("config") or {})
        if which := entry.get("nemotron"):
            config = nemotron_config(which)
        if labels := entry.get("reward"):
            config |= {"architectures": ["NemotronRewardModel"], "num_outputs": labels}
        found[name] = Known(
            name,
            config,
            entry["hub"],
            tuple(entry.get("aliases") or ()),
            entry.get("published"),
            entry.get("source") or "",
        )
    return found


def nemotron_config(name: str) -> dict[str, Any]:
    """The config.json of an architecture of `gristmill.nemotron.presets`."""
    return {"model_type": "nemotron", **preset(name).config_kwargs()}


def find_shape(model: str) -> Shape:
    """The shape of the model that is named, with what an engine is to load in `served_as`.

    model: a preset, `tiny:instruct`, a config.json or the folder of one, `org/name` or
    `hf:org/name` of a preset or of a model that is in Hugging Face's cache. The network is never
    asked. Raises ConfigError or DataError with what would work.
    """
    name = model.strip()
    for prefix in ("hf:", "vllm:"):
        name = name.removeprefix(prefix)
    if name.startswith("tiny:") and name[5:] in TINY:
        folder = tiny_path(name[5:])
        return replace(_from_file(folder / "config.json", name), served_as=str(folder))
    if not name:
        raise ConfigError("no model was named")
    path = Path(name).expanduser()
    if path.is_dir():
        return replace(_from_file(path / "config.json", name), served_as=name)
    if path.is_file():
        return replace(_from_file(path, name), served_as=str(path.parent))
    if found := named(name):
        shape = read_shape(found.config, found.name)
        return replace(shape, served_as=found.served_as(name))
    if name in PRESETS:
        return replace(read_shape(nemotron_config(name), name), served_as=name)
    if cached := _in_cache(name):
        return replace(_from_file(cached, name), served_as=name)
    raise ConfigError(_unknown(model, name))


def named(name: str) -> Known | None:
    """The preset of that name, however its maker or the hub writes it; None if there is none."""
    return _names().get(_plain(name))


@cache
def _names() -> dict[str, Known]:
    found = {}
    for one in known().values():
        for name in (one.name, one.hub, *one.aliases):
            for written in (name, name.rpartition("/")[2]):
                found.setdefault(_plain(written), one)
    return found


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(" ", "-")


def _from_file(path: Path, name: str) -> Shape:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot read: {error.strerror}; name a config.json, or the folder it lies in"
        ) from None
    try:
        config = decoded(data)
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from None
    return read_shape(config, name, str(path))


def _in_cache(name: str) -> Path | None:
    """The config.json of a model that Hugging Face's library has downloaded before."""
    if name.count("/") != 1:
        return None
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return None
    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def _unknown(model: str, name: str) -> str:
    near = get_close_matches(_plain(name), _names(), n=8, cutoff=0.55)
    shown = list(dict.fromkeys(_names()[one].name for one in near))[:3]
    hint = f"did you mean {', '.join(shown)}? " if shown else ""
    if name.count("/") == 1 and not name.startswith("."):
        hint += f"'{name}' is not in Hugging Face's cache, and the network is not asked: "
        hint += f"download its config.json (hf download {name} config.json) and run again. "
    others = "a preset (docs/plan.md)" if shown else f"one of {', '.join(known())}"
    return (
        f"model '{model}': no file, folder or preset; {hint}Name a config.json, its folder, or "
        f"{others}"
    )
