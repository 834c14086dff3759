"""What the command line prints of a model's plan."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gristmill.page.text import plural
from gristmill.plan.layout import Layout
from gristmill.plan.model import SHOWN, Plan
from gristmill.plan.precision import SCHEMES, weight_bytes
from gristmill.plan.serving import vllm_line

BILLION = 1_000_000_000


def show_plan(console: Console, plan: Plan) -> None:
    """Print all of a plan."""
    shape = plan.shape
    _head(console, f"{shape.name} ({shape.model_type}, {plural(len(shape.layers), 'layer')})")
    console.print(_model_table(plan))
    y = plan.layout
    _head(console, f"\n{y.gpus} x {plan.gpu.name}, {plan.scheme.name}: {cut(y)}")
    console.print(_layout_table(plan))
    if plan.others:
        _head(console, f"\nOther cuts over {y.gpus} x {plan.gpu.key}")
        console.print(_others_table(plan))
    _head(console, f"\nSmallest sets with room for one sequence of {plural(plan.context, 'token')}")
    console.print("GPUs: tensor and pipeline parallelism, sequences that fit", style="dim")
    console.print(_sets_table(plan))
    _head(console, "\nTo serve it")
    console.print(vllm_line(plan.words), markup=False, soft_wrap=True)
    for note in plan.notes:
        console.print(f"note: {note}", markup=False)


def cut(y: Layout) -> str:
    """How a model is cut, in words."""
    stages = f" x pipeline {y.pipeline}" if y.pipeline > 1 else ""
    return f"tensor {y.tensor}{stages}"


def short_cut(y: Layout) -> str:
    """The same in short: TP8 PP2."""
    return f"TP{y.tensor}" + (f" PP{y.pipeline}" if y.pipeline > 1 else "")


def size(count: float) -> str:
    """Bytes in decimal units, as data sheets count."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:,.1f} {unit}"
    return f"{count:,.0f} B"


def seconds(value: float) -> str:
    """A short time in a unit that leaves three digits or so."""
    return f"{value * 1e3:,.1f} ms" if value < 1 else f"{value:,.2f} s"


def count(parameters: int) -> str:
    """Parameters in billions, or in millions where they are few."""
    if parameters >= BILLION // 10:
        return f"{parameters / BILLION:,.3f} B"
    return f"{parameters / 1e6:,.3f} M"


def sequences(y: Layout) -> str:
    """How many sequences fit; few of them with their fraction."""
    return f"{y.sequences:,}" if y.concurrency >= 10 else f"{y.concurrency:.1f}"


def _model_table(plan: Plan) -> Table:
    shape, table = plan.shape, _table()
    table.add_row("parameters", f"{shape.parameters:,}")
    for name, found in shape.by_part().items():
        table.add_row(f"  {name}", count(found))
    if any(part.chosen != part.among and part.chosen for part in shape.parts()):
        table.add_row("active", f"{count(shape.active)} for each token, without the embedding")
    weights = [f"{name} {size(weight_bytes(shape, SCHEMES[name]))}" for name in _schemes(plan)]
    table.add_row("weights", ", ".join(weights))
    kv = f"{plan.kv_bytes_per_token:,} B a token ({plan.kv})"
    whole = f"{size(plan.kv_bytes_per_sequence)} for {plural(plan.context, 'token')}"
    table.add_row("KV cache", f"{kv}, {whole}")
    if fixed := sum(y.cache.fixed for y in shape.layers if y.cache):
        table.add_row("  of it states", f"{size(fixed)}, however many tokens")
    return table


def _layout_table(plan: Plan) -> Table:
    y, f, table = plan.layout, plan.floors, _table()
    share = f"{plan.share:.0%} of {size(y.gpus * plan.gpu.memory_bytes)}"
    table.add_row("left for sequences", f"{size(y.left)} ({share}, less the weights)")
    table.add_row("sequences", f"{sequences(y)} of {plural(plan.context, 'token')}")
    table.add_row("step, at least", f"{seconds(f.step_seconds)}: all that a token needs, read once")
    alone = f"{f.single_tokens_per_second:,.0f} tokens/s, {seconds(f.token_seconds)} a token"
    table.add_row("one short sequence, at most", alone)
    full = f"{f.tokens_per_second:,.0f} tokens/s, {seconds(f.full_step_seconds)} a token of each"
    table.add_row("all of them full, at most", full)
    table.add_row("prompts, at most", f"{f.prompt_tokens_per_second:,.0f} tokens/s")
    return table


def _others_table(plan: Plan) -> Table:
    table = _table(header=True)
    for name in ("cut", "left", "sequences", "KV copies"):
        table.add_column(name, justify="left" if name == "cut" else "right")
    for y in plan.others:
        fits = sequences(y) if y.fits else "does not fit"
        table.add_row(cut(y), size(y.left) if y.left > 0 else "", fits, f"{y.copies:.3g}")
    return table


def _sets_table(plan: Plan) -> Table:
    table = _table(header=True)
    table.add_column("GPU")
    for name in _schemes(plan):
        table.add_column(name)
    for key, found in plan.sets.items():
        mark = "bold" if key == plan.gpu.key else ""
        cells = [_set(found[name]) for name in _schemes(plan)]
        table.add_row(Text(key, style=mark), *(Text(cell, style=mark) for cell in cells))
    return table


def _set(y: Layout | None) -> str:
    return "none" if y is None else f"{y.gpus}: {short_cut(y)}, {sequences(y)}"


def _schemes(plan: Plan) -> list[str]:
    return list(dict.fromkeys([*SHOWN, plan.scheme.name]))


def _head(console: Console, text: str) -> None:
    # Not the table's title, which would be broken at the table's width.
    console.print(text, style="bold", markup=False, soft_wrap=True)


def _table(header: bool = False) -> Table:
    table = Table(show_header=header, box=None, header_style="dim")
    if not header:
        table.add_column(style="dim", no_wrap=True)
        table.add_column()
    return table
