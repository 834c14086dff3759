"""`write_card`: the data-set card of a run, which the Hugging Face Hub and `datasets` read."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from gristmill.errors import DataError
from gristmill.page import markdown, text
from gristmill.report import words
from gristmill.report.folder import AGAIN, Run, Table, open_run, write_page
from gristmill.report.origins import Licence, Origins, combine, trace
from gristmill.report.overview import truth, when
from gristmill.report.reasons import explain_reasons
from gristmill.storage.tables import TABLES

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
)
"""The Hub's size classes: below how many rows each ends."""

ABOUT = {
    "sft": "conversations for supervised fine-tuning",
    "preference": "pairs of a better and a worse response, for preference training",
    "scored": "every scored response with its five attributes, kept or not",
    "rejected": "everything put aside, each row with its reason",
}


def write_card(folder: Path | str) -> Path:
    """Write the data-set card `README.md` into the folder of a run and return its path.

    Its YAML head makes `datasets.load_dataset(folder, "sft")` work, for each data set there is.
    Raises DataError for a missing or damaged file, StorageError when the disk refuses.
    """
    run = open_run(folder)
    return write_page(run.path / "README.md", data_card(run))


def data_card(run: Run) -> str:
    """The card of those data sets that `run.tables` has. Raises DataError."""
    try:
        origins = trace(run)
    except pa.ArrowException as error:
        cause = " ".join(str(error).split())[:160]
        raise DataError(f"{run.path / 'data'}: not this run's files ({cause}): {AGAIN}") from error
    licence = combine(origins)
    body = _template().render(_context(run, origins, licence))
    return f"---\n{_head(run, licence)}---\n\n{body}"


def _head(run: Run, licence: Licence) -> str:
    """The YAML that the Hub reads, dumped so that no value can break it."""
    names = _loadable(run)
    head: dict[str, Any] = {
        "pretty_name": text.label(run.name),
        "license": licence.id,
    }
    if licence.name:
        head["license_name"] = licence.name
    head["task_categories"] = ["text-generation"]
    head["tags"] = _tags(names)
    head["size_categories"] = [_size(max((run.rows(n) for n in names), default=0))]
    head["configs"] = [
        {
            "config_name": name,
            "data_files": [{"split": "train", "path": _pattern(run, name)}],
            # Without a default, load_dataset(DIR) asks which one is meant.
            **({"default": True} if name == names[0] else {}),
        }
        for name in names
    ] or None
    head = {key: value for key, value in head.items() if value is not None}
    return yaml.safe_dump(head, sort_keys=False, allow_unicode=True, default_flow_style=False)


def _pattern(run: Run, name: str) -> str:
    """What names a data set's files to `datasets`, by their order."""
    return run.place(name) + ("/part-*.parquet" if len(run.tables[name].parts) > 1 else "")


def _loadable(run: Run) -> list[str]:
    """The data sets that have rows: `datasets` calls an empty one an error."""
    return [name for name in TABLES if run.rows(name)]


def _tags(names: list[str]) -> list[str]:
    extra = {"sft": ["sft"], "preference": ["dpo", "preference"], "scored": ["reward-model"]}
    return ["synthetic", "gristmill", *(tag for n in names for tag in extra.get(n, []))]


def _size(rows: int) -> str:
    return next((label for end, label in SIZES if rows < end), "n>1T")


def _context(run: Run, origins: Origins, licence: Licence) -> dict[str, Any]:
    generate = words.generators(run.config)
    names = _loadable(run)
    return {
        "name": run.name,
        "where": run.path.name or "DIR",
        "tables": [(name, run.rows(name), ABOUT[name]) for name in TABLES if name in run.tables],
        "has": set(names),
        "fields": {name: _fields(run.tables[name]) for name in names},
        "columns": {name: run.tables[name].columns for name in names},
        "first": names[0] if names else None,
        "models": origins.names("model")
        or [str(one["model"]) for one in generate if one.get("model")],
        "licences": origins.names("licences"),
        "licence": licence,
        "recipes": origins.names("recipe"),
        "seed": run.config.get("seed"),
        "sampling": [
            (str(one.get("model") or "") if len(generate) > 1 else "", words.sampling(one))
            for one in generate
        ],
        "judges": _judges(run.config),
        "filters": [(n, _flat(o)) for n, o in words.parts(run.config, "keep")],
        "select": _flat(run.config.get("select")),
        "state": words.state(run),
        "when": when(run),
        "prompts": {k: run.count("prompts", k) for k in ("read", "finished", "accepted")},
        "responses": {k: run.count("responses", k) for k in ("sampled", "scored", "kept")},
        "reasons": explain_reasons(run, run.counts("reasons")),
        "truth": truth(run),
        "version": _version(run),
    }


FIELDS = {
    "reasoning_content": "`reasoning_content` (the thought before an answer)",
    "tool_calls": "`tool_calls` (their `arguments` are JSON, which `datasets` reads as an object)",
    "tool_call_id": "`tool_call_id` (the call that a tool's turn answers)",
    "name": "`name` (the tool)",
    "weight": "`weight` (0: not to be learned)",
}
"""The fields that messages have where some do."""


def _fields(table: Table) -> str:
    """The fields beside `role` and `content` that a data set's messages have, in words."""
    with pq.ParquetFile(table.parts[0]) as file:
        columns = [file.schema.column(i).path.split(".") for i in range(len(file.schema))]
    lists = ("messages", "prompt", "chosen", "rejected")
    found = {path[3] for path in columns if path[0] in lists and len(path) > 3}
    return ", ".join(said for name, said in FIELDS.items() if name in found)


def _judges(config: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(name, model, weights) of every judge."""
    return [
        (name, str(options.get("model") or ""), _flat(options.get("weights")))
        for name, options in words.parts(config, "judges")
    ]


def _flat(value: Any) -> str:
    """Options in one line: `correctness 2.5, verbosity max 3.6`; unset ones left out."""
    if not isinstance(value, dict):
        return "" if value is None else str(value)
    parts = [f"{key} {_flat(v)}".strip() for key, v in value.items() if v is not None]
    return ", ".join(parts)


def _version(run: Run) -> str:
    for source in (run.metrics, run.config):
        versions = source.get("versions")
        if isinstance(versions, dict) and versions.get("gristmill"):
            return str(versions["gristmill"])
    return ""


def _markdown(value: object, strip: bool = True) -> str:
    """A value as plain text in one line of Markdown, whatever is in it."""
    line = text.label(value, 400) if strip else str(value)
    # Inside a heading, a cell or a sentence, none of these may start something.
    return markdown.plain(line)


def _said(sentence: str) -> str:
    """A sentence of ours, whose settings in backticks stay code spans."""
    parts = sentence.split("`")
    if len(parts) % 2 == 0:
        return _markdown(sentence)
    return "".join(
        _code(part) if i % 2 else _markdown(part, strip=False) for i, part in enumerate(parts)
    )


def _code(value: object) -> str:
    """A value as a code span."""
    return markdown.code(text.label(value))


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    # Markdown, so no HTML escaping: `md` and `code` do what that would.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gristmill.report"),
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        md=_markdown,
        code=_code,
        said=_said,
        whole=text.whole,
        percent=text.percent,
        decimal=text.decimal,
        plural=text.plural,
    )
    return environment.get_template("README.md.j2")
