"""Votes as arenas publish them: what counts, what is left out, and what is said about it."""

from __future__ import annotations

import bz2
import gzip
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest

from fights import row, write_csv, write_rows
from gristmill.arena.battles import Battles
from gristmill.arena.rank import rank
from gristmill.arena.read import read, read_battles
from gristmill.arena.run import rank as rank_files
from gristmill.arena.tags.tag import tag
from gristmill.errors import DataError
from gristmill.intake.cells import Unusable
from gristmill.intake.outcomes import winner_in
from gristmill.intake.source import Source
from pages import Page
from processes import run

PAIRS = [("ant", "bee"), ("bee", "cow"), ("ant", "cow")]
KINDS = (".jsonl", ".json", ".csv", ".parquet")


def talk(question: Any, answer: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def votes(count: int = 18, **more: Callable[[int], Any]) -> list[dict[str, Any]]:
    """Votes in which every model wins and loses. more: columns, made from the row's number."""
    return [
        row(
            *PAIRS[n % 3],
            ("model_a", "model_b")[n % 4 == 3],
            **{name: make(n) for name, make in more.items()},
        )
        for n in range(count)
    ]


def said(battles: Battles) -> str:
    return " ".join(battles.notes)


class TestNoText:
    """A vote needs no text."""

    BROKEN: Sequence[tuple[Any, str]] = (
        (talk("hi", ""), "empty_response"),
        (talk("hi", None), "bad_turns"),
        (talk("", "one"), "empty_turn"),
        (talk("hi", [{"type": "image", "image": "aGk=", "text": None}]), "not_text"),
        (talk([{"type": "text", "text": "look"}, {"type": "image_url"}], "one"), "not_text"),
        (talk(["look", ["aGk="]], "one"), "not_text"),
        ([{"role": "narrator", "content": "x"}], "bad_turns"),
        (7, "bad_turns"),
    )

    @pytest.mark.parametrize(("broken", "reason"), BROKEN)
    def test_it_counts_and_is_told(self, tmp_path: Path, broken: Any, reason: str) -> None:
        good = talk("write python code", "2")
        lines = votes(
            conversation_a=lambda _: talk("write python code", "one **bold**"),
            conversation_b=lambda n: broken if n == 3 else good,
        )
        path = write_rows(tmp_path / "x.jsonl", lines)
        found = read([path], ("tags", "style"))
        assert len(found) == 18
        assert f"1 vote without texts that can be read ({reason} 1)" in said(found)
        assert found.tags["coding"].tolist() == [n != 3 for n in range(18)]
        assert (found.covariates["bold"] != 0).tolist() == [n != 3 for n in range(18)]
        assert rank(found)["battles"] == 18

    @pytest.mark.parametrize("kind", KINDS)
    def test_answers_of_the_55k_set_may_be_null(self, tmp_path: Path, kind: str) -> None:
        lines = votes(prompt=lambda _: '["hi there, all", "and?"]',
                      response_a=lambda n: '["one", null]' if n == 5 else '["one", "two"]',
                      response_b=lambda _: '["uno", "dos"]')  # fmt: skip
        path = write_rows(tmp_path / f"x{kind}", lines)
        found = read([path], ("tags", "style", "prompt"))
        assert "1 vote without texts that can be read (empty_response 1)" in said(found)
        assert found.names["prompt"].names == ["hi there, all"]
        assert found.tags["multi_turn"].sum() == 17
        assert read([path], ["prompt"]).names["prompt"].names == ["hi there, all"]

    def test_tag_says_so_too(self, tmp_path: Path) -> None:
        lines = votes(conversation_a=lambda n: talk("hi", "one" if n else ""),
                      conversation_b=lambda _: talk("hi", "two"))  # fmt: skip
        path = write_rows(tmp_path / "x.jsonl", lines)
        found = tag([path], tmp_path / "out.jsonl")
        assert (found["battles"], found["without_text"]) == (18, 1)
        assert found["notes"][0].startswith("1 vote without texts that can be read (empty_resp")


class TestLeftOut:
    """What LMArena's own leaderboards leave out."""

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(("no", "yes"), [(False, True), ("False", "True"), (0, 1)])
    def test_votes_on_known_names(self, tmp_path: Path, kind: str, no: Any, yes: Any) -> None:
        # In the tab of known names a model may meet itself.
        extra = [row("cow", "cow", "tie", anony=no), *[row("cow", "ant", anony=no)] * 11]
        lines = [*extra[:6], *votes(anony=lambda _: yes), *extra[6:]]
        found = read([write_rows(tmp_path / f"x{kind}", lines)], ["tags"])
        assert len(found) == 18
        assert f"x{kind}: 12 rows left out: the models' names were known" in said(found)
        assert rank(found)["ratings"][0]["model"] == "ant"

    def test_errors_name_the_file_s_own_row(self, tmp_path: Path) -> None:
        lines = [row(anony=False), row(anony=True), row(winner="draw", anony=True)]
        for kind in (".csv", ".parquet"):
            path = write_rows(tmp_path / f"x{kind}", lines)
            with pytest.raises(DataError, match=r"row 3: 'winner' is 'draw'"):
                read([path])

    def test_a_word_that_says_neither(self, tmp_path: Path) -> None:
        for kind in (".csv", ".jsonl"):
            path = write_rows(tmp_path / f"x{kind}", [row(anony="perhaps"), row("b", "c")])
            with pytest.raises(DataError, match="'anony' is 'perhaps'"):
                read([path])

    @pytest.mark.parametrize("kind", KINDS)
    def test_prompts_that_were_asked_too_often(self, tmp_path: Path, kind: str) -> None:
        def seen(n: int) -> Any:
            found = {"high_freq": n < 6, "sampled": n >= 4}
            return str(found) if kind == ".csv" else found

        found = read([write_rows(tmp_path / f"x{kind}", votes(dedup_tag=seen))])
        assert len(found) == 14
        assert ": 4 rows left out: prompts that were asked too often" in said(found)

    def test_nothing_is_left(self, tmp_path: Path) -> None:
        path = write_rows(tmp_path / "x.csv", votes(anony=lambda _: False))
        with pytest.raises(DataError, match=r"no battles.*18 rows left out"):
            read([path])


class TestLog:
    def event(self, n: int, models: Any) -> dict[str, Any]:
        a, b = PAIRS[n % 3]
        states = [
            {"model_name": name, "messages": [["USER", "hi"], ["ASSISTANT", f"I am {n}"]],
             "offset": 0, "conv_id": f"{name}{n}"}
            for name in (a, b)
        ]  # fmt: skip
        return {"tstamp": 1.69e9 + n, "type": "leftvote" if n % 4 else "rightvote",
                "models": models, "states": states, "ip": "192.0.2.7"}  # fmt: skip

    @pytest.mark.parametrize(
        "models",
        [["", ""], ["Model A", "Model B"], ["### Model A", "### Model B"], [None, None], None,
         ["<h3>Model A</h3>\n", "<h3>Model B</h3>\n"]],
    )  # fmt: skip
    def test_names_that_are_hidden(self, tmp_path: Path, models: Any) -> None:
        events = [self.event(n, models) for n in range(18)]
        found = read([write_rows(tmp_path / "x.jsonl", events)])
        assert (len(found), found.notes) == (18, ())

    @pytest.mark.parametrize(
        "models",
        [["ant", "bee"], ["### Model A: ant", "### Model B: bee"], ["", "bee"],
         ["<h3>Model A: ant</h3>\n", "<h3>Model B: bee</h3>\n"]],
    )  # fmt: skip
    def test_names_that_are_not(self, tmp_path: Path, models: Any) -> None:
        events = [self.event(n, models if n < 6 else ["", ""]) for n in range(18)]
        found = read([write_rows(tmp_path / "x.jsonl", events)])
        assert len(found) == 12
        assert ": 6 rows left out: the models' names were known" in said(found)

    def test_its_votes_are_preference_pairs_too(self, tmp_path: Path) -> None:
        path = write_rows(tmp_path / "x.jsonl", [self.event(1, ["", ""]), {"type": "chat",
                          "states": [], "models": []}])  # fmt: skip
        event = self.event(1, ["", ""])
        event["states"][1]["messages"][1][1] = "and I am not"
        write_rows(path, [event, {"type": "chat", "states": [], "models": []}])
        pair, refused = Source(file=str(path)).records("pair")
        assert [answer.text for answer in pair.answers] == ["I am 1", "and I am not"]  # type: ignore[union-attr]
        assert refused.reason == "no_vote"  # type: ignore[union-attr]


class TestWinners:
    @pytest.mark.parametrize("kind", [*KINDS, ".tsv", ".arrow", ".csv.gz"])
    def test_three_columns(self, tmp_path: Path, kind: str) -> None:
        names = ["winner_model_a", "winner_model_b", "winner_tie"]
        lines = [
            {"model_a": PAIRS[n % 3][0], "model_b": PAIRS[n % 3][1]}
            | {name: int(n % 3 == place) for place, name in enumerate(names)}
            for n in range(18)
        ]
        found = read([write_any(tmp_path / f"x{kind}", lines)])
        assert found.outcome.tolist() == [0, 1, 2] * 6

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("said", [(1, 1, 0), (0, 0, 0)])
    def test_not_one_of_three(self, tmp_path: Path, kind: str, said: Any) -> None:
        names = ["winner_model_a", "winner_model_b", "winner_tie"]
        good, bad = (
            {"model_a": "a", "model_b": "b", **dict(zip(names, values, strict=True))}
            for values in ((1, 0, 0), said)
        )
        path = write_rows(tmp_path / f"x{kind}", [good, bad])
        with pytest.raises(DataError, match=rf"winner_tie: {sum(said)} of them are 1, not one"):
            read([path])

    def test_spellings(self) -> None:
        for text in ("tie (bothbad)", "bothbad", "both_bad", "tie (both bad)"):
            assert winner_in({"winner": text}) == "both_bad"
        for text in ("Tie", "both", "a", "", None, 1):
            with pytest.raises(Unusable):
                winner_in({"winner": text})


class TestTags:
    """What LMArena's annotations say of a vote without texts."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_boards(self, tmp_path: Path, kind: str) -> None:
        seven = ("specificity", "domain_knowledge", "complexity", "problem_solving", "creativity",
                 "technical_accuracy", "real_world")  # fmt: skip

        def tags(n: int) -> Any:
            found = {
                "creative_writing_v0.1": {"creative_writing": n == 1, "score": "no"},
                "criteria_v0.1": {name: n < 3 or name == "creativity" for name in seven},
                "if_v0.1": {"if": n == 2, "score": 4},
                "math_v0.1": {"math": n == 4},
            }
            return str(found) if kind == ".csv" else found

        lines = votes(is_code=lambda n: n % 2 == 0, category_tag=tags, turn=lambda _: 1)
        found = read([write_rows(tmp_path / f"x{kind}", lines)], ["tags"])
        assert {name: int(rows.sum()) for name, rows in found.tags.items()} == {
            "coding": 9, "creative_writing": 1, "hard_prompt": 3, "instruction_following": 1,
            "math": 1,
        }  # fmt: skip
        assert not found.unused

    def test_the_140k_set(self, tmp_path: Path) -> None:
        def part(text: str) -> list[dict[str, Any]]:
            return [{"type": "text", "text": text, "image": None, "mimeType": None}]

        lines = votes(
            id=lambda n: f"v{n}",
            evaluation_session_id=lambda n: f"s{n // 2}",
            evaluation_order=lambda n: 1 + n % 2,
            conversation_a=lambda n: talk(part("sort a list in python"), part("x" * (n % 5 + 1))),
            conversation_b=lambda n: talk(part("sort a list in python"), part("x" * (n % 7 + 1))),
            full_conversation=lambda _: [{"user": {"role": "user", "content": part("x")}}],
            conv_metadata=lambda _: {"sum_assistant_a_tokens": 3, "bold_count_a": {"**": 0}},
            is_code=lambda _: True,
            language=lambda _: "en",
            timestamp=lambda n: f"2025-06-01 10:00:{n:02d}.123456",
        )
        for kind in (".jsonl", ".parquet"):
            path = write_rows(tmp_path / f"x{kind}", lines)
            for category in ("overall", "coding"):
                found = rank_files([path], category=category, style=True)
                assert (found["battles"], found["style"][0]["name"]) == (18, "length")
            assert found["unused_columns"] == dict.fromkeys(
                ("evaluation_session_id", "evaluation_order", "full_conversation",
                 "conv_metadata"), 18)  # fmt: skip
            assert "Columns that nothing here uses: " in found["warnings"][-1]


class TestUnused:
    @pytest.mark.parametrize("kind", [*KINDS, ".tsv"])
    def test_it_is_said_everywhere(self, tmp_path: Path, kind: str) -> None:
        lines = votes(weight=lambda _: 2, len=lambda n: n - 8.5, language=lambda _: "en")
        path = write_any(tmp_path / f"x{kind}", lines)
        outs = [tmp_path / "board.json", tmp_path / "board.html"]
        code, out, err = run(
            "arena", "rank", path, "--covariates", "len", "--out", outs[0], "--out", outs[1]
        )
        assert (code, err) == (0, "")
        line = "Columns that nothing here uses: weight (18 rows)."
        assert f"note: {line}" in out
        assert orjson.loads(outs[0].read_bytes())["unused_columns"] == {"weight": 18}
        assert line in Page(outs[1].read_text()).text

    def test_nothing_of_ours_is_unused(self, tmp_path: Path) -> None:
        path = write_rows(tmp_path / "x.jsonl", votes(conversation_a=lambda _: talk("hi", "1")))
        tag([path], tmp_path / "out.jsonl")
        assert not read([tmp_path / "out.jsonl"]).unused


def write_any(path: Path, lines: list[dict[str, Any]]) -> Path:
    """A file of any kind that the intake knows."""
    plain = path.with_suffix("") if path.suffix in (".gz", ".bz2", ".zst") else path
    table = pa.table({name: [line.get(name) for line in lines] for name in lines[0]})
    if plain.suffix == ".arrow":
        with ipc.new_file(plain, table.schema) as file:
            file.write_table(table)
    elif plain.suffix == ".feather":
        with ipc.new_stream(plain, table.schema) as file:
            file.write_table(table)
    elif plain.suffix == ".tsv":
        rows = ["\t".join(lines[0]), *("\t".join(map(str, line.values())) for line in lines)]
        plain.write_text("\n".join(rows) + "\n")
    else:
        write_rows(plain, lines)
    packed = plain.read_bytes()
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(packed))
    elif path.suffix == ".bz2":
        path.write_bytes(bz2.compress(packed))
    elif path.suffix == ".zst":
        path.write_bytes(pa.compress(packed, "zstd", asbytes=True))
    return path


class TestPlaces:
    KINDS = (".jsonl.gz", ".jsonl.zst", ".csv.gz", ".csv.bz2", ".csv.zst", ".tsv", ".tsv.gz",
             ".arrow", ".feather", ".arrow.zst", ".parquet.gz", ".parquet.zst")  # fmt: skip

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_kind_tells_the_same(self, tmp_path: Path, kind: str) -> None:
        lines = votes(judge=lambda n: f"j{n}", time=lambda n: 1e9 + n)
        found = read([write_any(tmp_path / f"x{kind}", lines)], ("judge", "time"))
        plain = read([write_rows(tmp_path / "x.jsonl", lines)], ("judge", "time"))
        assert found.models == plain.models
        for column in ("a", "b", "outcome", "time"):
            assert getattr(found, column).tolist() == getattr(plain, column).tolist()
        assert found.names["judge"].names == plain.names["judge"].names

    def test_folders_and_patterns(self, tmp_path: Path) -> None:
        lines = votes(id=lambda n: f"v{n}", judge=lambda _: "j")
        (tmp_path / "votes").mkdir()
        write_rows(tmp_path / "votes" / "1.csv", lines[:9])
        write_rows(tmp_path / "votes" / "2.jsonl", lines[9:])
        for name in ("votes", "votes/*", "votes/[12].*"):
            assert len(read([f"{tmp_path}/{name}"])) == 18
        found = read([tmp_path / "votes", tmp_path / "votes" / "1.csv"])
        assert len(found) == 18
        assert "1.csv is named twice and was read once." in said(found)
        assert len(read([f"file://{tmp_path}/votes/1.csv"])) == 9

    def test_standard_input(self, tmp_path: Path) -> None:
        path = write_rows(tmp_path / "x.csv", votes())
        with path.open("rb") as file:
            done = subprocess.run(
                [sys.executable, "-m", "gristmill.cli", "arena", "rank", "-"],
                stdin=file, capture_output=True, check=True,
            )  # fmt: skip
        assert done.stdout.startswith(b"Overall: 18 battles")

    def test_a_packed_file_that_is_cut_off(self, tmp_path: Path) -> None:
        for kind in (".csv.gz", ".jsonl.gz"):
            path = write_any(tmp_path / f"x{kind}", votes(900, id=str))
            path.write_bytes(path.read_bytes()[:-500])
            with pytest.raises(DataError, match=rf"x{kind}: "):
                read([path])


class TestColumns:
    NAMED = "model_a=left,model_b=right,winner=vote.who,judge=by"

    @pytest.mark.parametrize("kind", KINDS)
    def test_other_names(self, tmp_path: Path, kind: str) -> None:
        lines = [
            {"left": r["model_a"], "right": r["model_b"], "vote": r["winner"], "by": "ann"}
            for r in votes()
        ]
        path = write_rows(tmp_path / f"x{kind}", lines)
        names = self.NAMED.replace(".who", "")
        code, out, err = run("arena", "rank", path, "--columns", names)
        assert (code, err) == (0, "")
        assert "18 battles of 3 models" in out
        assert "nothing here uses" not in out

    @pytest.mark.parametrize("kind", [".jsonl", ".parquet"])
    def test_nested_ones(self, tmp_path: Path, kind: str) -> None:
        lines = [
            {"left": r["model_a"], "right": r["model_b"], "vote": {"who": r["winner"]}, "by": "ann"}
            for r in votes()
        ]
        path = write_rows(tmp_path / f"x{kind}", lines)
        columns = dict(pair.split("=") for pair in self.NAMED.split(","))
        found = read([path], ["judge"], columns=columns)
        assert (len(found), found.names["judge"].names, found.unused) == (18, ["ann"], {})

    def test_a_name_that_the_file_has_not(self, tmp_path: Path) -> None:
        for kind, expected in ((".csv", "no column 'left'"), (".jsonl", "the row has no left")):
            path = write_rows(tmp_path / f"x{kind}", [{"model_b": "b", "winner": "tie"}])
            with pytest.raises(DataError, match=expected):
                read([path], columns={"model_a": "left"})

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("model_c=x", "did you mean 'model_b'?"), ("model_a", "write ours=theirs"),
         ("winner=x,winner=y", "'winner' is named twice"), ("response=x", "unknown name")],
    )  # fmt: skip
    def test_mistakes(self, tmp_path: Path, text: str, expected: str) -> None:
        path = write_rows(tmp_path / "x.csv", votes())
        code, _, err = run("arena", "rank", path, "--columns", text)
        assert code == 2
        assert err.startswith("error: --columns: ")
        assert expected in err


class TestOnce:
    """The same vote in several files, or twice in one."""

    BY: ClassVar[dict[str, dict[str, Callable[[int], Any]]]] = {
        "id and judge": {"id": lambda n: f"q{n}", "judge": lambda n: f"u{n % 3}"},
        "id and time": {"id": lambda n: f"q{n}", "time": lambda n: 1e9 + n},
        "judge and time": {"judge": lambda n: f"u{n % 3}", "tstamp": lambda n: 1e9 + n},
        "all": {"question_id": lambda n: n, "judge_hash": lambda n: f"u{n % 3}",
                "timestamp": lambda n: f"2025-06-01 10:00:{n:02d}"},
    }  # fmt: skip

    @pytest.mark.parametrize("by", BY)
    @pytest.mark.parametrize("kinds", [(".jsonl", ".jsonl"), (".csv", ".parquet")])
    def test_two_exports(self, tmp_path: Path, by: str, kinds: tuple[str, str]) -> None:
        lines = votes(24, **self.BY[by])
        first = write_rows(tmp_path / f"1{kinds[0]}", lines[:18])
        second = write_rows(tmp_path / f"2{kinds[1]}", lines)
        found = read([first, second])
        assert len(found) == 24
        assert "18 votes stood there before" in said(found)
        assert not found.names  # What only the comparison needed.

    def test_another_decision_is_another_vote(self, tmp_path: Path) -> None:
        lines = votes(**self.BY["id and judge"])
        first = write_rows(tmp_path / "1.csv", lines)
        other = [{**line, "winner": "tie"} for line in lines[:5]]
        found = read([first, write_rows(tmp_path / "2.csv", [*other, *lines[5:]])])
        assert len(found) == 18 + 5

    @pytest.mark.parametrize(
        "known", [{}, {"id": lambda n: f"q{n}"}, {"judge": lambda n: f"u{n % 3}"}]
    )
    def test_what_cannot_be_told_counts_and_is_said(self, tmp_path: Path, known: Any) -> None:
        paths = [write_rows(tmp_path / f"{n}.csv", votes(**known)) for n in (1, 2)]
        found = read(paths)
        assert len(found) == 36
        assert "36 votes have fewer than two of id, judge and time" in said(found)
        assert not read(paths[:1]).notes

    def test_unnamed_judges_may_agree(self, tmp_path: Path) -> None:
        known: dict[str, Callable[[int], Any]] = {
            "id": lambda _: "q",
            "time": lambda _: "2025-06-01",
        }
        three, four = ([row(**{k: v(0) for k, v in known.items()})] * n for n in (3, 4))
        first = write_rows(tmp_path / "1.csv", three)
        assert len(read([first])) == 3
        # Of the second file's four, three may be the first one's.
        assert len(read([first, write_rows(tmp_path / "2.jsonl", four)])) == 4

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_named_judge_s_vote_twice_in_one_file(self, tmp_path: Path, kind: str) -> None:
        lines = votes(id=lambda n: f"q{n}", judge=lambda n: f"u{n % 3}", time=lambda n: 1e9 + n)
        later = {**lines[0], "time": 2e9}
        found = read([write_rows(tmp_path / f"x{kind}", [*lines, *lines[:4], later])])
        assert len(found) == 19
        assert "4 votes stood there before" in said(found)

    def test_signed_and_unsigned_votes_of_one_id(self, tmp_path: Path) -> None:
        lines = [row(id="q"), row(id="q"), row(id="q", judge="u"), row(id="q", judge="u")]
        assert len(read([write_rows(tmp_path / "x.jsonl", lines)])) == 3

    def test_an_empty_file_among_others_is_said(self, tmp_path: Path) -> None:
        empty = write_csv(tmp_path / "empty.csv", [])
        found = read([empty, write_rows(tmp_path / "x.csv", votes())])
        assert (len(found), found.notes) == (18, ("empty.csv: no battles.",))


def test_battles_of_several_places(tmp_path: Path) -> None:
    one = write_rows(tmp_path / "1.jsonl", votes(3))
    two = tmp_path / "2.parquet"
    pq.write_table(pa.Table.from_pylist(votes(2)), two)
    assert len(list(read_battles([one, two]))) == 5
