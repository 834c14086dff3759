"""What a flywheel's config may say, and what it says when it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import ConfigError
from gristmill.flywheel import load, loaded
from gristmill.flywheel.arms import Loaded
from gristmill.mill import Config

SFT = {"sft": {"steps": 1}}
DPO = {"dpo": {"steps": 1}}


def config(tmp_path: Path, wheel: dict[str, Any] | None, **mill: Any) -> Loaded:
    values = {
        "prompts": {"file": "tutor:8"},
        "generate": {"model": "tiny:instruct"},
        "judges": [{"reward": {"model": "tiny:reward"}}],
        **mill,
    }
    if wheel is not None:
        standard = {
            "train": [SFT],
            "evaluate": {"prompts": {"file": "tutor:4:held-out"}, "truth": "tutor"},
        }
        values["flywheel"] = {**standard, **wheel}
    return loaded(Config.of(values, tmp_path), tmp_path)


def test_a_plain_one(tmp_path: Path) -> None:
    found = config(tmp_path, {"ablations": ["none", {"both": {"train": [SFT, DPO]}}]})
    assert [arm.name for arm in found.arms] == ["reward", "none", "both"]
    assert [s.kind for s in found.arms[2].stages] == ["sft", "dpo"]
    assert found.flywheel.prompts[0].file == "tutor:8"
    assert found.student == "tiny:instruct"


def test_an_arm_without_pairs_goes_without_the_preference_stages(tmp_path: Path) -> None:
    found = config(tmp_path, {"train": [SFT, DPO], "ablations": ["none"]})
    assert [s.kind for s in found.arms[1].stages] == ["sft"]
    assert found.arms[1].skipped == ("2-dpo",)


@pytest.mark.parametrize(
    ("wheel", "mill", "said"),
    [
        (None, {}, "flywheel: missing"),
        ({"round": 3}, {}, "flywheel.round: unknown key; did you mean 'rounds'"),
        ({"evaluate": {"promts": []}}, {}, "flywheel.evaluate.promts: unknown key"),
        (
            {"evaluate": {"prompts": {"file": "x.jsonl"}, "truth": "tutr"}},
            {},
            "flywheel.evaluate.truth: unknown truth 'tutr'",
        ),
        ({"filter": "best"}, {}, "flywheel.filter"),
        ({"ablations": ["orakel"]}, {}, r"ablations\[0\]: unknown filter 'orakel'"),
        ({"ablations": ["none", "none"]}, {}, "'none' is there twice"),
        ({"ablations": [{"a/b": {"filter": "none"}}]}, {}, "names a folder"),
        ({"ablations": [{"x": {"fliter": "none"}}]}, {}, "x.fliter: unknown key"),
        ({"train": []}, {}, "flywheel.train"),
        ({"train": [{"sft": {"model": "x"}}]}, {}, "starts from the last; leave it out"),
        ({"train": [{"sft": {"data": {"file": "x"}}}]}, {}, "the round's own rows; leave it out"),
        ({"train": [{"reward": {}}]}, {}, "sft, dpo and rpo stages, not reward"),
        ({"train": [{"sft": {"epoch": 2}}]}, {}, "epoch: unknown key; did you mean 'epochs'"),
        ({"train": [DPO], "filter": "none"}, {}, "none makes no preference pairs"),
        ({}, {"judges": []}, "filter: reward needs judges"),
        (
            {"filter": "oracle", "evaluate": {"prompts": {"file": "tutor:4:held-out"}}},
            {},
            "oracle needs flywheel.evaluate.truth",
        ),
        ({"reward": {}}, {}, "nothing to learn from"),
    ],
)
def test_errors(
    tmp_path: Path, wheel: dict[str, Any] | None, mill: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        config(tmp_path, wheel, **mill)


def test_paths_start_from_the_configs_folder(tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "run.yaml").write_text(
        "prompts: {file: p.jsonl}\n"
        "generate: {model: 'tiny:instruct'}\n"
        "judges: [{reward: {model: 'tiny:reward'}}]\n"
        "flywheel:\n"
        "  train: [{sft: {}}]\n"
        "  prompts: {file: q.jsonl}\n"
        "  human: {file: people.jsonl}\n"
        "  evaluate: {prompts: {file: e.jsonl}, truth: answer}\n"
    )
    found = load(folder / "run.yaml", seed=7)
    assert found.mill.seed == 7
    wheel = found.flywheel
    files = [wheel.prompts[0].file, wheel.human[0].file, wheel.evaluate.prompts[0].file]
    assert files == [str(folder / name) for name in ("q.jsonl", "people.jsonl", "e.jsonl")]


def test_another_arm_is_no_other_flywheel_but_another_seed_is(tmp_path: Path) -> None:
    one = config(tmp_path, {}).identity()
    more = config(tmp_path, {"ablations": ["none"]}).identity()
    assert {k: v for k, v in one.items() if k != "arms"} == {
        k: v for k, v in more.items() if k != "arms"
    }
    assert one["arms"]["reward"] == more["arms"]["reward"]
    assert one != config(tmp_path, {}, seed=1).identity()
