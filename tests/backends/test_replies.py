"""Chat and reward replies in every form that servers give them."""

from typing import Any

import pytest

from gristmill.backends.chat_reply import read_chat
from gristmill.backends.fault import Fault
from gristmill.backends.reward_reply import read_chat_reward, read_classify, read_pooling
from gristmill.records import ATTRIBUTES

FIVE = (4.09375, 4.03125, 4.25, 0.5703125, 1.109375)
TEXT = "helpfulness:4.09375,correctness:4.03125,coherence:4.25,complexity:0.5703125,"
TEXT += "verbosity:1.109375"
TOKENS = [{"token": n, "logprob": v} for n, v in zip(ATTRIBUTES, FIVE, strict=True)]


def reply(message: Any, logprobs: Any = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "length"}
    return {"id": None, "created": None, "model": None, "choices": [choice], **more}


def says(content: Any, **more: Any) -> dict[str, Any]:
    return reply({"role": "assistant", "content": content}, **more)


@pytest.mark.parametrize(
    "given",
    [
        says(TEXT),
        reply([{"role": "assistant", "content": TEXT}]),
        says(TEXT.replace(",", ", ").replace(":", ": ") + "\n"),
        says("Helpfulness:4.09375\nCorrectness:4.03125\nCoherence:4.25\nComplexity:0.5703125\n"
             "Verbosity:1.109375"),
        says("quality:1,toxicity:0.1,humor:-0.2,creativity:1e-2," + TEXT),
        says(None, logprobs={"content": TOKENS}),
        reply(None, logprobs={"content": TOKENS}),
        says("see the logprobs", logprobs={"content": TOKENS}),
        says(TEXT, logprobs={"content": TOKENS}),
        says(TEXT, logprobs={"content": None}),
    ],
)  # fmt: skip
def test_five_attributes(given):
    score = read_chat_reward(given, "m")
    assert score.attributes == FIVE
    assert score.scalar is None
    assert score.model == "m"


@pytest.mark.parametrize(
    "given",
    [
        says("reward:-7.9"),
        says(" reward: -7.9 "),
        says("-7.9"),
        says(None, logprobs={"content": [{"token": "reward", "logprob": -7.9}]}),
    ],
)
def test_one_scalar(given):
    score = read_chat_reward(given, "m")
    assert score.scalar == -7.9
    assert score.attributes is None


@pytest.mark.parametrize("said", ["44", "150.", "-7", "Loosen the bolts.", "reward 4"])
def test_what_a_chat_model_says_is_no_score_and_not_asked_for_again(said):
    with pytest.raises(Fault, match="is it a reward model") as caught:
        read_chat_reward(says(said), "m")
    assert not caught.value.again


def test_usage_is_kept():
    assert read_chat_reward(says(TEXT, usage={"total_tokens": 79}), "m").tokens == 79


@pytest.mark.parametrize(
    "given",
    [
        {},
        [],
        None,
        "text",
        {"choices": []},
        {"choices": None},
        {"choices": [None]},
        says(None),
        says(""),
        says("The helpfulness:4 of this answer is high"),
        says(TEXT.replace("4.25", "nan")),
        says(TEXT.replace("4.25", "inf")),
        says(TEXT.replace(",coherence:4.25", "")),
        says("reward:"),
        says("reward:nan"),
        says("reward:1e999"),
        says(None, logprobs={"content": TOKENS[:4]}),
        says(None, logprobs={"content": [{"token": "reward", "logprob": None}]}),
        says(None, logprobs={"content": [{"token": "reward", "logprob": float("nan")}]}),
        says(None, logprobs=[1, 2]),
        reply([]),
        reply(3),
    ],
)
def test_no_usable_grades_is_never_a_score(given):
    with pytest.raises(Fault) as caught:
        read_chat_reward(given, "m")
    assert caught.value.kind == "bad_reply"


def test_classify():
    assert read_classify({"data": [{"probs": [-3.5], "label": None}]}, "m").scalar == -3.5
    assert read_classify({"data": [{"probs": list(FIVE)}]}, "m").attributes == FIVE
    nine = [9, 9, 9, 9, *FIVE]
    assert read_classify({"data": [{"probs": nine}]}, "m").attributes == FIVE


def test_pooling():
    assert read_pooling({"data": [{"data": [0.25]}]}, "m").scalar == 0.25
    assert read_pooling({"data": [{"data": [[1.0], [2.0], [0.5]]}]}, "m").scalar == 0.5
    rows = [[0.0] * 5, list(FIVE)]
    assert read_pooling({"data": [{"data": rows}]}, "m").attributes == FIVE


@pytest.mark.parametrize(
    ("data", "again"),
    [
        (None, True),
        ([], True),
        ([{"probs": []}], True),
        ([{"probs": "abc"}], True),
        ([{"probs": [None]}], True),
        ([{"probs": [True]}], True),
        ([{"probs": [float("nan")]}], True),
        ([{"probs": [0.1] * 8192}], False),
        ([{"probs": [0.1, 0.2, 0.3, 0.2, 0.2]}], False),  # a softmax's
    ],
)
def test_unusable_values(data, again):
    with pytest.raises(Fault) as caught:
        read_classify({"data": data}, "m")
    assert caught.value.again is again


def test_chat_keeps_finish_reason_and_usage():
    given = says("hi", usage={"prompt_tokens": 3, "completion_tokens": 2})
    response = read_chat(given, "m")
    assert (response.text, response.finish_reason) == ("hi", "length")
    assert (response.prompt_tokens, response.completion_tokens) == (3, 2)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ([{"content": "hi"}], "hi"),
        ({"content": ""}, ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
        ({"content": None, "refusal": "I must not."}, "I must not."),
        ({"content": "hi", "reasoning_content": "hmm"}, "hi"),
    ],
)
def test_unusual_chat_messages(message, text):
    assert read_chat(reply(message, usage="none"), "m").text == text


@pytest.mark.parametrize(
    ("given", "again"),
    [
        ({}, True),
        (None, True),
        ({"choices": []}, True),
        (says(None), True),
        (reply(None), True),
        (reply([]), True),
        (says([{"type": "image"}]), True),
        (reply({"content": None, "reasoning_content": "hmm"}), False),
    ],
)
def test_unusable_chat_replies(given, again):
    with pytest.raises(Fault) as caught:
        read_chat(given, "m")
    assert (caught.value.kind, caught.value.again) == ("bad_reply", again)
