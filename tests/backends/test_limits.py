"""Limits per minute: no minute exceeds them, and none of the rate is wasted."""

from hypothesis import given
from hypothesis import strategies as st

from gristmill.backends.limits import Limits, Pace


@given(per_minute=st.integers(1, 600), gaps=st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_no_minute_holds_more_than_the_limit(per_minute, gaps):
    pace, now, starts = Pace(per_minute), 1000.0, []
    for gap in gaps:
        now += gap
        starts.append(now + pace.reserve(1, now))
    for begin in starts:
        # One more may fall on the edge, and the slack is worth at most one at these rates.
        assert sum(begin <= s < begin + 59.9 for s in starts) <= per_minute + 1
    assert starts == sorted(starts)


def test_a_busy_caller_gets_the_whole_rate():
    pace = Pace(600)
    delays = [pace.reserve(1, 50.0) for _ in range(601)]
    assert abs(delays[-1] - 60) < 0.2


def test_tokens_are_put_right_by_what_the_server_reports():
    pace = Pace(60)  # one a second
    pace.reserve(10, 100.0)
    pace.correct(-9)
    assert abs(pace.reserve(1, 100.0) - 1) < 0.1


def test_the_estimate_of_a_reply_follows_the_replies():
    limits = Limits(None, 1e6)
    for _ in range(100):
        limits.settle(100, 600, 500)
    assert 450 < limits._reply < 501
