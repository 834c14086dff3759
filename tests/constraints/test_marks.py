"""What real answers put before a section, a postscript or an item, and around their prose, in every
script: none of it hides what is there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.constraints import Constraint
from gristmill.parts import open_part

# Section's marker, postscript's marker, two sentences.
SCRIPTS = {
    "Latin": ("Section", "P.S.", "Tea grows on hills. It needs rain!"),
    "Cyrillic": ("Раздел", "П.С.", "Чай растёт на холмах. Ему нужен дождь!"),
    "Greek": ("Ενότητα", "Υ.Γ.", "Το τσάι μεγαλώνει στους λόφους. Χρειάζεται βροχή!"),
    "Arabic": ("القسم", "ملاحظة", "ينمو الشاي على التلال. هل يحتاج إلى المطر؟"),
    "Hebrew": ("חלק", "נ.ב.", "התה גדל על הגבעות. הוא צריך גשם!"),
    "Devanagari": ("खंड", "पुनश्च", "चाय पहाड़ियों पर उगती है। उसे बारिश चाहिए।"),
    "Thai": ("ส่วนที่", "ป.ล.", "ชาปลูกบนเนินเขา! มันต้องการฝนไหม?"),
    "Chinese": ("部分", "附言", "茶树长在山坡上。它需要雨水！"),
    "Japanese": ("セクション", "追伸", "お茶は丘で育ちます。雨が要りますか？"),
    "Korean": ("섹션", "추신", "차는 언덕에서 자랍니다. 비가 필요합니다!"),
}
BEFORE = [
    "\u3000",
    "\u200f\u00a0",
    '"',
    "“",
    "„",
    "«",
    "「",
    "『",
    "## ",
    "- ",
    "* ",
    "• ",
    "・",
    "> ",
    "**",
    "> **",
    "#### *",
]
BULLETS = ["- ", "* ", "+ ", "• ", "•", "・", "・ ", "･", "·", "‣ ", "◦ ", "▪ ", "▪", "● ", "○ "]
BULLETS += ["– ", "－　", "➢ ", "✓ ", "  - ", "\t• "]
NO_BULLETS = ["-", "+", "**", "— ", "○○", "●●", "・・・", "★ ", "■", "1. ", "> ", "--- "]
scripts = pytest.mark.parametrize(("marker", "after", "said"), SCRIPTS.values(), ids=SCRIPTS)


def opened(name: str, **arguments: Any) -> Constraint:
    return open_part("gristmill.constraints", {name: arguments}, "here")


@scripts
@pytest.mark.parametrize("mark", BEFORE)
def test_sections_are_found_behind_any_mark(marker: str, after: str, said: str, mark: str) -> None:
    two = opened("sections", marker=marker, count=2)
    assert two.check(f"{mark}{marker} 1\n{said}\n\n{mark}{marker.upper()} 2: {said}")
    assert two.check(f'"{marker} 1\n{said}\n\n{marker} 2\n{said}"')
    assert not two.check(f"{said} {marker} 1\n{said} {marker} 2")


@scripts
@pytest.mark.parametrize("mark", ["", *BEFORE])
def test_a_postscript_may_stand_behind_a_mark_and_speak_on_the_next_line(
    marker: str, after: str, said: str, mark: str
) -> None:
    asked = opened("postscript", marker=after)
    for text in (
        f"{after} {said}",
        f"{after}\n{said}",
        f"{after}:\n\n{said}",
        f"{after}  \n{said}",
    ):
        assert asked.check(f"{said}\n\n{mark}{text}"), text
    for text in (after, f"{after}\n\n---", f"{said} {after} {said}", f"{after} {said}"[::-1]):
        assert not asked.check(f"{said}\n\n{mark}{text}"), text
    assert not asked.check(f"{mark}{after} {said}")


def test_a_postscript_is_no_longer_word() -> None:
    for marker, word in (("PS", "PSST, quiet."), ("PS", "PS5 games"), ("П.С.", "Псков лежит тут.")):
        assert not opened("postscript", marker=marker).check(f"Hello.\n{word}")
    assert opened("postscript", marker="P.P.S").check("Hi.\n### P.S. \nOne.\n\n### P.P.S. \nTwo.")


@scripts
@pytest.mark.parametrize("bullet", BULLETS)
def test_every_bullet_that_people_write_counts(
    marker: str, after: str, said: str, bullet: str
) -> None:
    first, second = said[: len(said) // 2], said[len(said) // 2 :]
    assert opened("bullets", count=2).check(f"{said}\n{bullet}{first}\n{bullet}{second}")


@pytest.mark.parametrize("mark", NO_BULLETS)
def test_what_only_looks_like_a_bullet_is_none(mark: str) -> None:
    for _, _, said in SCRIPTS.values():
        assert not opened("bullets", at_least=1).check(f"{said}\n{mark}{said}")


@scripts
@pytest.mark.parametrize("name", ["", "text", "txt", "plaintext", "markdown", "md"])
def test_an_answer_in_a_fence_is_read_like_one_without(
    marker: str, after: str, said: str, name: str
) -> None:
    text = f"# {marker} 1\n\n{said} {said}\n\n- {said}\n・{said}\n\n{after} {said}"
    for fenced in (f"```{name}\n{text}\n```", f"~~~{name}\n{text}\n~~~\n", f"\n```{name}\n{text}"):
        for asked in (
            opened("sections", marker=marker, count=1),
            opened("bullets", count=2),
            opened("sentences", count=10),
            opened("headings", count=1),
            opened("paragraphs", count=3),
        ):
            assert asked.check(fenced), asked.check(fenced).evidence


CODE = [
    "x = 1",
    "# This adds one.\nprint(x)",
    "- hosts: all\n  tasks: [ping]",
    "a -> b\nb -> c",
    "├── src.\n└── tests.",
    "SELECT name FROM users;",
    "pip install gristmill",
    "# a comment.\n# another one.",
    "<p>Tea grows on hills.</p>",
    'echo "Tea grows on hills." && make --all',
]


@pytest.mark.parametrize("code", CODE)
@pytest.mark.parametrize("name", ["", "text", "python", "yaml", "bash"])
def test_code_in_a_fence_is_still_code(code: str, name: str) -> None:
    text = f"Do this.\n```{name}\n{code}\n```\nThen that."
    assert opened("sentences", count=2).check(text)
    assert not opened("bullets", at_least=1).check(text)
    assert not opened("headings", at_least=1).check(text)


def test_a_letter_in_a_fence_within_an_answer_is_prose() -> None:
    letter = (
        "Dear [Name],\n\nThank you for the tea. It was very good indeed.\n\n- Milk\n- Sugar\n\nAnn"
    )
    text = f"Here it is:\n```\n{letter}\n```\nSend it soon."
    assert opened("bullets", count=2).check(text)
    assert opened("sentences", count=8).check(text)
    # A line of output is none.
    assert opened("sentences", count=1).check("It prints:\n```\nHello!\n```")


@given(
    st.lists(st.sampled_from([said for _, _, said in SCRIPTS.values()]), min_size=1, max_size=5),
    st.sampled_from(["```", "~~~~", "````markdown", "```text"]),
    st.sampled_from(BULLETS),
)
def test_a_fence_changes_no_number(said: list[str], fence: str, bullet: str) -> None:
    text = "\n".join(bullet + item for item in said)
    close = fence.rstrip("markdowntex")
    for name, amount in (("bullets", len(said)), ("sentences", 2 * len(said))):
        assert opened(name, count=amount).check(text)
        assert opened(name, count=amount).check(f"{fence}\n{text}\n{close}")
