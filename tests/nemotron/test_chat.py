"""The chat format, as strings and as the template that travels with the tokenizer."""

import pytest

from gristmill.nemotron import chat_prompt, reward_text, tiny_path

USER = {"role": "user", "content": "Add 3 and 4."}
REPLY = {"role": "assistant", "content": "7."}
SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.fixture(scope="module")
def tokenizers():
    transformers = pytest.importorskip("transformers")
    names = ("instruct", "reward")
    return {n: transformers.AutoTokenizer.from_pretrained(tiny_path(n)) for n in names}


def render(tokenizer, messages, **kwargs):
    return tokenizer.apply_chat_template(messages, tokenize=False, **kwargs)


def test_prompt_is_nemotrons(tokenizers):
    want = "<extra_id_0>System\n\n<extra_id_1>User\nAdd 3 and 4.\n<extra_id_1>Assistant\n"
    assert chat_prompt([USER]) == want
    assert render(tokenizers["instruct"], [USER], add_generation_prompt=True) == want


def test_system_message_and_several_turns(tokenizers):
    messages = [SYSTEM, USER, REPLY, USER]
    want = (
        "<extra_id_0>System\nBe brief.\n<extra_id_1>User\nAdd 3 and 4.\n<extra_id_1>Assistant\n7.\n"
        "<extra_id_1>User\nAdd 3 and 4.\n<extra_id_1>Assistant\n"
    )
    assert chat_prompt(messages) == want
    assert render(tokenizers["instruct"], messages, add_generation_prompt=True) == want


def test_finished_conversation_ends_in_its_stop(tokenizers):
    want = "<extra_id_0>System\n\n<extra_id_1>User\nAdd 3 and 4.\n<extra_id_1>Assistant\n7.\n"
    assert render(tokenizers["instruct"], [USER, REPLY]) == want + "<extra_id_1>"
    assert render(tokenizers["reward"], [USER, REPLY]) == want + "<extra_id_2>"
    assert reward_text([USER, REPLY]) == want + "<extra_id_2>"


def test_only_answers_and_their_stops_are_trained_on(tokenizers):
    tokenizer = tokenizers["instruct"]
    encoded = tokenizer.apply_chat_template(
        [USER, REPLY, USER, REPLY], return_assistant_tokens_mask=True, return_dict=True
    )
    marked = zip(encoded["input_ids"], encoded["assistant_masks"], strict=True)
    trained = tokenizer.decode([token for token, mask in marked if mask])
    assert trained == "7.\n<extra_id_1>7.\n<extra_id_1>"


def test_unknown_roles_are_refused(tokenizers):
    with pytest.raises(ValueError, match="role 'tool' must be"):
        chat_prompt([{"role": "tool", "content": ""}])
    with pytest.raises(Exception, match="role must be"):
        render(tokenizers["instruct"], [{"role": "tool", "content": ""}])


def test_digits_are_single_tokens_and_text_survives(tokenizers):
    tokenizer = tokenizers["instruct"]
    text = "What is 47 plus 385?\nTom has 9 apples; é ☃ 12."
    tokens = tokenizer.tokenize(text)
    assert all(sum(c.isdigit() for c in token) <= 1 for token in tokens)
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
