"""Whatever a model says is read as something or as nothing, and never ends a run."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.constraints import (
    LANGUAGES,
    Constraint,
    as_json,
    check_as_ifeval,
    from_ifeval,
    from_json,
)
from gristmill.errors import DataError, InputError
from gristmill.filters._parsing import fault_in
from gristmill.filters._texts import prose
from gristmill.foreign import read_json
from gristmill.intake.calls import written_calls, written_responses, written_tools
from gristmill.judges._answers import right_answers
from gristmill.judges._asking import rating_in, verdict_in
from gristmill.judges._grades import grades_in
from gristmill.judges._matches import choice_in
from gristmill.judges._math_answer import final_answer, in_base, plain, quantity, without_unit
from gristmill.judges._math_spelling import simple
from gristmill.judges.code import code_in, pairs_in
from gristmill.judges.truth import Truth, normalised, number_in
from gristmill.languages.numbers import written as numbers_written
from gristmill.lists.choices import parse_choice, parse_yes_no
from gristmill.lists.parse import parse_list
from gristmill.lists.single import bare, unwrap
from gristmill.lists.thought import split_thought
from gristmill.page.text import brief, decimal, dollars, duration, one_line, percent, visible, whole
from gristmill.parts import find_part, part_names
from gristmill.records import Message, Prompt, Response, Sample, ToolCall, as_dicts
from gristmill.sandbox.languages import LANGUAGES as PROGRAMS
from gristmill.tutor import grade, questions
from strange import NUMBERS, RAW, fuzzed, near, texts

PIECES = (
    "1. ", "- ", "* ", "① ", "IV. ", "a) ", "Question 1: ", "**", "__", "`", "```", "```json\n",
    "~~~\n", "# ", "> ", "| a | b |\n", "|---|---|\n", "---\n", "[", "]", "{", "}", '"', "'", ",",
    ":", "\\", '{"a": "b"}', "<li>", "</li>", "<ol>", "<think>", "</think>", "<answer>",
    "</answer>", "<tool_call>", "</tool_call>", '{"name": "f", "arguments": {}}',
    "<|channel|>analysis<|message|>", "<|channel|>final<|message|>", "[THINK]", "[/THINK]",
    "[[A]]", "[[tie]]", "[[7.5]]", "[[²]]", "helpfulness: 4", "correctness: 3/4\n", "Answer: ",
    "The answer is ", "#### ", "\\boxed{", "\\frac{1}{", "$", "yes", "no", "12", "1,234.5", "3/4",
    "½", "٣", "1e999", "10^", "%", " km", "=", "x", ".", "\n", "\n\n", " ", "  ", "\t", "\r",
    "\u2028", "def f():\n", "    return 1\n", "import os\n", "word", "Über", "日本", "P.S. ",
    "<<a>>", "[place]", "Sure! Here is ", "I cannot help with that.", "&amp;", "key: ",
)  # fmt: skip

pieces = st.one_of(st.sampled_from(PIECES), texts)
said = st.one_of(
    st.lists(pieces, max_size=12).map("".join),
    st.tuples(pieces, pieces, st.integers(1, 400), pieces).map(
        lambda parts: parts[0] + parts[1][:40] * parts[2] + parts[3]
    ),
    st.sampled_from(RAW),
)
"""What a model may say: pieces of what it usually says, in any order, or one of them on and on."""


@fuzzed
@given(said)
def test_lists_and_single_texts(text):
    assert all(isinstance(item, str) and item.strip() for item in parse_list(text))
    assert isinstance(bare(text), str) and isinstance(unwrap(text), str)
    thought = split_thought(text)
    assert isinstance(thought.answer, str)
    assert parse_choice(text, ("A", "Über", "1.")) in ("A", "Über", "1.", None)
    assert parse_yes_no(text) in (True, False, None)


@fuzzed
@given(said)
def test_calls(text):
    rest, calls = written_calls(text)
    assert isinstance(rest, str)
    turn = Message("assistant", rest, tool_calls=(*calls, ToolCall("f", text)))
    assert len(as_dicts([turn])[0]["tool_calls"]) == len(calls) + 1
    assert all(isinstance(one, str) for one in written_responses(text))
    assert (found := written_tools(text)) is None or isinstance(found[1], str)


@fuzzed
@given(said)
def test_verdicts(text):
    reply = Response(text, "m", "stop")
    assert choice_in(reply) in ("first", "second", "even", None)
    assert (place := verdict_in(text, 3)) is None or place < 3
    assert (rating := rating_in(text)) is None or 1 <= rating <= 10
    assert (five := grades_in(reply)) is None or all(0 <= value <= 4 for value in five)


@fuzzed
@given(said, said)
def test_answers(text, truth):
    answer = final_answer(text)
    for one in (text, answer or "", truth):
        for reader in (quantity, in_base, plain, without_unit, simple, number_in, normalised):
            reader(one)
        numbers_written(one, "de")
    prompt = Prompt("p", (Message("user", "Q?"),), answer=truth)
    for wanted in right_answers(prompt):
        for match in ("exact", "normalised", "number", "contains"):
            Truth(match=match)._matches(text, wanted, "en")


@fuzzed
@given(said, st.sampled_from(PROGRAMS))
def test_code(text, language):
    blocks, outside = code_in(text, language)
    assert all(isinstance(block, str) for block in (*blocks, outside))
    assert isinstance(pairs_in(text), list)
    assert isinstance(prose(text), str)


@fuzzed
@given(said, st.sampled_from(("python", "json", "yaml", "toml", "javascript", "go")))
def test_whether_code_parses(text, language):
    fault = fault_in(language, text)
    assert fault is None or (fault.line >= 1 and isinstance(fault.what, str))


KINDS = part_names("gristmill.constraints")


@fuzzed
@given(said, st.sampled_from(KINDS), st.integers(0, 2**32), st.sampled_from(LANGUAGES))
def test_constraints(text, name, seed, language):
    constraint = drawn(name, seed, language)
    assert from_json(as_json(constraint)).constraint == constraint
    for check in (constraint.check, constraint.check_loose):
        assert isinstance(check(text).evidence, str)
    with suppress(InputError):  # one that IFEval has not
        assert isinstance(check_as_ifeval(constraint, text).evidence, str)


def drawn(name: str, seed: int = 1, language: str = "en") -> Constraint:
    kind = find_part("gristmill.constraints", name, "")
    language = language if language in kind.languages else "en"
    return kind.draw(Random(seed), language, "Write about mills.")


KEPT = tuple({name: drawn(name).model_dump(mode="json"), "since": 1} for name in KINDS)
ASKED = {
    "ids": ["length_constraints:number_words", "keywords:frequency", "detectable_format:title"],
    "kwargs": [
        {"num_words": 3, "relation": "at least"},
        {"keyword": "a", "frequency": 2, "relation": "less than"},
        {},
    ],
}


@fuzzed
@given(near(*KEPT))
def test_lines_of_constraints(raw):
    try:
        demand = from_json(raw.decode("utf-8", "replace"))
    except DataError:
        return
    assert from_json(as_json(demand.constraint, demand.since)) == demand
    demand.constraint.check("Some text.")


@fuzzed
@given(near(ASKED))
def test_rows_of_ifeval(raw):
    with suppress(ValueError, LookupError, TypeError):
        asked = read_json(raw)
        ids, arguments = list(asked["ids"]), list(asked["kwargs"])
        with suppress(DataError):
            for constraint in from_ifeval(ids, arguments):
                constraint.check("Some text.")


FILTERS = (
    "personal_data", "repetition", "refusal", "leaked_template", "truncated", "dedup",
    "near_duplicates", "code_syntax", "language",
)  # fmt: skip


@fuzzed
@given(said, said, st.sampled_from(FILTERS))
def test_filters(asked, text, name):
    made = find_part("gristmill.filters", name, "")()
    prompt = Prompt("p", (Message("user", asked),), language="en")
    drop = made.reason(prompt, Sample(0, Response(text, "m", "stop")))
    assert drop is None or isinstance(drop, str | tuple)


@fuzzed
@given(said, st.integers(0, 50))
def test_grades_of_the_tutor(text, seed):
    (question,) = questions(1, seed, held_out=False)
    assert grade(question, text).right in (True, False)


@fuzzed
@given(said, st.one_of(st.sampled_from(NUMBERS), st.floats(), st.integers()))
def test_what_pages_show(text, number):
    visible(text).encode()
    assert "\n" not in one_line(text)
    for shown in (whole, brief, decimal, percent, duration, dollars):
        assert isinstance(shown(number), str)


def test_a_number_that_no_answer_reaches():
    with pytest.raises(DataError, match="not JSON"):
        from_json('{"bullets": {"at_most": 1%s}}' % ("0" * 400))


def test_a_number_and_then_a_word_without_end():
    """Once each more letter took the fourth power of what is there: hours for these."""
    assert quantity("3/4" + "no" * 5_000) is None
    assert final_answer("\\boxed{" * 5_000 + "7}") == "7"
