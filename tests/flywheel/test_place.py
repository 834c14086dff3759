"""The flywheel's folder, and the responses that arms share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import scripts
from gristmill import mill
from gristmill.errors import CheckpointError
from gristmill.flywheel import loaded
from gristmill.flywheel.arms import Loaded
from gristmill.flywheel.deal import deal_all
from gristmill.flywheel.place import claim, place_of, read_figures, write_figures
from gristmill.flywheel.rounds import Models, _filled, _mill_config
from gristmill.flywheel.run import run
from gristmill.flywheel.show import Show
from gristmill.mill import Config
from mills import settings, tables, write_prompts


def wheel(home: Path, **changes: Any) -> Loaded:
    file = write_prompts(home, 9)
    values = settings(
        file, generate={"model": "scripted:scripts:answer"}, **changes.pop("mill", {})
    )
    values["flywheel"] = {
        "rounds": 1,
        "train": [{"sft": {"steps": 1}}],
        "evaluate": {"prompts": {"file": str(write_prompts(home, 2, "measured.jsonl"))}},
        **changes,
    }
    return loaded(Config.of(values, home), home)


def test_an_arm_with_another_keep_decides_anew_without_one_call(tmp_path: Path) -> None:
    found = wheel(
        tmp_path, ablations=["none", {"strict": {"keep": [{"threshold": {"reward": 3}}]}}]
    )
    main, none, strict = found.arms
    show = Show(None)
    scripts.forget()
    first = place_of(found, main, 1, tmp_path, show)
    file = write_prompts(tmp_path / "prompts", 9, "round-1.jsonl")
    models = Models("scripted:scripts:answer", "x", None)
    mill.run(_mill_config(main.mill, models, file, 1), first.mill)
    asked = dict(scripts.asked)
    assert place_of(found, none, 1, tmp_path, show).mill == first.mill
    other = place_of(found, strict, 1, tmp_path, show)
    assert other.mill == tmp_path / "arms/strict/round-1/mill"
    mill.run(_mill_config(strict.mill, models, file, 1), other.mill)
    assert dict(scripts.asked) == asked
    mine, theirs = tables(other.mill)["scored"], tables(first.mill)["scored"]
    assert [r["response"] for r in mine] == [r["response"] for r in theirs]
    assert [r["kept"] for r in mine] != [r["kept"] for r in theirs]
    # Later rounds have responses of their own.
    assert place_of(found, none, 2, tmp_path, show).mill != first.mill


def test_arms_with_other_judges_run_for_themselves(tmp_path: Path) -> None:
    judge = {"reward": {"model": "scripted:scripts:grade"}}
    found = wheel(tmp_path, ablations=[{"other": {"judges": [judge]}}])
    place = place_of(found, found.arms[1], 1, tmp_path, Show(None))
    assert place.mill == tmp_path / "arms/other/round-1/mill" and not place.mill.exists()


def test_a_stages_files_start_from_the_configs_folder(tmp_path: Path) -> None:
    found = wheel(tmp_path, train=[{"sft": {"validation": [{"file": "held.jsonl"}]}}])
    arm = found.main
    place = place_of(found, arm, 1, tmp_path / "out", Show(None))
    stage = _filled(arm.stages[0], found, arm, 1, place)
    config = stage.config("tiny:instruct")
    assert isinstance(config.validation, list)
    assert config.validation[0].file == str(tmp_path / "held.jsonl")
    assert config.data[0].file == str(tmp_path / "out/arms/reward/round-1/rows/sft.jsonl")
    assert config.seed == 1 and config.name == "run-reward-round-1-1-sft"


def test_peoples_rows_keep_their_weight(tmp_path: Path) -> None:
    people = tmp_path / "people.jsonl"
    people.write_text(
        '{"prompt": "Question 0?", "response": "no"}\n{"prompt": "b", "response": "c"}\n'
    )
    found = wheel(tmp_path, human={"file": "people.jsonl", "weight": 3.0})
    dealt = deal_all(found)
    # What is measured on is left out of people's rows too.
    assert dealt.leaked_human == 1 and len(dealt.human[0]) == 1
    place = place_of(found, found.main, 1, tmp_path / "out", Show(None))
    stage = _filled(found.main.stages[0], found, found.main, 1, place)
    assert [s.weight for s in stage.config("tiny:instruct").data] == [1.0, 3.0]


def test_a_retrained_judge_takes_the_place_of_the_reward_model_alone(tmp_path: Path) -> None:
    judges = [{"reward": {"model": "scripted:echo", "weights": {"correctness": 1.0}}}]
    found = wheel(tmp_path, mill={"judges": judges})
    config = _mill_config(found.mill, Models("g", "s", "hf:/new"), Path("p.jsonl"), 1)
    assert config.judges == [{"reward": {"model": "hf:/new", "weights": {"correctness": 1.0}}}]


def test_a_folder_of_somebody_elses_is_refused(tmp_path: Path) -> None:
    found = wheel(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(CheckpointError, match=r"thesis.txt is there already and not from a"):
        run(found, out)
    assert [p.name for p in out.iterdir()] == ["thesis.txt"]


def test_an_error_names_the_first_differences_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    found = wheel(tmp_path)
    claim(found, deal_all(found), out)
    claim(found, deal_all(found), out)
    generate = {"temperature": 0.1, "top_p": 0.5, "max_tokens": 9, "responses": 3, "system": "x"}
    values = settings(tmp_path / "prompts.jsonl", seed=9, generate=generate)
    other = loaded(Config.of({**values, "flywheel": found.mill.flywheel}, tmp_path), tmp_path)
    claim(other, deal_all(other), out)  # nothing was made yet: it is nobody's
    claim(found, deal_all(found), out)
    (out / "round-0").mkdir()
    write_figures(out / "round-0", {"round": 0})
    with pytest.raises(CheckpointError, match=r"seed: 0 there, 9 now.*; and \d+ more"):
        claim(other, deal_all(other), out)


def test_damaged_figures_are_named(tmp_path: Path) -> None:
    assert read_figures(tmp_path) is None
    write_figures(tmp_path, {"round": 1})
    assert read_figures(tmp_path) == {"round": 1}
    (tmp_path / "figures.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"figures\.json: damaged; delete it"):
        read_figures(tmp_path)
