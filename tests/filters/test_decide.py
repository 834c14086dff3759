"""One decision a sample: the first filter that says no gives the reason."""

from __future__ import annotations

from gristmill.filters import decide
from gristmill.filters._decide import survey
from gristmill.filters.base import Filter
from gristmill.filters.dedup import Dedup
from gristmill.parts import open_part
from gristmill.records import Failure, Prompt, Response, Sample
from mills import graded, sample, verdict


class Says(Filter):
    """Drops what holds a word."""

    word: str

    def reason(self, prompt: Prompt, sample: Sample) -> str:
        assert sample.response is not None
        return f"says:{self.word}" if self.word in sample.response.text else ""


def test_the_first_filter_wins() -> None:
    one = graded(sample(0, "a"), sample(1, "b"), sample(2, "ab"), sample(3, "c"))
    found = decide([Says(word="b"), Says(word="a")], one)
    assert [d.reason for d in found] == ["says:a", "says:b", "says:b", ""]
    assert [d.keep for d in found] == [False, False, False, True]


class Bars(Says):
    """The same, and what it drops is to be in no data to train on."""

    bars = True


def test_who_bars_is_asked_of_what_others_dropped_and_the_reason_stays() -> None:
    one = graded(sample(0, "a"), sample(1, "b"), sample(2, "ab"), sample(3, "c"))
    for filters in ([Says(word="a"), Bars(word="b")], [Bars(word="b"), Says(word="a")]):
        found = decide(filters, one)
        assert [(d.keep, d.barred) for d in found] == [
            (False, False),
            (False, True),
            (False, True),
            (True, False),
        ]
        assert found[2].reason == f"says:{filters[0].word}"


def test_what_another_filter_dropped_is_masked_as_well() -> None:
    parts = [{"threshold": {"reward": 1}}, {"personal_data": {"action": "mask"}}]
    filters = [open_part("gristmill.filters", part, "") for part in parts]
    (found,) = decide(filters, graded(sample(0, "Ask jo@mill.org.", verdict(0.0))))
    assert (found.reason, found.text, found.barred) == ("threshold:reward", "Ask [EMAIL].", False)


def test_what_an_earlier_filter_dropped_is_no_duplicate_of_anything() -> None:
    low = open_part("gristmill.filters", {"threshold": {"reward": 1}}, "")
    one = graded(sample(0, "same", verdict(0.0)), sample(1, "same", verdict(2.0)))
    assert [d.reason for d in decide([low, Dedup()], one)] == ["threshold:reward", ""]


def test_a_failure_keeps_its_reason_and_no_filter_sees_it() -> None:
    def ask(*_: object) -> str:
        raise AssertionError("a filter was shown a failure")

    failed = Sample(0, None, (), Failure("generate", "timeout", "no reply in time"))
    ungraded = Sample(1, Response("text", "m"), (), Failure("reward", "bad_reply", "no grade"))
    (trap := Says(word="x")).__dict__["reason"] = ask
    found = decide([trap], graded(failed, ungraded))
    assert [(d.keep, d.reason) for d in found] == [
        (False, "error:timeout"),
        (False, "error:bad_reply"),
    ]


def test_a_blank_response_is_never_kept() -> None:
    blank = graded(sample(0, ""), sample(1, " \n\t"), sample(2, "x"))
    assert [d.reason for d in decide([], blank)] == ["empty_response", "empty_response", ""]


def test_without_filters_all_that_has_text_is_kept() -> None:
    assert all(d.keep for d in decide([], graded(sample(0, "a"), sample(1, "b"))))


def test_a_survey_shows_what_can_be_graded_to_those_who_ask() -> None:
    asking = open_part("gristmill.filters", {"threshold": {"reward": {"min_quantile": 1}}}, "")
    rows = [graded(sample(0, "a", verdict(float(i)))) for i in range(3)]
    failed = graded(Sample(0, None, (), Failure("generate", "server", "gone")))
    survey([Dedup(), asking], [*rows, failed])
    kept = [decide([asking], row)[0].keep for row in rows]
    assert kept == [False, False, True]
