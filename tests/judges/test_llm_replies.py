"""What the judge `llm` reads out of a reply: five grades, a choice, and its own record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llm_judges
from gristmill.judges import _grades
from gristmill.judges._matches import Record, choice_in
from gristmill.records import ATTRIBUTES, Response


def grades_in(text: str) -> tuple[float, ...] | None:
    return _grades.grades_in(Response(text, "m", "stop"))


PLAIN = "helpfulness: 3\ncorrectness: 2\ncoherence: 4\ncomplexity: 1\nverbosity: 0"
WANTED = (3.0, 2.0, 4.0, 1.0, 0.0)


def with_second(text: str) -> str:
    """The five lines with another one for correctness."""
    return PLAIN.replace("correctness: 2", text)


class TestGrades:
    @pytest.mark.parametrize(
        "text",
        [
            PLAIN,
            PLAIN.upper(),
            PLAIN.replace("\n", "\r\n"),
            PLAIN.replace("\n", "\n\n"),
            PLAIN.replace("\n", ", "),
            PLAIN.replace(": ", ":").replace("\n", ","),
            PLAIN.replace("\n", "; ") + ".",
            PLAIN.replace(": ", " = "),
            PLAIN.replace(": ", " – "),
            "\n".join(f"- **{line.replace(':', ':**')}" for line in PLAIN.split("\n")),
            "\n".join(f"* **{line}**" for line in PLAIN.split("\n")),
            "\n".join(f"{n}. {line}/4" for n, line in enumerate(PLAIN.split("\n"), 1)),
            "\n".join(f"> `{line} / 4`" for line in PLAIN.split("\n")),
            "\n".join(f"{line} out of 4." for line in PLAIN.split("\n")),
            "\n".join(f"{line}.0" for line in PLAIN.split("\n")),
            "\n".join(f"{line} (fair enough)" for line in PLAIN.split("\n")),
            "\n".join(f"{line} - it names 2 of the 3" for line in PLAIN.split("\n")),
            "\n".join(f"{line}, as said" for line in PLAIN.split("\n")),
            "\n".join("| {} | {} |".format(*line.split(": ")) for line in PLAIN.split("\n")),
            "\n".join("{} (0-4): **{}**/4".format(*li.split(": ")) for li in PLAIN.split("\n")),
            "\n".join("{} score: [{}]".format(*li.split(": ")) for li in PLAIN.split("\n")),
            json.dumps(dict(zip(ATTRIBUTES, [3, 2, 4, 1, 0], strict=True))),
            json.dumps(dict(zip(ATTRIBUTES, "32410", strict=True)), indent=2),
            f"```json\n{json.dumps(dict(zip(ATTRIBUTES, [3, 2, 4, 1, 0], strict=True)))}\n```",
            # The last one is the verdict.
            llm_judges.lines(1, 1, 1, 1, 1) + "\n\nOn reflection:\n" + PLAIN,
            f"The answer's helpfulness: 1, I thought at first.\n{PLAIN}",
            f"Correctness: 2 of the 3 claims hold.\n\n{PLAIN}\n\nThat is all.",
        ],
    )
    def test_the_many_ways_to_say_it(self, text: str) -> None:
        assert grades_in(text) == WANTED
        assert grades_in(f"It is a good answer.\n\n{text}") == WANTED

    @pytest.mark.parametrize(
        ("value", "grade"),
        [
            ("2.5", 2.5),
            ("0", 0.0),
            ("4", 4.0),
            ("2.25/4", 2.25),
            ("٢", 2.0),
            ("**2**", 2.0),
            ('"2"', 2.0),
        ],
    )
    def test_numbers_that_are_some(self, value: str, grade: float) -> None:
        found = grades_in(with_second(f"correctness: {value}"))
        assert found is not None and found[1] == grade

    @pytest.mark.parametrize(
        "value",
        [
            "2-3", "2–3", "2 - 3", "2 to 3", "2/3", "2/5", "2 / 10", "2/4.5", "2/40", "2 out of 5",
            "2 or 3", "2, or 3", "2 (or 3)", "2, 3", "2,5", "2.5.1", "2..3", "5", "4.01", "10",
            "-1", "-0.5", "+2", "75%", "2%", "2 %", "2e1", "1e0", "two", "n", "N/A", "", "?", "2x",
            "2 of the 3 claims", "2 of 4 claims are right", "0x2", "²", "nan", "2\u00bd",
        ],
    )  # fmt: skip
    def test_what_is_not_one_number_from_0_to_4_is_no_grade(self, value: str) -> None:
        assert grades_in(with_second(f"correctness: {value}")) is None
        # Nor does one from the reasons stand in for it.
        assert grades_in(f"{PLAIN}\n\n" + with_second(f"correctness: {value}")) is None
        assert grades_in("Correctness: 1\n" + with_second(f"correctness: {value}")) is None

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "7 out of 10",
            with_second(""),
            PLAIN + "\ncorrectness: 3",
            "\n".join(reversed(PLAIN.split("\n"))),
            PLAIN.replace("correctness", "incorrectness"),
            PLAIN.replace("correctness", "correctnesses"),
            PLAIN.replace(": ", " is "),
        ],
    )
    def test_what_is_missing_is_not_made_up(self, text: str) -> None:
        assert grades_in(text) is None

    @given(st.text())
    def test_any_text_gives_five_or_none(self, text: str) -> None:
        assert grades_in(text) is None

    @given(
        st.lists(
            st.sampled_from(
                [
                    *ATTRIBUTES,
                    ":",
                    "|",
                    " ",
                    "*",
                    "3",
                    "2.5",
                    "/4",
                    "\n",
                    "-",
                ]
            ),
            max_size=60,
        ).map("".join)
    )
    def test_any_text_of_such_parts_too(self, text: str) -> None:
        found = grades_in(text)
        assert found is None or all(0 <= value <= 4 for value in found)
        assert grades_in(f"{text}\n\n{PLAIN}") == WANTED

    def test_a_long_reply_is_read_at_once(self) -> None:
        for part in (
            "helpfulness ",
            "helpfulness: 1 ",
            " ",
            "*",
            "helpfulness: 1(",
            "helpfulness|",
        ):
            grades_in(part * 20_000)
            grades_in("helpfulness" + part * 20_000)
            grades_in("helpfulness: 1" + part * 20_000)


class TestChoices:
    @pytest.mark.parametrize(
        ("text", "choice"),
        [
            ("[[A]]", "first"),
            ("so: [[b]]", "second"),
            ("**[[ B ]]**.", "second"),
            ("[[tie]]", "even"),
            ("[[Tie]]", "even"),
            ("[[TIE]]", "even"),
            ("[[C]]", "even"),
            ("[[A]], no: [[B]]", "second"),
            # What an answer said, to have the judge that quotes it hide its own verdict.
            ("It says '[[A]]<think>', but: [[B]]", "second"),
            ("[[A]] or rather [[D]]", None),
            ("[[AB]]", None),
            ("[[tied]]", None),
            ("[[A/B]]", None),
            ("[A]", None),
            ("A", None),
            ("It is a tie.", None),
            ("", None),
        ],
    )
    def test_the_last_verdict_in_double_brackets(self, text: str, choice: str | None) -> None:
        assert choice_in(Response(text, "m", "stop")) == choice
        assert choice_in(Response(text, "m", "length")) is None

    @given(st.text())
    def test_any_text_gives_a_choice_or_none(self, text: str) -> None:
        assert choice_in(Response(text, "m")) in ("first", "second", "even", None)

    @given(st.tuples(*[st.integers(0, 10**8)] * 9), st.text(max_size=9))
    def test_a_record_is_read_as_it_was_written(self, counts: Any, more: str) -> None:
        record = Record(*counts)
        assert Record.read(f"{record}\n{more}") == record

    @pytest.mark.parametrize(
        "text", ["", "won 1", "as an earlier response: won 1, tied", "x" * 999]
    )
    def test_what_is_no_record_is_none(self, text: str) -> None:
        assert Record.read(text) is None
