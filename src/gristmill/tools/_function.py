"""Python functions as tools: their schemas, and calling them.

The standard library alone is used here: the same file is what a script's functions are called by
in the sandbox, where there is nothing else.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_GOOGLE = re.compile(r"^\s*(?:Args|Arguments|Parameters):\s*$")
_SPHINX = re.compile(r"^\s*:param (?:[^:]*\s)?(\w+):\s*(.*)$")
_SPHINX_TYPE = re.compile(r"^\s*:type\b")
_NAMED = re.compile(r"^(\s+)\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")
_ADDRESS = re.compile(r"<.* at 0x[0-9a-fA-F]+>", re.DOTALL)
_SECTION = re.compile(r"^\s*(?:[A-Z]\w+:\s*$|:(?:returns?|rtype|raises?)\b)")


def functions(module: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    """The tools in a module's names: the functions of `__all__`, or else all that it defines
    itself and that do not begin with an underscore; methods of an object and functions with a
    cache, too. Raises TypeError for a name in `__all__` that is not there."""
    named = module.get("__all__")
    own = [
        name
        for name, value in module.items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module["__name__"]
    ]
    if gone := [name for name in named or () if name not in module]:
        raise TypeError(f"`__all__` names '{gone[0]}', which is not there")
    found = {name: module[name] for name in (own if named is None else named)}
    return {name: value for name, value in found.items() if inspect.isroutine(value)}


def described(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    """A function as a tool in OpenAI's form: types from its hints, words from its docstring.
    Raises TypeError for what no JSON can be handed over as."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(f"{name}: its type hints: {error}") from None
    said, about = _documented(inspect.getdoc(function) or "")
    properties: dict[str, Any] = {}
    required = []
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    for parameter in inspect.signature(function).parameters.values():
        where = f"{name}: its argument '{parameter.name}'"
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            raise TypeError(f"{where} has no name to be given by; a tool's arguments all have one")
        if parameter.kind is parameter.VAR_KEYWORD:
            schema["additionalProperties"] = True
            continue
        field = _schema(hints.get(parameter.name, Any), where)
        if words := about.get(parameter.name):
            field.setdefault("description", words)
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        else:
            try:
                field["default"] = json.loads(json.dumps(parameter.default))
            except (TypeError, ValueError):
                raise TypeError(f"{where} has a default that is no JSON") from None
        properties[parameter.name] = field
    if required:
        schema["required"] = required
    words = {"description": said} if said else {}
    return {"type": "function", "function": {"name": name, **words, "parameters": schema}}


def _schema(hint: Any, where: str) -> dict[str, Any]:
    """The JSON schema of a type hint. Raises TypeError."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    if hint is Any:
        return {}
    if origin is typing.Annotated:
        words = next((word for word in inside[1:] if isinstance(word, str)), None)
        return {**_schema(inside[0], where), **({"description": words} if words else {})}
    if origin is typing.Literal:
        kinds = {PLAIN[type(value)] for value in inside if type(value) in PLAIN}
        return {**({"type": kinds.pop()} if len(kinds) == 1 else {}), "enum": list(inside)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(one, where) for one in inside]}
    if hint is list or origin is list:
        return {"type": "array", **({"items": _schema(inside[0], where)} if inside else {})}
    if hint is dict or (origin is dict and inside[0] is str):
        more = {"additionalProperties": _schema(inside[1], where)} if inside else {}
        return {"type": "object", **more}
    raise TypeError(
        f"{where} is {hint}; write str, int, float, bool, None, list, dict[str, ...], Literal, "
        "Any, or a union of these"
    )


def _documented(text: str) -> tuple[str, dict[str, str]]:
    """What a docstring says of a function, and of its arguments in Google's or Sphinx's form."""
    said: list[str] = []
    about: dict[str, str] = {}
    listing, depth, last = False, 0, ""
    for line in text.splitlines():
        if found := _SPHINX.match(line):
            about[found[1]] = found[2]
        elif _SPHINX_TYPE.match(line):
            continue
        elif _GOOGLE.match(line):
            listing, depth, last = True, 0, ""
        elif listing and (found := _NAMED.match(line)) and (not depth or len(found[1]) == depth):
            depth, last = len(found[1]), found[2]
            about[last] = found[3]
        elif listing and last and line[:1].isspace() and line.strip():
            about[last] = f"{about[last]} {line.strip()}".strip()
        elif _SECTION.match(line):
            break
        elif line.strip() or not listing:
            listing = False
            said.append(line)
    return "\n".join(said).strip(), about


def as_text(value: Any) -> str:
    """What a function returned, as a model reads it: a text as it is, all else as JSON, and what
    JSON does not have as its `str` there. Raises TypeError for what says an address alone, as
    generators do, and ValueError for what holds itself."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_said)


def _said(value: Any) -> str:
    text = str(value)
    if _ADDRESS.fullmatch(text):
        kind = type(value).__name__
        raise TypeError(f"it returned '{kind}', which says nothing; return a text, or JSON")
    return text


def why(error: BaseException) -> str:
    """What a function raised, in words."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _main() -> None:
    """In the sandbox: list the functions of the script beside this file, or call one, as standard
    input says, and write one line of JSON."""
    out, asked = sys.stdout, json.loads(sys.stdin.read())
    # What a function prints is no part of its answer.
    sys.stdout = sys.stderr
    sys.path.insert(0, "")
    try:
        script = __import__(asked["script"])
        found = functions(vars(script))
        if "name" not in asked:
            said = {"tools": [described(name, one) for name, one in found.items()]}
        else:
            value = found[asked["name"]](**asked["arguments"])
            if inspect.iscoroutine(value):
                import asyncio

                value = asyncio.run(value)
            text = as_text(value)
            # Of what is too long so much that it is seen to be.
            data = text.encode("utf-8", "replace")[: asked["most"] + 4]
            said = {"text": data.decode("utf-8", "ignore")}
    except BaseException as error:
        said = {"error": why(error)[:2000]}
    out.write(json.dumps(said) + "\n")
    out.flush()


if __name__ == "__main__":
    _main()
