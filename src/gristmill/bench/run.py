"""An evaluation from a request to its pages: `gristmill rewardbench` and `judge-eval`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gristmill.backends import caching
from gristmill.backends.many import Watch
from gristmill.bench.card import write_card
from gristmill.bench.choose import Request, judges_of
from gristmill.bench.evaluate import JUDGES, Evaluation, evaluate
from gristmill.bench.page import write_page
from gristmill.intake.source import Source
from gristmill.parts import build
from gristmill.storage import check_file, check_free, write_atomically
from gristmill.terminal.console import speaker
from gristmill.terminal.live import Bar

WRITTEN = (JUDGES, "metrics.json", "README.md", "report.html", "refused.jsonl")
"""What an evaluation writes."""

Names = str | Sequence[str] | None
"""Models by their strings, or `.yaml` files with their settings."""


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation left behind. metrics: what `metrics.json` holds."""

    folder: Path
    metrics: dict[str, Any] = field(repr=False)


def rewardbench(
    model: Names = None,
    judge: Names = None,
    data: str = "allenai/reward-bench:filtered",
    out: str | Path | None = None,
    *,
    genrm: Names = None,
    reference: str | None = None,
    both_orders: bool = False,
    columns: Mapping[str, str] | None = None,
    limit: int | None = None,
    max_tokens: int | None = None,
    cache: str | Path | None = None,
    watch: Watch | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Evaluated:
    """RewardBench 1 or 2, whichever the data's subsets are of.

    model, judge, genrm: reward models, chat models and generative reward models, one or several of
    each. data: a file, a folder, org/name on the hub, or `tutor:800:bench`. both_orders: whether a
    judge that is shown two answers sees every pair twice; the score counts the first alone.
    columns: the data's names for ours. settings: of every call (`concurrency`, `key_env`, ...).
    cache: a folder of answers for other work to use again, and of those to use here. out: see
    `run`, and `choose.Request` for the rest. watch: in place of the bar; quiet: show nothing.
    """
    request = Request(
        data=data,
        scored=True,
        models=_listed(model),
        chats=_listed(judge),
        genrms=_listed(genrm),
        reference=reference,
        orders=2 if both_orders else 1,
        max_tokens=max_tokens,
        limit=limit,
        columns=dict(columns or {}),
        settings=settings,
    )
    with caching(cache):
        return _shown(request, out, watch, quiet)


def judge_eval(
    pairs: str | Path,
    judge: Names = None,
    model: Names = None,
    out: str | Path | None = None,
    *,
    genrm: Names = None,
    reference: str | None = None,
    one_order: bool = False,
    columns: Mapping[str, str] | None = None,
    limit: int | None = None,
    max_tokens: int | None = None,
    cache: str | Path | None = None,
    watch: Watch | None = None,
    quiet: bool = False,
    **settings: Any,
) -> Evaluated:
    """Judges on any set of pairs of which the better answer is known.

    one_order: whether a chat model sees each pair once, in an order of chance, and not in both.
    The rest is as of `rewardbench`.
    """
    request = Request(
        data=str(pairs),
        scored=False,
        models=_listed(model),
        chats=_listed(judge),
        genrms=_listed(genrm),
        reference=reference,
        orders=1 if one_order else 2,
        max_tokens=max_tokens,
        limit=limit,
        columns=dict(columns or {}),
        settings=settings,
    )
    with caching(cache):
        return _shown(request, out, watch, quiet)


def _listed(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def _shown(request: Request, out: str | Path | None, watch: Watch | None, quiet: bool) -> Evaluated:
    with nullcontext(watch) if watch else Bar(speaker(quiet)) as seen:
        return run(request, out, seen)


def run(request: Request, out: str | Path | None = None, watch: Watch | None = None) -> Evaluated:
    """Evaluate, and write figures and pages.

    out: the folder; by default `out/` and the data's name. A name that ends in `.json` is a file
    for the figures, and the folder has the same name without it.
    """
    judges = judges_of(request)
    data = {"file": request.data, "columns": request.columns, "limit": request.limit}
    folder = Path(out) if out else Path("out") / _name(request)
    file = folder if folder.suffix == ".json" else None
    if file is not None:
        folder = file.with_suffix("")
    ours = any((folder / JUDGES).glob("*/judge.json"))
    check_free(folder, WRITTEN, ours)
    if file is not None:
        check_file(file, ours)
    found = Evaluation(build(Source, data, ""), judges, request.scored)
    metrics, tallies = evaluate(found, folder, watch)
    write_card(folder, metrics)
    write_page(folder, metrics, tallies)
    if file is not None:
        write_atomically(file, (folder / "metrics.json").read_bytes())
    return Evaluated(folder, metrics)


def _name(request: Request) -> str:
    words = re.sub(r"[^A-Za-z0-9.]+", "-", Path(request.data).name).strip("-.") or "pairs"
    return f"{'rewardbench' if request.scored else 'judges'}-{words}"
