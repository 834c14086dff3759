"""`gristmill arena ...`: battles, ratings, the heat map and the web page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from gristmill.cli.columns import Columns, columns_of
from gristmill.cli.console import OUT, interruptible
from gristmill.cli.settings import Settings
from gristmill.errors import ConfigError, RunError

app = typer.Typer(
    help="The arena: anonymous battles, votes, and ratings that can be trusted.",
    no_args_is_help=True,
)

_Battles = Annotated[
    list[str],
    typer.Argument(
        help="Battles: files (JSONL, JSON, CSV, TSV, Parquet, Arrow, compressed or not; FastChat's "
        "vote log; the web page's .sqlite), folders, patterns, `-`, hf:org/name:split, s3://... "
        "Several make one board.",
        show_default=False,
    ),
]
_Method = Annotated[
    str,
    typer.Option(
        help="bt (Bradley-Terry, a tie is half a win each), davidson or rao-kupper (ties have a "
        "parameter), elo (online, in order of time)."
    ),
]
_Category = Annotated[
    str,
    typer.Option(help="One board: coding, hard_prompt, long_query, multi_turn, a language, ..."),
]


@app.command()
def rank(
    battles: _Battles,
    method: _Method = "bt",
    ci: Annotated[
        str | None,
        typer.Option(
            help="Intervals: sandwich, bootstrap, or cluster, for votes that are not independent. "
            "By default sandwich, and bootstrap for elo.",
            show_default=False,
        ),
    ] = None,
    cluster_by: Annotated[
        str, typer.Option(help="What such votes have in common: judge, prompt or id (the pair).")
    ] = "id",
    rounds: Annotated[int, typer.Option(help="Rounds of the bootstrap.")] = 1000,
    style: Annotated[
        bool,
        typer.Option("--style", help="Ratings at equal style: length, headers, lists and bold."),
    ] = False,
    covariates: Annotated[
        str,
        typer.Option(
            help="Columns for style control instead of what is counted in the answers: len,bold",
            show_default=False,
        ),
    ] = "",
    category: _Category = "overall",
    anchor: Annotated[
        str | None,
        typer.Option(help="MODEL=RATING: shift all so that this model has this rating."),
    ] = None,
    l2: Annotated[
        float, typer.Option(help="Precision of a prior on the ratings; 0: none, plain likelihood.")
    ] = 0.0,
    flag_rate: Annotated[
        float, typer.Option(help="Share of honest judges that may be flagged by chance.")
    ] = 0.01,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    columns: Columns = "",
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="Where to write: .json, .csv, or .html, a page with all boards. May be repeated.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Ratings of models from battles, with intervals, ranks and warnings.

    Says so where models cannot be compared, where a model has no finite rating because it never
    lost, and where judges vote against everyone else.
    """
    _one_thread()
    from gristmill.arena.fields import NAMES
    from gristmill.arena.run import rank as rank_files
    from gristmill.arena.show import show_ratings

    settings = {
        "method": method,
        "ci": ci,
        "cluster_by": cluster_by,
        "rounds": rounds,
        "style": style,
        "covariates": [name.strip() for name in covariates.split(",") if name.strip()],
        "category": category,
        "anchor": _anchor(anchor),
        "l2": l2,
        "flag_rate": flag_rate,
        "seed": seed,
    }
    named = columns_of(columns, NAMES)
    found = rank_files(battles, out or (), columns=named, **settings)
    show_ratings(OUT, found, out or [])


@app.command()
def heatmap(
    battles: _Battles,
    method: _Method = "bt",
    category: _Category = "overall",
    columns: Columns = "",
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="Where to write: .png or .html. By default heatmap.png and heatmap.html.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Win rates of every model against every other, ordered by rating, as picture and page."""
    _one_thread()
    from gristmill.arena.fields import NAMES
    from gristmill.arena.run import heatmap_files

    outs = out or [Path("heatmap.png"), Path("heatmap.html")]
    named = columns_of(columns, NAMES)
    with OUT.status("reading the battles, drawing"):
        said = heatmap_files(battles, {"method": method, "category": category}, outs, named)
    _print([*said, *map(str, outs)])


@app.command()
def battle(
    config: Annotated[
        Path,
        typer.Argument(help="Models, prompts and judges (YAML).", show_default=False),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The folder; by default `out/` and the config's name.")
    ] = None,
    set_: Settings = None,
) -> None:
    """Battles without people: models answer the same prompts, judges decide.

    A chat model as judge sees both answers in both orders, a reward model scores each. The votes go
    into the same table as people's. Run it again with the same folder and it goes on.
    """
    from gristmill.arena.duel.config import Config
    from gristmill.arena.duel.run import battle as run_battle
    from gristmill.arena.duel.show import battle_lines
    from gristmill.terminal.live import Bar

    loaded = Config.load(config, set_ or ())
    with interruptible(), Bar(OUT) as watch:
        summary = run_battle(loaded, out, watch)
    _print(battle_lines(summary))
    if not any(judge["votes"] for judge in summary["judges"].values()):
        raise RunError(
            f"no battle has a vote; {summary['folder']}/summary.json says why, by model and judge; "
            "put it right and run again: only what failed is asked again"
        )


@app.command()
def tag(
    battles: _Battles,
    out: Annotated[Path, typer.Option(help="Where to write: a .jsonl file.")],
    columns: Columns = "",
    model: Annotated[
        str | None,
        typer.Option(help="A chat model that finds the hard prompts; without it, rules alone."),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Calls in flight at most.")] = 64,
    key_env: Annotated[
        str | None, typer.Option(help="The environment variable that holds the endpoint's key.")
    ] = None,
) -> None:
    """The categories of battles, by rules and by a chat model: coding, math, hard prompts, ..."""
    from gristmill.arena.duel.show import tag_lines
    from gristmill.arena.fields import NAMES
    from gristmill.arena.tags.tag import Tagger
    from gristmill.arena.tags.tag import tag as write_tags
    from gristmill.parts import build
    from gristmill.terminal.live import Bar

    given = {"model": model, "concurrency": concurrency, "key_env": key_env}
    tagger = build(Tagger, given, "") if model else None
    named = columns_of(columns, NAMES)
    with interruptible(), Bar(OUT) as watch:
        summary = write_tags(battles, out, tagger, watch, named)
    _print([*tag_lines(summary), str(out)])


@app.command()
def serve(
    config: Annotated[
        Path,
        typer.Argument(help="Models, votes and limits of the page (YAML).", show_default=False),
    ],
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 for every one of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 7860,
    set_: Settings = None,
) -> None:
    """The web page: two anonymous answers side by side, votes, and a leaderboard.

    A vote is on the disk before the names are shown. It needs the extra `arena`. Ctrl-C ends it.
    """
    from gristmill.arena.web import serve as serve_page

    try:
        ready = lambda address: _print([f"the arena is at {address}"])  # noqa: E731
        serve_page(config, host, port, ready, set_ or ())
    except KeyboardInterrupt:
        _print(["stopped; the votes are in the file that the config names"])


def _print(lines: list[str]) -> None:
    for line in lines:
        OUT.print(line, markup=False, soft_wrap=True)


def _one_thread() -> None:
    """Keep NumPy's linear algebra to one thread: its matrices have a side of some hundred here, and
    threads that wait for each other take ten times as long on a busy machine."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("MKL_NUM_THREADS", "1")


def _anchor(text: str | None) -> tuple[str, float] | None:
    if text is None:
        return None
    model, sign, rating = text.rpartition("=")
    try:
        if sign and model:
            return model, float(rating)
    except ValueError:
        pass
    raise ConfigError(f"--anchor: write MODEL=RATING, as in gpt-4=1200 (got '{text}')")
