"""A model measured on the evaluation prompts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scripts
from gristmill.errors import RunError
from gristmill.flywheel import deal, loaded
from gristmill.flywheel.evaluate import marks_of, measure
from gristmill.flywheel.figures import Marks
from gristmill.flywheel.show import Show
from gristmill.mill import Config
from wheels import settings

MODEL = "scripted:scripts:answer"


def measured(home: Path, **changes: Any) -> Marks:
    """Measured by a scripted model: of each prompt's answers the first is right."""
    found = loaded(Config.of(settings(home, "tiny:instruct", **changes), home), home)
    dealt = deal.deal_all(found)
    deal.write(dealt, home / "prompts")
    measure(found, home / "prompts/evaluation.jsonl", MODEL, home / "out", Show(None))
    return marks_of(found, dealt.evaluation, home / "out")


def test_sampled_and_greedy(tmp_path: Path) -> None:
    scripts.forget()
    found = measured(tmp_path)
    assert found.right is not None and found.greedy is not None
    assert found.right.tolist() == [[1.0, 0.0]] * 10 and found.greedy.tolist() == [1.0] * 10
    # The grade is the sum of the digits: of prompt 3, 3 and 4.
    assert found.rewards[3].tolist() == [3.0, 4.0]
    assert found.greedy_rewards[3] == 3.0 and found.failed == 0


def test_a_failed_answer_is_wrong_and_is_asked_again(tmp_path: Path) -> None:
    scripts.forget()
    scripts.failing |= {"Measured 4?", "Measured 5?/1"}
    found = measured(tmp_path)
    assert found.right is not None
    assert found.failed == 4
    assert found.right[4].tolist() == [0.0, 0.0] and np.isnan(found.rewards[4]).all()
    assert found.right[5].tolist() == [1.0, 0.0] and math.isnan(found.rewards[5][1])
    scripts.forget()
    again = measured(tmp_path)
    assert again.failed == 0 and not np.isnan(again.rewards).any()
    # Three of prompt 4, one of prompt 5; nothing that was there.
    assert sum(scripts.asked.values()) == 4


def test_an_answer_without_a_grade_counts_but_for_the_reward(tmp_path: Path) -> None:
    scripts.forget()
    scripts.ungradable.add("Measured 2?/0")
    found = measured(tmp_path)
    assert found.right is not None and found.failed == 0
    assert found.right[2].tolist() == [1.0, 0.0]
    assert math.isnan(found.rewards[2][0]) and found.rewards[2][1] == 3.0


def test_without_judges_all_answers_are_there(tmp_path: Path) -> None:
    scripts.forget()
    found = measured(tmp_path, filter="none", mill={"judges": [], "keep": []})
    assert found.right is not None and found.right.tolist() == [[1.0, 0.0]] * 10
    assert np.isnan(found.rewards).all() and found.failed == 0


def test_the_configs_target_and_keep_do_not_touch_it(tmp_path: Path) -> None:
    scripts.forget()
    found = measured(tmp_path, mill={"target": 2, "keep": [{"threshold": {"reward": 9}}]})
    assert found.failed == 0 and not np.isnan(found.rewards).any()


def test_not_one_answer_is_an_error(tmp_path: Path) -> None:
    scripts.forget()
    scripts.failing |= {f"Measured {i}?" for i in range(10)}
    with pytest.raises(RunError, match="all 20 responses failed"):
        measured(tmp_path)
