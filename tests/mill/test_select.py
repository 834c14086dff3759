"""Best-of-n and preference pairs."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.filters.dedup import normalise
from gristmill.mill.select import best, pair
from gristmill.records import KEPT, Decision, Failure, Graded, Response, Sample, ToolCall
from mills import graded, sample, verdict

DROPPED = Decision(False, "threshold:reward")


def scored(*rewards: float | None, texts: str = "abcdefgh") -> Graded:
    """Samples with these rewards; None is a sample that nobody judged."""
    return graded(
        *(
            sample(i, texts[i], *([] if reward is None else [verdict(reward)]))
            for i, reward in enumerate(rewards)
        )
    )


def all_kept(one: Graded) -> tuple[Decision, ...]:
    return (KEPT,) * len(one.samples)


def test_best_ranks_by_reward_then_by_index() -> None:
    one = scored(1.0, 3.0, 3.0, 2.0)
    assert [s.index for s in best(one, all_kept(one), None)] == [1, 2, 3, 0]
    assert [s.index for s in best(one, all_kept(one), 2)] == [1, 2]
    assert [s.index for s in best(one, (KEPT, DROPPED, DROPPED, KEPT), 1)] == [3]
    assert best(one, (DROPPED,) * 4, 1) == []


def test_a_sample_without_a_reward_is_not_above_a_negative_one() -> None:
    one = scored(None, -5.0, -2.0)
    assert [s.index for s in best(one, all_kept(one), None)] == [2, 1, 0]


def test_a_pair_is_the_best_kept_against_the_worst_scored() -> None:
    one = scored(1.0, 5.0, 0.5, 4.0)
    found = pair(one, (KEPT, DROPPED, DROPPED, KEPT), 0.1)
    assert found is not None
    assert (found.chosen.index, found.rejected.index) == (3, 2)
    assert (found.chosen_score, found.rejected_score) == (4.0, 0.5)


def test_what_is_barred_is_no_worse_answer_either() -> None:
    one = scored(0.1, 5.0, 0.5)
    barred = Decision(False, "personal_data:email", barred=True)
    found = pair(one, (barred, KEPT, DROPPED), 0.1)
    assert found is not None and found.rejected.index == 2
    assert pair(one, (barred, KEPT, barred), 0.1) is None


@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_a_tie_is_never_a_preference(gap: float) -> None:
    one = scored(2.0, 2.0, 2.0)
    assert pair(one, all_kept(one), gap) is None


def test_the_gap_is_a_minimum() -> None:
    one = scored(2.0, 1.5)
    assert pair(one, all_kept(one), 0.5) is not None
    assert pair(one, all_kept(one), 0.51) is None


def test_no_pair_of_one_text_with_itself() -> None:
    one = graded(sample(0, "Yes. ", verdict(2.0)), sample(1, "yes.", verdict(0.0)))
    assert pair(one, all_kept(one), 0.1) is None


def test_no_pair_with_a_missing_score_or_nothing_kept() -> None:
    one = scored(None, 1.0)
    assert pair(one, (KEPT, DROPPED), 0.0) is None
    one = scored(3.0, 1.0)
    assert pair(one, (DROPPED, DROPPED), 0.0) is None
    assert pair(scored(None, None), (KEPT, KEPT), 0.0) is None
    assert pair(scored(nan, 1.0), (KEPT, DROPPED), 0.0) is None
    assert pair(scored(inf, 1.0), (KEPT, DROPPED), 0.0) is None


def test_a_failed_sample_is_no_rejected_one() -> None:
    failure = Failure("reward", "timeout", "no reply")
    ungraded = Sample(1, Response("bad", "m"), (verdict(-9.0),), failure)
    one = graded(sample(0, "good", verdict(3.0)), ungraded)
    assert pair(one, (KEPT, Decision(False, failure.reason)), 0.0) is None


rewards = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 1.5]), st.floats(-10, 10))
samples = st.lists(st.tuples(rewards, st.sampled_from("aAbcd"), st.booleans()), max_size=8)


@given(samples, st.floats(0, 3))
def test_pairs_are_never_equal_and_never_closer_than_the_gap(
    drawn: list[tuple[float | None, str, bool]], gap: float
) -> None:
    one = graded(
        *(
            sample(i, text, *([] if reward is None else [verdict(reward)]))
            for i, (reward, text, _) in enumerate(drawn)
        )
    )
    decisions = tuple(KEPT if kept else DROPPED for _, _, kept in drawn)
    found = pair(one, decisions, gap)
    known = [r for r, _, _ in drawn if r is not None]
    if found is None:
        return
    assert found.chosen_score > found.rejected_score
    assert found.chosen_score - found.rejected_score >= gap
    assert decisions[found.chosen.index].keep
    assert found.chosen_score == drawn[found.chosen.index][0]
    assert found.rejected_score == drawn[found.rejected.index][0] == min(known)
    chosen, rejected = found.chosen.response, found.rejected.response
    assert chosen is not None and rejected is not None
    assert normalise(chosen.text) != normalise(rejected.text)


@given(samples, st.one_of(st.none(), st.integers(1, 4)))
def test_best_gives_kept_ones_in_falling_order(
    drawn: list[tuple[float | None, str, bool]], most: int | None
) -> None:
    one = graded(
        *(
            sample(i, text, *([] if reward is None else [verdict(reward)]))
            for i, (reward, text, _) in enumerate(drawn)
        )
    )
    decisions = tuple(KEPT if kept else DROPPED for _, _, kept in drawn)
    found = best(one, decisions, most)
    kept = [i for i, (_, _, keep) in enumerate(drawn) if keep]
    assert len(found) == (len(kept) if most is None else min(most, len(kept)))
    assert {s.index for s in found} <= set(kept)
    order = [-inf if (r := drawn[s.index][0]) is None else r for s in found]
    assert order == sorted(order, reverse=True)


def calling(index: int, reward: float, *calls: ToolCall, text: str = "") -> Sample:
    return Sample(index, Response(text, "m", tool_calls=calls), (verdict(reward),))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (ToolCall("add", '{"a": 1}', "x"), ToolCall("add", '{ "a":1 }', "y"), True),
        (ToolCall("add", '{"a": 1}'), ToolCall("add", '{"a": 2}'), False),
        (ToolCall("add", "{}"), ToolCall("sub", "{}"), False),
        (ToolCall("add", "no json"), ToolCall("add", "no json either"), False),
    ],
)
def test_answers_of_one_text_differ_by_what_they_call(
    one: ToolCall, other: ToolCall, same: bool
) -> None:
    two = graded(calling(0, 2.0, one), calling(1, 1.0, other))
    assert (pair(two, all_kept(two), 0.1) is None) == same
    against_none = graded(calling(0, 2.0, one, text="Done."), calling(1, 1.0, text="Done."))
    assert pair(against_none, all_kept(against_none), 0.1) is not None
