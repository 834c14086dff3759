"""How figures read: `60.3 % ± 2.1`, `+14.2 ± 1.9 points`."""

from __future__ import annotations

from typing import Any

from gristmill.flywheel.config import BLIND
from gristmill.flywheel.figures import Z95, clear
from gristmill.page.text import decimal, percent, plural


def share(found: dict[str, Any] | None) -> str:
    """A mean of shares with its 95 % interval, in per cent; both ends where they are not alike."""
    if not found or found["mean"] is None:
        return "–"
    mean, low, high = found["mean"], found["low"], found["high"]
    if low is None or high is None:
        return percent(mean)
    if abs((high - mean) - (mean - low)) > 1e-8:
        return f"{percent(mean)} ({decimal(100 * low, 1)} to {decimal(100 * high, 1)})"
    return f"{percent(mean)} ± {decimal(100 * (high - mean), 1)}"


def number(found: dict[str, Any] | None) -> str:
    """A mean with its 95 % interval."""
    if not found or found["se"] is None:
        return plain(found)
    return f"{plain(found)} ± {decimal(Z95 * found['se'])}"


def plain(found: dict[str, Any] | None) -> str:
    """A mean alone."""
    return decimal(found["mean"] if found else None)


def score(figures: dict[str, Any], by: str) -> str:
    """What rounds are compared by."""
    return share(figures["accuracy"]) if by == "accuracy" else number(figures["reward"])


def points(found: dict[str, Any] | None, by: str) -> str:
    """A difference with its standard error: points of accuracy, or of reward."""
    if not found or found["mean"] is None:
        return "–"
    times, digits = (100, 1) if by == "accuracy" else (1, 2)
    error = "" if found["se"] is None else f" ± {decimal(times * found['se'], digits)}"
    return f"{decimal(times * found['mean'], digits, signed=True)}{error}"


def verdicts(metrics: dict[str, Any]) -> list[str]:
    """What the figures say, a sentence each; what did not help among them."""
    by, main = metrics["by"], metrics["main"]
    rounds = metrics["arms"][main]["rounds"]
    said = [_headline(metrics, rounds), *_rounds(rounds, by)]
    if len(rounds) > 1:
        said += _greedy(metrics, rounds) + _pleasing(rounds[-1], by)
    said += [
        _ablation(name, arm, main, by) for name, arm in metrics["arms"].items() if name != main
    ]
    said += _sharpened(metrics, main)
    share_of = metrics["arms"][main]["share_of_oracle"]
    if share_of is not None:
        said.append(f"The gain of '{main}' is {share(share_of)} of the oracle's.")
    failed = sum(r["failed"] for arm in metrics["arms"].values() for r in arm["rounds"][1:])
    failed += rounds[0]["failed"]
    if failed:
        wrong = "count as wrong" if by == "accuracy" else "count for nothing"
        again = "run again to ask them again"
        said.append(f"{plural(failed, 'answer')} failed and {wrong}; {again}.")
    if metrics["stopped"]:
        word = "Stopped" if rounds[-1]["round"] < metrics["rounds"] else "The end"
        said.append(f"{word}: {metrics['stopped']}.")
    return said


def _rounds(rounds: list[dict[str, Any]], by: str) -> list[str]:
    """The rounds that did not help the one before, where there are several."""
    said = []
    for found in rounds[1:] if len(rounds) > 2 else []:
        step, number = found["gain_on_last"], found["round"]
        verb = {0: "did not measurably help", -1: "made it worse"}.get(clear(step))
        if verb:
            said.append(f"Round {number} {verb}: {points(step, by)} on round {number - 1}.")
    return said


def _greedy(metrics: dict[str, Any], rounds: list[dict[str, Any]]) -> list[str]:
    gain = rounds[-1].get("greedy_gain")
    if not gain:
        return []
    word = {1: "higher", 0: "not measurably different", -1: "lower"}[clear(gain)]
    text = (
        f"Greedy accuracy: {share(rounds[0]['greedy'])} in round 0, {share(rounds[-1]['greedy'])} "
        f"in round {rounds[-1]['round']}: {word} ({points(gain, metrics['by'])} points)"
    )
    changes = metrics.get("greedy_changes")
    if changes:
        text += (
            f"; {plural(changes['now_right'], 'prompt')} became right and "
            f"{changes['now_wrong']} wrong"
        )
    return [text + "."]


def _pleasing(last: dict[str, Any], by: str) -> list[str]:
    """A reward that rises alone: what is learned may be to please the judge."""
    gain, rise = last["gain"], last["reward_gain"]
    # An accuracy that rises, if not clearly, is no sign of it.
    if by == "accuracy" and clear(rise) > 0 and (gain["mean"] or 0.0) <= 0:
        return [
            f"The reward rose ({points(rise, 'reward')}) while accuracy did not "
            f"({points(gain, by)}): the model may be learning to please the judge."
        ]
    return []


def _headline(metrics: dict[str, Any], rounds: list[dict[str, Any]]) -> str:
    by, last = metrics["by"], rounds[-1]
    gain = last.get("gain")
    word = {1: "better", 0: "not measurably better", -1: "worse"}[clear(gain)]
    prompts = f"{plural(metrics['evaluation_prompts'], 'prompt')} never trained on"
    now, then = score(last, by), score(rounds[0], by)
    if by == "accuracy":
        said = f"is right in {now} of the answers to {prompts}, round 0 in {then}"
    else:
        said = f"has a mean reward of {now} on {prompts}, round 0 of {then}"
    error = ", standard error after ±" if gain and gain["se"] is not None else ""
    return f"Round {last['round']} {said}: {word} ({points(gain, by)}{error})."


def _sharpened(metrics: dict[str, Any], main: str) -> list[str]:
    """Why arms that know no better gain too: p^(1/T), learned at temperature 1, is sampled at T
    again, which is T squared of the model before."""
    names = [
        f"'{name}'"
        for name, arm in metrics["arms"].items()
        if name != main and arm["filter"] in BLIND and clear(arm["rounds"][-1].get("gain")) > 0
    ]
    if not names or not 0 < metrics["sampled_at"] < 1:
        return []
    return [
        f"{' and '.join(names)} gain{'s' if len(names) == 1 else ''} without a filter: rows that "
        f"were sampled at temperature {metrics['sampled_at']:g} are learned at 1, and so the next "
        "answers are sharper. What the filter is worth is the difference."
    ]


def _ablation(name: str, arm: dict[str, Any], main: str, by: str) -> str:
    last = arm["rounds"][-1]
    against = arm["against_main"]
    gain = last.get("gain")
    mean = against["mean"] or 0
    side = "behind" if mean < 0 else "ahead" if mean > 0 else "level"
    text = (
        f"Against '{name}' ({', '.join(arm['stages'])}; filter {arm['filter']}), which gains "
        f"{points(gain, by)}, '{main}' is {side} ({points(against, by)})"
    )
    if against["se"]:
        text += f", {abs(against['mean'] / against['se']):.1f} standard errors"
    text += "." if clear(against) else ": not measurably."
    if arm["skipped"]:
        text += f" It has no pairs, and so goes without {', '.join(arm['skipped'])}."
    return text
