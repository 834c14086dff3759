"""Prompts as they are sent, and a few of them run to the end, before the others are paid for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

import scripts
from gristmill.backends import open_chat
from gristmill.cli import main
from gristmill.mill import Config, forecast, run
from gristmill.records import Message, Prompt, ToolCall
from mills import tables

SAYS = "\x1b[31mred\x1b[0m [bold]:smile: \u202eback"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    scripts.forget()
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"{SAYS} {n}?"} for n in range(5)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = {
        "prompts": {"file": "p.jsonl"},
        "generate": {"model": "scripted:scripts:answer", "responses": 2, "system": "Be kind."},
        "judges": [{"reward": {"model": "scripted:echo"}}],
        "keep": [{"threshold": {"correctness": 2}}],
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "run.yaml"


def said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object
) -> str:
    monkeypatch.setattr(sys, "argv", ["gristmill", "run", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code, capsys.readouterr().err
    return capsys.readouterr().out


def test_a_dry_run_shows_three_prompts_and_nothing_in_them_acts(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(monkeypatch, capsys, config, "--dry-run")
    assert not scripts.asked
    assert "\x1b" not in text and "\u202e" not in text
    assert text.count("[system]\n  Be kind.") == 3
    assert "[user]\n  ⟦U+001B⟧[31mred⟦U+001B⟧[0m [bold]:smile: ⟦U+202E⟧back 2?" in text
    assert "back 3?" not in text


def test_of_several_models_each_is_named(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values = yaml.safe_load(config.read_text())
    other = {**values["generate"], "model": "scripted:scripts:other", "system": "Be brief."}
    config.write_text(yaml.safe_dump({**values, "generate": [values["generate"], other]}))
    text = said(monkeypatch, capsys, config, "--dry-run")
    for model, system in (("answer", "Be kind."), ("other", "Be brief.")):
        assert f"prompt 3, as scripted:scripts:{model} gets it:\n  [system]\n  {system}" in text
    text = said(monkeypatch, capsys, config, "--preview", 2, "--out", "out")
    for model in ("answer", "other"):
        assert text.count(f"by scripted:scripts:{model}: ") == 4


def test_a_preview_shows_what_came_and_is_not_paid_for_again(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(monkeypatch, capsys, config, "--preview", 3)
    assert "\x1b" not in text and "\u202e" not in text
    assert sum(scripts.asked.values()) == 6
    rows = tables(Path("out/run"))
    for row in rows["scored"]:
        fate = "kept" if row["kept"] else "dropped: threshold:correctness"
        assert f"{row['response_id']}: {fate}" in text
        assert f"reward {row['reward']:.2f}, helpfulness {row['helpfulness']:.2f}" in text
    # More is added, and nothing is asked again; the same is shown once more for nothing.
    said(monkeypatch, capsys, config)
    assert sum(scripts.asked.values()) == 10
    assert max(scripts.asked.values()) == 1
    again = said(monkeypatch, capsys, config, "--preview", 3)
    assert (
        again.partition("\nprompt 1")[2].rpartition("\n'run'")[0]
        == (text.partition("\nprompt 1")[2].rpartition("\n'run'")[0])
    )
    assert len(tables(Path("out/run"))["scored"]) == 10


def test_a_preview_without_judges(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {**yaml.safe_load(config.read_text()), "judges": [], "keep": []}
    config.write_text(yaml.safe_dump(values))
    with Path("p.jsonl").open("r+") as file:
        file.write("not a row")
    text = said(monkeypatch, capsys, config, "--preview", 2)
    assert text.count(": kept") == 2
    assert "no prompt: dropped: input:bad_json (p.jsonl:1: " in text


def test_a_model_here_gets_its_chat_template() -> None:
    pytest.importorskip("transformers")
    prompt = Prompt("p", (Message("user", "What is 2 + 2?"),))
    text = open_chat("tiny:instruct").asked(prompt)
    assert text.startswith("<extra_id_0>") and text.endswith("<extra_id_1>Assistant\n")


def test_tools_and_calls_are_shown() -> None:
    calls = (ToolCall("add", '{"a": 1}'),)
    turns = (Message("user", "Add"), Message("assistant", "", "", calls), Message("user", "And?"))
    text = open_chat("http://127.0.0.1:9/v1#m").asked(Prompt("p", turns, tools='[{"name": "add"}]'))
    assert '[calls add] {"a": 1}' in text
    assert text.endswith('[tools]\n[{"name": "add"}]')


def test_python_gets_them_too(config: Path) -> None:
    found = forecast(Config.load(config))
    assert len(found.first) == 3
    run(Config.load(config), "out", limit=1)
    assert len(tables(Path("out"))["scored"]) == 2
