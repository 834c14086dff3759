"""Full queues, clients that hang up, and the end of a server."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from local_models import one_thread
from serving import Serving, asked

CHAT = "/v1/chat/completions"


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def small(wild: Path) -> Iterator[tuple[Serving, dict[str, Any]]]:
    """A server with four places, and a request that holds one of them for long."""
    name = f"hf:{wild}"
    body = {"model": name, "messages": asked("go on"), "max_tokens": 4000}
    with one_thread(), Serving([name], queue=4, grace=1.0) as serving:
        # No token ends its answers: they go on to their limit.
        serving.models.named(name).backend._work._decoder._stops = torch.empty(0, dtype=torch.long)
        yield serving, body


def connect(there: Serving, body: dict[str, Any]) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(there.url.removeprefix("http://"), timeout=60)
    connection.request("POST", CHAT, json.dumps(body), {"Content-Type": "application/json"})
    return connection


def test_a_full_queue_asks_to_wait_and_hanging_up_frees_the_places(small: Any) -> None:
    there, body = small
    name = body["model"]
    whole = connect(there, {**body, "n": 2})
    until(lambda: there.taken(name) == 2)
    stream = connect(there, {**body, "n": 2, "stream": True})
    assert stream.getresponse().read(20).startswith(b"data: ")
    assert there.taken(name) == 4
    status, reply, headers = there.full(CHAT, body)
    assert (status, reply["error"]["code"]) == (429, "queue_full")
    assert 1 <= int(headers["retry-after"]) <= 60
    assert there.post(CHAT, {**body, "stream": True})[0] == 429
    status, reply = there.post(CHAT, {**body, "n": 5})
    assert (status, reply["error"]["code"]) == (400, "too_many")
    # Other things are answered meanwhile.
    assert there.get("/health")[0] == 200
    assert f'gristmill_places_taken{{model="{name}"}} 4.0' in there.get("/metrics")[1]
    whole.close()
    stream.close()
    until(lambda: there.taken(name) == 0)
    assert there.post(CHAT, {**body, "max_tokens": 3})[0] == 200
    figures = there.get("/metrics")[1]
    assert f'requests_total{{model="{name}",route="{CHAT}",status="499"}} 2.0' in figures
    assert f'requests_total{{model="{name}",route="{CHAT}",status="429"}} 2.0' in figures


def test_a_server_that_stops_takes_nothing_new_and_ends_what_is_under_way(small: Any) -> None:
    there, body = small
    short = {**body, "max_tokens": 400}
    done: list[Any] = []
    asking = threading.Thread(target=lambda: done.append(there.post(CHAT, short)))
    asking.start()
    kept = http.client.HTTPConnection(there.url.removeprefix("http://"), timeout=60)
    kept.request("GET", "/health")
    kept.getresponse().read()
    until(lambda: there.taken(body["model"]) == 1)
    there.loop.call_soon_threadsafe(there.ends.over.set)
    until(lambda: there.get("/health")[0] == 503)
    status, reply, headers = there.full(CHAT, short)
    assert (status, reply["error"]["code"], headers["retry-after"]) == (503, "stopping", "5")
    there.stop()
    asking.join(60)
    ((status, reply),) = done
    assert status == 200
    assert reply["choices"][0]["finish_reason"] in ("length", "stop")
    kept.close()


def test_what_does_not_end_in_time_is_given_up_with_a_word(small: Any) -> None:
    there, body = small
    stream = connect(there, {**body, "stream": True})
    reply = stream.getresponse()
    assert reply.read(6) == b"data: "
    whole = connect(there, body)
    until(lambda: there.taken(body["model"]) == 2)
    there.stop(now=True)
    refused = whole.getresponse()
    assert refused.status == 503
    assert json.loads(refused.read())["error"]["code"] == "stopping"
    *_, last, done = reply.read().decode().strip().split("\n\n")
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "stopping"
    assert done == "data: [DONE]"
    stream.close()
    whole.close()


def test_many_streams_of_which_some_are_hung_up_leave_nothing_behind(there: Serving) -> None:
    body = {
        "model": "tiny:instruct", "temperature": 1.0, "max_tokens": 40, "stream": True,
        "messages": asked("What is 34 plus 52?"),
    }  # fmt: skip
    whole: list[bool] = []

    def one(number: int) -> None:
        for turn in range(3):
            connection = connect(there, {**body, "seed": 10 * number + turn})
            reply = connection.getresponse()
            if (number + turn) % 3 == 0:
                reply.read(1 + 37 * number)
            else:
                whole.append(reply.read().endswith(b"data: [DONE]\n\n"))
            connection.close()

    threads = [threading.Thread(target=one, args=(i,)) for i in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(whole) == 48
    assert all(whole)
    until(lambda: there.taken("tiny:instruct") == 0)
