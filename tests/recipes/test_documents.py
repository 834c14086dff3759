"""Documents: found, read, cut, and joined with instructions."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import ConfigError, DataError
from gristmill.recipes import Recipe
from gristmill.recipes._chunks import chunks, headline
from gristmill.recipes._documents import Document, Documents
from messy import Messy
from written import recipe_of, write


def read(*places: Path | str, column: str = "text") -> list[Document]:
    return list(Documents([str(p) for p in places], column).read())


def closed_qa(folder: Path, **options: Any) -> Recipe:
    return recipe_of("closed_qa", documents=str(folder), **options)


def test_a_folder_is_read_at_any_depth_by_name_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.md", "a/z.txt", "a/y.markdown", ".git/x.md", "a/.hidden.txt", "c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"The text of {name}.")
    assert [d.where for d in read(tmp_path)] == ["a/y.markdown", "a/z.txt", "b.md"]


def test_every_kind_of_file_holds_documents(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One.")
    (tmp_path / "b.md").write_text("# A title #\n\nTwo.")
    rows = [{"text": "Three.", "title": "Third"}, {"text": "Four."}]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    pq.write_table(pa.table({"text": ["Five.", None, "Six."]}), tmp_path / "d.parquet")
    (tmp_path / "e.csv").write_text('text\n"Seven,\nand more."\n')
    found = read(tmp_path)
    assert [(d.where, d.title, d.text.split()[-1]) for d in found] == [
        ("a.txt", "a", "One."),
        ("b.md", "A title", "Two."),
        ("c.jsonl:1", "Third", "Three."),
        ("c.jsonl:2", "", "Four."),
        ("d.parquet:1", "", "Five."),
        ("d.parquet:3", "", "Six."),
        ("e.csv:3", "", "more."),
    ]


def test_a_pattern_finds_files_and_each_is_read_once(tmp_path: Path) -> None:
    for name in ("a/one.md", "a/two.txt", "b/one.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"The text of {name}.")
    found = read(tmp_path / "**/*.md", tmp_path / "a")
    assert [d.where for d in found] == ["a/one.md", "b/one.md", "two.txt"]


def test_empty_and_repeated_documents_are_counted(tmp_path: Path) -> None:
    for name, text in {"a": "Same text.", "b": " \n", "c": "Same\ntext.", "d": "Other."}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    dropped: Counter[str] = Counter()
    assert [d.where for d in Documents([str(tmp_path)]).read(dropped)] == ["a.txt", "d.txt"]
    assert dropped == {"document:empty": 1, "document:repeated": 1}
    report = write(closed_qa(tmp_path, instructions=4), 100).report
    assert report.dropped["document:empty"] == report.dropped["document:repeated"] == 1


def test_files_that_are_not_read_are_counted(tmp_path: Path) -> None:
    for name in ("a.txt", "manual.pdf", "deep/scan.png", ".git/x.pdf", "deep/.DS_Store"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"The text of {name}.")
    report = write(closed_qa(tmp_path, instructions=4), 1).report
    assert report.dropped["document:unknown_kind"] == 2


@pytest.mark.parametrize(
    ("data", "at"),
    [
        ("Größe".encode("latin-1"), "byte 2: not UTF-8"),
        (b"\xef\xbb\xbf" + "Größe".encode("latin-1"), "byte 5: not UTF-8"),
        ("Size".encode("utf-16"), "byte 0: not UTF-8"),
        ("Size".encode("utf-16-le"), "byte 1: a zero byte"),
    ],
)
def test_another_encoding_is_named_with_its_file_and_byte(
    tmp_path: Path, data: bytes, at: str
) -> None:
    (tmp_path / "fine.txt").write_text("Fine.")
    (tmp_path / "odd.txt").write_bytes(data)
    with pytest.raises(DataError, match=rf"odd\.txt: {at}"):
        closed_qa(tmp_path).check()


def test_a_byte_order_mark_and_windows_line_ends_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfOne.\r\n\r\nTwo.")
    assert read(tmp_path)[0].text == "One.\n\nTwo."


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.jsonl", '{"text": "Fine."}\n{oops\n', r"a\.jsonl: a\.jsonl:2: "),
        ("a.jsonl", '{"text": 5}\n', r"a\.jsonl:1: 'text' is int, not a text"),
        ("a.jsonl", '{"body": "x"}\n', r"no row has a text in 'text'.*columns: body"),
        ("a.csv", "body\nx\n", r"a\.csv: no row has a text in 'text'.*columns: body"),
        ("a.docx", "x", "unknown kind of file; use one of .txt, .md"),
        ("a.txt", " ", "there is no text in any document"),
        ("a.jsonl", "", "there is no text in any document"),
    ],
)
def test_what_cannot_be_used_is_an_error_before_anything_is_asked(
    tmp_path: Path, name: str, content: str, error: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=error):
        closed_qa(tmp_path / name).check()


def test_places_without_documents_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("x")
    for place, error in {
        tmp_path: "there is no file of these kinds: .txt, .md",
        tmp_path / "*.md": "there is no file of these kinds",
        tmp_path / "none.md": "no such file",
    }.items():
        with pytest.raises(DataError, match=error):
            closed_qa(place).check()


@pytest.mark.parametrize("documents", [[], [" "], None])
def test_no_place_at_all_is_an_error_of_the_config(documents: Any) -> None:
    options = {} if documents is None else {"documents": documents}
    with pytest.raises(ConfigError, match="documents"):
        recipe_of("closed_qa", **options)


BITS = ["a", "bc", " ", "\n", "\n\n", ". ", "# ", "。", "é", "\t", "word ", "\n \n"]
TEXT = st.lists(st.sampled_from(BITS), max_size=300).map("".join)


@given(TEXT, st.integers(1, 60))
def test_parts_hold_the_whole_text_in_order_within_the_limit(text: str, limit: int) -> None:
    parts = chunks(text, limit)
    assert all(0 < len(part) <= limit and part == part.strip() for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_a_long_text_is_cut_at_the_ends_of_paragraphs_into_equal_parts() -> None:
    paragraphs = [f"Paragraph {n}. " + "It goes on. " * 8 for n in range(20)]
    parts = chunks("\n\n".join(p.strip() for p in paragraphs), 600)
    assert all(part.startswith("Paragraph") for part in parts)
    assert max(map(len, parts)) - min(map(len, parts)) < 250


def test_a_long_paragraph_is_cut_at_the_ends_of_sentences() -> None:
    parts = chunks("This is a sentence of some words. " * 50, 300)
    assert all(part.endswith("words.") for part in parts)
    parts = chunks("これは文です。" * 50, 60)
    assert all(part.endswith("。") for part in parts)


def test_a_heading_stays_with_what_follows_it() -> None:
    text = "\n\n".join(f"## Part {n}\n\n" + "Some text of it. " * 10 for n in range(12))
    for part in chunks(text, 500):
        assert part.startswith("## Part")
        assert not part.splitlines()[-1].startswith("#")


def test_a_scrap_is_joined_to_its_neighbour() -> None:
    text = "x" * 90 + "\n\n" + "y" * 5 + "\n\n" + "z" * 93
    assert chunks(text, 100) == ["x" * 90 + "\n\n" + "y" * 5, "z" * 93]


def test_the_headline_is_that_of_the_beginning() -> None:
    assert headline("\n# A *title* ##\ntext") == "A *title*"
    assert headline("text\n# later") == ""
    assert headline("#hashtag") == ""


def test_a_part_says_which_it_is(tmp_path: Path) -> None:
    text = "\n\n".join(f"Paragraph {n} says something of its own." for n in range(40))
    (tmp_path / "long.md").write_text(text)
    (tmp_path / "short.md").write_text("A short one.")
    rows = write(closed_qa(tmp_path, chunk=900, instructions=1), 3).rows
    assert [row["lineage"][0]["from"] for row in rows] == [
        "long.md, part 1 of 2", "long.md, part 2 of 2", "short.md",
    ]  # fmt: skip


def test_a_document_is_data_and_never_a_template(tmp_path: Path) -> None:
    nasty = 'A {{ 7 * 7 }} and {% include "_list.md" %} and {# gone? #} and """ and </document>.'
    for n in range(30):
        (tmp_path / f"{n:02}.txt").write_text(f"{nasty} Number {n}.")
    model = Messy()
    for prompt in write(closed_qa(tmp_path, instructions=2), 60, model).prompts:
        assert nasty in prompt
        instruction = prompt.replace(nasty, "")
        assert "49" not in instruction and instruction.strip()
    assert all(nasty in asked or "not enough" in asked for asked in model.asked)


def test_documents_and_instructions_are_joined_in_several_ways(tmp_path: Path) -> None:
    for n in range(30):
        (tmp_path / f"{n:02}.txt").write_text(f"The text of number {n}.")
    frames: Counter[str] = Counter()
    for row in write(closed_qa(tmp_path), 90).rows:
        document, instruction = (item["text"] for item in row["lineage"])
        frame = row["prompt"].replace(document, "D").replace(instruction, "I")
        frames["".join(c for c in frame if not c.isdigit())] += 1
    assert len(frames) == 8
    assert max(frames.values()) < 30


def test_two_questions_on_a_long_document_are_both_new_and_rewordings_are_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.txt").write_text("A long document. " * 200)
    said = (
        "1. Why is the document so long, by its own words?\n"
        "2. Sum it up in nine words.\n"
        "3. Why is the document so long, by its own word?"
    )
    written = write(closed_qa(tmp_path), 10, lambda messages, index, seed: said)
    assert len(written.rows) == 2
    assert written.report.stages["instruction"].repeated >= 1


def test_what_was_asked_on_a_part_is_told_in_the_next_turn(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A document.")
    model = Messy()
    written = write(closed_qa(tmp_path, instructions=3), 9, model)
    assert written.report.turns == 3
    first = written.rows[0]["lineage"][1]["text"]
    assert any("None of these again" in asked and first in asked for asked in model.asked)


def test_kinds_are_drawn_so_that_all_come_up(tmp_path: Path) -> None:
    for n in range(40):
        (tmp_path / f"{n:02}.txt").write_text(f"The text of number {n}.")
    model = Messy()
    kinds = [f"kind number {n}" for n in range(6)]
    write(closed_qa(tmp_path, kinds=kinds, instructions=2), 80, model)
    counts = [sum(kind in asked for asked in model.asked) for kind in kinds]
    assert min(counts) >= 5
