"""The pages on recipes, judges and filters: every config of them runs, every excerpt is real."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from gristmill import cli
from gristmill.backends.calling import Calling
from gristmill.cli.console import SHORT
from gristmill.errors import ConfigError
from gristmill.filters._parsing import _GRAMMARS
from gristmill.languages import LANGUAGES
from gristmill.languages.detect import DETECTED
from gristmill.mill import Config
from gristmill.parts import find_part, part_names
from gristmill.recipes import Recipe
from gristmill.recipes._templates import SHARED_VARIABLES
from gristmill.recipes.base import Novel
from gristmill.recipes.coding import programming_languages
from gristmill.sandbox import check
from shown import NAMED, blocks, excerpts, holds, named, section

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
CURATE = (ROOT / "docs/curate.md").read_text(encoding="utf-8")
RECIPES = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
RUNNING = (ROOT / "docs/run.md").read_text(encoding="utf-8")
RUN: dict[str, Any] = {
    "prompts": [{"file": str(EXAMPLES / "support-bot.jsonl")}],
    "generate": {"model": "scripted:echo"},
}
"""What a run's config has beside the key that a block shows."""
GRADING = {"reward": {"model": "scripted:echo"}}


@pytest.fixture
def gristmill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Any]:
    """Calls the command in a copy of the folder of examples, and returns what it printed."""
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "100")
    # The modules of earlier tests are those of their own copies.
    monkeypatch.delitem(sys.modules, "writer", raising=False)

    def call(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["gristmill", *words])
        capsys.readouterr()
        try:
            cli.main()
        except SystemExit as done:
            said = capsys.readouterr()
            assert done.code in (None, 0) or "fewer than wanted" in said.out, said.err
            assert done.code in (None, 0, SHORT)
            return said.out
        return capsys.readouterr().out

    yield call
    sys.modules.pop("writer", None)


WRITTEN = named(RECIPES)


@pytest.mark.parametrize("name", WRITTEN)
class TestEveryRecipeConfig:
    def test_it_writes_what_the_page_shows(self, name: str, gristmill: Any) -> None:
        config, _ = WRITTEN[name]
        Path(f"{name}.yaml").write_text(config, encoding="utf-8")
        gristmill("prompts", f"{name}.yaml", "--out", f"{name}.jsonl")
        lines = Path(f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(lines) == yaml.safe_load(config)["count"]
        shown = [row for of, row in excerpts(RECIPES) if of == name]
        assert shown, f"the page shows nothing of {name}.jsonl"
        for row in shown:
            assert any(holds(line, row) for line in lines), f"{name}.jsonl has no such row: {row}"

    def test_its_commands_print_what_the_page_shows(self, name: str, gristmill: Any) -> None:
        config, after = WRITTEN[name]
        Path(f"{name}.yaml").write_text(config, encoding="utf-8")
        for (kind, command), (_, shown) in pairwise(after):
            if kind == "sh":
                assert gristmill(*shlex.split(command)[1:]) == shown

    def test_the_model_knew_every_request(self, name: str, gristmill: Any) -> None:
        Path(f"{name}.yaml").write_text(WRITTEN[name][0], encoding="utf-8")
        gristmill("prompts", f"{name}.yaml", "--out", f"{name}.jsonl")
        report = json.loads(Path(f"{name}.jsonl.work/report.json").read_text())
        for recipe in report["recipes"]:
            assert not any(stage["failed"] for stage in recipe["stages"].values())


def test_every_recipe_has_a_config_and_an_excerpt() -> None:
    shown = {yaml.safe_load(text).get("recipe") for text, _ in WRITTEN.values()}
    assert set(part_names("gristmill.recipes")) <= shown
    assert {name for name, _ in excerpts(RECIPES)} == set(WRITTEN)


def test_every_template_and_its_variables_are_in_the_table() -> None:
    rows = re.findall(
        r"^\| (.+?) \| (`.+?`) \| (.*?) ?\|$", section("Templates of your own", RECIPES), re.M
    )
    told = {
        (recipe, template): set(re.findall(r"`(\w+)`", variables))
        for recipes, templates, variables in rows
        for recipe in re.findall(r"`(\w+)`", recipes) or [recipes]
        for template in re.findall(r"`(\w+)`", templates)
    }
    known = {("all", name): set(variables) for name, variables in SHARED_VARIABLES.items()}
    for name in part_names("gristmill.recipes"):
        used = find_part("gristmill.recipes", name, "here").templates_used
        known |= {(name, template): set(variables) for template, variables in used.items()}
    assert told == known


def test_every_key_of_a_recipe_is_named_where_it_belongs() -> None:
    shared = section("Keys of every recipe", RECIPES)
    for key in (*Recipe.model_fields, *(f"novelty.{name}" for name in Novel.model_fields)):
        assert f"`{key}`" in shared + section("Novelty", RECIPES), f"docs/recipes.md lacks `{key}`"
    for name in part_names("gristmill.recipes"):
        part = find_part("gristmill.recipes", name, "here")
        for key in set(part.model_fields) - set(Recipe.model_fields):
            assert f"`{key}`" in section(name, RECIPES) + shared, (
                f"docs/recipes.md: {name} lacks `{key}`"
            )


def test_every_reason_of_a_recipe_is_explained() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "src/gristmill/recipes").glob("*.py"))
    reasons = set(re.findall(r'dropped\[f?"(\w+:\w+)"\]|return "(not_new)"', code))
    assert len(reasons) >= 5
    for reason in map("".join, reasons):
        assert f"`{reason}`" in RECIPES, f"docs/recipes.md lacks `{reason}`"


def test_the_other_blocks_are_valid_configs() -> None:
    for page in (RECIPES, CURATE, RUNNING):
        for kind, text in blocks(page):
            if kind == "yaml" and not NAMED.match(text):
                Config.of({**RUN, "judges": [GRADING], **yaml.safe_load(text)})


CHECKED = named(CURATE)


@pytest.mark.parametrize("name", CHECKED)
def test_a_run_decides_as_the_page_shows(name: str, gristmill: Any) -> None:
    config = CHECKED[name][0]
    if "code:" in config and (why := no_sandbox()):
        pytest.skip(why)
    for file, lines in re.findall(r"`(\w+\.jsonl)`:?\n\n```jsonl\n(.*?)^```", CURATE, re.M | re.S):
        Path(file).write_text(lines, encoding="utf-8")
    Path(f"{name}.yaml").write_text(config, encoding="utf-8")
    gristmill("run", f"{name}.yaml", "--out", name)
    files = [Path(name, f"data/{data}.parquet") for data in ("scored", "rejected")]
    tables = [pq.read_table(file).to_pylist() for file in files if file.exists()]
    rows = [json.dumps(row, ensure_ascii=False) for table in tables for row in table]
    shown = [row for of, row in excerpts(CURATE) if of == name]
    assert len(shown) >= 4
    for row in shown:
        assert any(holds(line, row) for line in rows), f"{name} has no such row: {row}"
    dropped = [row["reason"] for row in tables[-1]]
    assert dropped and all(any(f'"{reason}"' in row for row in shown) for reason in dropped)


def no_sandbox() -> str:
    try:
        check()
    except ConfigError as error:
        return str(error)
    return ""


def test_every_key_of_a_judge_is_named_where_it_belongs() -> None:
    for name in part_names("gristmill.judges"):
        part = find_part("gristmill.judges", name, "here")
        # How a model is called is told in docs/run.md; test_readme.py looks after that.
        called = set(Calling.model_fields) if issubclass(part, Calling) else set()
        told = section(name, CURATE) + (section("reward", CURATE) if name == "turns" else "")
        for key in set(part.model_fields) - called:
            assert f"`{key}`" in told, f"docs/curate.md: {name} lacks `{key}`"


def test_every_key_of_a_filter_is_named_where_it_belongs() -> None:
    for name in part_names("gristmill.filters"):
        part = find_part("gristmill.filters", name, "here")
        told = section("turns of a dialogue" if name == "turns" else name, CURATE)
        for key in part.model_fields:
            assert f"`{key}`" in told, f"docs/curate.md: {name} lacks `{key}`"


def test_every_reason_of_a_filter_is_in_the_table() -> None:
    paths = (ROOT / "src/gristmill/filters").glob("*.py")
    code = "\n".join(path.read_text() for path in paths)
    found = re.findall(r'(?:Drop\(|return )f?"([a-z_]+(?::[^"]+)?)"(?= if|,|\n)', code)
    rooms = set(part_names("gristmill.filters"))
    reasons = {reason for reason in found if reason.partition(":")[0] in rooms}
    assert len(reasons) >= 20
    table = re.findall(r"^\|.*", section("Filters", CURATE), re.MULTILINE)
    told = re.findall(r"`([^`]+)`", "\n".join(table))
    for reason in reasons:
        # What is filled in when it happens may be any of several words.
        form = "[^`]+".join(map(re.escape, re.split(r"\{[^}]*\}", reason)))
        assert any(re.fullmatch(form, one) for one in told), f"docs/curate.md lacks {reason}"


def test_every_constraint_and_its_arguments_are_in_the_table() -> None:
    told = section("format", CURATE)
    for name in part_names("gristmill.constraints"):
        row = re.search(rf"^\|[^|]*`{name}`[^|]*\|([^|]*)\|", told, re.MULTILINE)
        assert row, f"docs/curate.md lacks the constraint {name}"
        fields = set(find_part("gristmill.constraints", name, "here").model_fields)
        if {"count", "at_least", "at_most"} <= fields:
            assert "a count" in row[1]
            fields -= {"count", "at_least", "at_most"}
        for field in fields:
            assert f"`{field}`" in row[1], f"docs/curate.md: {name} lacks {field}"


def test_the_numbers_on_the_pages_are_right() -> None:
    assert f"any of {len(LANGUAGES)} languages" in RECIPES
    assert f"in {len(programming_languages())} languages" in RECIPES
    assert f"The {len(part_names('gristmill.constraints'))} constraints" in RECIPES
    assert f"{len(DETECTED)} languages can be told" in CURATE
    refusals = yaml.safe_load((ROOT / "src/gristmill/filters/refusal.yaml").read_text())
    assert f"with a refusal, in {len(refusals)} languages" in CURATE
    assert f"{len(_GRAMMARS)} more by tree-sitter" in CURATE


def test_links_within_pages_lead_to_headings() -> None:
    pages = {path.name: path for path in (ROOT / "docs").glob("*.md")}
    for name in ("recipes.md", "curate.md", "run.md"):
        text = pages[name].read_text(encoding="utf-8")
        for page, anchor in re.findall(r"\]\(([\w.-]*)#([\w-]+)\)", text):
            target = pages[page or name].read_text(encoding="utf-8")
            headings = re.findall(r"^#+ (.+)$", target, re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, f"docs/{name}: no heading '{anchor}' in {page or name}"


def test_what_the_page_on_security_names_is_there() -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(tests/[\w/.]+)`", text))
    assert len(named) > 20
    assert not [name for name in named if not (ROOT / name).exists()]


def five(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """A judge that is always content."""
    return "helpfulness: 4\ncorrectness: 4\ncoherence: 4\ncomplexity: 2\nverbosity: 2"


def test_the_tool_library_becomes_a_data_set(gristmill: Any) -> None:
    values = yaml.safe_load(Path("tool-library.yaml").read_text(encoding="utf-8"))
    assert Config.load("tool-library.yaml").prompts
    # The same config with scripted models, as many instructions as these know, and less to do.
    values["prompts"] |= {"model": "scripted:writer:write", "instructions": 2, "personas": None}
    values["generate"] |= {"model": "scripted:echo"}
    values["judges"][0]["reward"] = {"model": "scripted:echo"}
    values["judges"][1]["llm"]["model"] = f"scripted:{__name__}:five"
    values["target"] = 3
    Path("short.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    gristmill("run", "short.yaml", "--out", "short")
    metrics = json.loads(Path("short/metrics.json").read_text())
    assert metrics["status"] == "target"
    sft = pq.read_table("short/data/sft.parquet").to_pylist()
    assert len(sft) == 3
    assert all("tool" in row["messages"][0]["content"] for row in sft)
