"""Who knows what is right. A truth says it of many responses, each with its prompt.

`tutor` grades every statement of the tutor world; `answer` compares with the prompt's own; a judge
by rules (`format`, `math`, `code`, `truth`) says what it says in a run. One of yours is
`my_pkg.mod:function` of a prompt and a response's text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from inspect import iscoroutinefunction

from gristmill import tutor as world
from gristmill.comparing.truths import Question, Truths
from gristmill.errors import ConfigError, DataError
from gristmill.parts import part_names, users_own
from gristmill.records import Prompt

Truth = Callable[[Sequence[Question]], Sequence[bool | None]]
"""Whether each response is right; None where nobody knows."""

# A minus sign right after a digit or letter is a dash: "10-12" and "level-5" hold no negative
# number. A point begins one where nothing but a sign is before it: ".5", not "fig.5".
_NUMBER = re.compile(
    r"(?:(?<!\w)[-\u2212])?"
    r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<![\w.])\.\d+)"
)
_AROUND = " .!*_`'\")\u201d\u2019"
"""What may stand behind the last word: a full stop, an end of emphasis or of a quotation."""


def tutor(prompt: Prompt, response: str) -> bool:
    """Whether the final answer is right and nothing in it is false (`tutor.grade`). False for a
    question that is not the tutor world's."""
    question = world.parse_question(prompt.messages[-1].content)
    return question is not None and world.grade(question, response).right


def answer(prompt: Prompt, response: str) -> bool:
    """Whether the response ends in the prompt's `answer`.

    A number is compared with the response's last number, thousands separators aside (1,234.0
    equals 1234); any other text with the whole words at the response's end, case, white space and
    what closes a sentence, a quotation or emphasis aside. False for a prompt without an answer.
    """
    wanted = (prompt.answer or "").strip()
    if _NUMBER.fullmatch(wanted):
        found = _NUMBER.findall(response)
        return bool(found) and _value(found[-1]) == _value(wanted)
    text, end = _plain(response), _plain(wanted)
    if not end or not text.endswith(end):
        return False
    before = text[: -len(end)][-1:]
    return not (before.isalnum() and end[0].isalnum())


def find_truth(name: str) -> Truth:
    """The truth of that name. Raises ConfigError naming the known ones."""
    known = {"tutor": tutor, "answer": answer}
    if name in known:
        return _each(known[name])
    if name in part_names("gristmill.judges"):
        return Truths.of(name).grade
    if ":" not in name:
        raise ConfigError(
            f"unknown truth '{name}'; known: {', '.join(known)}, a judge by rules (format, math, "
            "code, truth), or 'my_pkg.mod:function'"
        )
    found = users_own(name, "truth")
    if not callable(found) or iscoroutinefunction(found):
        raise ConfigError(f"'{name}' is no function of a prompt and a response")
    return _each(_guarded(name, found))


def _each(function: Callable[[Prompt, str], bool]) -> Truth:
    return lambda questions: [function(prompt, response.text) for prompt, response in questions]


def _guarded(name: str, function: Callable[[Prompt, str], object]) -> Callable[[Prompt, str], bool]:
    """A user's function; what it raises, and what is neither true nor false, is named."""

    def truth(prompt: Prompt, response: str) -> bool:
        try:
            found = function(prompt, response)
        except Exception as error:
            what = f"raised {type(error).__name__}: {error}"
            raise DataError(f"{name}: {what} (prompt '{prompt.id}')") from error
        if found not in (True, False):
            raise DataError(
                f"{name}: returned {found!r:.60} (prompt '{prompt.id}'); return True or False"
            )
        return bool(found)

    return truth


def _value(number: str) -> float:
    return float(number.replace(",", "").replace("\u2212", "-"))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(_AROUND)
