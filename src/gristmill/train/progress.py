"""What training shows while it goes on: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gristmill.intervals import fisher
from gristmill.page.text import plural

PLAIN_EVERY = 5.0
"""Seconds between plain lines."""


class Shown:
    """Use as a context manager, and as the `watch` of a run. name: what is being trained."""

    def __init__(self, console: Console, name: str) -> None:
        self._console, self._name = console, name
        self._last = time.monotonic()
        self._before: tuple[int, float] | None = None
        self._rate = 0.0
        self._measured = ""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}", markup=False),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=console) if console.is_terminal else None
        self._task = self._bar.add_task(name, total=None, said="preparing") if self._bar else None

    def __enter__(self) -> Shown:
        if self._bar:
            self._bar.start()
        else:
            self._line(f"{self._name}: preparing")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, line: dict[str, Any]) -> None:
        """Show one line of the log."""
        if "validation" in line:
            found = line["validation"]
            extra = f", accuracy {found['accuracy']:.3f}" if "accuracy" in found else ""
            self._measured = f"; validation loss {found['loss']:.4f}{extra}"
            return
        if self._before is None and line["step"] > 1:
            self._line(f"{self._name}: going on after step {line['step'] - 1:,}")
        speed = self._speed(line)
        said = (
            f"loss {line['loss']:.4f}{f', {speed:,.0f} tokens/s' if speed else ''}{self._measured}"
        )
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=line["step"], total=line["of"], said=said)
        elif time.monotonic() - self._last >= PLAIN_EVERY or line["step"] == line["of"]:
            self._last = time.monotonic()
            self._line(
                f"{self._name}: step {line['step']:,} of {line['of']:,}, {said}{self._left(line)}"
            )

    def _speed(self, line: dict[str, Any]) -> float:
        """Tokens of examples a second, averaged over the last steps."""
        tokens, seconds = line["tokens"], line["seconds"]
        if self._before is not None and seconds > self._before[1]:
            now = (tokens - self._before[0]) / (seconds - self._before[1])
            self._rate = now if not self._rate else 0.9 * self._rate + 0.1 * now
        self._before = (tokens, seconds)
        return self._rate

    def _left(self, line: dict[str, Any]) -> str:
        if line["step"] == line["of"]:
            return ""
        left = line["seconds"] / line["step"] * (line["of"] - line["step"])
        minutes, seconds = divmod(round(left), 60)
        return f", {minutes}:{seconds:02} left"

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def show_result(console: Console, trained: Any) -> None:
    """Print what a finished run left behind."""
    m = trained.metrics
    refused = sum(m["refused"].values())
    examples, first, last = m["examples"], m["loss"]["first"], m["loss"]["last"]
    say = console.print
    options: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}
    say(
        f"'{m['name']}' ({m['kind']}): {plural(m['steps'], 'step')}, loss {first:g} -> {last:g}",
        **options,
    )
    say(
        f"examples: {examples['train']:,} trained on, {examples['validation']:,} for validation; "
        f"{plural(m['tokens'], 'token')}, {m['tokens_computed']:,} computed, {m['seconds']:,.1f} s",
        **options,
    )
    if refused:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in m["refused"].items())
        say(
            f"put aside: {refused:,} ({reasons}); see {trained.folder / 'refused.jsonl'}", **options
        )
    before, after = m["validation_before"], m["validation"]
    for key in ("loss", "accuracy", "margin", "perplexity"):
        if key in after:
            say(f"validation {key}: {before[key]:g} -> {after[key]:g}", **options)
    for name, found in after.get("attributes", {}).items():
        if found.get("n"):
            say(f"  {name}: {_attribute(found)}", **options)
    pairs = after.get("pairs") or {}
    if pairs.get("n"):
        within = f" (95 %: {pairs['low']:.3f} to {pairs['high']:.3f})"
        kind = " implied by ratings" if pairs.get("implied") else ""
        of = f"{plural(pairs['n'], 'pair')}{kind}"
        say(f"pair accuracy: {pairs['accuracy']:.3f}{within} of {of}", **options)
    for warning in m["warnings"]:
        say(f"note: {warning}", **options)
    for name, where in m.get("trackers", {}).items():
        say(f"{name}: {where}", **options)
    say(f"model: hf:{trained.model}", **options)
    say(f"report: {trained.folder / 'report.html'}", **options)


def _attribute(found: dict[str, Any]) -> str:
    """What was measured of one attribute, beside always saying the mean label."""
    said = []
    # Of too few labels there is nothing to say, of equal ones no correlation.
    if (r := found.get("pearson")) is not None:
        ends = fisher(r, found["n"])
        said.append(
            f"Pearson {r:.3f}" + (f" (95 %: {ends[0]:.2f} to {ends[1]:.2f})" if ends else "")
        )
    if (error := found.get("mae")) is not None:
        said.append(f"mean error {error:.3f}, of the mean label {found['baseline_mae']:.3f}")
    of = plural(found["n"], "label")
    return f"{'; '.join(said) or 'too few to say'}; {of}"
