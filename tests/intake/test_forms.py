"""Rows in the formats that people's data sets have: what they give, and why some give nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.intake.cells import Unusable
from gristmill.intake.forms import FORMS
from gristmill.intake.source import Source
from gristmill.records import ATTRIBUTES, Message
from gristmill.train.examples import (
    KIND_OF,
    Compared,
    Conversation,
    Document,
    Example,
    Rated,
    examples_of,
    prompt_of,
)

EVERY = (Rated, Compared, Conversation, Document)
WHERE = "f.jsonl:1"
LABELS = dict(zip(ATTRIBUTES, (4, 3, 4, 2, 1), strict=True))


def user(text: str) -> Message:
    return Message("user", text)


def assistant(text: str) -> Message:
    return Message("assistant", text)


def given_by(row: dict[str, Any], *wanted: type, named: str = "auto") -> list[Example]:
    """The examples in a row of a file, as the first of the wanted kinds that it gives."""
    kinds = [KIND_OF[kind] for kind in wanted or EVERY]
    return examples_of(Source(file="f.jsonl", format=named).record(row, WHERE, kinds))


def only(row: dict[str, Any], *wanted: type) -> Example:
    (example,) = given_by(row, *wanted)
    assert example.where == WHERE
    return example


def refused(row: dict[str, Any], *wanted: type, named: str = "auto") -> Unusable:
    with pytest.raises(Unusable) as caught:
        given_by(row, *wanted, named=named)
    assert caught.value.detail
    return caught.value


def turns(*texts: str, roles: tuple[str, ...] = ("user", "assistant")) -> list[dict[str, Any]]:
    return [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]


class TestHelpSteer2:
    def test_a_row(self) -> None:
        example = only({"prompt": "Q?", "response": "A.", **LABELS})
        assert example == Rated((user("Q?"),), "A.", (4, 3, 4, 2, 1), WHERE)

    def test_a_scored_row_of_ours(self) -> None:
        own = {"reward": 5.1, "kept": False, "prompt_id": "x", "provenance": {"models": ["m"]}}
        labels = dict.fromkeys(ATTRIBUTES, 2.25)
        example = only({"prompt": "Q?", "response": "A.", **labels, **own})
        assert isinstance(example, Rated)
        assert example.labels == (2.25,) * 5

    def test_labels_that_are_not_given_are_none_and_never_zero(self) -> None:
        example = only({"prompt": "Q?", "response": "A.", "correctness": 0, "verbosity": None})
        assert isinstance(example, Rated)
        assert example.labels == (None, 0, None, None, None)

    def test_labels_of_a_csv_file_are_texts(self) -> None:
        example = only({"prompt": "Q?", "response": "A.", "helpfulness": "3.5", "coherence": ""})
        assert isinstance(example, Rated)
        assert example.labels == (3.5, None, None, None, None)

    def test_several_turns_in_one_prompt_and_a_system_message(self) -> None:
        prompt = "Q1\n<extra_id_1>Assistant\nA1\n<extra_id_1>User\nQ2"
        example = only({"prompt": prompt, "response": "A2", "system": "Be brief.", **LABELS})
        assert isinstance(example, Rated)
        expected = (Message("system", "Be brief."), user("Q1"), assistant("A1"), user("Q2"))
        assert example.prompt == expected

    def test_a_conversation_that_the_assistant_began(self) -> None:
        prompt = "\n<extra_id_1>Assistant\nHello.\n<extra_id_1>User\nQ"
        example = only({"prompt": prompt, "response": "A", **LABELS})
        assert isinstance(example, Rated)
        assert example.prompt == (assistant("Hello."), user("Q"))

    def test_a_prompt_of_messages(self) -> None:
        example = only({"prompt": turns("Q1", "A1", "Q2"), "response": "A2", **LABELS})
        assert isinstance(example, Rated)
        assert example.prompt == (user("Q1"), assistant("A1"), user("Q2"))

    def test_without_labels_it_is_a_conversation_for_who_wants_one(self) -> None:
        row = {"prompt": "Q?", "response": "A."}
        assert only(row, Conversation) == Conversation((user("Q?"), assistant("A.")), WHERE)
        assert refused(row, Rated, Compared).reason == "no_label"

    @pytest.mark.parametrize(
        ("change", "reason", "detail"),
        [
            ({"response": " \n"}, "empty_response", "'response' is empty"),
            ({"response": 7}, "empty_response", "not a text"),
            ({"prompt": ""}, "empty_prompt", "'prompt' is empty"),
            ({"prompt": []}, "bad_turns", "not a list of messages"),
            ({"prompt": turns("Q", "A")}, "bad_turns", "ends with the assistant's turn"),
            ({"helpfulness": 4.5}, "label_out_of_range", "'helpfulness' is 4.5, outside 0 to 4"),
            ({"verbosity": -1}, "label_out_of_range", "'verbosity' is -1"),
            ({"coherence": float("nan")}, "bad_label", "'coherence' is nan, not a number"),
            ({"coherence": float("inf")}, "bad_label", "not a number"),
            ({"coherence": "good"}, "bad_label", "'coherence' is 'good'"),
            ({"coherence": True}, "bad_label", "True"),
            ({"coherence": 10**400}, "bad_label", "not a number"),
            ({"coherence": [3]}, "bad_label", "not a number"),
            (dict.fromkeys(ATTRIBUTES), "no_label", "none of helpfulness, correctness"),
        ],
    )  # fmt: skip
    def test_why_a_row_is_refused(self, change: dict[str, Any], reason: str, detail: str) -> None:
        found = refused({"prompt": "Q?", "response": "A.", **LABELS, **change}, Rated)
        assert found.reason == reason
        assert detail in found.detail

    def test_a_conversation_does_not_care_for_its_labels(self) -> None:
        row = {"prompt": "Q?", "response": "A.", "helpfulness": 77}
        assert isinstance(only(row, Conversation), Conversation)


class TestHelpSteer2Preference:
    @pytest.mark.parametrize(("strength", "better"), [(-3, "one"), (-1, "one"), (2, "two")])
    def test_the_sign_says_which_is_better(self, strength: int, better: str) -> None:
        row = {"prompt": "Q", "response_1": "one", "response_2": "two"}
        example = only({**row, "preference_strength": strength})
        assert isinstance(example, Compared)
        assert example.chosen == (assistant(better),)
        assert example.rejected == (assistant("two" if better == "one" else "one"),)
        assert (example.strength, example.prompt) == (abs(strength), (user("Q"),))

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"preference_strength": 0}, "no_preference"),
            ({"preference_strength": None}, "missing_field"),
            ({"preference_strength": 4}, "bad_strength"),
            ({"preference_strength": "much"}, "bad_strength"),
            ({"response_1": ""}, "empty_response"),
            ({"response_2": " one"}, "identical_pair"),
            ({"prompt": None}, "empty_prompt"),
        ],
    )
    def test_why_a_row_is_refused(self, change: dict[str, Any], reason: str) -> None:
        row = {"prompt": "Q", "response_1": "one", "response_2": "two", "preference_strength": 1}
        assert refused({**row, **change}).reason == reason


class TestPreference:
    EXPECTED = Compared((user("Q"),), (assistant("good"),), (assistant("bad"),), WHERE)

    @pytest.mark.parametrize(
        "row",
        [
            {"prompt": "Q", "chosen": "good", "rejected": "bad"},
            {"prompt": turns("Q"), "chosen": "good", "rejected": "bad"},
            {
                "prompt": turns("Q"),
                "chosen": turns("good", roles=("assistant", "user")),
                "rejected": turns("bad", roles=("assistant", "user")),
            },
            {"chosen": turns("Q", "good"), "rejected": turns("Q", "bad")},
            # As in UltraFeedback: the prompt, and again in both.
            {"prompt": "Q", "chosen": turns("Q", "good"), "rejected": turns("Q", "bad")},
            {
                "conversations": [{"from": "human", "value": "Q"}],
                "chosen": {"from": "gpt", "value": "good"},
                "rejected": {"from": "gpt", "value": "bad"},
            },
            {"messages": turns("Q"), "chosen": "good", "rejected": "bad"},
        ],
    )
    def test_the_ways_to_write_a_pair(self, row: dict[str, Any]) -> None:
        assert only(row) == self.EXPECTED

    def test_whole_conversations_share_what_they_begin_with(self) -> None:
        row = {
            "chosen": turns("Q1", "A1", "Q2", "good"),
            "rejected": turns("Q1", "A1", "Other?", "bad"),
            "system": "S",
        }
        example = only(row)
        assert isinstance(example, Compared)
        assert example.prompt == (Message("system", "S"), user("Q1"), assistant("A1"))
        assert example.chosen == (user("Q2"), assistant("good"))
        assert example.rejected == (user("Other?"), assistant("bad"))

    def test_one_conversation_may_begin_like_the_whole_of_the_other(self) -> None:
        row = {"chosen": turns("Q", "A"), "rejected": turns("Q", "A", "Q2", "A2")}
        example = only(row)
        assert isinstance(example, Compared)
        assert (example.prompt, example.chosen) == ((user("Q"),), (assistant("A"),))
        assert len(example.rejected) == 3

    @pytest.mark.parametrize(
        "names",
        [
            ("chosen_score", "rejected_score"),
            ("chosen_reward", "rejected_reward"),
            ("score_chosen", "score_rejected"),
        ],
    )
    def test_strength_and_scores(self, names: tuple[str, str]) -> None:
        row = {"prompt": "Q", "chosen": "good", "rejected": "bad", "preference_strength": 2}
        example = only({**row, names[0]: 1.5, names[1]: -2})
        assert isinstance(example, Compared)
        found = (example.strength, example.chosen_score, example.rejected_score)
        assert found == (2, 1.5, -2)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"rejected": "good"}, "identical_pair"),
            ({"rejected": " good\n"}, "identical_pair"),
            ({"chosen": turns("Q", "A b"), "rejected": turns("Q", "A  b")}, "identical_pair"),
            ({"chosen": ""}, "empty_response"),
            ({"rejected": None}, "empty_response"),
            ({"chosen": turns("Q", ""), "rejected": turns("Q", "b")}, "empty_response"),
            ({"chosen": turns("Q"), "rejected": turns("Q", "b")}, "no_answer"),
            ({"chosen": turns("Q", "a"), "rejected": turns("P", "b")}, "prompt_differs"),
            ({"prompt": ""}, "empty_prompt"),
            ({"preference_strength": 0}, "no_preference"),
            ({"preference_strength": -1}, "bad_strength"),
            ({"chosen_score": float("inf")}, "bad_score"),
            ({"rejected_reward": "high"}, "bad_score"),
        ],
    )
    def test_why_a_row_is_refused(self, change: dict[str, Any], reason: str) -> None:
        row = {"prompt": "Q", "chosen": "good", "rejected": "bad"}
        assert refused({**row, **change}).reason == reason

    def test_a_pair_of_texts_needs_a_prompt(self) -> None:
        found = refused({"chosen": "good", "rejected": "bad"})
        assert found.reason == "missing_field"
        assert refused({"chosen": "a", "prompt": "Q"}, named="preference").detail == (
            "no 'rejected' (columns: chosen, prompt)"
        )


class TestMessages:
    EXPECTED = Conversation((user("Q"), assistant("A")), WHERE)

    @pytest.mark.parametrize(
        "row",
        [
            {"messages": turns("Q", "A"), "source": "x"},
            {"conversations": turns("Q", "A")},
            {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]},
            {
                "conversations": [
                    {"from": "User", "value": "Q", "label": None},
                    {"from": "Assistant", "value": "A", "label": None},
                ],
                "system": "",
                "mask": "User",
            },
            {"prompt": "Q", "response": "A"},
        ],
    )
    def test_the_ways_to_write_a_conversation(self, row: dict[str, Any]) -> None:
        assert only(row, Conversation) == self.EXPECTED

    def test_a_named_format_needs_the_columns_that_show_it(self) -> None:
        found = refused({"prompt": "Q", "response": "A"}, named="messages")
        assert (found.reason, found.detail) == (
            "missing_field",
            "no 'messages' or 'conversations' or 'conversation' (columns: prompt, response)",
        )

    @pytest.mark.parametrize("own", [None, "", "column", " column\n"])
    def test_a_system_column_goes_first_unless_the_turns_begin_with_it(self, own: Any) -> None:
        first = [] if own is None else [{"role": "system", "content": own}]
        example = only({"messages": [*first, *turns("Q", "A")], "system": "column"})
        assert isinstance(example, Conversation)
        assert [m.content.strip() for m in example.messages] == ["column", "Q", "A"]

    def test_two_system_messages_contradict_each_other(self) -> None:
        own = {"role": "system", "content": "own"}
        row = {"messages": [own, *turns("Q", "A")], "system": "column"}
        assert refused(row).reason == "two_systems"

    @pytest.mark.parametrize(
        ("given", "reason", "detail"),
        [
            (turns("Q"), "no_answer", "ends with the user's turn"),
            (turns("Q", "A", "Q2"), "no_answer", "ends with the user's turn"),
            (turns("Q", " "), "empty_response", "turn 2 of 'messages' is empty"),
            (turns("", "A"), "empty_turn", "turn 1"),
            (turns("Q", "", "Q", "A"), "empty_turn", "turn 2"),
            ([], "bad_turns", "not a list"),
            ("Q", "bad_turns", "not a list"),
            (["Q"], "bad_turns", "'messages[0]' is not a message"),
            ([{"role": "judge", "content": "x"}], "bad_turns", "'messages[0]' is by 'judge'"),
            ([{"role": "tool", "content": "x"}], "no_answer", "ends with the user's turn"),
            ([{"role": "user", "content": 7}], "bad_turns", "has no text"),
            ([{"role": "user", "content": [{"type": "image"}]}], "not_text", "'messages[0]'"),
            ([{"role": "user"}], "bad_turns", "has no text"),
            (
                [*turns("Q", "A"), {"role": "system", "content": "S"}],
                "bad_turns",
                "a system message that is not the first",
            ),
        ],
    )
    def test_why_a_row_is_refused(self, given: Any, reason: str, detail: str) -> None:
        found = refused({"messages": given})
        assert found.reason == reason
        assert detail in found.detail


class TestRatedMessages:
    def test_each_labelled_turn_is_an_example(self) -> None:
        given = turns("Q1", "A1", "Q2", "A2", "Q3", "A3")
        given[1]["attributes"] = {"helpfulness": 3, "toxicity": 9}
        given[5]["label"] = [0, 1, 2, 3, 4]
        found = given_by({"messages": given}, Rated)
        assert found == [
            Rated((user("Q1"),), "A1", (3, None, None, None, None), WHERE),
            Rated(
                (user("Q1"), assistant("A1"), user("Q2"), assistant("A2"), user("Q3")),
                "A3",
                (0, 1, 2, 3, 4),
                WHERE,
            ),
        ]
        assert isinstance(only({"messages": given}, Conversation), Conversation)

    def test_nemos_labels_in_one_text(self) -> None:
        given = [
            {"from": "User", "value": "Q", "label": None},
            {"from": "Assistant", "value": "A", "label": "quality:4,helpfulness:3,verbosity:1"},
        ]
        example = only({"conversations": given, "system": "S", "mask": "User"}, Rated)
        expected = (Message("system", "S"), user("Q"))
        assert example == Rated(expected, "A", (3, None, None, None, 1), WHERE)

    def test_labels_of_the_row_are_its_last_turns(self) -> None:
        example = only({"messages": turns("Q", "A"), "correctness": 2.5}, Rated)
        assert example == Rated((user("Q"),), "A", (None, 2.5, None, None, None), WHERE)

    @pytest.mark.parametrize(
        ("label", "reason"),
        [
            ({"label": [1, 2]}, "bad_label"),
            ({"label": [1, 2, 3, 4, 5]}, "label_out_of_range"),
            ({"attributes": {"funny": 3}}, "no_label"),
            ({"attributes": {"helpfulness": "x"}}, "bad_label"),
        ],
    )
    def test_why_a_row_is_refused(self, label: dict[str, Any], reason: str) -> None:
        given = turns("Q", "A")
        given[1] |= label
        assert refused({"messages": given}, Rated).reason == reason

    def test_a_rating_needs_a_response_and_what_it_responds_to(self) -> None:
        given = turns("Q", "A")
        given[0]["label"] = [1, 2, 3, 4, 0]
        assert refused({"messages": given}, Rated).reason == "no_answer"
        first = [{"role": "assistant", "content": "A", "label": [1, 2, 3, 4, 0]}]
        assert refused({"messages": first}, Rated).reason == "bad_turns"
        plain = {"messages": turns("Q", "A")}
        assert refused(plain, Rated).reason == "wrong_kind"
        assert refused(plain, Rated, named="rated_messages").reason == "no_label"


class TestNemotronText:
    TEXT = (
        "<extra_id_0>System\nS\n<extra_id_1>User\nQ\n\nmore\n<extra_id_1>Assistant\nA\n<extra_id_2>"
    )
    PROMPT = (Message("system", "S"), user("Q\n\nmore"))

    @pytest.mark.parametrize("end", ["<extra_id_2>", "<extra_id_2>\n", "<extra_id_1>", "", "\n"])
    def test_with_and_without_the_closing_token(self, end: str) -> None:
        text = self.TEXT.removesuffix("<extra_id_2>") + end
        expected = Conversation((*self.PROMPT, assistant("A")), WHERE)
        assert only({"text": text}, Conversation) == expected

    @pytest.mark.parametrize(
        "label", [[-100] * 4 + [4, 3, -100, 1, 0.5], [4, 3, None, 1, 0.5], [4, 3, -100.0, 1, 0.5]]
    )
    def test_nine_or_five_labels(self, label: list[Any]) -> None:
        example = only({"text": self.TEXT, "label": label}, Rated)
        assert example == Rated(self.PROMPT, "A", (4, 3, None, 1, 0.5), WHERE)

    def test_an_empty_system_line_is_no_message(self) -> None:
        text = self.TEXT.replace("System\nS\n", "System\n\n")
        example = only({"text": text}, Conversation)
        assert isinstance(example, Conversation)
        assert example.messages[0] == self.PROMPT[1]

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ({"text": TEXT}, "no_label"),
            ({"text": TEXT, "label": [-100] * 9}, "no_label"),
            ({"text": TEXT, "label": [1] * 4}, "bad_label"),
            ({"text": TEXT.replace("Assistant\nA", "Assistant\n"), "label": [1] * 5}, "empty_turn"),
            ({"text": "Hello\n" + TEXT, "label": [1] * 5}, "bad_turns"),
            ({"text": TEXT.replace("A\n", "<extra_id_2>x\n"), "label": [1] * 5}, "bad_turns"),
            ({"text": "<extra_id_1>User\nQ\n<extra_id_1>", "label": [1] * 5}, "no_answer"),
        ],
    )
    def test_why_a_row_is_refused(self, row: dict[str, Any], reason: str) -> None:
        assert refused(row, Rated).reason.replace("empty_response", "empty_turn") == reason


class TestText:
    def test_a_document(self) -> None:
        assert only({"text": "Once.\n"}) == Document("Once.\n", WHERE)
        assert isinstance(only({"text": TestNemotronText.TEXT}, Document), Document)

    def test_why_a_row_is_refused(self) -> None:
        assert refused({"text": " "}).reason == "empty_text"
        assert refused({"body": "x"}, named="text").reason == "missing_field"


class TestKinds:
    def test_a_row_of_another_kind_says_what_it_is_and_what_is_needed(self) -> None:
        found = refused({"messages": turns("Q", "A")}, Rated, Compared)
        assert found.reason == "wrong_kind"
        assert found.detail == (
            "a row of 'messages' gives conversations, for sft; "
            "rated responses or preference pairs are needed (columns: messages)"
        )

    def test_pairs_come_from_pairs_alone(self) -> None:
        for row in (
            {"prompt": "Q", "response": "A", **LABELS},
            {"messages": turns("Q", "A")},
            {"text": "x"},
        ):
            assert refused(row, Compared).reason == "wrong_kind"

    def test_a_row_that_nothing_recognises_names_its_columns(self) -> None:
        found = refused({"query_text": "Q", "reply": "A"})
        assert found.reason == "unknown_format"
        assert "columns query_text, reply are no known format (prompt," in found.detail
        assert "{prompt: question, response: reply}" in found.detail

    def test_a_question_alone_is_a_prompt(self) -> None:
        found = refused({"question": "Q", "reply": "A"})
        assert found.reason == "wrong_kind"
        assert "a row of 'question' gives prompts, for run and battle" in found.detail


def test_prompts_are_known_by_what_the_user_says_first() -> None:
    alike = [
        Rated((user("What is\n2?"),), "4", (1, 1, 1, 1, 1), "a"),
        Compared((Message("system", "S"), user(" what IS 2?")), (assistant("a"),), (), "b"),
        Conversation((user("What is 2?"), assistant("4"), user("Sure?"), assistant("No")), "c"),
        Document("WHAT is 2?", "d"),
    ]
    assert len({prompt_of(example) for example in alike}) == 1
    other = Conversation((user("What is 3?"), assistant("4")), "e")
    assert prompt_of(other) != prompt_of(alike[0])


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["role", "content", "from", "value", "label", "attributes"]), inner
        ),
    ),
    max_leaves=8,
)
columns = st.sampled_from(
    ["prompt", "response", "messages", "conversations", "chosen", "rejected", "text", "label"]
) | st.sampled_from(["response_1", "response_2", "preference_strength", "helpfulness", "system"])


@given(st.dictionaries(columns, json_values), st.sampled_from(["auto", *FORMS]))
def test_no_row_whatever_is_more_than_a_refusal(row: dict[str, Any], named: str) -> None:
    try:
        assert given_by(row, named=named)
    except Unusable as error:
        assert error.reason and error.detail


class TestRealRows:
    def read(self, path: Path) -> list[dict[str, Any]]:
        text = path.read_text()
        return json.loads(text) if text[0] == "[" else [json.loads(x) for x in text.splitlines()]

    @pytest.mark.parametrize(
        ("file", "kind", "used", "reasons"),
        [
            ("helpsteer2/helpsteer2_rows10.jsonl", Rated, 10, set()),
            ("helpsteer2/helpsteer2_rows10.jsonl", Conversation, 10, set()),
            ("helpsteer2/helpsteer2_preference_100.json", Compared, 71, {"no_preference"}),
            ("helpsteer2/helpsteer2_labels_only_200.jsonl", Rated, 0, {"unknown_format"}),
            ("chats/sft_sample.jsonl", Conversation, 100, set()),
            ("chats/dummy-sft.jsonl", Conversation, 30, set()),
            ("chats/rlvr_sample.jsonl", Conversation, 0, {"no_answer"}),
            ("chats/test-rm.jsonl", Rated, 8, set()),
            ("chats/test-rm.jsonl", Conversation, 8, set()),
            ("chats/dpo_en_demo.json", Compared, 300, set()),
        ],
    )
    def test_a_file(
        self, shared_data: Path, file: str, kind: type, used: int, reasons: set[str]
    ) -> None:
        good, why = [], set[str]()
        for row in self.read(shared_data / file):
            try:
                good += given_by(row, kind)
            except Unusable as error:
                why.add(error.reason)
        assert len(good) == used
        assert all(isinstance(item, kind) for item in good)
        assert why == reasons

    def test_helpsteers_embedded_turns_are_taken_apart(self, shared_data: Path) -> None:
        rows = self.read(shared_data / "helpsteer2" / "helpsteer2_preference_100.json")
        pairs = [given_by(row, Compared)[0] for row in rows if row["preference_strength"]]
        prompts = [pair.prompt for pair in pairs if isinstance(pair, Compared)]
        assert any(len(prompt) > 1 for prompt in prompts)
        assert not any("<extra_id_1>" in m.content for prompt in prompts for m in prompt)
