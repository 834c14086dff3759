"""What every part of a room keeps to, and what a config that names one wrongly is told."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from gristmill.errors import ConfigError
from gristmill.filters.base import Filter
from gristmill.judges.base import Judge
from gristmill.mill import config as mill_config
from gristmill.parts import Options, build, find_part, open_part, part_names, read_yaml
from gristmill.recipes import Recipe
from gristmill.records import Prompt, Sample

ROOMS: dict[str, type[Options]] = {
    "gristmill.judges": Judge,
    "gristmill.filters": Filter,
    "gristmill.recipes": Recipe,
}
METHODS = {
    "gristmill.judges": {"judge", "compare"},
    "gristmill.filters": {"reason"},
    "gristmill.recipes": {"drafts"},
}
"""What a part of a room must override, one of these."""
PARTS = [(room, name) for room in ROOMS for name in part_names(room)]
SMALLEST: dict[str, dict[str, Any]] = {
    "reward": {"model": "scripted:echo"},
    "threshold": {"correctness": 1},
    "llm": {"model": "scripted:echo"},
    "genrm": {"model": "scripted:echo"},
    "rubric": {"model": "scripted:echo"},
    "embedding": {"model": "scripted:echo"},
    "gristmill.judges.turns": {"model": "scripted:echo"},
    "gristmill.filters.turns": {"every": 2},
    "decontamination": {"against": ["questions.jsonl"]},
    "length": {"min_words": 1},
    "closed_qa": {"documents": "notes.md"},
    "dialogue": {"seeds": "prompts.jsonl"},
    "evolve": {"seeds": "prompts.jsonl"},
    "instructions": {"seeds": "prompts.jsonl"},
    "self_instruct": {"seeds": "prompts.jsonl"},
    "tool_use": {"tools": "tools.json"},
    "two_turn": {"seeds": "prompts.jsonl"},
}
"""The least that a part must be told, where it must be told something."""


def least(room: str, name: str) -> dict[str, Any]:
    """The least that a part must be told; parts of two rooms may share a name."""
    return SMALLEST.get(f"{room}.{name}", SMALLEST.get(name, {}))


def mine(part: type[Options]) -> list[type]:
    """The classes of a part that are not the room's base: its own, and what it shares."""
    return [kind for kind in part.__mro__ if kind.__module__ != f"{room_of(part)}.base"]


@cache
def told(model: type[BaseModel]) -> set[str]:
    """The fields of a model that a docstring follows, here or in what it inherits from."""
    found: set[str] = set()
    for kind in model.__mro__[: model.__mro__.index(BaseModel)]:
        (written,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(kind))).body
        assert isinstance(written, ast.ClassDef)
        for field, after in pairwise(written.body):
            said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and said:
                found.add(field.target.id)
    return found


def room_of(part: type[Options]) -> str:
    return part.__module__.rpartition(".")[0]


class Shout(Filter):
    """A filter of a user's own, named `test_parts:Shout` or however the file is imported."""

    def reason(self, prompt: Prompt, sample: Sample) -> str:
        assert sample.response is not None
        return "shout" if sample.response.text.isupper() else ""


@pytest.mark.parametrize(("room", "name"), PARTS)
class TestEveryPart:
    def test_its_class_is_named_like_its_module_and_is_of_the_room(
        self, room: str, name: str
    ) -> None:
        part = find_part(room, name, "here")
        assert part.__name__.lower() == name.replace("_", "")
        assert issubclass(part, ROOMS[room])
        assert part.__doc__
        assert part.__module__ == f"{room}.{name}"

    def test_every_field_says_what_it_is(self, room: str, name: str) -> None:
        for model in (part := find_part(room, name, "here"), *nested(part)):
            assert model.model_fields.keys() <= told(model), f"{model.__name__} lacks a docstring"

    def test_it_opens_with_the_least_and_is_frozen(self, room: str, name: str) -> None:
        part = open_part(room, {name: least(room, name)}, "here")
        for field in type(part).model_fields:
            with pytest.raises(ValidationError):
                setattr(part, field, None)

    def test_an_unknown_key_is_told_the_near_one(self, room: str, name: str) -> None:
        part = find_part(room, name, "here")
        field = next(iter(part.model_fields), "")
        near = f"'{field}'" if field else "known: none"
        wrong = {**least(room, name), f"{field}x": 1}
        with pytest.raises(ConfigError, match=rf"here.{name}.{field}x: unknown key.*{near}"):
            open_part(room, {name: wrong}, "here")

    def test_it_overrides_the_one_method(self, room: str, name: str) -> None:
        part = find_part(room, name, "here")
        assert any(
            METHODS[room] & set(vars(kind)) for kind in part.__mro__[:-1] if kind in mine(part)
        )


def nested(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The models that a model's fields are made of."""
    found = []
    for info in model.model_fields.values():
        for kind in (info.annotation, *getattr(info.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found += [kind, *nested(kind)]
    return found


def test_every_setting_of_the_mill_says_what_it_is() -> None:
    for model in (mill_config.Config, *nested(mill_config.Config)):
        assert model.model_fields.keys() <= told(model), f"{model.__name__} lacks a docstring"


def test_an_unknown_part_is_told_the_near_one() -> None:
    with pytest.raises(ConfigError, match=r"keep\[0\]: unknown part 'treshold'.*'threshold'"):
        open_part("gristmill.filters", "treshold", "keep[0]")


def test_private_modules_and_base_are_no_parts() -> None:
    assert "base" not in part_names("gristmill.filters")
    for name in ("_decide", "base", "../mill", ""):
        with pytest.raises(ConfigError, match="unknown part"):
            open_part("gristmill.filters", name, "keep[0]")


@pytest.mark.parametrize("spec", [[], {}, {"dedup": {}, "threshold": {}}, 3, None])
def test_a_part_is_written_as_one_name_with_options(spec: Any) -> None:
    with pytest.raises(ConfigError, match=r"keep\[1\]: write one part as"):
        open_part("gristmill.filters", spec, "keep[1]")


def test_a_part_may_be_a_users_own_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        "from gristmill.filters.base import Filter\n"
        "class Short(Filter):\n"
        "    most: int\n"
        "    def reason(self, prompt, sample):\n"
        "        return '' if len(sample.response.text) <= self.most else 'short'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert open_part("gristmill.filters", {"mine:Short": {"most": 3}}, "keep[0]").most == 3
    with pytest.raises(ConfigError, match=r"keep\[0\].mine:Short.most: missing"):
        open_part("gristmill.filters", "mine:Short", "keep[0]")
    for wrong, why in (("mine:Long", "cannot load"), ("tiny:reward", "a model stands in the opt")):
        with pytest.raises(ConfigError, match=why):
            open_part("gristmill.filters", wrong, "keep[0]")


def test_a_part_of_another_room_is_refused() -> None:
    values = {
        "prompts": {"file": "p.jsonl"},
        "generate": {"model": "scripted:echo"},
        "judges": [{"gristmill.filters.dedup:Dedup": {}}],
    }
    with pytest.raises(ConfigError, match=r"judges\[0\]: Dedup is not a Judge"):
        mill_config.Config.of(values)


def test_errors_name_field_problem_and_value() -> None:
    with pytest.raises(ConfigError, match=r"^generate.temperature: .*less than or equal.*got 9"):
        build(mill_config.Generate, {"model": "m", "temperature": 9}, "generate")
    with pytest.raises(ConfigError, match=r"a: unknown key; known: model, "):
        build(mill_config.Generate, {"model": "m", "a": 1}, "")


def test_another_shape_is_told_as_yaml_has_it() -> None:
    values = {"prompts": {"file": "p.jsonl"}, "generate": {"model": "scripted:echo"}}
    with pytest.raises(ConfigError, match=r"^judges: write a list, each entry on a line that"):
        build(mill_config.Config, {**values, "judges": {"math": {}}}, "")
    with pytest.raises(ConfigError, match=r"^judges\[0\].truth: write {key: value} \(got 'exact'"):
        mill_config.Config.of({**values, "judges": [{"truth": "exact"}]})


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_rows_are_no_config(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=rf"is a file of rows; .*`{{file: {name}}}`"):
        read_yaml(tmp_path / name)


def test_a_key_named_on_is_a_word(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("fleet: {on: ray, off: on}\ntrue: yes\n")
    assert read_yaml(file) == {"fleet": {"on": "ray", "off": True}, "true": True}
