"""What has to be said about an evaluation: what came out, what is missing, how it was scored."""

from __future__ import annotations

from typing import Any

from gristmill.page.text import decimal, label, percent, plural, whole

MANY_UNREADABLE = 0.02
"""The share of replies without a verdict from which on it is worth a warning."""


def warnings(metrics: dict[str, Any]) -> list[str]:
    """One sentence for each thing that a reader would hold against us if it were not said."""
    return [
        *_about_data(metrics),
        *(line for j in metrics["judges"] for line in _about(j)),
    ]


def _about_data(metrics: dict[str, Any]) -> list[str]:
    found = []
    if metrics["limit"] is not None:
        found.append(f"Only the first {plural(metrics['limit'], 'row')} were looked at (--limit).")
    if metrics["incomplete"]:
        parts = [
            f"{label(name)} {whole(have)} of {whole(all_)}"
            for name, (have, all_) in metrics["incomplete"].items()
        ]
        more = sum(have > all_ for have, all_ in metrics["incomplete"].values())
        what = "more or fewer rows than" if more else "fewer rows than"
        found.append(
            f"The data has {what} the published {metrics['benchmark']}: {', '.join(parts)}."
        )
    if metrics["refused_rows"]:
        reasons = ", ".join(f"{reason} {whole(n)}" for reason, n in metrics["refused"].items())
        found.append(
            f"{plural(metrics['refused_rows'], 'row')} could not be used ({reasons}); "
            "refused.jsonl has each with its line."
        )
    if metrics["unused_columns"]:
        columns = ", ".join(
            f"{label(name)} {whole(n)}" for name, n in metrics["unused_columns"].items()
        )
        found.append(f"Columns that nothing used, with their rows: {columns}.")
    return found


def _about(judge: dict[str, Any]) -> list[str]:
    name, found = label(judge["name"], 80), []
    failed = sum(judge["failed"].values())
    if failed:
        kinds = ", ".join(f"{kind} {whole(n)}" for kind, n in judge["failed"].items())
        first = f" The first: {label(said, 200)}" if (said := judge["first_failure"]) else ""
        found.append(
            f"{name}: {plural(failed, 'row')} without a verdict ({kinds}), left out of its "
            f"figures; were all of them wrong, it would have {percent(judge['if_missing_wrong'])}."
            f"{first}"
        )
    if judge["replies"] and judge["unreadable"] > MANY_UNREADABLE * judge["replies"]:
        share = percent(judge["unreadable"] / judge["replies"])
        found.append(
            f"{name}: {share} of its replies give no verdict that can be read; each counts as "
            "chance would, as in the original."
        )
    if judge["equal"]:
        found.append(f"{name}: {plural(judge['equal'], 'tie')} of scores, which count as losses.")
    if judge["sections"] and judge["score"] is None:
        have = ", ".join(judge["sections"])
        found.append(f"{name}: no overall score, since sections are missing (there are: {have}).")
    return found


def headline(judge: dict[str, Any]) -> dict[str, Any] | None:
    """The judge's score, or its accuracy where there is no board; None where neither is."""
    if judge["score"] is not None:
        return judge["score"]
    return None if judge["sections"] else accuracy(judge)


def accuracy(judge: dict[str, Any]) -> dict[str, Any] | None:
    """The judge's accuracy over all rows, each counting alike; None where nothing was judged."""
    if judge["accuracy"] is None:
        return None
    return {"score": judge["accuracy"], "low": judge["low"], "high": judge["high"]}


def verdict(metrics: dict[str, Any]) -> str:
    """What came out, in a sentence or two."""
    rows = plural(metrics["rows"], "row")
    known = [(j, score) for j in metrics["judges"] if (score := headline(j))]
    if not known:
        return f"{rows}; no judge has an overall score, and the reasons are below."
    best, score = max(known, key=lambda found: found[1]["score"])
    name, value = label(best["name"], 80), percent(score["score"])
    value += f" (95 % interval {ends(score)})"
    if len(metrics["judges"]) == 1:
        return f"{name} prefers the better answer in {value}, on {rows}."
    said = f"{name} is ahead with {value}, on {rows}."
    second = [c for c in metrics["comparisons"] if best["name"] in (c["first"], c["second"])]
    open_ = [c for c in second if not clear(c["difference"])]
    if open_:
        others = ", ".join(
            label(c["second"] if c["first"] == best["name"] else c["first"], 60) for c in open_
        )
        said += f" Its lead over {others} is within what chance would give."
    return said


def clear(difference: dict[str, Any]) -> bool:
    """Whether a difference's 95 % interval leaves out 0."""
    low, high = difference["low"], difference["high"]
    return low is not None and high is not None and (low > 0 or high < 0)


def ends(value: dict[str, Any], *, signed: bool = False) -> str:
    """58.0 to 66.8: the ends of an interval, in per cent or, with signs, in points."""
    low, high = (decimal(100 * value[end], 1, signed=signed) for end in ("low", "high"))
    return f"{low} to {high}"


def share(value: dict[str, Any] | None) -> str:
    """62.4 % (58.0 to 66.8) of a score, an accuracy or a mean; a dash for nothing."""
    if value is None:
        return "–"
    if value.get("low") is None:
        return mean(value)
    return f"{mean(value)} ({ends(value)})"


def mean(value: dict[str, Any] | None) -> str:
    """62.4 % of what `share` takes."""
    if value is None:
        return "–"
    return percent(value.get("score", value.get("accuracy", value.get("mean"))))


def points(value: dict[str, Any] | None) -> str:
    """+3.2 points of a difference; a dash for nothing."""
    if value is None or value["mean"] is None:
        return "–"
    return decimal(100 * value["mean"], 1, signed=True)


def chance(p: float) -> str:
    """The p of a test, in as many digits as say something."""
    return "< 0.001" if p < 0.001 else decimal(p, 3)


def rules(metrics: dict[str, Any]) -> list[str]:
    """How the figures of this evaluation came about."""
    kinds = {judge["kind"] for judge in metrics["judges"]}
    choosing = {"chat model", "generative reward model"}
    orders = {judge["orders"] for judge in metrics["judges"] if judge["kind"] in choosing}
    shown = "in a random order and in its reverse" if 2 in orders else "in one random order"
    found = []
    if kinds - choosing:
        found.append(
            "A model that scores is right if the better answer's score is higher; a tie is a loss. "
            "Among four answers it gets a share where several have the highest score. No answer is "
            "cut to fit: one that is too long has no verdict."
        )
    if "implicit reward" in kinds:
        found.append(
            "An implicit reward is the sum, over the answer's tokens, of the model's "
            "log-probability less its reference's."
        )
    if "chat model" in kinds:
        found.append(
            f"A chat model is shown the answers {shown} and asked which is best; a reply without a "
            "verdict counts as chance would. The wording of the question is gristmill's own, so "
            "scores of chat models are not exactly comparable with published ones."
        )
    if "generative reward model" in kinds:
        found.append(
            f"A generative reward model is shown the answers of a pair {shown} and chooses the one "
            "with the higher score; the ranking parts equal ones, and a reply without scores "
            "counts as chance would. More than two answers are scored as responses in a run are."
        )
    if 2 in orders and metrics["benchmark"] != "pairs":
        found.append("The score counts the first of the two orders alone, as the original does.")
    return found + list(_BOARD_RULES.get(metrics["benchmark"], _OWN_RULES))


_BOARD_RULES = {
    "RewardBench": (
        "A section is the mean of its subsets with the published weights (math-prm's 447 rows "
        "weigh as 984), the score the plain mean of the four sections; prior sets, where they are "
        "there, are a fifth section of half the weight (Lambert et al. 2024, arXiv:2403.13787).",
    ),
    "RewardBench 2": (
        "The score is the plain mean of six subsets; Ties is scored by a formula of its own (Malik "
        "et al. 2025, arXiv:2506.01937).",
    ),
    "Tutor world": (
        "Questions, answers and refusals of gristmill's tutor world, whose truth the program "
        "knows. A section is the plain mean of its subsets, the score the plain mean of the "
        "sections. It has RewardBench's shape; its figures say nothing about RewardBench.",
    ),
}
_OWN_RULES = ("Every row counts alike.",)
