"""What a row says beside its turns: id, answer, tests, tools, and under which names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

import orjson

from gristmill.errors import InputError
from gristmill.foreign import read_json
from gristmill.intake.calls import expected_of, tools_of
from gristmill.intake.cells import Row, Unusable, json_of, name_of, number_of
from gristmill.intake.turns import Turns
from gristmill.records import Criterion, Prompt, prompt_id

SYSTEM = ("system", "system_prompt", "system_message")
THOUGHT = ("reasoning", "reasoning_content", "thinking", "thought")
STEPS = "steps"
TOOLS = ("tools", "functions")
IDS = ("id", "prompt_id", "pair_id", "question_id", "task_id", "idx", "uuid", "uid", "unique_id")
CATEGORIES = ("subset", "category", "domain", "ability")
LANGUAGES = ("language", "lang")
ANSWERS = ("answer", "ground_truth", "expected_answer", "final_answer", "reward_model", "answers")
"""`reward_model` is verl's: an object with `ground_truth`; `answers` is a list of texts, as in
Natural Questions, or an object with one, as in SQuAD."""
TESTS = ("tests", "test_list", "test")
BEFORE_TESTS = ("test_imports", "test_setup_code", "test_setup")
IFEVAL = ("instruction_id_list", "kwargs")
RUBRICS = ("rubric", "rubrics")
CALLS = ("calls", "expected_calls")
NAMES = (
    *IDS, "source", "dataset", "data_source", "license", "version", "generator", "provenance",
    "response_id", "chosen_id", "rejected_id", "reward", "kept",
)  # fmt: skip
"""Columns that say which row it is and where it is from, and what our own data sets have beside:
nobody misses it where nothing uses them."""

OF_PROMPT = (
    *IDS, *CATEGORIES, *LANGUAGES, *ANSWERS, *TESTS, *BEFORE_TESTS, "entry_point", *TOOLS, *SYSTEM,
    *IFEVAL, *RUBRICS, *CALLS, "constraints", "source", "parents", "written_by", "lineage",
    "persona",
)  # fmt: skip
"""Columns that a prompt to be answered obeys. `written_by`, `lineage` and `persona` are what
recipes write: read where a run's recipes are reported."""
OF_ITEM = (*IDS, *CATEGORIES, "source")
OF_TRAINING = (*TOOLS, *SYSTEM, "mask")


def prompt_of(row: Row, messages: Turns, where: str, tools: str = "") -> tuple[Prompt, str]:
    """(the prompt to be answered, the id of its content). tools: what its system message lists,
    where no column does.

    Raises Unusable naming the field.
    """
    readers = _readers(tuple(row))
    source = _origin(row, where)
    if not readers:
        # Nearly every row of a large file has none of them, and is read twice.
        content = prompt_id(messages, tools)
        return Prompt(content, messages, source=source, tools=tools), content
    found = {fact: read(row) for fact, read in readers}
    tools = found.pop("tools", None) or tools
    content = prompt_id(messages, tools)
    name = found.pop("id", None) or content
    return Prompt(name, messages, source=source, tools=tools, **found), content


def item_of(row: Row, judgebench: bool) -> dict[str, str]:
    """What a benchmark's row is called and counted under, where it says so: `id` and `subset`.

    JudgeBench has its four parts at the beginning of `source`. Raises Unusable.
    """
    found = {}
    if (called := first(row, IDS)) is not None:
        found["id"] = called
    for name in CATEGORIES:
        if (given := row.get(name)) is None:
            continue
        if not isinstance(given, str) or not given.strip():
            raise Unusable("bad_category", f"'{name}' is {given!r:.40}, not a name")
        return {**found, "subset": given.strip()}
    source = row.get("source")
    if judgebench and isinstance(source, str) and source:
        found["subset"] = "mmlu-pro" if source.startswith("mmlu-pro") else source
    return found


@lru_cache(4096)
def _readers(columns: tuple[str, ...]) -> tuple[tuple[str, Callable[[Row], Any]], ...]:
    """The facts that rows with these columns may have, and what reads each of those it has."""
    found = []
    for fact, (read, names) in _FACTS.items():
        if there := tuple(name for name in names if name in columns):
            found.append((fact, partial(read, names=there)))
    return tuple(found)


def tools_in(row: Row, names: tuple[str, ...] = TOOLS) -> str:
    """The tools of a row as JSON; empty where it has none."""
    name = next((name for name in names if name in row), None)
    return "" if name is None else tools_of(row[name], name)


def first(row: Row, names: tuple[str, ...]) -> str | None:
    """The first of several columns that is there, as a text."""
    for name in names:
        if name in row and (found := name_of(row[name], name)) is not None:
            return found
    return None


def _truth(row: Row, names: tuple[str, ...]) -> str | None:
    """Ground truth: a text or number; of several right ones their JSON list."""
    for name in names:
        given = row[name]
        if name == "reward_model":
            given = given.get("ground_truth") if isinstance(given, dict) else None
        elif name == "answers" and not _texts_in(given):
            # Nectar's answers are no truth.
            continue
        if (answer := _answer(given, name)) is not None:
            return answer
    return None


def _texts_in(given: Any) -> bool:
    given = given.get("text") if isinstance(given, dict) else given
    return isinstance(given, list) and all(isinstance(one, str) for one in given)


def _answer(given: Any, name: str) -> str | None:
    if isinstance(given, dict):
        # TriviaQA's: the value, and other names of it. SQuAD's: texts.
        aliases, texts = given.get("aliases"), given.get("text")
        found = [given.get("value"), *(aliases if isinstance(aliases, list) else ())]
        found += texts if isinstance(texts, list) else [texts]
        given = [one for one in found if one]
        if not given:
            raise Unusable("bad_field", f"'{name}' is an object without 'value' and 'text'")
    if not isinstance(given, list):
        return _no_check(name_of(given, name), name)
    texts = [text for one in given if (text := name_of(one, name)) is not None]
    texts = list(dict.fromkeys(texts))
    if len(texts) < 2:
        return texts[0] if texts else None
    return json_of(texts, name)


def _no_check(answer: str | None, name: str) -> str | None:
    """The same. Raises Unusable for the arguments of a check, as open-instruct has them."""
    if answer is not None and '"func_name"' in answer:
        raise Unusable("bad_field", f"'{name}' names a check of open-instruct's, no answer")
    return answer


def _origin(row: Row, where: str) -> str:
    """The recipe that wrote the prompt, or the file that it stands in."""
    given = row.get("source")
    if isinstance(given, str) and given.startswith("recipe:"):
        return given
    return where.rpartition(":")[0]


def _tests(row: Row, names: tuple[str, ...]) -> str | None:
    """A test program; of a list of texts (MBPP's) the lines, of input and output pairs the JSON.
    HumanEval's `test` is called with its `entry_point`; that of HumanEvalPack, in six languages,
    calls itself, and stands behind its `test_setup`."""
    name = names[0]
    if name == "test" and "entry_point" not in row:
        return None
    given = row[name]
    if not isinstance(given, list):
        tests = name_of(given, name)
        if tests is None or name != "test":
            return tests
        tests = "\n".join([*_before_tests(row), tests])
        called = name_of(row["entry_point"], "entry_point")
        defined = re.search(r"^def check\(", tests, re.M)
        if called and defined and not re.search(r"^check\(", tests, re.M):
            return f"{tests}\n\ncheck({called})"
        return tests
    if all(isinstance(test, str) for test in given):
        return "\n".join([*_before_tests(row), *given]) or None
    if not all(isinstance(test, dict) and {"input", "output"} <= set(test) for test in given):
        detail = f"'{name}' is neither texts nor objects with 'input' and 'output'"
        raise Unusable("bad_field", detail)
    return json_of(given, name)


def _before_tests(row: Row) -> Iterator[str]:
    """MBPP's imports and preparations, and those of HumanEvalPack's Go."""
    for name in BEFORE_TESTS:
        given = row.get(name)
        for line in given if isinstance(given, list) else [given]:
            if (text := name_of(line, name)) is not None:
                yield text


def _constraints(row: Row, names: tuple[str, ...]) -> tuple[str, ...]:
    given = row.get("constraints")
    if given in (None, "") and not row.keys() >= set(IFEVAL):
        return ()
    # Loaded where there are any: most rows have none, and it takes as long as all else here.
    from gristmill.constraints import as_json, from_ifeval, from_json

    try:
        if given in (None, ""):
            if not set(IFEVAL) <= {*names}:
                return ()
            asked = from_ifeval(*(row[name] for name in IFEVAL))
            return tuple(as_json(constraint, None) for constraint in asked)
        given = read_json(given) if isinstance(given, str) else given
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


def _rubric(row: Row, names: tuple[str, ...]) -> tuple[Criterion, ...]:
    """Criteria: a list of texts or of objects, or its JSON; any other text is a single one."""
    name, given = names[0], row[names[0]]
    if isinstance(given, str):
        try:
            given = read_json(given) if given.lstrip().startswith("[") else [given]
        except orjson.JSONDecodeError as error:
            raise Unusable("bad_field", f"'{name}' is not JSON: {error}") from None
    if given is None:
        return ()
    if not isinstance(given, list):
        raise Unusable("bad_field", f"'{name}' is {type(given).__name__}, not a list")
    found = tuple(c for n, one in enumerate(given) if (c := _criterion(one, f"{name}[{n}]")).text)
    if found and not any(criterion.weight > 0 for criterion in found):
        raise Unusable("bad_field", f"'{name}' has no criterion with a weight above 0")
    return found


def _criterion(given: Any, name: str) -> Criterion:
    """A text, or an object: HealthBench's has `criterion` and `points`, RaR's `title`,
    `description` and `weight`."""
    if isinstance(given, str):
        return Criterion(given.strip())
    if not isinstance(given, dict):
        raise Unusable("bad_field", f"'{name}' is {type(given).__name__}, not a text or object")
    said = next((given[key] for key in ("text", "criterion", "description") if key in given), None)
    if not isinstance(said, str) or not said.strip():
        raise Unusable("bad_field", f"'{name}' has no 'text', 'criterion' or 'description'")
    title = given.get("title")
    text = (
        f"{title.strip()}: {said.strip()}"
        if isinstance(title, str) and title.strip()
        else said.strip()
    )
    weight = next((given[key] for key in ("weight", "points") if given.get(key) is not None), 1.0)
    number = number_of(weight, f"{name}.weight", "bad_field")
    return Criterion(text, 1.0 if number is None else number)


def _calls(row: Row, names: tuple[str, ...]) -> str | None:
    return expected_of(row[names[0]], names[0])


def _parents(row: Row, names: tuple[str, ...]) -> tuple[str, ...]:
    given = row[names[0]]
    return tuple(str(p) for p in given) if isinstance(given, list) else ()


_FACTS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "id": (first, IDS),
    "answer": (_truth, ANSWERS),
    "category": (first, CATEGORIES),
    "language": (first, LANGUAGES),
    "parents": (_parents, ("parents",)),
    "tests": (_tests, TESTS),
    "constraints": (_constraints, ("constraints", *IFEVAL)),
    "tools": (tools_in, TOOLS),
    "rubric": (_rubric, RUBRICS),
    "calls": (_calls, CALLS),
}
"""Of each fact of a `Prompt` what reads it, and from which columns."""
