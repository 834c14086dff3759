"""`training_page`: from a training's folder to one self-contained `report.html`."""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from gristmill.errors import DataError
from gristmill.page.frame import environment
from gristmill.page.text import brief, duration, one_line, percent, visible, whole
from gristmill.storage import write_atomically
from gristmill.train import card, wording
from gristmill.train.caveats import caveats, licence_of
from gristmill.train.curves import read_log
from gristmill.train.page_figures import calibration_charts, measurements, tiles
from gristmill.train.wording import amount, counts, listed, mapping, number

EXAMPLES = 3
"""Refused rows shown for each reason."""
STATES = {
    "complete": ("Complete", "good"),
    "interrupted": ("Interrupted", "warn"),
    "running": ("Not finished", "warn"),
}


def training_page(folder: Path) -> Path:
    """Write `report.html` into the folder of a training and return its path.

    Reads `metrics.json`, and what there is of `log.jsonl`, `refused.jsonl`, `curves.png` and
    `run.yaml`. The page asks no server for anything and runs no script; everything that a file
    or a model wrote is escaped.
    Raises DataError where `metrics.json` is missing or damaged, StorageError when the disk
    refuses.
    """
    folder = Path(folder)
    context = _context(folder, _metrics(folder / "metrics.json"))
    html = _environment().get_template("page.html").render(context)
    page = folder / "report.html"
    # Lone surrogates can come out of JSON escapes; a page must not fail over one.
    write_atomically(page, html.encode("utf-8", "replace"))
    return page


def _metrics(path: Path) -> dict[str, Any]:
    again = "train again with the same --out to write it anew"
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: missing: name the --out folder of a training") from None
    except (OSError, ValueError, RecursionError) as error:
        cause = one_line(error)
        raise DataError(f"{path}: cannot be read ({cause}): {again}") from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds {type(found).__name__}, not a mapping: {again}")
    return found


def _context(folder: Path, metrics: dict[str, Any]) -> dict[str, Any]:
    kind = wording.text(metrics.get("kind"))
    validation = mapping(metrics, "validation")
    status = wording.text(metrics.get("status"))
    return {
        "name": wording.text(metrics.get("name")) or folder.resolve().name,
        "what": wording.KINDS.get(kind, "model"),
        "state": STATES.get(status, (status.replace("_", " ").capitalize() or "Unknown", "warn")),
        "model": wording.text(metrics.get("model")) or "a new model",
        "examples": amount(metrics, "examples", "train"),
        "held": amount(metrics, "examples", "validation"),
        "steps": amount(metrics, "steps"),
        "tiles": tiles(metrics),
        "caveats": caveats(metrics),
        "curves": _picture(folder / "curves.png"),
        "course": measurements(read_log(folder / "log.jsonl")[1]),
        "validation": validation,
        "attributes": [
            (
                name,
                mapping(validation, "attributes", name),
                mapping(validation, "calibration", name),
            )
            for name in mapping(validation, "attributes")
        ],
        "calibration": calibration_charts(mapping(validation, "calibration")),
        "pairs": mapping(validation, "pairs"),
        "strengths": [
            (card.strength(row), row) for row in listed(validation, "pairs", "by_strength")
        ],
        "others": [
            (
                one_line(name, 40).replace("_", " ").capitalize(),
                number(metrics, "validation_before", name),
                number(validation, name),
            )
            for name in validation
            if number(validation, name) is not None
        ],
        "length": card.length_sentences(validation),
        "refused": _refused(metrics, folder / "refused.jsonl"),
        "sources": listed(metrics, "sources"),
        "facts": _facts(metrics),
        "settings": _text(folder / "run.yaml"),
    }


def _facts(metrics: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """What was run, in groups of name and value."""
    tokens, computed = (amount(metrics, key) for key in ("tokens", "tokens_computed"))
    work = [
        ("Steps", whole(amount(metrics, "steps"))),
        ("Epochs", whole(amount(metrics, "epochs"))),
        ("Examples trained on", whole(amount(metrics, "examples", "train"))),
        ("Examples held out", whole(amount(metrics, "examples", "validation"))),
        ("Wall time", duration(number(metrics, "seconds"))),
    ]
    share = 1 - computed / tokens if tokens and computed is not None else None
    cost = [
        ("Tokens of the examples", whole(tokens)),
        ("Tokens computed", whole(computed)),
        ("Saved by shared beginnings", percent(share)),
        ("Tokens learned from", whole(amount(metrics, "tokens_trained"))),
    ]
    model = [
        ("Started from", wording.text(metrics.get("model")) or "–"),
        ("Parameters", brief(number(metrics, "parameters", "all"))),
        ("Parameters trained", brief(number(metrics, "parameters", "trained"))),
        ("Licence", wording.text(licence_of(metrics, None)) or "not stated"),
    ]
    found = [("Training", work), ("Tokens", cost), ("Model", model)]
    versions = mapping(metrics, "versions")
    if versions:
        found.append(("Versions", [(one_line(n), wording.text(v)) for n, v in versions.items()]))
    return found


def _refused(metrics: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """Each reason with how many, its share of the refused, and a few rows, of which no two say the
    same, numbers aside."""
    examples: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    seen: dict[str, int] = defaultdict(int)
    for row in _rows(path):
        reason = one_line(row.get("reason") or "?")
        seen[reason] += 1
        if len(examples[reason]) < EXAMPLES:
            detail = one_line(row.get("detail") or "", 300)
            words = re.sub(r"\d+", "0", detail)
            examples[reason].setdefault(words, (wording.text(row.get("where")), detail))
    known = counts(metrics, "refused") or counts(dict(seen))
    total = sum(known.values())
    return [
        {"reason": reason, "n": n, "share": n / total, "examples": list(examples[reason].values())}
        for reason, n in ((one_line(reason), n) for reason, n in known.items())
    ]


def _rows(path: Path) -> Any:
    """The mappings of a JSONL file, one at a time; what is none is passed over."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict):
                yield row


def _picture(path: Path) -> str | None:
    """A PNG as a data address, None where there is none."""
    if not path.exists():
        return None
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _text(path: Path) -> str | None:
    if not path.exists():
        return None
    return visible(path.read_text("utf-8", errors="replace"))


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    made = environment("gristmill.train", style="page.css")
    made.filters["within"] = card.correlation_interval
    made.globals.update(number=number, amount=amount, counts=counts)
    return made
