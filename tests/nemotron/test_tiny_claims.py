"""The shipped weights are measured again: what the model card claims must hold."""

import random

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from gristmill.nemotron import tiny_path  # noqa: E402
from gristmill.train.tiny.evaluate import evaluate  # noqa: E402
from gristmill.train.tiny.export import read  # noqa: E402
from gristmill.train.tiny.reward import JUDGE, scores  # noqa: E402
from gristmill.tutor import answer, parse_question  # noqa: E402

QUESTION = {"role": "user", "content": "What is 47 plus 38?"}


@pytest.fixture(scope="module")
def figures():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield evaluate(tiny_path("base").parent, count=200, each=4, seed=11)
    torch.set_num_threads(before)


@pytest.mark.slow
def test_base_knows_more_than_instruct_shows(figures):
    assert figures["base_greedy"]["all"] >= 0.9
    assert 0.50 <= figures["instruct_t08"]["all"] <= 0.75


@pytest.mark.slow
def test_reward_prefers_right_to_wrong(figures):
    assert figures["pairs"] >= 100
    assert figures["pair_accuracy"] >= 0.85
    assert figures["best_of"] > figures["instruct_t08"]["all"] + 0.1
    assert figures["kept_right"] > figures["instruct_t08"]["all"] + 0.1


@pytest.mark.slow
def test_every_attribute_follows_the_rules(figures):
    assert min(figures["pearson"].values()) >= 0.8, figures["pearson"]


def test_reward_model_reads_the_shipped_format():
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_path("reward"))
    kind = transformers.AutoModelForSequenceClassification
    model = kind.from_pretrained(tiny_path("reward"), dtype=torch.float32).eval()
    question = parse_question(QUESTION["content"])
    assert question is not None
    rated = [
        (question, answer(question, quality, random.Random(3)))
        for quality in ("right", "garbled", "off_point")
    ]
    texts = [
        tokenizer.apply_chat_template(
            [QUESTION, {"role": "assistant", "content": text}], tokenize=False
        )
        for _, text in rated
    ]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        said = model(**batch).logits
    measured = scores(JUDGE, read(tiny_path("reward")), tokenizer, rated)
    torch.testing.assert_close(said, torch.from_numpy(measured), atol=1e-3, rtol=1e-3)
    right, garbled, off_point = said
    assert right[1] > max(garbled[1], off_point[1]) + 2
    assert right[2] > garbled[2] + 2
