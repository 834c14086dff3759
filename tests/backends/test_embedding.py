"""Models that embed texts: behind a real server, in this process, and by script."""

from __future__ import annotations

import asyncio
import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from aiohttp import web
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    NemotronConfig,
    NemotronModel,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5EncoderModel,
)
from transformers.utils import logging

from gristmill.backends import Embedded, EmbeddingBackend, Meter, open_embedding, retry
from gristmill.backends.endpoint_embedding import read_embedding
from gristmill.backends.local_embedding import LocalEmbedding
from gristmill.errors import BackendError, BackendFatal, ConfigError
from local_models import SIZES, chat_model, one_thread, save


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "BASE_DELAY", 0.01)
    monkeypatch.setattr(retry, "REFUSAL_DELAY", 0.01)


def embed(model: str, *texts: str, **options: Any) -> list[Any]:
    """The results, failures among them, all asked for at once."""
    return embed_with(open_embedding(model, options), *texts)


def embed_with(backend: EmbeddingBackend, *texts: str) -> list[Any]:
    async def main() -> list[Any]:
        async with backend:
            calls = (backend.embed(text) for text in texts)
            return await asyncio.gather(*calls, return_exceptions=True)

    return asyncio.run(main())


# Behind a server


def numbers_of(text: str) -> list[float]:
    return [float(len(text)), float(text.count("a")), -1.5]


Answer = Callable[[dict[str, Any]], Any]


def as_openai(body: dict[str, Any]) -> dict[str, Any]:
    rows = [
        {"object": "embedding", "index": i, "embedding": numbers_of(text)}
        for i, text in enumerate(body["input"])
    ]
    usage = {"prompt_tokens": 4, "total_tokens": 4}
    return {"object": "list", "data": rows, "model": body["model"], "usage": usage}


class VectorServer:
    """Answers /v1/embeddings by `answers` in turn, the last for ever: a JSON value, a Response, or
    what makes one of these of the request."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers) or [as_openai]
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    def __enter__(self) -> VectorServer:
        ready = threading.Event()
        run = self._serve(ready)
        self._thread = threading.Thread(target=asyncio.run, args=(run,), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_post("/api/v1/embeddings", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.model = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1#embedder"
        ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        self.headers.append(dict(request.headers))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        found = answer(self.bodies[-1]) if callable(answer) else answer
        return found if isinstance(found, web.Response) else web.json_response(found)


def in_base64(body: dict[str, Any]) -> dict[str, Any]:
    packed = np.array(numbers_of(body["input"][0]), "<f4").tobytes()
    return {"data": [{"embedding": b64encode(packed).decode()}], "usage": {"prompt_tokens": 4}}


@pytest.mark.parametrize("answer", [as_openai, in_base64])
def test_each_text_gets_its_own_vector_of_length_one(answer: Answer) -> None:
    texts = [f"{'a' * n} text" for n in range(40)]
    with VectorServer(answer) as server:
        found = embed(server.model, *texts, concurrency=8)
    for text, one in zip(texts, found, strict=True):
        wanted = np.array(numbers_of(text)) / np.linalg.norm(numbers_of(text))
        assert one.vector.dtype == np.float32
        assert one.vector == pytest.approx(wanted, abs=1e-6)
        assert one.tokens == 4
    assert server.bodies[0] | {"input": 0} == {
        "model": "embedder",
        "encoding_format": "float",
        "input": 0,
    }


def test_the_body_option_adds_and_leaves_out_fields_and_the_key_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MILL_KEY", "sk-123")
    body = {"input_type": "passage", "truncate": "END", "encoding_format": None}
    with VectorServer() as server:
        (found,) = embed(server.model, "half a \ud83d pair", body=body, key_env="MILL_KEY")
    assert isinstance(found, Embedded)
    assert server.bodies == [
        {
            "model": "embedder",
            "input_type": "passage",
            "truncate": "END",
            "input": ["half a \ufffd pair"],
        }
    ]
    assert server.headers[0]["Authorization"] == "Bearer sk-123"


def test_what_can_be_had_at_another_try_is_tried_again_and_counted() -> None:
    busy = web.json_response({"error": "overloaded"}, status=503)
    with VectorServer(busy, {"data": []}, as_openai) as server:
        backend = open_embedding(server.model)
        (found,) = embed_with(backend, "a")
    assert found.tokens == 4
    assert backend.traffic.requests == 3
    assert backend.traffic.retries == 2
    assert backend.traffic.failures == {"server": 1, "bad_reply": 1}


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (413, {"error": "Input validation error: `inputs` must have less than 512 tokens"}, "too_"),
        (400, {"object": "error", "message": "maximum context length is 512 tokens"}, "too_"),
        (400, {"detail": "'input_type' parameter is required"}, "bad_request"),
    ],
)
def test_refusals_are_told_apart(status: int, said: Any, kind: str) -> None:
    with VectorServer(lambda _: web.json_response(said, status=status)) as server:
        (error,) = embed(server.model, "a", retries=0)
    assert isinstance(error, BackendError)
    assert error.kind.startswith(kind)
    assert len(server.bodies) == 1


def test_a_server_without_the_route_stops_the_run() -> None:
    with VectorServer() as server:
        (error,) = embed(server.model.replace("/api", ""), "a")
    assert isinstance(error, BackendFatal)
    assert "/v1/embeddings exist" in str(error)


def test_the_budget_is_asked_before_each_request() -> None:
    class Empty(Meter):
        def take_request(self) -> None:
            raise BackendError("budget", "spent")

    with VectorServer() as server:
        backend = open_embedding(server.model)
        backend.meter = Empty()
        (error,) = embed_with(backend, "a")
    assert isinstance(error, BackendError)
    assert (error.kind, server.bodies) == ("budget", [])


ODD = b64encode(b"12345").decode()
NAN = b64encode(np.array([1, np.nan], "<f4").tobytes()).decode()


@pytest.mark.parametrize(
    ("reply", "why", "again"),
    [
        ({}, "no data", True),
        ([], "no data", True),
        (None, "no data", True),
        ({"data": []}, "no data", True),
        ({"data": [{"embedding": [1.0]}, {"embedding": [1.0]}]}, "no data", True),
        ({"data": [[1.0, 2.0]]}, "no data", True),
        ({"data": [{"vector": [1.0]}]}, "no data", True),
        ({"data": {"embedding": [1.0]}}, "no data", True),
        ({"data": [{"embedding": None}]}, "not a list of numbers", True),
        ({"data": [{"embedding": []}]}, "not a list of numbers", True),
        ({"data": [{"embedding": ["1", "2"]}]}, "not a list of numbers", True),
        ({"data": [{"embedding": [1.0, None]}]}, "not a list of numbers", True),
        ({"data": [{"embedding": [[1.0, 2.0], [3.0, 4.0]]}]}, "a vector for each token", False),
        ({"data": [{"embedding": [0.0, 0.0]}]}, "all its numbers are zero", True),
        ({"data": [{"embedding": "not base64!"}]}, "neither numbers nor float32", True),
        ({"data": [{"embedding": ODD}]}, "neither numbers nor float32", True),
        ({"data": [{"embedding": NAN}]}, "not finite", True),
        ({"data": [{"embedding": ""}]}, "not a list of numbers", True),
    ],
)
def test_a_reply_without_a_usable_vector_is_never_one(reply: Any, why: str, again: bool) -> None:
    with pytest.raises(retry.Fault, match=why) as caught:
        read_embedding(reply)
    assert (caught.value.kind, caught.value.again) == ("bad_reply", again)


def test_usage_may_be_missing_or_nonsense() -> None:
    for usage in (None, [], {"total_tokens": "many"}, {"total_tokens": -3}):
        assert read_embedding({"data": [{"embedding": [3, 4]}], "usage": usage}).tokens == 0


@pytest.mark.parametrize(
    ("model", "options", "why"),
    [
        ("tiny:instruct", {}, "no model that embeds texts"),
        ("vllm:org/name", {}, "--engine vllm"),
        ("hff:x", {}, "did you mean 'hf:...'"),
        ("openai", {}, "starts with one of"),
        ("http://h:1/v1", {}, "add the name"),
        ("http://h:1/v1?route=pooling#m", {}, "`route` is for reward models"),
        ("http://h:1/v1#m", {"body": {"input": "x"}}, "`input` is the text itself"),
        ("http://h:1/v1#m", {"reference": "tiny:instruct"}, "`reference` is for judges"),
        ("scripted:answers.jsonl", {}, "holds no embeddings"),
        ("scripted:nowhere:function", {}, "cannot load"),
        ("hf:./no-such-directory", {}, "no directory"),
    ],
)
def test_a_model_that_cannot_embed_is_told_at_once(
    model: str, options: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        open_embedding(model, options)


# In this process

BERT: dict[str, Any] = {
    "vocab_size": 1024,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 48,
    "initializer_range": 0.3,
    "hidden_dropout_prob": 0.0,
    "pad_token_id": 0,
}
TEXTS = ("Rain fell.", "The old man and the sea, once more, from the start.", "7", "Rain fell!")
LONG = " ".join(f"sentence number {n} of a long text." for n in range(30))


@pytest.fixture(scope="module", autouse=True)
def _threads() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    return save(BertModel(BertConfig(**BERT)), tmp_path_factory.mktemp("bert"))


def beside(model: Path, folder: Path, **files: Any) -> Path:
    """A copy of the model, with files beside it: `pooling`, `modules`, `limits`."""
    names = {
        "pooling": "1_Pooling/config.json",
        "modules": "modules.json",
        "limits": "sentence_bert_config.json",
    }
    folder.mkdir(exist_ok=True)
    for path in model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    for name, content in files.items():
        path = folder / names[name]
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def by_hand(model: Path, text: str, pooling: str = "mean") -> np.ndarray:
    """The vector of a short text, one text at a time and without padding."""
    logging.disable_progress_bar()
    ids = AutoTokenizer.from_pretrained(model)(text, return_tensors="pt").input_ids
    with torch.inference_mode():
        states = AutoModel.from_pretrained(model).eval()(input_ids=ids).last_hidden_state[0]
    pooled = {"mean": states.mean(0), "cls": states[0], "last": states[-1]}[pooling].numpy()
    return pooled / np.linalg.norm(pooled)


@pytest.mark.parametrize(
    ("files", "pooling"),
    [
        ({}, "mean"),
        ({"pooling": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}}, "cls"),
        ({"pooling": {"pooling_mode_mean_tokens": True}}, "mean"),
        ({"pooling": {"pooling_mode_lasttoken": True, "include_prompt": True}}, "last"),
        ({"pooling": {"embedding_dimension": 32, "pooling_mode": "cls"}}, "cls"),
        ({"pooling": {"pooling_mode": ["lasttoken"]}}, "last"),
    ],
)
def test_a_batch_gives_what_each_text_gives_alone(
    bert: Path, tmp_path: Path, files: dict[str, Any], pooling: str
) -> None:
    model = beside(bert, tmp_path / "model", **files)
    found = embed(f"hf:{model}", *TEXTS)
    for text, one in zip(TEXTS, found, strict=True):
        assert one.vector == pytest.approx(by_hand(model, text, pooling), abs=1e-5)
        assert one.tokens == len(AutoTokenizer.from_pretrained(model).encode(text))
        assert np.linalg.norm(one.vector) == pytest.approx(1, abs=1e-6)


def test_the_pooling_folder_is_where_modules_json_says(bert: Path, tmp_path: Path) -> None:
    model = beside(bert, tmp_path / "model", pooling={"pooling_mode_mean_tokens": True})
    (model / "9_Pooling").mkdir()
    (model / "9_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    steps = [("Transformer", ""), ("Pooling", "9_Pooling"), ("Normalize", "2_Normalize")]
    listed = [{"path": path, "type": f"sentence_transformers.models.{t}"} for t, path in steps]
    (model / "modules.json").write_text(json.dumps(listed))
    (found,) = embed(f"hf:{model}", TEXTS[1])
    assert found.vector == pytest.approx(by_hand(model, TEXTS[1], "cls"), abs=1e-5)


def test_a_long_text_is_read_to_its_end_in_pieces(bert: Path, tmp_path: Path) -> None:
    model = beside(bert, tmp_path / "model", limits={"max_seq_length": 20})
    ids = AutoTokenizer.from_pretrained(model).encode(LONG)
    whole, other, again = embed(f"hf:{model}", LONG, LONG.replace("29", "sea"), LONG)
    assert whole.tokens == len(ids) > 100
    assert whole.vector == pytest.approx(again.vector, abs=1e-5)
    assert np.abs(whole.vector - other.vector).max() > 1e-3
    backend = open_embedding(f"hf:{model}")
    assert isinstance(backend, LocalEmbedding)
    pieces = backend._open().pieces(LONG)
    assert [token for piece in pieces for token in piece] == ids
    assert max(map(len, pieces)) <= 20
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1
    shares = np.array([len(piece) for piece in pieces])
    rows = np.stack([one / np.linalg.norm(one) for one in backend._open().states(pieces)])
    mean = shares @ rows
    assert whole.vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


class Marked:
    """A tokenizer with tokens around a text: 1, its letters, 2 and 3."""

    model_max_length = 8

    def encode(self, text: str, add_special_tokens: bool, verbose: bool) -> list[int]:
        ids = [ord(letter) for letter in text]
        return [1, *ids, 2, 3] if add_special_tokens else ids


def test_every_piece_has_the_tokens_that_belong_around_a_text(bert: Path) -> None:
    work: Any = open_embedding(f"hf:{bert}")._open()  # type: ignore[attr-defined]
    work._tokenizer, work._longest = Marked(), 8
    assert work.pieces("abcde") == [[1, 97, 98, 99, 100, 101, 2, 3]]
    pieces = work.pieces("abcdefghijk")
    assert [piece[1:-2] for piece in pieces] == [list(b"abc"), list(b"defg"), list(b"hijk")]
    assert all(piece[0] == 1 and piece[-2:] == [2, 3] for piece in pieces)
    work._longest = 3
    with pytest.raises(BackendError, match="8 tokens, it reads 3"):
        work.pieces("abcde")


def test_a_text_without_a_token_fails_alone(bert: Path) -> None:
    empty, good = embed(f"hf:{bert}", "", "Rain fell.")
    assert isinstance(empty, BackendError)
    assert empty.kind == "bad_request"
    assert isinstance(good, Embedded)


def test_roberta_counts_its_positions_from_behind_the_padding(tmp_path: Path) -> None:
    torch.manual_seed(4)
    model = save(RobertaModel(RobertaConfig(**BERT | {"pad_token_id": 1})), tmp_path / "roberta")
    (found,) = embed(f"hf:{model}", LONG)
    assert isinstance(found, Embedded)
    work: Any = open_embedding(f"hf:{model}")._open()  # type: ignore[attr-defined]
    assert max(map(len, work.pieces(LONG))) == work._longest == 46


def test_decoders_with_a_pooling_and_encoders_of_t5_embed_too(tmp_path: Path) -> None:
    torch.manual_seed(5)
    decoder = save(NemotronModel(NemotronConfig(**SIZES)), tmp_path / "decoder")
    model = beside(decoder, tmp_path / "model", pooling={"pooling_mode_lasttoken": True})
    for text, one in zip(TEXTS, embed(f"hf:{model}", *TEXTS), strict=True):
        assert one.vector == pytest.approx(by_hand(model, text, "last"), abs=1e-5)
    config = T5Config(
        vocab_size=1024, d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4, pad_token_id=0
    )
    t5 = save(T5EncoderModel(config), tmp_path / "t5")
    assert all(isinstance(one, Embedded) for one in embed(f"hf:{t5}", *TEXTS))


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"pooling": {"pooling_mode_max_tokens": True}}, "pools its tokens by max_tokens"),
        (
            {"pooling": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}},
            "cls_token and mean_tokens",
        ),
        ({"pooling": {"word_embedding_dimension": 32}}, "by nothing"),
        ({"pooling": "{"}, "cannot read"),
        ({"modules": [{"type": "sentence_transformers.models.Dense"}]}, "a step 'Dense'"),
    ],
)
def test_a_model_that_is_used_otherwise_is_refused(
    bert: Path, tmp_path: Path, files: dict[str, Any], why: str
) -> None:
    model = beside(bert, tmp_path / "model", **files)
    with pytest.raises(ConfigError, match=why):
        open_embedding(f"hf:{model}")


def test_chat_and_reward_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a chat model"):
        open_embedding(f"hf:{chat_model(tmp_path / 'chat')}")
    grader = save(BertForSequenceClassification(BertConfig(**BERT)), tmp_path / "grader")
    with pytest.raises(ConfigError, match="is a reward model"):
        open_embedding(f"hf:{grader}")


# By script


def letters(text: str) -> list[float]:
    if text == "fail":
        raise RuntimeError("no")
    return [float(text.count(letter)) for letter in "abc"]


async def slowly(text: str) -> Sequence[float]:
    await asyncio.sleep(0)
    return (1.0, float(len(text)))


def test_a_function_plays_the_model() -> None:
    found, nothing, failed = embed(f"scripted:{__name__}:letters", "aab", "xyz", "fail")
    assert found.vector == pytest.approx(np.array([2, 1, 0]) / 5**0.5)
    assert found.tokens == 1
    assert (nothing.kind, failed.kind) == ("bad_reply", "server")
    assert "all its numbers are zero" in str(nothing)
    (waited,) = embed(f"scripted:{__name__}:slowly", "abc")
    assert waited.vector == pytest.approx(np.array([1, 3]) / 10**0.5)


def test_echo_finds_texts_alike_that_share_their_words() -> None:
    texts = (
        "The cat sat on the mat in the morning.",
        "In the morning the cat sat on the mat!",
        "Interest rates fell by half a point last week.",
        "",
        "😀😀",
        "\ud83d",
    )
    first, same, other, *rest = (one.vector for one in embed("scripted:echo", *texts))
    assert first @ same == pytest.approx(1)
    assert first @ other < 0.3
    assert all(np.linalg.norm(vector) == pytest.approx(1) for vector in rest)


def test_faults_of_a_script_are_failures() -> None:
    found = embed("scripted:echo?fail=0.5&latency=0.001", *map(str, range(60)))
    failed = [one for one in found if isinstance(one, BackendError)]
    assert 10 < len(failed) < 50
    assert {one.kind for one in failed} == {"server"}
