"""A comparison as a table: the same lines on the terminal and on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from gristmill.bench.words import chance, ends, mean, points, share
from gristmill.comparing.sides import REWARD
from gristmill.page.text import decimal, label, plural, whole

NONE = "–"


class Line(NamedTuple):
    """One line of the table: a figure of A, of B, and what is between them."""

    what: str
    a: str = ""
    b: str = ""
    between: str = ""


def _line(what: str, values: Iterable[str], between: str = "") -> Line:
    a, b = values
    return Line(what, a, b, between)


def lines(metrics: dict[str, Any], *, narrow: bool = False) -> list[Line]:
    """The table, line by line. narrow: without the intervals of each model's own shares."""
    of_one = mean if narrow else share
    own = _reward_lines if metrics["kind"] == REWARD else _chat_lines
    return [*own(metrics, of_one), *_common(metrics)]


Say = Callable[[dict[str, Any] | None], str]


def _reward_lines(m: dict[str, Any], of_one: Say) -> list[Line]:
    found = []
    accuracy = m["accuracy"]
    if accuracy:
        heads = [_headline(one) for one in accuracy["models"]]
        paired = accuracy["paired"]
        name = "prefers the better answer"
        gap = difference(paired["difference"], paired["p"])
        found.append(_line(name, map(of_one, heads), gap))
        sections = [list(one["sections"]) for one in accuracy["models"]]
        for section in dict.fromkeys(name for names in sections for name in names):
            values = [one["sections"].get(section) for one in accuracy["models"]]
            gap = paired["sections"].get(section)
            found.append(_line(f"  {label(section)}", map(of_one, values), difference(gap)))
    verdicts, ranks = m["verdicts"], m["ranks"]
    if verdicts["prompts"]:
        of = f" of {plural(verdicts['pairs'], 'pair')}"
        found.append(Line("same verdict on two answers", between=share(verdicts) + of))
    if ranks["n"]:
        tau = f"{decimal(ranks['mean'], 3)}{_ends(ranks)}"
        found.append(Line("Kendall's tau within a prompt", between=tau))
    found.append(_number("reward", m["reward"]))
    found += [_number(f"  {name}", value) for name, value in m["attributes"].items()]
    return found


def _headline(one: dict[str, Any]) -> dict[str, Any] | None:
    if one["score"] is not None:
        return one["score"]
    whole_ = one["accuracy"]
    return whole_ and {"score": whole_["accuracy"], "low": whole_["low"], "high": whole_["high"]}


def _number(name: str, value: dict[str, Any]) -> Line:
    """A number that both give: its means, and how near the two are."""
    means = [decimal(mean) for mean in value["means"]]
    parts = [f"r {decimal(value['r'], 3)}"] if value["r"] is not None else []
    if value["gap"]["mean"] is not None:
        parts.append(f"differ by {decimal(value['gap']['mean'], 3)}")
    return _line(name, means, ", ".join(parts) or NONE)


def _chat_lines(m: dict[str, Any], of_one: Say) -> list[Line]:
    found = []
    if right := m["right"]:
        found.append(
            _line(
                f"right answers, of {whole(right['n'])}",
                map(of_one, right["models"]),
                difference(right["difference"], right["p"]),
            )
        )
    if m["equal"]["n"]:
        of = f" of {whole(m['equal']['n'])}"
        found.append(Line("equal texts", between=share(m["equal"]) + of))
    found.append(_line("tokens an answer", [decimal(x, 1) for x in m["length"]]))
    if likely := m["likely"]:
        models = likely["models"]
        gap = likely["difference"]
        said = NONE
        if gap["mean"] is not None:
            said = f"{decimal(gap['mean'], 4, signed=True)}{_ends(gap, 4, signed=True)} bits a byte"
        found.append(_line("perplexity of given answers", map(_perplexity, models), said))
    return found


def _perplexity(one: dict[str, Any] | None) -> str:
    if one is None:
        return "not given by it"
    return decimal(one["perplexity"], 3)


def _common(m: dict[str, Any]) -> list[Line]:
    a, b = m["models"]
    found = []
    if a["failed"] or b["failed"]:
        lost = [f"{whole(sum(one['failed'].values()))} of {whole(one['asked'])}" for one in (a, b)]
        found.append(_line("calls that failed", lost, "left out of all figures"))
    what = "tokens/s, reading" if m["kind"] == REWARD else "tokens/s, writing"
    speeds = [one["tokens_per_second"] for one in (a, b)]
    found.append(_line(what, map(_speed, speeds), _ratio(*speeds)))
    sizes = [one["weight_bytes"] for one in (a, b)]
    found.append(_line("weights", map(size, sizes), _ratio(*sizes)))
    return found


def _speed(value: float | None) -> str:
    return "unknown" if value is None else whole(value)


def size(value: int | None) -> str:
    """3.2 MB, 682.0 GB; unknown for what is not here."""
    if value is None:
        return "unknown"
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if value >= unit:
            return f"{value / unit:,.1f} {name}"
    return f"{value / 1e3:,.1f} kB"


def _ratio(a: float | None, b: float | None) -> str:
    return f"{100 * b / a:.0f} %" if a and b else ""


def difference(value: dict[str, Any] | None, p: float | None = None) -> str:
    """+0.5 points (−0.3 to +1.3), p 0.21 of a difference of shares; a dash for nothing."""
    if value is None or value["mean"] is None:
        return NONE
    found = f"{points(value)} points"
    if value["low"] is not None:
        # Of a few rows a normal interval reaches beyond what a difference of shares can be.
        within = {end: min(1.0, max(-1.0, value[end])) for end in ("low", "high")}
        found += f" ({ends(within, signed=True)})"
    return found if p is None else f"{found}, p {chance(p)}"


def _ends(value: dict[str, Any], digits: int = 3, *, signed: bool = False) -> str:
    if value["low"] is None:
        return ""
    low, high = (decimal(value[end], digits, signed=signed) for end in ("low", "high"))
    return f" ({low} to {high})"
