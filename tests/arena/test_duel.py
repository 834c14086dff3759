"""Battles decided by judges: answers, verdicts in both orders, votes; failures stay failures."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import bench_judges
from gristmill.arena.battles import Battle
from gristmill.arena.duel.config import Config
from gristmill.arena.duel.run import battle
from gristmill.arena.duel.show import battle_lines
from gristmill.arena.store import Votes, read_votes
from gristmill.errors import BackendError, BackendFatal, CheckpointError, ConfigError, RunError
from gristmill.terminal.live import Bar
from servers import FAULTS, FaultyServer

GOOD, POOR, SAME = (f"scripted:duelists:{name}" for name in ("good", "poor", "same"))
PICKS = {"choice": {"model": "scripted:duelists:picks_good"}}
calls: Counter[str] = Counter()
failing: set[str] = set()
unreadable: set[str] = set()


def says(word: str) -> Any:
    def answer(messages: list[dict[str, Any]], index: int, seed: int) -> str:
        text = messages[-1]["content"]
        calls[word] += 1
        if f"{word}:{text}" in failing:
            raise BackendError("timeout", "no reply in time")
        return "  " if f"blank:{text}" in failing else f"{word} answer to {text}"

    return answer


def calls_alone(messages: list[dict[str, Any]], index: int, seed: int) -> dict[str, Any]:
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    return {"content": None, "tool_calls": [call]}


def picks_good(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """Whatever stands first in order: good, same, poor; unreadable where it is told to be."""
    calls["judge"] += 1
    answers = bench_judges.shown(messages)
    if any(text in unreadable for text in answers[:1]):
        return "Hard to say."
    worth = ["good", "same", "poor"]
    best = min((0, 1), key=lambda n: worth.index(answers[n].split()[0]))
    return f"[[{'AB'[best]}]]"


@pytest.fixture(autouse=True)
def _duelists(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = {word: says(word) for word in ("good", "poor", "same")}
    functions["system"] = lambda messages, index, seed: "|".join(m["content"] for m in messages)
    functions["calls_alone"] = calls_alone
    module = SimpleNamespace(**functions, picks_good=picks_good)
    monkeypatch.setitem(sys.modules, "duelists", module)  # type: ignore[arg-type]
    for memory in (calls, failing, unreadable, bench_judges.asked, bench_judges.failing):
        memory.clear()


def config(folder: Path, count: int = 12, **changes: Any) -> Config:
    prompts = folder / "prompts.jsonl"
    if not prompts.exists():
        rows = [{"prompt": f"question {n}", "category": "quiz", "language": "en"}
                for n in range(count)]  # fmt: skip
        prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = {
        "models": [{"model": GOOD, "name": "good"}, {"model": POOR, "name": "poor"}],
        "prompts": {"file": "prompts.jsonl"},
        "judges": [PICKS],
        **changes,
    }
    return Config.of(values, folder)


def run(folder: Path, **changes: Any) -> dict[str, Any]:
    return battle(config(folder, **changes), folder / "out")


def votes(folder: Path) -> list[Battle]:
    return list(read_votes(folder / "votes.sqlite"))


def test_the_better_model_wins_whichever_side_it_is_on(tmp_path: Path) -> None:
    found = run(tmp_path, count=40)
    rows = votes(tmp_path)
    assert (found["battles"], found["prompts"], len(rows)) == (40, 40, 40)
    sides = Counter(row.model_a for row in rows)
    assert 10 < sides["good"] < 30, "who is A is drawn"
    for row in rows:
        assert row.winner == ("model_a" if row.model_a == "good" else "model_b")
        assert row.judge == "model:scripted:duelists:picks_good"
        assert (row.language, row.categories, row.turns) == ("en", ("quiz",), 1)
        assert [m.role for m in row.conversation_a] == ["user", "assistant"]
        assert row.conversation_a[-1].content == f"{row.model_a} answer to {row.prompt}"
        assert row.time is not None and abs(row.time - time.time()) < 600
    assert calls == {"good": 40, "poor": 40, "judge": 80}
    assert found["judges"][rows[0].judge]["flips"] == 0
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == found


def test_a_judge_that_looks_at_the_place_makes_ties_that_are_counted(tmp_path: Path) -> None:
    found = run(tmp_path, judges=[{"choice": {"model": "scripted:bench_judges:first"}}])
    assert {row.winner for row in votes(tmp_path)} == {"tie"}
    judge = found["judges"]["model:scripted:bench_judges:first"]
    assert (judge["votes"], judge["ties"], judge["flips"]) == (12, 12, 12)
    assert any("12 votes, 12 of them ties (12 position flips)" in n for n in battle_lines(found))


def test_one_unreadable_order_is_no_vote_and_is_tried_again(tmp_path: Path) -> None:
    unreadable.add("good answer to question 3")  # only where it is shown first
    found = run(tmp_path)
    judge = found["judges"]["model:scripted:duelists:picks_good"]
    assert judge["failures"] == {"unreadable": 1}
    assert (judge["votes"], judge["ties"], len(votes(tmp_path))) == (11, 0, 11)
    assert "question 3" not in {row.prompt for row in votes(tmp_path)}
    assert any("unreadable 1" in line for line in battle_lines(found))
    calls.clear()
    unreadable.clear()
    found = run(tmp_path)
    assert calls == {"judge": 2}
    assert found["judges"]["model:scripted:duelists:picks_good"]["failures"] == {}
    assert len(votes(tmp_path)) == 12


def test_nonsense_never_becomes_a_tie(tmp_path: Path) -> None:
    found = run(tmp_path, judges=[{"choice": {"model": "scripted:bench_judges:nonsense"}}])
    judge = found["judges"]["model:scripted:bench_judges:nonsense"]
    assert judge["failures"] == {"unreadable": 12} and judge["votes"] == 0
    assert votes(tmp_path) == []


def test_an_answer_in_several_pairs_is_graded_once(tmp_path: Path) -> None:
    models = [{"model": m, "name": m[-4:]} for m in (GOOD, POOR, SAME)]
    judges = [{"reward": {"model": "scripted:bench_judges:length"}}]
    found = run(tmp_path, models=models, judges=judges)
    assert len(votes(tmp_path)) == 3 * 12
    assert len(bench_judges.asked) == 3 * 12
    assert found["judges"]["model:scripted:bench_judges:length"]["failures"] == {}


def test_a_reward_model_decides_by_score_and_margin(tmp_path: Path) -> None:
    length = {"model": "scripted:bench_judges:length"}
    names = [{"model": GOOD, "name": "good"}, {"model": SAME, "name": "same"},
             {"model": "scripted:duelists:system", "name": "short"}]  # fmt: skip
    judges = [{"reward": length}, {"reward": {**length, "margin": 5.0, "name": "wide"}}]
    found = run(tmp_path, count=3, models=names, judges=judges)
    rows = {(r.judge, *sorted((r.model_a, r.model_b))): r for r in votes(tmp_path)}
    exact, wide = "model:scripted:bench_judges:length", "model:wide"
    assert rows[exact, "good", "same"].winner == "tie", "equally long"
    short = rows[exact, "good", "short"]
    assert short.winner == ("model_a" if short.model_a == "good" else "model_b")
    assert rows[wide, "good", "same"].winner == "tie"
    assert rows[wide, "good", "short"].winner != "tie"
    assert found["judges"][exact]["ties"] == 3
    assert found["agreement"]["models"]["units"] == 9
    assert found["agreement"]["people"] is None


def test_people_and_judges_meet_on_one_id(tmp_path: Path) -> None:
    run(tmp_path)
    table = Votes(tmp_path / "votes.sqlite")
    for row in list(table.battles()):
        turned = Battle(id=row.id, model_a=row.model_b, model_b=row.model_a, judge="ann",
                        winner="model_b" if row.winner == "model_a" else "model_a")  # fmt: skip
        table.add(turned, key=f"{row.id}:ann")
    table.close()
    found = run(tmp_path)["agreement"]["people_with_models"]
    assert (found["units"], found["agreement"]) == (12, 1.0)


def test_a_failed_answer_is_no_battle_and_is_tried_again(tmp_path: Path) -> None:
    failing.update(("poor:question 1", "blank:question 2"))
    found = run(tmp_path)
    assert found["models"]["poor"]["failures"] == {"timeout": 1, "empty": 1}
    assert found["models"]["good"]["failures"] == {"empty": 1}
    assert (found["pairs"], found["battles"], len(votes(tmp_path))) == (12, 10, 10)
    said = "\n".join(battle_lines(found))
    assert "poor: no answer: timeout 1, empty 1" in said and "run again" in said
    calls.clear()
    failing.clear()
    assert run(tmp_path)["battles"] == 12
    assert calls == {"poor": 2, "good": 1, "judge": 4}


def test_a_call_of_a_tool_is_no_answer_and_is_said(tmp_path: Path) -> None:
    models = [{"model": GOOD, "name": "good"},
              {"model": "scripted:duelists:calls_alone", "name": "caller"}]  # fmt: skip
    found = run(tmp_path, models=models, count=2)
    said = "caller answered nothing but called a tool, and nobody answers calls here"
    assert said in found["models"]["caller"]["first_failure"]


def test_a_second_run_costs_no_call_and_a_lost_table_is_filled_again(tmp_path: Path) -> None:
    first = run(tmp_path)
    before = votes(tmp_path)
    calls.clear()
    assert run(tmp_path) == first
    assert votes(tmp_path) == before
    for path in tmp_path.glob("votes.sqlite*"):
        path.unlink()
    assert run(tmp_path) == first
    assert sorted(votes(tmp_path), key=lambda r: r.id) == sorted(before, key=lambda r: r.id)
    assert not calls


def test_a_judge_that_comes_later_costs_its_own_calls_alone(tmp_path: Path) -> None:
    run(tmp_path)
    calls.clear()
    more = [PICKS, {"reward": {"model": "scripted:bench_judges:length"}}]
    found = run(tmp_path, judges=more)
    assert not calls
    assert len(bench_judges.asked) == 24
    assert {row.id for row in votes(tmp_path)} == {row.id for row in votes(tmp_path)[:12]}
    assert found["agreement"]["models"]["units"] == 12


def test_more_prompts_and_models_cost_only_what_is_new(tmp_path: Path) -> None:
    run(tmp_path, limit=5)
    calls.clear()
    names = [{"model": m, "name": n} for m, n in ((GOOD, "good"), (POOR, "poor"), (SAME, "same"))]
    found = run(tmp_path, limit=7, models=names)
    assert (found["prompts"], found["battles"]) == (7, 21)
    assert calls == {"good": 2, "poor": 2, "same": 7, "judge": 2 * (21 - 5)}


def test_equal_answers_are_a_tie_that_nobody_is_asked_about(tmp_path: Path) -> None:
    twins = [{"model": GOOD, "name": "one"}, {"model": GOOD, "name": "two", "temperature": 0}]
    found = run(tmp_path, models=twins)
    assert "judge" not in calls
    judge = found["judges"]["model:scripted:duelists:picks_good"]
    assert (judge["votes"], judge["ties"], judge["equal"], judge["flips"]) == (12, 12, 12, 0)


def test_other_settings_under_one_name_are_refused(tmp_path: Path) -> None:
    run(tmp_path)
    hot = [{"model": GOOD, "name": "good", "temperature": 0}, {"model": POOR, "name": "poor"}]
    with pytest.raises(CheckpointError, match=r"models: 'good' had other settings.*temperature"):
        run(tmp_path, models=hot)
    long = {"choice": {**PICKS["choice"], "max_tokens": 9}}
    with pytest.raises(CheckpointError, match=r"judges: 'model:scripted.*max_tokens: 2048 there"):
        run(tmp_path, judges=[long])
    named = {"choice": {**long["choice"], "name": "terse"}}
    assert run(tmp_path, judges=[named])["judges"]["model:terse"]["votes"] == 12


def test_a_judge_that_fights_too_is_named(tmp_path: Path) -> None:
    found = run(tmp_path, judges=[{"choice": {"model": GOOD}}])
    assert "also fights, as good" in found["notes"][0]


def test_the_systems_message_and_earlier_turns_reach_the_model(tmp_path: Path) -> None:
    system = "scripted:duelists:system"
    models = [{"model": system, "name": "x", "system": "be brief"}, {"model": GOOD, "name": "good"}]
    talk = [{"role": r, "content": c} for r, c in (("user", "hi"), ("assistant", "yes?"),
                                                   ("user", "go on"))]  # fmt: skip
    rows = [{"messages": talk}, {"messages": [{"role": "system", "content": "own"}, *talk]}]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    run(tmp_path, models=models, judges=[{"reward": {"model": "scripted:bench_judges:length"}}])
    said = set()
    for row in votes(tmp_path):
        side = row.conversation_a if row.model_a == "x" else row.conversation_b
        assert [m.role for m in side] == ["user", "assistant", "user", "assistant"]
        assert (row.turns, row.prompt) == (2, "hi")
        said.add(side[-1].content)
    assert said == {"be brief|hi|yes?|go on", "own|hi|yes?|go on"}


def test_bad_rows_are_counted_and_the_rest_goes_on(tmp_path: Path) -> None:
    lines = ['{"prompt": "a b"}', "{", '{"prompt": ""}', '{"prompt": "a b"}', '{"other": 1}']
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines))
    found = run(tmp_path)
    assert found["refused"] == {
        "bad_json": 1,
        "empty_prompt": 1,
        "duplicate": 1,
        "unknown_format": 1,
    }
    rows = [json.loads(r) for r in (tmp_path / "out" / "refused.jsonl").read_text().splitlines()]
    assert [row["where"] for row in rows] == [f"prompts.jsonl:{n}" for n in (2, 3, 4, 5)]
    assert any("empty_prompt 1" in line for line in battle_lines(found))


def test_prompts_of_the_tutor_world(tmp_path: Path) -> None:
    assert run(tmp_path, prompts={"file": "tutor:9"})["battles"] == 9


def test_a_model_that_is_down_stops_the_run_and_what_is_done_stays(tmp_path: Path) -> None:
    settings = {"count": 100, "judges": [{"reward": {"model": "scripted:bench_judges:down"}}]}
    with pytest.raises(RunError, match=r"64 calls in a row failed.*connection.*run again"):
        run(tmp_path, **settings)
    calls.clear()
    found = run(tmp_path)
    assert (calls["good"], found["battles"]) == (0, 100)


def test_a_wrong_key_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(BackendFatal, match="the key is wrong"):
        run(tmp_path, judges=[{"reward": {"model": "scripted:bench_judges:locked_out"}}])
    other = tmp_path / "other"
    other.mkdir()
    with FaultyServer(status=401) as server, pytest.raises(BackendFatal, match="401"):
        run(other, models=[{"model": server.chat}, {"model": POOR}])


def test_what_a_server_does_wrong_ends_in_the_same_votes(tmp_path: Path) -> None:
    results = []
    for name, faults in (("calm", ()), ("rough", FAULTS)):
        folder = tmp_path / name
        folder.mkdir()
        with FaultyServer(limit=8, faults=faults, share=0.4, stall=0.05) as server:
            pace = {"concurrency": 8, "timeout": 5, "retries": 8}
            models = [{"model": server.chat, "name": "cold", "temperature": 0.0, **pace},
                      {"model": server.chat, "name": "hot", "body": {"seed": None},
                       **pace}]  # fmt: skip
            judges = [{"reward": {"model": server.reward, "name": "reward", **pace}}]
            found = run(folder, count=30, models=models, judges=judges)
            assert server.max_in_flight <= 2 * 8
        assert found["judges"]["model:reward"]["failures"] == {}
        results.append({(r.id, r.model_a, r.winner) for r in votes(folder)})
    assert results[0] == results[1] and len(results[0]) == 30
    assert len({winner for _, _, winner in results[0]}) == 2


_KILLED = """
import sys
from gristmill.arena.duel.config import Config
from gristmill.arena.duel.run import battle
battle(Config.load(sys.argv[1]), sys.argv[2])
"""


def test_killed_again_and_again_nothing_is_paid_for_twice_or_lost(tmp_path: Path) -> None:
    pace = {"concurrency": 4}
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": f"question {n}"}) + "\n" for n in range(30)))
    total = 30 * 2 + 30 * 2
    with FaultyServer(latency=0.01) as server:
        values = {
            "models": [{"model": server.chat, "name": "one", **pace},
                       {"model": server.chat, "name": "two", "body": {"seed": None}, **pace}],
            "prompts": {"file": "prompts.jsonl"},
            "judges": [{"reward": {"model": server.reward, "name": "judge", **pace}}],
        }  # fmt: skip
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(values))
        command = [sys.executable, "-c", _KILLED, str(path), str(tmp_path / "out")]
        for moment in (15, 45, 75, 105):
            with subprocess.Popen(command) as process:
                end = time.monotonic() + 60
                while server.requests < moment and process.poll() is None:
                    assert time.monotonic() < end
                    time.sleep(0.002)
                process.kill()
            assert process.returncode == -signal.SIGKILL
        found = battle(Config.load(path), tmp_path / "out")
        assert total <= server.requests <= total + 4 * (4 + 4)
        assert found["judges"]["model:judge"]["votes"] == found["battles"] == 30
    rows = votes(tmp_path)
    assert len(rows) == len({row.id for row in rows}) == 30


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"models": [{"model": GOOD}]}, "models: a battle needs at least two"),
        ({"models": [{"model": GOOD}] * 2}, "is there twice"),
        ({"judges": []}, "judges: nobody decides"),
        ({"judges": [{"rewards": {"model": "tiny:reward"}}]}, "did you mean 'reward'"),
        ({"judges": [PICKS, PICKS]}, "is there twice; give each a name"),
        ({"judges": [PICKS, {"choice": {**PICKS["choice"], "name": "x"}}]}, "the same but for"),
        ({"judges": [{"choice": {"model": "tiny:instruct", "margin": 1}}]}, "choice.margin: unkn"),
        ({"pairs": "some"}, r"pairs: write 'all' or \{per_prompt: N\}"),
        ({"pairs": {"per_prompt": 0}}, r"pairs.per_prompt: .*greater than or equal to 1"),
        ({"pairs": {"each": 2}}, "pairs.each: unknown key"),
        ({"prompts": []}, "prompts: name at least one source"),
        ({"prompt": {"file": "x"}}, "did you mean 'prompts'"),
    ],
)
def test_a_mistake_in_the_config_is_named(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        config(tmp_path, **changes)


def test_a_file_of_settings_is_named_in_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("models: [\n")
    with pytest.raises(ConfigError, match=r"bad\.yaml: line 2"):
        Config.load(path)


def test_a_wrong_model_is_found_before_any_call(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown model 'tini:reward'"):
        run(tmp_path, judges=[{"reward": {"model": "tini:reward"}}])
    assert not calls and not (tmp_path / "out").exists()


def test_progress_is_told_in_plain_lines(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    from rich.console import Console

    from gristmill.terminal import live

    monkeypatch.setattr(live, "PLAIN_EVERY", -1.0)
    with Bar(Console(force_terminal=False, width=200)) as watch:
        battle(config(tmp_path), tmp_path / "out", watch)
    told = capsys.readouterr().out
    assert "answers of good (1 of 2): 12 of 12" in told
    assert "verdicts of model:scripted:duelists:picks_good: 12 of 12" in told


def test_battles_of_people_are_judged_once_more(tmp_path: Path) -> None:
    path = tmp_path / "people.jsonl"
    turns = [{"role": "user", "content": "Which?"}]

    def row(name: str, a: str, b: str, **more: Any) -> dict[str, Any]:
        sides = [
            [*turns, {"role": "assistant", "content": f"{word} answer to Which?"}]
            for word in (a, b)
        ]
        return {
            **{"id": name, "model_a": a, "model_b": b, "winner": "model_a", "judge": "ann"},
            **{"conversation_a": sides[0], "conversation_b": sides[1], **more},
        }

    other = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "That."}]
    rows = [
        row("1", "good", "poor"),
        row("1", "good", "poor", judge="ben", winner="tie"),
        row("2", "poor", "good", language="de", categories=["coding", "hard_prompt"]),
        row("3", "good", "poor", conversation_b=other),
        {"id": "4", "model_a": "good", "model_b": "poor", "winner": "tie"},
    ]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    config = Config.of({"battles": "people.jsonl", "judges": [PICKS]}, tmp_path)
    summary = battle(config, tmp_path / "out")
    votes = {vote.id: vote for vote in read_votes(tmp_path / "votes.sqlite")}
    assert {name: vote.winner for name, vote in votes.items()} == {"1": "model_a", "2": "model_b"}
    assert votes["2"].categories == ("coding", "hard_prompt")
    assert votes["2"].language == "de"
    assert (summary["pairs"], summary["battles"]) == (4, 2)
    # Ann agrees on one of two, Ben does not on the one that he saw.
    assert summary["agreement"]["people_with_models"]["units"] == 2
    with pytest.raises(ConfigError, match="models: missing; name models and prompts, or battles"):
        Config.of({"prompts": {"file": "tutor:5"}, "judges": [PICKS]})


def test_what_is_printed_holds_no_escapes():
    evil = "mill\x1b[31m"
    models = {evil: {"failures": {"server": 2}, "first_failure": evil, "cut_off": 1}}
    none = {"failures": {}, "first_failure": None}
    judges = {evil: {"votes": 1, "ties": 0, "flips": 0, "equal": 0, **none}}
    nobody = {"people": None, "models": None, "people_with_models": None}
    counts = {"refused": {}, "pairs": 1, "battles": 1, "prompts": 1, "cached": 0}
    summary = {**counts, "models": models, "judges": judges, "agreement": nobody}
    lines = battle_lines({**summary, "notes": [evil], "votes": f"out/{evil}/votes.sqlite"})
    assert len(lines) > 5
    assert all(line.isprintable() for line in lines)
