"""Answers that are kept: what was asked is not asked again, and nothing else is taken for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gristmill.backends import Calls, ChatBackend, Remembered
from gristmill.backends.scripted import ScriptedChat
from gristmill.errors import BackendError, CheckpointError
from gristmill.records import Message, Prompt, Response, Sampling, ToolCall, prompt_id


class Counted:
    """A model that counts its calls, and how often it was opened."""

    def __init__(self, fails: bool = False) -> None:
        self.calls = 0
        self.fails = fails

    def __call__(self, messages: list[dict[str, Any]], index: int, seed: int) -> str:
        self.calls += 1
        if self.fails:
            raise BackendError("timeout", "no reply in time")
        return f"{messages[-1]['content']}/{index}/{seed}"


def prompt(text: str, system: str | None = None) -> Prompt:
    before = (Message("system", system),) if system is not None else ()
    messages = (*before, Message("user", text))
    return Prompt(prompt_id(messages), messages)


def ask(
    folder: Path,
    model: Callable[..., str],
    *calls: tuple[Prompt, int, Sampling],
    paid: Callable[[Response], list[float]] | None = None,
) -> list[Response]:
    """The answers to calls, one after the other, by a process of its own as it were."""

    async def run() -> list[Response]:
        log = Calls(folder / "calls.jsonl")
        try:
            async with Remembered(ScriptedChat(model), log, paid) as backend:
                return [await backend.sample(*call) for call in calls]
        finally:
            log.close()

    return asyncio.run(run())


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    model = Counted()
    call = (prompt("Why?"), 0, Sampling())
    first = ask(tmp_path, model, call, call)
    assert model.calls == 1
    assert first == ask(tmp_path, Counted(fails=True), call, call)


def test_a_thought_and_calls_are_kept_with_the_answer(tmp_path: Path) -> None:
    whole = Response("4", "m", "stop", 1, 2, "two and two", (ToolCall("add", '{"a": 2}', "c1"),))
    bare = Response("", "m", "tool_calls", tool_calls=(ToolCall("add"),))
    for number, given in enumerate((whole, bare, replace(whole, tool_calls=()))):
        call = (prompt(f"Why {number}?"), 0, Sampling())
        assert ask(tmp_path, lambda *_, said=given: said, call) == [given]  # type: ignore[misc]
        assert ask(tmp_path, Counted(fails=True), call) == [given]


@pytest.mark.parametrize(
    "other",
    [
        (prompt("Why?", "Be brief."), 0, Sampling()),
        (prompt("Why"), 0, Sampling()),
        (replace(prompt("Why?"), id="mine"), 0, Sampling()),
        (prompt("Why?"), 1, Sampling()),
        (prompt("Why?"), 0, Sampling(temperature=0.1)),
        (prompt("Why?"), 0, Sampling(top_p=0.5)),
        (prompt("Why?"), 0, Sampling(max_tokens=7)),
        (prompt("Why?"), 0, Sampling(seed=1)),
        (prompt("Why?"), 0, Sampling(schema={"type": "array"})),
        (replace(prompt("Why?"), tools='[{"name": "add"}]'), 0, Sampling()),
        (replace(prompt("Why?"), messages=(Message("user", "Why?", name="Ada"),)), 0, Sampling()),
    ],
)
def test_whatever_decides_the_answer_makes_another_call(tmp_path: Path, other: Any) -> None:
    model = Counted()
    ask(tmp_path, model, (prompt("Why?"), 0, Sampling()), other)
    assert model.calls == 2


def test_texts_do_not_run_into_each_other(tmp_path: Path) -> None:
    one = (Message("user", "ab"), Message("assistant", "c"), Message("user", "d"))
    two = (Message("user", "a"), Message("assistant", "bc"), Message("user", "d"))
    model = Counted()
    ask(tmp_path, model, *((Prompt("same", m), 0, Sampling()) for m in (one, two)))
    assert model.calls == 2


def test_half_a_surrogate_pair_is_no_obstacle(tmp_path: Path) -> None:
    model = Counted()
    call = (prompt("broken \ud800"), 0, Sampling())
    assert "broken" in ask(tmp_path, lambda *_: "broken", call)[0].text
    ask(tmp_path, model, call)
    assert model.calls == 0


def test_a_failure_is_tried_again(tmp_path: Path) -> None:
    call = (prompt("Why?"), 0, Sampling())
    with pytest.raises(BackendError, match="in time"):
        ask(tmp_path, Counted(fails=True), call)
    model = Counted()
    ask(tmp_path, model, call)
    assert model.calls == 1


def test_a_model_is_opened_only_when_it_is_asked(tmp_path: Path) -> None:
    opened: list[str] = []

    class Heavy(ScriptedChat):
        async def __aenter__(self) -> ChatBackend:
            opened.append("in")
            return self

        async def __aexit__(self, *_: object) -> None:
            opened.append("out")

    async def run(*texts: str) -> None:
        log = Calls(tmp_path / "calls.jsonl")
        async with Remembered(Heavy(Counted()), log) as backend:
            calls = (backend.sample(prompt(t), 0, Sampling()) for t in texts)
            await asyncio.gather(*calls)
        log.close()

    asyncio.run(run("a", "b"))
    assert opened == ["in", "out"]
    asyncio.run(run("a", "b"))
    assert opened == ["in", "out"]


def test_what_was_spent_is_known_to_the_next_process(tmp_path: Path) -> None:
    spent = [0.0]

    def paid(answer: Response) -> list[float]:
        spent[0] += answer.completion_tokens
        return list(spent)

    ask(tmp_path, Counted(), *((prompt(f"Why {i}?"), 0, Sampling()) for i in range(3)), paid=paid)
    log = Calls(tmp_path / "calls.jsonl")
    assert log.spent == spent
    assert len(log) == 3
    log.close()


def test_a_kill_in_the_middle_of_a_line_costs_that_line_alone(tmp_path: Path) -> None:
    calls = [(prompt(f"Why {i}?"), 0, Sampling()) for i in range(3)]
    ask(tmp_path, Counted(), *calls)
    file = tmp_path / "calls.jsonl"
    file.write_bytes(file.read_bytes()[:-10])
    model = Counted()
    ask(tmp_path, model, *calls)
    assert model.calls == 1


def test_damage_elsewhere_is_named(tmp_path: Path) -> None:
    ask(tmp_path, Counted(), *((prompt(f"Why {i}?"), 0, Sampling()) for i in range(3)))
    file = tmp_path / "calls.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([lines[0], lines[1].replace(b"Why", b"Who"), lines[2]]))
    with pytest.raises(CheckpointError, match=r"calls.jsonl: line 2 is damaged"):
        ask(tmp_path, Counted(), (prompt("Why 0?"), 0, Sampling()))
