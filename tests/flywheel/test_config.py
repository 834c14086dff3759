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


def config(tmp_path: Path, wheel: Any, **mill: Any) -> Loaded:
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
        values["flywheel"] = {**standard, **wheel} if isinstance(wheel, dict) else wheel
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
        (["sft"], {}, r"flywheel: write its keys below it, indented \(got \['sft'\]\)"),
        ({"train": {"sft": {}}}, {}, r"flywheel\.train: write a list of stages, each 'kind: "),
        ({"train": ["sft"]}, {}, r"flywheel\.train: write a list of stages"),
        ({"train": [{"sft": 3}]}, {}, r"flywheel\.train: write a list of stages"),
        ({"train": [{**SFT, **DPO}]}, {}, r"flywheel\.train\[0\]: write one stage"),
        ({"train": [{"ppo": {}}]}, {}, r"train\[0\]\.ppo: unknown kind of training 'ppo'"),
        ({"ablations": "none"}, {}, r"flywheel\.ablations: write a list of arms"),
        ({"ablations": [3]}, {}, r"ablations\[0\]: write one arm as a filter's name"),
        ({"ablations": [{"x": None}]}, {}, r"ablations\[0\]\.x: write what it changes"),
        ({"ablations": [{"x": {"filter": "orakel"}}]}, {}, r"x\.filter: unknown 'orakel'"),
        ({"ablations": [{"x": {"train": {"sft": {}}}}]}, {}, r"x\.train: write a list of stages"),
        ({"ablations": [{"x": {"train": [DPO], "filter": "none"}}]}, {}, "none makes no pref"),
        (
            {"ablations": [{"x": {"train": [{"sft": {"epoch": 2}}]}}]},
            {},
            r"flywheel\.ablations\[0\]\.x\.train\[0\]\.sft: epoch: unknown key",
        ),
        (
            {"ablations": [{"x": {"judges": [{"rewrd": {}}]}}]},
            {},
            r"flywheel\.ablations\[0\]\.x\.judges\[0\]: unknown part 'rewrd'; did you mean",
        ),
        ({"ablations": [{"x": {"judges": []}}]}, {}, r"\.x\.filter: reward needs judges"),
        ({"ablations": [{"": {}}]}, {}, r"ablations\[0\]: '' names a folder"),
        ({"ablations": [{"..": {}}]}, {}, r"ablations\[0\]: '\.\.' names a folder"),
        ({"reward": {"labels": "tutor", "epoch": 2}}, {}, r"flywheel\.reward\.epoch: unknown key"),
        ({"reward": {"labels": "tutor", "model": "x"}}, {}, r"reward\.model: it goes on from"),
        ({"filter": "none", "reward": {"labels": "tutor"}}, {"judges": []}, "needs a reward model"),
        ({"evaluate": {"prompts": {"file": "x"}, "response": 3}}, {}, "did you mean 'responses'"),
        ({"evaluate": {"prompts": {"fil": "x"}}}, {}, r"evaluate\.prompts\.fil: unknown key"),
        ({"evaluate": {"prompts": []}}, {}, r"flywheel\.evaluate\.prompts"),
        (
            {"filter": "none", "evaluate": {"prompts": {"file": "x"}}},
            {"judges": []},
            r"flywheel\.evaluate\.truth: missing, and no judges either",
        ),
        ({"human": {"fil": "x"}}, {}, r"flywheel\.human\.fil: unknown key"),
        ({"rounds": 0}, {}, r"flywheel\.rounds"),
        ({}, {"seed": (1 << 31) - 2}, "seed: 2147483646 is too large"),
        ({}, {"generate": [{"model": f"tiny:{m}"} for m in ("base", "instruct")]}, "name one, and"),
    ],
)
def test_errors(tmp_path: Path, wheel: Any, mill: dict[str, Any], said: str) -> None:
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


def test_an_error_names_the_file_and_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(
        "prompts: {file: p.jsonl}\ngenerate: {model: x}\nflywheel: {round: 3, train: []}\n"
    )
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "run.yaml")
    assert str(error.value).startswith(f"{tmp_path / 'run.yaml'}: flywheel.")
    assert "\n" not in str(error.value)


def test_one_file_or_many(tmp_path: Path) -> None:
    many = config(tmp_path, {"prompts": [{"file": "a.jsonl"}, {"file": "tutor:3"}]})
    assert [p.file for p in many.flywheel.prompts] == [str(tmp_path / "a.jsonl"), "tutor:3"]
    one = config(tmp_path, {"human": {"file": "a.jsonl"}, "evaluate": {
        "prompts": [{"file": "b.jsonl"}], "truth": "answer"}})  # fmt: skip
    assert one.flywheel.human[0].file == str(tmp_path / "a.jsonl")
    assert one.flywheel.evaluate.prompts[0].file == str(tmp_path / "b.jsonl")


def test_a_rewards_keys_stand_beside_or_in_train(tmp_path: Path) -> None:
    beside = config(tmp_path, {"reward": {"labels": "tutor", "epochs": 2}}).flywheel.reward
    inside = config(tmp_path, {"reward": {"labels": "tutor", "train": {"epochs": 2}}})
    assert beside is not None and beside == inside.flywheel.reward
    assert beside.train == {"epochs": 2}


def test_models_are_whole_paths_and_start_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    found = config(tmp_path / "folder", {"student": "hf:./weak"}, generate={"model": "hf:folder"})
    assert found.student == f"hf:{tmp_path / 'weak'}"
    assert found.mill.generate[0].model == f"hf:{tmp_path / 'folder'}"
    arm = config(tmp_path, {"ablations": ["none"]}, generate={"model": "hf:./strong"}).arms[1]
    assert arm.mill.generate[0].model == f"hf:{tmp_path / 'strong'}"
    assert config(tmp_path, {"student": "hf:org/name"}).student == "hf:org/name"


def test_files_of_an_arms_stages_start_from_the_configs_folder(tmp_path: Path) -> None:
    own = [{"sft": {"validation": [{"file": "held.jsonl"}], "template": "chat.jinja"}}]
    arm = config(tmp_path, {"ablations": [{"own": {"train": own}}]}).arms[1]
    stage = arm.stages[0].config("tiny:instruct")
    assert isinstance(stage.validation, list)
    assert stage.validation[0].file == str(tmp_path / "held.jsonl")
    assert stage.template == str(tmp_path / "chat.jinja")


def test_the_mill_alone_passes_the_flywheel_over(tmp_path: Path) -> None:
    import scripts
    from gristmill import mill
    from mills import settings, write_prompts

    values = settings(write_prompts(tmp_path, 2), generate={"model": "scripted:scripts:answer"})
    scripts.forget()
    found = Config.of({**values, "flywheel": {"whatever": [1]}})
    assert mill.run(found, tmp_path / "out").status == "complete"
    assert "whatever" not in str(found.identity())
