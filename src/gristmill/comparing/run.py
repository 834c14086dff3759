"""A comparison from two model strings to its pages: `gristmill compare`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from gristmill.backends.kept import Kept
from gristmill.backends.many import Watch
from gristmill.backends.resolve import gives_likelihoods
from gristmill.bench.judges import identity
from gristmill.comparing.answers import answer_figures, both_answered, differing, rightness
from gristmill.comparing.ask import Said, ask
from gristmill.comparing.grades import both_graded, disagreements, grade_figures, outcome_of
from gristmill.comparing.page import write_page
from gristmill.comparing.read import Rows, read
from gristmill.comparing.sides import CHAT, REWARD, Side, sides_of
from gristmill.comparing.sizes import stored
from gristmill.comparing.truths import Truths
from gristmill.storage import check_free, locked, versions, write_atomically
from gristmill.terminal.console import speaker
from gristmill.terminal.live import Bar

FORMAT = 1
"""Of `metrics.json`."""
WRITTEN = ("models", "metrics.json", "report.html", "rows.jsonl", "refused.jsonl")
"""What a comparison writes."""


@dataclass(frozen=True)
class Compared:
    """What a comparison left behind. metrics: what `metrics.json` holds."""

    folder: Path
    metrics: dict[str, Any] = field(repr=False)


def compare(
    a: str,
    b: str,
    out: str | Path | None = None,
    *,
    data: str | Path | Sequence[str | Path] | None = None,
    kind: str | None = None,
    truth: Any = None,
    columns: Mapping[str, str] | None = None,
    limit: int | None = None,
    max_tokens: int = 512,
    watch: Watch | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Compared:
    """What B costs against A: two reward models or two chat models, on the same rows.

    a, b: model strings, or `.yaml` files with a model's settings. out: the folder, by default
    `out/` and both names. data: rows in any form and place (docs/data.md), one source or several;
    by default built-in ones that fit the kind. kind: `reward` or `chat`, where no files say it.
    truth: the judge by rules that says whether a chat model's answer is right (`math`). limit: rows
    of each source at most. settings: of every call (`concurrency`, `key_env`, ...); those that are
    None count as left out. watch: called with the `Progress`, in place of the bar; quiet: show
    nothing.

    What was said is kept as it comes: run again, it goes on, and what failed is tried again. Raises
    InputError, BackendFatal, or RunError where one of the two answers nothing.
    """
    truths = Truths.of(truth)
    sides = sides_of(a, b, kind, max_tokens, settings)
    given = [data] if isinstance(data, str | Path) else data
    sources = None if given is None else [str(source) for source in given]
    rows = read(sides[0].kind, sources, dict(columns or {}), limit)
    folder = Path(out) if out else Path("out") / _name(sides)
    ours = any(folder.glob("models/*/said.log"))
    check_free(folder, WRITTEN, ours)
    with locked(folder, folder / ".lock"), ExitStack() as stack:
        said = [_open(side, folder, stack) for side in sides]
        with nullcontext(watch) if watch else Bar(speaker(quiet)) as seen:
            for one in said:
                ask(one, rows, one.side.folder(folder), seen)
        metrics, examples, points = _measure(rows, said[0], said[1], truths, folder)
    write_atomically(folder / "metrics.json", _json(metrics))
    write_page(folder, metrics, examples, points)
    return Compared(folder, metrics)


def _name(sides: Sequence[Side]) -> str:
    words = [re.sub(r"[^A-Za-z0-9.]+", "-", side.name)[-40:].strip("-.") for side in sides]
    return "compare-" + "-".join(word or "model" for word in words)


def _open(side: Side, out: Path, stack: ExitStack) -> Said:
    place = side.folder(out)
    kept = stack.enter_context(Kept(place / "said.log"))
    likely = None
    if side.kind == CHAT and gives_likelihoods(side.settings.model):
        likely = stack.enter_context(Kept(place / "likely.log"))
    write_atomically(place / "model.json", _json(identity(side.judge)))
    return Said(side, kept, likely)


def _measure(
    rows: Rows, a: Said, b: Said, truths: Truths, folder: Path
) -> tuple[dict[str, Any], list[dict[str, Any]], list[tuple[float, float]]]:
    """The figures, and the examples and points of the page. Writes the files of rows."""
    points = []
    if a.side.kind == REWARD:
        both = both_graded(a, b)
        points = [(one.reward, other.reward) for one, other in both.values()]
        figures, examples = grade_figures(rows, both, a, b), disagreements(rows, a, b)
        lines = _graded_lines(rows, a, b)
    else:
        answered = both_answered(rows, a, b)
        right = rightness(answered, truths)
        figures = answer_figures(rows, answered, right, a, b)
        examples = differing(answered, right)
        lines = (
            {"where": asked.where, "prompt": asked.key, "a": one.text, "b": other.text,
             "right": [None if x != x else bool(x) for x in grades]}
            for (asked, one, other), grades in zip(answered, right.tolist(), strict=True)
        )  # fmt: skip
    _write_lines(folder / "rows.jsonl", lines)
    refused = ({"where": r.where, "reason": r.reason, "detail": r.detail} for r in rows.refused)
    _write_lines(folder / "refused.jsonl", refused)
    head = {
        "format": FORMAT,
        "kind": a.side.kind,
        "data": list(rows.data),
        "limit": rows.limit,
        "rows": rows.count,
        "refused": dict(Counter(one.reason for one in rows.refused).most_common()),
        "unused_columns": dict(rows.unused.most_common()),
        "models": [_model(said) for said in (a, b)],
    }
    return {**head, **figures, "versions": versions()}, examples, points


def _graded_lines(rows: Rows, a: Said, b: Said) -> Iterator[dict[str, Any]]:
    for item in rows.items:
        scores = {name: outcome_of(said, item).scores for name, said in (("a", a), ("b", b))}
        yield {"where": item.where, "subset": item.subset, "right": item.right, **scores}


def _model(said: Said) -> dict[str, Any]:
    settings = said.side.settings
    size, rounded = stored(settings.model)
    return {
        "name": said.side.name,
        "model": settings.model,
        "reference": settings.reference,
        "asked": len(said.keys),
        "answered": said.answered,
        "failed": dict(said.failed.most_common()),
        "tokens": said.tokens,
        "seconds": said.seconds,
        "tokens_per_second": said.tokens / said.seconds if said.seconds and said.tokens else None,
        "weight_bytes": size,
        "rounded": rounded,
    }


def _write_lines(file: Path, lines: Any) -> None:
    write_atomically(file, b"".join(orjson.dumps(line) + b"\n" for line in lines))


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY)
