"""Prompt files: every line becomes a prompt or a reason, whatever is in it."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import DataError
from gristmill.intake.cells import Refused
from gristmill.intake.files import check_files, count_rows
from gristmill.intake.record import PROMPT
from gristmill.intake.source import Source
from gristmill.mill.source import read_prompts
from gristmill.records import Message, Prompt, prompt_id


def read(path: Path, system: str | None = None) -> list[Prompt | Refused]:
    return list(read_prompts([Source(file=str(path))], system))


def texts(items: list[Prompt | Refused]) -> list[str]:
    """The last message of a prompt, or the reason of a bad line."""
    return [i.messages[-1].content if isinstance(i, Prompt) else i.reason for i in items]


def write(tmp_path: Path, content: str | bytes, name: str = "p.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


class TestJsonLines:
    def test_byte_order_mark_blank_lines_and_windows_line_ends(self, tmp_path: Path) -> None:
        raw = b'\xef\xbb\xbf{"prompt": "one"}\r\n\r\n   \n{"prompt": "two"}\r\n{"prompt": "three"}'
        items = read(write(tmp_path, raw))
        assert texts(items) == ["one", "two", "three"]

    def test_bad_lines_are_named_and_the_rest_goes_on(self, tmp_path: Path) -> None:
        lines = ['{"prompt": "a"}', '{"prompt": "b"', "[1]", '"text"', "", '{"prompt": "c"}']
        items = read(write(tmp_path, "\n".join(lines)))
        assert texts(items) == ["a", "input:bad_json", "input:bad_json", "input:bad_json", "c"]
        bad = [i for i in items if isinstance(i, Refused)]
        assert [b.where for b in bad] == ["p.jsonl:2", "p.jsonl:3", "p.jsonl:4"]
        assert bad[1].detail == "expected an object, found list"
        assert bad[0].text == '{"prompt": "b"'

    @pytest.mark.parametrize(
        ("row", "detail"),
        [
            ({"text": "a"}, "wrong_kind: a row of 'text' gives texts, for pretrain; prompts are"),
            ({"colour": "a"}, "unknown_format: columns colour are no known format"),
            ({"prompt": ""}, "empty_prompt: 'prompt' is empty"),
            ({"prompt": " \n"}, "'prompt' is empty"),
            ({"prompt": 3}, "'prompt' is empty or not a text"),
            ({"prompt": None}, "unknown_format: columns none are"),
            ({"messages": []}, "'messages' is not a list"),
            ({"messages": "hi"}, "'messages' is not a list"),
            ({"messages": [{"role": "narrator", "content": "a"}]}, "is by 'narrator'; known: "),
            ({"messages": ["a"]}, "'messages[0]' is not a message"),
            ({"messages": [{"role": "user", "content": 7}]}, "has no text as content"),
            ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "not_text"),
            ({"messages": [{"role": "assistant", "content": "a"}]}, "nothing is asked"),
            ({"messages": [{"role": "system", "content": "a"}]}, "ends with the system's"),
            ({"prompt": "a", "id": ["x"]}, "'id' is list"),
            ({"prompt": "a", "answer": True}, "'answer' is bool"),
        ],
    )  # fmt: skip
    def test_a_row_that_is_no_prompt_says_why(
        self, tmp_path: Path, row: dict[str, Any], detail: str
    ) -> None:
        (item,) = read(write(tmp_path, json.dumps(row)))
        assert isinstance(item, Refused)
        assert item.reason == "input:bad_prompt"
        assert detail in item.detail

    def test_messages_facts_and_parents_come_through(self, tmp_path: Path) -> None:
        row = {
            "messages": [
                {"role": "system", "content": ""},
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "b"},
                {"role": "user", "content": "c"},
            ],
            "id": 7,
            "answer": 42,
            "category": "sums",
            "language": "en",
            "parents": ["t1", 2],
            "unknown": {"is": "ignored"},
        }
        (item,) = read(write(tmp_path, json.dumps(row)))
        assert isinstance(item, Prompt)
        assert [m.role for m in item.messages] == ["system", "user", "assistant", "user"]
        assert (item.id, item.answer, item.category, item.language) == ("7", "42", "sums", "en")
        assert (item.parents, item.source) == (("t1", "2"), "p.jsonl")

    def test_a_prompt_may_be_a_list_of_messages(self, tmp_path: Path) -> None:
        row = {"prompt": [{"role": "user", "content": "a"}]}
        (item,) = read(write(tmp_path, json.dumps(row)))
        assert isinstance(item, Prompt)
        assert item.messages == (Message("user", "a"),)

    def test_a_system_message_goes_before_prompts_that_have_none(self, tmp_path: Path) -> None:
        own = [{"role": "system", "content": "own"}, {"role": "user", "content": "b"}]
        rows = [{"prompt": "a"}, {"messages": own}]
        first, second = read(write(tmp_path, "\n".join(map(json.dumps, rows))), "Be brief.")
        assert isinstance(first, Prompt) and isinstance(second, Prompt)
        assert first.messages == (Message("system", "Be brief."), Message("user", "a"))
        assert second.messages[0].content == "own"
        assert first.id == prompt_id(first.messages)


class TestIds:
    def test_the_same_prompt_again_is_a_duplicate(self, tmp_path: Path) -> None:
        items = read(write(tmp_path, '{"prompt": "a"}\n{"prompt": "b"}\n{"prompt": "a"}\n'))
        assert texts(items) == ["a", "b", "input:duplicate"]

    def test_the_same_text_under_two_ids_is_two_prompts(self, tmp_path: Path) -> None:
        rows = '{"id": "1", "prompt": "a"}\n{"id": "2", "prompt": "a"}\n{"id": "1", "prompt": "a"}'
        assert texts(read(write(tmp_path, rows))) == ["a", "a", "input:duplicate"]

    def test_two_prompts_with_one_id_get_an_id_each(self, tmp_path: Path) -> None:
        one = write(tmp_path, '{"id": 0, "prompt": "a"}\n{"id": 1, "prompt": "b"}\n', "one.jsonl")
        two = write(tmp_path, '{"id": 0, "prompt": "c"}\n{"id": 1, "prompt": "b"}\n', "two.jsonl")
        items = list(read_prompts([Source(file=str(one)), Source(file=str(two))]))
        assert texts(items) == ["a", "b", "c", "input:duplicate"]
        ids = [i.id for i in items if isinstance(i, Prompt)]
        assert ids[:2] == ["0", "1"]
        assert ids[2].startswith("0-")
        sources = [Source(file=str(one)), Source(file=str(two))]
        again = [i.id for i in read_prompts(sources) if isinstance(i, Prompt)]
        assert again == ids

    def test_ids_of_content_depend_on_roles_and_borders(self) -> None:
        different = [
            (Message("user", "ab"),),
            (Message("system", "a"), Message("user", "b")),
            (Message("user", "a"), Message("user", "b")),
            (Message("user", "1:a"),),
        ]
        assert len({prompt_id(m) for m in different}) == len(different)


class TestCsv:
    def test_quoted_line_ends_empty_cells_and_a_mark_first(self, tmp_path: Path) -> None:
        raw = (
            "\ufeffid,prompt,answer\r\n"
            '1,"two\r\nlines, one ""quoted""",x\r\n'
            "2,,y\r\n"
            "3,plain\r\n"
            "4,too,many,cells\r\n"
        )
        items = read(write(tmp_path, raw, "p.csv"))
        expected = ['two\r\nlines, one "quoted"', "input:bad_prompt", "plain", "too"]
        assert texts(items) == expected
        assert isinstance(items[2], Prompt)
        assert items[2].answer is None

    def test_columns_that_hold_no_prompt_are_one_error_and_not_one_a_row(
        self, tmp_path: Path
    ) -> None:
        path = write(tmp_path, "colour,reply\na,b\n", "p.csv")
        with pytest.raises(DataError, match=r"p.csv: line 1: columns colour, reply are no known"):
            Source(file=str(path)).check(PROMPT)
        Source(file=str(path), columns={"prompt": "colour"}).check(PROMPT)

    def test_a_cell_may_be_longer_than_the_csv_modules_own_limit(self, tmp_path: Path) -> None:
        items = read(write(tmp_path, "prompt\n" + "x" * 300_000 + "\n", "p.csv"))
        assert len(texts(items)[0]) == 300_000

    def test_a_row_in_another_encoding_is_put_aside(self, tmp_path: Path) -> None:
        items = read(write(tmp_path, "prompt\ncafé\n".encode("latin-1") + b"tea\n", "p.csv"))
        assert texts(items) == ["input:bad_encoding", "tea"]
        assert isinstance(items[0], Refused)
        assert "save the file as UTF-8" in items[0].detail
        items[0].text.encode()

    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"))))
    def test_what_the_csv_module_writes_is_read_back(
        self, tmp_path_factory: pytest.TempPathFactory, prompts: list[str]
    ) -> None:
        path = tmp_path_factory.mktemp("csv") / "p.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["id", "prompt"])
            rows.writerows(enumerate(prompts))
        expected = [p if p.strip() else "input:bad_prompt" for p in prompts]
        assert texts(read(path)) == expected


class TestParquet:
    def test_rows_messages_and_nulls(self, tmp_path: Path) -> None:
        rows = [
            {"prompt": "a", "messages": None, "id": 1},
            {"prompt": None, "messages": [{"role": "user", "content": "b"}], "id": None},
            {"prompt": None, "messages": None, "id": 3},
        ]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
        assert texts(read(tmp_path / "p.parquet")) == ["a", "b", "input:bad_prompt"]
        assert count_rows(tmp_path / "p.parquet") == 3

    @pytest.mark.parametrize("cut", [0, 4, 30, -30, -4])
    def test_a_damaged_file_is_one_clear_error(self, tmp_path: Path, cut: int) -> None:
        whole = tmp_path / "whole.parquet"
        pq.write_table(pa.table({"prompt": [str(i) for i in range(5000)]}), whole)
        damaged = write(tmp_path, whole.read_bytes()[:cut], "cut.parquet")
        with pytest.raises(DataError, match="not a readable Parquet file"):
            read(damaged)

    def test_damage_inside_a_page_is_the_same(self, tmp_path: Path) -> None:
        whole = tmp_path / "whole.parquet"
        table = pa.table({"prompt": [random.Random(i).random().hex() for i in range(5000)]})
        pq.write_table(table, whole, compression="zstd", use_dictionary=False)
        raw = bytearray(whole.read_bytes())
        raw[5000:9000] = bytes(4000)
        with pytest.raises(DataError, match="not a readable Parquet file"):
            read(write(tmp_path, bytes(raw), "torn.parquet"))


class TestFiles:
    @pytest.mark.parametrize("name", ["p.jsonl", "p.csv", "p.json", "p.ndjson"])
    @pytest.mark.parametrize("content", ["", "\n", " \n\n"])
    def test_an_empty_file_is_refused(self, tmp_path: Path, name: str, content: str) -> None:
        path = write(tmp_path, content, name)
        with pytest.raises(DataError, match="the file is empty; write one row a line"):
            check_files([str(path)])

    def test_missing_unknown_and_unreadable_files_are_named(self, tmp_path: Path) -> None:
        good = write(tmp_path, '{"prompt": "a"}')
        check_files([str(good)])
        (tmp_path / "folder.jsonl").mkdir()
        for name, message in (
            ("none.jsonl", "none.jsonl: no such file"),
            ("p.txt", "unknown kind of file; use one of .jsonl"),
            ("folder.jsonl", "there is no file of these kinds"),
        ):
            with pytest.raises(DataError, match=message):
                check_files([str(good), str(tmp_path / name)])

    def test_several_files_are_read_in_order(self, tmp_path: Path) -> None:
        files = [
            write(tmp_path, f'{{"prompt": "{n}1"}}\nbad\n', f"{n}.jsonl") for n in ("z", "a", "m")
        ]
        items = list(read_prompts([Source(file=str(f)) for f in files]))
        bad = "input:bad_json"
        assert texts(items) == ["z1", bad, "a1", bad, "m1", bad]
        assert [i.where for i in items if isinstance(i, Refused)] == [
            "z.jsonl:2", "a.jsonl:2", "m.jsonl:2",
        ]  # fmt: skip


broken_lines = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"{", b'{"prompt": "\xff"}', b"\x00", b'{"prompt": "\\ud800"}', b"[" * 2000]),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text()),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["prompt", "messages", "id", "role", "content", "parents"]), inner
            ),
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
)


@given(st.lists(broken_lines, max_size=6), st.sampled_from(["jsonl", "csv"]))
def test_no_bytes_whatever_are_more_than_bad_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], kind: str
) -> None:
    head = [b"id,prompt"] if kind == "csv" else []
    path = write(tmp_path_factory.mktemp("any"), b"\n".join([*head, *lines]), f"p.{kind}")
    for item in read(path):
        if isinstance(item, Prompt):
            assert item.id and item.messages[-1].content.strip()
            "".join(m.content for m in item.messages).encode()
        else:
            assert item.reason.startswith("input:") and item.where and item.detail
            item.text.encode()


@given(st.binary(max_size=200))
def test_no_bytes_whatever_are_more_than_an_error_as_parquet_or_csv(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in ("p.parquet", "p.csv"):
        try:
            read(write(folder, raw, name))
        except DataError as error:
            assert name in str(error)


def test_a_json_file_may_be_one_array(tmp_path: Path) -> None:
    file = tmp_path / "prompts.json"
    file.write_text(
        '\n [{"prompt": "One?"},\n 7, {"messages": [{"role": "user", "content": "2?"}]}]'
    )
    first, second, third = read_prompts([Source(file=str(file))])
    assert isinstance(first, Prompt)
    assert first.messages[-1].content == "One?"
    assert isinstance(second, Refused)
    assert second.where == "prompts.json:2"
    assert isinstance(third, Prompt)


def test_a_json_array_that_breaks_off_is_said_to(tmp_path: Path) -> None:
    file = tmp_path / "prompts.json"
    file.write_text('[{"prompt": "One?"},')
    with pytest.raises(DataError, match=r"prompts\.json: not valid JSON"):
        list(read_prompts([Source(file=str(file))]))
