"""What the page says of the recipes that wrote a run's prompts."""

from __future__ import annotations

from typing import Any

from gristmill.page.text import label
from gristmill.report.folder import Run

_COUNTS = ("calls", "items", "repeated", "echoed", "missing", "unusable")


def recipes(run: Run) -> list[dict[str, Any]]:
    """Each source that a model wrote, from the metrics; empty where there is none.

    Older folders know nothing of recipes, and a user's own recipe may call a stage anything.
    """
    found = run.metrics.get("recipes")
    sources = [s for s in found if isinstance(s, dict)] if isinstance(found, list) else []
    return [
        {
            "name": label(str(source.get("name"))),
            "wanted": _whole(source.get("wanted")),
            "delivered": _whole(source.get("delivered")),
            "repeated": _whole(source.get("repeated")),
            "short": label(str(source.get("short") or ""), 400),
            "recipes": [_recipe(r) for r in source.get("recipes", ()) if isinstance(r, dict)],
        }
        for source in sources
    ]


def _recipe(recipe: dict[str, Any]) -> dict[str, Any]:
    stages = recipe.get("stages")
    dropped = recipe.get("dropped")
    named = stages.items() if isinstance(stages, dict) else ()
    return {
        "name": label(str(recipe.get("recipe"))),
        "stages": [_stage(str(name), s) for name, s in named if isinstance(s, dict)],
        "dropped": {
            label(str(reason)): _whole(n)
            for reason, n in (dropped.items() if isinstance(dropped, dict) else ())
        },
    }


def _stage(name: str, stage: dict[str, Any]) -> dict[str, Any]:
    failed = stage.get("failed")
    tokens = (stage.get("prompt_tokens"), stage.get("completion_tokens"))
    return {
        "name": label(name),
        **{key: _whole(stage.get(key)) for key in _COUNTS},
        "failed": sum(map(_whole, failed.values())) if isinstance(failed, dict) else 0,
        "tokens": sum(map(_whole, tokens)),
    }


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
