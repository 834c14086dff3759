"""Answers asked for by token: as text grows, up to a word, with likelihoods."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gristmill.backends.local import LocalChat
from gristmill.backends.local_ask import Answered, Ask, Grown
from gristmill.backends.resolve import open_chat
from gristmill.errors import BackendError
from gristmill.records import Message, Prompt, Response, Sampling, prompt_id, sample_seed
from local_models import chat_model, one_thread

ASKED = (Message("user", "What is 34 plus 52?"),)


@pytest.fixture(autouse=True, scope="module")
def threads():
    with one_thread():
        yield


@pytest.fixture(scope="module")
def wild(tmp_path_factory) -> Path:
    return chat_model(tmp_path_factory.mktemp("chat"))


def answer(model: str, *asks: Ask) -> list[tuple[Answered, list[Grown], LocalChat]]:
    async def main():
        async with open_chat(model) as backend:
            assert isinstance(backend, LocalChat)
            told: list[list[Grown]] = [[] for _ in asks]
            calls = (backend.answer(a, t.append) for a, t in zip(asks, told, strict=True))
            done = await asyncio.gather(*calls, return_exceptions=True)
            return [(d, t, backend) for d, t in zip(done, told, strict=True)]

    return asyncio.run(main())


def test_an_answer_is_what_sample_gives_for_the_same_seed() -> None:
    prompt = Prompt(prompt_id(ASKED), ASKED)
    how = Sampling(0.9, 0.95, 40, seed=3)

    async def sampled() -> Response:
        async with open_chat("tiny:instruct") as backend:
            return await backend.sample(prompt, 2, how)

    response = asyncio.run(sampled())
    seed = sample_seed(3, prompt.id, 2)
    ((given, told, backend),) = answer("tiny:instruct", Ask(ASKED, seed, 40, 0.9, 0.95, grows=True))
    assert backend.speech.said(given.prompt, backend.speech.text(given.tokens), calls=True)[:2] == (
        response.text, response.reasoning,
    )  # fmt: skip
    assert (len(given.prompt), given.spent) == (response.prompt_tokens, response.completion_tokens)
    assert [g.token for g in told] == list(given.tokens)
    assert [g.place for g in told] == list(range(len(told)))


def test_what_grows_spells_what_the_whole_spells(wild: Path) -> None:
    asks = [Ask(ASKED, seed, 60, 1.3, grows=True) for seed in range(12)]
    # A random model writes bytes that make no character.
    for given, told, backend in answer(f"hf:{wild}", *asks):
        spelling = backend.speech.spelling()
        parts = [spelling.more((g.token,)) for g in told]
        assert "".join([*parts, spelling.rest()]) == backend.speech.text(given.tokens)


def test_a_word_ends_a_sample_too() -> None:
    prompt = Prompt(prompt_id(ASKED), ASKED)

    async def sampled(*stop: str) -> Response:
        async with open_chat("tiny:instruct") as backend:
            return await backend.sample(prompt, 0, Sampling(0.0, 1.0, 60, stop=stop))

    whole = asyncio.run(sampled())
    assert asyncio.run(sampled("zebra")) == whole
    cut = asyncio.run(sampled("nothing", "he answer"))
    assert cut.text == whole.text.partition("he answer")[0].strip()
    assert cut.finish_reason == "stop" and cut.completion_tokens < whole.completion_tokens


def test_a_word_ends_an_answer_and_is_not_in_it() -> None:
    (whole, _, backend), (cut, _, _), (never, _, _) = answer(
        "tiny:instruct",
        Ask(ASKED, 0, 60, 0.0),
        Ask(ASKED, 0, 60, 0.0, stop=("nothing", "he answer", "swer is"), grows=True),
        Ask(ASKED, 0, 60, 0.0, stop=("zebra",)),
    )
    text = backend.speech.text(whole.tokens)
    assert "The answer is" in text
    assert (cut.text, cut.finish) == (text.partition("he answer")[0], "stop")
    assert list(cut.tokens) == list(whole.tokens)[: len(cut.tokens)]
    assert never.text is None
    assert (never.tokens, never.finish, never.spent) == (list(whole.tokens), "stop", whole.spent)


def test_a_text_or_tokens_are_taken_as_they_are() -> None:
    (text, _, backend), (again, _, _), (bad, _, _), (none, _, _) = answer(
        "tiny:instruct",
        Ask("What is 34", 0, 8, 0.0),
        Ask((5, 6, 7), 0, 3, 0.0, top=2),
        Ask((5, 1024), 0, 3),
        Ask("", 0, 3),
    )
    assert backend.speech.text(text.prompt) == "What is 34"
    assert (list(again.prompt), len(again.likelihoods)) == ([5, 6, 7], len(again.tokens))
    assert all(len(one.top) == 2 for one in again.likelihoods)
    assert isinstance(bad, BackendError)
    assert "no token 1024 (0 to 1,023)" in str(bad)
    assert isinstance(none, BackendError)
    assert "the text has no token" in str(none)
