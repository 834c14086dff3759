"""Stages: each starts from the last, and a preference stage measures from where it started."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from gristmill.errors import CheckpointError, ConfigError
from gristmill.train import Trained
from gristmill.train.stages import Stage, load_stages, run_stages
from local_models import chat_model
from trainings import (
    chat_rows,
    log_of,
    losses_of,
    pair_rows,
    values_of,
    weights_of,
    write_config,
    write_rows,
)


def stage(data: str, **changes: Any) -> dict[str, Any]:
    values = values_of("", Path(data), steps=3, **changes)
    del values["model"]
    return values


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Fine-tuning, DPO and two rounds of RPO, paths relative to the config's folder."""
    chat_model(tmp_path / "base", max_position_embeddings=256)
    write_rows(tmp_path / "chats.jsonl", chat_rows(16))
    write_rows(tmp_path / "pairs.jsonl", pair_rows(16))
    values = {
        "model": "hf:./base",
        "stages": [
            {"sft": stage("chats.jsonl", name="general")},
            {"dpo": stage("pairs.jsonl", sft_weight=0)},
            {"rpo": stage("pairs.jsonl", sft_weight=0)},
            {"rpo": stage("pairs.jsonl", sft_weight=0)},
        ],
    }
    return write_config(tmp_path / "stages.yaml", values)


def do(config: Path, out: Path) -> list[Trained]:
    loaded, stages = load_stages(config)
    return list(run_stages(stages, loaded.model, out))


def test_each_stage_starts_where_the_last_one_ended(config: Path, tmp_path: Path) -> None:
    done = do(config, tmp_path / "out")
    names = [trained.folder.name for trained in done]
    assert names == ["1-general", "2-dpo", "3-rpo", "4-rpo"]
    assert done[0].metrics["model"] == f"hf:{tmp_path / 'base'}"
    for before, after in pairwise(done):
        assert after.metrics["model"] == f"hf:{before.model.resolve()}"
        # At the first step the policy is the reference: DPO's loss is log 2, and b is 0.
        first = log_of(after.folder)[0]
        assert first["margin"] == pytest.approx(0, abs=1e-4)
        if after.metrics["kind"] == "dpo":
            assert first["loss"] == pytest.approx(math.log(2), abs=1e-5)
        reference = load_file(after.folder / "reference.safetensors")["log_probabilities"]
        assert torch.isfinite(reference).all()
    references = [
        load_file(t.folder / "reference.safetensors")["log_probabilities"] for t in done[1:]
    ]
    assert not torch.equal(references[0], references[1])
    assert not torch.equal(references[1], references[2])


def test_again_nothing_is_done_and_a_removed_stage_is_done_alike(
    config: Path, tmp_path: Path
) -> None:
    import shutil

    out = tmp_path / "out"
    first = do(config, out)
    weights = weights_of(out / "4-rpo")
    shutil.rmtree(out / "2-dpo")
    seen: list[str] = []

    class Watch:
        def __init__(self, stage: Stage) -> None:
            self.stage = stage

        def __enter__(self) -> Any:
            return lambda line: seen.append(self.stage.name)

        def __exit__(self, *_: object) -> None:
            pass

    loaded, stages = load_stages(config)
    again = list(run_stages(stages, loaded.model, out, Watch))
    # Only what was gone is done; its weights are the same, so what follows stands.
    assert set(seen) == {"2-dpo"}
    assert [t.metrics["loss"] for t in again] == [t.metrics["loss"] for t in first]
    assert all(torch.equal(weights[n], w) for n, w in weights_of(out / "4-rpo").items())


def test_what_follows_another_model_is_not_taken_for_done(config: Path, tmp_path: Path) -> None:
    import shutil

    out = tmp_path / "out"
    do(config, out)
    shutil.rmtree(out / "1-general")
    config.write_text(config.read_text().replace("seed: 0", "seed: 1"))
    write_rows(tmp_path / "chats.jsonl", chat_rows(16, seed=5))
    with pytest.raises(CheckpointError, match=r"2-dpo: this folder belongs to another run"):
        do(config, out)


def test_paths_start_from_the_configs_folder_wherever_it_is_named_from(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "a" / "b"
    elsewhere.mkdir(parents=True)
    for here, name in ((elsewhere, "../../stages.yaml"), (tmp_path, "stages.yaml")):
        monkeypatch.chdir(here)
        loaded, stages = load_stages(Path(name))
        first = stages[0].config(loaded.model)
        place = Path(first.model.removeprefix("hf:"))
        assert place.resolve() == tmp_path / "base"
        assert Path(first.data[0].file).resolve() == tmp_path / "chats.jsonl"


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([], "stages"),
        ([{"sft": {"data": {"file": "x.jsonl"}, "model": "tiny:base"}}], r"stages\[0\].sft.model"),
        ([{"sft": {"data": {"file": "x"}}, "dpo": {}}], r"stages\[0\]: write one stage as"),
        ([{"sft": {"data": {"file": "x.jsonl"}}}, {"dpo": {"data": {"file": "x"}, "bta": 1}}],
         r"stages\[1\].dpo: .*bta.*beta"),
        ([{"tune": {"data": {"file": "x.jsonl"}}}], "unknown kind of training 'tune'"),
        ([{"sft": ["x.jsonl"]}], r"stages\[0\].sft: expected a config, found list"),
        ([{"sft": None}], r"stages\[0\].sft: .*data"),
    ],
)  # fmt: skip
def test_a_wrong_stage_is_named(stages: Any, said: str, tmp_path: Path) -> None:
    config = write_config(tmp_path / "s.yaml", {"model": "tiny:base", "stages": stages})
    with pytest.raises(ConfigError, match=said) as caught:
        load_stages(config)
    assert str(caught.value).startswith(f"{config}: ")


def test_the_first_stage_may_make_a_new_model(tmp_path: Path) -> None:
    write_rows(tmp_path / "chats.jsonl", chat_rows(16))
    new = {"preset": "tiny", "tokenizer": "tiny:base", "data": [{"file": "tutor:24:text"}]}
    stages: list[dict[str, Any]] = [
        {"pretrain": {**new, "steps": 2, "batch": {"examples": 8}}},
        {"sft": stage("chats.jsonl")},
    ]
    path = write_config(tmp_path / "new.yaml", {"stages": stages})
    base, tuned = do(path, tmp_path / "out")
    assert weights_of(base.folder).keys() == weights_of(tuned.folder).keys()
    path = write_config(tmp_path / "none.yaml", {"stages": stages[1:]})
    with pytest.raises(ConfigError, match="model: say where the first stage starts"):
        load_stages(path)


def test_a_stage_that_fails_keeps_those_before_it(config: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "pairs.jsonl", [{"prompt": "a", "chosen": "b"}])
    with pytest.raises(Exception, match=r"pairs\.jsonl"):
        do(config, tmp_path / "out")
    metrics = json.loads((tmp_path / "out" / "1-general" / "metrics.json").read_text())
    assert metrics["status"] == "complete"
    write_rows(tmp_path / "pairs.jsonl", pair_rows(16))
    assert len(do(config, tmp_path / "out")) == 4
    assert len(losses_of(tmp_path / "out" / "1-general")) == 3
