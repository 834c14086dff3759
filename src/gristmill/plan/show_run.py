"""What the command line prints of a run's plan."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from gristmill.page.text import label
from gristmill.plan.run import RunPlan
from gristmill.plan.show import short_cut


def show_run_plan(console: Console, plan: RunPlan) -> None:
    """Print all of it."""
    goal = f"{plan.target:,} accepted prompts" if plan.target else "all prompts"
    console.print(f"Plan for '{label(plan.name)}': {goal}", style="bold", markup=False)
    console.print(_sums(plan))
    console.print(_models(plan))
    for role, model in plan.missing.items():
        line = (
            f"note: no GPU-hours for {role}: '{label(model, 60)}' is no known model; say which "
            f"it is with --as {role}=PRESET-OR-FOLDER"
        )
        console.print(line, markup=False)
    for note in plan.notes:
        console.print(f"note: {note}", markup=False)


def _sums(plan: RunPlan) -> Table:
    table = Table(show_header=False, box=None)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    share = f"{plan.share:.0%} accepted"
    if plan.interval:
        share += f" ({plan.interval[0]:.0%} to {plan.interval[1]:.0%})"
    there = f"{plan.prompts:,} needed, {plan.forecast.prompts:,} there"
    table.add_row("prompts", f"{there}; {share}")
    table.add_row("calls", f"{plan.calls:,}")
    table.add_row("tokens", f"{plan.prompt_tokens:,} read, {plan.completion_tokens:,} written")
    if plan.hours:
        held = f"{number(plan.held_gpu_hours)} with every set held to the end"
        table.add_row("GPU-hours", f"{number(plan.gpu_hours)} busy, {held}")
        reached = f"at {plan.reached:.0%} of the bounds' speed"
        table.add_row("time", f"{number(plan.wall_hours)} hours, {reached}")
    money = []
    if plan.usd is not None:
        money.append(f"${plan.usd:,.2f} by the config's prices")
    if plan.gpu_cost is not None and plan.hours:
        money.append(f"${plan.gpu_cost:,.2f} for held GPUs at ${plan.gpu_usd:,.2f} an hour")
    table.add_row("money", "; ".join(money) or "no price given (price in the config, or --gpu-usd)")
    table.add_row("how it is known", plan.how)
    for w in plan.works:
        h = plan.hours.get(w.role)
        name = h.engine.shape.name if h else ""
        told = f", as {name}" if name.lower() not in w.model.lower() else ""
        table.add_row(w.role, label(w.model, 120) + told)
    return table


def number(value: float) -> str:
    """A number with three digits that matter; what is hardly anything is said to be so."""
    if 0 < value < 0.001:
        return "under 0.001"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _models(plan: RunPlan) -> Table:
    table = Table(box=None, header_style="dim")
    table.add_column("")
    for name in ("calls", "read", "written", "GPU-hours"):
        table.add_column(name, justify="right")
    table.add_column("on")
    for w in plan.works:
        h = plan.hours.get(w.role)
        table.add_row(
            w.role,
            f"{w.calls:,.0f}",
            f"{w.prompt_tokens:,.0f}",
            f"{w.completion_tokens:,.0f}",
            number(h.gpu_hours / plan.reached) if h else "",
            f"{h.engine.layout.gpus} x {h.engine.gpu.key}: {short_cut(h.engine.layout)}"
            if h
            else "",
        )
    return table
