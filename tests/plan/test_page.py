"""docs/plan.md: every figure on it is the command's."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from gristmill import cli
from gristmill.plan import find_shape, gpus
from gristmill.plan.families import FAMILIES
from gristmill.plan.known import known
from shown import blocks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/plan.md").read_text(encoding="utf-8")
COMMANDS = [
    (text.strip(), after)
    for (kind, text), (_, after) in zip(blocks(PAGE), blocks(PAGE)[1:], strict=False)
    if kind == "sh"
]


@pytest.fixture
def gristmill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """Calls the command where shop.yaml lies; gives its exit code, and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NVIDIA_API_KEY", raising=False)
    for kind, text in blocks(PAGE):
        if kind == "yaml":
            Path("shop.yaml").write_text(text, encoding="utf-8")

    def call(line: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        code = 0
        try:
            cli.main()
        except SystemExit as done:
            code = int(done.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.mark.parametrize(("command", "shown"), COMMANDS)
def test_commands_print_what_the_page_shows(command: str, shown: str, gristmill: Any) -> None:
    _, out, err = gristmill(command)
    printed = [line.rstrip() for line in (out + err).splitlines()]
    assert printed == shown.splitlines()


def test_json_goes_to_stdout_alone(gristmill: Any) -> None:
    code, out, err = gristmill("gristmill plan nemotron-4-340b --gpu h200 --json")
    assert (code, err) == (0, "")
    assert json.loads(out)["sequences"] == 138
    code, out, err = gristmill("gristmill plan shop.yaml --json")
    assert (code, err) == (0, "")
    assert json.loads(out)["calls"] > 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("gristmill plan nemotron-4-350b", "did you mean nemotron-4-340b"),
        ("gristmill plan nowhere.yaml", "nowhere.yaml: no such file"),
        ("gristmill plan shop.yaml --as generate", "--as generate: give ROLE=MODEL"),
        ("gristmill plan llama-3-8b --gpus 0", "--gpus"),
        ("gristmill plan llama-3-8b --rows 5", "--rows: has no effect here"),
        ("gristmill plan llama-3-8b --as a=b", "--as: has no effect here"),
        ("gristmill plan shop.yaml --gpus 5", "--gpus: has no effect here"),
        ("gristmill plan shop.yaml --memory-share 0.8", "--memory-share: has no effect"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(line: str, said: str, gristmill: Any) -> None:
    code, out, err = gristmill(line)
    assert (code, out) == (2, "")
    assert said in err


def test_a_trial_shows_how_far_it_is_and_then_the_plan(gristmill: Any) -> None:
    Path("echo.yaml").write_text(
        "name: echo\nprompts: {file: 'tutor:30'}\ngenerate: {model: 'scripted:echo'}\n"
    )
    code, out, _ = gristmill("gristmill plan echo.yaml")
    assert code == 0
    assert "measured on 30 prompts, tried now" in out


def test_every_preset_type_and_gpu_is_on_the_page() -> None:
    for name in (*known(), *FAMILIES):
        assert f"`{name}`" in PAGE, name
    for gpu in gpus().values():
        (row,) = re.findall(rf"^\| `{re.escape(gpu.key)}` \| (.*)\|$", PAGE, re.M)
        assert f"{gpu.memory:g} GB" in row and f"{gpu.bandwidth:,.0f} GB/s" in row
        assert f"{gpu.bf16:,g}" in row


def test_stated_totals_are_the_presets_own() -> None:
    for one in known().values():
        if one.published:
            counted = find_shape(one.name).parameters
            row = f"| `{one.name}` | {one.published:g} B | {counted:,} | {one.source} |"
            assert row in PAGE
