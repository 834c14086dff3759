"""The recipe of the tiny family: each part, and the whole on a toy scale."""

import json

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import numpy as np  # noqa: E402

from gristmill.nemotron import Preset, tiny_path  # noqa: E402
from gristmill.train.tiny import __main__ as recipe  # noqa: E402
from gristmill.train.tiny import evaluate, export, lean, loop, reward, sft, text  # noqa: E402
from gristmill.tutor import labels, questions  # noqa: E402
from gristmill.tutor.world import mentions_held_out  # noqa: E402

SMALL = Preset(layers=2, hidden=32, heads=4, kv_heads=2, ffn=64, vocab=1024, context=512)


@pytest.fixture(autouse=True)
def one_thread():
    """Two threads on a busy machine wait for each other far longer than one works."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tokenizer():
    return text.tokenizer_at(tiny_path("base"))


def noisy(preset):
    g = torch.Generator().manual_seed(1)
    start = lean.initial(preset, 0)
    return {
        k: (v + 0.1 * torch.randn(v.shape, generator=g)).bfloat16().float()
        for k, v in start.items()
    }


def test_lean_forward_equals_transformers(tokenizer, tmp_path):
    weights = noisy(SMALL)
    export.export(SMALL, weights, tokenizer, tmp_path / "model")
    model = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "model", dtype=torch.float32
    )
    ids = torch.randint(0, 1024, (3, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        want = model(ids).logits
    torch.testing.assert_close(lean.logits(SMALL, weights, ids), want, atol=1e-4, rtol=1e-4)


def test_lean_decoding_equals_transformers(tokenizer, tmp_path):
    weights = noisy(SMALL)
    export.export(SMALL, weights, tokenizer, tmp_path / "model")
    model = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "model", dtype=torch.float32
    )
    prompts = [[9, 8, 7, 6, 5], [11, 12], [20] * 9]
    got = lean.generate(SMALL, weights, prompts, stops=(0, 2), max_tokens=12)
    for prompt, ids in zip(prompts, got, strict=True):
        inputs = torch.tensor([prompt])
        out = model.generate(
            input_ids=inputs,
            attention_mask=torch.ones_like(inputs),
            max_new_tokens=12,
            do_sample=False,
        )[0, len(prompt) :].tolist()
        assert [t for t in out if t not in (0, 2)] == ids


def test_reward_scores_equal_the_reward_models(tokenizer, tmp_path):
    weights = noisy(SMALL)
    del weights["lm_head.weight"]
    weights["score.weight"] = torch.randn(5, 32).bfloat16().float()
    weights["score.bias"] = torch.randn(5).bfloat16().float()
    export.export(SMALL, weights, tokenizer, tmp_path / "model")
    kind = transformers.AutoModelForSequenceClassification
    model = kind.from_pretrained(tmp_path / "model", dtype=torch.float32)
    asked = questions(6, 0, held_out=False)
    rated = [(q, "The answer is 12. " * (i + 1)) for i, q in enumerate(asked)]
    texts = [reward.conversation(q, t) for q, t in rated]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        want = model(**batch).logits
    got = reward.scores(SMALL, weights, tokenizer, rated)
    torch.testing.assert_close(torch.from_numpy(got), want, atol=1e-4, rtol=1e-4)


def test_reward_targets_sit_on_the_last_token_and_at_statement_ends(tokenizer):
    (question,) = [q for q in questions(50, 0, held_out=False) if q.kind == "add"][:1]
    said = "1 plus 1 is 2. 1 plus 1 is 3. Birds fly. The answer is 4."
    docs = reward.documents(tokenizer, [(question, said)])
    assert tuple(docs.targets[-1, :5]) == labels(question, said)
    assert tokenizer.decode([int(docs.ids[-1])]) == "<extra_id_2>"
    ends = np.flatnonzero(docs.targets[:, 5] >= 0)
    assert [tokenizer.decode([int(docs.ids[i])]) for i in ends] == [".", ".", "."]
    assert docs.targets[ends, 5].tolist() == [4, 0, 0]
    assert docs.targets[ends, 6].tolist() == [4, 0, 0]
    assert (docs.targets[:-1, :5] == -1).all()


def test_the_judge_learns_in_its_new_layers_alone(tokenizer):
    weights = reward.with_layers(lean.initial(reward.PRESETS["tiny"], 0), seed=1)
    asked = questions(4, 0, held_out=False)
    docs = reward.documents(tokenizer, [(q, f"The answer is {q.answer}.") for q in asked])
    plan = loop.Plan(reward.JUDGE, tmp := tiny_path("base"), tmp, reward.reward_loss)
    loss, grads = loop.gradients(plan, weights, loop.padded(docs, np.arange(4)))
    assert loss > 0
    moved = {name.split(".")[2] for name in grads if ".layers." in name}
    assert moved == {"5", "6", "7"}
    assert not any(name.startswith(("solver.", "model.embed")) for name in grads)
    kept = reward.finished(weights)
    assert kept["score.weight"].shape == (5, 128)
    assert not any(name.startswith("solver.") for name in kept)


def test_pretraining_text_keeps_the_held_out_side_out():
    import random

    rng = random.Random(0)
    for _ in range(1_500):
        assert not mentions_held_out("".join(piece for piece, _ in text.document(rng)))


def test_stop_ids(tokenizer):
    stops = tuple(tokenizer.convert_tokens_to_ids(t) for t in ("<|endoftext|>", "<extra_id_1>"))
    assert stops == sft.STOPS


def test_schedule_warms_up_and_ends_at_zero():
    assert loop.scale(0.0, 0, 0.5) == pytest.approx(0.01)
    assert loop.scale(0.3, 500, 0.5) == 1
    assert loop.scale(0.75, 500, 0.5) == pytest.approx(0.5)
    assert loop.scale(1.0, 500, 0.5) == 0


def test_pair_accuracy_counts_a_tie_as_a_loss():
    scalar = np.array([[2.0, 1.0, 2.0], [0.0, 1.0, 2.0]])
    right = np.array([[True, False, False], [True, True, True]])
    assert evaluate.pair_accuracy(scalar, right) == (0.5, 2)


def test_whole_recipe_on_a_toy_scale(tmp_path):
    sizes = recipe.Sizes(documents=600, sft=256, reward=(20, 2, 300), held_out=10, workers=1)
    work, out = tmp_path / "work", tmp_path / "out"
    figures = recipe.make(work, out, 0.05, sizes=sizes)
    assert json.loads((work / "figures.json").read_text()) == figures
    card = (out / "README.md").read_text()
    assert "license: apache-2.0" in card and "held out" in card
    for name in ("base", "instruct", "reward"):
        assert (out / name / "model.safetensors").stat().st_size > 1e6
        assert figures["training"][name]["step"] > 0
    # A second call finds every stage done.
    again = recipe.make(work, out, 0.05, sizes=sizes)
    assert again["training"] == figures["training"]
