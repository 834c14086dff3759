"""Which failures are tried again, when, and what the user reads."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import orjson
import pytest

from gristmill.backends import retry
from gristmill.backends.fault import (
    EVER,
    PATIENCE,
    Fault,
    fault_in_reply,
    fault_of_status,
    retry_after,
)
from gristmill.backends.retry import Retry


@pytest.mark.parametrize(
    ("status", "body", "kind", "again", "fatal"),
    [
        (429, b"", "rate_limited", True, False),
        (429, b'{"error":{"code":"insufficient_quota","message":"x"}}', "rate_limited", True, True),
        (408, b"", "timeout", True, False),
        (409, b"", "server", True, False),
        (500, b"oops", "server", True, False),
        (502, b"<html>", "server", True, False),
        (503, b"", "server", True, False),
        (204, b"", "bad_reply", True, False),
        (400, b'{"error":{"message":"bad role"}}', "bad_request", False, False),
        (400, b'{"message":"maximum context length is 4096"}', "too_long", False, False),
        (422, b'{"detail":[{"msg":"x"}]}', "bad_request", False, False),
        (413, b"", "too_long", False, False),
        (401, b"", "bad_request", False, True),
        (402, b"", "bad_request", False, True),
        (403, b"", "bad_request", False, True),
        (404, b"", "bad_request", False, True),
        (307, b"", "bad_request", False, True),
    ],
)
def test_every_status_has_its_kind(status, body, kind, again, fatal):
    fault = fault_of_status(status, {}, body)
    assert (fault.kind, fault.again, fault.fatal) == (kind, again, fatal)
    assert f"HTTP {status}" in fault.message
    assert "\n" not in fault.message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "no such\nmodel", "code": 1}}, "no such model"),
        ({"error": "plain"}, "plain"),
        ({"object": "error", "message": "vllm says"}, "vllm says"),
        ({"detail": "fastapi says"}, "fastapi says"),
    ],
)
def test_the_servers_own_words_are_found(body, said):
    assert fault_of_status(400, {}, orjson.dumps(body)).message == f"HTTP 400: {said}"


def test_an_error_that_comes_with_200():
    assert fault_in_reply({"choices": []}) is None
    assert fault_in_reply([1]) is None
    fault = fault_in_reply({"error": {"message": "slow down", "code": "429"}})
    assert fault is not None
    assert fault.overload
    long = fault_in_reply({"error": {"message": "slow down", "code": "4" * 5000}})
    assert long is not None
    assert long.status == 502
    other = fault_in_reply({"error": "upstream"})
    assert other is not None
    assert other.kind == "server"


def test_retry_after_in_every_form():
    assert retry_after("2") == 2
    assert retry_after("0.5") == 0.5
    soon = datetime.now(UTC) + timedelta(seconds=30)
    seconds = retry_after(format_datetime(soon, usegmt=True))
    assert seconds is not None
    assert 28 < seconds <= 30
    assert retry_after(format_datetime(soon - timedelta(hours=1), usegmt=True)) == 0
    # Too long to wait, and not to be passed over.
    for ever in ("1e12", "Fri, 31 Dec 9999 23:59:59 GMT"):
        assert retry_after(ever) == EVER > PATIENCE
    for nonsense in (None, "", "soon", "nan", "inf", "Mon, 99 Foo", "1 Jan 99999999999999999999"):
        assert retry_after(nonsense) is None


def test_failures_use_up_the_retries_with_growing_jitter():
    state = Retry()
    delays = [state.delay(Fault("server", "x", status=500), 3) for _ in range(4)]
    assert delays[3] is None
    for number, delay in enumerate(delays[:3]):
        assert delay is not None
        assert 0 <= delay <= retry.BASE_DELAY * 2**number


def test_refusals_use_up_patience_alone(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(retry, "monotonic", lambda: now[0])
    state, fault = Retry(), Fault("rate_limited", "x", status=429)
    for _ in range(100):
        delay = state.delay(fault, 0)
        assert delay is not None
        assert delay <= retry.MAX_DELAY
    now[0] += retry.PATIENCE + 1
    assert state.delay(fault, 0) is None


def test_a_named_time_is_waited_for_and_too_long_a_one_is_not():
    fault = Fault("rate_limited", "x", status=429)
    fault.after = 7.0
    delay = Retry().delay(fault, 0)
    assert delay is not None
    assert 7 <= delay <= 8
    headers = {"Retry-After": f"{retry.PATIENCE * 2}"}
    assert fault_of_status(429, headers, b"").fatal  # a day's quota is spent
    busy = Fault("server", "x", status=503)
    busy.after = 1.0
    assert Retry().delay(busy, 0) is not None  # 503 with Retry-After is a refusal, not a failure


def test_classification_is_cheap():
    start = time.process_time()
    for _ in range(1000):
        fault_of_status(429, {}, b'{"error":{"message":"x"}}')
    assert time.process_time() - start < 0.5
