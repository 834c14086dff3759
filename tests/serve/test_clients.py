"""Clients that others wrote, and our own mill, against a server of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from gristmill.jobs.run import run
from mills import tables
from serving import Serving, asked


@pytest.fixture(scope="module")
def client(there: Serving) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{there.url}/v1", api_key="any", max_retries=0) as client:
        yield client


QUESTION: Any = asked("What is 34 plus 52?")


def test_the_openai_package_chats_streams_and_lists(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names[:2] == ["tiny:instruct", "tiny:reward"]
    assert client.models.retrieve("tiny:reward").owned_by == "gristmill"
    how: Any = {"model": "tiny:instruct", "messages": QUESTION, "temperature": 0}
    whole = client.chat.completions.create(**how, logprobs=True, top_logprobs=2, n=2)
    text = whole.choices[0].message.content
    assert text and whole.choices[1].message.content == text
    assert whole.usage and whole.usage.total_tokens > 20
    assert whole.choices[0].logprobs and whole.choices[0].logprobs.content
    said = ""
    with client.chat.completions.create(
        **how, stream=True, stream_options={"include_usage": True}
    ) as stream:
        usage = None
        for chunk in stream:
            said += "".join(c.delta.content or "" for c in chunk.choices)
            usage = chunk.usage
    assert said == text
    assert usage and usage.completion_tokens * 2 == whole.usage.completion_tokens
    with client.chat.completions.stream(**how) as events:
        assert events.get_final_completion().choices[0].message.content == text
    going = client.completions.create(model="tiny:instruct", prompt="What is", max_tokens=5)
    assert going.choices[0].finish_reason == "length"


def test_the_openai_package_raises_its_own_errors(client: openai.OpenAI) -> None:
    create = client.chat.completions.create
    how: Any = {"model": "tiny:instruct", "messages": QUESTION}
    with pytest.raises(openai.NotFoundError) as none:
        create(**{**how, "model": "gpt-4"})
    assert none.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as long:
        create(**{**how, "messages": asked("word " * 2_000)})
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as unknown:
        create(**how, extra_body={"repetition_penality": 1.1})
    assert unknown.value.param == "repetition_penality"
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="tiny:instruct", input="a")


def test_a_run_over_http_keeps_what_a_run_in_this_process_keeps(
    there: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = []
    for name, place in (("here", "{}"), ("there", f"{there.url}/v1#{{}}")):
        config = {
            "name": name,
            "prompts": {"file": "tutor:24:held-out"},
            "generate": {"model": place.format("tiny:instruct"), "responses": 2, "max_tokens": 96},
            "judges": [{"reward": {"model": place.format("tiny:reward")}}],
            "keep": [{"threshold": {"correctness": 2.5}}],
        }
        Path(f"{name}.yaml").write_text(yaml.safe_dump(config))
        outcome = run(f"{name}.yaml", quiet=True)
        assert outcome.status == "complete", outcome.detail
        found.append(tables(outcome.folder)["scored"])
    here, over = found
    assert len(here) == len(over) == 48
    for mine, theirs in zip(here, over, strict=True):
        assert mine["response"] == theirs["response"]
        assert mine["kept"] == theirs["kept"]
        assert mine["reward"] == pytest.approx(theirs["reward"], abs=2e-5)


def test_figures_are_read_by_prometheus_own_parser(there: Serving) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    there.post("/v1/chat/completions", {"model": "no such model \\n", "messages": QUESTION})
    there.events(
        "/v1/chat/completions", {"model": "tiny:instruct", "messages": QUESTION, "max_tokens": 4}
    )
    status, text = there.get("/metrics")
    assert status == 200
    families = {f.name: f for f in text_string_to_metric_families(text)}
    told = [s for s in families["gristmill_tokens"].samples if s.name.endswith("_total")]
    tokens = {(s.labels["model"], s.labels["kind"]): s.value for s in told}
    assert tokens["tiny:instruct", "prompt"] > 0
    assert tokens["tiny:instruct", "completion"] > 0
    models = {s.labels["model"] for s in families["gristmill_requests"].samples}
    assert "" in models
    assert all(name in ("", "tiny:instruct", "tiny:reward") or name[:3] == "hf:" for name in models)
    assert "process_resident_memory_bytes" in families
    assert families["gristmill_first_token_seconds"].samples
    assert os.environ["PATH"] not in text


def test_the_interface_says_what_it_is(there: Serving) -> None:
    status, schema = there.get("/openapi.json")
    assert status == 200
    body = schema["paths"]["/v1/chat/completions"]["post"]["requestBody"]
    fields = body["content"]["application/json"]["schema"]["properties"]
    assert fields["model"]["enum"][:2] == ["tiny:instruct", "tiny:reward"]
    assert {"temperature", "tools", "stream_options", "max_completion_tokens"} <= set(fields)
    assert set(schema["paths"]) == {
        "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/rewards", "/classify",
        "/pooling", "/v1/models", "/v1/models/{name}", "/health", "/metrics",
    }  # fmt: skip
