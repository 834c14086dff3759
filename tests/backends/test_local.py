from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from transformers import NemotronForSequenceClassification

from gristmill import packing
from gristmill.backends import (
    ChatBackend,
    Meter,
    RewardBackend,
    local_load,
    open_chat,
    open_reward,
)
from gristmill.backends.local_reward import Grader
from gristmill.errors import BackendError, ConfigError, MissingExtra
from gristmill.nemotron.reward_model import NemotronRewardModel
from gristmill.records import Message, Prompt, Response, Sampling, Score, prompt_id
from local_models import SIZES, chat_model, classifier, one_thread, reward_model


@pytest.fixture(autouse=True, scope="module")
def threads():
    with one_thread():
        yield


@pytest.fixture(scope="module")
def chat(tmp_path_factory) -> Path:
    return chat_model(tmp_path_factory.mktemp("chat"))


@pytest.fixture(scope="module")
def reward(tmp_path_factory) -> Path:
    return reward_model(tmp_path_factory.mktemp("reward"), 5)


def ask(text: str) -> Prompt:
    messages = (Message("user", text),)
    return Prompt(prompt_id(messages), messages)


def answered(question: str, answer: str) -> tuple[Message, ...]:
    return (Message("user", question), Message("assistant", answer))


def sample(model: str, calls, **options) -> tuple[list, ChatBackend]:
    async def main():
        async with open_chat(model, options) as backend:
            found = await asyncio.gather(
                *(backend.sample(*c) for c in calls), return_exceptions=True
            )
            return found, backend

    return asyncio.run(main())


def score(model: str, conversations, **options) -> tuple[list, RewardBackend]:
    async def main():
        async with open_reward(model, options) as backend:
            found = await asyncio.gather(
                *(backend.score(c) for c in conversations), return_exceptions=True
            )
            return found, backend

    return asyncio.run(main())


HOW = Sampling(temperature=0.9, max_tokens=10, seed=3)


def test_samples_are_the_same_alone_and_in_company(chat):
    calls = [(ask("2 + " + "3 " * i), index, HOW) for i in range(5) for index in range(3)]
    together, backend = sample(f"hf:{chat}", calls)
    assert all(isinstance(r, Response) for r in together)
    assert len({r.text for r in together}) > 10
    alone, _ = sample(f"hf:{chat}", calls[7:8])
    assert alone == together[7:8]
    assert sample(f"hf:{chat}", calls[::-1], batch=4)[0] == together[::-1]
    assert backend.traffic.requests == 15
    assert together[0].model == f"hf:{chat}"


@pytest.mark.parametrize("precision", ["bf16", "fp32", None])
def test_the_precision_is_the_one_asked_for(chat, reward, precision, monkeypatch):
    kinds, load = [], local_load.unpack
    monkeypatch.setattr(local_load, "unpack", lambda m: (kinds.append(m), load(m))[1])
    (answer,), _ = sample(f"hf:{chat}", [(ask("a"), 0, HOW)], precision=precision)
    (grade,), _ = score(f"hf:{reward}", CONVERSATIONS[:1], precision=precision)
    assert answer.text and grade.attributes
    wanted = torch.bfloat16 if precision == "bf16" else torch.float32
    assert [model.dtype for model in kinds] == [wanted, wanted]


def test_counts_and_finish_reasons_are_exact(chat):
    calls = [(ask("count"), i, Sampling(1.0, 1.0, limit)) for i, limit in enumerate((1, 3, 90))]
    responses, _ = sample(f"hf:{chat}", calls)
    # <extra_id_0>System, <extra_id_1>User, <extra_id_1>Assistant and newlines are tokens too.
    assert len({r.prompt_tokens for r in responses}) == 1
    for response, (_, _, how) in zip(responses, calls, strict=True):
        room = min(how.max_tokens, SIZES["max_position_embeddings"] - response.prompt_tokens)
        assert response.completion_tokens <= room
        if response.finish_reason == "length":
            assert response.completion_tokens == room
        else:
            assert response.finish_reason == "stop"
        assert "<extra_id" not in response.text
        assert response.text == response.text.strip()


def test_the_templates_turn_token_ends_an_answer(chat):
    from gristmill.backends.local_load import find, load_tokenizer, stop_tokens

    tokenizer = load_tokenizer(find(f"hf:{chat}"))
    names = tokenizer.convert_ids_to_tokens(stop_tokens(tokenizer, None))
    assert set(names) == {"<extra_id_1>", "<|endoftext|>"}


def test_a_prompt_beyond_the_context_fails_alone(chat):
    calls = [(ask("word " * 300), 0, HOW), (ask("short"), 0, HOW)]
    (long, short), backend = sample(f"hf:{chat}", calls)
    assert isinstance(long, BackendError)
    assert long.kind == "too_long"
    assert "context holds 96" in str(long)
    assert isinstance(short, Response)
    assert backend.traffic.failures == {"too_long": 1}


def test_messages_that_the_template_refuses_fail_alone(chat):
    odd = (Message("tool", "x"),)
    (bad, good), _ = sample(f"hf:{chat}", [(Prompt("p", odd), 0, HOW), (ask("short"), 0, HOW)])
    assert isinstance(bad, BackendError)
    assert bad.kind == "bad_request"
    assert "role must be" in str(bad)
    assert isinstance(good, Response)


def test_tools_that_the_template_does_not_know_fail_alone(chat):
    tools = '[{"type": "function", "function": {"name": "add", "parameters": {}}}]'
    asked = replace(ask("short"), tools=tools)
    (bad, good), _ = sample(f"hf:{chat}", [(asked, 0, HOW), (ask("short"), 0, HOW)])
    assert isinstance(bad, BackendError)
    assert (bad.kind, "leaves out tools" in str(bad)) == ("bad_request", True)
    assert isinstance(good, Response)


def test_the_meter_is_asked_before_every_call(chat):
    class Two(Meter):
        left = 2

        def take_request(self) -> None:
            self.left -= 1
            if self.left < 0:
                raise BackendError("budget", "spent")

    async def main():
        async with open_chat(f"hf:{chat}") as backend:
            backend.meter = Two()
            return await asyncio.gather(
                *(backend.sample(ask("a"), i, HOW) for i in range(3)), return_exceptions=True
            )

    *fine, last = asyncio.run(main())
    assert all(isinstance(r, Response) for r in fine)
    assert last.kind == "budget"


def test_cancelled_calls_leave_the_others_alone(chat):
    async def main():
        async with open_chat(f"hf:{chat}") as backend:
            how = Sampling(1.0, 1.0, 40)
            tasks = [asyncio.create_task(backend.sample(ask("a"), i, how)) for i in range(4)]
            await asyncio.sleep(0.01)
            tasks[1].cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(main())
    assert isinstance(results[1], asyncio.CancelledError)
    assert all(isinstance(results[i], Response) for i in (0, 2, 3))


CONVERSATIONS = [
    answered("1 + 1?", "2"),
    answered("Which is larger, 3 or 5?", "5 is larger than 3, for 5 - 3 is 2."),
    (Message("system", "Be brief."), *answered("Say it.", "It. <|endoftext|>")),
]


@pytest.mark.parametrize("outputs", [5, 9])
def test_grades_equal_the_models_own_one_at_a_time(tmp_path, outputs):
    directory = reward_model(tmp_path / "reward", outputs)
    scores, _ = score(f"hf:{directory}", CONVERSATIONS)
    model = NemotronRewardModel.from_pretrained(directory).eval()
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(directory)
    for found, messages in zip(scores, CONVERSATIONS, strict=True):
        dicts = [{"role": m.role, "content": m.content} for m in messages]
        text = tokenizer.apply_chat_template(dicts, tokenize=False)
        assert text.endswith("\n<extra_id_2>")
        ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False)])
        assert found.attributes == pytest.approx(model.rate(ids)[0].tolist(), abs=1e-4)
        assert found.tokens == ids.shape[1]
        assert found.scalar is None


def texts_of(prompts: int, responses: int, longest: int = 40) -> list[list[int]]:
    """Token ids: `responses` continuations of each of `prompts` beginnings."""
    dice = torch.Generator().manual_seed(3)

    def ids() -> list[int]:
        length = int(torch.randint(1, longest, (1,), generator=dice))
        return torch.randint(1, SIZES["vocab_size"], (length,), generator=dice).tolist()

    beginnings = [ids() for _ in range(prompts)]
    return [b + ids() for b in beginnings for _ in range(responses)]


def test_packed_grades_are_those_of_padded_rows(tmp_path):
    directory = classifier(tmp_path / "one", 1, initializer_range=0.02)
    packed, plain = (NemotronForSequenceClassification.from_pretrained(directory) for _ in "ab")
    grader, padded = Grader(packed.eval()), Grader(plain.eval())
    padded.packs = False
    plain.set_attn_implementation("sdpa")
    assert grader.packs
    for texts in (texts_of(4, 6), texts_of(9, 1), [[5], [5, 6], [5], [5, 6, 7]]):
        found, wanted = torch.tensor(grader.run(texts)), torch.tensor(padded.run(texts))
        assert (found - wanted).abs().max() < 1e-5
        assert torch.equal(found, torch.tensor(grader.run(texts)))


def test_responses_to_one_prompt_read_it_once(tmp_path, monkeypatch):
    directory = classifier(tmp_path / "one", 1)
    batches, attended = [], []
    run, attend = packing.run, packing.attend
    monkeypatch.setattr(packing, "run", lambda m, p: (batches.append(p.tokens), run(m, p))[1])
    monkeypatch.setattr(packing, "attend", lambda m: (attended.append(m), attend(m))[1])
    question = "How much is " + "1 + " * 15 + "1?"
    scores, _ = score(f"hf:{directory}", [answered(question, str(i)) for i in range(8)])
    longest = max(s.tokens for s in scores)
    assert sum(batches) < 2 * longest < sum(s.tokens for s in scores) / 3
    assert len(attended) == 1


@pytest.mark.parametrize("kind", ["Bert", "Gemma2"])
def test_models_that_read_no_packs_get_padded_rows(kind):
    sizes = {k: v for k, v in SIZES.items() if k != "head_dim"}
    config = getattr(transformers, f"{kind}Config")(**sizes, num_labels=1, sliding_window=8)
    torch.manual_seed(4)
    model = getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()
    grader = Grader(model)
    assert not grader.packs
    texts = texts_of(3, 2)
    for found, text in zip(grader.run(texts), texts, strict=True):
        with torch.no_grad():
            alone = model(input_ids=torch.tensor([text])).logits[0]
        assert found == pytest.approx(alone.tolist(), abs=1e-5)


def test_a_classifier_with_one_output_gives_a_scalar(tmp_path):
    directory = classifier(tmp_path / "one", 1)
    together, _ = score(f"hf:{directory}", CONVERSATIONS)
    alone = [score(f"hf:{directory}", [c])[0][0] for c in CONVERSATIONS[1:]]
    assert [s.scalar for s in together[1:]] == pytest.approx([s.scalar for s in alone], abs=1e-4)
    assert together[0].attributes is None


def test_labels_decide_the_order_of_five_outputs(tmp_path):
    names = ["verbosity", "complexity", "coherence", "correctness", "helpfulness"]
    plain = score(f"hf:{classifier(tmp_path / 'a', 5)}", CONVERSATIONS[:1])[0][0]
    labels = {"id2label": dict(enumerate(names))}
    named = score(f"hf:{classifier(tmp_path / 'b', 5, **labels)}", CONVERSATIONS[:1])[0][0]
    assert named.attributes == plain.attributes[::-1]


def test_what_cannot_be_graded_fails_alone(reward):
    asked = [(Message("user", "no answer"),), answered("a", "b " * 400), answered("a", "b")]
    (unanswered, long, fine), backend = score(f"hf:{reward}", asked)
    assert unanswered.kind == "bad_request"
    assert long.kind == "too_long"
    assert isinstance(fine, Score)
    assert backend.traffic.failures == {"bad_request": 1, "too_long": 1}


def test_grades_that_are_not_finite_are_no_scores(tmp_path):
    directory = reward_model(tmp_path / "broken", 5)
    model = NemotronRewardModel.from_pretrained(directory)
    torch.nn.init.constant_(model.score.bias, float("nan"))
    model.save_pretrained(directory)
    (error,), _ = score(f"hf:{directory}", CONVERSATIONS[:1])
    assert isinstance(error, BackendError)
    assert error.kind == "bad_reply"


def test_the_embedded_family_opens():
    for name in ("base", "instruct"):
        (response,), backend = sample(f"tiny:{name}", [(ask("What is 2 plus 3?"), 0, HOW)])
        assert isinstance(response, Response)
        assert backend.licence == "Apache-2.0"
    (grade,), _ = score("tiny:reward", CONVERSATIONS[:1])
    assert len(grade.attributes) == 5


def refused(open_model, model: str, **options) -> str:
    with pytest.raises(ConfigError) as caught:
        open_model(model, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_wrong_models_are_told_in_one_line(chat, reward, tmp_path):
    assert "choose one of base, instruct, reward" in refused(open_chat, "tiny:huge")
    assert "no directory" in refused(open_chat, "hf:./nowhere")
    assert "has no config.json" in refused(open_chat, f"hf:{tmp_path}")
    assert "is a reward model and cannot answer" in refused(open_chat, f"hf:{reward}")
    assert "is no reward model" in refused(open_reward, f"hf:{chat}")
    assert "neither a directory" in refused(open_chat, "hf:a/b/c")
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    assert "is a file, and a folder is read" in refused(open_chat, f"hf:{tmp_path}/model.gguf")
    assert "batch" in refused(open_chat, f"hf:{chat}", batch=0)
    (tmp_path / "config.json").write_text("{")
    assert "cannot read" in refused(open_chat, f"hf:{tmp_path}")


def test_models_that_do_not_load_are_told_in_one_line(chat, tmp_path):
    def opened(model: str, open_model=open_chat) -> str:
        async def main():
            async with open_model(model):
                pass

        with pytest.raises(ConfigError) as caught:
            asyncio.run(main())
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "download it first" in opened("hf:nobody/nothing")
    assert "2 outputs" in opened(f"hf:{classifier(tmp_path / 'two', 2)}", open_reward)
    bare = chat_model(tmp_path / "bare")
    config = json.loads((bare / "tokenizer_config.json").read_text())
    del config["chat_template"]
    (bare / "tokenizer_config.json").write_text(json.dumps(config))
    assert "has no chat template" in opened(f"hf:{bare}")
    damaged = chat_model(tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"nothing")
    assert "cannot be loaded" in opened(f"hf:{damaged}")


def test_a_missing_extra_names_the_pip_command(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"'tiny:instruct'.*pip install 'gristmill\[local\]'"):
        open_chat("tiny:instruct")


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\n---\n# x", "mit"),
        ("---\nlicense: other\nlicense_name: nvidia-open\n---\n", "nvidia-open"),
        ("# no front matter", None),
        ("---\n: [\n---\n", None),
    ],
)
def test_the_licence_comes_from_the_card_unless_it_is_given(chat, card, licence):
    (chat / "README.md").write_text(card)
    assert open_chat(f"hf:{chat}").licence == licence
    assert open_chat(f"hf:{chat}", {"licence": "own"}).licence == "own"
    (chat / "README.md").unlink()


def test_nothing_heavy_is_imported_before_a_backend_is_opened():
    code = (
        "import sys; from gristmill.backends import open_chat; open_chat('tiny:instruct'); "
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
