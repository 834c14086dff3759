"""Batch APIs against a real server whose batches go in every way that is documented."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_servers import KEY, BatchServer, Course
from calls import prompt
from gristmill.backends import (
    Meter,
    batch_carry,
    batch_collect,
    batch_line,
    open_chat,
    open_embedding,
    open_reward,
    retry,
)
from gristmill.backends.base import Backend
from gristmill.backends.batch import APIS as APIS_BY_NAME
from gristmill.backends.batch_api import Lost
from gristmill.backends.batch_openai import OpenAi
from gristmill.backends.fault import Fault
from gristmill.errors import BackendError, BackendFatal, ConfigError, GristmillError
from gristmill.records import Message, Response, Sampling
from gristmill.storage.log import Log
from servers import grade, text_for

APIS = ("openai", "anthropic")
COUNT = 10
NAMES = (
    "custom_id",
    "response",
    "error",
    "status_code",
    "body",
    "code",
    "result",
    "type",
    "message",
)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_collect, "QUIET", 0.02)
    for name in ("FIRST_LOOK", "LAST_LOOK", "LISTED"):
        monkeypatch.setattr(batch_carry, name, 0.01)
    for name in ("BASE_DELAY", "REFUSAL_DELAY"):
        monkeypatch.setattr(retry, name, 0.01)


class Purse(Meter):
    def __init__(self, most: int = 1_000_000) -> None:
        self.most, self.taken, self.usd = most, 0, 0.0

    def take_request(self) -> None:
        if self.taken >= self.most:
            raise BackendError("budget", "spent")
        self.taken += 1

    def add_cost(self, usd: float) -> None:
        self.usd += usd


async def ask(
    server: BatchServer, folder: Path, api: str, count: int = COUNT, purse: Purse | None = None
) -> tuple[list[Response | GristmillError], Backend]:
    """`count` prompts, all at once: what became of each."""
    options = {"batch_api": api, "retries": 1, "price": {"input": 10, "output": 100}}
    backend = open_chat(server.chat, options)
    backend.folder, backend.meter = folder, purse or Purse()
    async with backend:
        calls = (backend.sample(prompt(f"q{n}"), 0, Sampling(seed=7)) for n in range(count))
        found = await asyncio.gather(*calls, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, GristmillError):
            raise one
    return found, backend  # type: ignore[return-value]


def texts(found: Sequence[Response | GristmillError]) -> list[str]:
    return [one.text.partition(" / ")[0] for one in found if isinstance(one, Response)]


EVERY = [f"q{n}" for n in range(COUNT)]
BAD = {"type": "invalid_request_error", "message": "temperature: must be at most 1"}
BUSY = {"type": "overloaded_error", "message": "overloaded"}
LONG = {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"}
COURSES = {
    "completed": [Course()],
    "no look finds it under way": [Course(states=())],
    "expired with partial results": [Course(end="expired", answered=0.4), Course()],
    "expired twice": [Course(end="expired", answered=0.3)],
    "expired with nothing": [Course(end="expired", answered=0.0), Course()],
    "cancelled with partial results": [
        Course(("in_progress", "cancelling"), end="cancelled", answered=0.5),
        Course(),
    ],
    "rows missing": [Course(lost=frozenset({0, 3, 9})), Course()],
    "rows missing twice": [Course(lost=frozenset({0, 3})), Course(lost=frozenset({0}))],
    "rows twice": [Course(twice=frozenset({1, 4}))],
    "rows between rubbish": [Course(spoiled=True)],
    "files that are named by nothing": [Course(bare=True)],
    "files that come late": [Course(late=2)],
    "rows refused for now": [Course(refused={2: (529, BUSY), 5: (529, BUSY)}), Course()],
    "creation not heard": [Course(unheard=True), Course()],
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", COURSES)
def test_every_request_is_answered_once_and_paid_once(name: str, api: str, tmp_path: Path) -> None:
    courses = COURSES[name]
    if api == "anthropic" and courses[0].end == "cancelled":
        courses = [Course(end="canceled", answered=0.5), Course()]
    with BatchServer(courses) as server:
        found, backend = asyncio.run(ask(server, tmp_path, api))
        assert texts(found) == EVERY
        assert set(server.paid.values()) == {1} and len(server.paid) == COUNT
        # What a batch answered is here: nobody is asked again.
        alone, made = server.alone, len(server.made)
        again, later = asyncio.run(ask(server, tmp_path, api))
        assert again == found
        assert alone or (later.traffic.requests, len(server.made)) == (0, made)
    assert backend.traffic.requests == COUNT + backend.traffic.retries
    one = found[0]
    assert isinstance(one, Response)
    assert (one.prompt_tokens, one.completion_tokens, one.finish_reason) == (11, 5, "stop")
    assert one.reasoning == ("Hm." if api == "anthropic" else "")


def test_what_no_batch_answers_is_asked_alone_at_the_full_price(tmp_path: Path) -> None:
    purse = Purse()
    with BatchServer([Course(lost=frozenset({0, 3})), Course(lost=frozenset({0}))]) as server:
        found, backend = asyncio.run(ask(server, tmp_path, "openai", purse=purse))
    assert texts(found) == EVERY
    assert server.alone == 1
    assert [len(made.rows) for made in server.made.values()] == [COUNT, 2]
    assert purse.taken == backend.traffic.requests == COUNT + 3
    assert purse.usd == pytest.approx(0.5 * (10 * 11 + 100 * 5) / 1e6)


@pytest.mark.parametrize("api", APIS)
def test_a_row_that_is_refused_fails_as_a_single_call_would(api: str, tmp_path: Path) -> None:
    filtered = {"type": "invalid_request_error", "message": "content filter policy"}
    refused = {1: (400, BAD), 2: (400, LONG), 3: (400, filtered)}
    with BatchServer([Course(refused=refused)]) as server:
        found, backend = asyncio.run(ask(server, tmp_path, api))
        kinds = {n: one.kind for n, one in enumerate(found) if isinstance(one, BackendError)}
        assert kinds == {1: "bad_request", 2: "too_long", 3: "content_filter"}
        assert len(server.made) == 1 and server.alone == 0
        assert backend.traffic.failures == {"bad_request": 1, "too_long": 1, "content_filter": 1}
        # Failed calls are tried again by a later run, in a batch of their own.
        server.courses = [Course()]
        assert texts(asyncio.run(ask(server, tmp_path, api))[0]) == EVERY
        assert [len(made.rows) for made in server.made.values()] == [COUNT, 3]
    assert set(server.paid.values()) == {1}


def test_an_account_without_money_stops_the_run(tmp_path: Path) -> None:
    said = "Your credit balance is too low to access the Anthropic API."
    broke = {"type": "invalid_request_error", "message": said}
    with BatchServer([Course(refused=dict.fromkeys(range(COUNT), (400, broke)))]) as server:
        found, _ = asyncio.run(ask(server, tmp_path, "anthropic"))
    assert all(isinstance(one, BackendFatal) for one in found)


def test_a_batch_that_is_refused_for_some_lines_asks_those_alone(tmp_path: Path) -> None:
    errors = [{"code": "invalid_json_line", "line": 3, "message": "not a request"}]
    with BatchServer([Course(end="failed", errors=errors), Course()]) as server:
        found, _ = asyncio.run(ask(server, tmp_path, "openai"))
    assert texts(found) == EVERY
    assert [len(made.rows) for made in server.made.values()] == [COUNT, COUNT - 1]
    assert server.alone == 1
    assert set(server.paid.values()) == {1}


def test_batches_that_are_refused_as_a_whole_end_in_single_calls(tmp_path: Path) -> None:
    errors = [{"code": "model_not_found", "line": None, "message": "no batches of this model"}]
    with BatchServer([Course(end="failed", errors=errors)]) as server:
        found, _ = asyncio.run(ask(server, tmp_path, "openai"))
    assert texts(found) == EVERY
    assert (len(server.made), server.alone) == (2, COUNT)


def test_smaller_batches_where_the_queue_of_the_account_is_too_small(tmp_path: Path) -> None:
    errors = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}]
    full = Course(end="failed", errors=errors)
    purse = Purse()
    with BatchServer([full, full, Course()]) as server:
        found, _ = asyncio.run(ask(server, tmp_path, "openai", purse=purse))
    assert texts(found) == EVERY
    assert [len(made.rows) for made in server.made.values()][:2] == [10, 5]
    assert server.alone == 0
    assert purse.taken == COUNT  # no request was made by a batch that was not taken


def test_smaller_batches_where_the_provider_takes_no_large_files(tmp_path: Path) -> None:
    with BatchServer(most=1000) as server:
        found, _ = asyncio.run(ask(server, tmp_path, "openai"))
    assert texts(found) == EVERY
    assert server.alone == 0 and set(server.paid.values()) == {1}
    assert max(len(made.rows) for made in server.made.values()) < COUNT


class Death:
    """The `at`-th record of the batches' log is where the process dies, before it is written or
    after: from then on it writes nothing, and says nothing to anyone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, *, before: bool) -> None:
        self.left, self.before, self.dead = at, before, False
        append, once = Log.append, batch_line.Line.once

        def appended(log: Log, record: Any) -> int:
            self._hear()
            self.left -= 1
            if not self.left and before:
                self._die()
            offset = append(log, record)
            if not self.left:
                self._die()
            return offset

        async def heard(line: batch_line.Line, *args: Any, **kwargs: Any) -> Any:
            self._hear()
            return await once(line, *args, **kwargs)

        monkeypatch.setattr(Log, "append", appended)
        monkeypatch.setattr(batch_line.Line, "once", heard)

    def _hear(self) -> None:
        if self.dead:
            raise asyncio.CancelledError

    def _die(self) -> None:
        self.dead = True
        for task in asyncio.all_tasks():
            task.cancel()
        raise asyncio.CancelledError


STEPS = 5
"""Records that one batch leaves: written, uploaded, creating, created, read."""


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("at", range(1, 2 * STEPS + 1))
def test_killed_between_any_two_steps_nothing_is_paid_twice(
    at: int, before: bool, api: str, tmp_path: Path
) -> None:
    # The second batch is made of what the first one does not answer.
    with BatchServer([Course(end="expired", answered=0.5), Course()]) as server:
        with pytest.MonkeyPatch.context() as patched:
            death = Death(patched, at, before=before)
            with pytest.raises(asyncio.CancelledError):
                asyncio.run(ask(server, tmp_path, api))
            assert death.dead
        found, _ = asyncio.run(ask(server, tmp_path, api))
        assert texts(found) == EVERY
        assert set(server.paid.values()) == {1} and len(server.paid) == COUNT
        # No batch was begun beside those that an undisturbed run begins.
        assert [len(made.rows) for made in server.made.values()] == [COUNT, COUNT // 2]


def test_what_nobody_asks_for_any_more_is_not_begun(tmp_path: Path) -> None:
    with BatchServer() as server:
        with pytest.MonkeyPatch.context() as patched:
            Death(patched, 2, before=False)
            with pytest.raises(asyncio.CancelledError):
                asyncio.run(ask(server, tmp_path, "openai"))
        found, _ = asyncio.run(ask(server, tmp_path, "openai", count=2))
    assert texts(found) == EVERY[:2]
    assert len(server.paid) == 2


def test_somebody_elses_batch_of_the_same_size_is_not_taken_for_ours(tmp_path: Path) -> None:
    """Anthropic's batches carry no name of ours."""
    theirs = {
        "id": "theirs",
        "processing_status": "ended",
        "created_at": "2126-01-01T00:00:00Z",
        "request_counts": {"succeeded": COUNT},
    }
    with BatchServer() as server:
        server.before = [theirs]
        with pytest.MonkeyPatch.context() as patched:
            Death(patched, 4, before=True)
            with pytest.raises(asyncio.CancelledError):
                asyncio.run(ask(server, tmp_path, "anthropic"))
        assert len(server.made) == 1
        found, _ = asyncio.run(ask(server, tmp_path, "anthropic"))
    assert texts(found) == EVERY
    assert len(server.made) == 1 and set(server.paid.values()) == {1}


def test_ours_is_found_on_a_later_page_of_the_list(tmp_path: Path) -> None:
    with BatchServer() as server:
        with pytest.MonkeyPatch.context() as patched:
            Death(patched, 4, before=True)
            with pytest.raises(asyncio.CancelledError):
                asyncio.run(ask(server, tmp_path, "openai"))
        others = [{"id": f"b{n}", "created_at": 4e9, "metadata": None} for n in range(5)]
        server.before = others
        found, _ = asyncio.run(ask(server, tmp_path, "openai"))
    assert texts(found) == EVERY
    assert len(server.made) == 1


def test_requests_of_the_same_words_are_kept_apart_where_the_server_takes_no_seed(
    tmp_path: Path,
) -> None:
    async def main(server: BatchServer) -> list[Response]:
        options = {"batch_api": "openai", "body": {"seed": None}}
        async with placed(open_chat(server.chat, options), tmp_path) as chat:
            calls = (chat.sample(prompt("q"), index, Sampling()) for index in range(3))
            return await asyncio.gather(*calls)

    with BatchServer() as server:
        assert len(asyncio.run(main(server))) == 3
        (made,) = server.made.values()
    assert len(made.rows) == 3


def placed(backend: Any, folder: Path) -> Any:
    backend.folder = folder
    return backend


def test_a_chat_and_a_reward_model_share_no_batch_but_the_server(tmp_path: Path) -> None:
    async def main(server: BatchServer) -> list[Any]:
        options = {"batch_api": "openai"}
        async with (
            placed(open_chat(server.chat, options), tmp_path) as chat,
            placed(open_reward(server.reward, options), tmp_path) as judge,
        ):
            turns = (Message("user", "q"), Message("assistant", "a"))
            calls = chat.sample(prompt("q"), 0, Sampling()), judge.score(turns)
            return await asyncio.gather(*calls)

    with BatchServer() as server:
        response, score = asyncio.run(main(server))
    said = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    assert score.attributes == tuple(grade({"messages": said}))
    assert response.text.startswith("q / ")
    assert [len(made.rows) for made in server.made.values()] == [1, 1]


def test_two_backends_of_one_model_share_a_batch(tmp_path: Path) -> None:
    async def main(server: BatchServer) -> None:
        options = {"batch_api": "openai"}
        async with (
            placed(open_chat(server.chat, options), tmp_path) as one,
            placed(open_chat(server.chat, options), tmp_path) as other,
        ):
            same = one.sample(prompt("q"), 0, Sampling()), other.sample(prompt("q"), 0, Sampling())
            await asyncio.gather(*same, other.sample(prompt("p"), 0, Sampling()))

    with BatchServer() as server:
        asyncio.run(main(server))
    assert [len(made.rows) for made in server.made.values()] == [2]


def test_a_full_batch_is_closed_and_the_rest_goes_into_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenAi, "most_requests", 4)
    with BatchServer() as server:
        found, _ = asyncio.run(ask(server, tmp_path, "openai"))
        assert sorted(len(made.rows) for made in server.made.values()) == [2, 4, 4]
        monkeypatch.setattr(OpenAi, "most_requests", 50_000)
        monkeypatch.setattr(OpenAi, "most_bytes", 500)
        asyncio.run(ask(server, tmp_path / "other", "openai"))
    assert texts(found) == EVERY
    assert all(len(upload) <= 500 for upload in list(server.uploads.values())[3:])


def test_a_key_goes_to_the_server_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATCH_KEY", KEY)

    async def main(server: BatchServer) -> Response:
        options = {"batch_api": "anthropic", "key_env": "BATCH_KEY"}
        async with placed(open_chat(server.chat, options), tmp_path) as chat:
            return await chat.sample(prompt(f"say {KEY}"), 0, Sampling())

    with BatchServer() as server:
        response = asyncio.run(main(server))
    assert server.keys == {KEY}
    assert response.text.startswith("say [key]")
    for path in tmp_path.rglob("*"):
        # What the user asked, and the server said, is not ours to change on its way.
        if path.is_file() and "requests" not in path.name and "results" not in path.name:
            assert KEY not in path.read_text()


def test_a_budget_is_asked_before_a_request_goes_into_a_batch(tmp_path: Path) -> None:
    with BatchServer() as server:
        found, _ = asyncio.run(ask(server, tmp_path, "openai", purse=Purse(most=4)))
    assert [one.kind for one in found if isinstance(one, BackendError)] == ["budget"] * 6
    assert len(server.paid) == 4


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "name its variable"), (404, "have a batch API"), (500, "run again"), (429, "run again")],
)
def test_a_server_that_takes_no_batches_stops_the_run_and_says_why(
    status: int, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "PATIENCE", 0.1)
    with BatchServer(barred=status) as server:
        found, _ = asyncio.run(ask(server, tmp_path, "openai"))
        assert {type(one) for one in found} == {BackendFatal}
        assert hint in str(found[0]) and "\n" not in str(found[0])
        server.barred = None
        assert texts(asyncio.run(ask(server, tmp_path, "openai"))[0]) == EVERY


def engine(folder: Path) -> None:
    """As `vllm run-batch` does: a line for each request, in order; failures have no body."""
    while not (found := list(folder.rglob("*.requests.jsonl"))):
        time.sleep(0.01)
    answers = found[0].with_name(found[0].name.replace("requests", "answers"))
    with answers.open("w") as file:
        for number, line in enumerate(found[0].read_text().splitlines()):
            row = json.loads(line)
            assert (row["method"], row["url"]) == ("POST", "/v1/chat/completions")
            choice = {"message": {"content": text_for(row["body"])}, "finish_reason": "stop"}
            response = {"status_code": 200, "request_id": "r", "body": {"choices": [choice]}}
            error = None
            if number == 1:
                response |= {"status_code": 400, "body": None}
                error = {"error": {"message": "prompt is too long: 9 tokens", "code": 400}}
            said = {"id": "vllm-1", "custom_id": row["custom_id"]}
            file.write(json.dumps({**said, "response": response, "error": error}) + "\n")
            file.flush()
            time.sleep(0.02)


def test_a_provider_with_other_words_is_asked_for_one_batch_and_no_more(tmp_path: Path) -> None:
    with BatchServer([Course(odd=True)]) as server:
        found, _ = asyncio.run(ask(server, tmp_path, "openai"))
    assert {type(one) for one in found} == {BackendFatal}
    assert "no id" in str(found[0])
    assert len(server.made) == 1


def test_files_for_an_engine_that_is_run_by_hand(tmp_path: Path) -> None:
    async def main() -> list[Any]:
        model = "http://127.0.0.1:1/v1#chat"
        async with placed(open_chat(model, {"batch_api": "file"}), tmp_path) as chat:
            calls = (chat.sample(prompt(f"q{n}"), 0, Sampling()) for n in range(3))
            by_hand = asyncio.to_thread(engine, tmp_path)
            *found, _ = await asyncio.gather(*calls, by_hand, return_exceptions=True)
            return found

    one, two, three = asyncio.run(main())
    assert (one.text.partition(" /")[0], three.text.partition(" /")[0]) == ("q0", "q2")
    assert isinstance(two, BackendError) and two.kind == "too_long"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=12,
)


@given(row=ANYTHING, api=st.sampled_from(sorted(APIS_BY_NAME)))
def test_whatever_a_row_is_it_is_read_or_passed_over(row: Any, api: str) -> None:
    read = APIS_BY_NAME[api](cast(Any, None)).read
    try:
        key, outcome = read(row)
    except (KeyError, TypeError, AttributeError, ValueError):
        return
    assert key == row["custom_id"]
    assert isinstance(outcome, dict | Fault | Lost)


@pytest.mark.parametrize(
    ("opener", "model", "options", "said"),
    [
        (open_chat, "scripted:echo", {}, "for a model behind a server"),
        (open_reward, "http://h:1/v1#m", {"batch_api": "anthropic"}, "no reward model"),
        (open_reward, "http://h:1/v1?route=pooling#m", {}, "chat completions"),
        (open_embedding, "http://h:1/v1#m", {}, "answer or grade"),
        (open_chat, "http://h:1/v1#m", {"batch_api": "gemini"}, "batch_api"),
        (open_chat, "http://h:1/v1#m", {"batch_api": None, "concurrency": 5000}, "too many"),
    ],
)
def test_settings_that_make_no_sense(opener: Any, model: str, options: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        opener(model, {"batch_api": "openai", **options})


def test_without_a_folder_there_are_no_batches() -> None:
    async def main() -> None:
        async with open_chat("http://h:1/v1#m", {"batch_api": "openai"}):
            pass

    with pytest.raises(ConfigError, match="needs a folder"):
        asyncio.run(main())
