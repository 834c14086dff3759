"""A source of rows that a config or a command names, and the records it gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from gristmill.errors import DataError
from gristmill.intake import facts
from gristmill.intake.cells import Refused, Row, Unusable
from gristmill.intake.conversations import beside
from gristmill.intake.files import count_rows, header_of, read_rows
from gristmill.intake.forms import FORMS, Form, recognise
from gristmill.intake.hub import HUB
from gristmill.intake.places import files_of, located
from gristmill.intake.record import (
    CONVERSATION,
    ITEM,
    PROMPT,
    RATED,
    Answer,
    Content,
    Record,
    check_kinds,
)
from gristmill.parts import Options
from gristmill.records import ATTRIBUTES, Prompt, prompt_id

COLUMNS = sorted(
    {name for form in FORMS.values() for name in form.columns}
    | {*facts.OF_PROMPT, *facts.OF_TRAINING}
)
"""What `columns` may give another name: every column that some form, or any row, may have."""

UNFOUND = ("missing_field", "no_label", "unknown_format", "wrong_kind")
"""Reasons that a column named in vain may be behind."""

_FACTS = {PROMPT: facts.OF_PROMPT, ITEM: (*facts.OF_ITEM, *facts.OF_TRAINING)}


def known_names(names: dict[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The same mapping; raises ValueError for a name of ours that there is not."""
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
            raise ValueError(f"unknown name '{name}'; {hint}")
    return names


class Source(Options):
    """Rows, wherever they are."""

    file: str
    """JSONL, JSON, CSV, TSV, Parquet or Arrow, compressed or not, a relative path from the config's
    folder; a folder or a pattern; `-` for standard input; `s3://...` and the like; `hf:org/name`,
    through the `datasets` library, and `hf:org/name/folder` for a part of it; or a built-in source,
    `tutor:4000` (docs/data.md)."""
    split: str | None = None
    """Which split of an `hf:` data set, or which of a folder's splits."""
    format: Literal["auto"] | str = "auto"
    """What a row is; by default its columns show it."""
    limit: int | None = Field(default=None, ge=1)
    """Read so many rows, the first ones."""
    columns: dict[str, str] = Field(default_factory=dict)
    """The file's names for our columns, `{response: system_output}`; dots lead into nested ones."""

    @field_validator("columns")
    @classmethod
    def _known(cls, names: dict[str, str]) -> dict[str, str]:
        return known_names(names, COLUMNS)

    @field_validator("format")
    @classmethod
    def _known_form(cls, name: str) -> str:
        if name != "auto":
            known_names({name: None}, list(FORMS))
        return name

    @model_validator(mode="after")
    def _split_of_something(self) -> Self:
        if self.split is not None and Path(self.file).suffix:
            raise ValueError("split: only an `hf:` data set or a folder has splits; leave it out")
        return self

    def located(self, folder: Path) -> Self:
        """The same with a relative path starting from `folder`."""
        return self.model_copy(update={"file": located(self.file, folder)})

    def check(self, *wanted: str) -> None:
        """Raises DataError where the source cannot be read or is empty, or where a table's header
        shows that no row of it can give what is wanted."""
        if next(iter(self.rows()), None) is None:
            raise DataError(f"{self.file}: the file is empty; write one row a line")
        if not wanted or self.file.startswith((HUB, "tutor:")):
            return
        for file in files_of(self.file, [self.split] if self.split else ()):
            header = header_of(file)
            if header is None:
                return
            try:
                row = dict.fromkeys(header, "") | dict.fromkeys(self.columns, "")
                form = self.form(row)
                check_kinds(form.name, form.gives, wanted)
            except Unusable as error:
                if error.reason == "unknown_format":
                    raise DataError(f"{file.place}: line 1: {error.detail}") from None

    def count(self) -> int | None:
        """How many rows there are; None where counting would mean parsing."""
        rows = count_rows(self.file)
        return rows if rows is None or self.limit is None else min(rows, self.limit)

    def rows(self) -> Iterator[tuple[str, Row | Refused, str]]:
        """Every row under our names (see `files.read_rows`), as far as the limit."""
        splits = [self.split] if self.split else ()
        split = self.split or ("train" if ":" not in self.file.removeprefix(HUB) else None)
        for number, (where, row, raw) in enumerate(
            read_rows(self.file, split=split, splits=splits)
        ):
            if number == self.limit:
                return
            if isinstance(row, Refused) or not self.named:
                yield where, row, raw
                continue
            try:
                yield where, self.renamed(row), raw
            except Unusable as error:
                yield where, Refused(where, error.reason, error.detail, raw), raw

    def records(
        self, *wanted: str, unused: Counter[str] | None = None
    ) -> Iterator[Record | Refused]:
        """Every row as a record that gives the first of the `wanted` kinds that it can, or why it
        gives none. unused: counts columns that nothing used.

        Rows that say of one answer whether it is good (KTO) are paired by their prompts where
        pairs are wanted; what finds no partner is refused at the end. Raises DataError.
        """
        single: dict[str, list[Record]] = {}
        for where, row, raw in self.rows():
            if isinstance(row, Refused):
                yield row
                continue
            try:
                found = self.record(row, where, wanted)
            except Unusable as error:
                yield Refused(where, error.reason, self._explained(error, row), raw)
                continue
            if unused is not None:
                mapped = tuple(path.partition(".")[0] for path in self.named)
                unused.update(_unused(tuple(row), found.form, wanted, mapped))
            if found.form == "unpaired" and PROMPT not in wanted:
                yield from _partnered(found, single)
            else:
                yield found
        for record in (one for waiting in single.values() for one in waiting):
            other = "false" if record.answers[0].score else "true"
            detail = f"no answer to its prompt with label {other} is left to pair it with"
            yield Refused(record.where, "unpaired_label", detail)

    def record(self, row: Row, where: str, wanted: Sequence[str]) -> Record:
        """What one row says, as the first of the `wanted` kinds that it gives. Raises Unusable."""
        form = self.form(row)
        if form.name == "prompt" and PROMPT not in wanted and {"chosen", "rejected"} & row.keys():
            form = FORMS["preference"]
        kind = check_kinds(form.name, form.gives, wanted)
        content, tools = beside(row, form.read(row))
        return _checked(row, where, form, kind, content, tools)

    def form(self, row: Row) -> Form:
        """The form of a row: as the source says, or as its columns show. Raises Unusable."""
        return recognise(row) if self.format == "auto" else FORMS[self.format]

    @property
    def named(self) -> list[str]:
        """The file's own columns that are named here."""
        return list(self.columns.values())

    def _explained(self, error: Unusable, row: Row) -> str:
        absent = [name for name in self.named if name not in row and at(row, name) is None]
        if error.reason in UNFOUND and absent:
            # What the config asks for in vain is the likely cause, whatever came of it.
            return f"{error.detail}; the row has no {', '.join(absent)} (columns: {', '.join(row)})"
        return error.detail

    def renamed(self, row: Row) -> Row:
        """The row under our names. Raises Unusable where a value there cannot be one."""
        given = {ours: at(row, theirs) for ours, theirs in self.columns.items()}
        return row | {ours: value for ours, value in given.items() if value is not None}


def at(row: Row, path: str) -> Any:
    """The value of a column, dots leading into nested ones; None where there is none."""
    if path in row:
        return row[path]
    value: Any = row
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _checked(row: Row, where: str, form: Form, kind: str, content: Content, tools: str) -> Record:
    """The record of what was read, if it really gives what its form may give."""
    if kind == PROMPT:
        messages = content.prompt
        if form.name == "turns" and len(messages) > 1:
            detail = f"'turns' has {len(messages)} of the user's turns, and no answers between them"
            raise Unusable("several_turns", detail)
        if not messages or messages[-1].role not in ("user", "tool"):
            raise Unusable("bad_turns", "nothing is asked before the answer")
        prompt = facts.prompt_of(row, messages, where)
        return Record(where, form.name, kind, replace(prompt, tools=prompt.tools or tools), content)
    if kind in (CONVERSATION, RATED) and not content.answers:
        raise Unusable("no_answer", f"there is no answer: '{form.name}' ends with the user's turn")
    if kind == RATED:
        _check_rated(form, content)
    prompt = Prompt("", content.prompt, tools=facts.tools_in(row) or tools)
    return Record(where, form.name, kind, prompt, content)


def _check_rated(form: Form, content: Content) -> None:
    if not content.rated and content.answers[0].labels is None:
        names = ", ".join(ATTRIBUTES)
        beside = (
            "no 'label' beside 'text'"
            if form.name == "nemotron_text"
            else f"none of {names} is given"
        )
        raise Unusable("no_label", beside)
    if all(turn.role != "user" for turn in content.prompt):
        raise Unusable("bad_turns", "no turn of the user's is before the response")


@lru_cache(4096)
def _unused(
    columns: tuple[str, ...], form: str, wanted: tuple[str, ...], mapped: tuple[str, ...]
) -> tuple[str, ...]:
    """The columns of a row that neither its form reads, nor who wants it."""
    used = {*FORMS[form].columns, *mapped}
    used |= {name for kind in wanted for name in _FACTS.get(kind, facts.OF_TRAINING)}
    return tuple(name for name in columns if name not in used)


def _partnered(record: Record, single: dict[str, list[Record]]) -> Iterator[Record]:
    """A pair of this answer and an earlier one to the same prompt; or the answer waits for one."""
    key = prompt_id(record.prompt.messages, record.prompt.tools)
    waiting = single.setdefault(key, [])
    answer = record.answers[0]
    for other in waiting:
        if other.answers[0].score != answer.score:
            waiting.remove(other)
            sides = sorted((answer, other.answers[0]), key=lambda a: -(a.score or 0.0))
            plain = tuple(Answer(side.turns) for side in sides)
            content = replace(record.content, answers=plain, right=1)
            yield replace(record, content=content)
            return
    waiting.append(record)
