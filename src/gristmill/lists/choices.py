"""What a classifier said: one of some options, or yes or no. What is unclear is None."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence

from gristmill.lists.lines import spoken, trim
from gristmill.lists.single import unwrap

_NAMES = (
    r"answer|verdict|label|class|category|choice|decision|classification|result|conclusion|"
    r"judge?ment|response|option|prediction|output"
)
_LABELLED = (
    rf"\b(?:{_NAMES})\b[\"'*_]{{0,4}}\s?(?:is|would be|=|:|：)[\s\"'*_`:]{{0,6}}|"
    r"\bi(?:['’]d| would| will|['’]ll) (?:say|go with|choose|pick|answer):?[\s\"'*_`]{1,6}|"
    r"\\boxed\{(?:\\text\{)?|<answer>\s{0,4}|\[\[\s{0,2}|"
    r"(?:^|[.!?\n]\s{0,4})(?:so|therefore|thus|hence|overall|in conclusion|conclusion|finally)"
    r"[,:]?[\s\"'*_`]{1,6}"
)
_OPENS = r"[\"'“‘«「*_`(\[{<]{0,4}"
_SHUTS = r"[\"'”’»」*_`)\]}>$]{0,4}"
_END = (
    r"(?=\s*(?:[.,;:!\n。，；！—–]|-\s|\s-\s|\Z|</answer>)|"
    r"\s+(?:\(|(?:because|since|as|it|this|that)\b))"
)
_CLAUSE = re.compile(r"[.,;:!?\n。，；：！？]\s*")
_CLOSERS = " .!。！*_`\"'”’)]}"
_PREFIX = re.compile(rf"(?:the\s|my\s)?(?:{_NAMES}|letter)\s", re.IGNORECASE)
_BOTH = r"[\s,./|&\"'*_`)(]{0,6}(?:and|or)?[\s,./|&\"'*_`)(]{0,6}"


def parse_yes_no(text: str) -> bool | None:
    """True where a reply says yes (or true), False where it says no (or false), None where it
    says neither, both, or does not say it clearly. See `parse_choice`."""
    said = parse_choice(text, ("yes", "no", "true", "false"))
    return None if said is None else said in ("yes", "true")


def parse_choice(text: str, options: Sequence[str]) -> str | None:
    """The option that a reply chooses, as it stands in options; None where it is not clear.

    A verdict is: the whole reply; the value in a JSON object of one answer; what follows a label
    ("Answer:", "the verdict is", "I'd say", `\\boxed{`), the last of these; what the reply begins
    with, before punctuation; the last line, or the last clause. Labels come before the rest. Where
    the beginning and the end, or the beginning and a label, name different options, or where two
    stand side by side ("yes/no"), nothing is chosen. Case, quotes, emphasis and a thought before
    the reply do not matter. An option within a sentence is no verdict.
    """
    known = _known(options)
    said = trim(spoken(text))
    if said.startswith("```") and said.endswith("```"):
        said = trim(said.partition("\n")[2][:-3])
    if not known or not said:
        return None
    exact = _exact(said, options, known)
    if exact is not None:
        return exact
    inner = _json_value(said)
    if inner is not None:
        return _exact(inner, options, known)
    folded = _fold(said)
    names = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    name = rf"(?<!\w)(?P<said>{names})(?!\w)"
    clear = rf"{_OPENS}{name}{_SHUTS}{_END}"
    twice = re.compile(rf"{_BOTH}(?:{names})(?!\w)\s*(?:[^\w\s-]|\Z|and\b|or\b)")
    first = re.match(clear, folded)
    labelled = list(re.finditer(rf"(?:{_LABELLED}){clear}", folded, re.MULTILINE))
    if any(twice.match(folded, found.end("said")) for found in (first, *labelled[-1:]) if found):
        return None
    end, last = folded[-400:], None
    for part in (end.rpartition("\n")[2], _CLAUSE.split(end.rstrip(_CLOSERS))[-1]):
        last = last or re.fullmatch(rf"\W{{0,6}}{name}\W{{0,6}}", part)
    verdict = labelled[-1]["said"] if labelled else last["said"] if last else None
    if folded.endswith(("?", "？")) and not labelled:
        return None
    if first is not None and verdict is not None and first["said"] != verdict:
        return None
    found = verdict or (first["said"] if first else None)
    return None if found is None else known[found]


def _known(options: Sequence[str]) -> dict[str, str | None]:
    """Folded options, and the option that each stands for; None where it is more than one."""
    known: dict[str, str | None] = {}
    for option in options:
        name = _fold(option)
        if name:
            known[name] = option if known.get(name, option) == option else None
    return known


def _exact(said: str, options: Sequence[str], known: dict[str, str | None]) -> str | None:
    """The option that a text is, but for what is around it."""
    if len(said) > 2 * max(map(len, options)) + 40:
        return None
    if said in options:
        return said
    core = trim(unwrap(said).strip(".!。！ "))
    core = trim(unwrap(core))
    for left, right in ("()", "[]", "<>", "{}"):
        while core.startswith(left) and core.endswith(right) and len(core) > 2:
            core = trim(core[1:-1])
    for form in (core, _PREFIX.sub("", core, count=1)):
        if form in options or _fold(form) in known:
            return form if form in options else known[_fold(form)]
    return None


def _json_value(said: str) -> str | None:
    """The value of the field that holds the answer, where the reply is a JSON object."""
    if not said.startswith("{"):
        return None
    try:
        value = json.loads(said)
    except (ValueError, RecursionError):
        return None
    fields = {_fold(key): each for key, each in value.items()}
    named = [each for key, each in fields.items() if re.fullmatch(_NAMES, key)]
    chosen = named or [each for each in fields.values() if isinstance(each, bool)]
    chosen = chosen or (list(fields.values()) if len(fields) == 1 else [])
    if len(chosen) != 1 or not isinstance(chosen[0], str | bool | int):
        return ""
    return str(chosen[0])


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()
