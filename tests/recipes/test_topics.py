"""Topics, keywords, levels and languages: what the recipes on them write about."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import ConfigError, DataError
from gristmill.recipes.coding import programming_language, programming_languages
from messy import Messy
from written import Written, recipe_of, write


def stage(written: Written, name: str) -> list[str]:
    """The items of a stage, in order, each once."""
    lines = (item for row in written.rows for item in row["lineage"])
    return list(dict.fromkeys(item["text"] for item in lines if item["stage"] == name))


@pytest.mark.parametrize("name", ["open_qa", "writing", "math", "coding"])
def test_own_topics_take_the_place_of_the_models(name: str) -> None:
    recipe = recipe_of(name, topics=0, own_topics=["Kites", " kites. ", "Yo-yos"])
    assert stage(write(recipe, 200), "topic") == ["Kites", "Yo-yos"]


@pytest.mark.parametrize("name", ["open_qa", "writing", "math", "coding"])
def test_own_topics_come_before_the_models(name: str) -> None:
    found = stage(write(recipe_of(name, own_topics=["Kites"], topics=2), 150), "topic")
    assert found[0] == "Kites"
    assert len(found) > 1


@pytest.mark.parametrize("name", ["open_qa", "writing", "math", "coding"])
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"topics": 0}, "there are no topics"),
        ({"own_topics": ["Kites", " "]}, "topic 2 is empty"),
        ({"topicz": 3}, "did you mean 'topics'"),
        ({"language": "Klingonese"}, "unknown language"),
    ],
)
def test_what_leaves_nothing_to_write_on_is_an_error(
    name: str, options: dict[str, Any], error: str
) -> None:
    with pytest.raises(ConfigError, match=error):
        recipe_of(name, **options)


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("writing", {"kinds": []}, "kinds"),
        ("writing", {"kinds": ["poem", ""]}, "kind 2 is empty"),
        ("math", {"levels": []}, "levels"),
        ("math", {"problems": 0, "beginner": 0}, "both 0"),
        ("math", {"keywords": []}, "the list is empty"),
        ("math", {"keywords": ["a", " "]}, "keyword 2 is empty"),
        ("coding", {"levels": ["novice"]}, "levels"),
        ("coding", {"languages": []}, "languages"),
        ("coding", {"languages": ["pyhton"]}, "did you mean 'python'"),
        ("coding", {"languages": "german"}, "unknown programming language 'german'"),
        ("coding", {"languages": 5}, "languages"),
    ],
)
def test_bad_options_are_named(name: str, options: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        recipe_of(name, **options)


def test_a_few_problems_touch_every_level() -> None:
    written = write(recipe_of("math", subtopics=1), 30)
    assert {row["level"] for row in written.rows} == set(recipe_of("math").levels)  # type: ignore[attr-defined]


def test_the_same_topic_of_another_level_is_another_topic() -> None:
    recipe = recipe_of("math", topics=0, own_topics=["Proofs"], levels=["high school", "college"])
    levels = Counter(row["level"] for row in write(recipe, 50).rows)
    assert levels == {"high school": 25, "college": 25}


def test_problems_for_beginners_stand_beside_the_others() -> None:
    written = write(recipe_of("math", problems=3, beginner=2), 50)
    stages = Counter(row["lineage"][-1]["stage"] for row in written.rows)
    assert stages == {"problem": 30, "beginner_problem": 20}


def test_writing_takes_every_kind_equally_often() -> None:
    kinds = ["poem", "speech", "letter"]
    written = write(recipe_of("writing", kinds=kinds, kinds_each=2, refinements=0), 60)
    assert Counter(row["kind"] for row in written.rows) == dict.fromkeys(kinds, 20)


def test_writing_can_combine_every_topic_with_every_kind() -> None:
    recipe = recipe_of(
        "writing", topics=0, own_topics=["Kites", "Tea"], kinds=["poem", "ode"], kinds_each=9
    )
    written = write(recipe, 4)
    pairs = [(row["lineage"][0]["text"], row["kind"]) for row in written.rows]
    assert sorted(pairs) == [("Kites", "ode"), ("Kites", "poem"), ("Tea", "ode"), ("Tea", "poem")]


def test_there_are_over_forty_kinds_of_everything_that_was_promised() -> None:
    assert len(programming_languages()) >= 60
    assert len(recipe_of("writing").kinds) >= 24  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "key"),
    [("py", "python"), ("C Sharp", "c#"), ("csharp", "c#"), ("C++", "c++"), ("cpp", "c++"),
     ("C", "c"), ("golang", "go"), ("Objective-C", "objective-c"), ("common_lisp", "common-lisp"),
     ("JS", "javascript"), ("R", "r"), (" html ", "html-css")],
)  # fmt: skip
def test_a_programming_language_has_many_names(name: str, key: str) -> None:
    assert programming_language(name).key == key


def test_all_languages_can_be_asked_for_at_once() -> None:
    recipe = recipe_of("coding", languages="all", subtopics=0, tasks=1, levels=["beginner"])
    written = write(recipe, 66, Messy(lists=["bold", "chatty"], texts=["plain"]))
    categories = [row["category"] for row in written.rows]
    assert len(set(categories)) == len(programming_languages())
    assert "coding:c++" in categories


def test_the_same_task_in_two_languages_is_two_tasks() -> None:
    def model(messages: list[dict[str, Any]], index: int, seed: int) -> str:
        asked = messages[0]["content"]
        name = "Go" if "Go" in asked else "Rust"
        if asked.startswith("Name"):
            return "1. Lists\n2. Trees" if "broad" in asked or "topics of prog" in asked else "1. A"
        return f"1. Write a program in {name} that counts the leaves of a tree and prints them."

    recipe = recipe_of("coding", languages=["go", "rust"], levels=["beginner"], refinements=0)
    written = write(recipe, 10, model)
    assert [row["category"] for row in written.rows] == ["coding:go", "coding:rust"]


@pytest.mark.parametrize(("name", "word"), [("math", "math"), ("coding", "programming")])
def test_keywords_of_another_field_are_dropped_and_counted(
    name: str, word: str, tmp_path: Path
) -> None:
    terms = [f"term {n}" for n in range(12)]
    (tmp_path / "terms.txt").write_text("\n".join([*terms, "", "Term 3", "1984", "# hash"]))
    recipe = recipe_of(name, keywords="terms.txt").located(tmp_path)
    written = write(recipe, 40, Messy(no=["term 1\n", "term 5"]))
    kept = stage(written, "keyword")
    assert kept[:4] == ["term 0", "term 2", "term 3", "term 4"]
    assert not {"term 1", "term 5"} & set(kept)
    assert written.report.dropped[f"keyword:not_{word}"] == 2
    assert not stage(written, "topic")
    assert written.rows[0]["lineage"][-2 if name == "math" else -4]["from"] == "terms.txt"


def test_every_keyword_is_written_on_whatever_it_looks_like() -> None:
    terms = ["1984", "Yes", "12:30", "null", "Topic: sub", "# hash", "{x} ...", "C#"]
    written = write(recipe_of("math", keywords=terms, classify=False), 40)
    assert stage(written, "keyword") == terms


def test_keywords_are_written_on_in_every_language() -> None:
    recipe = recipe_of("coding", keywords=["tries", "heaps"], languages=["c", "d"], tasks=1)
    model = Messy()
    written = write(recipe, 12, model)
    assert Counter(row["category"] for row in written.rows) == {"coding:c": 6, "coding:d": 6}
    assert sum("yes" in asked for asked in model.asked) == 2


def test_topics_follow_keywords_where_both_are_asked_for() -> None:
    written = write(recipe_of("math", keywords=["rings"], topics=1, levels=["college"]), 25)
    assert stage(written, "keyword") == ["rings"]
    assert stage(written, "topic")


def test_a_keyword_of_which_the_model_says_neither_is_dropped_and_counted() -> None:
    messy = Messy()

    def model(messages: list[dict[str, Any]], index: int, seed: int) -> Any:
        asked = messages[0]["content"]
        vague = "yes" in asked and "unclear" in asked
        return "It depends." if vague else messy(messages, index, seed)

    written = write(recipe_of("math", keywords=["rings", "unclear"]), 8, model)
    assert stage(written, "keyword") == ["rings"]
    assert written.report.dropped["keyword:unclear"] == 1


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"", "the file is empty"), (b" \n", "the file is empty"), (b"Stra\xdfe\n", "byte 4"),
     (None, "cannot read it")],
)  # fmt: skip
def test_a_file_of_keywords_that_cannot_be_used_is_an_error(
    tmp_path: Path, data: bytes | None, error: str
) -> None:
    path = tmp_path / "terms.txt"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(DataError, match=f"terms.txt: .*{error}"):
        recipe_of("math", keywords=str(path)).check()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{{ topic }}\n{{ topics }}", r"problems\.md: line 2: unknown variable 'topics'.*topic"),
        ("{{ topic }", r"problems\.md: line 1: "),
        ('x\n{% include "_lits.md" %}', r"problems\.md: line 2: there is no template '_lits\.md'"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_named_with_its_line(
    tmp_path: Path, text: str, error: str
) -> None:
    (tmp_path / "problems.md").write_text(text)
    with pytest.raises(ConfigError, match=error):
        recipe_of("math", templates=str(tmp_path)).open_templates()


def test_a_template_that_fails_while_it_is_filled_in_is_named(tmp_path: Path) -> None:
    (tmp_path / "problems.md").write_text("{{ topic.nothing }} {{ count / 0 }}")
    with pytest.raises(ConfigError, match=r"problems\.md: cannot be filled in"):
        write(recipe_of("math", templates=str(tmp_path)), 5)


def test_people_are_thought_of_in_lists_that_fit_a_reply() -> None:
    model = Messy()
    written = write(recipe_of("open_qa", personas=25), 10, model)
    assert len(written.rows) == 10
    counts = [asked for asked in model.asked if asked.startswith("Describe")]
    assert len(counts) >= 3
    assert all("Describe 25" not in asked for asked in counts)


@pytest.mark.parametrize("given", [[], [" "]])
def test_nobody_to_write_as_is_an_error(given: list[str]) -> None:
    with pytest.raises(ConfigError, match="personas"):
        write(recipe_of("open_qa", personas=given), 5)
