"""Lists as models write them: the corpus, and inputs made to be slow."""

from __future__ import annotations

import pytest

from gristmill.lists.choices import parse_choice, parse_yes_no
from gristmill.lists.parse import parse_list
from gristmill.lists.single import bare
from lists.replies import CASES, Case

MEGABYTE = 1_000_000

NAMED = (
    "1984",
    "Yes",
    "12:30",
    "2024-01-02",
    "null",
    "Topic: sub",
    "# hash",
    "{x} marks it",
    "3 Idiots",
    "iPhone and eBay",
)
FORMS = {
    "numbered": "\n".join(f"{n}. {item}" for n, item in enumerate(NAMED, 1)),
    "numbered with brackets": "\n".join(f"{n}) {item}" for n, item in enumerate(NAMED, 1)),
    "bold": "\n".join(f"{n}. **{item}**" for n, item in enumerate(NAMED, 1)),
    "bulleted": "\n".join(f"- {item}" for item in NAMED),
    "quoted": "\n".join(f'"{item}"' for item in NAMED),
    "quoted bullets": "\n".join(f"- '{item}'," for item in NAMED),
    "plain": "\n".join(NAMED),
    "plain with preface": "Here are the items:\n" + "\n".join(NAMED),
    "bold lines": "\n".join(f"**{item}**" for item in NAMED),
    "table": "| # | Item |\n|---|---|\n"
    + "\n".join(f"| {n} | {i} |" for n, i in enumerate(NAMED, 1)),
    "html": "<ul>" + "".join(f"<li>{item}</li>\n" for item in NAMED) + "</ul>",
    "elements": "\n".join(f"<topic>{item}</topic>" for item in NAMED),
    "JSON": str(list(NAMED)).replace("'", '"'),
    "JSON lines": "\n".join(f'{{"topic": "{item}"}}' for item in NAMED),
    "Python": f"items = {list(NAMED)}",
    "fenced YAML": "```yaml\n" + "\n".join(f"- {item}" for item in NAMED) + "\n```",
}

UNITS = (
    "<think>",
    "</think>",
    "[",
    "{\n",
    '["a",\n',
    '{"a":',
    "- ",
    "- -\n",
    "1. ",
    "1. x\n",
    "(1) (",
    "**1. ",
    "# ",
    "```a\n",
    "~~~\n````\n",
    "<topic>\n",
    "</topic>",
    "<a",
    "|",
    "|-|\n",
    "| a |\n|---|\n",
    "a: [",
    "a, ",
    " ",
    "\n",
    "\u200b",
    '"',
    "' ",
    "“",
    "*",
    "_",
    "a",
    "A. x\n",
    "i. x\n",
    "Question 1: ",
    "- a\n  - b\n",
    "1. a\n\nb.\n\n",
    "\\",
    '- "a\\\n',
    "- |\n  a\n",
    "/* ",
    "Answer: yes ",
    "yes no/",
    "Here is the question ",
    "\r",
    "1.1. ",
    "1\ufe0f\u20e3 ",
    "* * ",
    "</s>",
    "> ",
    "'a'b",
    "I'm sorry ",
    "$$\n",
    "\\ud800",
    "一",
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_reply_gives_its_items(case: Case) -> None:
    assert parse_list(case.reply) == case.items


def test_the_corpus_is_large_and_its_names_differ() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 170


@pytest.mark.parametrize("form", FORMS)
def test_items_that_peers_lose_stay_in_every_form(form: str) -> None:
    assert parse_list(FORMS[form]) == NAMED


@pytest.mark.parametrize("unit", UNITS, ids=repr)
def test_much_of_anything_comes_to_an_end(unit: str) -> None:
    # Where time grew with the square of the length this would be minutes each.
    text = unit * (MEGABYTE // 8 // len(unit))
    assert all(parse_list(text))
    bare(text)
    parse_yes_no(text)
    parse_choice(text, ("easy", "very hard", "a", "*"))


@pytest.mark.parametrize(
    "unit", ["[", '["a" ', "<a", " ", "**1. ", '"', "' ", "*", "a: [", "- |\n  a long line\n"]
)
def test_a_megabyte_comes_to_an_end(unit: str) -> None:
    text = unit * (MEGABYTE // len(unit))
    assert all(parse_list(text))
    bare(text)
    parse_yes_no(text)


def test_nesting_without_end_is_no_error() -> None:
    for text in ("[" * 100_000, '{"a":' * 100_000, "<a><b>" * 50_000, "- " * 100_000, "(" * 9999):
        parse_list(text)
    assert parse_list("[" * 20 + '"x"' + "]" * 20) == ("x",)
