"""What `arena battle` and `arena tag` show on a terminal, while they run and at their end."""

from __future__ import annotations

from typing import Any

from gristmill.page.text import label, plural, visible


def battle_lines(summary: dict[str, Any]) -> list[str]:
    """The summary of `run.battle` in words, a line each."""
    lines = []
    if bad := summary["refused"]:
        lines.append(f"prompts that could not be used: {_reasons(bad)} (refused.jsonl)")
    for name, row in summary["models"].items():
        if row["failures"]:
            lines.append(f"{label(name, 60)}: no answer: {_failures(row)}")
        if row["cut_off"]:
            lines.append(
                f"{label(name, 60)}: {plural(row['cut_off'], 'answer')} cut off at max_tokens"
            )
    lacking = summary["pairs"] - summary["battles"]
    without = f", {lacking:,} without both answers and so not fought" if lacking else ""
    lines.append(
        f"{plural(summary['battles'], 'battle')} on {plural(summary['prompts'], 'prompt')}{without}"
    )
    for name, row in summary["judges"].items():
        line = f"{label(name, 60)}: {plural(row['votes'], 'vote')}, {row['ties']:,} of them ties"
        causes = [
            *([f"{row['flips']:,} position flips"] if row["flips"] else []),
            *([f"{row['equal']:,} equal answers"] if row["equal"] else []),
        ]
        line += f" ({', '.join(causes)})" if causes else ""
        line += f"; no verdict: {_failures(row)}" if row["failures"] else ""
        lines.append(line)
    if summary["cached"]:
        lines.append(f"{plural(summary['cached'], 'answer')} out of the cache")
    lines += agreement_lines(summary["agreement"])
    lines += summary["notes"]
    failed = [*summary["models"].values(), *summary["judges"].values()]
    if any(row["failures"] for row in failed):
        lines.append("run again to try what failed once more")
    return [*map(visible, lines), visible(f"votes: {summary['votes']}")]


def _failures(row: dict[str, Any]) -> str:
    first = f"; the first: {label(row['first_failure'], 200)}" if row["first_failure"] else ""
    return f"{_reasons(row['failures'])}{first}"


def agreement_lines(found: dict[str, Any]) -> list[str]:
    """What `agreement.agreement` found in words, a line for each group that can be compared."""
    groups = {
        "people": "people among themselves",
        "models": "models among themselves",
        "people_with_models": "people with models",
    }
    lines = []
    for name, words in groups.items():
        row = found[name]
        if row is None:
            continue
        alpha = row["alpha"]
        line = f"{words} agree in {row['agreement']:.1%} of {plural(row['pairs'], 'pair')} of votes"
        if alpha["value"] is not None:
            line += f", alpha {alpha['value']:.2f}"
        if alpha["low"] is not None:
            line += f" ({alpha['low']:.2f} to {alpha['high']:.2f})"
        lines.append(line)
    return lines


def tag_lines(summary: dict[str, Any]) -> list[str]:
    """The summary of `tags.tag.tag` in words, a line each."""
    kinds = ", ".join(f"{name} {n:,}" for name, n in summary["categories"].items())
    lines = [f"{plural(summary['battles'], 'battle')}: {kinds or 'no categories'}"]
    if summary["without_text"]:
        lines.append(
            f"{plural(summary['without_text'], 'battle')} without a text to find categories in"
        )
    if summary["tagged"] or summary["failures"]:
        lines.append(
            f"{summary['hard']:,} hard ones among {plural(summary['tagged'], 'tagged prompt')}"
        )
    if summary["failures"]:
        lines.append(f"not tagged: {_reasons(summary['failures'])}; run again to try once more")
    return [visible(line) for line in (*lines, *summary["notes"])]


def _reasons(counts: dict[str, int]) -> str:
    return ", ".join(f"{kind.removeprefix('input:')} {n:,}" for kind, n in counts.items())
