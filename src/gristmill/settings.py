"""A config's file, and the keys of it that `--set KEY=VALUE` writes anew.

A key is a path, `generate.temperature` or `keep.0.threshold.correctness`; its value is YAML. All of
it happens before the config is validated, as if it stood in the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gristmill.errors import ConfigError
from gristmill.parts import parse_yaml, read_yaml

T = TypeVar("T")

DEEPEST = 100
"""Steps of a key at most."""


def configured(
    source: Path | Mapping[str, Any], settings: Sequence[str], build: Callable[[dict[str, Any]], T]
) -> T:
    """What `build` makes of a YAML file, or of values, with the settings put in.

    settings: each `KEY=VALUE`, in order, so that of two of one key the later holds. Raises
    ConfigError naming the file, or the `--set` that the error is about.
    """
    keys: list[list[str]] = []
    try:
        values: Any = read_yaml(source) if isinstance(source, Path) else dict(source)
        for setting in settings:
            steps, value = _read(setting)
            keys.append(_given(values, steps))
            values = _put(values, steps, value, [])
        return build(values)
    except ConfigError as error:
        said = _told(str(error), keys)
        place = f"{source}: " if isinstance(source, Path) else ""
        raise ConfigError(said if said.startswith("--set ") else f"{place}{said}") from None


def _read(setting: str) -> tuple[list[str], Any]:
    key, equals, value = setting.partition("=")
    # Errors write `judges[0]`, and so may users.
    steps = re.sub(r"\[(\d+)\]", r".\1", key.strip()).split(".")
    if not equals or not all(steps) or len(steps) > DEEPEST:
        raise ConfigError(f"--set {key}: write it as KEY=VALUE, KEY as in generate.temperature")
    try:
        return steps, parse_yaml(value)
    except ConfigError as error:
        raise ConfigError(
            f"--set {key}: {error}; the value is YAML: put a text into quotes of its own"
        ) from None


def _put(node: Any, steps: list[str], value: Any, done: list[str]) -> Any:
    """A copy of `node` with the value where the steps lead; `done` led here. What YAML names twice
    by an alias stays as it was at the other place."""
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    here, key = ".".join(done), ".".join([*done, *steps])
    if isinstance(node, list):
        if not step.isdecimal() or int(step) >= len(node):
            there = f"entries 0 to {len(node) - 1}" if node else "no entries"
            raise ConfigError(f"--set {key}: {here} is a list with {there}; there is no '{step}'")
        place = int(step)
        return [*node[:place], _put(node[place], rest, value, [*done, step]), *node[place + 1 :]]
    if node is None and step.isdecimal():
        raise ConfigError(f"--set {key}: {here} is not there; give it whole: --set '{here}=[...]'")
    if not isinstance(node, dict | None):
        # Some write the key itself there.
        shown = f" ({node!r:.60})" if done[-1] != "key_env" else ""
        raise ConfigError(f"--set {key}: {here} is one value{shown}, and has no keys")
    node = node or {}
    return {**node, step: _put(node.get(step), rest, value, [*done, step])}


def _given(node: Any, steps: list[str]) -> list[str]:
    """The steps as far as the first that is not there yet: what is below it, too, is as it was
    set."""
    for count, step in enumerate(steps, 1):
        if isinstance(node, list) and step.isdecimal() and int(step) < len(node):
            node = node[int(step)]
        elif isinstance(node, dict) and step in node:
            node = node[step]
        else:
            return steps[:count]
    return steps


def _told(error: str, keys: list[list[str]]) -> str:
    """An error that names its fields, those that were set as their `--set`."""
    given = [_plain(".".join(steps)) for steps in keys]
    return "; ".join(
        f"--set {part}" if any(_plain(part).startswith(key) for key in given) else part
        for part in error.split("; ")
    )


def _plain(field: str) -> str:
    """A field as all spell it: errors write `judges[0].reward` and `prompts: [0]: file`."""
    return re.sub(r"[\].:\[ ]+", ".", field).strip(".") + "."
