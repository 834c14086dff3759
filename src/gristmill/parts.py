"""Parts that a config names: judges, filters, recipes. Adding one is adding one file.

A part is named by its module: `threshold` in `keep:` is the class `Threshold` of
`gristmill.filters.threshold`; `my_pkg.mod:Class` works too. There is no registry to edit.
"""

from __future__ import annotations

import os
import pkgutil
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from gristmill.aliases import ALIASES, HERE
from gristmill.errors import CheckpointError, ConfigError


class Options(BaseModel):
    """Validated settings. An unknown key is an error that suggests the right one."""

    # A run validates few of the models that it imports: each is built when it is first used.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


P = TypeVar("P", bound=BaseModel)


_SHAPES = {
    "list_type": "write a list, each entry on a line that begins with `- `",
    "tuple_type": "write a list, [first, second]",
    "model_type": "write {key: value}",
    "dict_type": "write {key: value}",
}
"""What YAML is wanted, by pydantic's name of the error, whose words are of Python."""


def build(options: type[P], values: Any, where: str) -> P:
    """Validate `values` against `options`. `where` names the place in the config for errors.

    Raises ConfigError with one line: the field, what is wrong with it, and, for an unknown
    key, the nearest known one.
    """
    try:
        return options.model_validate(values)
    except ValidationError as error:
        raise ConfigError("; ".join(_lines(error, options, values, where))) from None


def _lines(error: ValidationError, options: type[BaseModel], values: Any, where: str) -> list[str]:
    lines = []
    for item in error.errors(include_url=False):
        path = _as_written(item["loc"], values)
        field = ".".join([p for p in [where, *path] if p])
        if item["type"] == "extra_forbidden":
            hint = _meant(path[-1], _model_at(options, path[:-1]))
            lines.append(f"{field}: unknown key; {hint}")
        elif item["type"] == "missing":
            lines.append(f"{field}: missing; add it")
        else:
            given = item.get("input")
            secret = path[-1:] == ["key_env"]  # where some write the key itself
            shown = "" if secret or isinstance(given, dict | list) else f" (got {given!r:.60})"
            message = _SHAPES.get(item["type"]) or item["msg"].removeprefix("Value error, ")
            # What a list's own check says begins with which of its entries it speaks of.
            colon = "" if not field or message.startswith("[") else ": "
            lines.append(f"{field}{colon}{message}{shown}")
    return lines


def _as_written(path: Sequence[int | str], values: Any) -> list[str]:
    """The steps to a field as the user wrote it: where one entry stands in the place of a list,
    there is no number of it."""
    steps: list[str] = []
    for step in path:
        if isinstance(step, int) and isinstance(values, Mapping):
            continue
        if isinstance(step, int) and steps:
            steps[-1] += f"[{step}]"
        else:
            steps.append(str(step))
        try:
            values = values[step]
        except (LookupError, TypeError):
            values = None
    return steps


def _model_at(options: type[BaseModel], path: list[str]) -> type[BaseModel]:
    """The model that `path` leads to, as far as annotations tell."""
    for step in (step.partition("[")[0] for step in path):
        options = _model_of(options, step) or options
    return options


def _model_of(options: type[BaseModel], name: str) -> type[BaseModel] | None:
    """What a field holds, where that is a model, or a list of such."""
    inner = getattr(options.model_fields.get(name), "annotation", None)
    candidates = [inner, *getattr(inner, "__args__", ())]
    models = (c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return next(models, None)


def _meant(key: str, options: type[BaseModel]) -> str:
    """What an unknown key was probably meant to be: what other tools call one of ours, one of a
    model below, or one that is spelled like it."""
    known = list(options.model_fields)
    below = {n: list(m.model_fields) for n in known if (m := _model_of(options, n))}
    inside = [f"{name}.{inner}" for name, keys in below.items() for inner in keys]
    meanings = ALIASES.get(key, ((key, HERE),))
    for ours, said in meanings:
        if ours in (*known, *inside):
            return said.format(ours)
    for ours, said in meanings:
        if place := next((place for place in inside if place.endswith(f".{ours}")), None):
            return said.format(place)
    return nearest(key, known)


def nearest(name: str, known: Sequence[str]) -> str:
    """What was probably meant, for an error about a name that is not known."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}"


def find_part(room: str, name: str, where: str) -> type[Any]:
    """The class behind a part's name. `room` is a package such as `gristmill.filters`."""
    module_name, colon, class_name = name.partition(":")
    if not colon:
        names = part_names(room)
        if name not in names:
            raise ConfigError(
                f"{where}: unknown part '{name}'; {nearest(name, names)} (a class of yours is "
                "'my_pkg.mod:Class')"
            )
        module_name = f"{room}.{name}"
        class_name = "".join(word.capitalize() for word in name.split("_"))
        return getattr(import_module(module_name), class_name)
    return users_own(name, where)


NO_CODE = "GRISTMILL_NO_CODE"
"""The environment variable that forbids code of a config's own, here and in processes that are
started here: shards, servers of a fleet."""


@contextmanager
def no_code() -> Iterator[None]:
    """Within it, as after `--no-code`, whatever has this process run code that is not gristmill's
    is a ConfigError: `my_pkg.mod:Class`, `scripted:mod:function`, the `flags` of a fleet."""
    before = os.environ.get(NO_CODE)
    os.environ[NO_CODE] = "1"
    try:
        yield
    finally:
        del os.environ[NO_CODE]
        if before is not None:
            os.environ[NO_CODE] = before


def refuse_code(name: str, where: str = "") -> None:
    """Raise ConfigError under `no_code`. name: what would be run; where: its place in a config."""
    if os.environ.get(NO_CODE, "0") not in ("", "0"):
        raise ConfigError(
            f"{where}{': ' if where else ''}'{name}' would run code that is not gristmill's; take "
            "it out, or run without --no-code if you trust whoever wrote it"
        )


def users_own(name: str, where: str) -> Any:
    """What `my_pkg.mod:name` names, or the module `my_pkg.mod`. Importing it runs it; it is looked
    for in the working directory too, after all other places. Raises ConfigError."""
    refuse_code(name, where)
    module, colon, inside = name.partition(":")
    here = str(Path.cwd())
    # Where the command is an entry point, Python does not look there.
    added = here not in sys.path and "" not in sys.path
    if added:
        sys.path.append(here)
    try:
        found = import_module(module)
        return getattr(found, inside) if colon else found
    except (Exception, SystemExit) as error:  # whatever a module of the user's raises
        what = f"{type(error).__name__}: {error}"
        absent = isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]
        if absent and colon:
            what += "; a class of yours is my_pkg.module:Class, a model stands in the options of a "
            what += "part: `reward: {model: ...}`"
        raise ConfigError(f"{where}: cannot load '{name}': {what}") from error
    finally:
        if added:
            sys.path.remove(here)


def name_of(part: object) -> str:
    """The name that a config gives a part of this class: `my_filter` for `MyFilter`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(part).__name__).lower()


def is_own(part: object) -> bool:
    """Whether a part is gristmill's: what it makes is then signed with its name in a config."""
    return type(part).__module__.startswith(f"{__name__.partition('.')[0]}.")


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


_ROWS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
"""Kinds of files that are named where a config is wanted."""


def read_yaml(path: Path) -> dict[str, Any]:
    """The `key: value` lines of a YAML file. Raises ConfigError naming the line, not the file."""
    if path.suffix.lower() in _ROWS and path.is_file():
        raise ConfigError(
            f"is a file of rows; a config names it, as `{{file: {path.name}}}`: give that YAML file"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError("no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read it: {error}") from None
    values = parse_yaml(text)
    if not isinstance(values, dict):
        found = {"str": "a text", "NoneType": "nothing", "list": "a list"}
        kind = type(values).__name__
        raise ConfigError(f"expected 'key: value' lines, found {found.get(kind, kind)}")
    return values


def identity_in(run: Path) -> dict[str, Any]:
    """The identity in the `run.yaml` of a folder. Raises CheckpointError where it is not there."""
    try:
        there = read_yaml(run).get("identity")
    except ConfigError:
        there = None
    if isinstance(there, dict):
        return there
    state = "damaged" if run.exists() else "missing"
    raise CheckpointError(
        f"{run}: {state}, so it cannot be told whose folder this is; name another with --out"
    )


def parse_yaml(text: str) -> Any:
    """What a user's YAML says. Raises ConfigError, also for a key that stands twice, of which YAML
    itself would silently take the last."""
    try:
        return yaml.load(text, _Once)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise ConfigError(f"{line}{getattr(error, 'problem', None) or 'not valid YAML'}") from None
    except RecursionError:
        raise ConfigError("nested too deeply") from None
    except (ValueError, LookupError, AttributeError) as error:
        # A date that is none, a number of thousands of digits, `!!int ""`, `!!bool maybe`.
        raise ConfigError(f"a value cannot be read: {error}") from None


class _Once(yaml.SafeLoader):
    """YAML in which a key stands once and is a word, `on` among them, which YAML 1.1 takes for
    true; and nothing contains itself."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._open: set[str] = set()

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent) and (event := self.peek_event()).anchor in self._open:
            raise ComposerError(None, None, f"'{event.anchor}' contains itself", event.start_mark)
        return super().compose_node(parent, index)

    def compose_scalar_node(self, anchor: Any) -> Any:
        node = super().compose_scalar_node(anchor)
        if not node.value.isascii():
            try:
                # As JSON escapes what UTF-16 has in two halves; half of it no file can hold.
                node.value = node.value.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError:
                problem = "half of a character (\\ud800 to \\udfff stand in pairs)"
                raise ComposerError(None, None, problem, node.start_mark) from None
        return node

    def construct_yaml_int(self, node: Any) -> int:
        value = super().construct_yaml_int(node)
        if not -(2**63) <= value < 2**64:
            raise ConstructorError(None, None, "a number of more than 64 bits", node.start_mark)
        return value

    def compose_sequence_node(self, anchor: Any) -> Any:
        self._open.add(anchor)
        node = super().compose_sequence_node(anchor)
        self._open.discard(anchor)
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        self._open.add(anchor)
        node = super().compose_mapping_node(anchor)
        self._open.discard(anchor)
        seen: dict[tuple[str, str], int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.tag == "tag:yaml.org,2002:bool":
                key.tag = "tag:yaml.org,2002:str"
            if (named := (key.tag, key.value)) in seen:
                problem = f"'{key.value}' is there already, in line {seen[named]}; give it once"
                raise ComposerError(None, None, problem, key.start_mark)
            seen[named] = key.start_mark.line + 1
        return node


_Once.add_constructor("tag:yaml.org,2002:int", _Once.construct_yaml_int)
