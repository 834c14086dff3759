"""What the command line prints of a finished flywheel."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gristmill.flywheel import words
from gristmill.flywheel.run import Outcome
from gristmill.page.text import percent


def show_rounds(console: Console, outcome: Outcome) -> None:
    """Print a table of all arms' rounds and what the figures say."""
    m = outcome.metrics
    table = Table(box=None, header_style="dim", pad_edge=False)
    heads = ("arm", "round", "rows", "of them right", "sampled", "greedy", "reward")
    for head in heads:
        table.add_column(head, justify="left" if head == "arm" else "right", no_wrap=True)
    for name, arm in m["arms"].items():
        for figures in arm["rounds"]:
            if figures["round"] == 0 and name != m["main"]:
                continue
            table.add_row(
                Text("" if figures["round"] == 0 else name),
                str(figures["round"]),
                f"{figures['picked']:,}" if "picked" in figures else "–",
                percent(figures.get("right_picked")),
                words.share(figures["accuracy"]),
                words.share(figures["greedy"]),
                words.plain(figures["reward"]),
            )
    title = f"\n'{m['name']}': rounds measured on prompts never trained on"
    console.print(Text(title, style="bold"))
    console.print(table)
    for sentence in words.verdicts(m):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    share = m["synthetic"]["share"]
    if share is not None:
        console.print(f"synthetic: {share:.1%} of the rows trained on", highlight=False)
    console.print(f"best model: {outcome.best}", markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"report: {outcome.folder / 'report.html'}", markup=False, highlight=False, soft_wrap=True
    )
