"""What is said of the figures; what did not help among it."""

from __future__ import annotations

from typing import Any

from gristmill.flywheel.words import clear, share, verdicts


def figure(mean: float, se: float = 0.01) -> dict[str, Any]:
    return {"mean": mean, "se": se, "low": mean - 1.96 * se, "high": mean + 1.96 * se, "n": 100}


def a_round(number: int, accuracy: float, gain: float, **changes: Any) -> dict[str, Any]:
    return {
        "round": number, "accuracy": figure(accuracy), "greedy": figure(accuracy),
        "reward": figure(5.0), "failed": 0, "gain": figure(gain), "greedy_gain": figure(gain),
        "reward_gain": figure(gain), "gain_on_last": figure(gain), **changes,
    }  # fmt: skip


def arm(filter_: str, rounds: list[dict[str, Any]], ahead: float = 0.0) -> dict[str, Any]:
    return {
        "filter": filter_, "stages": ["sft"], "skipped": [], "rounds": rounds,
        "against_main": figure(ahead), "share_of_oracle": None,
    }  # fmt: skip


def metrics(rounds: list[dict[str, Any]], **arms: dict[str, Any]) -> dict[str, Any]:
    return {
        "by": "accuracy", "main": "reward", "evaluation_prompts": 100, "stopped": "", "rounds": 2,
        "sampled_at": 0.8, "greedy_changes": None,
        "arms": {"reward": arm("reward", rounds), **arms},
    }  # fmt: skip


START = a_round(0, 0.6, 0.0)


def test_a_difference_is_clear_from_two_standard_errors() -> None:
    assert [clear(figure(x)) for x in (0.03, 0.02, 0.0, -0.03)] == [1, 0, 0, -1]
    assert clear(None) == 0 and clear({"mean": 0.5, "se": None}) == 0


def test_a_share_near_its_end_has_two_ends() -> None:
    assert (
        share({"mean": 1.0, "se": 0.0, "low": 0.96, "high": 1.0}) == "100.0\u202f% (96.0 to 100.0)"
    )
    assert share(figure(0.5)) == "50.0\u202f% ± 2.0"


def test_the_headline_says_better_worse_or_neither() -> None:
    for gain, word in ((0.1, ": better"), (0.01, ": not measurably better"), (-0.1, ": worse")):
        assert word in verdicts(metrics([START, a_round(1, 0.6 + gain, gain)]))[0]


def test_a_round_that_did_not_help_is_named() -> None:
    second = a_round(2, 0.7, 0.1, gain_on_last=figure(0.005))
    said = verdicts(metrics([START, a_round(1, 0.7, 0.1), second]))
    assert any(s.startswith("Round 2 did not measurably help: +0.5 ± 1.0 on round 1") for s in said)
    assert not any(s.startswith("Round 1 did") for s in said)
    second["gain_on_last"] = figure(-0.1)
    said = verdicts(metrics([START, a_round(1, 0.7, 0.1), second]))
    assert any(s.startswith("Round 2 made it worse: −10.0 ± 1.0 on round 1") for s in said)


def test_reward_that_rises_alone_is_named() -> None:
    last = a_round(1, 0.6, 0.0, reward_gain=figure(0.5))
    assert any("please the judge" in s for s in verdicts(metrics([START, last])))
    for gain in (0.01, 0.1):
        last["gain"] = figure(gain)
        assert not any("please the judge" in s for s in verdicts(metrics([START, last])))


def test_an_arm_that_is_no_worse_is_named() -> None:
    other = arm("none", [START, a_round(1, 0.6, 0.0)], ahead=0.01)
    said = verdicts(metrics([START, a_round(1, 0.7, 0.1)], none=other))
    assert any("'reward' is ahead (+1.0 ± 1.0), 1.0 standard errors: not measurably." in s
               for s in said)  # fmt: skip
    assert not any("without a filter" in s for s in said)


def test_a_gain_without_a_filter_is_explained() -> None:
    other = arm("none", [START, a_round(1, 0.7, 0.1)], ahead=0.2)
    found = metrics([START, a_round(1, 0.9, 0.3)], none=other)
    assert any(s.startswith("'none' gains without a filter") for s in verdicts(found))
    found["sampled_at"] = 1.0
    assert not any("without a filter" in s for s in verdicts(found))


def test_failures_and_the_stop_are_said() -> None:
    found = metrics([START, a_round(1, 0.6, 0.0, failed=3)])
    found["stopped"] = "round 1 is not better than the best before it"
    said = verdicts(found)
    assert "3 answers failed and count as wrong; run again to ask them again." in said
    assert said[-1].startswith("Stopped: round 1")
    found["rounds"] = 1
    assert verdicts(found)[-1].startswith("The end: round 1")
