"""A run's folder: resumed to the same result however it ended, refused where it is another's."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from gristmill.errors import CheckpointError, ConfigError, DataError, RunError
from gristmill.train import Trained, config_of, run
from gristmill.train.loop import Trainer
from local_models import chat_model, reward_model
from processes import start, wait_until
from trainings import (
    chat_rows,
    log_of,
    losses_of,
    metrics_of,
    pair_rows,
    rated_rows,
    values_of,
    weights_of,
    write_config,
    write_rows,
)

LORA = {"rank": 2, "alpha": 4, "dropout": 0.2}


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> str:
    return (
        f"hf:{chat_model(tmp_path_factory.mktemp('model') / 'chat', max_position_embeddings=256)}"
    )


def same(one: Path, other: Path) -> None:
    """The same log, weights and figures, bit for bit."""
    assert log_of(one) == log_of(other)
    there, here = weights_of(one), weights_of(other)
    assert there.keys() == here.keys()
    assert all(torch.equal(there[name], here[name]) for name in there)
    assert without_clock(metrics_of(one)) == without_clock(metrics_of(other))


def without_clock(metrics: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in metrics.items() if k not in ("seconds", "name")}


class Stop(Exception):
    """What ends a run in the middle."""


def stop_at(step: int, validation: bool = False) -> Callable[[dict[str, Any]], None]:
    def watch(line: dict[str, Any]) -> None:
        if line["step"] == step and ("validation" in line) == validation:
            raise Stop

    return watch


def interrupted(config: Any, folder: Path, *watches: Callable[[dict[str, Any]], None]) -> Trained:
    for watch in watches:
        with pytest.raises(Stop):
            run(config, folder, watch=watch)
        assert not (folder / "metrics.json").exists()
    return run(config, folder)


@pytest.mark.parametrize(
    ("kind", "optimizer"),
    [("sft", "adamw"), ("dpo", "adamw"), ("reward", "adamw"), ("sft", "muon")],
)
def test_a_run_goes_on_from_its_checkpoint(
    kind: str, optimizer: str, chat: str, tmp_path: Path
) -> None:
    rows = {"sft": chat_rows(20), "dpo": pair_rows(20), "reward": rated_rows(24)}[kind]
    values = values_of(
        chat,
        write_rows(tmp_path / "rows.jsonl", rows),
        epochs=2,
        save_every=2,
        lora=LORA if kind == "dpo" else None,
        optimizer={"name": optimizer, "lr": 1e-3, "warmup": 2},
    )
    config = config_of(kind, values)
    run(config, tmp_path / "whole")
    out = tmp_path / "stopped"
    interrupted(config, out, stop_at(1), stop_at(5), stop_at(6, validation=True), stop_at(6))
    same(out, tmp_path / "whole")
    assert not (out / "checkpoint").exists()
    assert not list(out.glob("*.new"))
    # Then it is done, and is given back as it is.
    before = (out / "run.yaml").stat().st_mtime_ns
    again = run(config, out, watch=stop_at(1))
    assert again.metrics == metrics_of(out)
    assert again.model == out / "model"
    assert (out / "run.yaml").stat().st_mtime_ns == before


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_killed_at_random_steps_it_ends_the_same(
    kind: str, chat: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sums on more threads are rounded otherwise.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    rows = {"sft": chat_rows(40), "dpo": pair_rows(40)}[kind]
    values = values_of(
        chat,
        write_rows(tmp_path / "rows.jsonl", rows),
        steps=60,
        save_every=3,
        lora=LORA if kind == "dpo" else None,
    )
    config = write_config(tmp_path / "config.yaml", values)
    run(config_of(kind, values), tmp_path / "whole")
    out = tmp_path / "killed"

    def steps() -> int:
        log = out / "log.jsonl"
        return log.read_text().count('"loss"') if log.exists() else 0

    for moment in sorted(random.Random(kind).sample(range(60), 4)):
        with start("train", kind, config, "--out", out) as process:
            assert wait_until(lambda at=moment: steps() >= at, process), process.communicate()
            process.kill()
        assert process.returncode == -signal.SIGKILL
    with start("train", kind, config, "--out", out) as process:
        wait_until((out / "model.new").exists, process)
        process.kill()
    with start("train", kind, config, "--out", out) as process:
        _, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    same(out, tmp_path / "whole")


def test_what_decides_the_result_may_not_change(chat: str, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", chat_rows(12))
    out = tmp_path / "out"
    values = values_of(chat, rows, steps=4, save_every=1)
    with pytest.raises(Stop):
        run(config_of("sft", values), out, watch=stop_at(3))
    for changes, said in (
        ({"seed": 1}, "seed: 0 there, 1 now"),
        ({"optimizer": {"lr": 0.5, "warmup": 2}}, r"optimizer.lr: 0.001 there, 0.5 now"),
        ({"batch": {"examples": 3}}, "batch.examples: 4 there, 3 now"),
        ({"lora": LORA}, "lora"),
        ({"model": "tiny:instruct"}, "model: .* there, 'tiny:instruct' now"),
    ):
        with pytest.raises(CheckpointError, match=rf"belongs to another run \(.*{said}"):
            run(config_of("sft", values | changes), out)
    with pytest.raises(CheckpointError, match="kind: 'sft' there, 'dpo' now"):
        run(config_of("dpo", values), out)
    # What only sets the pace may, and the result stays the same but for rounding.
    pace = {"save_every": 2, "checkpointing": True, "batch": {"examples": 4, "tokens": 64}}
    run(config_of("sft", values | pace), out)
    run(config_of("sft", values), tmp_path / "whole")
    assert losses_of(out) == pytest.approx(losses_of(tmp_path / "whole"), rel=1e-5)


def test_a_folder_of_a_version_with_fewer_keys_goes_on(chat: str, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", rated_rows(12))
    values, out = values_of(chat, rows, steps=4, save_every=1), tmp_path / "out"
    with pytest.raises(Stop):
        run(config_of("reward", values), out, watch=stop_at(3))
    text = yaml.safe_load((out / "run.yaml").read_text())
    for key in ("freeze", "expand", "likelihood", "likelihood_steps"):
        del text["identity"][key]
    del text["identity"]["optimizer"]["name"]
    (out / "run.yaml").write_text(yaml.safe_dump(text))
    for changes, said in (
        ({"likelihood": 0.5, "freeze": 1}, "freeze: None there, 1 now; .*likelihood: 0.0 there"),
        ({"optimizer": {**values["optimizer"], "name": "muon"}}, "'adamw' there, 'muon' now"),
    ):
        with pytest.raises(CheckpointError, match=rf"belongs to another run \(.*{said}"):
            run(config_of("reward", values | changes), out)
    run(config_of("reward", values), out)
    run(config_of("reward", values), tmp_path / "whole")
    same(out, tmp_path / "whole")
    (out / "run.yaml").write_text("identity: {generate: {}}\n")
    with pytest.raises(CheckpointError, match="kind: None there, 'reward' now"):
        run(config_of("reward", values), out)


@pytest.mark.parametrize("finished", [False, True])
def test_changed_data_is_refused(finished: bool, chat: str, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", chat_rows(12))
    out, config = tmp_path / "out", config_of("sft", values_of(chat, rows, steps=2, save_every=1))
    if finished:
        run(config, out)
    else:
        with pytest.raises(Stop):
            run(config, out, watch=stop_at(2))
    write_rows(rows, chat_rows(13))
    with pytest.raises(CheckpointError, match=r"belongs to another run \(files\..*rows.jsonl"):
        run(config, out)
    write_rows(rows, chat_rows(12))
    assert run(config, out).metrics["steps"] == 2


def test_another_model_in_the_same_place_is_refused(tmp_path: Path) -> None:
    model = chat_model(tmp_path / "model", max_position_embeddings=256)
    rows = write_rows(tmp_path / "rows.jsonl", chat_rows(8))
    config = config_of("sft", values_of(f"hf:{model}", rows, steps=1))
    trained = run(config, tmp_path / "out")
    (trained.model / "model.safetensors").rename(model / "model.safetensors")
    with pytest.raises(CheckpointError, match="belongs to another run"):
        run(config, tmp_path / "out")


def test_files_of_others_are_not_written_over(chat: str, tmp_path: Path) -> None:
    config = config_of("sft", values_of(chat, write_rows(tmp_path / "r.jsonl", chat_rows(8))))
    out = tmp_path / "mine"
    (out / "model").mkdir(parents=True)
    with pytest.raises(CheckpointError, match="not from a run of gristmill like this; name a fold"):
        run(config, out)
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match="cannot write") as caught:
        run(config, tmp_path / "file")
    assert getattr(caught.value, "exit_code", None) == 2


def test_a_folder_has_one_writer(chat: str, tmp_path: Path) -> None:
    config = config_of("sft", values_of(chat, write_rows(tmp_path / "r.jsonl", chat_rows(8))))

    def intrude(_: dict[str, Any]) -> None:
        with pytest.raises(CheckpointError, match="another gristmill process is writing"):
            run(config, tmp_path / "out")
        raise Stop

    with pytest.raises(Stop):
        run(config, tmp_path / "out", watch=intrude)


@pytest.mark.parametrize("damage", ["latest.json", "weights", "gone", "run.yaml"])
def test_a_damaged_checkpoint_is_one_line(damage: str, chat: str, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "r.jsonl", chat_rows(8))
    out, config = tmp_path / "out", config_of("sft", values_of(chat, rows, save_every=1, steps=3))
    with pytest.raises(Stop):
        run(config, out, watch=stop_at(2))
    (weights,) = out.glob("checkpoint/step-*/process-0.safetensors")
    if damage == "latest.json":
        (out / "checkpoint" / "latest.json").write_text('{"folder"')
    elif damage == "weights":
        weights.write_bytes(weights.read_bytes()[:999])
    elif damage == "gone":
        weights.unlink()
    else:
        (out / "run.yaml").write_text("kind: [")
    with pytest.raises(CheckpointError, match=r"cannot be read \(.+\); remove|damaged"):
        run(config, out)


def test_a_loss_that_is_no_number_stops_and_leaves_its_examples(tmp_path: Path) -> None:
    model = reward_model(tmp_path / "model", 5)
    rows = rated_rows(16)
    values = values_of(f"hf:{model}", write_rows(tmp_path / "r.jsonl", rows), save_every=2)
    values |= {"optimizer": {"lr": 1e30, "warmup": 0}, "validation": 0}
    out = tmp_path / "out"
    with pytest.raises(RunError, match=r"step 2: the loss is (nan|inf); .*nan-batch.jsonl"):
        run(config_of("reward", values), out)
    left = [json.loads(line) for line in (out / "nan-batch.jsonl").read_text().splitlines()]
    assert 0 < len(left) <= 4
    for row in left:
        source = rows[int(row["where"].rpartition(":")[2]) - 1]
        assert row["step"] == 2
        assert source["response"] in row["texts"][0]
        assert row["labels"][0] == source.get("helpfulness")
    assert len(log_of(out)) == 1


def test_a_gradient_that_is_no_number_does_not_reach_the_weights(
    chat: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = write_rows(tmp_path / "r.jsonl", chat_rows(16))
    out, config = tmp_path / "out", config_of("sft", values_of(chat, rows, steps=4, save_every=1))
    run(config, tmp_path / "whole")
    real = Trainer._gradients

    def broken(self: Trainer, step: Any) -> dict[str, float]:
        found = real(self, step)
        if step.number == 3:
            self.trained[0].grad.view(-1)[0] = torch.inf
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_gradients", broken)
        with pytest.raises(RunError, match="step 3: the gradient's norm is inf"):
            run(config, out)
    # The last checkpoint is that of step 2, and good.
    assert json.loads((out / "checkpoint" / "latest.json").read_text())["step"] == 2
    run(config, out)
    same(out, tmp_path / "whole")


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError("x")]
)
@pytest.mark.parametrize("where", ["forward", "optimizer"])
def test_when_memory_runs_out_it_says_what_to_lower(
    error: Exception, where: str, chat: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise error

    rows = write_rows(tmp_path / "r.jsonl", chat_rows(8))
    config = config_of("sft", values_of(chat, rows, validation=0))
    if where == "forward":
        monkeypatch.setattr(Trainer, "forward", full)
    else:
        monkeypatch.setattr(torch.optim.AdamW, "step", full)
    if isinstance(error, RuntimeError) and str(error) == "x":
        with pytest.raises(RuntimeError, match=r"^x$"):
            run(config, tmp_path / "out")
        return
    with pytest.raises(RunError, match=r"memory ran out: lower batch\.tokens") as caught:
        run(config, tmp_path / "out")
    said = str(caught.value)
    assert "(now 256); the result stays the same" in said
    assert "checkpointing: true" in said
    assert "lora: {}" in said


def test_what_cannot_be_trained_on_says_why(chat: str, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "r.jsonl", chat_rows(6))
    with pytest.raises(
        DataError, match=r"nothing to train on \(.*6 too_long.*; the first: r.jsonl"
    ):
        run(config_of("sft", values_of(chat, rows, max_length=5)), tmp_path / "a")
    pairs = pair_rows(6)
    for pair in pairs:
        del pair["chosen_score"]
    unscored = write_rows(tmp_path / "p.jsonl", pairs)
    with pytest.raises(DataError, match=r"no_score.*rpo needs chosen_score and rejected_score"):
        run(config_of("rpo", values_of(chat, unscored)), tmp_path / "b")
    with pytest.raises(ConfigError, match="is a reward model; name a chat or base model"):
        run(config_of("sft", values_of("tiny:reward", rows)), tmp_path / "c")


def test_what_is_put_aside_is_counted_where_it_came_from(chat: str, tmp_path: Path) -> None:
    pairs = pair_rows(20)
    for pair in pairs[::4]:
        del pair["chosen_score"]
    mine = write_rows(tmp_path / "mine.jsonl", pairs)
    long = [row | {"prompt": "river " * 300} for row in pair_rows(3, seed=1)]
    other = write_rows(tmp_path / "other.jsonl", [*long, *pair_rows(9, seed=2)])
    values = values_of(chat, mine, validation=0.3)
    values["data"].append({"file": str(other), "weight": 0.5})
    metrics = run(config_of("rpo", values), tmp_path / "out").metrics
    first, second = metrics["sources"]
    assert metrics["refused"] == {"no_score": 5, "too_long": 3}
    assert (first["refused"], second["refused"]) == ({"no_score": 5}, {"too_long": 3})
    assert (first["used"], second["used"]) == (15, 9)
    examples = metrics["examples"]
    assert examples["train"] == first["train"] + second["train"]
    assert examples["validation"] == first["validation"] + second["validation"] > 0
    lines = [json.loads(x) for x in (tmp_path / "out" / "refused.jsonl").read_text().splitlines()]
    wanted = [f"mine.jsonl:{n}" for n in (1, 5, 9, 13, 17)] + [
        f"other.jsonl:{n}" for n in (1, 2, 3)
    ]
    assert sorted(line["where"] for line in lines) == sorted(wanted)


def test_labels_of_one_class_are_warned_of(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"q {i}", "response": f"a {i}", "helpfulness": i % 5, "coherence": 3}
        for i in range(20)
    ]
    values = values_of("tiny:base", write_rows(tmp_path / "r.jsonl", rows), steps=1)
    said = run(config_of("reward", values), tmp_path / "out").metrics["warnings"]
    assert "coherence: every label is 3; nothing but that is learned of it" in said
    assert any(line.startswith("no labels for correctness, complexity, verbosity") for line in said)
    assert not any(line.startswith("helpfulness") for line in said)


def test_columns_that_nothing_used_are_said(tmp_path: Path) -> None:
    rows = [{**row, "mood": "good", "id": n} for n, row in enumerate(chat_rows(12))]
    rows[0]["colour"] = "red"
    values = values_of("tiny:base", write_rows(tmp_path / "r.jsonl", rows), steps=1)
    metrics = run(config_of("sft", values), tmp_path / "out").metrics
    assert metrics["unused_columns"] == {"mood": 12, "colour": 1}
    assert metrics["sources"][0]["unused_columns"] == metrics["unused_columns"]
    line = "columns that nothing used, and rows: mood (12), colour (1)"
    assert line in metrics["warnings"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert line[1:] in page
