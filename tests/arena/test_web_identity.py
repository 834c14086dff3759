"""What gives a model away, and what does not."""

import time

import pytest

from gristmill.arena.contestants import Contestant
from gristmill.arena.web.identity import Identity, known, plain

MODELS = (
    Contestant(model="scripted:echo", name="small"),
    Contestant(model="http://localhost:1/v1#org/Meta-Llama-3-8B-Instruct", alias="blue whale"),
    Contestant(model="hf:org/Waterwheel-7b-chat"),
)
IDENTITY = Identity(MODELS, ["the miller's own", "風車"])


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("I'm GPT-4", "gpt"),
        ("as gpt4o, I", "gpt"),
        ("I am **LLáMA3**.", "llama"),
        ("G\u200bP\u200bT", "gpt"),
        ("Ｇｅｍｉｎｉ", "gemini"),
        ("Waterwheel here", "waterwheel"),
        ("I am waterwheel_7B-Chat", "waterwheel"),
        ("They call me Blue-Whale", "blue-whale"),
        ("I am The Miller’s  OWN!", "the miller’s  own"),
        ("我是Qwen。", "qwen"),
        ("我是通义千问", "通义千问"),
        ("我是由阿里云开发的", "由阿里云"),
        ("これは風車です", "風車"),
        ("I was trained by Google.", "trained by google"),
        ("developed and maintained by the IBM team", "developed and maintained by the ibm"),
    ],
)
def test_gives_it_away(answer, found):
    assert IDENTITY.found(answer) == found


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "A small model of a mill.",
        "Llamas graze; GPTs do not.",
        "Search for it on Google, or ask Meta.",
        "A metaphor, a meta analysis, an instruct.",
        "A blue sea, and a whale.",
        "The year 2024, and 8B of them.",
        "cohered graphs",
    ],
)
def test_does_not(answer):
    assert IDENTITY.found(answer) is None


def test_names_of_ordinary_words_are_not_looked_for():
    models = [Contestant(model="scripted:echo", name=n) for n in ("large", "one", "echo", "42")]
    assert Identity(models).found("One large echo, 42 times") is None


def test_the_lists_are_read_whole():
    assert set(known()) == {"models", "makers", "ordinary"}
    assert all(word == plain(word) for words in known().values() for word in words)
    assert all(len(word) > 1 for word in (*known()["models"], *known()["makers"]))


def test_long_answers_take_no_time():
    start = time.perf_counter()
    for text in (
        "made by " * 20_000,
        "made " + " " * 100_000,
        "gpt-" + "-" * 100_000,
        "4 " * 50_000,
    ):
        IDENTITY.found(text)
    assert time.perf_counter() - start < 5
