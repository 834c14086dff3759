"""Whole flywheels, as small as they get."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

torch = pytest.importorskip("torch")

from gristmill.errors import CheckpointError, DataError  # noqa: E402
from gristmill.flywheel import load, run  # noqa: E402

SFT = {"steps": 2, "batch": {"examples": 8}, "optimizer": {"lr": 5e-4}, "precision": "fp32"}
CONFIG: dict[str, Any] = {
    "name": "small",
    "prompts": {"file": "tutor:8"},
    "generate": {"model": "tiny:instruct", "responses": 3, "max_tokens": 64},
    "judges": [{"reward": {"model": "tiny:reward"}}],
    "keep": [{"threshold": {"correctness": 2.0}}],
    "flywheel": {
        "rounds": 2,
        "min_gain": -1.0,
        "prompts": {"file": "tutor:40"},
        "train": [{"sft": SFT}],
        "evaluate": {
            "prompts": {"file": "tutor:10:held-out"},
            "truth": "tutor",
            "responses": 2,
        },
    },
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def written(folder: Path, **wheel: Any) -> Path:
    file = folder / "flywheel.yaml"
    file.write_text(yaml.safe_dump({**CONFIG, "flywheel": {**CONFIG["flywheel"], **wheel}}))
    return file


def times(folder: Path) -> dict[str, float]:
    """When the files of finished work were written."""
    names = ("model.safetensors", "finished.jsonl", "log.jsonl")
    return {str(p): p.stat().st_mtime for n in names for p in folder.rglob(n)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    home = tmp_path_factory.mktemp("wheel")
    config = written(home, ablations=["none"])
    run(load(config), home / "out")
    return config, home / "out"


def test_everything_of_every_round_is_kept(finished: tuple[Path, Path]) -> None:
    _, out = finished
    for arm in ("reward", "none"):
        for number in (1, 2):
            place = out / "arms" / arm / f"round-{number}"
            assert (place / "1-sft" / "model" / "model.safetensors").exists()
            rows = [json.loads(x) for x in (place / "rows" / "sft.jsonl").read_text().splitlines()]
            assert rows and all({"prompt_id", "response_id", "messages"} <= set(r) for r in rows)
            assert json.loads((place / "figures.json").read_text())["accuracy"]["n"] == 10
    # One set of responses for both arms in round 1, one each afterwards.
    assert not (out / "arms" / "none" / "round-1" / "mill").exists()
    assert (out / "arms" / "none" / "round-2" / "mill").exists()
    metrics = json.loads((out / "metrics.json").read_text())
    rounds = metrics["arms"]["reward"]["rounds"]
    assert [r["round"] for r in rounds] == [0, 1, 2]
    assert rounds[2]["generator"] == rounds[1]["model"]
    assert metrics["synthetic"]["share"] == 1.0
    assert metrics["leaked"] == 0
    page = (out / "report.html").read_text()
    assert "Round against round" in page and "NaN" not in page and "None" not in page


def test_run_again_nothing_is_done_anew_and_the_page_is_the_same(
    finished: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, out = finished
    before, page = times(out), (out / "report.html").read_text()
    # The package's `run` is the function, which hides the module.
    module = importlib.import_module("gristmill.flywheel.run")
    monkeypatch.setattr(module, "measure", None)
    monkeypatch.setattr(module, "turn", None)
    run(load(config), out)
    assert times(out) == before
    assert (out / "report.html").read_text() == page


def test_an_arm_can_be_added_to_a_finished_folder(finished: tuple[Path, Path]) -> None:
    config, out = finished
    before = times(out)
    more = written(config.parent, ablations=["none", "oracle"])
    outcome = run(load(more), out)
    assert list(outcome.metrics["arms"]) == ["reward", "none", "oracle"]
    after = times(out)
    assert all(after[name] == before[name] for name in before)
    assert any("/oracle/" in name for name in after)
    written(config.parent, ablations=["none"])


def test_another_config_is_refused(finished: tuple[Path, Path], tmp_path: Path) -> None:
    _, out = finished
    other = written(tmp_path, evaluate={**CONFIG["flywheel"]["evaluate"], "responses": 3})
    with pytest.raises(CheckpointError, match=r"evaluate\.responses: 2 there, 3 now"):
        run(load(other), out)
    other = written(tmp_path, prompts={"file": "tutor:41"})
    with pytest.raises(CheckpointError, match="prompts"):
        run(load(other), out)


def test_what_a_page_shows_is_escaped(
    finished: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gristmill.flywheel import page

    _, out = finished
    kept = (out / "metrics.json").read_text()
    name = "<script>alert(1)</script>"
    (out / "metrics.json").write_text(json.dumps({**json.loads(kept), "name": name}))

    def evil(folder: Path) -> dict[tuple[str, int], str]:
        ids = [json.loads(x)["id"] for x in
               (out / "prompts" / "evaluation.jsonl").read_text().splitlines()]  # fmt: skip
        return {(i, 0): f"</p><script>{folder}\u202e\x00" for i in ids}

    monkeypatch.setattr(page, "texts", evil)
    try:
        text = page.write_page(out).read_text()
        assert "<script>" not in text and "&lt;/p&gt;&lt;script&gt;" in text
        assert "\u202e" not in text and "\x00" not in text and "⟦U+202E⟧⟦U+0000⟧" in text
    finally:
        (out / "metrics.json").write_text(kept)
        monkeypatch.undo()
        page.write_page(out)


def test_a_round_that_is_not_better_is_the_last(tmp_path: Path) -> None:
    outcome = run(load(written(tmp_path, min_gain=0.99)), tmp_path / "out")
    assert "not better" in outcome.metrics["stopped"]
    assert len(outcome.metrics["arms"]["reward"]["rounds"]) == 2
    assert "stopped early" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
def test_stages_people_and_a_new_reward_model(tmp_path: Path) -> None:
    question = {"role": "user", "content": "What is 12 plus 30?"}
    said = [question, {"role": "assistant", "content": "12 plus 30 is 42. The answer is 42."}]
    (tmp_path / "people.jsonl").write_text(json.dumps({"messages": said}) + "\n")
    pairs = {**SFT, "steps": 1}
    config = written(
        tmp_path,
        train=[{"sft": SFT}, {"dpo": pairs}, {"rpo": pairs}],
        human={"file": "people.jsonl"},
        reward={"labels": "tutor", "steps": 1, "batch": {"examples": 8}},
        student="tiny:base",
    )
    outcome = run(load(config), tmp_path / "out")
    first, second = outcome.metrics["arms"]["reward"]["rounds"][1:]
    assert first["generator"] == "tiny:instruct" and first["started_from"] == "tiny:base"
    assert [s["kind"] for s in first["stages"]] == ["sft", "dpo", "rpo"]
    assert first["stages"][0]["human"] == 1 and first["stages"][1]["human"] == 0
    assert outcome.metrics["synthetic"]["human"] == 2
    assert first["judge"] is None
    assert second["judge"].endswith("round-1/reward/model")
    # After the last round there is nothing more to judge.
    assert not (tmp_path / "out/arms/reward/round-2/reward").exists()
    judged = yaml.safe_load((tmp_path / "out/arms/reward/round-2/mill/run.yaml").read_text())
    assert judged["judges"][0]["reward"]["model"] == second["judge"]
    measured = tmp_path / "out/arms/reward/round-2/evaluation/sampled/run.yaml"
    assert yaml.safe_load(measured.read_text())["judges"][0]["reward"]["model"] == "tiny:reward"


def test_ctrl_c_says_that_it_goes_on(
    finished: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = finished

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("gristmill.flywheel.run"), "marks_of", stop)
    with pytest.raises(KeyboardInterrupt):
        run(load(config), out)
    assert "round 0: interrupted: run again, it goes on from here" in capsys.readouterr().out


def test_a_stage_without_pairs_says_so(tmp_path: Path) -> None:
    values = {**CONFIG, "select": {"min_gap": 1000.0}}
    values["flywheel"] = {**CONFIG["flywheel"], "train": [{"dpo": {"steps": 1}}]}
    file = tmp_path / "x.yaml"
    file.write_text(yaml.safe_dump(values))
    with pytest.raises(DataError, match="arm reward, round 1: 1-dpo has no preference pairs"):
        run(load(file), tmp_path / "out")
