"""Who knows what is right. A truth is a function of a prompt and a response's text.

`tutor` grades every statement of the tutor world; `answer` compares with the prompt's own. One of
yours is `my_pkg.mod:function`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module

from gristmill import tutor as world
from gristmill.errors import ConfigError
from gristmill.records import Prompt

Truth = Callable[[Prompt, str], bool]

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def tutor(prompt: Prompt, response: str) -> bool:
    """Whether the final answer is right and nothing in it is false. False for a question that is
    not the tutor world's."""
    question = world.Question.parse(prompt.messages[-1].content)
    return question is not None and world.grade(question, response).right


def answer(prompt: Prompt, response: str) -> bool:
    """Whether the response ends in the prompt's `answer`.

    A number is compared with the response's last number, without thousands separators (1,234.0
    equals 1234); any other text with the response's end, case, white space and a full stop aside.
    False for a prompt without an answer.
    """
    if prompt.answer is None:
        return False
    if _NUMBER.fullmatch(prompt.answer.strip()):
        found = _NUMBER.findall(response)
        return bool(found) and _value(found[-1]) == _value(prompt.answer.strip())
    return _plain(response).endswith(_plain(prompt.answer))


def find_truth(name: str) -> Truth:
    """The function of that name. Raises ConfigError naming the known ones."""
    known: dict[str, Truth] = {"tutor": tutor, "answer": answer}
    if name in known:
        return known[name]
    module, colon, function = name.partition(":")
    if not colon:
        raise ConfigError(
            f"unknown truth '{name}'; known: {', '.join(known)}, or 'my_pkg.mod:function'"
        )
    try:
        return getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"truth: cannot load '{name}': {error}") from None


def _value(number: str) -> float:
    return float(number.replace(",", ""))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(" .")
