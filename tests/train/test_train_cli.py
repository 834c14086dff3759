"""`gristmill train` as its user meets it: what it prints, its exit codes, one line for an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands import Gristmill
from local_models import chat_model
from trainings import (
    chat_rows,
    metrics_of,
    pair_rows,
    rated_rows,
    text_rows,
    values_of,
    write_config,
    write_rows,
)

Command = Callable[..., tuple[int, str, str]]
ROWS: dict[str, Any] = {
    "pretrain": text_rows,
    "sft": chat_rows,
    "reward": rated_rows,
    "dpo": pair_rows,
    "rpo": pair_rows,
}


@pytest.fixture
def train(gristmill: Gristmill) -> Command:
    """`gristmill train ...` in this process, in a folder of the test's own."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        result = gristmill("train", *arguments)
        return result.code, result.out, result.err

    return call


def configure(folder: Path, kind: str, rows: int = 16, **changes: Any) -> Path:
    """KIND.yaml beside its model and rows, named from there."""
    if not (folder / "base").exists():
        chat_model(folder / "base", max_position_embeddings=256)
    write_rows(folder / "rows.jsonl", ROWS[kind](rows))
    values = values_of("hf:./base", Path("rows.jsonl"), name=f"my-{kind}", steps=2)
    return write_config(folder / f"{kind}.yaml", values | changes)


@pytest.mark.parametrize("kind", ROWS)
def test_each_kind_trains_and_says_what_it_left(kind: str, train: Command, tmp_path: Path) -> None:
    configs = tmp_path / "configs"
    configs.mkdir()
    code, out, err = train(kind, configure(configs, kind))
    assert (code, err) == (0, "")
    folder = tmp_path / "out" / f"my-{kind}"
    lines = out.splitlines()
    assert lines[0] == f"my-{kind}: preparing"
    assert any(line.startswith(f"my-{kind}: step 2 of 2, loss ") for line in lines)
    assert any(line.startswith(f"'my-{kind}' ({kind}): 2 steps, loss ") for line in lines)
    assert any(line.startswith("validation loss: ") for line in lines)
    assert lines[-2:] == [
        f"model: hf:out/my-{kind}/model",
        f"report: out/my-{kind}/report.html",
    ]
    for name in (
        "model/config.json", "model/model.safetensors", "model/README.md", "model/tokenizer.json",
        "metrics.json", "run.yaml", "log.jsonl", "curves.png", "report.html", "refused.jsonl",
    ):  # fmt: skip
        assert (folder / name).exists(), name
    assert metrics_of(folder)["kind"] == kind
    # Again it says the same at once.
    code, again, err = train(kind, configs / f"{kind}.yaml")
    assert (code, err) == (0, "")
    assert again.splitlines()[-2:] == lines[-2:]
    assert "step 2 of 2, loss" not in again


def test_stages_each_say_what_they_left(train: Command, tmp_path: Path) -> None:
    configure(tmp_path, "dpo")
    spec = values_of("", Path("rows.jsonl"), steps=1)
    del spec["model"]
    values = {"name": "twice", "model": "hf:./base", "stages": [{"dpo": spec}, {"rpo": spec}]}
    code, out, err = train("staged", write_config(tmp_path / "s.yaml", values))
    assert (code, err) == (0, "")
    assert "model: hf:out/twice/1-dpo/model" in out.splitlines()
    assert "model: hf:out/twice/2-rpo/model" in out.splitlines()
    assert out.count("report: ") == 2


def test_what_was_put_aside_and_what_to_know_is_said(train: Command, tmp_path: Path) -> None:
    config = configure(tmp_path, "reward")
    rows = [{**row, "coherence": 2} for row in rated_rows(12)]
    write_rows(tmp_path / "rows.jsonl", [*rows, {"prompt": "a", "response": "b"}, rows[0]])
    code, out, err = train("reward", config, "--out", "here")
    assert (code, err) == (0, "")
    assert "put aside: 2 (1 no_label, 1 duplicate); see here/refused.jsonl" in out
    assert "note: coherence: every label is 2; nothing but that is learned of it" in out
    assert (tmp_path / "here" / "model").is_dir()


def error(result: tuple[int, str, str], code: int = 2) -> str:
    """The one line of an error."""
    found, _, err = result
    assert "Traceback" not in err
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert found == code, line
    return line


def test_errors_of_configs_are_one_line_that_names_what_is_wrong(
    train: Command, tmp_path: Path
) -> None:
    assert "nowhere.yaml: no such file" in error(train("sft", "nowhere.yaml"))
    (tmp_path / "bad.yaml").write_text("model: [\n")
    assert "bad.yaml: line 2:" in error(train("sft", "bad.yaml"))
    (tmp_path / "list.yaml").write_text("- model\n")
    assert "list.yaml: expected 'key: value' lines, found a list" in error(
        train("sft", "list.yaml")
    )
    config = configure(tmp_path, "sft", optimiser={"lr": 1})
    assert "sft.yaml: optimiser: unknown key; did you mean 'optimizer'?" in error(
        train("sft", config)
    )
    # A key of another kind is none of this one.
    assert "dpo.yaml: eta: unknown key" in error(train("dpo", configure(tmp_path, "dpo", eta=1)))
    assert "lr" in error(train("sft", configure(tmp_path, "sft", optimizer={"lr": -1})))
    assert "seed" in error(train("sft", configure(tmp_path, "sft", seed=1 << 40)))
    assert not (tmp_path / "out").exists()


def test_errors_of_data_and_models_too(train: Command, tmp_path: Path) -> None:
    config = configure(tmp_path, "sft")
    (tmp_path / "rows.jsonl").unlink()
    assert "rows.jsonl: no such file" in error(train("sft", config))
    write_rows(tmp_path / "rows.jsonl", [{"chosen": 1}, {"x": 2}])
    said = error(train("sft", config))
    assert "rows.jsonl: none of 2 rows can be used" in said
    assert "the first, rows.jsonl:1" in said
    (tmp_path / "rows.jsonl").write_text("")
    assert "rows.jsonl: the file is empty" in error(train("sft", config))
    write_rows(tmp_path / "rows.jsonl", text_rows(5))
    assert "conversations are needed" in error(train("sft", config))
    config = configure(tmp_path, "sft", model="tiny:reward")
    assert "tiny:reward is a reward model" in error(train("sft", config))
    config = configure(tmp_path, "sft", model="hf:./elsewhere")
    assert f"no directory {tmp_path / 'elsewhere'}" in error(train("sft", config))
    config = configure(tmp_path, "sft", template="none.jinja")
    assert f"template: cannot read {tmp_path / 'none.jinja'}" in error(train("sft", config))


def test_a_run_that_fails_exits_with_one(train: Command, tmp_path: Path) -> None:
    optimizer = {"lr": 1e30, "warmup": 0}
    config = configure(tmp_path, "reward", optimizer=optimizer, steps=3)
    assert "the loss is" in error(train("reward", config), code=1)
    assert (tmp_path / "out" / "my-reward" / "nan-batch.jsonl").exists()


def test_ctrl_c_exits_with_130_and_the_run_goes_on(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gristmill.train.loop import Trainer

    config = configure(tmp_path, "sft", steps=4, save_every=1)
    real = Trainer.step

    def interrupted(trainer: Trainer, step: Any, lr: float) -> dict[str, float]:
        if step.number == 3:
            raise KeyboardInterrupt
        return real(trainer, step, lr)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "step", interrupted)
        code, out, err = train("sft", config)
    assert (code, err) == (130, "")
    assert out.splitlines()[-1] == "interrupted: run again, it goes on from the last checkpoint"
    code, out, err = train("sft", config)
    assert (code, err) == (0, "")
    assert "step 4 of 4" in out
    assert "step 1 of 4" not in out


def test_of_several_processes_the_first_speaks(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WORLD_SIZE is left alone, so that nobody is waited for."""
    config = configure(tmp_path, "sft")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert train("sft", config) == (0, "", "")
    assert train("sft", "nowhere.yaml") == (2, "", "")
    failing = configure(tmp_path, "sft", name="other", optimizer={"lr": 1e30, "warmup": 0}, steps=3)
    assert error(train("sft", failing), code=1)
