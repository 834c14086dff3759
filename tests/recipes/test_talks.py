"""Conversations: two turns, dialogues in which the model plays the user, demands on answers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gristmill.constraints import LANGUAGES, from_json, say_all, say_from_now_on, say_revise
from gristmill.errors import ConfigError, DataError
from gristmill.recipes._polite import spoken
from messy import Messy
from written import recipe_of, write

SEEDS = 30


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    path = tmp_path / "seeds.jsonl"
    rows = ({"prompt": f"Describe the {n}th planet of the star {n * 7}."} for n in range(SEEDS))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def roles(row: dict[str, Any]) -> list[str]:
    return [message["role"] for message in row.get("messages", [{"role": "user"}])]


def test_two_turns_are_user_assistant_user(seeds: Path) -> None:
    rows = write(recipe_of("two_turn", seeds=str(seeds)), 20).rows
    assert len(rows) == 20
    for row in rows:
        assert roles(row) == ["user", "assistant", "user"]
        assert row["messages"][0]["content"].startswith("Describe the ")
        assert [item["stage"] for item in row["lineage"]] == ["seed", "answer", "follow_up"]


@pytest.mark.parametrize("turns", [2, 3, 5])
def test_a_dialogue_has_so_many_turns_of_the_user_and_ends_in_one(seeds: Path, turns: int) -> None:
    rows = write(recipe_of("dialogue", seeds=str(seeds), turns=turns), 12).rows
    assert len(rows) == 12
    for row in rows:
        assert roles(row) == ["user", "assistant"] * (turns - 1) + ["user"]
        said = [m["content"] for m in row["messages"] if m["role"] == "user"]
        assert len(set(said)) == turns
        stages = ["answer", "user_turn"] * (turns - 1)
        assert [item["stage"] for item in row["lineage"]] == ["seed", "personality", *stages]


def test_users_differ_and_another_turn_of_a_seed_gets_another(seeds: Path) -> None:
    people = ["calm", "hasty", "kind"]
    made = recipe_of("dialogue", seeds=str(seeds), turns=2, personalities=people)
    rows = write(made, 2 * SEEDS).rows
    who = [(row["lineage"][0]["text"], row["lineage"][1]["text"]) for row in rows]
    assert len(set(who)) == 2 * SEEDS
    assert set(Counter(person for _, person in who)) == set(people)


def test_personalities_come_from_a_file(seeds: Path, tmp_path: Path) -> None:
    file = tmp_path / "people.txt"
    file.write_text("calm\n\ncalm\nhasty\n")
    made = recipe_of("dialogue", seeds="seeds.jsonl", personalities="people.txt")
    rows = write(made.located(tmp_path), 10).rows
    assert {row["lineage"][1]["text"] for row in rows} == {"calm", "hasty"}
    file.write_text("\n")
    with pytest.raises(DataError, match=r"people.txt: the file is empty"):
        made.located(tmp_path).check()
    file.write_bytes("fröhlich".encode("latin-1"))
    with pytest.raises(DataError, match=r"people.txt: not UTF-8 \(byte 2\)"):
        made.located(tmp_path).check()
    with pytest.raises(ConfigError, match="personalities"):
        recipe_of("dialogue", seeds=str(seeds), personalities=[" "]).check()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Thank you for the explanation! How long does it last?", "How long does it last?"),
        ("Thanks, that makes sense. But why?", "But why?"),
        ("Great! That's very helpful. What about salt?", "What about salt?"),
        ("Wow, that is fascinating! I appreciate it. And the cost?", "And the cost?"),
        ("I appreciate the warmth of wood. Which one is best?",) * 2,
        ("lid off, no squeak", "lid off, no squeak"),
        ("User: what about salt?", "what about salt?"),
        ("**User:** What about salt?\n\n**Assistant:** Salt is fine.", "What about salt?"),
        ("What about salt?\nAssistant: Salt is fine.", "What about salt?"),
        ("Vielen Dank für die Erklärung. Und das Salz?", "Und das Salz?"),
        ("Merci beaucoup. Et le sel ?", "Et le sel ?"),
        ("Thank you so much!", ""),
        ("", ""),
        # What is not thanks stays, whatever it begins with.
        ("Great Britain left in 2020. Why?", "Great Britain left in 2020. Why?"),
        ("Thankless jobs: name ten.", "Thankless jobs: name ten."),
        ("That is wrong. Check it again.", "That is wrong. Check it again."),
        ("The user: who is it in your example?", "The user: who is it in your example?"),
        ("Well water tastes odd. Why?", "Well water tastes odd. Why?"),
    ],
)
def test_what_models_put_before_a_users_words_is_taken_out(text: str, said: str) -> None:
    assert spoken(text) == said


def test_a_user_who_only_ever_thanks_makes_no_dialogue(seeds: Path) -> None:
    def polite(messages: list[dict[str, Any]], index: int, seed: int) -> str:
        played = "You play the user" in messages[-1]["content"]
        return "Thank you, that was very helpful!" if played else "It is round."

    written = write(recipe_of("dialogue", seeds=str(seeds)), 5, model=polite)
    assert written.rows == []
    assert "brought nothing" in written.report.stopped


def test_constraints_stand_in_the_prompt_and_in_the_row(seeds: Path) -> None:
    made = recipe_of("instructions", seeds=str(seeds), fewest=2, most=3)
    rows = write(made, 3 * SEEDS).rows
    assert len(rows) == 3 * SEEDS
    names: Counter[str] = Counter()
    for row in rows:
        demands = [from_json(json.dumps(c)) for c in row["constraints"]]
        assert 1 <= len(demands) <= 3
        said = say_all([d.constraint for d in demands], "en")
        assert row["prompt"].endswith(said)
        assert row["prompt"].startswith("Describe the ")
        names.update(next(iter(c)) for c in row["constraints"])
    assert len(names) > 20


def test_later_and_revised_demands_come_in_conversations(seeds: Path) -> None:
    made = recipe_of("instructions", seeds=str(seeds), later=0.4, revise=0.4)
    rows = write(made, 50).rows
    kinds: Counter[str] = Counter()
    for row in rows:
        demands = [from_json(json.dumps(c)) for c in row["constraints"]]
        constraints = [d.constraint for d in demands]
        if "prompt" in row:
            kinds["alone"] += 1
            assert row["prompt"].endswith(say_all(constraints, "en"))
            continue
        assert roles(row) == ["user", "assistant", "user"]
        first, _, last = (m["content"] for m in row["messages"])
        if demands[0].since is not None:
            kinds["later"] += 1
            assert {d.since for d in demands} == {1}
            assert first.endswith(say_from_now_on(constraints, "en"))
        else:
            kinds["revise"] += 1
            assert last == say_revise(constraints, "en")
            assert "Revise" not in first
    assert all(kinds[kind] > 2 for kind in ("alone", "later", "revise"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_demands_are_worded_in_the_prompts_language(seeds: Path, language: str) -> None:
    rows = write(recipe_of("instructions", seeds=str(seeds), language=language), 20).rows
    assert len(rows) == 20
    for row in rows:
        constraints = [from_json(json.dumps(c)).constraint for c in row["constraints"]]
        assert row["prompt"].endswith(say_all(constraints, language))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "sw"}, r"constraints are worded in"),
        ({"among": ["paragrafs"]}, r"among: unknown constraint 'paragrafs'; known: .*paragraphs"),
        ({"fewest": 4, "most": 2}, r"fewest is 4, above most"),
        ({"later": 0.7, "revise": 0.7}, r"together at most 1"),
        ({"among": ["uppercase"], "language": "ja"}, r"among: none of uppercase"),
        ({"seeds": None}, r"seeds"),
    ],
)
def test_a_wrong_setting_is_named(seeds: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe_of("instructions", **{"seeds": str(seeds), **options})


def test_a_seeds_answer_is_not_that_of_the_conversation(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text('{"prompt": "What is 2 + 3?", "answer": "5", "category": "sum"}\n')
    for name in ("two_turn", "dialogue", "instructions"):
        (row,) = write(recipe_of(name, seeds=str(path)), 1).rows
        assert "answer" not in row
        assert row["category"] == "sum"


PEOPLE = ["A nurse of 50 who gardens.", "A student who cooks.", "A smith."]


@pytest.mark.parametrize(
    "name", ["open_qa", "writing", "coding", "math", "two_turn", "dialogue", "evolve"]
)
def test_the_row_says_who_asks_and_each_asks_about_as_often(seeds: Path, name: str) -> None:
    seeded = {"seeds": str(seeds)} if name in ("two_turn", "dialogue", "evolve") else {}
    asked: list[str] = []
    model = Messy()

    def listening(messages: list[dict[str, Any]], index: int, seed: int) -> Any:
        asked.append(messages[-1]["content"])
        return model(messages, index, seed)

    rows = write(recipe_of(name, personas=PEOPLE, **seeded), 30, model=listening).rows
    found = Counter(row["persona"] for row in rows)
    assert set(found) == set(PEOPLE)
    for person in PEOPLE:
        assert any(person in text for text in asked)


def test_people_are_thought_of_or_come_from_a_file(tmp_path: Path) -> None:
    rows = write(recipe_of("open_qa", personas=12), 60).rows
    assert 6 < len({row["persona"] for row in rows}) <= 12
    file = tmp_path / "people.txt"
    file.write_text("\n".join(PEOPLE))
    made = recipe_of("open_qa", personas="people.txt").located(tmp_path)
    assert {row["persona"] for row in write(made, 30).rows} == set(PEOPLE)


def test_another_recipe_can_write_the_seeds(tmp_path: Path) -> None:
    for name in ("two_turn", "dialogue", "instructions"):
        made = recipe_of(name, seeds={"open_qa": {"subtopics": 2, "refinements": 0}})
        rows = write(made, 15).rows
        assert len(rows) == 15
        assert [item["stage"] for item in rows[0]["lineage"]][:3] == [
            *("topic", "subtopic", "question")
        ]


@pytest.mark.parametrize("name", ["two_turn", "dialogue", "instructions"])
def test_the_same_comes_whatever_the_latency(name: str, seeds: Path) -> None:
    options = {"later": 0.3, "revise": 0.3} if name == "instructions" else {}
    first = write(recipe_of(name, seeds=str(seeds), **options), 40).rows
    for concurrency in (1, 13):
        hurried = recipe_of(name, seeds=str(seeds), concurrency=concurrency, **options)
        assert write(hurried, 40, latency=(0.0, 0.002)).rows == first


def test_what_the_recipes_write_the_mill_reads(seeds: Path, tmp_path: Path) -> None:
    from gristmill.intake.source import Source
    from gristmill.mill.source import read_prompts
    from gristmill.records import Prompt

    made = recipe_of("instructions", seeds=str(seeds), later=0.3, revise=0.3)
    rows = write(made, 20).rows
    file = tmp_path / "out.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    prompts = list(read_prompts([Source(file=str(file))]))
    assert all(isinstance(p, Prompt) and p.constraints for p in prompts)
