"""What the command line prints of a forecast and of a finished run."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gristmill.backends.use import BYTES_PER_TOKEN
from gristmill.mill import Config, Outcome, forecast
from gristmill.mill.forecast import SECONDS_PER_CALL
from gristmill.mill.shards import Made
from gristmill.page.text import label, plural, visible

SHOWN = 2_000
"""Characters of one prompt or answer that are printed."""

SHARD = {
    "complete": "every prompt of it is done",
    "target": "its share of the target is reached",
    "budget": "its share of the budget is spent",
    "interrupted": "interrupted: run again, it goes on from here",
    "lost": "another process has taken it up",
}


def show_forecast(console: Console, config: Config, limit: int | None) -> None:
    """Print calls, tokens, cost and time of a run, before anything is spent."""
    f = forecast(config, limit)
    _head(console, f"Forecast for '{config.name}': nothing was called")
    table = _table()
    bad = f"{f.bad_input:,} bad, {plural(f.duplicates, 'duplicate')}"
    to_write = f", {f.written:,} of them still to be written by recipes" if f.written else ""
    table.add_row("prompts", f"{f.prompts:,} ({bad}{to_write})")
    by_recipes = f", {f.writing:,} of them by recipes" if f.writing else ""
    table.add_row("calls", f"at most {f.calls:,}{by_recipes}")
    table.add_row("prompt tokens", f"at most {f.prompt_tokens:,}")
    table.add_row("completion tokens", f"at most {f.completion_tokens:,}")
    if config.judges:
        table.add_row("judge tokens", f"at most {f.judge_tokens:,}")
    price = "no price given (generate.price, judges.*.price)"
    table.add_row("cost", f"at most ${f.usd:,.2f}" if f.usd is not None else price)
    flying = sum(entry.concurrency for entry in config.generate)
    batched = [entry for entry in config.generate if entry.batch_api]
    time = f"time at {SECONDS_PER_CALL:g} s a call and {flying} in flight"
    if batched:
        time = f"the cost at batch prices, {batched[0].price.batch:g} of the usual"
        table.add_row("time", "as the provider has some: most promise each batch within a day")
    else:
        minutes = f"about {f.seconds / 60:,.1f} minutes"
        table.add_row("time", minutes if f.seconds >= 60 else "under a minute")
    console.print(table)
    console.print(
        f"Without retries; {BYTES_PER_TOKEN:g} bytes of text a token, which no usual tokenizer "
        f"comes to, every response and reply max_tokens long; {time}.",
        style="dim",
        soft_wrap=True,
    )
    for line in f.limits:
        console.print(f"note: {label(line, 1_000)}", markup=False, soft_wrap=True)
    for title, text in f.first:
        _head(console, f"\n{title}:")
        show_text(console, text)


def show_text(console: Console, text: str, indent: str = "  ") -> None:
    """Print what a file or model says, the beginning of it, with nothing in it that acts on a
    terminal."""
    left = f"\n… and {len(text) - SHOWN:,} characters more" if len(text) > SHOWN else ""
    lines = f"{visible(text[:SHOWN])}{left}".splitlines()
    said = "\n".join(indent + line for line in lines)
    console.print(said, markup=False, highlight=False, emoji=False, soft_wrap=True)


def show_outcome(console: Console, outcome: Outcome) -> None:
    """Print what a run left behind and where."""
    _head(console, outcome.title)
    table = _table()
    for name, found in outcome.lines:
        table.add_row(Text(name), Text(found))
    console.print(table)
    failed = outcome.metrics["responses"]["failed"]
    # What failed altogether is an error, and told as such by whoever called.
    if outcome.status != "failed":
        if outcome.detail:
            console.print(outcome.detail, markup=False, soft_wrap=True)
        too_long = outcome.metrics["reasons"].get("error:too_long", 0)
        if too_long:
            shorten = "too long for a model's context; shorten them, or lower max_tokens"
            console.print(f"{plural(too_long, 'response')} failed: {shorten}.", soft_wrap=True)
        if failed > too_long:
            again = "run again, and only what failed is tried again"
            others = plural(failed - too_long, "response")
            console.print(f"{others} failed; {again}.", soft_wrap=True)
    console.print(f"report: {outcome.folder / 'report.html'}", markup=False, soft_wrap=True)


def show_line(console: Console, outcome: Outcome) -> None:
    """Print the one line of a quiet run."""
    prompts = outcome.metrics["prompts"]
    line = (
        f"{outcome.title}; {prompts['accepted']:,} of "
        f"{plural(prompts['finished'], 'prompt')} accepted: {outcome.folder}"
    )
    console.print(line, markup=False, soft_wrap=True)


def show_shard(console: Console, made: Made) -> None:
    """Print what the process of one shard has done."""
    took = f"; took up {', '.join(made.took)}" if made.took else ""
    why = f" ({made.detail})" if made.detail else ""
    line = (
        f"{made.shard}: {SHARD[made.status]}{why}; {plural(made.finished, 'prompt')} finished, "
        f"{made.accepted:,} accepted, {plural(made.requests, 'request')}{took}"
    )
    console.print(line, markup=False, soft_wrap=True)


def _head(console: Console, text: str) -> None:
    # Not the table's title, which would be broken at the table's width.
    console.print(text, style="bold", markup=False, soft_wrap=True)


def _table() -> Table:
    table = Table(show_header=False, box=None)
    table.add_column(style="dim")
    table.add_column()
    return table
