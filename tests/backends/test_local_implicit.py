"""A policy and its reference: their implicit reward is what plain transformers says it is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from gristmill import packing
from gristmill.backends import RewardBackend, local_implicit, open_chat, open_reward
from gristmill.errors import BackendError, ConfigError
from gristmill.judges.reward import Reward
from gristmill.records import Message, Score
from local_models import SIZES, chat_model, classifier, one_thread, reward_model, save


@pytest.fixture(autouse=True, scope="module")
def threads():
    with one_thread():
        yield


def trained(directory: Path, start: Path) -> Path:
    """What `start` might be after some training: its weights, each moved a little."""
    model = AutoModelForCausalLM.from_pretrained(start)
    torch.manual_seed(5)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.02 * torch.randn_like(weight)
    return save(model, directory)


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[Path, Path]:
    """A policy and its reference."""
    folder = tmp_path_factory.mktemp("pair")
    reference = chat_model(folder / "reference", max_position_embeddings=192)
    return trained(folder / "policy", reference), reference


def score(policy: Path | str, reference: Path | str, conversations, **options) -> list[Any]:
    return graded(policy, reference, conversations, **options)[0]


def graded(
    policy: Path | str, reference: Path | str, conversations, **options
) -> tuple[list[Any], RewardBackend]:
    async def main():
        async with open_reward(named(policy), {"reference": named(reference), **options}) as judge:
            found = await asyncio.gather(
                *(judge.score(c) for c in conversations), return_exceptions=True
            )
            return found, judge

    return asyncio.run(main())


def named(model: Path | str) -> str:
    return f"hf:{model}" if isinstance(model, Path) else model


def plain(model: Path, ids: list[int], begin: int) -> float:
    """log p of the tokens from `begin` on: one text, unpadded, every logit, float32."""
    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    with torch.no_grad():
        table = network(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(float(table[i - 1, ids[i]]) for i in range(begin, len(ids)))


def rendered(model: Path, messages, *, answer: bool) -> list[int]:
    tokenizer = AutoTokenizer.from_pretrained(model)
    dicts = [{"role": m.role, "content": m.content} for m in messages]
    text = tokenizer.apply_chat_template(dicts, tokenize=False, add_generation_prompt=answer)
    return tokenizer.encode(text, add_special_tokens=False)


def expected(policy: Path, reference: Path, messages) -> float:
    ids = rendered(policy, messages, answer=False)
    prompt = rendered(policy, messages[:-1], answer=True)
    assert ids[: len(prompt)] == prompt
    return plain(policy, ids, len(prompt)) - plain(reference, ids, len(prompt))


def answered(question: str, *answers: str) -> list[tuple[Message, ...]]:
    return [(Message("user", question), Message("assistant", answer)) for answer in answers]


LONG = "How much is " + "1 + " * 15 + "1?"
CONVERSATIONS = [
    *answered(LONG, "16", "It is 16, for there are sixteen of them.", "seven"),
    *answered("2 + 2?", "4", "22"),
    *answered("Hello.", "Hello, what can I do for you today? " * 3),
    (Message("system", "Be brief."), *answered("Say it.", "It.")[0]),
    (*answered("1 + 1?", "2")[0], *answered("And 1 more?", "Three, that is 3.")[0]),
]


@pytest.mark.parametrize("rows", [256, 3])
def test_rewards_equal_the_plain_computation(pair, rows):
    scores = score(*pair, CONVERSATIONS, batch=rows)
    wanted = [expected(*pair, c) for c in CONVERSATIONS]
    assert [s.scalar for s in scores] == pytest.approx(wanted, abs=1e-4)
    assert len({round(w, 2) for w in wanted}) == len(wanted)
    assert [s.tokens for s in scores] == [
        len(rendered(pair[0], c, answer=False)) for c in CONVERSATIONS
    ]
    assert {(s.model, s.attributes) for s in scores} == {(f"hf:{pair[0]}", None)}


KINDS = {
    # Packed; the model itself divides its logits.
    "Granite": (True, {"logits_scaling": 3.0}),
    # Packed, each token seeing the last eight.
    "Mistral": (True, {"sliding_window": 8}),
    # Padded rows: its products are capped, and its logits.
    "Gemma2": (False, {"sliding_window": 8, "final_logit_softcapping": 4.0}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_of_models_packed_or_padded(tmp_path, monkeypatch, kind):
    packs, changes = KINDS[kind]
    torch.manual_seed(3)
    config = getattr(transformers, f"{kind}Config")(**SIZES | changes)
    model = getattr(transformers, f"{kind}ForCausalLM")(config)
    reference = save(model, tmp_path / "reference")
    policy = trained(tmp_path / "policy", reference)
    # A few positions at a time.
    monkeypatch.setattr(local_implicit, "LOGITS", 5 * SIZES["vocab_size"])
    packed = []
    pack = packing.pack
    monkeypatch.setattr(packing, "pack", lambda texts: (packed.append(texts), pack(texts))[1])
    some = CONVERSATIONS[:5]
    wanted = [expected(policy, reference, c) for c in some]
    found = [s.scalar for s in score(policy, reference, some)]
    assert found == pytest.approx(wanted, abs=1e-4)
    assert bool(packed) == packs


def test_a_policy_that_is_its_reference_earns_nothing(pair):
    for model in (pair[0], "tiny:instruct"):
        assert [s.scalar for s in score(model, model, CONVERSATIONS)] == [0.0] * len(CONVERSATIONS)


def test_the_embedded_family_has_a_pair():
    scores, judge = graded("tiny:instruct", "tiny:base", answered("What is 2 plus 3?", "5", "x"))
    assert all(isinstance(s, Score) and s.scalar for s in scores)
    assert judge.licence == "Apache-2.0"


def test_answers_to_one_prompt_read_it_once(pair, monkeypatch):
    computed: list[int] = []
    run = packing.run
    monkeypatch.setattr(packing, "run", lambda m, p: (computed.append(p.tokens), run(m, p))[1])
    both = answered(LONG, "It is 16.", "Sixteen, I think.")
    found = score(*pair, both)
    # Once by each model, and of the second answer no more than itself.
    prompt = len(rendered(pair[0], both[0][:-1], answer=True))
    rest = sum(s.tokens - prompt for s in found)
    assert computed == [prompt + rest] * 2
    assert prompt + rest < 0.7 * sum(s.tokens for s in found)


def test_logits_are_made_for_answers_alone_and_a_bounded_number_at_once(pair, monkeypatch):
    made: list[tuple[int, ...]] = []
    logits = local_implicit.LogProbabilities._logits

    def counted(self, outputs, states):
        made.append(states.shape)
        return logits(self, outputs, states)

    monkeypatch.setattr(local_implicit, "LOGITS", 10 * SIZES["vocab_size"])
    both = answered(LONG, "It is 16, for there are sixteen ones.", "x")

    async def main():
        async with open_reward(f"hf:{pair[0]}", {"reference": f"hf:{pair[1]}"}) as judge:
            monkeypatch.setattr(local_implicit.LogProbabilities, "_logits", counted)
            return await asyncio.gather(*(judge.score(c) for c in both))

    found = asyncio.run(main())
    prompt = len(rendered(pair[0], both[0][:-1], answer=True))
    assert sum(rows for rows, _ in made) == 2 * sum(s.tokens - prompt for s in found)
    assert max(rows for rows, _ in made) == 10


TEMPLATES = {
    # As DeepSeek's: what opens an answer is more than what stands before a given one.
    "thinking": (
        "{% for m in messages %}<{{ m.role }}>\n{{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}<assistant>\n<think>\n{% endif %}",
        "<user>\n{}\n<assistant>\n",
    ),
    # As Mistral's: the system message stands only where the user speaks last.
    "forgetful": (
        "{% for m in messages if m.role != 'system' %}<{{ m.role }}>\n"
        "{% if loop.last and m.role == 'user' %}{{ messages[0].content }}\n{% endif %}"
        "{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<assistant>\n{% endif %}",
        "<user>\n{}\n<assistant>\n",
    ),
}


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("answer", ["It is.", "~", "<user>\nNo."])
def test_templates_that_write_a_prompt_in_two_ways_count_no_token_of_it(pair, name, answer):
    policy, reference = pair
    template, before = TEMPLATES[name]
    question = "Is it so, or is it not?"
    tokenizer = AutoTokenizer.from_pretrained(policy)
    opening = tokenizer.encode(before.format(question), add_special_tokens=False)
    ids = tokenizer.encode(f"{before.format(question)}{answer}\n", add_special_tokens=False)
    assert ids[: len(opening)] == opening
    wanted = plain(policy, ids, len(opening)) - plain(reference, ids, len(opening))
    messages = (Message("system", "Be kind."), *answered(question, answer)[0])
    if name == "thinking":
        messages = messages[1:]
    with template_of(policy, template):
        (found,) = score(policy, reference, [messages])
    assert found.scalar == pytest.approx(wanted, abs=1e-4)
    assert found.tokens == len(ids)


class template_of:
    """While it lasts, a model's chat template is another; None: it has none."""

    def __init__(self, model: Path, template: str | None) -> None:
        self._file = model / "tokenizer_config.json"
        self._template = template

    def __enter__(self) -> None:
        self._before = self._file.read_text()
        config = json.loads(self._before)
        config["chat_template"] = self._template
        if self._template is None:
            del config["chat_template"]
        self._file.write_text(json.dumps(config))

    def __exit__(self, *_: object) -> None:
        self._file.write_text(self._before)


def test_a_template_without_the_answer_gives_no_reward(pair):
    with template_of(pair[0], "{{ messages[0].content }}"):
        (error,) = score(*pair, answered("a", "b"))
    assert error.kind == "bad_request"
    assert "leaves out the answer" in str(error)


def test_what_cannot_be_graded_fails_alone_by_the_smaller_context(tmp_path, pair):
    policy = chat_model(tmp_path / "policy")
    asked = [
        (Message("user", "no answer"),),
        (Message("assistant", "no question"),),
        *answered("a", "7, " * 60, "b"),
    ]
    found, judge = graded(policy, pair[1], asked)
    assert [getattr(f, "kind", "") for f in found] == ["bad_request", "bad_request", "too_long", ""]
    assert "context holds 96" in str(found[2])
    assert len(rendered(policy, asked[2], answer=False)) < 192
    assert judge.traffic.failures == {"bad_request": 2, "too_long": 1}
    # Which of the two is the smaller makes no difference.
    assert [f.kind for f in score(pair[1], policy, asked[2:3])] == ["too_long"]


def test_rewards_that_are_not_finite_are_no_scores(tmp_path, pair):
    broken = chat_model(tmp_path / "broken", max_position_embeddings=192)
    model = AutoModelForCausalLM.from_pretrained(broken)
    torch.nn.init.constant_(model.lm_head.weight, float("nan"))
    save(model, broken)
    (error,) = score(pair[0], broken, CONVERSATIONS[:1])
    assert isinstance(error, BackendError)
    assert error.kind == "bad_reply"


def test_a_batch_beyond_the_memory_is_halved(pair, monkeypatch):
    sizes = []
    run = local_implicit.ImplicitGrader.run

    def scarce(self, texts):
        sizes.append(len(texts))
        if len(texts) > 2:
            raise torch.OutOfMemoryError("too much")
        return run(self, texts)

    monkeypatch.setattr(local_implicit.ImplicitGrader, "run", scarce)
    scores = score(*pair, CONVERSATIONS)
    assert all(isinstance(s, Score) for s in scores)
    assert max(sizes) > 2


def test_the_licence_is_the_policys(pair):
    policy, reference = pair
    (policy / "README.md").write_text("---\nlicense: mit\n---\n")
    options = {"reference": f"hf:{reference}"}
    assert open_reward(f"hf:{policy}", options).licence == "mit"
    assert open_reward(f"hf:{policy}", {**options, "licence": "own"}).licence == "own"
    (policy / "README.md").unlink()


def test_the_judge_passes_its_reference_on(pair):
    judge = Reward(model=f"hf:{pair[0]}", reference=f"hf:{pair[1]}")
    assert isinstance(judge.open(), type(open_reward("tiny:instruct", {"reference": "tiny:base"})))
    with pytest.raises(ConfigError, match=r"is no reward model.*its `reference`"):
        Reward(model=f"hf:{pair[0]}").open()


def refused(policy: str, reference: Any, open_model=open_reward) -> str:
    with pytest.raises(ConfigError) as caught:
        open_model(policy, {"reference": reference})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_pair_is_told_before_anything_is_loaded(pair, tmp_path):
    policy, reference = (f"hf:{model}" for model in pair)
    for elsewhere in ("http://host:1/v1#m", "nim:nvidia/m", "scripted:echo"):
        assert "leave `reference` out" in refused(elsewhere, reference)
        assert "its weights are needed here" in refused(policy, elsewhere)
    assert "leave it out for a model that answers" in refused(policy, reference, open_chat)
    assert "no directory" in refused(policy, "hf:./nowhere")
    for reward in (classifier(tmp_path / "a", 1), reward_model(tmp_path / "b", 5)):
        assert f"model 'hf:{reward}' is a reward model" in refused(f"hf:{reward}", reference)
        assert f"reference 'hf:{reward}' is a reward model" in refused(policy, f"hf:{reward}")
    wide = chat_model(tmp_path / "wide", vocab_size=1030)
    assert "1,030 tokens are not 1,024" in refused(policy, f"hf:{wide}")
    for kind, more in (("BertForMaskedLM", {}), ("T5ForCausalLM", {"is_encoder_decoder": True})):
        other = tmp_path / kind
        other.mkdir()
        (other / "config.json").write_text(json.dumps({"architectures": [kind], **more}))
        assert f"no causal language model (its kind is {kind})" in refused(f"hf:{other}", reference)


def opened(policy: Path, reference: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        score(policy, reference, [])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_shows_only_in_the_files_is_told_when_they_are_opened(pair, tmp_path):
    policy, reference = pair
    with template_of(policy, None):
        assert "has no chat template" in opened(policy, reference)
    with template_of(reference, None):
        # It is the policy's that counts.
        assert isinstance(score(policy, reference, CONVERSATIONS[:1])[0], Score)
    other = chat_model(tmp_path / "other")
    tokens = json.loads((other / "tokenizer.json").read_text())
    vocabulary = tokens["model"]["vocab"]
    a, b = list(vocabulary)[-2:]
    vocabulary[a], vocabulary[b] = vocabulary[b], vocabulary[a]
    (other / "tokenizer.json").write_text(json.dumps(tokens))
    assert "they differ in" in opened(policy, other)
    config = transformers.OPTConfig(**SIZES, word_embed_proj_dim=32)
    odd = save(transformers.OPTForCausalLM(config), tmp_path / "odd")
    assert "OPTForCausalLM, whose logits cannot be made" in opened(odd, reference)
