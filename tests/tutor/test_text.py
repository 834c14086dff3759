"""What the tutor's own models learn from: the training side, and refusals where one is right."""

import pytest

from gristmill.errors import DataError
from gristmill.intake.builtin import TutorRows
from gristmill.nemotron import chat_prompt
from gristmill.tutor import chat_rows, grade, helpsteer2_rows, parse_question, text_rows
from gristmill.tutor.world import mentions_held_out


def test_documents_are_of_three_shapes_and_of_the_training_side() -> None:
    texts = [row["text"] for row in text_rows(1_500, 0)]
    assert not any(mentions_held_out(text) for text in texts)
    chat = [t for t in texts if t.startswith("<extra_id_0>")]
    for text in chat:
        asked, said = text.split("\n<extra_id_1>Assistant\n")
        turn = {"role": "user", "content": asked.partition("User\n")[2]}
        assert text == f"{chat_prompt([turn])}{said}"
        assert said.endswith("\n<extra_id_1>")
    marked = [t for t in texts if t.startswith("Question: ")]
    assert 0.25 < len(chat) / len(texts) < 0.35
    assert 0.45 < len(marked) / len(texts) < 0.55
    said = [t.removeprefix("Question: ").split("\nAnswer: ") for t in marked]
    known = [(q, a) for text, a in said if (q := parse_question(text)) is not None]
    assert 0.9 < len(known) / len(said) < 0.97
    assert all(grade(q, a).right and q.trainable for q, a in known)


def test_conversations_are_answered_well_and_badly() -> None:
    rows = list(chat_rows(1_500, 3))
    assert rows[:7] == list(chat_rows(7, 3))
    assert not any(mentions_held_out(row["response"]) for row in rows)
    asked = [(parse_question(row["prompt"]), row["response"]) for row in rows]
    right = [grade(q, text).right for q, text in asked if q is not None]
    assert 0.37 < sum(right) / len(right) < 0.47


def test_a_refusal_is_right_where_something_is_missing_and_wrong_where_nothing_is() -> None:
    rows = list(helpsteer2_rows(3_000, 1))
    seen = {True: 0, False: 0}
    for row in rows:
        question = parse_question(str(row["prompt"]))
        refuses = str(row["response"]).startswith(("I cannot answer", "Sorry, but"))
        if question is None:
            assert (row["helpfulness"], row["correctness"]) == ((4, 4) if refuses else (0, 0)) or (
                row["correctness"] == 4 and not refuses  # a refusal in other words
            )
        elif refuses:
            assert (row["helpfulness"], row["correctness"], row["coherence"]) == (0, 0, 4)
        if refuses:
            seen[question is None] += 1
    assert min(seen.values()) > 10


@pytest.mark.parametrize("form", ["text", "chat"])
def test_the_sources_of_both(form: str) -> None:
    rows = list(TutorRows.parse(f"tutor:3:{form}:seed=2"))
    assert rows == list((text_rows if form == "text" else chat_rows)(3, 2))
    assert TutorRows.parse(f"tutor:1000000:{form}").count == 1_000_000
    with pytest.raises(DataError, match="for training, never held out"):
        TutorRows.parse(f"tutor:3:held-out:{form}")
    with pytest.raises(DataError, match="1 to 1000000"):
        TutorRows.parse(f"tutor:1000001:{form}")
