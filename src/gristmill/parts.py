"""Parts that a config names: judges, filters, recipes. Adding one is adding one file.

A part is named by its module: `threshold` in `keep:` is the class `Threshold` of
`gristmill.filters.threshold`; `my_pkg.mod:Class` works too. There is no registry to edit.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from gristmill.errors import ConfigError


class Options(BaseModel):
    """Validated settings. An unknown key is an error that suggests the right one."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


P = TypeVar("P", bound=BaseModel)


def build(options: type[P], values: Any, where: str) -> P:
    """Validate `values` against `options`. `where` names the place in the config for errors.

    Raises ConfigError with one line: the field, what is wrong with it, and, for an unknown
    key, the nearest known one.
    """
    try:
        return options.model_validate(values)
    except ValidationError as error:
        raise ConfigError("; ".join(_lines(error, options, where))) from None


def _lines(error: ValidationError, options: type[BaseModel], where: str) -> list[str]:
    lines = []
    for item in error.errors(include_url=False):
        path = [str(step) for step in item["loc"]]
        field = ".".join([p for p in [where, *path] if p])
        if item["type"] == "extra_forbidden":
            known = _known_keys(options, path[:-1])
            near = get_close_matches(path[-1], known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
            lines.append(f"{field}: unknown key; {hint}")
        elif item["type"] == "missing":
            lines.append(f"{field}: missing; add it")
        else:
            given = item.get("input")
            shown = f" (got {given!r:.60})" if not isinstance(given, dict | list) else ""
            message = item["msg"].removeprefix("Value error, ")
            lines.append(f"{field}: {message}{shown}" if field else message)
    return lines


def _known_keys(options: type[BaseModel], path: list[str]) -> list[str]:
    """The keys of the model that `path` leads to, as far as annotations tell."""
    for step in path:
        field = options.model_fields.get(step)
        inner = getattr(field, "annotation", None)
        candidates = [inner, *getattr(inner, "__args__", ())]
        models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if models:
            options = models[0]
    return list(options.model_fields)


def find_part(room: str, name: str, where: str) -> type[Any]:
    """The class behind a part's name. `room` is a package such as `gristmill.filters`."""
    module_name, colon, class_name = name.partition(":")
    if not colon:
        names = part_names(room)
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names)}"
            raise ConfigError(
                f"{where}: unknown part '{name}'; {hint} (a class of yours is 'my_pkg.mod:Class')"
            )
        module_name = f"{room}.{name}"
        class_name = "".join(word.capitalize() for word in name.split("_"))
    try:
        return getattr(import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{where}: cannot load '{name}': {error}") from None


def name_of(part: object) -> str:
    """The name that a config gives a part of this class: `my_filter` for `MyFilter`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(part).__name__).lower()


def part_names(room: str) -> list[str]:
    """The parts of a room: its public modules, `base` aside."""
    package = import_module(room)
    names = (m.name for m in pkgutil.iter_modules(package.__path__))
    return sorted(n for n in names if n != "base" and not n.startswith("_"))


def open_part(room: str, spec: Any, where: str) -> Any:
    """Build a part from its entry in a config: `name`, or `{name: {options}}`."""
    if isinstance(spec, str):
        spec = {spec: {}}
    if not isinstance(spec, Mapping) or len(spec) != 1:
        raise ConfigError(f"{where}: write one part as 'name: {{options}}' (got {spec!r:.80})")
    ((name, values),) = spec.items()
    part = find_part(room, str(name), where)
    return build(part, {} if values is None else values, f"{where}.{name}")


class _Loader(yaml.SafeLoader):
    """Keys are words, `on` among them, which YAML 1.1 takes for true."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:bool":
                key.tag = "tag:yaml.org,2002:str"
        super().flatten_mapping(node)


def read_yaml(path: Path) -> dict[str, Any]:
    """The `key: value` lines of a YAML file. Raises ConfigError naming the line, not the file."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise ConfigError("no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read it: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise ConfigError(f"{line}{getattr(error, 'problem', None) or 'not valid YAML'}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"expected 'key: value' lines, found {type(values).__name__}")
    return values
