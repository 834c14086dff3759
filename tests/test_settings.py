"""`--set KEY=VALUE`: what it reaches, what it is told where it reaches nothing, who gets it too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from commands import Gristmill
from gristmill.errors import ConfigError
from gristmill.mill.config import Config
from gristmill.settings import configured
from mills import write_prompts

RUN = """\
name: whole
prompts: {file: prompts.jsonl}
generate: &model {model: "scripted:echo", responses: 2}
judges: [{reward: {model: "scripted:echo"}}]
keep: [{threshold: {correctness: 1}}, dedup]
"""


def edited(values: dict[str, Any], *settings: str) -> dict[str, Any]:
    return configured(values, settings, lambda values: values)


def test_paths_go_through_keys_and_lists_and_the_later_of_two_holds() -> None:
    values = {"a": {"b": 1}, "list": [{"x": 1}, {"x": 2}], "none": None}
    found = edited(values, "a.b=2", "list.1.x=3", "list[0].y=[u, v]", "none.new=1", "a.b=4", "c.d=")
    assert found == {
        "a": {"b": 4},
        "list": [{"x": 1, "y": ["u", "v"]}, {"x": 3}],
        "none": {"new": 1},
        "c": {"d": None},
    }
    assert values == {"a": {"b": 1}, "list": [{"x": 1}, {"x": 2}], "none": None}


def test_what_an_alias_names_twice_is_set_once(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("one: &x {k: 1}\ntwo: *x\n")
    assert configured(file, ["one.k=2"], dict) == {"one": {"k": 2}, "two": {"k": 1}}


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab01"), inner, max_size=3),
)


@given(st.dictionaries(st.text("ab01"), values, max_size=3), st.text("ab01.="), values)
def test_whatever_is_set_is_there_then_or_an_error_in_its_words(
    config: dict[str, Any], key: str, value: Any
) -> None:
    said = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n")
    try:
        node: Any = edited(config, f"{key}={said}")
    except ConfigError as error:
        assert str(error).startswith("--set ")
        return
    if "=" not in key:
        for step in key.split("."):
            node = node[int(step)] if isinstance(node, list) else node[step]
        assert node == value


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("generate.temprature=1", "error: --set generate.temprature: unknown key; did you mean 't"),
        ("generat.model=x", "error: --set generat: unknown key; did you mean 'generate'?"),
        ("judges.0.reward.modle=x", "error: --set judges[0].reward.modle: unknown key; did you"),
        ("prompts.fiel=x", "error: --set prompts: fiel: unknown key; did you mean 'file'?"),
        ("target=0", "error: --set target: Input should be greater than or equal to 1 (got 0)"),
        (
            "keep.2=dedup",
            "error: --set keep.2: keep is a list with entries 0 to 1; there is no '2'",
        ),
        ("keep.a=dedup", "there is no 'a'"),
        ("keep.1.dedup.x=1", "error: --set keep.1.dedup.x: keep.1 is one value ('dedup'), and has"),
        (
            "budget.0.x=1",
            "error: --set budget.0.x: budget is not there; give it whole: --set 'budget=[...]'",
        ),
        ("target", "error: --set target: write it as KEY=VALUE"),
        ("generate..model=1", "error: --set generate..model: write it as KEY=VALUE"),
        ("judges=[{", "error: --set judges: line 1: "),
        ("generate={a: 1, a: 2}", "'a' is there already"),
        (
            "generate.model=scripted:my_mod:f",
            "error: --set generate.model: 'scripted:my_mod:f' wou",
        ),
        ("keep.1=my_mod:Mine", "error: --set keep[1]: 'my_mod:Mine' would run code"),
    ],
)
def test_an_error_names_what_was_set(gristmill: Gristmill, setting: str, said: str) -> None:
    Path("run.yaml").write_text(RUN)
    write_prompts(Path(), 3)
    result = gristmill("run", "run.yaml", "--no-code", "--dry-run", "--set", setting)
    assert (result.code, said in result.line) == (2, True), result.line


def test_what_the_file_has_wrong_is_still_the_files(gristmill: Gristmill) -> None:
    Path("run.yaml").write_text(RUN + "tagret: 3\n")
    result = gristmill("run", "run.yaml", "--set", "target=3")
    assert result.line.startswith("error: run.yaml: tagret: unknown key; did you mean 'target'?")
    secret = "sk-abcdefghijklmnop"
    for key in ("generate.key_env", "generate.key_env.x"):
        Path("run.yaml").write_text(RUN.replace("responses: 2", f"key_env: {secret}"))
        assert secret not in gristmill("run", "run.yaml", "--set", f"{key}={secret}").line


def test_a_path_starts_from_the_configs_folder(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN)
    config = Config.load(tmp_path / "run.yaml", ["prompts.file=other.jsonl"])
    assert config.sources[0].file == str(tmp_path / "other.jsonl")


def test_run_yaml_has_what_was_set_and_so_do_shards(gristmill: Gristmill) -> None:
    Path("run.yaml").write_text(RUN)
    write_prompts(Path(), 6)
    changes = ("--set", "generate.temperature=0.25", "--set", "name='a name'", "--set", "keep=[]")
    assert gristmill("run", "run.yaml", "--out", "one", "--quiet", *changes).code == 0
    assert gristmill("run", "run.yaml", "--out", "two", *changes, "--shards", "2").code == 0
    for folder in (Path("one"), Path("two")):
        told = yaml.safe_load((folder / "run.yaml").read_text())
        assert (told["name"], told["generate"]["temperature"]) == ("a name", 0.25)
    same = [Path(folder, "data", "sft.parquet").read_bytes() for folder in ("one", "two")]
    assert same[0] == same[1]


@pytest.mark.parametrize(
    "command",
    [
        ("run", "c.yaml", "--shard", "1/2"),
        ("run", "c.yaml", "--shards", "2"),
        ("run", "c.yaml", "--preview", "1"),
        ("flywheel", "c.yaml"),
        ("train", "sft", "c.yaml"),
        ("train", "staged", "c.yaml"),
        ("arena", "battle", "c.yaml"),
        ("arena", "serve", "c.yaml"),
        ("plan", "c.yaml"),
        ("prompts", "c.yaml", "--out", "p.jsonl"),
        ("prompts", "open_qa", "--out", "p.jsonl"),
    ],
)
def test_every_command_that_reads_a_config_has_it(
    gristmill: Gristmill, command: tuple[str, ...]
) -> None:
    Path("c.yaml").write_text("{}\n" if "prompts" not in command else "recipe: open_qa\n")
    assert "--set zz: unknown key" in gristmill(*command, "--set", "zz=1").line


def test_a_models_plan_has_no_config_to_set(gristmill: Gristmill) -> None:
    assert "--set: has no effect here" in gristmill("plan", "15b", "--set", "a=1").line
