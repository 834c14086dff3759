"""The report: whatever was measured, and whatever it is called, it can be read."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser import hinders
from gristmill.flywheel import loaded, page
from gristmill.flywheel.chart import NUMBER, SHARE, chart
from gristmill.flywheel.deal import Dealt
from gristmill.flywheel.figures import Marks
from gristmill.flywheel.results import best_of, results
from gristmill.flywheel.words import verdicts
from gristmill.mill import Config
from gristmill.records import Message, Prompt
from wheels import marks, rounds, settings

EVIL = "<script>alert(1)</script>"


def measured(seed: int, prompts: int = 6, *, truth: bool = True, judged: bool = True) -> Marks:
    rng = np.random.default_rng(seed)
    rewards = rng.normal(size=(prompts, 2)) if judged else np.full((prompts, 2), math.nan)
    return marks(rng.integers(0, 2, (prompts, 2)) if truth else None, rewards)


def folder(home: Path, measures: dict[str, list[Marks]], stopped: str = "", **wheel: Any) -> Path:
    """What a finished flywheel leaves for the page."""
    names = list(measures)
    values = settings(home, "tiny:instruct", ablations=names[1:], **wheel)
    config = loaded(Config.of(values, home), home)
    number = len(measures[names[0]][0].rewards)
    prompts = [Prompt(f"m{i}", (Message("user", f"{EVIL} {i}"),)) for i in range(number)]
    dealt = Dealt(prompts, [prompts], 1, [], 0, 2)
    found = results(config, dealt, measures, {n: rounds(m) for n, m in measures.items()}, stopped)
    out = home / "out"
    (out / "prompts").mkdir(parents=True)
    (out / "metrics.json").write_text(json.dumps(found))
    rows = ({"id": p.id, "messages": [{"role": "user", "content": p.messages[0].content}]}
            for p in prompts)  # fmt: skip
    (out / "prompts" / "evaluation.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return out


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers that a folder would hold: all rounds differ."""
    said = {(f"m{i}", 0): f"{EVIL} {i}" for i in range(6)}
    monkeypatch.setattr(
        page, "texts", lambda where: {k: f"{where.parent.name} {v}" for k, v in said.items()}
    )


def shown(out: Path) -> tuple[str, str]:
    """The page, and what of it a reader sees."""
    text = page.write_page(out).read_text()
    body = re.sub(r"<style>.*?</style>", "", text, flags=re.S)
    return text, re.sub(r"<[^>]+>", " ", body)


def assert_readable(out: Path) -> str:
    text, seen = shown(out)
    for word in ("None", "nan", "NaN", "inf ", "Undefined", "{{", "{%", "-0.0"):
        assert word not in seen, word
    assert "<script" not in text
    return seen


def test_several_arms(tmp_path: Path) -> None:
    arms = {"reward": [measured(0), measured(1)], "none": [measured(0), measured(2)]}
    seen = assert_readable(folder(tmp_path, arms))
    for word in ("Arm against arm", "Round against round", "complete", "and after",
                 "1 row of the prompts", "2 rows of the files", "alert(1)"):  # fmt: skip
        assert word in seen, word


def test_nothing_hinders_reading(tmp_path: Path) -> None:
    arms = {name: [measured(n), measured(n + 5)] for n, name in enumerate(("reward", "none"))}
    out = folder(tmp_path, arms)
    assert hinders(page.write_page(out)) == []


def test_one_arm_alone(tmp_path: Path) -> None:
    seen = assert_readable(folder(tmp_path, {"reward": [measured(0), measured(1)]}))
    assert "What the filter is worth" not in seen and "Arm against arm" not in seen


def test_by_reward_nothing_is_said_of_right_and_wrong(tmp_path: Path) -> None:
    arms = {n: [measured(0, truth=False), measured(i, truth=False)]
            for i, n in enumerate(("reward", "none"), 1)}  # fmt: skip
    evaluate = {"prompts": {"file": str(tmp_path / "measured.jsonl")}}
    seen = assert_readable(folder(tmp_path, arms, evaluate=evaluate))
    assert "points of reward" in seen and "has a mean reward of" in seen
    for word in ("right, sampled", "Greedy accuracy", "of them right", "oracle"):
        assert word not in seen, word


def test_without_judges_nothing_is_said_of_reward(tmp_path: Path) -> None:
    arms = {n: [measured(0, judged=False), measured(i, judged=False)]
            for i, n in enumerate(("none", "oracle"), 1)}  # fmt: skip
    out = folder(tmp_path, arms, filter="none", mill={"judges": [], "keep": []})
    seen = assert_readable(out)
    assert "reward" not in seen.lower() and "Round against round" not in seen


def test_one_prompt_has_no_errors_and_no_trouble(tmp_path: Path) -> None:
    arms = {"reward": [measured(0, 1), measured(1, 1)], "none": [measured(0, 1), measured(2, 1)]}
    seen = assert_readable(folder(tmp_path, arms))
    assert "1 prompt never trained on" in seen and "±)" not in seen


@pytest.mark.parametrize(
    ("most", "state"), [(1, "the last round is not better"), (2, "stopped early")]
)
def test_a_stop_is_said(tmp_path: Path, most: int, state: str) -> None:
    arms = {"reward": [measured(0), measured(1)]}
    seen = assert_readable(folder(tmp_path, arms, "round 1 is not better", rounds=most))
    assert state in seen and "round 1 is not better." in seen


def test_a_round_that_nobody_could_grade_is_not_the_best(tmp_path: Path) -> None:
    ungraded = marks(None, [[math.nan, math.nan]] * 6)
    assert best_of([measured(0, truth=False), ungraded]) == 0
    assert best_of([ungraded, ungraded]) == 0
    evaluate = {"prompts": {"file": str(tmp_path / "measured.jsonl")}}
    arms = {"reward": [measured(0, truth=False), ungraded]}
    assert_readable(folder(tmp_path, arms, evaluate=evaluate))


def test_links_lead_to_pages_that_are_there(tmp_path: Path) -> None:
    out = folder(tmp_path, {"reward": [measured(0), measured(1)]})
    assert "<a " not in shown(out)[0]
    for place in ("arms/x/round-1/mill", "arms/reward/round-1/1-sft"):
        (out / place).mkdir(parents=True)
        (out / place / "report.html").write_text("")
    links = re.findall(r'href="([^"]+html)"', shown(out)[0])
    assert links == ["arms/x/round-1/mill/report.html", "arms/reward/round-1/1-sft/report.html"]
    assert all((out / link).exists() for link in links)


def test_no_row_of_the_table_is_longer_than_its_head(tmp_path: Path) -> None:
    both = {"reward": [measured(0), measured(1)], "none": [measured(0), measured(2)]}
    text, _ = shown(folder(tmp_path, both))
    for table in re.findall(r"<table.*?</table>", text, flags=re.S):
        rows = re.findall(r"<tr>.*?</tr>", table, flags=re.S)
        assert len({len(re.findall(r"<t[hd][ >]", row)) for row in rows}) == 1


def figure(mean: float, half: float) -> dict[str, Any]:
    return {"mean": mean, "se": half / 2, "low": mean - half, "high": mean + half, "n": 9}


def test_a_chart_stays_within_what_a_share_can_be() -> None:
    found = chart("x", {"a": [(0, figure(0.02, 0.1)), (1, figure(0.97, 0.1))]}, SHARE)
    assert found is not None
    assert [said for _, said in found.ticks] == ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]
    first, last = found.curves[0].points
    assert first.low <= found.base and last.high >= 0
    assert first.said == "a, round 0: 2.0 % (0.0 % to 12.0 %)"


@pytest.mark.parametrize("spread", [1e-4, 0.003, 0.02, 0.4, 30.0])
def test_no_two_ticks_say_the_same(spread: float) -> None:
    line = [(0, figure(0.5, spread)), (1, figure(0.5, spread / 2))]
    for unit in (SHARE, NUMBER):
        found = chart("x", {"a": line}, unit)
        assert found is not None
        said = [label for _, label in found.ticks]
        assert len(set(said)) == len(said) >= 2


def test_nothing_measured_gives_no_chart() -> None:
    nothing = {"mean": None, "se": None, "low": None, "high": None, "n": 0}
    assert chart("x", {"a": [(0, nothing)]}, NUMBER) is None
    same = chart("x", {"a": [(0, {**figure(1.0, 0.0), "low": None, "high": None})]}, NUMBER)
    assert same is not None and same.curves[0].points[0].low == same.curves[0].points[0].high


def test_verdicts_of_one_prompt_do_not_divide_by_nothing(tmp_path: Path) -> None:
    arms = {"reward": [measured(0, 1), measured(1, 1)], "none": [measured(0, 1), measured(0, 1)]}
    out = folder(tmp_path, arms)
    said = verdicts(json.loads((out / "metrics.json").read_text()))
    assert not any("standard errors" in sentence for sentence in said)
