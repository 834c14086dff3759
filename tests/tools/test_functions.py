"""Python functions as tools: what their hints and docstrings say, here and in the sandbox."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxes import needs_sandbox
from gristmill.errors import ConfigError, DataError
from gristmill.parts import no_code
from gristmill.records import Message, Prompt, ToolCall
from gristmill.tools._function import as_text, described, functions
from gristmill.tools.toolbox import Listed, Toolbox, open_source

pytest.importorskip("jsonschema")

SCRIPT = '''
import os
from typing import Literal

def convert(amount: float, unit: Literal["km", "mi"] = "km") -> dict[str, float]:
    """Kilometres and miles.

    :param amount: How many.
    """
    print("no part of the answer")
    return {"mi": amount / 1.6} if unit == "km" else {"km": amount * 1.6}

def _hidden() -> str:
    return "no"

async def later() -> str:
    return "awaited"

def peek() -> str:
    return ",".join(sorted(os.environ))

def spin() -> str:
    while True:
        pass

def flood() -> str:
    return "é" * 1_000_000

def leave() -> str:
    os._exit(7)

def fetch() -> str:
    import socket
    socket.create_connection(("127.0.0.1", 80), 2)
'''


def parameters(function: Any) -> dict[str, Any]:
    return described("f", function)["function"]["parameters"]


def test_hints_and_docstrings_are_the_schema() -> None:
    def book(
        city: Annotated[str, "Where to."],
        nights: int,
        rooms: list[Literal["single", "double"]],
        budget: float | None = None,
        notes: dict[str, str] | None = None,
        anything: Any = True,
    ) -> str:
        """Book a hotel.

        In one city alone.

        Args:
            nights: How many,
                the last one aside.
            budget (float): In euros: not less.

        Returns:
            A number.
        """
        return ""

    found = described("book", book)["function"]
    assert found["description"] == "Book a hotel.\n\nIn one city alone."
    schema = found["parameters"]
    assert schema["required"] == ["city", "nights", "rooms"]
    assert schema["properties"] == {
        "city": {"type": "string", "description": "Where to."},
        "nights": {"type": "integer", "description": "How many, the last one aside."},
        "rooms": {"type": "array", "items": {"type": "string", "enum": ["single", "double"]}},
        "budget": {
            "anyOf": [{"type": "number"}, {"type": "null"}],
            "description": "In euros: not less.",
            "default": None,
        },
        "notes": {
            "anyOf": [
                {"type": "object", "additionalProperties": {"type": "string"}},
                {"type": "null"},
            ],
            "default": None,
        },
        "anything": {"default": True},
    }


def test_what_no_json_can_be_is_refused_by_name() -> None:
    def takes(path: Path) -> None: ...
    def gathers(*values: int) -> None: ...
    def defaults(of: str = object()) -> None: ...  # type: ignore[assignment]

    def unknown(of: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    for function, said in ((takes, "'path' is"), (gathers, "has no name"), (defaults, "no JSON"),
                           (unknown, "f: its type hints: name 'Nowhere'")):  # fmt: skip
        with pytest.raises(TypeError, match=said):
            described("f", function)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_whatever_a_function_returns_is_a_text(value: Any) -> None:
    text = as_text(value)
    assert text == value if isinstance(value, str) else json.loads(text) is not ...


def test_what_says_where_it_lies_in_memory_is_no_answer() -> None:
    assert as_text({"at": {1}}) == '{"at": "{1}"}'
    for value in (object(), [iter([1])], (n for n in [1])):
        with pytest.raises(TypeError, match=r"it returned '\w+', which says nothing"):
            as_text(value)


def test_sphinx_types_are_no_words_of_the_tool() -> None:
    def f(a: list[int], b: int) -> None:
        """Do.

        :param a: The a.
        :type a: list
        :param b: The b.
        """

    found = described("f", f)["function"]
    assert found["description"] == "Do."
    said = found["parameters"]["properties"]
    assert (said["a"]["description"], said["b"]["description"]) == ("The a.", "The b.")


def test_a_module_offers_what_it_defines_or_names(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("tools_x7")
    exec("from json import dumps\ndef a(): ...\ndef _b(): ...\nC = 1", vars(module))
    assert list(functions(vars(module))) == ["a"]
    vars(module)["__all__"] = ["dumps"]
    assert list(functions(vars(module))) == ["dumps"]
    exec("class C:\n  def m(self, x: int): ...\nm = C().m", vars(module))
    exec("import functools\n@functools.cache\ndef c(x: int): ...", vars(module))
    vars(module)["__all__"] = ["m", "c", "C"]
    found = functions(vars(module))
    assert [list(parameters(f)["properties"]) for f in found.values()] == [["x"], ["x"]]
    vars(module)["__all__"] = ["gone"]
    with pytest.raises(TypeError, match="'gone', which is not there"):
        functions(vars(module))
    vars(module)["__all__"] = []
    monkeypatch.setitem(sys.modules, "tools_x7", module)
    with pytest.raises(ConfigError, match="defines no function"):
        Listed([open_source({"python": "tools_x7"}, "tools[0]")])
    with no_code(), pytest.raises(ConfigError, match="--no-code"):
        Listed([open_source({"python": "tools_x8"}, "tools[0]")])


def answers(found: Listed, *calls: tuple[str, dict[str, Any]]) -> list[str]:
    prompt = Prompt("p", (Message("user", "?"),), tools=found.tools)

    async def ask() -> list[str]:
        async with Toolbox(found) as box:
            made = (ToolCall(n, json.dumps(a), "c") for n, a in calls)
            said = await asyncio.gather(*(box.answer(c, prompt, ()) for c in made))
            return [message.content for message in said]

    return asyncio.run(ask())


@needs_sandbox
def test_a_script_runs_in_the_sandbox_alone(tmp_path: Path) -> None:
    file = tmp_path / "trip.py"
    file.write_text(SCRIPT)
    found = Listed([open_source({"file": str(file), "timeout": 2.0, "max_result_kib": 4}, "x")])
    first, *others = (tool["function"] for tool in json.loads(found.tools))
    assert first["parameters"]["properties"]["amount"]["description"] == "How many."
    names = ["later", "peek", "spin", "flood", "leave", "fetch"]
    assert [tool["name"] for tool in others] == names
    said = answers(
        found, ("convert", {"amount": 8, "unit": None}), ("peek", {}), ("spin", {}), ("flood", {}),
        ("leave", {}), ("fetch", {}), ("later", {}),
    )  # fmt: skip
    assert said[0] == '{"mi": 5.0}'
    assert set(said[1].split(",")) <= {"HOME", "LANG", "PATH", "PWD", "TMPDIR"}
    assert said[2] in ("Error: no answer within 2 seconds",
                       "Error: the tool was ended: it took more time than it may")  # fmt: skip
    assert said[3].endswith("é\n[cut off after 4 KiB]")
    assert said[4] == "Error: the tool ended with status 7: no word"
    assert said[5].startswith("Error: ConnectionRefusedError")
    assert said[6] == "awaited"


@needs_sandbox
def test_what_is_wrong_with_a_script_is_said(tmp_path: Path) -> None:
    file = tmp_path / "tools.py"
    for text, said in (
        ("def f(:", "tools.py: SyntaxError"),
        ("import numpy\ndef f(): ...", "No module named 'numpy'"),
        ("X = 1", "defines no function"),
        ("def f(x: bytes): ...", "'x' is <class 'bytes'>"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=said):
            Listed([open_source({"file": str(file)}, "tools[0]")])
    with pytest.raises(DataError, match="No such file"):
        Listed([open_source({"file": str(tmp_path / "none.py")}, "tools[0]")])
