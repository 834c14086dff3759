"""Prompts from prompts: seed files, seeds that another recipe writes, evolve and self-instruct."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import ConfigError, DataError
from gristmill.intake.source import Source
from gristmill.parts import name_of
from gristmill.recipes._seeds import read_seeds
from gristmill.recipes.evolve import DEEPER
from messy import Messy, sentence
from written import recipe_of, write


def file_of(folder: Path, *rows: Any, name: str = "seeds.jsonl") -> str:
    """A file with these rows; a text is a line as it stands."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path = folder / name
    path.write_text("".join(line + "\n" for line in lines))
    return str(path)


def prompts(count: int) -> list[dict[str, str]]:
    return [{"prompt": f"What grows on hill number {n}?"} for n in range(count)]


def test_seeds_are_read_in_every_form_in_order(tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "More?"}]  # fmt: skip
    path = file_of(
        tmp_path,
        {"prompt": "One?", "category": "sums", "answer": "1"},
        {"messages": talk},
        {"instruction": "Sort these.", "instances": [{"input": "3 1 2", "output": "1 2 3"}]},
        {"instruction": "Sing.", "input": "", "output": "La"},
        {"instruction": "Translate.", "input": "Haus"},
    )
    found = read_seeds(Source(file=path))
    assert [draft.asked for draft in found] == [
        "One?", "More?", "Sort these.\n\n3 1 2", "Sing.", "Translate.\n\nHaus",
    ]  # fmt: skip
    assert found[0].facts == {"category": "sums", "answer": "1"}
    assert [draft.item.note for draft in found] == [f"seeds.jsonl:{n}" for n in range(1, 6)]
    assert found[1].item.text == "User: Hi\n\nAssistant: Hello\n\nUser: More?"


def test_repeated_seeds_and_lines_without_one_are_counted_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    path = file_of(
        tmp_path, *prompts(20), {"prompt": " what GROWS on hill number 3?"}, "{oops",
        {"prompt": ""}, {"text": "not a prompt"}, {"prompt": "And this one?"},
    )  # fmt: skip
    dropped: Counter[str] = Counter()
    assert len(read_seeds(Source(file=path), dropped)) == 21
    assert dropped == {"seed:repeated": 1, "seed:no_prompt": 3}
    for name in ("evolve", "self_instruct"):
        report = write(recipe_of(name, seeds=path), 60).report
        assert report.delivered == 60
        assert (report.dropped["seed:repeated"], report.dropped["seed:no_prompt"]) == (1, 3)


@pytest.mark.parametrize("name", ["evolve", "self_instruct"])
@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ([], "there is no prompt in it"),
        (["{oops"], r"seeds\.jsonl:1: "),
        (
            [{"text": "x"}, {"text": "y"}],
            r"seeds\.jsonl:1: wrong_kind: a row of 'text'",
        ),
        ([{"instruction": ""}], "'instruction' is empty"),
        (
            [{"messages": [{"role": "user"}]}],
            r":1: bad_turns: 'messages\[0\]' has no text",
        ),
    ],
)
def test_a_file_without_a_prompt_is_an_error_that_names_its_first_line(
    name: str, tmp_path: Path, lines: list[Any], error: str
) -> None:
    with pytest.raises(DataError, match=error):
        recipe_of(name, seeds=file_of(tmp_path, *lines)).check()


@pytest.mark.parametrize("name", ["evolve", "self_instruct"])
def test_a_missing_file_and_missing_seeds_are_errors(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl: no such file"):
        recipe_of(name, seeds="none.jsonl").located(tmp_path).check()
    with pytest.raises(ConfigError, match="seeds: missing"):
        recipe_of(name)


@pytest.mark.parametrize(
    ("seeds", "error"),
    [
        ({"open_qaa": {}}, "did you mean 'open_qa'"),
        ({"open_qa": {"topicz": 3}}, "seeds: open_qa.topicz: unknown key; did you mean 'topics'"),
        ({"open_qa": {}, "math": {}}, "write one part"),
        ({"open_qa": {"count": 3}}, "leave out 'count'"),
        ({"open_qa": {"model": "scripted:echo"}}, "leave out 'model'"),
        ({"evolve": {}}, "evolve.seeds: missing"),
        ({}, "write one part"),
    ],
)
def test_a_recipe_of_seeds_that_cannot_be_used_is_named(seeds: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        recipe_of("evolve", seeds=seeds)


def test_files_of_a_recipe_of_seeds_lie_in_the_configs_folder(tmp_path: Path) -> None:
    path = file_of(tmp_path, *prompts(3))
    recipe = recipe_of("evolve", seeds={"evolve": {"seeds": "seeds.jsonl"}}).located(tmp_path)
    recipe.check()
    assert path in json.dumps(recipe.model_dump(mode="json"))
    with pytest.raises(DataError, match=r"other\.jsonl"):
        recipe_of("evolve", seeds={"evolve": {"seeds": "other.jsonl"}}).located(tmp_path).check()


def test_a_recipe_of_seeds_has_language_templates_and_seed_of_the_one_around_it(
    tmp_path: Path,
) -> None:
    options = {"language": "de", "seed": 3, "templates": "."}
    recipe = recipe_of("evolve", seeds={"open_qa": {"seed": 7}}, **options).located(tmp_path)
    inner = recipe.seed_recipe  # type: ignore[attr-defined]
    assert (name_of(inner), inner.language, inner.seed) == ("open_qa", "de", 7)
    assert inner.templates == recipe.templates
    plain = recipe_of("evolve", seeds={"open_qa": {}})
    assert plain.seed_recipe.checked_language is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("seeds", [{"open_qa": {}}, {"coding": {"languages": ["c", "d"]}},
                                   {"evolve": {"seeds": {"math": {}}}}])  # fmt: skip
def test_seeds_can_come_from_another_recipe(seeds: dict[str, Any]) -> None:
    recipe = recipe_of("evolve", seeds=seeds)
    first = write(recipe, 40)
    assert len(first.rows) == 40
    again = recipe_of("evolve", seeds=seeds, concurrency=5)
    assert write(again, 40, latency=(0.0, 0.002)).rows == first.rows
    for row in first.rows:
        stages = [item["stage"] for item in row["lineage"]]
        assert stages[-1] == "evolved" and len(stages) >= 4
    if "coding" in seeds:
        assert {row["category"] for row in first.rows} == {"coding:c", "coding:d"}


def test_no_more_seeds_are_written_than_are_wanted() -> None:
    model = Messy(lists=["numbered"], texts=["plain"])
    recipe = recipe_of("evolve", seeds={"open_qa": {"refinements": 0, "questions": 2}})
    written = write(recipe, 10, model, latency=0.001)
    assert written.report.stages["question"].items <= 14


def test_not_more_calls_are_in_flight_than_may_be_though_two_recipes_call() -> None:
    import asyncio

    messy = Messy()
    now, most = 0, 0

    async def model(messages: list[dict[str, Any]], index: int, seed: int) -> Any:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.0005)
        now -= 1
        return messy(messages, index, seed)

    write(recipe_of("evolve", seeds={"open_qa": {}}, concurrency=3), 40, model)
    assert most == 3


@pytest.mark.parametrize("rounds", [1, 3])
def test_each_round_rewrites_what_the_last_one_gave(tmp_path: Path, rounds: int) -> None:
    recipe = recipe_of("evolve", seeds=file_of(tmp_path, *prompts(30)), rounds=rounds, wider=0)
    for row in write(recipe, 30, Messy(texts=["plain"])).rows:
        seed, *evolved = row["lineage"]
        assert seed["from"].startswith("seeds.jsonl:")
        assert len(evolved) == rounds
        ways = [item["from"] for item in evolved]
        assert set(ways) <= set(DEEPER) and len(set(ways)) == rounds


@pytest.mark.parametrize(("wider", "low", "high"), [(0.0, 0, 0), (0.5, 60, 140), (1.0, 200, 200)])
def test_the_share_of_wider_rewritings_is_what_was_asked_for(
    tmp_path: Path, wider: float, low: int, high: int
) -> None:
    recipe = recipe_of("evolve", seeds=file_of(tmp_path, *prompts(220)), wider=wider)
    rows = write(recipe, 200, Messy(texts=["plain"])).rows
    assert low <= sum(row["lineage"][-1]["from"] == "wider" for row in rows) <= high


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("What grows on  HILL number 0?", "unchanged"),
        ("What grows there in winter? #Rewritten Prompt#", "leaked"),
        ("As in the given prompt, say what grows there.", "leaked"),
        ("What grows there?</request>", "leaked"),
        ("I'm sorry, but I can't rewrite that.", "no_reply"),
        ("", "no_reply"),
    ],
)
def test_rewritings_that_are_none_are_dropped_and_counted(
    tmp_path: Path, reply: str, reason: str
) -> None:
    recipe = recipe_of("evolve", seeds=file_of(tmp_path, *prompts(1)))
    written = write(recipe, 5, lambda messages, index, seed: reply)
    assert not written.rows
    assert written.report.dropped == {f"evolution:{reason}": 2}


def test_a_round_that_fails_leaves_what_the_rounds_before_made(tmp_path: Path) -> None:
    def model(messages: list[dict[str, Any]], index: int, seed: int) -> str:
        said = "Which of the flowers on the hill bloom in winter, and why?"
        return "I cannot help with that." if "winter" in messages[0]["content"] else said

    recipe = recipe_of("evolve", seeds=file_of(tmp_path, *prompts(1)), rounds=2)
    written = write(recipe, 1, model)
    assert len(written.rows) == 1
    assert [item["stage"] for item in written.rows[0]["lineage"]] == ["seed", "evolved"]
    assert written.report.dropped == {"evolution:no_reply": 2}


def test_a_conversation_goes_on_when_its_last_turn_is_made_harder(tmp_path: Path) -> None:
    said = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "More?")]
    talk = [{"role": role, "content": content} for role, content in said]
    path = file_of(tmp_path, {"messages": talk, "answer": "5", "category": "chat"})
    row = write(recipe_of("evolve", seeds=path, wider=0), 1, Messy(texts=["plain"])).rows[0]
    assert row["messages"][:3] == talk[:3] and row["messages"][3]["content"] != "More?"
    assert row["category"] == "chat" and "answer" not in row
    row = write(recipe_of("evolve", seeds=path, wider=1), 1, Messy(texts=["plain"])).rows[0]
    assert [message["role"] for message in row["messages"]] == ["system", "user"]


def test_further_turns_rewrite_the_same_seeds_in_other_ways(tmp_path: Path) -> None:
    recipe = recipe_of("evolve", seeds=file_of(tmp_path, *prompts(5)), wider=0)
    written = write(recipe, 25, Messy(texts=["plain"]))
    assert written.report.turns == 5
    for n in range(5):
        mine = [r["lineage"] for r in written.rows if r["lineage"][0]["from"].endswith(f":{n + 1}")]
        assert sorted(line[1]["from"] for line in mine) == sorted(DEEPER)


def test_tasks_like_a_seed_are_not_new(tmp_path: Path) -> None:
    seeds = prompts(10)

    def model(messages: list[dict[str, Any]], index: int, seed: int) -> str:
        return f"1. {seeds[0]['prompt']}\n2. What grows on the hill number {index + 3}?\n3. Sing."

    written = write(recipe_of("self_instruct", seeds=file_of(tmp_path, *seeds)), 5, model)
    assert written.prompts == ["Sing."]
    assert written.report.dropped["not_new"] >= 2


def test_the_models_own_tasks_are_shown_in_later_turns_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gristmill.recipes.self_instruct.CALLS", 4)
    recipe = recipe_of("self_instruct", seeds=file_of(tmp_path, *prompts(30)), tasks=5)
    rows = write(recipe, 60, Messy(lists=["numbered"])).rows
    shown = list(dict.fromkeys(row["lineage"][0]["from"] for row in rows))
    own = [sum(where.startswith("task ") for where in line.split(", ")) for line in shown]
    assert own == [0] * 4 + [2] * 8
    assert all(len(line.split(", ")) == 8 for line in shown)
    later = recipe_of("self_instruct", seeds=recipe.seeds, tasks=5, concurrency=2)  # type: ignore[attr-defined]
    assert write(later, 60, Messy(lists=["numbered"]), latency=(0, 0.002)).rows == rows


def test_examples_are_drawn_anew_and_long_ones_are_not_shown(tmp_path: Path) -> None:
    path = file_of(tmp_path, *prompts(30), {"prompt": "Too long. " * 200})
    model = Messy()
    rows = write(recipe_of("self_instruct", seeds=path, tasks=2, examples=3), 60, model).rows
    assert len({row["lineage"][0]["text"] for row in rows}) > 20
    assert not any("Too long" in asked for asked in model.asked)


def test_fewer_seeds_than_examples_are_all_shown(tmp_path: Path) -> None:
    recipe = recipe_of("self_instruct", seeds=file_of(tmp_path, *prompts(3)), examples=8)
    rows = write(recipe, 5).rows
    assert len(rows[0]["lineage"][0]["from"].split(", ")) == 3


def test_self_instructs_own_seed_tasks_are_read(shared_data: Path) -> None:
    path = str(shared_data / "self_instruct" / "seed_tasks.jsonl")
    dropped: Counter[str] = Counter()
    assert len(read_seeds(Source(file=path), dropped)) == 175 and not dropped
    for name in ("evolve", "self_instruct"):
        assert len(write(recipe_of(name, seeds=path), 100).rows) == 100


def test_what_is_like_a_prompt_of_the_users_is_not_new(tmp_path: Path) -> None:
    seen = write(recipe_of("open_qa", refinements=0), 20)
    path = file_of(tmp_path, *seen.rows, name="mine.jsonl")
    recipe = recipe_of("open_qa", refinements=0, novelty={"against": [path]})
    written = write(recipe, 20)
    assert len(written.rows) == 20
    assert not set(seen.prompts) & set(written.prompts)
    assert written.report.dropped["not_new"] >= 20


def test_the_messy_model_makes_up_texts_that_are_new() -> None:
    from random import Random

    random = Random(0)
    assert len({sentence(random) for _ in range(500)}) == 500
