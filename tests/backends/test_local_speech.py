"""What a local model's tokens say: special tokens that mark thoughts, and thoughts that the chat
template opened."""

from types import SimpleNamespace

import pytest

from gristmill.backends.local_speech import Speech
from gristmill.errors import BackendError
from gristmill.records import Response

HARMONY = ("<|channel|>", "<|message|>", "<|end|>", "<|start|>", "<|return|>")


class Words:
    """A tokenizer whose tokens are words, of which some are special."""

    def __init__(self, *special: str) -> None:
        self.all_special_tokens = ["<eos>"]
        self._special = ("<eos>", *special)
        self.added_tokens_decoder = {
            number: SimpleNamespace(content=token, special=token in self._special)
            for number, token in enumerate((*self._special, "<think>", "</think>"))
        }

    def decode(self, tokens, *, skip_special_tokens):
        return "".join(t for t in tokens if not (skip_special_tokens and t in self._special))


def said(tokens, special=(), prompt=("q",), stopped=True) -> Response | BackendError:
    words = Words(*special)
    return Speech("m", words).response(prompt, [*tokens, *(["<eos>"] * stopped)], stopped=stopped)


@pytest.mark.parametrize(
    ("tokens", "special"),
    [
        (["<think>", "\nhm\n", "</think>", "\n\n15 "], ()),
        (["<|START_THINKING|>", "hm", "<|END_THINKING|>", "<|START_RESPONSE|>", "15",
          "<|END_RESPONSE|>"],
         ("<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>")),
        (["<|channel|>", "analysis", "<|message|>", "hm", "<|end|>", "<|start|>", "assistant",
          "<|channel|>", "final", "<|message|>", "15"], HARMONY),
        (["<|channel>", "thought\n", "hm", "<channel|>", "15"], ("<|channel>", "<channel|>")),
    ],
)  # fmt: skip
def test_a_thought_is_apart_however_it_is_marked(tokens, special):
    response = said(tokens, special)
    assert response == Response("15", "m", "stop", 1, len(tokens) + 1, reasoning="hm")


def test_special_tokens_that_mark_no_thought_are_left_out():
    assert said(["<s>", " 15 "], ("<s>",)) == Response("15", "m", "stop", 1, 3)
    assert said(["<|end|>", "15"], HARMONY) == Response("15", "m", "stop", 1, 3)


def test_a_thought_that_the_chat_template_opened():
    prompt = ("q", "<think>", "\n")
    response = said(["hm", "</think>", "15"], prompt=prompt)
    assert response == Response("15", "m", "stop", 3, 4, reasoning="hm")
    for stopped in (True, False):
        cut = said(["hm"], prompt=prompt, stopped=stopped)
        assert isinstance(cut, BackendError)
        assert cut.kind == "bad_reply"
        assert "raise max_tokens" in str(cut)


def test_a_template_that_opened_and_closed_it():
    response = said(["15"], prompt=("q", "<think>", "\n\n", "</think>", "\n\n"), stopped=False)
    assert response == Response("15", "m", "length", 5, 1)
