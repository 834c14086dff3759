"""Whole flywheels of scripted answers, whose every request is counted, and a random student."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch")

import scripts
from boxes import needs_sandbox
from gristmill.errors import DataError
from gristmill.flywheel import Outcome, loaded, run
from gristmill.mill import Config
from local_models import chat_model, one_thread
from mills import tables
from wheels import SFT, settings


@pytest.fixture(autouse=True)
def slowly() -> Iterator[None]:
    scripts.forget()
    with one_thread():
        yield


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"hf:{chat_model(tmp_path_factory.mktemp('student'))}"


def turned(home: Path, student: str, **changes: Any) -> Outcome:
    config = Config.of(settings(home, student, **changes), home)
    return run(loaded(config, home), home / "out")


def written(folder: Path) -> dict[str, int]:
    """When each file was written, but for what every run writes anew."""
    anew = {"report.html", "metrics.json", "flywheel.yaml", "figures.json", ".lock"}
    files = (p for p in folder.rglob("*") if p.is_file() and p.name not in anew)
    return {str(p): p.stat().st_mtime_ns for p in files if p.parent.name != "prompts"}


def test_what_is_done_is_not_done_again_and_an_arm_can_be_added(
    tmp_path: Path, student: str
) -> None:
    first = turned(tmp_path, student, ablations=["none"])
    assert sum(scripts.asked.values()) == 24 * 3
    out = tmp_path / "out"
    names = {p.name for p in (out / "arms" / "reward" / "round-1").iterdir()}
    assert names == {"mill", "rows", "1-sft", "evaluation", "figures.json"}
    main, none = (first.metrics["arms"][name]["rounds"][1] for name in ("reward", "none"))
    assert main["generator"] == "scripted:scripts:answer" and main["started_from"] == student
    assert main["prompts"] == none["prompts"] == none["picked"] == 24
    assert main["responses"] == 72 and main["right_sampled"] == pytest.approx(1 / 3)
    assert main["stages"][0]["steps"] == 2
    scripts.forget()
    before = written(out)
    again = turned(tmp_path, student, ablations=["none"])
    assert again.metrics == first.metrics
    assert written(out) == before and not scripts.asked and not scripts.graded

    more = turned(tmp_path, student, ablations=["none", "random"])
    assert not scripts.asked, "round 1's responses are there"
    assert {n: t for n, t in written(out).items() if "/random/" not in n} == before
    assert more.metrics["arms"]["random"]["rounds"][1]["picked"] == main["picked"]
    assert more.metrics["arms"]["reward"] == {
        **first.metrics["arms"]["reward"], "rounds": more.metrics["arms"]["reward"]["rounds"]
    }  # fmt: skip


@needs_sandbox
def test_judges_that_check_what_a_prompt_asks_for_find_it(tmp_path: Path, student: str) -> None:
    """Half of the prompts have tests, half constraints; the first answer is right by either."""
    asked = [{"tests": "assert f() == 0"}, {"constraints": [{"no_commas": {}}]}]
    for name, number in (("mine", 24), ("held", 10)):
        rows = ({"prompt": f"{name} {i}", **asked[i % 2]} for i in range(number))
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    mill = {
        "prompts": {"file": "mine.jsonl"},
        "generate": {"model": "scripted:scripts:code", "responses": 2, "max_tokens": 8},
        "judges": [{"code": {}}, {"format": {}}],
        "keep": [{"threshold": {"reward": 1}}],
    }
    evaluate = {"prompts": {"file": "held.jsonl"}, "responses": 2}
    found = turned(tmp_path, student, evaluate=evaluate, mill=mill)
    out = tmp_path / "out/arms/reward/round-1"
    for row in tables(out / "mill")["scored"]:
        assert row["reward"] == (row["response_id"][-1] == "0")
    assert found.metrics["arms"]["reward"]["rounds"][1]["picked"] == 24
    metrics = json.loads((out / "mill/metrics.json").read_text())
    assert [one["name"] for one in metrics["judges"]["opinions"]] == ["code", "format"]


def test_what_failed_is_not_asked_again_for_another_arm(tmp_path: Path, student: str) -> None:
    scripts.failing |= {"Question 1?", "Question 2?/0"}
    first = turned(tmp_path, student)
    scripts.forget()
    more = turned(tmp_path, student, ablations=["none"])
    assert not scripts.asked, "the arms would have other responses"
    main, none = (more.metrics["arms"][name]["rounds"][1] for name in ("reward", "none"))
    assert main == first.metrics["arms"]["reward"]["rounds"][1]
    assert main["responses"] == none["responses"] == 72 - 4 and none["picked"] == 23
    card = yaml.safe_load((tmp_path / "out/arms/reward/round-1/mill/run.yaml").read_text())
    assert card["name"] == "small, reward, round 1"


def test_an_arm_with_judges_of_its_own_has_a_mill_of_its_own(tmp_path: Path, student: str) -> None:
    other = {"other": {"judges": [{"reward": {"model": "scripted:echo"}}], "keep": []}}
    found = turned(tmp_path, student, ablations=[other])
    assert sum(scripts.asked.values()) == 2 * 24 * 3
    main, mine = (tmp_path / f"out/arms/{name}/round-1" for name in ("reward", "other"))
    assert found.metrics["arms"]["other"]["rounds"][1]["mill"] == "arms/other/round-1/mill"
    said = [[r["response"] for r in tables(p / "mill")["scored"]] for p in (main, mine)]
    assert said[0] == said[1]
    grades = [[r["reward"] for r in tables(p / "mill")["scored"]] for p in (main, mine)]
    assert grades[0] != grades[1]
    # What is measured with is the config's, for every arm.
    for place in (main, mine):
        judge = yaml.safe_load((place / "evaluation/greedy/run.yaml").read_text())["judges"]
        assert [spec["reward"]["model"] for spec in judge] == ["scripted:scripts:grade"]


def test_people_count_in_the_share_that_is_synthetic(tmp_path: Path, student: str) -> None:
    rows = [{"prompt": f"person {i}", "response": "yes"} for i in range(6)]
    rows.append({"prompt": "MEASURED 1?", "response": "leaked"})
    (tmp_path / "people.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = turned(tmp_path, student, human={"file": "people.jsonl"}).metrics
    picked = found["arms"]["reward"]["rounds"][1]["picked"]
    assert found["synthetic"] == {"rows": picked, "human": 6, "share": picked / (picked + 6)}
    assert found["leaked"] == 1
    trained = (tmp_path / "out/prompts/human-1.jsonl").read_text()
    assert "leaked" not in trained and trained.count("\n") == 6


def test_by_reward_where_nobody_knows_the_truth(tmp_path: Path, student: str) -> None:
    evaluate = {"prompts": {"file": str(tmp_path / "measured.jsonl")}, "responses": 2}
    found = turned(tmp_path, student, evaluate=evaluate).metrics
    last = found["arms"]["reward"]["rounds"][1]
    assert found["by"] == "reward" and found["greedy_changes"] is None
    assert last["accuracy"] is None and last["greedy"] is None and last["right_picked"] is None
    assert last["gain"] == last["reward_gain"]
    page = (tmp_path / "out/report.html").read_text()
    assert "None" not in page and "points of reward" in page


@pytest.mark.parametrize(
    ("train", "gap", "said"),
    [
        ([{"sft": {**SFT, "max_length": 2}}], 0.1, "1-sft: .*nothing to train on .*too_long"),
        ([{"sft": SFT}, {"dpo": {**SFT, "max_length": 3}}], 0.1, "2-dpo: .*nothing to train on"),
        ([{"sft": SFT}, {"rpo": SFT}], 99.0, "2-rpo has no preference pairs to learn from"),
    ],
)
def test_a_stage_with_nothing_to_learn_from_is_named(
    tmp_path: Path, student: str, train: list[Any], gap: float, said: str
) -> None:
    with pytest.raises(DataError, match=f"^arm reward, round 1[,:] {said}") as error:
        turned(tmp_path, student, train=train, mill={"select": {"min_gap": gap}})
    assert "\n" not in str(error.value)


def test_files_of_the_reward_models_training_start_from_the_configs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gristmill.flywheel import retrain
    from gristmill.flywheel.place import place_of
    from gristmill.flywheel.show import Show
    from gristmill.records import Message, Prompt, Response

    given: list[Any] = []

    def train(config: Any, folder: Path, **_: Any) -> Any:
        given.append(config)
        return type("Done", (), {"model": folder / "model"})

    monkeypatch.setattr(retrain, "train", train)
    how = {"labels": "tutor", "data": {"file": "rated.jsonl"}, "epochs": 3,
           "validation": [{"file": "held.jsonl"}]}  # fmt: skip
    judges = [{"reward": {"model": "hf:./judge"}}]
    values = settings(tmp_path, "tiny:instruct", reward=how, mill={"judges": judges})
    found = loaded(Config.of(values, tmp_path), tmp_path)
    prompt = Prompt("q", (Message("user", "What is 2 plus 3?"),))
    answers = [retrain.Answer(prompt, 0, Response("The answer is 5.", "m"), True, 1.0)]
    monkeypatch.chdir(tmp_path.parent)
    place = place_of(found, found.main, 1, tmp_path / "out", Show(None))
    model = retrain.retrained(found, found.main, None, answers, place)
    assert model == f"hf:{tmp_path / 'out/arms/reward/round-1/reward/model'}"
    (config,) = given
    assert [s.file for s in config.data] == [
        str(tmp_path / "out/arms/reward/round-1/rows/rated.jsonl"), str(tmp_path / "rated.jsonl")
    ]  # fmt: skip
    assert config.validation[0].file == str(tmp_path / "held.jsonl")
    assert config.model == f"hf:{tmp_path.parent / 'judge'}" and config.epochs == 3
    # An arm whose rows no reward model picks trains none.
    none = loaded(Config.of({**values, "flywheel": {**values["flywheel"], "ablations": ["none"]}},
                            tmp_path), tmp_path)  # fmt: skip
    assert retrain.retrained(none, none.arms[1], None, answers, place) is None
    assert len(given) == 1
