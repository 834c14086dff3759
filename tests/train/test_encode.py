"""What is read and what is learned: exactly the assistant's tokens, with the one that stops it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_templates import CHATML
from encodings_of import encode, learned, one, refusal, tokenizer, whole
from gristmill.backends.local_load import find, load_tokenizer
from gristmill.intake.cells import Refused
from gristmill.nemotron import REWARD_TEMPLATE
from gristmill.records import Message
from gristmill.train.encode import Encoder, targets
from gristmill.train.examples import Compared, Conversation, Document, Rated

FORGETFUL = (
    "{%- for message in messages -%}"
    "{%- set said = message['content'] -%}"
    "{%- if not loop.last -%}{%- set said = said.split('</think>')[-1] -%}{%- endif -%}"
    "{{- '<|im_start|>' + message['role'] + '\n' + said + '<|im_end|>\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)
STRICT = (
    "{%- if messages[0]['role'] == 'system' -%}{{- raise_exception('no system turn, please') -}}"
    "{%- endif -%}" + CHATML
)


def chat(*turns: str, system: str = "") -> Conversation:
    """User and assistant by turns, behind a system message if there is one."""
    messages = [Message("system", system)] if system else []
    messages += [Message(("user", "assistant")[i % 2], text) for i, text in enumerate(turns)]
    return Conversation(tuple(messages), "chats.jsonl:1")


# Blanks at the beginning may be one token with the line break before them.
said = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=12)
said = said.filter(lambda text: not text[0].isspace() and "<" not in text)
conversations = st.lists(st.tuples(said, said), min_size=1, max_size=3)


def flat(pairs: list[tuple[str, str]]) -> list[str]:
    return [text for pair in pairs for text in pair]


@given(conversations, st.one_of(st.just(""), said))
def test_the_familys_template(pairs: list[tuple[str, str]], system: str) -> None:
    item = one(chat(*flat(pairs), system=system))
    assert learned(item) == ["".join(f"{answer}\n<extra_id_1>" for _, answer in pairs)]
    wanted = f"<extra_id_0>System\n{system}\n<extra_id_1>"
    for question, answer in pairs:
        wanted += f"User\n{question}\n<extra_id_1>Assistant\n{answer}\n<extra_id_1>"
    assert whole(item) == [wanted]


@given(conversations, st.one_of(st.just(""), said))
def test_chatml_up_to_the_stop_token(pairs: list[tuple[str, str]], system: str) -> None:
    item = one(chat(*flat(pairs), system=system), CHATML)
    assert learned(item, CHATML) == ["".join(f"{answer}<|im_end|>" for _, answer in pairs)]
    assert whole(item, CHATML)[0].endswith("<|im_end|>\n")


@pytest.mark.parametrize("template", ["", CHATML, FORGETFUL])
def test_the_last_turn_alone(template: str) -> None:
    item = one(chat("one?", "<1> one", "two?", "two, then"), template, turns="last")
    stop = "<|im_end|>" if template else "\n<extra_id_1>"
    assert learned(item, template) == [f"two, then{stop}"]


def test_a_template_that_rewrites_earlier_turns_is_refused_and_says_what_helps() -> None:
    example = chat("one?", "<think>hm</think>one", "two?", "<think>ah</think>two")
    found = refusal(example, FORGETFUL)
    assert found.reason == "chat_template"
    assert "set turns: last" in found.detail
    item = one(example, FORGETFUL, turns="last")
    assert learned(item, FORGETFUL) == ["<think>ah</think>two<|im_end|>"]
    assert "hm" not in whole(item, FORGETFUL)[0]


def test_what_a_template_refuses_is_refused_in_its_words() -> None:
    found = refusal(chat("one?", "one", system="be short"), STRICT)
    assert (found.reason, found.where) == ("chat_template", "chats.jsonl:1")
    assert "no system turn, please" in found.detail


def test_the_others_of_a_chunk_are_not_lost() -> None:
    found = encode([chat("a?", "b"), chat("c?", "d", system="x"), chat("e?", "f")], STRICT)
    assert [type(each) for each in found] == [list, Refused, list]


def test_too_long_is_refused_and_nothing_is_cut() -> None:
    example = chat("how many?", "nearly seven of them")
    length = len(one(example).sequences[0].ids)
    for limit in (length, length + 1):
        assert len(one(example, limit=limit).sequences[0].ids) == length
    found = refusal(example, limit=length - 1)
    assert found.reason == "too_long"
    assert found.detail == f"{length} tokens, at most {length - 1} fit; nothing is cut off"


def test_a_pair_is_too_long_if_one_side_is() -> None:
    prompt = (Message("user", "which?"),)
    short, long = (Message("assistant", "this"),), (Message("assistant", "that " * 80),)
    pair = Compared(prompt, short, long, "pairs.jsonl:1")
    assert refusal(pair, limit=60).reason == "too_long"
    assert len(one(pair).sequences) == 2


def test_of_a_pair_only_what_differs_is_learned() -> None:
    prompt = (Message("user", "a?"), Message("assistant", "b"), Message("user", "c?"))
    chosen = (Message("assistant", "d"), Message("user", "e?"), Message("assistant", "f"))
    item = one(Compared(prompt, chosen, (Message("assistant", "g"),), "pairs.jsonl:1"))
    assert learned(item) == ["d\n<extra_id_1>f\n<extra_id_1>", "g\n<extra_id_1>"]


def test_sides_that_a_template_makes_equal_are_no_pair() -> None:
    trimming = CHATML.replace("message['content']", "message['content'] | trim")
    prompt = (Message("user", "a?"),)
    pair = Compared(
        prompt, (Message("assistant", "b"),), (Message("assistant", " b"),), "pairs.jsonl:1"
    )
    assert refusal(pair, trimming).reason == "identical_pair"
    assert len(one(pair, CHATML).sequences) == 2


def test_a_reward_model_reads_the_end() -> None:
    rated = Rated((Message("user", "a?"),), "b", (1.0, None, None, None, None), "rated.jsonl:1")
    reward = load_tokenizer(find("tiny:reward"))
    reward.chat_template = REWARD_TEMPLATE
    (found,) = Encoder(reward, ends=True, limit=None).encode([rated])
    assert isinstance(found, list)
    (sequence,) = found[0].sequences
    assert sequence.reads.tolist() == [len(sequence.ids) - 1]
    assert reward.decode(sequence.ids).endswith("Assistant\nb\n<extra_id_2>")


@given(st.integers(2, 30), st.text(st.characters(codec="utf-8"), min_size=1, max_size=80))
def test_documents_are_cut_into_pieces_that_are_all_of_them(limit: int, text: str) -> None:
    (found,) = encode([Document(text, "texts.jsonl:1")], limit=limit)
    assert isinstance(found, list)
    ids = tokenizer()(text + "<|endoftext|>", add_special_tokens=False)["input_ids"]
    pieces = [item.sequences[0] for item in found]
    assert all(1 < len(piece.ids) <= limit for piece in pieces)
    # A last token by itself would teach nothing.
    left = ids[-1:] if len(ids) % limit == 1 else []
    assert np.concatenate([piece.ids for piece in pieces]).tolist() + left == ids
    assert all(piece.reads.tolist() == list(range(len(piece.ids) - 1)) for piece in pieces)


def test_a_document_without_a_limit_is_one_piece_with_its_end() -> None:
    item = one(Document("seven stones", "texts.jsonl:1"))
    assert whole(item) == ["seven stones<|endoftext|>"]
    assert len(item.sequences[0].reads) == len(item.sequences[0].ids) - 1


def test_a_document_of_one_token_is_refused_and_not_lost() -> None:
    (found,) = encode([Document("", "texts.jsonl:1")])
    assert isinstance(found, Refused)
    assert found.reason == "nothing_to_learn"


def test_targets_follow_what_is_read() -> None:
    items = [one(chat("a?", "b")), one(chat("c?", "d and e"))]
    wanted = [s.ids[r + 1] for item in items for s in item.sequences for r in s.reads]
    assert targets(items).tolist() == wanted
