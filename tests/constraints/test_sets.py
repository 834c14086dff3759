"""Constraints drawn together: they agree, can all be kept, and are the same each time."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from constrained import Builder
from gristmill.constraints import (
    LANGUAGES,
    Constraint,
    as_json,
    clash,
    draw_several,
    keywords_of,
    say_all,
)
from gristmill.constraints._wordings import wordings
from gristmill.errors import ConfigError
from gristmill.parts import find_part, name_of, open_part, part_names

ROOM = "gristmill.constraints"
PROMPTS = {
    "de": "Beschreibe die Geschichte des Leuchtturms in Hamburg und wie Seeleute ihn nutzten.",
    "en": "Describe the history of the lighthouse in Hamburg and how sailors used it.",
    "es": "Describe la historia del faro de Cádiz y cómo lo usaban los marineros.",
    "fr": "Décris l'histoire du phare de Brest et comment les marins s'en servaient.",
    "it": "Descrivi la storia del faro di Genova e come lo usavano i marinai.",
    "ja": "日本の伝統料理とスマートフォンの歴史について説明してください。",
    "nl": "Beschrijf de geschiedenis van de vuurtoren en hoe zeelieden hem gebruikten.",
    "pl": "Opisz historię latarni morskiej w Gdańsku i jak korzystali z niej żeglarze.",
    "pt": "Descreva a história do farol de Lisboa e como os marinheiros o usavam.",
    "zh": "请介绍一下长城的历史和旅游价值。",
}
NAMES = part_names(ROOM)
TEAS = {"keyword_frequency": {"keyword": "tea", "at_least": 2}}
ONE_J = {"letter_frequency": {"letter": "j", "at_most": 1}}
BUILT = [name for name in NAMES if name not in ("language", "choice", "code_block")]


def opened(spec: dict[str, Any]) -> Constraint:
    return open_part(ROOM, spec, "here")


@pytest.mark.parametrize("code", LANGUAGES)
def test_an_answer_can_keep_to_all_that_is_drawn_together(code: str) -> None:
    for seed in range(60):
        drawn = draw_several(Random(seed), code, PROMPTS[code], 2 + seed % 4, BUILT)
        answer = Builder(drawn, code).answer()
        broken = [(c, c.check(answer).evidence) for c in drawn if not c.check(answer)]
        assert not broken, answer


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_draw_is_worded_agrees_and_is_the_same_each_time(code: str) -> None:
    for seed in range(40):
        drawn = draw_several(Random(seed), code, PROMPTS[code], 3)
        assert len(drawn) == 3
        assert drawn == draw_several(Random(seed), code, PROMPTS[code], 3)
        assert all(code in each.languages and not each.special for each in drawn)
        assert not any(clash(a, b) for a in drawn for b in drawn if a is not b)
        said = say_all(drawn, code)
        assert all(each.say(code) in said for each in drawn)


@pytest.mark.parametrize("name", NAMES)
def test_every_constraint_can_be_drawn_alone_in_every_language_that_it_claims(name: str) -> None:
    for code in find_part(ROOM, name, "").languages:
        for seed in range(20):
            for text in (PROMPTS[code], "?"):
                (drawn,) = draw_several(Random(seed), code, text, 1, [name])
                assert name_of(drawn) == name
                assert drawn.say(code)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"uppercase": {}}, {"lowercase": {}}),
        ({"words": {"at_least": 300}}, {"characters": {"at_most": 200}}),
        ({"json": {}}, {"paragraphs": {"count": 3}}),
        ({"json": {"keys": ["a", "b"]}}, {"no_commas": {}}),
        ({"keywords": {"words": ["tea"]}}, {"forbidden_words": {"words": ["Tea"]}}),
        (TEAS, {"forbidden_words": {"words": ["tea"]}}),
        ({"numbered_list": {"count": 3}}, {"no_digits": {}}),
        ({"sections": {"count": 2}}, {"lowercase": {}}),
        ({"postscript": {}}, {"lowercase": {}}),
        ({"start_with": {"phrase": "In short"}}, {"quotation": {}}),
        ({"end_with": {"phrase": "No, really."}}, {"no_commas": {}}),
        ({"repeat_request": {"request": "Name 3 rivers."}}, {"no_digits": {}}),
        ({"language": {"language": "ja"}}, {"words": {"at_least": 50}}),
        ({"language": {"language": "de"}}, {"keywords": {"words": ["river"]}}),
        ({"keywords": {"words": ["jazz", "judo"]}}, ONE_J),
        ({"keywords": {"words": ["Straße"]}}, {"uppercase": {}}),
        ({"paragraphs": {"count": 5}}, {"sentences": {"at_most": 4}}),
        ({"bullets": {"count": 2}}, {"bullets": {"count": 3}}),
    ],
)  # fmt: skip
def test_contradictions_are_known_from_both_sides(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert clash(opened(one), opened(other))
    assert clash(opened(other), opened(one))


def test_what_goes_together_does_not_clash() -> None:
    lower, words = opened({"lowercase": {}}), opened({"keywords": {"words": ["Berlin"]}})
    assert not clash(lower, words)
    assert not clash(opened({"words": {"at_least": 100}}), opened({"paragraphs": {"count": 3}}))
    assert not clash(opened({"no_commas": {}}), opened({"bullets": {"count": 3}}))


def test_names_of_clashes_are_names_of_constraints() -> None:
    for name in NAMES:
        assert find_part(ROOM, name, "").clashes <= set(NAMES)


def test_a_limit_on_words_leaves_room_for_all_that_must_be_there() -> None:
    spans = opened({"words": {"at_most": 50}}), opened({"paragraphs": {"count": 6}})
    assert spans[0].span()[1] == 50
    for seed in range(300):
        drawn = draw_several(Random(seed), "en", PROMPTS["en"], 5)
        assert sum(d.span()[0] for d in drawn) <= min(d.span()[1] for d in drawn)


def test_more_than_go_together_gives_as_many_as_do() -> None:
    drawn = draw_several(Random(0), "en", PROMPTS["en"], 3, ["uppercase", "lowercase"])
    assert len(drawn) == 1
    assert draw_several(Random(0), "en", PROMPTS["en"], 0) == ()


def test_unknown_names_and_unworded_sets_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown part 'paragraph'.*'paragraphs'"):
        draw_several(Random(0), "en", "x", 1, ["paragraph"])
    with pytest.raises(ValueError, match="none of lowercase, uppercase is worded in 'ja'"):
        draw_several(Random(0), "ja", "x", 1, ["uppercase", "lowercase"])


def test_what_is_asked_of_all_later_answers_does_not_name_one_request() -> None:
    for seed in range(60):
        drawn = draw_several(Random(seed), "en", PROMPTS["en"], 5, NAMES, lasting=True)
        assert not {"repeat_request", "choice"} & set(map(name_of, drawn))
    with pytest.raises(ValueError, match="none of choice is lasting and worded in 'en'"):
        draw_several(Random(0), "en", "x", 1, ["choice"], lasting=True)


def test_special_ones_are_drawn_where_they_are_named() -> None:
    (drawn,) = draw_several(Random(0), "en", PROMPTS["en"], 1, ["choice"])
    assert as_json(drawn).startswith('{"choice":')


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("en", ("history", "lighthouse", "Hamburg", "sailors")),
        ("de", ("Geschichte", "Leuchtturms", "Hamburg", "Seeleute", "nutzten")),
        ("es", ("historia", "faro", "Cádiz", "usaban", "marineros")),
        ("pl", ("historię", "latarni", "morskiej", "Gdańsku", "korzystali", "niej", "żeglarze")),
        ("ja", ("日本", "伝統料理", "スマートフォン", "歴史")),
        ("zh", ("历史", "旅游价值")),
    ],
)
def test_keywords_are_the_content_words_of_a_prompt(code: str, words: tuple[str, ...]) -> None:
    assert keywords_of(PROMPTS[code], code) == words


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_is_drawn_from_is_there_and_fits_the_language(code: str) -> None:
    pick = wordings(code).pick
    assert len(set(pick["nouns"])) >= 8
    assert all(isinstance(text, str) for key in ("nouns", "starts", "ends") for text in pick[key])
    for options in pick["options"]:
        chosen = opened({"choice": {"options": options}})
        assert all(chosen.check(option) for option in options)
