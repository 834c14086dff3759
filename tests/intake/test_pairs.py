"""Rows with several answers of which some are better: what they give, and why some give nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.bench.items import Item, items_of
from gristmill.intake.cells import Refused, Row, Unusable
from gristmill.intake.facts import IDS
from gristmill.intake.forms import FORMS
from gristmill.intake.pairs import MOST_ANSWERS, SCORES
from gristmill.intake.record import ITEM, PROMPT, Content, Record
from gristmill.intake.record import PAIR as PAIRS
from gristmill.intake.source import Source
from gristmill.records import Message

WHERE = "f.jsonl:1"
Q = (Message("user", "Q"),)


def said(*texts: str) -> tuple[tuple[Message, ...], ...]:
    """One turn of the assistant's for each text."""
    return tuple((Message("assistant", text),) for text in texts)


def found_in(row: Row, wanted: str = ITEM) -> Content:
    return Source(file="-").record(row, WHERE, (wanted,)).content


def item(row: Row, category: str = "file") -> Item:
    """As a benchmark sees it. category: of a row that names none."""
    record = Source(file="-").record(row, WHERE, (ITEM,))
    assert record.where == WHERE
    named, content = record.facts, record.content
    answers = tuple(answer.turns for answer in content.answers)
    return Item(
        named.get("id", WHERE),
        named.get("subset", category),
        content.prompt,
        answers,
        WHERE,
        content.right,
        content.grid,
    )


def refused(row: Row, wanted: str = ITEM) -> Unusable:
    with pytest.raises(Unusable) as raised:
        Source(file="-").record(row, WHERE, (wanted,))
    assert raised.value.detail
    return raised.value


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
            ({**PAIR, "chosen": {"role": "moon", "content": "a"}}, "bad_turns", "is by 'moon'"),
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
        found = list(items_of(Source(file=str(shared_data / "llmbar"))))
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

    @pytest.mark.parametrize("name", IDS)
    def test_the_columns_that_may_hold_an_id(self, name: str) -> None:
        assert item({**PAIR, name: 0}).id == "0"
        assert item({**PAIR, name: "x"}).id == "x"
        assert item({**PAIR, name: ""}).id == WHERE
        assert item({**PAIR, name: None}).id == WHERE

    def test_the_first_of_them_counts(self) -> None:
        assert item({**PAIR, "pair_id": "p", "idx": 4, "id": ""}).id == "p"

    def test_a_key_is_what_a_judge_sees(self) -> None:
        one = item({**PAIR, "id": 1, "subset": "a"})
        assert one.key == item({**PAIR, "id": 2, "subset": "b"}).key
        assert one.key != item({**PAIR, "chosen": "bad", "rejected": "good"}).key
        assert one.key != item({**PAIR, "system": "S"}).key
        grid = {"prompt": "Q", "chosen": ["a", "b"], "rejected": ["c", "d"]}
        assert item(grid).key != item({**grid, "num_correct": 2}).key


class TestWhatIsNoRow:
    @pytest.mark.parametrize("row", [{}, {"input": "Q"}, {"best": "a", "worst": "b"}])
    def test_columns_of_no_known_form(self, row: Row) -> None:
        found = refused(row)
        assert found.reason == "unknown_format"
        assert (", ".join(row) or "none") in found.detail
        assert "preference" in found.detail and "name them with `columns`" in found.detail

    @pytest.mark.parametrize(
        ("row", "gives"),
        [
            ({"prompt": "Q"}, "prompts"),
            ({"prompt": "Q", "response": "A"}, "conversations"),
            ({"messages": turns("Q", "A")}, "conversations"),
            ({"text": "A text."}, "texts"),
        ],
    )
    def test_rows_of_a_form_that_has_no_pair(self, row: Row, gives: str) -> None:
        found = refused(row)
        assert found.reason == "wrong_kind"
        assert gives in found.detail and "pairs or rankings are needed" in found.detail


class TestPromptsUnderOtherNames:
    @pytest.mark.parametrize(
        "row",
        [
            # Intel's orca pairs, distilabel's, LLaMA-Factory's.
            {"system": "S", "question": "Q", "chosen": "good", "rejected": "bad"},
            {"system": "S", "input": "Q", "chosen": "good", "rejected": "bad"},
            {"system": "S", "instruction": "Q", "chosen": "good", "rejected": "bad"},
            {"system": "S", "instruction": "Q", "input": "", "chosen": "good", "rejected": "bad"},
        ],
    )
    def test_the_column_that_asks(self, row: Row) -> None:
        found = item(row)
        assert found.prompt == (Message("system", "S"), *Q)
        assert found.answers == said("good", "bad")

    def test_an_instruction_has_its_input(self) -> None:
        row = {"instruction": "Sort.", "input": "2, 1", "chosen": "1, 2", "rejected": "2, 1"}
        assert item(row).prompt == (Message("user", "Sort.\n\n2, 1"),)

    @pytest.mark.parametrize("start", ["\n\n", ""])
    @pytest.mark.parametrize("end", ["\n\nAssistant:", "\n\nAssistant: ", ""])
    def test_a_transcript_that_ends_with_who_is_to_answer(self, start: str, end: str) -> None:
        prompt = f"{start}Human: Q1\n\nAssistant: A1\n\nHuman: Q2{end}"
        found = item({**PAIR, "prompt": prompt}).prompt
        expected = [("user", "Q1"), ("assistant", "A1"), ("user", "Q2")]
        assert [(turn.role, turn.content) for turn in found] == expected

    def test_turns_beside_a_text_that_is_their_last(self) -> None:
        conversation = turns("First?", "A1", "And what comes then?")
        row = {**PAIR, "prompt": "And what comes then?", "messages": conversation}
        assert [turn.content for turn in item(row).prompt] == ["First?", "A1", row["prompt"]]
        # UltraFeedback binarised has the chosen conversation in `messages`.
        row["messages"] = [*conversation, {"role": "assistant", "content": "good"}]
        assert len(item(row).prompt) == 3

    def test_turns_beside_another_prompt(self) -> None:
        row = {**PAIR, "prompt": "Who wrote it?", "messages": turns("Where is it?")}
        found = refused(row)
        assert (found.reason, found.detail[:8]) == ("prompt_differs", "'prompt'")


def whole(*texts: str) -> Row:
    """A pair of whole conversations with these turns before their answers."""
    return {"chosen": turns(*texts, "good"), "rejected": turns(*texts, "bad")}


SEVERAL = ("What is 3 plus 3?", "6.", "And what is it times 2?")


class TestThePromptIsWhatTheConversationsAsk:
    @pytest.mark.parametrize(
        "prompt",
        [
            SEVERAL[2],
            SEVERAL[0],
            f"  {SEVERAL[2]}\n",
            turns(*SEVERAL),
            turns(SEVERAL[2]),
            {"role": "user", "content": SEVERAL[2]},
            "\n\nHuman: What is 3 plus 3?\n\nAssistant: 6.\n\nHuman: And what is it times 2?"
            "\n\nAssistant:",
            "<|im_start|>user\nWhat is 3 plus 3?<|im_end|>\n<|im_start|>assistant\n6.<|im_end|>\n"
            "<|im_start|>user\nAnd what is it times 2?<|im_end|>",
            f"[INST] {SEVERAL[2]} [/INST]",
        ],
    )
    def test_in_its_forms(self, prompt: Any) -> None:
        found = item({**whole(*SEVERAL), "prompt": prompt})
        assert [turn.content for turn in found.prompt] == list(SEVERAL)
        assert found.answers == said("good", "bad")

    @pytest.mark.parametrize("text", ["Hi", "你好", "4"])
    def test_short_ones_in_a_frame(self, text: str) -> None:
        for prompt in (text, f"User: {text}\n\nAssistant:", f"<|im_start|>user\n{text}<|im_end|>"):
            assert item({**whole(text), "prompt": prompt}).prompt[0].content == text

    @pytest.mark.parametrize(
        ("asked", "prompt"),
        [
            (("What is 0 plus 1?",), "What is 3 plus 3?"),
            (("Hi",), "What is this thing called?"),
            (("4",), "What is 4 plus 5, and 44 plus 1?"),
            (("yes",), "Was it yesterday that he came, or the day before that?"),
            (SEVERAL, "What is 5 plus 5?"),
            (SEVERAL, turns("What is 3 plus 3?", "6.", "And minus 1?")),
            (("What is 0 plus 1?",), turns("What is 3 plus 3?")),
            (("Q1", "A1", "Q2"), "Human: Q1\n\nAssistant: A1\n\nHuman: Another one?"),
        ],
    )
    def test_another_one_is_refused(self, asked: tuple[str, ...], prompt: Any) -> None:
        for wanted in (ITEM, PAIRS):
            found = refused({**whole(*asked), "prompt": prompt}, wanted)
            assert found.reason == "prompt_differs"
            assert "'prompt' is not what the conversations ask" in found.detail

    def test_a_question_too(self) -> None:
        assert item({**whole("What is 3?"), "question": "What is 3?"}).prompt[0].content
        assert refused({**whole("What is 3?"), "question": "Who?"}).reason == "prompt_differs"

    def test_of_conversations_that_part_early(self) -> None:
        row = {"chosen": turns("Q1", "A1", "Why is it so?", "good"),
               "rejected": turns("Q1", "B1", "Why is it so?", "bad")}  # fmt: skip
        found = item({**row, "prompt": "Why is it so?"})
        assert [len(answer) for answer in found.answers] == [3, 3]

    def test_another_system_message(self) -> None:
        row = {"chosen": turns("Q", "good"), "rejected": turns("Q", "bad")}
        for side in row.values():
            side.insert(0, {"role": "system", "content": "Be brief."})
        assert item({**row, "system": "Be  brief."}).prompt[0].role == "system"
        assert refused({**row, "system": "Be long."}).reason == "two_systems"


class TestScores:
    @pytest.mark.parametrize("names", list(zip(*SCORES.values(), strict=True)))
    def test_they_must_say_what_the_pair_does(self, names: tuple[str, str]) -> None:
        high, low = names
        assert item({**PAIR, high: 4, low: 1.5}).answers == said("good", "bad")
        assert item({**PAIR, high: "0.5", low: "-2"}).answers == said("good", "bad")
        against = refused({**PAIR, high: 1.0, low: 4.0})
        assert against.reason == "scores_against_pair"
        assert against.detail == "the chosen's score is 1, the rejected's 4"
        assert refused({**PAIR, high: "9", low: "10"}).reason == "scores_against_pair"
        assert refused({**PAIR, high: 7.5, low: "7.5"}).reason == "no_preference"

    def test_of_ultrafeedback_binarised(self) -> None:
        chosen = turns("Q", "good")
        row = {"prompt": "Q", "prompt_id": "f1", "chosen": chosen, "rejected": turns("Q", "bad"),
               "messages": chosen, "score_chosen": 8.0, "score_rejected": 6.5}  # fmt: skip
        found = item(row)
        assert (found.id, found.answers) == ("f1", said("good", "bad"))
        assert refused({**row, "score_rejected": 8.0}, PAIRS).reason == "no_preference"
        assert refused({**row, "score_rejected": 9.0}, PAIRS).reason == "scores_against_pair"

    @pytest.mark.parametrize("value", [None, "", "N/A", "nan", float("nan"), " None "])
    def test_one_that_is_not_given(self, value: Any) -> None:
        row = {**PAIR, "chosen_score": value, "rejected_score": 3}
        assert found_in(row).answers[0].score is None

    @pytest.mark.parametrize("value", ["good", [4], {"a": 1}, True, "inf"])
    def test_one_that_is_no_number(self, value: Any) -> None:
        found = refused({**PAIR, "chosen_rating": value, "rejected_rating": 3})
        assert found.reason == "bad_score" and "'chosen_rating'" in found.detail

    def test_a_tie_as_distilabel_says_it(self) -> None:
        assert refused({**PAIR, "status": "tie"}).reason == "no_preference"
        assert item({**PAIR, "status": "unchanged"})


def completion(text: str, **scores: Any) -> Row:
    rating = {"Rating": "N/A", "Rationale": "None."}
    notes = {"honesty": rating, "instruction_following": {"Rating": "4"}}
    return {"model": "m", "response": text, "annotations": notes, "critique": "C", **scores}


class TestUltraFeedback:
    def row(self, *completions: Row) -> Row:
        return {"source": "sharegpt", "instruction": "Q", "models": ["m"],
                "completions": list(completions), "correct_answers": ["None"]}  # fmt: skip

    def test_the_best_against_all_others(self) -> None:
        given = self.row(
            completion("b", overall_score=6.5), completion("a", overall_score="8"),
            completion("c", overall_score=6), completion("d", overall_score="7.5"),
        )  # fmt: skip
        found = item(given)
        assert (found.right, found.grid) == (1, False)
        assert found.answers == said("a", "d", "b", "c")
        first, *_ = found_in(given, PAIRS).answers
        assert first.score == 8

    def test_the_fine_grained_score_where_there_is_no_other(self) -> None:
        scores = {"fine-grained_score": 3.25}
        given = self.row(
            completion("a", overall_score="N/A", **scores),
            completion("b", **{"fine-grained_score": 4.75}),
        )
        assert item(given).answers == said("b", "a")

    def test_what_has_no_score_is_not_compared(self) -> None:
        given = self.row(
            completion("a", overall_score="N/A"), completion("b", overall_score=3),
            completion("c", overall_score=9), completion("d"),
        )  # fmt: skip
        assert item(given).answers == said("c", "b")

    def test_a_10_that_was_a_1(self) -> None:
        """OpenBMB/UltraFeedback's issue 8: 1 was written as 10."""
        bad = completion("bad", overall_score=10.0, **{"fine-grained_score": 1.5})
        good = completion("good", overall_score=10.0, **{"fine-grained_score": 4.75})
        fair = completion("fair", overall_score=6.0, **{"fine-grained_score": 3.5})
        assert item(self.row(bad, fair, good)).answers == said("good", "fair", "bad")

    @pytest.mark.parametrize(
        ("completions", "reason"),
        [
            ([completion("a", overall_score=7)], "no_score"),
            ([completion("a"), completion("b", overall_score=7)], "no_score"),
            ([completion("a", overall_score=7)] * 2, "no_preference"),
            ([completion("a", overall_score="high"), completion("b")], "bad_score"),
            ([completion("", overall_score=7), completion("b", overall_score=6)], "empty_response"),
            (["a", "b"], "bad_turns"),
            ([], "no_score"),
        ],
    )
    def test_why_a_row_is_refused(self, completions: list[Any], reason: str) -> None:
        assert refused(self.row(*completions)).reason == reason


class TestNectar:
    def row(self, *ranks: Any) -> Row:
        answers = [{"answer": f"a{n}", "model": "m", "rank": r} for n, r in enumerate(ranks)]
        return {"prompt": "\n\nHuman: Q\n\nAssistant: ", "answers": answers, "turns": 1,
                "source": ["lmsys-chat-1m"], "good_natured": True}  # fmt: skip

    def test_the_first_rank_is_the_best(self) -> None:
        found = item(self.row(3.0, 1.0, 2.0))
        assert (found.prompt, found.answers) == (Q, said("a1", "a2", "a0"))
        assert item(self.row("2", "1")).answers == said("a1", "a0")

    def test_a_shared_rank(self) -> None:
        assert item(self.row(1, 1, 2)).right == 2
        assert refused(self.row(1, 1)).reason == "no_preference"
        assert item(self.row(2, "N/A", 1)).answers == said("a2", "a0")


HELPSTEER3: Row = {
    "domain": "code",
    "language": "python",
    "context": turns("Q1", "A1", "Q2"),
    "response1": "one",
    "response2": "two",
    "overall_preference": -2,
    "individual_preference": [{"score": -2, "reasoning": "R", "feedback1": "F"}],
}


class TestHelpSteer3:
    def test_the_sign_says_which_is_better(self) -> None:
        found = item(HELPSTEER3)
        assert (found.subset, len(found.prompt)) == ("code", 3)
        assert found.answers == said("one", "two")
        assert item({**HELPSTEER3, "overall_preference": "3"}).answers == said("two", "one")
        assert found_in(HELPSTEER3, PAIRS).strength == 2

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"overall_preference": 0}, "no_preference"),
            ({"overall_preference": 5}, "bad_strength"),
            ({"overall_preference": None}, "missing_field"),
            ({"context": turns("Q", "A")}, "bad_turns"),
            ({"response2": "one"}, "identical_pair"),
        ],
    )
    def test_why_a_row_is_refused(self, change: Row, reason: str) -> None:
        assert refused({**HELPSTEER3, **change}).reason == reason


def test_saferlhf_with_its_two_verdicts_is_no_known_form() -> None:
    row = {"prompt": "Q", "response_0": "a", "response_1": "b", "is_response_0_safe": True,
           "better_response_id": 0, "safer_response_id": 1}  # fmt: skip
    found = refused(row, PAIRS)
    assert found.reason == "wrong_kind"
    assert "preference pairs are needed" in found.detail
    assert "(columns: prompt, response_0, response_1, " in found.detail


class TestVotes:
    def test_a_vote_is_a_pair(self) -> None:
        a, b = turns("Q", "one"), turns("Q", "two")
        row = {"model_a": "x", "model_b": "y", "winner": "model_b",
               "conversation_a": a, "conversation_b": b}  # fmt: skip
        assert item(row).answers == said("two", "one")
        assert refused({**row, "winner": "tie"}).reason == "no_preference"
        assert refused({**row, "winner": "tie (bothbad)"}).reason == "no_preference"
        assert refused({**row, "winner": "x"}).reason == "unknown_winner"
        other = {**row, "conversation_b": turns("P", "two")}
        assert refused(other).reason == "no_common_prompt"

    def test_of_the_55k_set(self) -> None:
        row = {"id": 7, "model_a": "x", "model_b": "y", "prompt": '["Q"]', "response_a": '["one"]',
               "response_b": '["two"]', "winner_model_a": 1, "winner_model_b": 0,
               "winner_tie": 0}  # fmt: skip
        assert (item(row).id, item(row).answers) == ("7", said("one", "two"))


class TestUnpaired:
    def pairs(self, tmp_path: Path, *rows: Row, wanted: str = PAIRS) -> list[Any]:
        path = tmp_path / "kto.jsonl"
        path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        return list(Source(file=str(path)).records(wanted))

    def test_answers_to_one_prompt_are_paired(self, tmp_path: Path) -> None:
        rows = [
            {"prompt": "Q", "completion": "good", "label": True},
            {"prompt": "P", "completion": "fair", "label": True},
            {"prompt": turns("Q"), "completion": turns("bad", first="assistant"), "label": False},
            {"prompt": "Q", "completion": "better", "label": True},
            {"messages": turns("Q", "worse"), "label": "False"},
        ]
        for wanted in (PAIRS, ITEM):
            first, second, alone = self.pairs(tmp_path, *rows, wanted=wanted)
            assert [a.text for a in first.answers] == ["good", "bad"]
            assert [a.text for a in second.answers] == ["better", "worse"]
            assert first.content.right == second.content.right == 1
            assert (alone.where, alone.reason) == ("kto.jsonl:2", "unpaired_label")
            assert "with label false is left to pair it with" in alone.detail

    def test_tools_and_system_messages_make_another_prompt(self, tmp_path: Path) -> None:
        rows = [{"prompt": "Q", "completion": "good", "label": True},
                {"prompt": "Q", "completion": "bad", "label": False, "system": "S"}]  # fmt: skip
        assert [found.reason for found in self.pairs(tmp_path, *rows)] == ["unpaired_label"] * 2

    def test_the_same_answer_cannot_be_both(self, tmp_path: Path) -> None:
        rows = [{"prompt": "Q", "completion": "same", "label": value} for value in (True, False)]
        (found,) = self.pairs(tmp_path, *rows)
        assert (found.where, found.reason) == ("kto.jsonl:2", "identical_pair")

    def test_each_is_a_prompt(self, tmp_path: Path) -> None:
        rows = [{"prompt": "Q", "completion": "a", "label": True}]
        (found,) = self.pairs(tmp_path, *rows, wanted=PROMPT)
        assert found.prompt.messages == Q

    def test_a_table_writes_the_label_as_text(self, tmp_path: Path) -> None:
        path = tmp_path / "kto.csv"
        path.write_text("prompt,completion,label\nQ,good,True\nQ,bad,false\n")
        (found,) = Source(file=str(path)).records(PAIRS)
        assert isinstance(found, Record)
        assert [a.text for a in found.answers] == ["good", "bad"]


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
SHOWN = [
    {column if isinstance(column, str) else column[0] for column in form.shows}
    for form in FORMS.values()
    if PAIRS in form.gives
]
forms = st.sampled_from(SHOWN)
rows = forms.flatmap(
    lambda needed: st.fixed_dictionaries(
        dict.fromkeys(sorted(needed), usual | cells),
        optional=dict.fromkeys(sorted(set(COLUMNS) - needed), cells),
    )
) | st.dictionaries(st.sampled_from(COLUMNS), cells)


def check(row: Row) -> None:
    try:
        if Source(file="-").form(row).name == "unpaired":
            return  # An answer alone: what it is paired with is another row.
        found = item(row)
    except Unusable as error:
        assert error.reason and error.detail
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
        check(row)

    @given(
        st.sampled_from([PAIR, BEST, LLMBAR, JUDGEBENCH, PANDALM, HELPSTEER]),
        st.sampled_from(COLUMNS),
        values,
    )
    def test_a_good_row_with_one_bad_value(self, row: Row, column: str, value: Any) -> None:
        check({**row, column: value})
