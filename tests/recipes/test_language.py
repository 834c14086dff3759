"""Prompts in the language that was asked for, and no other."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

pytest.importorskip("lingua")

from gristmill.errors import ConfigError
from gristmill.languages import LANGUAGES
from written import recipe_of, write

GERMAN = (
    "Wie finde ich heraus, ob der alte Ofen in meiner Küche noch sicher ist, bevor der Winter {}?",
    "Welche drei Dinge sollte man wissen, bevor man mit zwei kleinen Kindern nach {} fährt?",
    "Erkläre mir, warum das Brot meiner Großmutter mit {} so viel besser schmeckt als meines.",
)
ENGLISH = (
    "How do I find out whether the old stove in my kitchen is still safe before {} comes?",
    "Which three things should one know before one travels to {} with two small children?",
    "Explain to me why the bread that my grandmother bakes with {} tastes better than mine.",
)


def mixed(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """Topics, and then questions of which every other one is in the wrong language."""
    random = Random(seed)
    word = f"{random.randrange(10**6)}"
    if "numbered list" in messages[-1]["content"]:
        words = ("".join(random.choices("abdeiklmnorstu", k=9)).capitalize() for _ in range(20))
        return "\n".join(f"{n}. {word}" for n, word in enumerate(words, 1))
    return random.choice((GERMAN, ENGLISH)[seed % 2]).format(word)


def test_a_prompt_in_another_language_is_dropped_and_counted() -> None:
    loose = {"threshold": 1.0}
    written = write(recipe_of("open_qa", language="de", novelty=loose), 30, model=mixed)
    assert len(written.rows) == 30
    assert all("ich" in p or "man" in p or "mir" in p for p in written.prompts)
    assert {row["language"] for row in written.rows} == {"de"}
    assert written.report.dropped["language:en"] > 5


def test_without_a_language_nothing_is_dropped_for_it() -> None:
    written = write(recipe_of("open_qa", novelty={"threshold": 1.0}), 30, model=mixed)
    assert not written.report.dropped


def test_every_template_says_the_language_in_the_request() -> None:
    asked: list[str] = []

    def listening(messages: list[dict[str, Any]], index: int, seed: int) -> str:
        asked.append(messages[0]["content"])
        return mixed(messages, index, seed)

    for name in ("German", "zh", "Swahili"):
        asked.clear()
        write(recipe_of("open_qa", language=name, novelty={"threshold": 1.0}), 3, model=listening)
        english = {"zh": "Chinese"}.get(name, name)
        assert asked and all(f"in {english}" in text for text in asked)


def test_at_least_fifty_languages_can_be_named() -> None:
    for code, language in LANGUAGES.items():
        assert recipe_of("open_qa", language=language.name).language == code
    assert len(LANGUAGES) > 50
    with pytest.raises(ConfigError, match="unknown language 'Germann'; did you mean 'German'"):
        recipe_of("open_qa", language="Germann")
