"""The arena behind the page, without a page: asking, voting, undoing, limits, and its config."""

import asyncio
import random
import sqlite3
import time
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import yaml

from gristmill.arena.battles import Battle
from gristmill.arena.rank import rank
from gristmill.arena.read import read
from gristmill.arena.store import Votes, read_votes, read_withdrawn
from gristmill.arena.web import arena as arena_module
from gristmill.arena.web.arena import LONGEST, Arena
from gristmill.arena.web.config import PageConfig
from gristmill.arena.web.leaderboard import Leaderboard
from gristmill.arena.web.round import Refused
from gristmill.backends.scripted import ScriptedChat
from gristmill.errors import ConfigError, DataError, StorageError

TWO = [{"model": "scripted:echo", "name": "wheel"}, {"model": "scripted:echo", "name": "stone"}]


def says(text: str, **options) -> ScriptedChat:
    return ScriptedChat(lambda messages, index, seed: text, **options)


@asynccontextmanager
async def opened(tmp_path, wheel=None, stone=None, **settings):
    config = PageConfig.of({"models": TWO, "seed": 1, **settings})
    votes = Votes(tmp_path / "votes.sqlite")
    backends = {"wheel": wheel or says("one"), "stone": stone or says("two")}
    async with AsyncExitStack() as stack:
        for backend in backends.values():
            await stack.enter_async_context(backend)
        yield Arena(config, votes, backends)
    votes.close()


async def asked(arena: Arena, name=None, text="q", visitor="v", address="a"):
    found = arena.begin(name, text, visitor, address)
    async for _ in arena.answers(found):
        pass
    return found


def played(tmp_path, play, **settings):
    async def main():
        async with opened(tmp_path, **settings) as arena:
            return await play(arena)

    return asyncio.run(asyncio.wait_for(main(), 30))


def test_a_battle_from_prompt_to_vote(tmp_path):
    async def play(arena):
        found = await asked(arena, text="  What is a mill?  ")
        assert {a.text for a in found.turns[0].answers} == {"one", "two"}
        assert await arena.vote(found.name, "model_b", "visitor:7") is found
        assert not found.revealed
        arena.reveal(found.name)
        assert found.revealed
        (stored,) = read_votes(arena.votes.path)
        return found, stored

    found, stored = played(tmp_path, play)
    assert (stored.model_a, stored.model_b) == tuple(m.called for m in found.models)
    assert (stored.prompt, stored.winner, stored.judge) == (
        "What is a mill?",
        "model_b",
        "visitor:7",
    )
    assert abs(stored.time - time.time()) < 60


def test_a_vote_is_on_the_disk_before_the_names_are_shown(tmp_path, monkeypatch):
    seen = []

    async def play(arena):
        found = await asked(arena)
        add = arena.votes.add

        def watched(*args, **options):
            seen.append(found.revealed)
            return add(*args, **options)

        monkeypatch.setattr(arena.votes, "add", watched)
        await arena.vote(found.name, "tie", "v")
        assert len(list(read_votes(arena.votes.path))) == 1

        assert found.revealed

    played(tmp_path, play, undo_seconds=0)
    assert seen == [False]


def test_twenty_clicks_at_once_are_one_vote(tmp_path):
    async def play(arena):
        found = await asked(arena)
        winners = ["model_a", "model_b"] * 10
        done = await asyncio.gather(*(arena.vote(found.name, w, "v") for w in winners))
        assert [d is not None for d in done] == [True] + [False] * 19
        assert await arena.vote(found.name, "tie", "v") is None
        return arena.votes.count()

    assert played(tmp_path, play) == {"counted": 1, "withdrawn": 0}


def test_a_visitor_who_goes_away_while_the_vote_is_stored(tmp_path):
    async def play(arena):
        found = await asked(arena)
        task = asyncio.create_task(arena.vote(found.name, "tie", "v"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.gather(*arena._storing)
        assert found.ballot.winner == "tie"
        return arena.votes.count()["counted"]

    assert played(tmp_path, play) == 1


def test_a_vote_that_the_disk_refuses(tmp_path, monkeypatch):
    def full(*args, **options):
        raise StorageError("votes.sqlite: database or disk is full")

    async def play(arena):
        found = await asked(arena)
        with monkeypatch.context() as broken:
            broken.setattr(arena.votes, "add", full)
            with pytest.raises(Refused, match="could not be stored"):
                await arena.vote(found.name, "tie", "v")
        assert not found.revealed
        assert await arena.vote(found.name, "model_a", "v") is found
        return [b.winner for b in arena.votes.battles()]

    assert played(tmp_path, play) == ["model_a"]


def test_undo_and_what_a_vote_is_worth_then(tmp_path):
    async def play(arena):
        with pytest.raises(Refused, match="no vote"):
            await arena.undo(None)
        found = await asked(arena)
        await arena.vote(found.name, "tie", "v")
        await arena.undo(found.name)
        with pytest.raises(Refused, match="no vote"):
            await arena.undo(found.name)
        await arena.vote(found.name, "model_a", "v")
        await asked(arena, found.name, "go on")
        await arena.vote(found.name, "model_b", "v")
        return arena.votes.count()

    assert played(tmp_path, play) == {"counted": 1, "withdrawn": 1, "after_reveal": 1}
    assert list(read_withdrawn(tmp_path / "votes.sqlite")) == [], "it was a slip put right"


ROUNDS = 60


def attacked(tmp_path, attack) -> dict:
    """The board after a visitor did as `attack` says in each of 60 rounds of two models that
    answer alike, voting blindly."""

    async def play(arena):
        blind = random.Random(3)
        for _ in range(ROUNDS):
            found = await asked(arena)
            await arena.vote(found.name, blind.choice(("model_a", "model_b")), "visitor:1")
            won = found.models[found.ballot.winner == "model_b"].called
            await attack(arena, found, won)

    played(tmp_path, play, limits={"rounds_per_hour": 99, "votes_per_hour": 99})
    return rank(read([tmp_path / "votes.sqlite"], {"judge"}))


def test_an_undo_after_the_names_does_not_rig_the_votes(tmp_path):
    """Vote, read the names, and undo what the model of one's choice has lost."""
    refused = []

    async def attack(arena, found, won):
        arena.reveal(found.name)
        if won != "wheel":
            with pytest.raises(Refused, match="too late"):
                await arena.undo(found.name)
            refused.append(won)

    found = attacked(tmp_path, attack)
    assert len(refused) > ROUNDS / 3
    assert found["battles"] == ROUNDS
    assert {row["rank"] for row in found["ratings"]} == {1}
    assert all(row["lower"] < 1000 < row["upper"] for row in found["ratings"])


def test_votes_that_were_undone_like_that_are_flagged(tmp_path):
    """As files have it in which the names were shown before: each loss of one model is gone."""

    async def attack(arena, found, won):
        if won != "wheel":
            arena.votes.withdraw(found.ballot.key)

    found = attacked(tmp_path, attack)
    assert found["withdrawn"]["votes"] == ROUNDS - found["battles"]
    row = next(f for f in found["withdrawn"]["flagged"] if f["model"] == "wheel")
    assert (row["won"], row["lost"], row["kept_lost"]) == (0, ROUNDS - found["battles"], 0)
    assert row["p"] < 1e-6
    (said,) = [line for line in found["warnings"] if "taken back" in line]
    assert f"wheel won 0 of {row['lost']} taken back" in said


def test_the_leaderboard_does_not_tell_of_a_vote_that_may_be_undone(tmp_path):
    async def play(arena):
        found = await asked(arena)
        await arena.vote(found.name, "tie", "v")
        shown = [await Leaderboard(arena.config, arena.votes).html()]
        arena.config = arena.config.model_copy(update={"undo_seconds": 0.0})
        return [*shown, await Leaderboard(arena.config, arena.votes).html()]

    before, after = played(tmp_path, play)
    assert "no votes yet" in before
    assert "1 vote counted" in after


def test_an_undo_that_comes_too_late(tmp_path):
    async def play(arena):
        found = await asked(arena)
        await arena.vote(found.name, "tie", "v")
        await asyncio.sleep(0.1)
        with pytest.raises(Refused, match="too late"):
            await arena.undo(found.name)

    played(tmp_path, play, undo_seconds=0.05)


def test_a_failed_answer_shows_no_names_and_does_not_count(tmp_path, caplog):
    async def play(arena):
        found = await asked(arena)
        assert sorted(a.error for a in found.turns[0].answers) == ["", "server"]
        await arena.vote(found.name, "tie", "v")
        return arena.votes.count()

    counts = played(tmp_path, play, stone=says("one two three four", fail=1.0))
    assert counts == {"counted": 0, "withdrawn": 0, "error": 1}
    assert "stone did not answer" in caplog.text


def test_a_backend_that_breaks_in_an_unknown_way(tmp_path, caplog):
    class Broken(ScriptedChat):
        async def stream(self, prompt, index, sampling):
            yield "a"
            raise RuntimeError("boom")

    async def play(arena):
        found = await asked(arena)
        return sorted(a.error for a in found.turns[0].answers)

    assert played(tmp_path, play, wheel=Broken(lambda m, i, s: "x")) == ["", "unavailable"]
    (record,) = caplog.records
    assert "RuntimeError at test_web_arena.py" in record.getMessage()


def test_what_a_server_and_a_config_say_reaches_no_terminal_raw(tmp_path, caplog):
    def refused(messages, index, seed):
        raise RuntimeError("\x1b]0;owned\x07\nno \x9b31mgrain")

    async def play(arena):
        await asked(arena)

    models = [{**TWO[0], "name": "wheel"}, {**TWO[1], "name": "stone\x1b[2J"}]
    backends = {"wheel": ScriptedChat(refused), "stone\x1b[2J": ScriptedChat(refused)}

    async def main():
        config = PageConfig.of({"models": models})
        votes = Votes(tmp_path / "votes.sqlite")
        async with AsyncExitStack() as stack:
            for backend in backends.values():
                await stack.enter_async_context(backend)
            await play(Arena(config, votes, backends))
        votes.close()

    asyncio.run(main())
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert all("grain" in line and line.isprintable() for line in said)


def test_identity_does_not_count_and_extra_words_are_heeded(tmp_path):
    async def play(arena):
        found = await asked(arena)
        await arena.vote(found.name, "tie", "v")
        return arena.votes.count()

    counts = played(
        tmp_path, play, wheel=says("I come from Dusty Mills."), identity_words=["dusty mills"]
    )
    assert counts == {"counted": 0, "withdrawn": 0, "identity": 1}


def test_who_leaves_stops_both_answers(tmp_path):
    async def play(arena):
        found = arena.begin(None, "q", "v", "a")
        answers = arena.answers(found)
        await anext(answers)
        await asyncio.sleep(0.5)
        start = time.monotonic()
        await answers.aclose()
        assert time.monotonic() - start < 2
        assert [a.error for a in found.turns[0].answers] == ["stopped", "stopped"]
        assert all(a.text for a in found.turns[0].answers)

    slow = {"wheel": says("a " * 100, latency=20), "stone": says("b " * 100, latency=20)}
    played(tmp_path, play, **slow)


def test_answers_come_while_they_are_made_and_regenerating_gives_others(tmp_path):
    def told(messages, index, seed):
        return f"try {index} of {len(messages)} " + "word " * 5

    backends = {n: ScriptedChat(told, latency=0.4) for n in ("wheel", "stone")}

    async def play(arena):
        found = arena.begin(None, "q", "v", "a")
        lengths = set()
        async for _ in arena.answers(found):
            lengths.add(len(found.turns[0].answers[0].text))
        assert len(lengths) >= 3
        arena.again(found.name)
        async for _ in arena.answers(found):
            pass
        assert found.turns[0].answers[0].text.startswith("try 1 of 1")
        await asked(arena, found.name, "more")
        assert found.turns[1].answers[1].text.startswith("try 0 of 3")

    played(tmp_path, play, **backends)


def endless(text: str) -> ScriptedChat:
    class Endless(ScriptedChat):
        async def stream(self, prompt, index, sampling):
            while True:
                yield text

    return Endless(lambda m, i, s: "x")


def test_a_model_without_end_is_cut_off_and_lets_others_have_their_turn(tmp_path):
    async def play(arena):
        turns = 0

        async def other():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        found = await asked(arena)
        task.cancel()
        assert turns > 1000, "others come after each piece"
        assert [len(a.text) for a in found.turns[0].answers] == [LONGEST, LONGEST]
        assert [a.finish_reason for a in found.turns[0].answers] == ["length", "length"]
        assert not found.failed

    played(tmp_path, play, wheel=endless("grain " * 9), stone=says("x" * (LONGEST + 1)))


def test_what_takes_long_to_show_is_shown_less_often(tmp_path):
    async def play(arena):
        found = arena.begin(None, "q", "v", "a")
        looks = 0
        async for _ in arena.answers(found):
            looks += 1
            end = time.thread_time() + 0.1
            while time.thread_time() < end:
                pass
        assert looks <= 4

    slow = {name: says("a b c d", latency=1.5) for name in ("wheel", "stone")}
    played(tmp_path, play, **slow)


def test_limits(tmp_path):
    limits = {
        "rounds_per_hour": 2,
        "votes_per_hour": 1,
        "prompt_chars": 10,
        "turns": 2,
        "regenerations": 1,
        "address_rounds_per_hour": 3,
    }

    async def play(arena):
        for text, said in (("  ", "Write a prompt"), ("x" * 11, "10 characters; this one has 11")):
            with pytest.raises(Refused, match=said):
                arena.begin(None, text, "v", "a")
        one = await asked(arena)
        await asked(arena, one.name)
        with pytest.raises(Refused, match="2 turns at most"):
            arena.begin(one.name, "q", "v", "a")
        arena.again(one.name)
        async for _ in arena.answers(one):
            pass
        with pytest.raises(Refused, match="regenerated any more"):
            arena.again(one.name)
        two = await asked(arena)
        with pytest.raises(Refused, match="2 rounds an hour; the next in"):
            arena.begin(None, "q", "v", "a")
        await asked(arena, visitor="w")
        with pytest.raises(Refused, match="3 rounds an hour"):
            arena.begin(None, "q", "u", "a")
        await asked(arena, visitor="u", address="b")
        await arena.vote(one.name, "tie", "v")
        with pytest.raises(Refused, match="1 vote an hour"):
            await arena.vote(two.name, "tie", "v")
        assert not two.revealed

    played(tmp_path, play, limits=limits)


def test_rounds_left_alone_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(arena_module, "MOST_ROUNDS", 2)

    async def play(arena):
        one, two = await asked(arena), await asked(arena)
        arena.round(one.name)
        await asked(arena)
        assert arena.round(two.name) is None
        assert arena.round(one.name) is one
        with pytest.raises(Refused, match="is over"):
            arena.begin(two.name, "q", "v", "a")

    played(tmp_path, play)


def test_half_a_surrogate_pair_in_prompt_and_answer(tmp_path):
    async def play(arena):
        found = await asked(arena, text="q\ud83d")
        await arena.vote(found.name, "tie", "v")
        return [b.prompt for b in arena.votes.battles()]

    assert played(tmp_path, play, wheel=says("half \ud83d")) == ["q?"]


def test_the_file_holds_no_address(tmp_path):
    async def play(arena):
        judge = arena.votes.pseudonym("address 203.0.113.9")
        found = await asked(arena)
        await arena.vote(found.name, "tie", judge)

    played(tmp_path, play)
    assert all(b"203.0.113.9" not in p.read_bytes() for p in tmp_path.iterdir())


def board(tmp_path, votes, **settings) -> str:
    async def play(arena):
        for number, (a, b, winner, judge) in enumerate(votes):
            arena.votes.add(vote_on(a, b, winner, judge), key=str(number))
        return await Leaderboard(arena.config, arena.votes).html()

    return played(tmp_path, play, **settings)


def vote_on(a, b, winner, judge):
    return Battle(id="x", model_a=a, model_b=b, winner=winner, judge=judge, time=1.0)


MANY = [("wheel", "stone", w, "visitor:1") for w in ("model_a", "model_b", "model_a", "tie") * 5]


def test_a_leaderboard_without_votes_says_so(tmp_path):
    assert "no votes yet" in board(tmp_path, [])


def test_a_leaderboard_shows_aliases_ratings_and_the_heat_map(tmp_path):
    models = [{**TWO[0], "alias": "Anna"}, TWO[1]]
    html = board(tmp_path, MANY, models=models)
    assert "20 votes counted" in html
    assert "Anna" in html and "stone" in html and "wheel" not in html
    assert "heat" in html and "</style>" in html


def test_models_with_few_votes_are_named_below(tmp_path):
    html = board(tmp_path, [*MANY, ("wheel", "grain", "tie", "visitor:2")])
    assert "Fewer than 10 votes so far: grain (1)" in html


def test_votes_of_models_are_left_out_unless_wanted(tmp_path):
    votes = [(*vote[:3], "model:big") for vote in MANY]
    assert "no votes yet" in board(tmp_path, votes)
    (tmp_path / "b").mkdir()
    assert "20 votes counted" in board(tmp_path / "b", votes, leaderboard={"judges": True})


def test_names_on_the_leaderboard_are_no_html(tmp_path):
    evil = "<script>alert(1)</script>${alert(2)}{{ 7*7 }}"
    html = board(tmp_path, [(evil, "stone", w, "v") for _, _, w, _ in MANY])
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_leaderboard_is_made_at_most_every_so_often(tmp_path):
    async def play(arena):
        shown = Leaderboard(arena.config, arena.votes)
        first = await shown.html()
        arena.votes.add(vote_on("wheel", "stone", "tie", "v"), key="k")
        assert await shown.html() is first
        shown._made_at -= 61
        assert "1 vote counted" in await shown.html()

    played(tmp_path, play)


def test_a_config_from_a_file(tmp_path):
    path = tmp_path / "arena.yaml"
    path.write_text(yaml.safe_dump({"name": "Mills", "models": TWO, "votes": "data/v.sqlite"}))
    config = PageConfig.load(path)
    assert config.votes == str(tmp_path / "data" / "v.sqlite")
    assert (config.undo_seconds, config.limits.turns) == (5.0, 10)
    assert config.limits.address_rounds_per_hour == 240
    assert "stored" in config.notice


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"undo_second": 3}, "undo_second: unknown key; did you mean 'undo_seconds'?"),
        ({"limits": {"turn": 3}}, "limits.turn: unknown key; did you mean 'turns'?"),
        ({"leaderboard": {"refresh": 1}}, "leaderboard.refresh: unknown key"),
        ({"models": TWO[:1]}, "models: a battle needs at least two"),
        ({"models": [TWO[0], TWO[0]]}, "models: the name 'wheel' is there twice"),
        ({"models": [TWO[0], {"name": "x"}]}, "models[1].model: missing"),
        ({"weights": {"whel": 1}}, "weights.whel: no such model; known: wheel, stone"),
        ({"weights": {"wheel": -1}}, "weights.wheel: must be 0 or more"),
        ({"weights": {"wheel": 0}}, "weights: a battle needs two models"),
        ({"undo_seconds": -1}, "undo_seconds: "),
        ({"name": ""}, "name: "),
    ],
)
def test_a_wrong_config(tmp_path, change, said):
    path = tmp_path / "arena.yaml"
    path.write_text(yaml.safe_dump({"models": TWO, **change}))
    with pytest.raises(ConfigError) as caught:
        PageConfig.load(path)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_votes_that_are_another_file(tmp_path):
    with sqlite3.connect(tmp_path / "votes.sqlite") as base:
        base.execute("CREATE TABLE x (y)")
    base.close()
    with pytest.raises(DataError, match=r"votes\.sqlite"):
        asyncio.run(opened(tmp_path).__aenter__())


def test_a_visitor_does_not_wait_for_a_server_that_is_away(tmp_path):
    async def play(arena):
        found = await asked(arena)
        silent = next(s for s, m in enumerate(found.models) if m.called == "wheel")
        assert found.turns[0].answers[silent].error == "timeout"
        assert found.turns[0].answers[1 - silent].text == "two"

    models = [{"timeout": 0.2, **model} for model in TWO]
    played(tmp_path, play, models=models, wheel=says("late", latency=20.0))
