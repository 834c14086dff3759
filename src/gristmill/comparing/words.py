"""What has to be said about a comparison: what came out, what is missing, how it was measured."""

from __future__ import annotations

from typing import Any

from gristmill.bench.words import clear
from gristmill.comparing.sides import REWARD
from gristmill.page.text import decimal, label, plural, whole


def verdict(m: dict[str, Any]) -> str:
    """What came out, in a sentence or two."""
    b = label(m["models"][1]["name"], 80)
    found = m["accuracy"]["paired"] if m["kind"] == REWARD and m["accuracy"] else m.get("right")
    rows = plural(m["rows"], "row")
    if found:
        rows = plural(found["items"] if m["kind"] == REWARD else found["n"], "row")
    else:
        return f"{rows}; no row says what is right, so that only agreement was measured."
    gap = found["difference"]
    what = "prefers the better answer" if m["kind"] == REWARD else "is right"
    if gap["mean"] == 0 and found["p"] == 1:
        return f"{b} {what} as often as the other, on {rows}."
    more = "more" if gap["mean"] > 0 else "less"
    said = f"{b} {what} {more} often by {decimal(abs(100 * gap['mean']), 1)} points, on {rows}"
    return f"{said}." if clear(gap) else f"{said}; chance alone would give as much."


def warnings(m: dict[str, Any]) -> list[str]:
    """One sentence for each thing to know before quoting a figure."""
    found = []
    if m["limit"] is not None:
        found.append(
            f"Only the first {plural(m['limit'], 'row')} of each source were read (--limit)."
        )
    if m["refused"]:
        reasons = ", ".join(f"{reason} {whole(n)}" for reason, n in m["refused"].items())
        found.append(f"Rows that could not be used: {reasons}; refused.jsonl has each.")
    if m["unused_columns"]:
        columns = ", ".join(f"{label(n)} {whole(c)}" for n, c in m["unused_columns"].items())
        found.append(f"Columns that nothing used, with their rows: {columns}.")
    for one in m["models"]:
        if one["failed"]:
            kinds = ", ".join(f"{kind} {whole(n)}" for kind, n in one["failed"].items())
            lost = plural(sum(one["failed"].values()), "call")
            found.append(
                f"{label(one['name'], 80)}: {lost} failed ({kinds}); what they asked is left out "
                "of the figures of both. Run again, and they are tried again."
            )
        if one["rounded"]:
            found.append(
                f"{label(one['name'], 80)}: its weights are stored in fewer bits "
                f"({label(one['rounded'])}) and run here by rounding alone; the speed is not that "
                "of an engine."
            )
    return [*found, *(_of_rewards(m) if m["kind"] == REWARD else _of_chats(m))]


def _of_rewards(m: dict[str, Any]) -> list[str]:
    found = []
    if set(m["forms"]) == {"scalar", "attributes"} or "both" in m["forms"]:
        said = " and ".join(
            f"{label(one['name'], 60)} gives {_FORMS[form]}"
            for one, form in zip(m["models"], m["forms"], strict=True)
        )
        found.append(
            f"{said}: the attributes are not compared, and rewards on two scales have "
            "no difference."
        )
    if not m["accuracy"]:
        found.append("No row says which answer is better: who is right was not measured.")
    if not m["verdicts"]["prompts"]:
        found.append("No prompt has two answers: verdicts and ranks were not measured.")
    return found


_FORMS = {"scalar": "one scalar", "attributes": "five attributes", "both": "now one, now the other"}


def _of_chats(m: dict[str, Any]) -> list[str]:
    found = []
    for one, cut in zip(m["models"], m["cut"], strict=True):
        if cut:
            found.append(
                f"{label(one['name'], 80)}: {plural(cut, 'answer')} cut off at the limit of tokens "
                "(--max-tokens)."
            )
    if m["right"] is None:
        found.append("No row's right answer is known: who is right was not measured.")
    elif m["right"]["n"] < m["answers"]:
        left = m["answers"] - m["right"]["n"]
        found.append(f"Of {plural(left, 'row')} nobody knows what is right.")
    if likely := m["likely"]:
        for one, found_ in zip(m["models"], likely["models"], strict=True):
            if found_ is None:
                found.append(
                    f"{label(one['name'], 80)} gives no log-probabilities of a given answer: it "
                    "has no perplexity here."
                )
            elif found_["failed"]:
                kinds = ", ".join(f"{kind} {whole(n)}" for kind, n in found_["failed"].items())
                found.append(
                    f"{label(one['name'], 80)}: given answers left out of its perplexity: {kinds}."
                )
    else:
        found.append("No row gives an answer: perplexity was not measured.")
    return found


def rules(m: dict[str, Any]) -> list[str]:
    """How the figures came about."""
    found = [
        "A difference is B less A, with a 95 % interval from paired differences; p is McNemar's "
        "exact test of the rows that one of the two alone got right.",
        "Speed is that of this comparison's calls, loading aside, one model after the other. "
        "Weights are bytes of the files.",
    ]
    if m["kind"] == REWARD:
        return [
            *found,
            "Same verdict: of two answers to one prompt both models prefer the same, or call both "
            "equal; the share of a prompt's pairs, averaged over prompts. Kendall's tau is tau-b, "
            "averaged over prompts. r is Pearson's, over all answers; “differ by” is the mean of "
            "absolute differences.",
            "Who prefers the better answer is counted as by gristmill rewardbench: equal scores "
            "are a loss.",
        ]
    return [
        *found,
        "Texts are written at temperature 0, unless a model's file says otherwise, and are equal "
        "if every character is.",
        "Perplexity is exp of the mean of −log p over the tokens of the answers that the rows "
        "give, their ends among them. Models that cut text into different tokens are compared by "
        "bits a byte.",
    ]
