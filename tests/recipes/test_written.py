"""Every recipe with a model that replies as real ones do: what was asked for is what comes."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from gristmill.backends.remembered import Calls, Remembered
from gristmill.backends.scripted import ScriptedChat
from gristmill.recipes import Recipe
from gristmill.recipes._templates import SHARED_VARIABLES
from gristmill.records import Response
from messy import REFUSAL, Messy
from written import recipe_of, write

NAMES = (
    "open_qa", "writing", "math", "coding", "closed_qa", "evolve", "self_instruct", "tool_use",
)  # fmt: skip

STAGES = {
    "open_qa": ["topic", "subtopic", "question", "refined"],
    "writing": ["topic", "kind", "task", "refined"],
    "math": ["level", "topic", "subtopic", "problem"],
    "coding": ["programming_language", "topic", "subtopic", "level", "task", "refined"],
    "closed_qa": ["document", "instruction"],
    "evolve": ["seed", "evolved"],
    "self_instruct": ["examples", "task"],
    "tool_use": ["topic", "tools", "kind", "request"],
}

COUNT = 60


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with seeds, documents and tools."""
    seeds = ({"prompt": f"Describe the {n}th planet of the star {n * 7}."} for n in range(90))
    (tmp_path / "seeds.jsonl").write_text("".join(json.dumps(s) + "\n" for s in seeds))
    docs = tmp_path / "docs"
    docs.mkdir()
    for n in range(25):
        text = f"# Planet {n}\n\nIt has {n} moons.\n\nNobody lives on number {n}."
        (docs / f"planet-{n:02}.md").write_text(text)
    tools = ({"name": f"planet_{n}", "parameters": {"type": "object"}} for n in range(5))
    (tmp_path / "tools.jsonl").write_text("".join(json.dumps(t) + "\n" for t in tools))
    return tmp_path


def recipe(name: str, files: Path, **options: Any) -> Recipe:
    own = {
        "closed_qa": {"documents": "docs"},
        "evolve": {"seeds": "seeds.jsonl"},
        "self_instruct": {"seeds": "seeds.jsonl"},
        "tool_use": {"tools": "tools.jsonl"},
    }
    return recipe_of(name, **own.get(name, {}), **options).located(files)


@pytest.mark.parametrize("name", NAMES)
def test_the_count_asked_for_is_the_count_delivered(name: str, files: Path) -> None:
    written = write(recipe(name, files), COUNT)
    assert len(written.rows) == written.report.delivered == COUNT
    assert not written.report.stopped
    assert len({row["id"] for row in written.rows}) == COUNT


@pytest.mark.parametrize("name", NAMES)
def test_the_same_prompts_come_whatever_the_latency_and_concurrency(name: str, files: Path) -> None:
    first = write(recipe(name, files), COUNT).rows
    assert write(recipe(name, files), COUNT).rows == first
    for concurrency in (1, 3, 17):
        hurried = recipe(name, files, concurrency=concurrency)
        assert write(hurried, COUNT, latency=(0.0, 0.002)).rows == first


@pytest.mark.parametrize("name", NAMES)
def test_a_larger_job_begins_with_the_prompts_of_a_smaller_one(name: str, files: Path) -> None:
    assert write(recipe(name, files), 40).rows[:15] == write(recipe(name, files), 15).rows


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_gives_other_prompts(name: str, files: Path) -> None:
    first = set(write(recipe(name, files), 20).prompts)
    assert not first & set(write(recipe(name, files, seed=1), 20).prompts)


@pytest.mark.parametrize("name", NAMES)
def test_the_lineage_holds_every_stage(name: str, files: Path) -> None:
    for row in write(recipe(name, files), COUNT).rows:
        stages = [item["stage"] for item in row["lineage"]]
        stages = ["problem" if stage == "beginner_problem" else stage for stage in stages]
        assert stages == STAGES[name]
        assert len(row["parents"]) == len(stages) - 1
        assert all(
            parent.startswith(f"{item['stage']}:")
            for parent, item in zip(row["parents"], row["lineage"], strict=False)
        )
        assert row["source"] == f"recipe:{name}"
        assert row["category"].partition(":")[0] == name
        assert row["language"] == "en"
        assert row["lineage"][-1]["text"] in row.get("prompt", "")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_templates_and_replies_around_a_prompt_gets_into_it(
    name: str, files: Path
) -> None:
    templates = recipe(name, files).open_templates()
    told = {"count": 5, "language": "English", "persona": ""}
    wordings = " ".join(templates.text(shared, **told) for shared in ("_list", "_one", "_more"))
    for prompt in write(recipe(name, files), COUNT).prompts:
        assert prompt not in wordings
        for trace in ("numbered list", "nothing before or after", "<draft>", "<request>", "{{",
                      "<think>", "Here is the rewritten", "Revised question", "Sure!", REFUSAL,
                      "None of these again", "```"):  # fmt: skip
            assert trace not in prompt
        assert prompt == prompt.strip()


@pytest.mark.parametrize("name", NAMES)
def test_with_personas_each_prompt_is_written_as_one_of_them(name: str, files: Path) -> None:
    people = ["A nurse of 40 who knits.", "A retired diver."]
    model = Messy()
    write(recipe(name, files, personas=people), COUNT, model)
    asked = " ".join(model.asked)
    assert all(person in asked for person in people)


@pytest.mark.parametrize("name", NAMES)
def test_another_language_is_asked_for_in_every_list_and_text_and_english_is_dropped(
    name: str, files: Path
) -> None:
    model = Messy()
    written = write(recipe(name, files, language="Deutsch", concurrency=2), 20, model)
    assert all("in German" in request for request in model.asked)
    # This model knows no German.
    assert written.report.dropped["language:en"] > 20
    assert len(written.rows) < 20
    assert {row["language"] for row in written.rows} <= {"de"}


ENDS = re.compile("new in|that `patience` allows")
"""Why a recipe ends of which nothing more is to be expected."""


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_says_nothing_of_use_for_ever_ends_the_recipe(name: str, files: Path) -> None:
    written = write(recipe(name, files), COUNT, lambda messages, index, seed: REFUSAL)
    assert not written.rows
    assert ENDS.search(written.report.stopped)
    assert written.report.calls < 700


def _repeats(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    return "1. The same old thing\n2. The same old thing\n3. Another thing altogether"


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_repeats_itself_ends_the_recipe(name: str, files: Path) -> None:
    written = write(recipe(name, files), COUNT, _repeats)
    assert len(written.rows) < COUNT
    assert ENDS.search(written.report.stopped)


@pytest.mark.parametrize("name", NAMES)
def test_failed_calls_cost_prompts_of_their_own_alone(name: str, files: Path) -> None:
    messy = Messy()

    def model(messages: list[dict[str, Any]], index: int, seed: int) -> str | Response:
        if seed % 10 == 0:
            raise RuntimeError("the server is ill")
        return messy(messages, index, seed)

    written = write(recipe(name, files), COUNT, model)
    assert len(written.rows) == COUNT
    assert sum(stage.failed["server"] for stage in written.report.stages.values())


@pytest.mark.parametrize("name", NAMES)
def test_what_was_answered_is_not_asked_again(name: str, files: Path, tmp_path: Path) -> None:
    asked: list[int] = []

    def counted(messages: list[dict[str, Any]], index: int, seed: int) -> str | Response:
        asked.append(seed)
        return messy(messages, index, seed)

    messy = Messy()
    log = tmp_path / "calls.jsonl"
    first = _remembered(recipe(name, files), 30, counted, log)
    calls = len(asked)
    assert _remembered(recipe(name, files), 30, counted, log) == first
    assert len(asked) == calls
    assert _remembered(recipe(name, files), 50, counted, log)[:30] == first
    assert len(asked) == len(set(asked)), "a call was made twice"


def _remembered(recipe: Recipe, count: int, model: Any, log: Path) -> list[str]:
    from contextlib import aclosing

    from gristmill.recipes import Report, Wanted
    from gristmill.recipes._engine import synthesize

    async def run() -> list[str]:
        calls = Calls(log)
        try:
            async with Remembered(ScriptedChat(model), calls) as chat:
                drafts = synthesize(recipe, chat, Wanted(count), Report("x"))
                async with aclosing(drafts) as found:
                    return [draft.asked async for draft in found]
        finally:
            calls.close()

    return asyncio.run(run())


@pytest.mark.parametrize("name", NAMES)
def test_every_template_can_be_filled_in_and_leaves_no_placeholder(name: str, files: Path) -> None:
    templates = recipe(name, files).open_templates()
    for template, variables in {**SHARED_VARIABLES, **recipe(name, files).templates_used}.items():
        for count in (1, 4):
            for known in ([], ["one thing", "another thing"]):
                lists = {"known": known, "kinds": ["a summary", "a question"][:count]}
                told = {v: lists.get(v, f"the {v}") for v in variables}
                for persona in ("", "A nurse."):
                    text = templates.text(
                        template, **told, language="Welsh", persona=persona, count=count
                    )
                    assert "{" not in text and "}" not in text
                    assert "\n\n\n" not in text
                    assert "  " not in text
                    assert f"{count} s " not in text
                    if "known" in variables:
                        assert ("another thing" in text) == bool(known) or (name, template) in SKIPS


SKIPS = {(name, "subtopics") for name in NAMES} | {("self_instruct", "tasks")}
"""Templates that need not say what is known: subtopics are the same in each turn, and
self-instruct's examples are others."""


@pytest.mark.parametrize("name", NAMES)
def test_a_template_of_the_users_takes_the_place_of_ours(
    name: str, files: Path, tmp_path: Path
) -> None:
    used = recipe(name, files).templates_used
    template = next(t for t in used if not t.startswith(("is_", "topics", "subtopics")))
    folder = tmp_path / "own" / name
    folder.mkdir(parents=True)
    (folder / f"{template}.md").write_text('Quixotic!\n{% include "_list.md" %}\nWrite 3 of them.')
    model = Messy()
    write(recipe(name, files, templates="own"), 5, model)
    assert any("Quixotic!" in request for request in model.asked)


def test_a_model_with_ever_new_topics_and_the_same_question_on_each_ends_the_recipe() -> None:
    messy = Messy()

    def model(messages: list[dict[str, Any]], index: int, seed: int) -> str | Response:
        asked = messages[0]["content"]
        return "1. What is it?" if "question" in asked else messy(messages, index, seed)

    patient = recipe_of("open_qa", refinements=0, concurrency=4, patience=1000)
    written = write(patient, COUNT, model)
    assert len(written.rows) == 1
    assert "nothing new in the last" in written.report.stopped
