"""The chat format, as strings and as the template that travels with the tokenizer."""

import pytest

from gristmill.nemotron import (
    CHAT_TEMPLATE,
    REWARD_TEMPLATE,
    chat_prompt,
    reward_text,
    tiny_path,
)
from gristmill.nemotron.chat import reward_template

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


def test_thoughts_stand_before_their_answers_and_no_reward_model_sees_one(tokenizers):
    thinking = {**REPLY, "reasoning_content": "3 + 4 = 7"}
    turns = [USER, thinking, USER, thinking]
    thought = "<think>\n3 + 4 = 7\n</think>\n\n"
    want = render(tokenizers["instruct"], [USER, REPLY, USER, REPLY]).replace("7.", thought + "7.")
    assert render(tokenizers["instruct"], turns) == want
    asked = render(tokenizers["instruct"], turns[:3], add_generation_prompt=True)
    assert asked == chat_prompt(turns[:3]) and thought in asked
    rated = render(tokenizers["reward"], turns)
    assert rated == reward_text(turns) == reward_text([USER, REPLY, USER, REPLY])


def test_the_thought_is_trained_on(tokenizers):
    thinking = {**REPLY, "reasoning_content": "3 + 4"}
    encoded = tokenizers["instruct"].apply_chat_template(
        [USER, thinking], return_assistant_tokens_mask=True, return_dict=True
    )
    marked = zip(encoded["input_ids"], encoded["assistant_masks"], strict=True)
    trained = tokenizers["instruct"].decode([token for token, mask in marked if mask])
    assert trained == "<think>\n3 + 4\n</think>\n\n7.\n<extra_id_1>"


def test_the_shipped_templates_are_the_rooms(tokenizers):
    assert tokenizers["instruct"].chat_template == CHAT_TEMPLATE
    assert tokenizers["reward"].chat_template == REWARD_TEMPLATE


def test_an_older_chat_template_becomes_the_same_reward_template():
    begin = CHAT_TEMPLATE.index("{%- if message['reasoning_content']")
    end = CHAT_TEMPLATE.index("{%- endif -%}", begin) + len("{%- endif -%}")
    assert reward_template(CHAT_TEMPLATE[:begin] + CHAT_TEMPLATE[end:]) == REWARD_TEMPLATE
    assert reward_template("{{ messages }}") == "{{ messages }}"


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
