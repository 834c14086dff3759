"""IFEval's own rows (`instruction_id_list` and `kwargs`) as constraints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gristmill.constraints._keep import ROOM
from gristmill.constraints.base import Constraint
from gristmill.errors import ConfigError, DataError
from gristmill.parts import open_part

Arguments = Mapping[str, Any]
_OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


def _amount(number: str, relation: str) -> Callable[[Arguments], dict[str, Any]]:
    """IFEval's `less than` n is our `at_most` n - 1."""

    def read(given: Arguments) -> dict[str, Any]:
        count = int(given[number])
        if given[relation] not in ("at least", "less than"):
            raise ValueError(f"{relation}: {given[relation]!r}; write 'at least' or 'less than'")
        below = given[relation] == "less than"
        return {"at_most": count - 1} if below else {"at_least": count}

    return read


def _paragraph_start(given: Arguments) -> dict[str, Any]:
    return {
        "count": given["num_paragraphs"],
        "paragraph": given["nth_paragraph"],
        "word": given["first_word"],
    }


_often = _amount("frequency", "relation")
_letters = _amount("let_frequency", "let_relation")
_capitals = _amount("capital_frequency", "capital_relation")
_words = _amount("num_words", "relation")
_sentences = _amount("num_sentences", "relation")

_TYPES: dict[str, tuple[str, Callable[[Arguments], dict[str, Any]]]] = {
    "change_case:capital_word_frequency": ("capital_words", _capitals),
    "change_case:english_capital": ("uppercase", lambda k: {}),
    "change_case:english_lowercase": ("lowercase", lambda k: {}),
    "combination:repeat_prompt": ("repeat_request", lambda k: {"request": k["prompt_to_repeat"]}),
    "combination:two_responses": ("two_responses", lambda k: {}),
    "detectable_content:number_placeholders": (
        "placeholders",
        lambda k: {"at_least": k["num_placeholders"]},
    ),
    "detectable_content:postscript": ("postscript", lambda k: {"marker": k["postscript_marker"]}),
    "detectable_format:constrained_response": (
        "choice",
        lambda k: {"options": _OPTIONS, "alone": False},
    ),
    "detectable_format:json_format": ("json", lambda k: {}),
    "detectable_format:multiple_sections": (
        "sections",
        lambda k: {"marker": k["section_spliter"], "at_least": k["num_sections"]},
    ),
    "detectable_format:number_bullet_lists": ("bullets", lambda k: {"count": k["num_bullets"]}),
    "detectable_format:number_highlighted_sections": (
        "highlights",
        lambda k: {"at_least": k["num_highlights"]},
    ),
    "detectable_format:title": ("title", lambda k: {}),
    "keywords:existence": ("keywords", lambda k: {"words": k["keywords"]}),
    "keywords:forbidden_words": ("forbidden_words", lambda k: {"words": k["forbidden_words"]}),
    "keywords:frequency": ("keyword_frequency", lambda k: {"keyword": k["keyword"], **_often(k)}),
    "keywords:letter_frequency": (
        "letter_frequency",
        lambda k: {"letter": k["letter"], **_letters(k)},
    ),
    "language:response_language": ("language", lambda k: {"language": k["language"]}),
    "length_constraints:nth_paragraph_first_word": ("paragraph_start", _paragraph_start),
    "length_constraints:number_paragraphs": (
        "paragraphs",
        lambda k: {"count": k["num_paragraphs"], "separator": "stars"},
    ),
    "length_constraints:number_sentences": ("sentences", _sentences),
    "length_constraints:number_words": ("words", _words),
    "punctuation:no_comma": ("no_commas", lambda k: {}),
    "startend:end_checker": ("end_with", lambda k: {"phrase": k["end_phrase"]}),
    "startend:quotation": ("quotation", lambda k: {}),
}


def from_ifeval(
    instruction_id_list: Sequence[str], kwargs: Sequence[Arguments]
) -> tuple[Constraint, ...]:
    """The constraints of one row of an IFEval file, in its order, one for each instruction.

    Identifiers may begin with `en:`; arguments that are null are left out. Raises DataError that
    names the instruction and what is wrong with it.
    """
    if len(instruction_id_list) != len(kwargs):
        raise DataError(
            f"{len(instruction_id_list)} instructions with {len(kwargs)} kwargs; write one each"
        )
    return tuple(map(_constraint, instruction_id_list, kwargs))


def _constraint(identifier: str, given: Arguments | None) -> Constraint:
    name = str(identifier).removeprefix("en:")
    if name not in _TYPES:
        raise DataError(f"instruction '{identifier}' is not one of IFEval's; known: {_known()}")
    part, read = _TYPES[name]
    try:
        values = read({key: value for key, value in (given or {}).items() if value is not None})
        return open_part(ROOM, {part: values}, identifier)
    except KeyError as error:
        raise DataError(f"instruction '{identifier}' lacks {error}; add it to its kwargs") from None
    except (AttributeError, TypeError, ValueError, ConfigError) as error:
        raise DataError(f"instruction '{identifier}': {error}") from None


def _known() -> str:
    return ", ".join(_TYPES)
