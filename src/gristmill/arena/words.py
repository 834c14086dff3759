"""What has to be said about ratings, in sentences: for the terminal, the page and the JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gristmill.page.text import decimal, label, percent, plural, whole

FEW_CLUSTERS = 30
"""Below this many clusters even Student's t is a rough guide."""
_SHOWN, _COLUMNS = 5, 12


def warnings(found: dict[str, Any], notes: Sequence[str]) -> list[str]:
    """One sentence for each thing that a reader would hold against us if it were not said."""
    rows = found["ratings"]
    said = [*notes, *_unused(found["unused_columns"])]
    if found["groups"] > 1:
        said.append(
            f"The models fall into {found['groups']} groups without a battle between them; each is "
            "ranked apart, and ratings of different groups cannot be compared."
        )
    said += _without_rating(rows)
    if found["cluster_by"] and found["clusters"] is not None and found["clusters"] < FEW_CLUSTERS:
        said.append(
            f"The battles have only {plural(found['clusters'], found['cluster_by'])} as clusters; "
            "intervals of so few are rough."
        )
    if found["ties"]["share"] == 1:
        said.append("All battles were tied: nothing tells the models apart.")
    if found["method"] == "davidson" and found["ties"]["share"] == 0:
        said.append("No battle was tied: Davidson's model is then Bradley and Terry's.")
    if found["method"] == "rao-kupper" and found["ties"]["share"] == 0:
        said.append("No battle was tied: Rao and Kupper's model is then Bradley and Terry's.")
    said += _about_judges(found["judges"])
    said += _about_withdrawn(found["withdrawn"])
    return said


def rules(found: dict[str, Any]) -> list[str]:
    """How the figures of this leaderboard came about."""
    methods = {
        "bt": "Bradley and Terry's model by Newton's method; a tie, both bad or not, is half a win "
        "of each.",
        "davidson": "Davidson's model: ties have a parameter of their own"
        f" (nu = {decimal(found['ties']['parameter'], 3)}).",
        "rao-kupper": "Rao and Kupper's model: ties have a parameter of their own"
        f" (eta = {decimal(found['ties']['parameter'], 3)}).",
        "elo": "Elo online with K = 4, in order of time: recent battles count more.",
    }
    intervals = {
        "sandwich": "Intervals are sandwich estimates, which take every vote as independent.",
        "bootstrap": f"Intervals are percentiles of {whole(found['rounds'])} resampled sets of "
        "votes.",
        "cluster": f"Intervals let votes of one {found['cluster_by']} depend on each other "
        f"({plural(found['clusters'], 'cluster')}).",
    }
    anchor = found["anchor"]
    level = (
        f"{label(anchor[0], 60)} is set to {decimal(anchor[1], 0)}; intervals stay those from the "
        "mean."
        if anchor
        else "The mean of all ratings is 1000."
    )
    said = [methods[found["method"]], intervals[found["intervals"]], level]
    if found["style"]:
        said.append(
            "Ratings are at equal style: the covariates are fitted beside them, without any "
            "regularisation."
        )
    return said


def _unused(columns: dict[str, int]) -> list[str]:
    if not columns:
        return []
    shown = ", ".join(
        f"{label(name, 40)} ({plural(count, 'row')})"
        for name, count in sorted(columns.items(), key=lambda item: -item[1])[:_COLUMNS]
    )
    more = f" and {whole(len(columns) - _COLUMNS)} more" if len(columns) > _COLUMNS else ""
    return [f"Columns that nothing here uses: {shown}{more}."]


def _without_rating(rows: Sequence[dict[str, Any]]) -> list[str]:
    said = []
    kinds = {
        "undefeated": "never lost or tied against the rated models, so that no finite rating is "
        "the likeliest",
        "winless": "never won or tied against the rated models, so that no finite rating is the "
        "likeliest",
        "not comparable": "cannot be placed: no chain of wins and ties leads to the others "
        "and back",
        "no maximum": "have no likeliest ratings: ever larger ones, together with an ever larger "
        "parameter of ties, explain their battles ever better; use bt",
    }
    for note, why in kinds.items():
        models = [row for row in rows if row["note"] == note]
        if models:
            said.append(f"{_few(models, lambda row: label(row['model'], 60))} {why}.")
    return said


def _few(rows: Sequence[dict[str, Any]], said: Callable[[dict[str, Any]], str]) -> str:
    """What is said of the first of them, and how many more there are."""
    shown, more = ", ".join(map(said, rows[:_SHOWN])), len(rows) - _SHOWN
    return f"{shown} and {whole(more)} more" if more > 0 else shown


def _about_judges(judges: dict[str, Any] | None) -> list[str]:
    if not judges or not judges["flagged"]:
        return []
    flagged = judges["flagged"]
    shown = _few(
        flagged,
        lambda j: (
            f"{label(j['judge'], 40)} ({percent(j['agreement'], 0)} of {whole(j['decisive'])} "
            f"decisive votes for the stronger model, {percent(j['expected'], 0)} expected)"
        ),
    )
    return [
        f"{plural(len(flagged), 'judge')} of {whole(judges['tested'])} voted against the ratings "
        f"more than honest votes would: {shown}. By chance {decimal(judges['expected'], 1)} "
        "would be flagged. Their votes are counted."
    ]


def _about_withdrawn(withdrawn: dict[str, Any] | None) -> list[str]:
    if not withdrawn or not withdrawn["flagged"]:
        return []
    shown = _few(
        withdrawn["flagged"],
        lambda row: (
            f"{label(row['model'], 60)} won {whole(row['won'])} of "
            f"{whole(row['won'] + row['lost'])} taken back"
            + (f" by {label(row['judge'], 40)}" if row["judge"] else "")
            + f" and {whole(row['kept_won'])} of {whole(row['kept_won'] + row['kept_lost'])} "
            "that stand"
        ),
    )
    return [
        f"Of {plural(withdrawn['votes'], 'vote')} taken back, too many went the same way for slips "
        f"alone: of decisive votes {shown}. Were they taken back by who had lost, the "
        "ratings are wrong."
    ]
