"""Why rows were rejected, in words: what each reason means, and what a user can do about it."""

from __future__ import annotations

from dataclasses import dataclass

from gristmill.page.text import label
from gristmill.report.folder import Run
from gristmill.report.words import thresholds

MOST = 40
"""Reasons shown one by one."""

ERRORS = {
    "timeout": (
        "The model did not answer in time, on any attempt.",
        "Raise `timeout`, or lower `concurrency` or `max_tokens`; then run again: failed calls "
        "are repeated.",
    ),
    "rate_limited": (
        "The server kept answering that there were too many requests.",
        "Set `requests_per_minute` to your plan's limit, then run again.",
    ),
    "server": (
        "The server failed on every attempt, or said that generating had failed.",
        "Look at the server's log; run again when it is well.",
    ),
    "connection": (
        "The connection could not be made, or broke on every attempt.",
        "Check the address and the network, then run again.",
    ),
    "bad_reply": (
        "The reply held no usable answer or score.",
        "Where all tokens went into reasoning, raise `max_tokens`. Else check that the model "
        "string names the right kind of model: a chat model for `generate`, a "
        "reward model for the judge.",
    ),
    "bad_request": (
        "The server refused the request as malformed.",
        "Read the detail below: most often an unknown model name or an unsupported option.",
    ),
    "too_long": (
        "Prompt and response together do not fit the model's context.",
        "Shorten the prompts or lower `max_tokens`.",
    ),
    "content_filter": (
        "The provider's filter refused the prompt, or broke the answer off.",
        "Take such prompts out, or ask another provider; run again to try them anew.",
    ),
    "unreadable": (
        "A judge's reply held no verdict that could be read.",
        "Read the detail below: raise the judge's `max_tokens` if replies are cut off, or use a "
        "stronger judge; then run again.",
    ),
    "bad_tests": (
        "The tests of the prompt could not be used.",
        "The detail says why: they do not parse, test nothing, or import what is not there.",
    ),
    "sandbox": (
        "The sandbox could not be started.",
        "The detail says why; run again when that is put right.",
    ),
    "judge": (
        "The judge's own process ended.",
        "Run again: it is tried anew.",
    ),
    "bad_truth": (
        "The known answer of the prompt could not be read.",
        "Look at the prompt's `answer`, or use another judge for such prompts.",
    ),
    "bad_tools": (
        "Nobody answers for one of the prompt's own tools, or its schema is none.",
        "Add `{simulate: {model: ...}}` to `generate.tools`, or mend the schema.",
    ),
    "budget": (
        "The budget was spent before this call.",
        "Raise `budget` and run again with the same --out.",
    ),
}

INPUT = {
    "bad_json": (
        "Not a line of JSON that holds an object.",
        "Mend the line named in the detail; the run went on without it.",
    ),
    "bad_prompt": (
        "A line without a usable `prompt` or `messages`.",
        "Mend the line named in the detail; the run went on without it.",
    ),
    "bad_encoding": (
        "Not UTF-8 text.",
        "Save the file as UTF-8; the run went on without this line.",
    ),
    "duplicate": (
        "The same prompt came earlier in the input; it was asked once.",
        "Nothing to do.",
    ),
}

OTHERS = {
    "dedup": (
        "The same text was already kept.",
        "Usual at low temperature or with short answers. For more variety raise `temperature`, "
        "or ask for fewer `responses`.",
    ),
    "empty_response": (
        "The model answered with nothing but blanks.",
        "Usual for a base model that was never taught to answer; try an instruct model.",
    ),
    "max_steps": (
        "The model was still calling tools after `generate.max_steps` turns.",
        "Look at its steps: where the tools did not help, their errors say why. Else raise it; "
        "that makes a new run.",
    ),
    "over_target": (
        "Finished after the target was already full.",
        "Nothing to do; raise `target` to take it in.",
    ),
    "near_duplicates": (
        "Nearly the same text was already kept, or stands in a file that it is compared with.",
        "The detail names the earlier one; `threshold` says how like is too like.",
    ),
    "semantic_duplicates": (
        "It means nearly the same as something that was already kept.",
        "The detail names the earlier one; `threshold` says how like is too like.",
    ),
    "semantic_duplicates:no_embedding": (
        "Nothing says what it means, so it could not be compared.",
        "Add the judge `embedding`; that makes a new run.",
    ),
    "semantic_duplicates:other_model": (
        "Its embedding is not of the model that made the others.",
        "The server changed its model during the run: start a new one with a single model.",
    ),
    "decontamination": (
        "It shares a run of words, or of characters, with a benchmark item.",
        "The detail names the item. Left in, the benchmark would measure memory.",
    ),
    "language": (
        "It is in another language than was wanted.",
        "Ask for the language in the prompt or `generate.system`, or set `expect`.",
    ),
    "code_syntax": (
        "A block of code in it does not parse.",
        "The detail names the line; a stronger model or a lower `temperature` helps.",
    ),
    "length": ("It is shorter or longer than asked for.", "The bounds are the filter's."),
    "repetition": (
        "It says the same again and again.",
        "Usual for small models at low `temperature`; `tolerance` says how much may pass.",
    ),
    "refusal": (
        "The model declined, or spoke of itself as a model instead of answering.",
        "Where declining is right, take the filter out for those prompts.",
    ),
    "leaked_template": (
        "Parts of a chat template, or of a prompt's wording, stand in it.",
        "Check the server's chat template and stop words.",
    ),
    "personal_data": (
        "It holds what looks like personal data or a key.",
        "`action: mask` keeps the response with these masked.",
    ),
    "truncated": (
        "It was cut off before its end.",
        "Raise `generate.max_tokens`.",
    ),
    "turns": (
        "A turn of the assistant in the dialogue was graded too low.",
        "The detail has the grade of each turn.",
    ),
}


@dataclass(frozen=True)
class Reason:
    """One reason for rejection as the page shows it."""

    name: str
    count: int
    share: float
    meaning: str
    advice: str


def explain_reasons(run: Run, counts: dict[str, int]) -> list[Reason]:
    """Every reason with its share and what it means, most frequent first."""
    total = max(1, sum(counts.values()))
    bounds = thresholds(run.config)
    found = [
        Reason(label(name), n, n / total, *explain(name, bounds))
        for name, n in list(counts.items())[:MOST]
    ]
    if left := list(counts.values())[MOST:]:
        said = f"{len(left):,} rarer reasons together."
        n = sum(left)
        found.append(Reason("others", n, n / total, said, "`metrics.json` lists them all."))
    return found


def explain(reason: str, bounds: dict[str, dict[str, float]] | None = None) -> tuple[str, str]:
    """What a reason means and what a user can do about it."""
    kind, _, detail = reason.partition(":")
    if kind == "threshold":
        return _threshold(detail, bounds or {})
    if kind == "error":
        return ERRORS.get(
            detail,
            (
                "The call to a model failed for good.",
                "Read the detail below, then run again: failed calls are repeated.",
            ),
        )
    if kind == "input":
        return INPUT.get(
            detail, ("This line of the input could not be used.", "Mend the line named below.")
        )
    return OTHERS.get(reason) or OTHERS.get(
        kind, (f"The filter “{label(kind, 40)}” said no.", "See its options under `keep`.")
    )


def _threshold(name: str, bounds: dict[str, dict[str, float]]) -> tuple[str, str]:
    if name.startswith("no_"):
        which = name.removeprefix("no_")
        return (
            f"No judge gave a score for {which}, so it could not pass.",
            f"Take `{which}` out of `threshold`, or add a judge that scores it.",
        )
    known = bounds.get(name)
    asked = f" Asked for: {_bound(known)}." if known else ""
    advice = f"A looser bound under `keep: threshold: {name}` keeps more and lets worse in."
    return (f"Its score for {name or 'one attribute'} is out of bounds.{asked}", advice)


def _bound(known: dict[str, float]) -> str:
    shown = {
        "min": "at least {:g}",
        "max": "at most {:g}",
        "min_quantile": "at or above quantile {:g}",
        "max_quantile": "at or below quantile {:g}",
    }
    return ", ".join(text.format(known[key]) for key, text in shown.items() if key in known)
