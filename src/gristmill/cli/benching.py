"""`gristmill rewardbench`, `judge-eval` and `rows`: benchmarks of reward models and judges."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gristmill.cli.caching import CacheFolder
from gristmill.cli.columns import Columns, columns_of
from gristmill.cli.console import OUT, interruptible
from gristmill.errors import RunError
from gristmill.page.text import plural

_Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        help="A reward model, for instance tiny:reward, or a .yaml with its settings; name several "
        "to compare them.",
        show_default=False,
    ),
]
_Judges = Annotated[
    list[str] | None,
    typer.Option(
        "--judge",
        help="A chat model that is asked which answer is best, or a .yaml with its settings. A "
        "local model is what its files say it is, whether named here or with --model.",
        show_default=False,
    ),
]
_Genrms = Annotated[
    list[str] | None,
    typer.Option(
        "--genrm",
        help="A generative reward model, which compares two answers and gives both scores "
        "(NVIDIA's GenRM), or a .yaml with its settings.",
        show_default=False,
    ),
]
_Reference = Annotated[
    str | None,
    typer.Option(help="The reference of a DPO-trained --model: its implicit reward is judged."),
]
_Folder = Annotated[
    Path | None,
    typer.Option(
        help="The folder of the results; by default `out/` and the data's name. Named .json, "
        "it is the file of the figures, and the folder lies beside it.",
    ),
]
_Limit = Annotated[int | None, typer.Option(min=1, help="Look at the first N rows only.")]
_Concurrency = Annotated[int, typer.Option(min=1, help="Calls in flight at most.")]
_Key = Annotated[
    str | None, typer.Option(help="The environment variable that holds the endpoint's key.")
]
_Route = Annotated[
    str, typer.Option(help="Where a reward endpoint listens: chat, classify or pooling.")
]
_Tokens = Annotated[
    int | None,
    typer.Option(
        min=1, help="Room for a reply; by default 2048 of a chat model, 16384 of a GenRM."
    ),
]


def rewardbench(
    model: _Models = None,
    judge: _Judges = None,
    genrm: _Genrms = None,
    data: Annotated[
        str,
        typer.Option(
            help="A file, a folder, a pattern, `-`, s3://... and the like, a data set on the hub "
            "(org/name:split), or tutor:800:bench."
        ),
    ] = "allenai/reward-bench:filtered",
    reference: _Reference = None,
    out: _Folder = None,
    both_orders: Annotated[
        bool,
        typer.Option(
            "--both-orders",
            help="Show a chat model every pair in both orders; the score counts the first alone.",
        ),
    ] = False,
    columns: Columns = "",
    limit: _Limit = None,
    concurrency: _Concurrency = 64,
    max_tokens: _Tokens = None,
    key_env: _Key = None,
    route: _Route = "chat",
    cache: CacheFolder = None,
) -> None:
    """RewardBench 1 or 2, whichever the data's subsets are of: how often is the better answer
    preferred?

    Subsets, weights and rules are the original's. Without a network, `--data tutor:800:bench` is
    a set of the same shape over the tutor world. Run it again with the same folder and it goes
    on; with another model, that one is compared with those before it if all are named.
    """
    from gristmill.bench.run import rewardbench as evaluate
    from gristmill.intake.source import COLUMNS

    asked = {
        "genrm": genrm,
        "reference": reference,
        "both_orders": both_orders,
        "limit": limit,
        "cache": cache,
    }
    asked["columns"] = columns_of(columns, COLUMNS)
    settings = {"concurrency": concurrency, "key_env": key_env, "route": route}
    with interruptible():
        found = evaluate(model, judge, data, out, max_tokens=max_tokens, **asked, **settings)
    _show(found)


def judge_eval(
    pairs: Annotated[
        str,
        typer.Argument(
            help="Pairs of which the better answer is known: a file, a folder, a pattern, `-`, "
            "s3://... and the like, org/name:split.",
            show_default=False,
        ),
    ],
    judge: _Judges = None,
    model: _Models = None,
    genrm: _Genrms = None,
    reference: _Reference = None,
    out: _Folder = None,
    one_order: Annotated[
        bool,
        typer.Option("--one-order", help="Show a chat model each pair once, in a random order."),
    ] = False,
    columns: Columns = "",
    limit: _Limit = None,
    concurrency: _Concurrency = 64,
    max_tokens: _Tokens = None,
    key_env: _Key = None,
    route: _Route = "chat",
    cache: CacheFolder = None,
) -> None:
    """Judges on any set of pairs: accuracy in each category, position and length bias, agreement.

    Reads LLMBar, JudgeBench, RM-Bench, PandaLM, HelpSteer 2 and 3, RewardBench, UltraFeedback,
    Nectar, KTO, arenas' votes, and rows of `prompt`, `chosen`, `rejected` (and, if you like,
    `category`). Chat models and GenRMs see every pair in both orders.
    """
    from gristmill.bench.run import judge_eval as evaluate
    from gristmill.intake.source import COLUMNS

    asked = {
        "genrm": genrm,
        "reference": reference,
        "one_order": one_order,
        "limit": limit,
        "cache": cache,
    }
    asked["columns"] = columns_of(columns, COLUMNS)
    settings = {"concurrency": concurrency, "key_env": key_env, "route": route}
    with interruptible():
        found = evaluate(pairs, judge, model, out, max_tokens=max_tokens, **asked, **settings)
    _show(found)


def rows(
    source: Annotated[
        str, typer.Argument(help="tutor:4000, tutor:800:bench, ...", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Where to write: a .jsonl or .parquet file.")],
) -> None:
    """Write the rows of a built-in source into a file, to look at or to take elsewhere."""
    from gristmill.bench.export import write_rows

    count = write_rows(source, out)
    OUT.print(f"{plural(count, 'row')}: {out}", markup=False, soft_wrap=True)


def _show(found: Any) -> None:
    from gristmill.bench.show import show_scores

    show_scores(OUT, found.metrics, found.folder)
    if not any(judge["num_prompts"] for judge in found.metrics["judges"]):
        raise RunError(
            "no judge gave a verdict, see above; put it right and run again: only what failed is "
            "asked again"
        )
