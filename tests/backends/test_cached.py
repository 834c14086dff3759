"""Answers that outlive a run: the same call is asked once, and no other is taken for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.backends import cached as module
from gristmill.backends import caching, open_chat, open_embedding, open_reward
from gristmill.backends.base import Backend, ChatBackend, Meter
from gristmill.backends.cached import hits
from gristmill.backends.calling import Calling
from gristmill.backends.many import Failed, Progress, Work, call_all
from gristmill.backends.scripted import ScriptedChat
from gristmill.errors import BackendError
from gristmill.judges.reward import Reward
from gristmill.mill.config import Generate
from gristmill.records import Message, Prompt, Response, Sampling, ToolCall, prompt_id
from gristmill.storage.cache import FILE, survey
from servers import FaultyServer

PLAIN = Sampling()


def prompt(text: str, **beside: Any) -> Prompt:
    messages = (Message("user", text),)
    return Prompt(prompt_id(messages), messages, **beside)


def asked(folder: Path, model: Calling | str, *calls: tuple[Prompt, int, Sampling]) -> Any:
    """The answers to calls and how many were hits, by a process of its own as it were."""

    async def run() -> list[Response]:
        async with open_chat(model) as backend:
            return [await backend.sample(*call) for call in calls]

    with caching(folder):
        return asyncio.run(run()), hits()


@pytest.mark.parametrize("model", ["scripted:echo", "http"])
def test_the_same_call_is_asked_once(tmp_path: Path, model: str) -> None:
    call = (prompt("Why?"), 1, PLAIN)
    with FaultyServer() as server:
        model = server.chat if model == "http" else model
        (first,), none = asked(tmp_path, model, call)
        (again,), one = asked(tmp_path, model, call)
        assert server.requests <= 1
    assert (none, one) == (0, 1)
    assert first == again and not first.cached and again.cached
    assert again.paid == (0, 0) and first.paid == (first.prompt_tokens, first.completion_tokens)


OTHER: dict[str, Callable[[Prompt, Sampling], tuple[Prompt, int, Sampling]]] = {
    "text": lambda p, s: (prompt("Why not?"), 0, s),
    "system": lambda p, s: (
        replace(p, messages=(Message("system", "Be brief."), *p.messages)),
        0,
        s,
    ),
    "id": lambda p, s: (replace(p, id="other"), 0, s),
    "index": lambda p, s: (p, 1, s),
    "seed": lambda p, s: (p, 0, replace(s, seed=1)),
    "temperature": lambda p, s: (p, 0, replace(s, temperature=0.7)),
    "top_p": lambda p, s: (p, 0, replace(s, top_p=0.9)),
    "max_tokens": lambda p, s: (p, 0, replace(s, max_tokens=16)),
    "schema": lambda p, s: (p, 0, replace(s, schema={"type": "object"})),
    "stop": lambda p, s: (p, 0, replace(s, stop=("\n",))),
    "tools": lambda p, s: (replace(p, tools='[{"type":"function"}]'), 0, s),
    "turns": lambda p, s: (
        replace(p, messages=(*p.messages, Message("assistant", "So."), Message("user", "Why?"))),
        0,
        s,
    ),
    "calls": lambda p, s: (
        replace(
            p,
            messages=(
                *p.messages,
                Message("assistant", "", tool_calls=(ToolCall("look", "{}", "a"),)),
                Message("tool", "42", tool_call_id="a"),
            ),
        ),
        0,
        s,
    ),
}


def test_whatever_decides_an_answer_makes_another_call(tmp_path: Path) -> None:
    p = prompt("Why?")
    calls = [(p, 0, PLAIN), *(make(p, PLAIN) for make in OTHER.values())]
    assert asked(tmp_path, "scripted:echo", *calls)[1] == 0
    assert asked(tmp_path, "scripted:echo", *calls)[1] == len(calls)


@pytest.mark.parametrize(
    "other",
    [
        {"model": "http://127.0.0.1:9/v1#b"},
        {"model": "http://127.0.0.1:10/v1#a"},
        {"body": {"chat_template_kwargs": {"enable_thinking": False}}},
        {"body": {"seed": None}},
        {"model": ["http://127.0.0.1:9/v1#a", "http://127.0.0.1:10/v1#a"]},
    ],
)
def test_another_model_or_request_is_another_call(tmp_path: Path, other: dict[str, Any]) -> None:
    one = {"model": "http://127.0.0.1:9/v1#a"}
    first, second = (Calling.model_validate(values) for values in (one, {**one, **other}))
    assert _who(tmp_path, first) != _who(tmp_path, second)


def test_several_servers_are_known_by_their_addresses(tmp_path: Path) -> None:
    def who(*ports: int) -> bytes:
        model = [f"http://127.0.0.1:{port}/v1#a" for port in ports]
        return _who(tmp_path, Calling.model_validate({"model": model}))

    assert who(9, 10) == who(10, 9)
    assert len({who(9, 10), who(9, 11), who(9, 10, 11)}) == 3


def test_how_fast_or_for_what_a_model_is_called_makes_no_other(tmp_path: Path) -> None:
    model = "http://127.0.0.1:9/v1#a"
    slow = Calling(model=model, concurrency=1, timeout=5.0, retries=0, requests_per_minute=3)
    assert len({_who(tmp_path, c) for c in (Calling(model=model), slow)}) == 1
    # What a part of a config has beside how it calls is in the request, or does not matter.
    assert _who(tmp_path, Generate(model=model)) == _who(
        tmp_path, Generate(model=model, responses=8)
    )


def _who(folder: Path, calling: Calling) -> bytes:
    with caching(folder):
        backend = open_chat(calling)
        assert isinstance(backend, module.CachedChat)
        return backend._owner.identity


@pytest.mark.parametrize(
    "name", ["model.safetensors", "chat_template.jinja", "1_Pooling/config.json"]
)
def test_other_files_are_another_model(tmp_path: Path, name: str) -> None:
    file = tmp_path / "model" / name
    file.parent.mkdir(parents=True)
    calling = Calling(model=f"hf:{tmp_path}/model")
    seen = set()
    for at in (1, 2):
        file.write_text("{}")
        os.utime(file, (at, at))
        seen.add(str(module._identity(calling)))
    assert len(seen) == 2


def test_a_changed_script_is_another_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for model in ("scripted:said.jsonl", "scripted:said.jsonl?latency=0.001"):
        answers = []
        for text in ("one", "other"):
            Path("said.jsonl").write_text(f'{{"response": "{text}"}}\n')
            answers.append(asked(tmp_path / "c", model, (prompt("Why?"), 0, PLAIN))[0][0].text)
        assert answers == ["one", "other"]


def test_a_model_of_the_hub_is_loaded_first_and_known_by_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = iter(["", "one", "", "two", "", "two"])  # before and after it is loaded, each time
    monkeypatch.setattr(module, "_commit", lambda _: next(commits))
    said = iter(["old", "new"])
    found = []
    for _ in range(3):

        async def run() -> str:
            inner = ScriptedChat(lambda m, i, s: next(said), model="hf:org/name")
            async with module.cached(inner, Calling(model="hf:org/name")) as backend:
                return (await backend.sample(prompt("Why?"), 0, PLAIN)).text

        with caching(tmp_path):
            found.append(asyncio.run(run()))
    assert found == ["old", "new", "new"]


def test_thoughts_calls_and_tokens_are_whole(tmp_path: Path) -> None:
    given = Response(
        "Ünïcode \U0001f33e", "m", "tool_calls", 7, 9, "Hm.", (ToolCall("look", '{"a": 1}', "id"),)
    )
    backend = _answered(tmp_path, lambda m, i, s: given)
    again = _answered(tmp_path, lambda m, i, s: pytest.fail("asked again"))
    assert backend == again == given
    assert again.tool_calls == given.tool_calls and again.completion_tokens == 9


def _answered(folder: Path, function: Callable[..., Any], **changes: Any) -> Response:
    async def run() -> Response:
        inner = ScriptedChat(function, model="scripted:m")
        async with module.cached(inner, Calling(model="scripted:m")) as backend:
            return await backend.sample(prompt("Why?"), 0, PLAIN)

    with caching(folder):
        return asyncio.run(run())


@pytest.mark.parametrize("bad", ["fails", "empty"])
def test_what_failed_or_says_nothing_is_asked_again(tmp_path: Path, bad: str) -> None:
    def fail(*_: object) -> Response:
        if bad == "fails":
            raise BackendError("timeout", "no reply in time")
        return Response("  ", "m", "stop", reasoning="Hm.")

    if bad == "fails":
        with pytest.raises(BackendError):
            _answered(tmp_path, fail)
    else:
        assert _answered(tmp_path, fail).text == "  "
    assert _answered(tmp_path, lambda *_: "So.").text == "So."
    assert _answered(tmp_path, fail).text == "So."


def test_a_stream_that_is_whole_is_kept_and_one_that_was_cut_is_not(tmp_path: Path) -> None:
    async def read(stop: int | None) -> list[str | Response]:
        async with open_chat("scripted:echo") as backend:
            pieces = []
            told = backend.stream(prompt("one two three"), 0, PLAIN)
            async for piece in told:
                pieces.append(piece)
                if len(pieces) == stop:
                    break
            await told.aclose()
            return pieces

    found = []
    for stop in (2, None, None):
        with caching(tmp_path):
            found.append((asyncio.run(read(stop)), hits()))
    (_, cut), (whole, anew), (known, hit) = found
    assert (cut, anew, hit) == (0, 0, 1)
    assert whole[-1] == known[-1] and len(whole) > 2 and len(known) == 2
    assert known[0] == whole[-1].text  # type: ignore[union-attr]


def test_scores_and_vectors(tmp_path: Path) -> None:
    turns = (Message("user", "Why?"), Message("assistant", "So."))

    async def run() -> tuple[Any, Any]:
        async with (
            open_reward("scripted:echo") as reward,
            open_embedding("scripted:echo") as embedding,
        ):
            return await reward.score(turns), await embedding.embed("Why?")

    found = []
    for _ in range(2):
        with caching(tmp_path):
            found.append((asyncio.run(run()), hits()))
    ((score, vector), none), ((score_again, vector_again), two) = found
    assert (none, two) == (0, 2)
    assert score_again == replace(score, tokens=0)
    assert vector_again.tokens == 0 and vector_again.vector.dtype == np.float32
    assert np.array_equal(vector.vector, vector_again.vector)


def test_a_score_that_is_no_number_is_not_kept(tmp_path: Path) -> None:
    from gristmill.records import Score

    assert module._packed_score(Score("m")) is None
    assert module._packed_score(Score("m", scalar=float("nan"))) is None
    assert module._score(module._packed_score(Score("m", scalar=-1.5)) or b"").scalar == -1.5


def test_a_hit_sends_nothing_and_loads_nothing(tmp_path: Path) -> None:
    class Counting(Meter):
        sent = 0

        def take_request(self) -> None:
            self.sent += 1

    class Model(ChatBackend):
        opened = 0

        async def __aenter__(self) -> Model:
            Model.opened += 1
            self.licence = "MIT"
            return self

        async def sample(self, prompt: Prompt, index: int, sampling: Sampling) -> Response:
            self.meter.take_request()
            return Response("So.", self.model)

    meters = []
    for _ in range(2):

        async def run() -> str | None:
            backend = module.cached(Model("hf:/nowhere"), Calling(model="scripted:m"))
            backend.meter = meters[-1]
            async with backend:
                await asyncio.gather(
                    *(backend.sample(prompt(t), 0, PLAIN) for t in ("Why?", "How?"))
                )
            return backend.licence

        meters.append(Counting())
        with caching(tmp_path):
            assert asyncio.run(run()) == "MIT"
    assert [m.sent for m in meters] == [2, 0] and Model.opened == 1


def test_no_key_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    with FaultyServer() as server:
        calling = Calling(model=server.chat, key_env="MY_KEY", body={"user": "sk-very-secret"})
        asked(tmp_path, calling, (prompt("Why?"), 0, PLAIN))
        assert server.headers[0]["Authorization"] == "Bearer sk-very-secret"
    assert b"sk-very-secret" not in (tmp_path / FILE).read_bytes()
    assert b"MY_KEY" not in (tmp_path / FILE).read_bytes()


def test_without_it_nothing_stands_between(tmp_path: Path) -> None:
    assert isinstance(open_chat("scripted:echo"), ScriptedChat)
    with caching(None):
        assert isinstance(open_chat("scripted:echo"), ScriptedChat) and hits() == 0
    with caching(tmp_path), caching(None):
        assert not isinstance(open_chat("scripted:echo"), ScriptedChat)
    assert isinstance(Reward(model="scripted:echo").open(), type(open_reward("scripted:echo")))
    assert survey(tmp_path) == []


def test_what_cannot_be_read_is_asked_again(tmp_path: Path) -> None:
    """A reply without a verdict is an answer; the next try must not be told the same."""
    said = iter(["I cannot say.", "I cannot say.", "[[A]]"])

    async def ask(backend: Backend, question: str) -> str:
        calls = (backend.sample(prompt(t), 0, PLAIN) for t in (question, "of no matter"))  # type: ignore[attr-defined]
        reply = (await asyncio.gather(*calls))[0].text
        if reply != "[[A]]":
            raise BackendError("unreadable", "no verdict")
        return reply

    kept: list[Any] = []
    for _ in range(4):

        def model() -> Backend:
            played = ScriptedChat(
                lambda m, i, s: next(said) if m[-1]["content"] == "Which?" else "so",
                model="scripted:m",
            )
            return module.cached(played, Calling(model="scripted:m"))

        work = Work(model, 1, ask, lambda task, found: kept.append(found) or 0)
        with caching(tmp_path):
            asyncio.run(
                call_all(work, iter(["Which?"]), Progress("", "m", 1, 1, 1), lambda _: None)
            )
    assert [isinstance(found, Failed) for found in kept] == [True, True, False, False]
    assert kept[2:] == ["[[A]]", "[[A]]"]
