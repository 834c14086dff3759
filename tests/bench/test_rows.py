"""Rows in the forms that people's benchmarks have: the items they give, and why some give none."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.bench.items import Item, Refused
from gristmill.bench.rows import FORMATS, MOST_ANSWERS, NAMES, items
from gristmill.bench.sources import open_source
from gristmill.intake.files import BadLine
from gristmill.records import Message

Row = dict[str, Any]
WHERE = "f.jsonl:1"
Q = (Message("user", "Q"),)


def said(*texts: str) -> tuple[tuple[Message, ...], ...]:
    """One turn of the assistant's for each text."""
    return tuple((Message("assistant", text),) for text in texts)


def item(row: Row, category: str = "file") -> Item:
    (found,) = items([(WHERE, row, "raw")], category)
    assert isinstance(found, Item), found
    assert found.where == WHERE
    return found


def refused(row: Row) -> Refused:
    (found,) = items([(WHERE, row, "raw")], "file")
    assert isinstance(found, Refused), found
    assert (found.where, found.text) == (WHERE, "raw") and found.detail
    return found


def turns(*texts: str, first: str = "user") -> list[Row]:
    roles = ("user", "assistant") if first == "user" else ("assistant", "user")
    return [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]


PAIR: Row = {"prompt": "Q", "chosen": "good", "rejected": "bad"}


class TestPairs:
    def test_rewardbench(self) -> None:
        row = {**PAIR, "chosen_model": "x", "rejected_model": "y", "subset": "hep-go", "id": 2904}
        expected = Item("2904", "hep-go", Q, said("good", "bad"), WHERE)
        assert item(row) == expected
        assert (expected.right, expected.grid, expected.lengths) == (1, False, (4, 3))

    @pytest.mark.parametrize(
        "row",
        [
            PAIR,
            {**PAIR, "prompt": turns("Q")},
            {**PAIR, "chosen": turns("good", first="assistant")},
            {**PAIR, "chosen": {"from": "gpt", "value": "good"}},
            {"chosen": turns("Q", "good"), "rejected": turns("Q", "bad")},
            # As in UltraFeedback: the prompt, and again in both.
            {"prompt": "Q", "chosen": turns("Q", "good"), "rejected": turns("Q", "bad")},
            {"messages": turns("Q"), "chosen": "good", "rejected": "bad"},
            {"conversations": [{"from": "human", "value": "Q"}], "chosen": "good",
             "rejected": "bad"},
            {**PAIR, "preference_strength": 2},
            {**PAIR, "preference_strength": "0.5"},
            {**PAIR, "preference_strength": None},
        ],
    )  # fmt: skip
    def test_the_ways_to_write_one(self, row: Row) -> None:
        found = item(row)
        assert (found.prompt, found.answers, found.right) == (Q, said("good", "bad"), 1)

    def test_whole_conversations_share_what_they_begin_with(self) -> None:
        row = {
            "chosen": turns("Q1", "A1", "Q2", "good"),
            "rejected": turns("Q1", "A1", "Other?", "bad"),
            "system": "S",
        }
        found = item(row)
        roles = [message.role for message in found.prompt]
        assert roles == ["system", "user", "assistant"]
        assert found.answers[0] == (Message("user", "Q2"), Message("assistant", "good"))
        assert found.lengths == (6, 9)

    def test_a_system_message_and_several_turns_in_one_text(self) -> None:
        prompt = "Q1\n<extra_id_1>Assistant\nA1\n<extra_id_1>User\nQ2"
        found = item({**PAIR, "prompt": prompt, "system": "Be brief."})
        contents = [message.content for message in found.prompt]
        assert contents == ["Be brief.", "Q1", "A1", "Q2"]

    @pytest.mark.parametrize(
        ("row", "reason", "detail"),
        [
            ({"prompt": "Q", "chosen": "a"}, "missing_field", "no 'rejected' beside 'chosen'"),
            ({"prompt": "Q", "rejected": "a"}, "missing_field", "no 'chosen' beside 'rejected'"),
            ({"chosen": "a", "rejected": "b"}, "missing_field", "no 'prompt'"),
            ({**PAIR, "prompt": ""}, "empty_prompt", "'prompt' is empty"),
            ({**PAIR, "prompt": 7}, "empty_prompt", "not a text"),
            ({**PAIR, "prompt": []}, "bad_turns", "not a list of messages"),
            ({**PAIR, "prompt": turns("Q", "A")}, "bad_turns", "ends with the assistant's turn"),
            ({**PAIR, "chosen": " \n"}, "empty_response", "'chosen' is empty"),
            ({**PAIR, "rejected": ""}, "empty_response", "'rejected' is empty"),
            ({**PAIR, "chosen": None}, "empty_response", "'chosen' is empty or not a text"),
            ({**PAIR, "rejected": 3.5}, "empty_response", "not a text"),
            ({**PAIR, "rejected": True}, "empty_response", "not a text"),
            ({**PAIR, "chosen": []}, "bad_turns", "'chosen' is not a list of messages"),
            ({**PAIR, "chosen": {}}, "bad_turns", "is by None"),
            ({**PAIR, "chosen": {"role": "assistant"}}, "bad_turns", "no text as content"),
            ({**PAIR, "chosen": {"role": "bot", "content": "a"}}, "bad_turns", "is by 'bot'"),
            ({**PAIR, "chosen": turns("Q")}, "no_answer", "ends with the user's turn"),
            ({**PAIR, "chosen": turns("", first="assistant")}, "empty_response", "is empty"),
            ({**PAIR, "rejected": "good"}, "identical_pair", "are the same"),
            ({**PAIR, "rejected": " good\n"}, "identical_pair", "are the same"),
            ({**PAIR, "preference_strength": 0}, "no_preference", "neither is better"),
            ({**PAIR, "preference_strength": -1}, "bad_strength", "-1, against the pair"),
            ({**PAIR, "preference_strength": "much"}, "bad_strength", "not a number"),
            (
                {"chosen": turns("Q", "a"), "rejected": turns("P", "b")},
                "no_common_prompt",
                "different prompts",
            ),
            ({"chosen": turns("Q", "a"), "rejected": turns("Q", "a")}, "identical_pair", "same"),
        ],
    )
    def test_why_a_row_is_refused(self, row: Row, reason: str, detail: str) -> None:
        found = refused(row)
        assert found.reason == reason
        assert detail in found.detail


BEST: Row = {
    "id": "12",
    "prompt": "Q",
    "chosen": ["good"],
    "rejected": ["a", "b", "c"],
    "num_correct": 1,
    "num_incorrect": 3,
    "total_completions": 4,
    "models": ["m", "n", "o", "p"],
    "subset": "Precise IF",
    "additional_metadata": {"category": None},
}


class TestManyAnswers:
    def test_rewardbench_2(self) -> None:
        assert item(BEST) == Item("12", "Precise IF", Q, said("good", "a", "b", "c"), WHERE)

    def test_its_ties(self) -> None:
        ties = {"id": "tied:3", "subset": "Ties", "chosen": ["red", "blue"], "num_correct": 2}
        found = item({**BEST, **ties, "rejected": ["loud", "big"]})
        expected = Item("tied:3", "Ties", Q, said("red", "blue", "loud", "big"), WHERE, right=2)
        assert found == expected and not found.grid

    def test_a_count_as_text_and_none_at_all(self) -> None:
        assert item({**BEST, "num_correct": "1"}).right == 1
        without = {key: value for key, value in BEST.items() if key != "num_correct"}
        for row in (without, {**BEST, "num_correct": None}):
            assert item(row) == item(BEST)

    def test_answers_of_messages_and_a_single_text_among_lists(self) -> None:
        row = {**BEST, "chosen": "good", "rejected": [turns("a", first="assistant"), "b", "c"]}
        assert item(row) == item(BEST)
        row = {**BEST, "chosen": [turns("good", first="assistant")]}
        assert item(row) == item(BEST)

    def test_rm_bench(self) -> None:
        row = {
            "id": "chat/7",
            "prompt": "Q",
            "chosen": ["plain", "detailed", "marked down"],
            "rejected": ["p", "d", "m"],
            "error": "none",
            "domain": "chat",
        }
        answers = said("plain", "detailed", "marked down", "p", "d", "m")
        assert item(row) == Item("chat/7", "chat", Q, answers, WHERE, right=3, grid=True)

    def test_unequal_numbers_are_no_grid(self) -> None:
        found = item({"prompt": "Q", "chosen": ["a", "b"], "rejected": ["c", "d", "e"]})
        assert (found.right, found.grid, len(found.answers)) == (2, False, 5)

    def test_one_of_each_is_a_pair(self) -> None:
        found = item({"prompt": "Q", "chosen": ["good"], "rejected": ["bad"]})
        assert (found.right, found.grid, found.answers) == (1, False, said("good", "bad"))

    @pytest.mark.parametrize(
        ("change", "reason", "detail"),
        [
            ({"rejected": ["good "]}, "identical_pair", "are the same"),
            ({"num_correct": 2}, "bad_count", "'num_correct' is 2, 'chosen' has 1"),
            ({"num_correct": 1.5}, "bad_count", "'num_correct' is 1.5, 'chosen' has 1"),
            ({"num_correct": "one"}, "bad_count", "'num_correct' is 'one', not a number"),
            ({"num_correct": [1]}, "bad_count", "not a number"),
            ({"num_correct": True}, "bad_count", "not a number"),
            ({"rejected": []}, "bad_count", "'rejected' has 0 answers"),
            ({"chosen": []}, "bad_count", "'chosen' has 0 answers"),
            ({"rejected": ["a"] * (MOST_ANSWERS + 1)}, "bad_count", "1 to 512 fit"),
            ({"chosen": [""]}, "empty_response", "'chosen[0]' is empty"),
            ({"rejected": ["a", None, "c"]}, "empty_response", "'rejected[1]' is empty or not"),
            ({"rejected": ["a", "b", 3]}, "empty_response", "'rejected[2]' is empty or not"),
            ({"rejected": [[]]}, "bad_turns", "'rejected[0]' is not a list of messages"),
            ({"rejected": ["a", turns("Q")]}, "no_answer", "'rejected[1]' ends with the user's"),
            ({"prompt": " "}, "empty_prompt", "'prompt' is empty"),
            ({"prompt": None}, "empty_prompt", "'prompt' is empty"),
        ],
    )
    def test_why_a_row_is_refused(self, change: Row, reason: str, detail: str) -> None:
        found = refused({**BEST, **change})
        assert found.reason == reason
        assert detail in found.detail

    def test_no_prompt(self) -> None:
        row = {key: value for key, value in BEST.items() if key != "prompt"}
        assert refused(row).reason == "missing_field"

    def test_a_wrong_answer_among_several_may_be_the_right_one_again(self) -> None:
        """As in the original, which gives half for it at best."""
        assert len(item({**BEST, "rejected": ["good", "b", "c"]}).answers) == 4

    def test_as_many_answers_as_fit(self) -> None:
        found = item({**BEST, "rejected": ["a"] * MOST_ANSWERS})
        assert len(found.answers) == MOST_ANSWERS + 1


LLMBAR: Row = {"input": "Q", "output_1": "one", "output_2": "two", "label": 1}


class TestLLMBar:
    @pytest.mark.parametrize("label", [1, "1", " 1 ", 1.0])
    def test_a_row(self, label: Any) -> None:
        assert item({**LLMBAR, "label": label}) == Item(WHERE, "file", Q, said("one", "two"), WHERE)

    def test_the_other_label(self) -> None:
        assert item({**LLMBAR, "label": 2}).answers == said("two", "one")

    @pytest.mark.parametrize(
        ("change", "reason", "detail"),
        [
            ({"label": 3}, "bad_label", "'label' is 3; it must be 1 or 2"),
            ({"label": None}, "bad_label", "None"),
            ({"label": True}, "bad_label", "True"),
            ({"label": 1.5}, "bad_label", "1.5"),
            ({"label": float("nan")}, "bad_label", "nan"),
            ({"label": [1]}, "bad_label", "[1]"),
            ({"label": -1}, "bad_label", "-1"),
            ({"label": 0}, "no_preference", "neither is better"),
            ({"label": "tie"}, "no_preference", "neither is better"),
            ({"input": ""}, "empty_prompt", "'input' is empty"),
            ({"output_1": 1}, "empty_response", "'output_1' is empty or not a text"),
            ({"output_2": ""}, "empty_response", "'output_2' is empty"),
            ({"output_2": "one "}, "identical_pair", "the same"),
        ],
    )
    def test_why_a_row_is_refused(self, change: Row, reason: str, detail: str) -> None:
        found = refused({**LLMBAR, **change})
        assert found.reason == reason
        assert detail in found.detail

    def test_the_real_rows(self, shared_data: Path) -> None:
        found = list(open_source(str(shared_data / "llmbar")))
        assert len(found) == 781
        reasons = Counter(one.reason for one in found if isinstance(one, Refused))
        assert reasons == {"identical_pair": 1, "empty_response": 1}
        kept = [one for one in found if isinstance(one, Item)]
        assert len({one.where for one in kept}) == 779
        subsets = Counter(one.subset for one in kept)
        assert len(subsets) == 8 and subsets["processed_mtbench"] == 200
        assert all(one.right == 1 and len(one.answers) == 2 for one in kept)


JUDGEBENCH: Row = {
    "pair_id": "81ee",
    "original_id": "2471",
    "source": "mmlu-pro-computer science",
    "question": "Q",
    "response_model": "m",
    "response_A": "one",
    "response_B": "two",
    "label": "A>B",
}


class TestJudgeBench:
    @pytest.mark.parametrize(
        ("label", "answers"),
        [("A>B", ("one", "two")), ("B>A", ("two", "one")), ("A > B", ("one", "two"))],
    )
    def test_a_row(self, label: str, answers: tuple[str, str]) -> None:
        found = item({**JUDGEBENCH, "label": label})
        assert found == Item("81ee", "mmlu-pro", Q, said(*answers), WHERE)

    @pytest.mark.parametrize(
        ("source", "category"),
        [
            ("mmlu-pro-law", "mmlu-pro"),
            ("livebench-reasoning", "livebench-reasoning"),
            ("livecodebench", "livecodebench"),
            ("", "file"),
            (None, "file"),
            (7, "file"),
        ],
    )
    def test_its_parts(self, source: Any, category: str) -> None:
        assert item({**JUDGEBENCH, "source": source}).subset == category

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"label": "A=B"}, "no_preference"),
            ({"label": "tie"}, "no_preference"),
            ({"label": "A>C"}, "bad_label"),
            ({"label": "A"}, "bad_label"),
            ({"label": None}, "bad_label"),
            ({"label": 1}, "bad_label"),
            ({"question": None}, "empty_prompt"),
            ({"response_A": " "}, "empty_response"),
            ({"response_B": 2}, "empty_response"),
            ({"response_B": "one"}, "identical_pair"),
        ],
    )
    def test_why_a_row_is_refused(self, change: Row, reason: str) -> None:
        assert refused({**JUDGEBENCH, **change}).reason == reason


PANDALM: Row = {
    "idx": 0,
    "motivation_app": "Grammarly",
    "cmp_key": "opt-7b_pythia-6.9b",
    "instruction": "Q",
    "input": "",
    "response1": "one",
    "response2": "two",
    "annotator1": 1,
    "annotator2": 2,
    "annotator3": 1,
}


def votes(*given: Any) -> Row:
    return {f"annotator{n}": vote for n, vote in enumerate(given, 1)}


class TestPandaLM:
    def test_the_majority_decides(self) -> None:
        assert item(PANDALM) == Item("0", "file", Q, said("one", "two"), WHERE)
        assert item({**PANDALM, **votes(2, 1, 2)}).answers == said("two", "one")
        assert item({**PANDALM, **votes("2", 2.0, None)}).answers == said("two", "one")

    def test_an_input_follows_the_instruction(self) -> None:
        found = item({**PANDALM, "input": "Text."})
        assert found.prompt == (Message("user", "Q\n\nText."),)
        assert item({**PANDALM, "input": None}).prompt == Q

    @pytest.mark.parametrize(
        ("change", "reason", "detail"),
        [
            (votes(1, 2, 0), "no_preference", "no majority among"),
            (votes(1, 2, None), "no_preference", "no majority among {'1': 1, '2': 1}"),
            (votes(None, None, None), "no_preference", "no majority"),
            (votes(0, 0, 1), "no_preference", "neither is better"),
            (votes(3, 3, 1), "bad_label", "annotator1 to annotator3"),
            ({"instruction": " "}, "empty_prompt", "'instruction' is empty"),
            ({"instruction": 5}, "empty_prompt", "'instruction' is empty or not a text"),
            ({"response1": None}, "empty_response", "'response1' is empty"),
            ({"response2": "one"}, "identical_pair", "the same"),
        ],
    )
    def test_why_a_row_is_refused(self, change: Row, reason: str, detail: str) -> None:
        found = refused({**PANDALM, **change})
        assert found.reason == reason
        assert detail in found.detail


HELPSTEER: Row = {"prompt": "Q", "response_1": "one", "response_2": "two"}


class TestHelpSteer2Preference:
    @pytest.mark.parametrize(
        ("strength", "answers"), [(-3, ("one", "two")), ("-1", ("one", "two")), (2, ("two", "one"))]
    )
    def test_the_sign_says_which_is_better(self, strength: Any, answers: tuple[str, str]) -> None:
        row = {**HELPSTEER, "preference_strength": strength, "split": "train"}
        assert item(row) == Item(WHERE, "file", Q, said(*answers), WHERE)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"preference_strength": 0}, "no_preference"),
            ({"preference_strength": None}, "missing_field"),
            ({"preference_strength": 4}, "bad_strength"),
            ({"preference_strength": float("nan")}, "bad_strength"),
            ({"response_1": ""}, "empty_response"),
            ({"response_2": "one"}, "identical_pair"),
            ({"prompt": None}, "empty_prompt"),
        ],
    )
    def test_why_a_row_is_refused(self, change: Row, reason: str) -> None:
        assert refused({**HELPSTEER, "preference_strength": 1, **change}).reason == reason


class TestNamesAndCategories:
    @pytest.mark.parametrize(
        ("columns", "subset"),
        [
            ({}, "file"),
            ({"subset": "a", "category": "b", "domain": "c"}, "a"),
            ({"subset": None, "category": " b ", "domain": "c"}, "b"),
            ({"domain": "c"}, "c"),
            ({"source": "somewhere"}, "file"),
        ],
    )
    def test_what_a_row_is_counted_under(self, columns: Row, subset: str) -> None:
        assert item({**PAIR, **columns}).subset == subset

    @pytest.mark.parametrize("value", ["", "  ", 3, ["a"], {"a": 1}, True])
    def test_a_category_that_is_no_name(self, value: Any) -> None:
        found = refused({**PAIR, "category": value})
        assert found.reason == "bad_category" and "'category'" in found.detail

    @pytest.mark.parametrize("name", NAMES)
    def test_the_columns_that_may_hold_an_id(self, name: str) -> None:
        assert item({**PAIR, name: 0}).id == "0"
        assert item({**PAIR, name: "x"}).id == "x"
        assert item({**PAIR, name: ""}).id == WHERE
        assert item({**PAIR, name: None}).id == WHERE

    def test_the_first_of_them_counts(self) -> None:
        assert item({**PAIR, "prompt_id": "p", "idx": 4, "id": ""}).id == "4"

    def test_a_key_is_what_a_judge_sees(self) -> None:
        one = item({**PAIR, "id": 1, "subset": "a"})
        assert one.key == item({**PAIR, "id": 2, "subset": "b"}).key
        assert one.key != item({**PAIR, "chosen": "bad", "rejected": "good"}).key
        assert one.key != item({**PAIR, "system": "S"}).key
        grid = {"prompt": "Q", "chosen": ["a", "b"], "rejected": ["c", "d"]}
        assert item(grid).key != item({**grid, "num_correct": 2}).key


class TestWhatIsNoRow:
    def test_a_bad_line_is_passed_on(self) -> None:
        bad = BadLine("f.jsonl:7", "input:bad_json", "unexpected end", '{"prompt')
        found = list(items([("f.jsonl:7", bad, '{"prompt'), (WHERE, PAIR, "raw")], "file"))
        assert found[0] == Refused("f.jsonl:7", "input:bad_json", "unexpected end", '{"prompt')
        assert isinstance(found[1], Item)

    @pytest.mark.parametrize("row", [{}, {"prompt": "Q", "response": "A"}, {"input": "Q"}])
    def test_columns_of_no_known_form(self, row: Row) -> None:
        found = refused(row)
        assert found.reason == "unknown_format"
        assert "write prompt, chosen, rejected" in found.detail
        assert (", ".join(row) or "none") in found.detail


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
usual = st.sampled_from(["Q", "good", "bad", "1", "A>B", 1, 2, ["a"], ["b", "c"], ["d", "e"]])
"""Values that make a good row, so that the columns after the first are looked at as well."""

message = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "system", "bot", 1, None]),
        "content": st.text(max_size=4)
        | st.none()
        | st.sampled_from(["A", "Q\n<extra_id_1>Assistant\n", "\n<extra_id_1>User\nQ"]),
        "from": st.sampled_from(["human", "GPT", "", 3]),
        "value": st.text(max_size=4) | st.integers(),
    },
)
values = st.recursive(
    plain | usual | message,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(message, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
cells = usual | st.just(turns("Q", "A")) | values
COLUMNS = [
    "prompt", "chosen", "rejected", "num_correct", "messages", "conversations", "system", "subset",
    "category", "domain", "source", "id", "idx", "preference_strength", "response_1", "response_2",
    "input", "output_1", "output_2", "question", "response_A", "response_B", "label", "instruction",
    "response1", "response2", "annotator1", "annotator2", "annotator3",
]  # fmt: skip
forms = st.sampled_from([{"prompt", "chosen", "rejected"}, *(needed for needed, _ in FORMATS)])
rows = forms.flatmap(
    lambda needed: st.fixed_dictionaries(
        dict.fromkeys(sorted(needed), usual | cells),
        optional=dict.fromkeys(sorted(set(COLUMNS) - needed), cells),
    )
) | st.dictionaries(st.sampled_from(COLUMNS), cells)


def check(found: Item | Refused) -> None:
    assert found.where == WHERE
    if isinstance(found, Refused):
        assert found.reason and found.detail
        return
    assert isinstance(found.id, str) and found.subset.strip() and len(found.key) == 16
    assert 1 <= found.right < len(found.answers) == len(found.lengths)
    assert not found.grid or 2 * found.right == len(found.answers)
    assert found.prompt
    for answer in found.answers:
        assert answer[-1].role == "assistant" and answer[-1].content.strip()


class TestAnything:
    @given(rows)
    def test_any_row_is_an_item_or_refused(self, row: Row) -> None:
        (found,) = items([(WHERE, row, "raw")], "file")
        check(found)

    @given(
        st.sampled_from([PAIR, BEST, LLMBAR, JUDGEBENCH, PANDALM, HELPSTEER]),
        st.sampled_from(COLUMNS),
        values,
    )
    def test_a_good_row_with_one_bad_value(self, row: Row, column: str, value: Any) -> None:
        (found,) = items([(WHERE, {**row, column: value}, "raw")], "file")
        check(found)
