"""What a row says beside its turns: id, answer, tests, tools, and under which names."""

from __future__ import annotations

from typing import Any

import orjson

from gristmill.errors import InputError
from gristmill.intake.calls import tools_of
from gristmill.intake.cells import Row, Unusable, name_of
from gristmill.intake.turns import Turns
from gristmill.records import Prompt, prompt_id

SYSTEM = ("system", "system_prompt", "system_message")
THOUGHT = ("reasoning", "reasoning_content", "thinking", "thought")
TOOLS = ("tools", "functions")
IDS = ("id", "prompt_id", "pair_id", "question_id", "idx", "uuid", "uid", "unique_id")
CATEGORIES = ("subset", "category", "domain")
LANGUAGES = ("language", "lang")
ANSWERS = ("answer", "ground_truth")
TESTS = ("tests", "test_list")
IFEVAL = ("instruction_id_list", "kwargs")

OF_PROMPT = (
    *IDS, *CATEGORIES, *LANGUAGES, *ANSWERS, *TESTS, *TOOLS, *SYSTEM, *IFEVAL,
    "constraints", "source", "parents", "written_by", "lineage", "persona",
)  # fmt: skip
"""Columns that a prompt to be answered obeys. `written_by`, `lineage` and `persona` are what
recipes write: read where a run's recipes are reported."""
OF_ITEM = (*IDS, *CATEGORIES, *SYSTEM, "source")
OF_TRAINING = (*TOOLS, *SYSTEM, *THOUGHT, "mask")


def prompt_of(row: Row, messages: Turns, where: str) -> Prompt:
    """The prompt to be answered. Raises Unusable naming the field."""
    tools = tools_in(row)
    answer = next((row[name] for name in ANSWERS if name in row), None)
    parents = row.get("parents")
    return Prompt(
        id=first(row, IDS) or prompt_id(messages, tools),
        messages=messages,
        answer=_answer(answer),
        category=first(row, CATEGORIES),
        language=first(row, LANGUAGES),
        source=_origin(row, where),
        parents=tuple(str(p) for p in parents) if isinstance(parents, list) else (),
        tests=_tests(row),
        constraints=_constraints(row),
        tools=tools,
    )


def tools_in(row: Row) -> str:
    """The tools of a row as JSON; empty where it has none."""
    name = next((name for name in TOOLS if name in row), None)
    return "" if name is None else tools_of(row[name], name)


def first(row: Row, names: tuple[str, ...]) -> str | None:
    """The first of several columns that is there, as a text."""
    for name in names:
        if name in row and (found := name_of(row[name], name)) is not None:
            return found
    return None


def _answer(given: Any) -> str | None:
    """Ground truth: a text or number; of several right ones their JSON list."""
    if isinstance(given, dict):
        # TriviaQA's: the value, and other names of it.
        names = [given.get("value"), *(given.get("aliases") or [])]
        given = list(dict.fromkeys(name for name in names if name))
    if not isinstance(given, list):
        return name_of(given, "answer")
    texts = [text for one in given if (text := name_of(one, "answer")) is not None]
    if len(texts) < 2:
        return texts[0] if texts else None
    return orjson.dumps(texts).decode()


def _origin(row: Row, where: str) -> str:
    """The recipe that wrote the prompt, or the file that it stands in."""
    given = row.get("source")
    if isinstance(given, str) and given.startswith("recipe:"):
        return given
    return where.rpartition(":")[0]


def _tests(row: Row) -> str | None:
    """A test program; of a list of texts (MBPP's) the lines, of input and output pairs the JSON."""
    name = next((name for name in TESTS if name in row), None)
    if name is None:
        return None
    given = row[name]
    if not isinstance(given, list):
        return name_of(given, name)
    if all(isinstance(test, str) for test in given):
        return "\n".join(given) or None
    if not all(isinstance(test, dict) and {"input", "output"} <= set(test) for test in given):
        detail = f"'{name}' is neither texts nor objects with 'input' and 'output'"
        raise Unusable("bad_field", detail)
    return orjson.dumps(given).decode()


def _constraints(row: Row) -> tuple[str, ...]:
    given = row.get("constraints")
    if given in (None, "") and not row.keys() >= set(IFEVAL):
        return ()
    # Loaded where there are any: most rows have none, and it takes as long as all else here.
    from gristmill.constraints import as_json, from_ifeval, from_json

    try:
        if given in (None, ""):
            asked = from_ifeval(*(row[name] for name in IFEVAL))
            return tuple(as_json(constraint, None) for constraint in asked)
        given = orjson.loads(given) if isinstance(given, str) else given
        if not isinstance(given, list):
            detail = f"'constraints' is {type(given).__name__}, not a list"
            raise Unusable("bad_field", detail)
        texts = (g if isinstance(g, str) else orjson.dumps(g).decode() for g in given)
        demands = [from_json(text) for text in texts]
        return tuple(as_json(demand.constraint, demand.since) for demand in demands)
    except orjson.JSONDecodeError as error:
        raise Unusable("bad_field", f"'constraints' is not JSON: {error}") from None
    except (InputError, TypeError) as error:
        raise Unusable("bad_field", f"'constraints': {error}") from None
