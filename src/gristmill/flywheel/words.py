"""How figures read: `60.3 % ± 2.1`, `+14.2 ± 1.9 points`."""

from __future__ import annotations

from typing import Any

from gristmill.flywheel.figures import Z95


def share(found: dict[str, Any] | None) -> str:
    """A mean of shares with its 95 % interval, in per cent."""
    if not found or found["mean"] is None:
        return "–"
    half = "" if found["se"] is None else f" ± {100 * Z95 * found['se']:.1f}"
    return f"{100 * found['mean']:.1f} %{half}"


def number(found: dict[str, Any] | None) -> str:
    """A mean with its 95 % interval."""
    if not found or found["mean"] is None:
        return "–"
    half = "" if found["se"] is None else f" ± {Z95 * found['se']:.2f}"
    return f"{found['mean']:.2f}{half}"


def plain(found: dict[str, Any] | None) -> str:
    """A mean alone."""
    return "–" if not found or found["mean"] is None else f"{found['mean']:.2f}"


def score(figures: dict[str, Any], by: str) -> str:
    """What rounds are compared by."""
    return share(figures["accuracy"]) if by == "accuracy" else number(figures["reward"])


def points(found: dict[str, Any] | None, by: str) -> str:
    """A difference with its standard error: points of accuracy, or of reward."""
    if not found or found["mean"] is None:
        return "–"
    times = 100 if by == "accuracy" else 1
    error = "" if found["se"] is None else f" ± {times * found['se']:.{1 if times > 1 else 2}f}"
    return f"{times * found['mean']:+.{1 if times > 1 else 2}f}{error}"


def plain_share(value: float | None) -> str:
    """A share in per cent."""
    return "–" if value is None else f"{100 * value:.1f} %"


def verdicts(metrics: dict[str, Any]) -> list[str]:
    """What the figures say, a sentence each; what did not help among them."""
    by, main = metrics["by"], metrics["main"]
    rounds = metrics["arms"][main]["rounds"]
    said = [_headline(metrics, rounds)]
    if len(rounds) > 1 and rounds[-1].get("greedy_gain"):
        greedy = rounds[-1]["greedy_gain"]
        word = "higher" if greedy["mean"] > 0 else "lower" if greedy["mean"] < 0 else "the same"
        said.append(
            f"Greedy accuracy: {share(rounds[0]['greedy'])} in round 0, "
            f"{share(rounds[-1]['greedy'])} in round {rounds[-1]['round']} ({word}, "
            f"{points(greedy, by)} points)."
        )
    for name, arm in metrics["arms"].items():
        if name != main:
            said.append(_ablation(name, arm, main, by))
    share_of = metrics["arms"][main]["share_of_oracle"]
    if share_of is not None:
        said.append(f"The gain of '{main}' is {share(share_of)} of the oracle's.")
    if metrics["stopped"]:
        said.append(f"Stopped: {metrics['stopped']}.")
    return said


def _headline(metrics: dict[str, Any], rounds: list[dict[str, Any]]) -> str:
    by, last = metrics["by"], rounds[-1]
    gain = last.get("gain")
    sure = bool(gain and gain["se"] and gain["mean"] > 2 * gain["se"])
    word = "better" if sure else "not measurably better"
    prompts = f"{metrics['evaluation_prompts']} prompts never trained on"
    now, then = score(last, by), score(rounds[0], by)
    if by == "accuracy":
        said = f"is right in {now} of the answers to {prompts}, round 0 in {then}"
    else:
        said = f"has a mean reward of {now} on {prompts}, round 0 of {then}"
    return f"Round {last['round']} {said}: {word} ({points(gain, by)}, standard error after ±)."


def _ablation(name: str, arm: dict[str, Any], main: str, by: str) -> str:
    last = arm["rounds"][-1]
    against = arm["against_main"]
    gain = last.get("gain")
    side = "behind" if (against["mean"] or 0) < 0 else "ahead"
    text = (
        f"Against '{name}' ({', '.join(arm['stages'])}; filter {arm['filter']}), which gains "
        f"{points(gain, by)}, '{main}' is {side} ({points(against, by)})"
    )
    if against["se"]:
        text += f", {abs(against['mean'] / against['se']):.1f} standard errors"
    return text + "."
