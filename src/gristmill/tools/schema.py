"""The JSON schemas of tools, and what they have against a call."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from gristmill.foreign import read_json
from gristmill.intake.calls import type_of
from gristmill.page.text import one_line
from gristmill.records import ToolCall

_LEFT = {"pattern", "patternProperties", "format"}
"""Not checked: an expression of somebody's row can take hours on a short text."""


class Unreadable(Exception):
    """A schema that is none."""


class Schema(NamedTuple):
    """What a tool takes. tool: itself, in OpenAI's form. required: arguments. defaults: of its
    arguments, where it says one."""

    tool: dict[str, Any]
    check: Any
    required: frozenset[str]
    defaults: Mapping[str, Any]

    def without_nulls(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The same without what is null and need not be there: many a model says so what it leaves
        out."""
        return {k: v for k, v in arguments.items() if v is not None or k in self.required}

    def against(self, arguments: dict[str, Any], but: frozenset[str] = frozenset()) -> str:
        """What is wrong with arguments, leaving out some; '' for nothing. Raises Unreadable."""
        from jsonschema.exceptions import best_match
        from referencing.exceptions import Unresolvable

        try:
            found = self.check.iter_errors(arguments)
            error = best_match(e for e in found if not but.intersection(list(e.absolute_path)[:1]))
        except (Unresolvable, RecursionError) as wrong:
            raise Unreadable(one_line(wrong, 200)) from None
        if error is None:
            return ""
        place = ".".join(map(str, error.absolute_path))
        return f"'{place}': {error.message}" if place else error.message


def arguments_in(call: ToolCall) -> dict[str, Any] | str:
    """The arguments of a call, or what is wrong with them."""
    try:
        found = read_json(call.arguments) if call.arguments.strip() else {}
    except orjson.JSONDecodeError as error:
        return f"its arguments are not JSON: {error}"
    return found if isinstance(found, dict) else "its arguments are no object"


@lru_cache(maxsize=256)
def schemas_of(tools: str) -> dict[str, Schema] | None:
    """The schema of each of a prompt's tools, by name; None where it has none. Raises
    Unreadable."""
    from jsonschema import Draft202012Validator, SchemaError
    from referencing import Registry

    found = {}
    for tool in orjson.loads(tools) if tools else ():
        function = tool["function"]
        schema = _plain(function.get("parameters") or {})
        # What a tool does not have was made up, though JSON Schema lets it pass.
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            place = ".".join(map(str, error.absolute_path))
            what = one_line(f"'{place}': {error.message}", 200)
            raise Unreadable(f"{function['name']}: {what}") from None
        except RecursionError as error:
            raise Unreadable(f"{function['name']}: {error}") from None
        # A registry of its own: by the default one, what a `$ref` names would be fetched.
        check = Draft202012Validator(schema, registry=Registry())
        fields = schema.get("properties", {}).items()
        known = {n: f["default"] for n, f in fields if isinstance(f, dict) and "default" in f}
        required = frozenset(schema.get("required", ()))
        found[function["name"]] = Schema(tool, check, required, known)
    return found or None


def _plain(schema: Any) -> Any:
    """A schema in JSON Schema's own words, without what is not checked."""
    if not isinstance(schema, dict):
        return schema
    plain: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _LEFT:
            continue
        if key == "type" and isinstance(value, str):
            value = type_of(value)
            if not value:
                continue
        elif key in ("properties", "$defs", "definitions") and isinstance(value, dict):
            value = {name: _plain(one) for name, one in value.items()}
        elif key in ("items", "additionalProperties", "not", "if", "then", "else"):
            value = _plain(value)
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            value = [_plain(one) for one in value]
        elif key == "required" and not isinstance(value, list):
            continue
        plain[key] = value
    return plain
