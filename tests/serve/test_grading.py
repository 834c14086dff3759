"""Grades over HTTP: as the hosted model gives them, in batches, and as vLLM gives them."""

from __future__ import annotations

import asyncio
import struct
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from gristmill.backends.resolve import open_embedding, open_reward
from gristmill.backends.reward_reply import read_chat_reward, read_classify, read_pooling
from gristmill.records import ATTRIBUTES, Message, Score
from local_models import classifier, one_thread, save
from serving import TOO_LONG, Serving, asked

ROWS = [asked("What is 34 plus 52?", answer) for answer in ("86", "The answer is 85.", "No. " * 9)]


def same(found: Any, wanted: Any) -> bool:
    """Equal but for the last bits of float32, which depend on what else is in a batch."""
    return np.allclose(found, wanted, rtol=0, atol=1e-5)


def scores(model: str, rows: list[list[dict[str, str]]] = ROWS, **options: Any) -> list[Score]:
    async def main() -> list[Score]:
        async with open_reward(model, options) as backend:
            turns = [tuple(Message(m["role"], m["content"]) for m in row) for row in rows]
            return list(await asyncio.gather(*map(backend.score, turns)))

    return asyncio.run(main())


@pytest.fixture(scope="module")
def here() -> list[Score]:
    return scores("tiny:reward")


def test_the_hosted_models_reply_says_it_twice(there: Serving, here: list[Score]) -> None:
    body = {"model": "tiny:reward", "messages": ROWS[0]}
    status, reply = there.post("/v1/chat/completions", body)
    assert status == 200
    score = read_chat_reward(reply, "tiny:reward")
    assert same(score.attributes, here[0].attributes)
    assert score.tokens == here[0].tokens
    (choice,) = reply["choices"]
    told = {t["token"]: t["logprob"] for t in choice["logprobs"]["content"]}
    assert tuple(told) == ATTRIBUTES
    assert tuple(told.values()) == score.attributes
    assert choice["message"]["content"].startswith("helpfulness:")
    assert choice["finish_reason"] == "length"
    choice["message"]["content"] = None
    assert read_chat_reward(reply, "tiny:reward") == score


@pytest.mark.parametrize("route", ["chat", "classify", "pooling"])
def test_the_endpoint_backend_reads_the_same_scores(
    there: Serving, here: list[Score], route: str
) -> None:
    found = scores(there.model("tiny:reward"), route=route)
    assert same([s.attributes for s in found], [s.attributes for s in here])
    assert [s.tokens for s in found] == [s.tokens for s in here]


def test_a_batch_is_graded_in_order_by_name(there: Serving, here: list[Score]) -> None:
    given = [ROWS[0], {"messages": ROWS[1]}, ROWS[2]]
    status, reply = there.post("/v1/rewards", {"model": "tiny:reward", "input": given})
    assert status == 200
    assert [row["index"] for row in reply["data"]] == [0, 1, 2]
    for row, score in zip(reply["data"], here, strict=True):
        assert same([*row["attributes"].values()], score.attributes)
        weights = (0.3, 0.74, 0.46, 0.47, -0.33)
        assert row["reward"] == pytest.approx(np.dot(weights, score.attributes or ()), abs=1e-5)
    assert reply["usage"]["prompt_tokens"] == sum(s.tokens for s in here)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (asked("no answer"), "input[1]: model 'tiny:reward' grades an answer"),
        (asked("a", "b " * 2_000), TOO_LONG),
        ({"turns": []}, "`input[1]` is neither a list of messages"),
        ([{"role": "x", "content": "y"}], "'input[1][0]' is by 'x'"),
        ([], "input[1]: model 'tiny:reward' grades an answer"),
    ],
)
def test_a_row_that_cannot_be_graded_is_named(there: Serving, row: Any, said: str) -> None:
    body = {"model": "tiny:reward", "input": [ROWS[0], row]}
    status, reply = there.post("/v1/rewards", body)
    assert (status, reply["error"]["param"]) == (400, "input[1]")
    assert said in reply["error"]["message"]
    assert there.taken("tiny:reward") == 0


def test_classify_and_pooling_are_vllms(there: Serving, here: list[Score]) -> None:
    body = {"model": "tiny:reward", "messages": ROWS[1], "use_activation": False}
    reply = there.post("/classify", body)[1]
    assert same(read_classify(reply, "m").attributes, here[1].attributes)
    (row,) = reply["data"]
    attributes = here[1].attributes
    assert attributes is not None
    assert row["label"] == ATTRIBUTES[attributes.index(max(attributes))]
    assert row["num_classes"] == 5
    reply = there.post("/pooling", {**body, "encoding_format": "float"})[1]
    assert same(read_pooling(reply, "m").attributes, here[1].attributes)
    assert (reply["object"], reply["data"][0]["object"]) == ("list", "pooling")
    reply = there.post("/pooling", {**body, "encoding_format": "base64"})[1]
    assert same(struct.unpack("<5f", b64decode(reply["data"][0]["data"])), attributes)


def test_texts_and_tokens_are_taken_as_they_are(there: Serving, here: list[Score]) -> None:
    from gristmill.backends.local_load import find, load_tokenizer

    tokenizer = load_tokenizer(find("tiny:reward"))
    texts = [tokenizer.apply_chat_template(row, tokenize=False) for row in ROWS]
    ids = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    for given in (texts, ids):
        reply = there.post("/classify", {"model": "tiny:reward", "input": given})[1]
        assert same([row["probs"] for row in reply["data"]], [s.attributes for s in here])
    for given in (texts[0], ids[0]):
        reply = there.post("/pooling", {"model": "tiny:reward", "input": given})[1]
        assert same(reply["data"][0]["data"], here[0].attributes)
    status, reply = there.post("/classify", {"model": "tiny:reward", "input": [[1], [99_999]]})
    assert (status, reply["error"]["param"]) == (400, "input[1]")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A model with one grade, and one that embeds."""
    folder = tmp_path_factory.mktemp("others")
    scalar = classifier(folder / "scalar", 1)
    torch.manual_seed(3)
    sizes = {"vocab_size": 1024, "hidden_size": 32, "intermediate_size": 64}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64}
    bert = save(BertModel(BertConfig(**sizes, **layers)), folder / "bert")
    with one_thread(), Serving([f"hf:{scalar}", f"hf:{bert}"]) as serving:
        yield serving


def test_one_grade_is_a_reward(others: Serving) -> None:
    name, _ = (card["id"] for card in others.get("/v1/models")[1]["data"])
    (wanted,) = scores(name, ROWS[:1])
    reply = others.post("/v1/chat/completions", {"model": name, "messages": ROWS[0]})[1]
    assert read_chat_reward(reply, name).scalar == wanted.scalar
    (row,) = others.post("/v1/rewards", {"model": name, "input": [ROWS[0]]})[1]["data"]
    assert (row["attributes"], row["reward"]) == (None, wanted.scalar)
    (row,) = others.post("/classify", {"model": name, "messages": ROWS[0]})[1]["data"]
    assert (row["label"], row["probs"]) == ("reward", [wanted.scalar])


def test_texts_are_embedded(others: Serving) -> None:
    _, name = (card["id"] for card in others.get("/v1/models")[1]["data"])
    texts = ["one", "two and more"]

    async def main() -> list[Any]:
        async with open_embedding(name) as backend, open_embedding(others.model(name)) as served:
            return [[await b.embed(text) for text in texts] for b in (backend, served)]

    here, over = asyncio.run(main())
    for mine, theirs in zip(here, over, strict=True):
        assert np.allclose(mine.vector, theirs.vector, atol=1e-6)
    status, reply = others.post("/v1/embeddings", {"model": name, "input": texts})
    assert status == 200
    assert [row["index"] for row in reply["data"]] == [0, 1]
    assert np.linalg.norm(reply["data"][0]["embedding"]) == pytest.approx(1)
    coded = {"model": name, "input": "one", "encoding_format": "base64"}
    (row,) = others.post("/v1/embeddings", coded)[1]["data"]
    found = np.frombuffer(b64decode(row["embedding"]), "<f4")
    assert np.allclose(found, here[0].vector, atol=1e-6)
    (row,) = others.post("/pooling", {"model": name, "input": "one"})[1]["data"]
    assert np.allclose(row["data"], here[0].vector, atol=1e-6)
    for body in ({"messages": ROWS[0]}, {"input": [[1, 2]]}, {"input": "x", "task": "classify"}):
        assert others.post("/pooling", {"model": name, **body})[0] == 400
    assert others.post("/v1/embeddings", {"model": name, "input": "x", "dimensions": 8})[0] == 400
