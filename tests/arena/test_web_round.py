"""A round's states, and what its votes are worth."""

import pytest

from gristmill.arena.contestants import Contestant
from gristmill.arena.web.identity import Identity
from gristmill.arena.web.round import Refused, Round
from gristmill.arena.web.view import View, view_of
from gristmill.records import Message

MODELS = (
    Contestant(model="scripted:echo", name="wheel-1b", alias="Anna", system="Be brief."),
    Contestant(model="scripted:echo", name="stone-9b"),
)


@pytest.fixture
def round():
    return Round("r1", MODELS, Identity(MODELS), seed=3)


def answer(round: Round, a: str = "one", b: str = "two", error: str = "") -> None:
    for said, text in zip(round.turns[-1].answers, (a, b), strict=True):
        said.text, said.done = text, True
    if error:
        round.turns[-1].answers[1].done = False
        round.turns[-1].answers[1].error = error
    round.answered()


def vote(round: Round, winner: str = "model_a", now: float = 100.0):
    """A vote that is final."""
    ballot = round.cast(winner, now)
    round.voted(ballot)
    round.reveal()
    return ballot


def test_a_battle_as_it_is_stored(round):
    round.begin("What is a mill?")
    assert round.asked(0) == (Message("system", "Be brief."), Message("user", "What is a mill?"))
    answer(round)
    round.begin("And a stone?")
    assert round.asked(1) == (
        Message("user", "What is a mill?"),
        Message("assistant", "two"),
        Message("user", "And a stone?"),
    )
    answer(round, "three", "four")
    battle = round.battle(vote(round, "tie"), "visitor:1")
    assert (battle.model_a, battle.model_b, battle.winner) == ("wheel-1b", "stone-9b", "tie")
    assert (battle.prompt, battle.turns, battle.judge) == ("What is a mill?", 2, "visitor:1")
    assert battle.time == 100.0
    assert battle.language is None
    assert [m.content for m in battle.conversation_a][1::2] == ["one", "three"]
    assert [m.role for m in battle.conversation_b] == ["user", "assistant"] * 2


def test_equal_answers_have_equal_ids_whoever_voted():
    def battle(name: str, b: str):
        made = Round(name, MODELS, Identity(MODELS), seed=1)
        made.begin("q")
        answer(made, b=b)
        return made.battle(vote(made), name)

    assert battle("r1", "two").id == battle("r2", "two").id != battle("r3", "other").id


def test_what_can_be_done_when(round):
    with pytest.raises(Refused, match="nothing to regenerate"):
        round.again()
    with pytest.raises(Refused, match="no answers"):
        round.cast("tie", 0)
    round.begin("q")
    for action in (lambda: round.begin("q2"), round.again, lambda: round.cast("tie", 0)):
        with pytest.raises(Refused, match="Wait"):
            action()
    answer(round)
    ballot = round.cast("tie", 0)
    with pytest.raises(Refused, match="Wait"):
        round.begin("while the vote is stored")
    round.voted(ballot)
    with pytest.raises(Refused, match="no answers"):
        round.cast("model_a", 1)


def test_a_vote_that_could_not_be_stored_shows_no_names(round):
    round.begin("q")
    answer(round)
    round.cast("tie", 0)
    round.voted(None)
    assert not round.revealed
    assert round.open
    assert vote(round).reason == ""


def test_after_the_names_no_vote_counts(round):
    round.begin("q")
    answer(round)
    first = vote(round)
    assert first.reason == ""
    round.begin("more")
    answer(round)
    second = vote(round)
    assert second.reason == "after_reveal"
    assert second.key != first.key


def test_a_vote_is_undone_before_the_names_are_shown_or_never(round):
    round.begin("q")
    answer(round)
    first = round.cast("model_a", 100.0)
    round.voted(first)
    assert not round.revealed
    assert round.can_undo(159.0, 60.0)
    assert not round.can_undo(161.0, 60.0)
    round.withdrawn()
    round.reveal()
    assert not round.revealed, "without a vote there are no names"
    assert not round.can_undo(101.0, 60.0)
    again = vote(round, "model_b", now=110.0)
    assert (again.key, again.reason) == (first.key, "")
    assert not round.can_undo(110.0, 60.0)


def test_no_names_while_a_vote_is_being_taken_back(round):
    round.begin("q")
    answer(round)
    round.voted(round.cast("model_a", 100.0))
    round.voting = True
    round.reveal()
    assert not round.revealed


@pytest.mark.parametrize("go_on", [lambda r: r.begin("more"), lambda r: r.again()])
def test_who_goes_on_after_a_vote_has_made_it_final(round, go_on):
    round.begin("q")
    answer(round)
    round.voted(round.cast("model_a", 100.0))
    go_on(round)
    answer(round)
    assert round.revealed
    assert not round.can_undo(101.0, 60.0)
    assert vote(round).reason == "after_reveal"


def test_a_failed_answer_has_to_be_regenerated(round):
    round.begin("q")
    answer(round, error="timeout")
    assert round.failed
    with pytest.raises(Refused, match="broke off"):
        round.begin("go on")
    assert round.reason == "error"
    round.again()
    answer(round)
    assert round.tried == 1
    assert vote(round).reason == ""


def test_answers_that_nobody_waited_for_are_errors(round):
    round.begin("q")
    round.answered()
    assert [a.error for a in round.turns[0].answers] == ["stopped", "stopped"]


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("text", ["I am Stone-9B.", "I'm WHEEL.", "I am ChatGPT"])
def test_who_gives_a_model_away_on_either_side(round, side, text):
    round.begin("Who are you?")
    answer(round, *((text, "two") if side == 0 else ("one", text)))
    assert round.reason == "identity"
    round.again()
    answer(round)
    assert vote(round).reason == "identity", "it was read"


def test_what_the_page_shows_of_it(round):
    assert view_of(None, 0, 60) == View(note=view_of(None, 0, 60).note)
    round.begin("<b>q</b>")
    during = view_of(round, 0, 60)
    assert "Both are answering" in during.note
    assert during.talks[0][0]["content"][0]["text"] == "&#60;b&#62;q&#60;/b&#62;"
    assert "▍" in during.talks[0][1]["content"][0]["text"]
    assert not (during.can_send or during.can_vote or during.can_again or during.can_new)
    answer(round, "", "cut")
    round.turns[0].answers[1].finish_reason = "length"
    after = view_of(round, 0, 60)
    assert after.can_vote and after.can_send and after.can_again and after.can_new
    assert "empty" in after.talks[0][1]["content"][0]["text"]
    assert "cut at its longest" in after.talks[1][1]["content"][0]["text"]
    assert after.titles == ("Assistant A", "Assistant B")
    assert not any(name in repr(after) for name in ("Anna", "wheel", "stone"))
    round.voted(round.cast("model_a", 100.0))
    voted = view_of(round, 100, 60)
    assert voted.can_undo and not voted.can_vote and not voted.decided
    assert not any(name in repr(voted) for name in ("Anna", "wheel", "stone"))
    assert not view_of(round, 161, 60).can_undo
    round.reveal()
    shown = view_of(round, 100, 60)
    assert shown.titles == ("A: Anna", "B: stone-9b")
    assert "wheel" not in repr(shown)
    assert shown.decided and not shown.can_undo and not shown.can_vote


def test_names_are_no_html():
    models = (
        Contestant(model="scripted:echo", name="<img src=x>"),
        Contestant(model="scripted:echo", name="b"),
    )
    made = Round("r", models, Identity(models), 0)
    made.begin("q")
    answer(made)
    vote(made)
    assert "<img" not in view_of(made, 0, 60).note
