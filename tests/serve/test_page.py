"""docs/serve.md: its commands run, and nothing is missing from it."""

from __future__ import annotations

import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from commands import Gristmill
from gristmill.cli.serving import serve
from gristmill.mill import Config
from gristmill.serve.asked import CHOICES
from serving import Serving

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/serve.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
HERE = "http://127.0.0.1:8000"


def commands(name: str) -> list[str]:
    """The commands of all blocks that begin with a word, each with what follows it."""
    found = [text for kind, text in BLOCKS if kind == "sh"]
    return [c.strip() for text in found for c in re.split(r"\n(?=\S)", text) if c.startswith(name)]


@pytest.mark.parametrize("command", commands("curl"), ids=lambda c: c[27:60])
def test_every_request_on_it_is_answered(there: Serving, command: str) -> None:
    line = command.replace(HERE, there.url)
    done = subprocess.run(["bash", "-c", f"{line} -sf"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"model":"tiny:' in done.stdout


def test_its_program_runs(there: Serving) -> None:
    (code,) = [text for kind, text in BLOCKS if kind == "python"]
    code = code.replace(HERE, there.url)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "The answer is" in done.stdout


def test_its_lines_for_engines_are_written(gristmill: Gristmill) -> None:
    engines = [c for c in commands("gristmill serve") if "vllm" in c]
    assert len(engines) == 4
    for command in engines:
        result = gristmill(*shlex.split(command)[1:])
        assert (result.code, result.err) == (0, "")
        assert "tiny" in result.out


def test_its_config_is_valid_and_names_what_the_command_prints() -> None:
    (text,) = [text for kind, text in BLOCKS if kind == "yaml"]
    config = Config.of(yaml.safe_load(text))
    printed = next(text for kind, text in BLOCKS if kind == "").split()
    (generate,) = config.generate
    assert [generate.model, text.split("reward: {model: ")[1].split('"')[1]] == printed[1::2]


def test_every_option_is_on_it() -> None:
    for name in inspect.signature(serve).parameters:
        if name not in ("models", "engine"):
            assert f"`--{name.strip('_').replace('_', '-')}" in PAGE, name


def test_every_code_and_figure_is_on_it() -> None:
    room = ROOT / "src/gristmill/serve"
    code = "\n".join(path.read_text() for path in room.glob("*.py"))
    codes = set(
        re.findall(r'"([a-z]+(?:_[a-z]+)*)"(?:, (?:param|after)=|\)|,\n +(?:param|after)=)', code)
    )
    known = {"queue_full", "model_not_found", "wrong_kind_of_model", "too_large", "stopping"}
    assert known <= codes
    for name in known | {c for c in codes if c.split("_")[0] in ("invalid", "unsupported", "no")}:
        assert f"`{name}`" in PAGE, name
    for figure in re.findall(r'"(gristmill_\w+)"', code):
        assert figure in PAGE, figure
    assert f"`n` (to {CHOICES})" in PAGE
