"""What OpenAPI says of a route: its request, made of the model that reads it, and its refusals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gristmill.serve.asked import Asked

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_REFUSALS = {
    400: "The request is wrong; `param` names what",
    401: "No key, or a wrong one",
    404: "There is no such model or route",
    405: "The route knows another method",
    408: "The body did not come",
    413: "The body is too large",
    429: "The model is busy; ask again after `Retry-After` seconds",
    500: "The model failed",
    503: "The server is stopping",
}


def operation(kind: type[Asked] | None, names: Sequence[str] = ()) -> dict[str, Any]:
    """FastAPI's arguments for a route that takes such a request, or none. names: of its models."""
    refusals = {
        status: {"description": said, "content": {"application/json": {"schema": _ERROR}}}
        for status, said in _REFUSALS.items()
    }
    if kind is None:
        return {"responses": refusals}
    schema = inlined(kind.model_json_schema())
    if names:
        schema["properties"]["model"]["enum"] = list(names)
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {"responses": refusals, "openapi_extra": {"requestBody": body}}


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema without references to definitions of its own."""
    definitions = schema.pop("$defs", {})

    def whole(value: Any) -> Any:
        if isinstance(value, list):
            return [whole(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return whole(definitions[value["$ref"].rpartition("/")[2]])
        return {name: whole(one) for name, one in value.items()}

    return whole(schema)
