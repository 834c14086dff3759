"""One intake: a row of any shape is read the same by every command, or refused with one line.

The table is shape x command. What a command needs is a kind (`intake.record.KINDS`); who reads it
is asked itself, not the intake behind it.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gristmill
from gristmill.arena.duel.prompts import read_prompts as read_duel
from gristmill.bench.items import items_of
from gristmill.errors import DataError
from gristmill.filters._against import texts_in
from gristmill.intake.cells import Refused
from gristmill.intake.forms import FORMS
from gristmill.intake.record import CONVERSATION, ITEM, KINDS, PAIR, PROMPT, RATED, TEXT
from gristmill.intake.source import Source
from gristmill.jobs.score import answers_of
from gristmill.mill.source import read_prompts as read_mill
from gristmill.recipes._seeds import read_seeds
from gristmill.records import Message
from gristmill.train.examples import Compared, Conversation, Document, Rated
from gristmill.train.sources import TrainingSource, read
from shapes import SHAPES

ASKED = (Message("user", "Q?"),)
SAID, WORSE = Message("assistant", "Good."), Message("assistant", "Bad.")


def one(found: Any) -> Any:
    """The one thing in a reading, or the line that it was refused with."""
    try:
        (item,) = found
    except DataError as error:
        return str(error)
    return str(item) if isinstance(item, Refused) else item


def line(told: str, refusal: str) -> bool:
    """Whether what a reader told holds the refusal's line, whatever it says around it."""
    return refusal.split(": ", 1)[1] in told


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, Any], set[str]]:
    row, gives = SHAPES[request.param]
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    return path, row, gives


def refusal(path: Path, *kinds: str) -> str:
    (found,) = Source(file=str(path)).records(*kinds)
    assert isinstance(found, Refused)
    return str(found)


def test_who_needs_prompts_reads_the_same(shape: tuple[Path, dict[str, Any], set[str]]) -> None:
    path, _, gives = shape
    source = Source(file=str(path))
    run, battle = one(read_mill([source])), one(read_duel([source]))
    seeds = one(read_seeds(source) if PROMPT in gives else _failing(read_seeds, source))
    if PROMPT not in gives:
        expected = refusal(path, PROMPT)
        assert line(run, expected) and line(battle, expected) and line(seeds, expected)
        return
    assert run.messages == battle.messages == seeds.messages == ASKED
    assert run.id == battle.id and run.answer == battle.answer


def _failing(reader: Callable[..., Any], *given: Any) -> Any:
    """A reading that raises where there is nothing: so that `one` sees why."""
    yield from reader(*given)


@pytest.mark.parametrize(
    ("kind", "example"),
    [(CONVERSATION, Conversation), (RATED, Rated), (PAIR, Compared), (TEXT, Document)],
)
def test_training_reads_the_same(
    shape: tuple[Path, dict[str, Any], set[str]], kind: str, example: type
) -> None:
    path, _, gives = shape
    found = one(read(TrainingSource(file=str(path)), (example,)))
    if kind not in gives:
        assert line(found, refusal(path, kind))
    elif isinstance(found, Conversation):
        assert found.messages == (*ASKED, SAID)
    elif isinstance(found, Rated):
        assert (found.prompt, found.response, found.labels) == (ASKED, "Good.", (3,) * 5)
    elif isinstance(found, Compared):
        assert (found.prompt, found.chosen, found.rejected) == (ASKED, (SAID,), (WORSE,))
    else:
        assert isinstance(found, Document) and found.text.strip()


def test_score_reads_the_same(shape: tuple[Path, dict[str, Any], set[str]]) -> None:
    path, _, gives = shape
    (_, found) = one(answers_of(Source(file=str(path))))
    if not gives & {CONVERSATION, PAIR}:
        assert line(str(found), refusal(path, CONVERSATION, PAIR))
        return
    assert found.prompt.messages == ASKED
    assert [a.turns for a in found.answers] == [(SAID,), (WORSE,)][: 2 if PAIR in gives else 1]


def test_benchmarks_read_the_same(shape: tuple[Path, dict[str, Any], set[str]]) -> None:
    path, _, gives = shape
    found = one(items_of(Source(file=str(path))))
    if ITEM not in gives:
        assert line(found, refusal(path, ITEM))
    else:
        assert (found.prompt, found.answers, found.right) == (ASKED, ((SAID,), (WORSE,)), 1)


def test_filters_compare_with_the_same(shape: tuple[Path, dict[str, Any], set[str]]) -> None:
    path, _, gives = shape
    if PROMPT in gives:
        assert list(texts_in(str(path), None, "user")) == [("rows.jsonl:1", "Q?")]
    if gives & {CONVERSATION, PAIR}:
        (said,) = texts_in(str(path), None, "assistant")
        assert said[1].startswith("Good.")
    if not gives:
        with pytest.raises(DataError, match="none of the usual columns"):
            list(texts_in(str(path), None, "user"))


def test_every_form_is_a_shape_of_the_table() -> None:
    shown = {Source(file="x.jsonl").form(row).name for row, gives in SHAPES.values() if gives}
    # Told by values and not by columns, and tested on its own.
    assert shown | {"rated_messages", "unpaired", "tool_calls"} == set(FORMS)


def test_the_page_on_data_has_every_form_and_kind() -> None:
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    for name, form in FORMS.items():
        columns = ", ".join(
            f"`{column}`" if isinstance(column, str) else " or ".join(f"`{c}`" for c in column)
            for column in form.shows
        )
        gives = ", ".join(KINDS[kind][0] for kind in KINDS if kind in form.gives)
        assert f"| `{name}` | {columns} | {gives} | {form.like} |" in page


def test_no_room_but_the_intake_opens_a_users_rows() -> None:
    """Readers of rows go through `intake.source`; documents and votes through its files."""
    package = Path(gristmill.__file__).parent
    low = {"gristmill.intake.files", "gristmill.intake.hub", "gristmill.intake.forms"}
    allowed = {"recipes/_documents.py", "arena/records.py", "arena/sources.py", "arena/loading.py"}
    for path in package.rglob("*.py"):
        name = path.relative_to(package).as_posix()
        if name.startswith("intake/") or name in allowed:
            continue
        modules = {
            node.module for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module
        }  # fmt: skip
        assert not modules & low, f"{name} opens rows by itself: {modules & low}"
