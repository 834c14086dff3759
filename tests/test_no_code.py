"""Whose code runs: what a config names, unless it is forbidden, and nothing that lies beside it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import gristmill as package
from commands import Gristmill
from gristmill.errors import ConfigError
from gristmill.flywheel.truth import find_truth
from gristmill.nemotron.tiny import tiny_path
from gristmill.parts import NO_CODE, no_code
from mills import settings, write_prompts

MINE = """
from pathlib import Path
from gristmill.filters.base import Filter

Path("RAN").touch()

def answer(messages, index, seed):
    return "ok"

class All(Filter):
    def reason(self, prompt, sample):
        return ""
"""
ANSWER = "scripted:mine_x1:answer"


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """What is made when a module in the working directory is imported, which a config may name."""
    (tmp_path / "mine_x1.py").write_text(MINE)
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n')
    sys.modules.pop("mine_x1", None)
    return tmp_path / "RAN"


def written(path: Path, values: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(values))
    return path


def run_of(folder: Path, **changes: Any) -> Path:
    prompts = {"prompts": changes.pop("prompts")} if "prompts" in changes else {}
    values = settings(write_prompts(folder, 2), **changes)
    return written(folder / "config.yaml", {**values, **prompts})


CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"generate": {"model": ANSWER}}, f"generate.model: '{ANSWER}'"),
    ({"judges": [{"mine_x1:All": {}}]}, "judges[0]: 'mine_x1:All'"),
    ({"judges": [{"reward": {"model": ANSWER}}]}, f"judges[0].reward.model: '{ANSWER}'"),
    ({"keep": [{"mine_x1:All": {}}]}, "keep[0]: 'mine_x1:All'"),
    ({"prompts": {"recipe": "mine_x1:All", "count": 2}}, "recipe: 'mine_x1:All'"),
    ({"prompts": {"mix": [{"recipe": "mine_x1:All"}], "count": 2}}, "recipe: 'mine_x1:All'"),
    (
        {"generate": {"model": "tiny:instruct", "fleet": {"flags": ["--vllm=./evil"]}}},
        "generate.fleet.flags: '--vllm=./evil'",
    ),
]


@pytest.mark.parametrize(("changes", "told"), CONFIGS)
def test_a_config_that_would_run_code_is_refused(
    gristmill: Gristmill, tmp_path: Path, ran: Path, changes: dict[str, Any], told: str
) -> None:
    config = run_of(tmp_path, **changes)
    for command in (("run", config), ("run", config, "--dry-run"), ("plan", config)):
        done = gristmill(*command, "--no-code")
        assert done.code == 2
        assert done.line.startswith(f"error: {config}: ")
        assert told in done.line
        assert "take it out, or run without --no-code" in done.line
    assert not ran.exists()
    assert not (tmp_path / "out").exists()
    assert NO_CODE not in os.environ


@pytest.mark.parametrize(
    "command",
    [
        f"score rows.jsonl --model {ANSWER} --out x.jsonl",
        "prompts mine_x1:All --model scripted:echo --count 2 --out x.jsonl",
        f"prompts open_qa --model {ANSWER} --count 2 --out x.jsonl",
        f"rewardbench --model {ANSWER} --data tutor:10:bench --out x",
        f"judge-eval rows.jsonl --judge {ANSWER} --out x",
        f"compare {ANSWER} scripted:echo --kind chat --data rows.jsonl --out x",
        "compare scripted:echo scripted:echo --kind chat --truth mine_x1:All --out x",
        f"arena tag rows.jsonl --model {ANSWER} --out x.jsonl",
        "arena battle battle.yaml --out x",
        "arena serve page.yaml --port 0",
    ],
)
def test_so_is_one_on_the_line_or_in_another_commands_config(
    gristmill: Gristmill, tmp_path: Path, ran: Path, command: str
) -> None:
    models = [{"model": "scripted:echo", "name": name} for name in "ab"]
    judged = {"models": models, "prompts": {"file": "rows.jsonl"}, "judges": [{"mine_x1:All": {}}]}
    written(tmp_path / "battle.yaml", judged)
    written(tmp_path / "page.yaml", {"models": [*models, {"model": ANSWER, "name": "c"}]})
    done = gristmill("--no-code", *command.split())
    assert done.code == 2
    assert "would run code that is not gristmill's" in done.line
    assert not ran.exists()
    assert not [*tmp_path.glob("x*")]


def test_without_the_flag_it_is_found_where_the_command_is_called(
    gristmill: Gristmill, tmp_path: Path, ran: Path
) -> None:
    config = run_of(tmp_path, generate={"model": ANSWER}, keep=[{"mine_x1:All": {}}])
    assert gristmill("run", config, "--quiet").code == 0
    assert ran.exists()
    assert str(tmp_path) not in sys.path


def test_the_same_in_python(tmp_path: Path, ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with package.no_code():
        with pytest.raises(ConfigError, match="would run code"):
            package.Config.load(run_of(tmp_path, keep=[{"mine_x1:All": {}}]))
        with pytest.raises(ConfigError, match="truth: 'mine_x1:answer' would run code"):
            find_truth("mine_x1:answer")
        package.Config.load(run_of(tmp_path))
    assert not ran.exists()
    assert find_truth("mine_x1:answer")
    monkeypatch.setenv(NO_CODE, "1")
    with no_code():
        pass
    assert os.environ[NO_CODE] == "1"


def test_what_a_users_module_raises_is_one_line(gristmill: Gristmill, tmp_path: Path) -> None:
    (tmp_path / "broken_x1.py").write_text("1 / 0")
    done = gristmill("run", run_of(tmp_path, keep=["broken_x1:All"]))
    assert done.code == 2
    assert "keep[0]: cannot load 'broken_x1:All': ZeroDivisionError: division by zero" in done.line
    (tmp_path / "broken_x1.py").write_text("import sys; sys.exit(3)")
    done = gristmill("run", run_of(tmp_path, keep=["broken_x1:All"]))
    assert done.code == 2 and "cannot load 'broken_x1:All': SystemExit: 3" in done.line


def test_a_folder_that_is_only_looked_at_runs_nothing(
    gristmill: Gristmill, tmp_path: Path, ran: Path
) -> None:
    folder = tmp_path / "theirs"
    assert gristmill("run", run_of(tmp_path), "--out", folder, "--quiet").code == 0
    said = yaml.safe_load((folder / "run.yaml").read_text())
    written(folder / "run.yaml", {**said, "judges": [{"mine_x1:All": {}}]})
    assert gristmill("report", folder).code == 0
    assert not ran.exists()


def test_a_file_beside_the_config_is_not_taken_for_a_module_of_pythons(
    gristmill: Gristmill, tmp_path: Path
) -> None:
    """Processes that gristmill starts, such as that of the judge `math`, look for modules where it
    does itself, and not in the working directory first."""
    pytest.importorskip("math_verify")
    (tmp_path / "resource.py").write_text("from pathlib import Path; Path('RAN').touch()")
    values = settings(write_prompts(tmp_path, 1, answer="4"), judges=["math"], keep=[])
    done = gristmill("run", written(tmp_path / "config.yaml", values), "--quiet")
    assert done.code == 0
    assert not (tmp_path / "RAN").exists()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A chat model in a folder, and a training that begins with it."""
    rows = [{"prompt": f"a{n}", "response": "b"} for n in range(4)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sft = {"model": "hf:./model", "data": {"file": "rows.jsonl"}, "steps": 1}
    written(tmp_path / "sft.yaml", sft)
    return shutil.copytree(tiny_path("instruct"), tmp_path / "model")


def test_code_in_a_models_folder_is_never_run_nor_asked_for(
    gristmill: Gristmill, tmp_path: Path, model: Path
) -> None:
    """transformers would ask, at a terminal."""
    config = json.loads((model / "config.json").read_text())
    config |= {"model_type": "x1", "auto_map": {"AutoConfig": "x.C", "AutoModelForCausalLM": "x.M"}}
    (model / "config.json").write_text(json.dumps(config))
    (model / "x.py").write_text("from pathlib import Path; Path('RAN').touch()")
    run = run_of(tmp_path, generate={"model": "hf:./model"})
    for command in (("run", run), ("train", "sft", tmp_path / "sft.yaml")):
        done = gristmill(*command)
        assert done.code == 2
        assert "its files bring Python code of their own, which gristmill never runs" in done.line
        assert "[y/N]" not in done.out
    assert not (tmp_path / "RAN").exists()


TEMPLATE = "{{ cycler.__init__.__globals__.os.mkdir('RAN') }}"


def test_code_in_a_chat_template_is_not_run(
    gristmill: Gristmill, tmp_path: Path, model: Path
) -> None:
    (model / "chat_template.jinja").write_text(TEMPLATE)
    done = gristmill("run", run_of(tmp_path, generate={"model": "hf:./model"}), "--quiet")
    assert done.code == 1
    assert "error:bad_request" in done.err
    assert not (tmp_path / "RAN").exists()


def test_code_in_a_recipes_template_is_not_run(gristmill: Gristmill, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "topics.md").write_text(TEMPLATE)
    asked = ("--model", "scripted:echo", "--count", "2", "--set", "templates=mine")
    done = gristmill("prompts", "open_qa", *asked, "--out", "x.jsonl")
    assert done.code == 2
    assert "topics.md: cannot be filled in: access to attribute '__init__'" in done.line
    assert not (tmp_path / "RAN").exists()


def test_weights_that_are_a_pickle_are_not_trained(
    gristmill: Gristmill, tmp_path: Path, model: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    done = gristmill("train", "sft", tmp_path / "sft.yaml")
    assert done.code == 2
    assert "no file named model.safetensors" in done.line
