"""The data-set card: `datasets` must be able to load what it describes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from gristmill.errors import DataError
from gristmill.report import write_card
from gristmill.report.origins import slug

TABLES = ["sft", "preference", "scored", "rejected"]


def read(path: Path) -> tuple[dict[str, Any], str]:
    """The YAML head and the body of a card."""
    start, head, body = path.read_text("utf-8").split("---\n", 2)
    assert start == ""
    return yaml.safe_load(head), body


def with_licences(runs: Any, folder: Path, *licences: list[str] | None) -> Path:
    rows = runs.rows_of(8, 2)
    for i, row in enumerate(rows):
        row["provenance"] = runs.ORIGIN | {"licences": licences[i % len(licences)]}
    tables = runs.tables_of(rows)
    return runs.write_run(folder, tables, runs.metrics_of(tables, 8))


def test_head(normal: Path) -> None:
    head, body = read(write_card(normal))
    assert head["license"] == "apache-2.0" and "license_name" not in head
    assert head["pretty_name"] == "support-bot"
    assert head["size_categories"] == ["n<1K"]
    assert {"synthetic", "gristmill"} <= set(head["tags"])
    assert [c["config_name"] for c in head["configs"]] == TABLES
    assert [c["config_name"] for c in head["configs"] if c.get("default")] == ["sft"]
    assert "| `sft` | 189 |" in body and "`threshold:correctness`" in body
    assert "correctness 0.74" in body and "min_gap 0.25" in body


def test_every_kind_of_run_has_a_card(any_run: Path) -> None:
    head, body = read(write_card(any_run))
    rows = json.loads((any_run / "metrics.json").read_text())["rows"]
    assert [c["config_name"] for c in head["configs"]] == [n for n in TABLES if rows[n]]
    assert "{{" not in body and "{%" not in body and "None" not in body
    assert "\n\n\n" not in body


@pytest.mark.parametrize(
    ("licences", "id_", "name"),
    [
        ([["Apache-2.0"], ["apache-2.0", "Apache-2.0"]], "apache-2.0", None),
        ([["MIT", "Apache-2.0"]], "other", "apache-2.0-and-mit"),
        ([["NVIDIA Open Model License"]], "other", "nvidia-open-model-license"),
        ([["MIT"], None], "other", "mit-and-not-stated"),
        ([["MIT"], []], "other", "mit-and-not-stated"),
        ([None], "other", "not-stated"),
    ],
)
def test_licences_combine(
    tmp_path: Path, runs: Any, licences: Any, id_: str, name: str | None
) -> None:
    head, _ = read(write_card(with_licences(runs, tmp_path / "run", *licences)))
    assert (head["license"], head.get("license_name")) == (id_, name)


def test_licence_names_become_ids() -> None:
    assert slug("CC BY-SA 4.0") == "cc-by-sa-4.0"
    assert slug("??") == "unnamed"


def test_odd_names_break_neither_yaml_nor_markdown(normal: Path) -> None:
    odd = 'x: "y"\n---\n# | [a](javascript:1) <script> `b` ``c`` * _d_ \x00\u202e {{ 7*7 }}'
    metrics = json.loads((normal / "metrics.json").read_text())
    metrics |= {"name": odd, "status": odd, "reasons": {odd: 3}, "versions": {"gristmill": odd}}
    (normal / "metrics.json").write_text(json.dumps(metrics))
    config = yaml.safe_load((normal / "run.yaml").read_text())
    config |= {"seed": odd, "keep": [{odd: {odd: odd}}], "judges": [{"reward": {"model": odd}}]}
    (normal / "run.yaml").write_text(yaml.safe_dump(config))
    head, body = read(write_card(normal))
    assert "\x00" not in str(head) + body and "\u202e" not in str(head) + body
    assert head["license"] == "apache-2.0"
    assert body.lstrip().startswith('# x: "y" --- \\# \\| \\[a\\](javascript:1) \\<script\\>')
    assert "\n# |" not in body
    # Every row of a table keeps its number of cells, whatever is in one.
    row = next(line for line in body.splitlines() if "0.6" in line or "| 3 | 100" in line)
    assert row.replace("\\|", "").count("|") == 5


def test_the_card_says_what_is_right_where_that_is_known(normal: Path) -> None:
    truth = json.loads((normal / "metrics.json").read_text())["truth"]
    body = read(write_card(normal))[1]
    assert f"**{truth['right_before'] * 100:.1f}\u202f%** of the 800 responses" in body


def test_our_own_sentences_keep_their_code_spans(normal: Path) -> None:
    metrics = json.loads((normal / "metrics.json").read_text())
    metrics["reasons"] = {"input:bad_prompt": 2, "a`b:c": 1}
    (normal / "metrics.json").write_text(json.dumps(metrics))
    body = read(write_card(normal))[1]
    assert "A line without a usable `prompt` or `messages`. |" in body
    assert "The filter “a\\`b” said no." in body


def test_absent_data_sets_are_not_promised(normal: Path) -> None:
    (normal / "data/preference.parquet").unlink()
    head, body = read(write_card(normal))
    assert [c["config_name"] for c in head["configs"]] == ["sft", "scored", "rejected"]
    assert "DPOTrainer" not in body and "SFTTrainer" in body


def test_damage_is_one_clear_line(normal: Path) -> None:
    (normal / "data/sft.parquet").write_bytes(b"no")
    with pytest.raises(DataError, match=r"sft\.parquet: cannot be read"):
        write_card(normal)


@pytest.mark.filterwarnings("default")
def test_datasets_loads_each_by_name(
    normal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    write_card(normal)
    cache = str(tmp_path / "cache")
    for name in TABLES:
        loaded = datasets.load_dataset(str(normal), name, split="train", cache_dir=cache)
        assert len(loaded) == json.loads((normal / "metrics.json").read_text())["rows"][name]
    default = datasets.load_dataset(str(normal), split="train", cache_dir=cache)
    assert default[0]["messages"][-1]["role"] == "assistant"


def test_a_run_that_wrote_nothing_has_a_card(tmp_path: Path, runs: Any) -> None:
    tables: dict[str, Any] = {name: [] for name in TABLES}
    folder = runs.write_run(tmp_path / "run", tables, runs.metrics_of(tables, 0))
    head, body = read(write_card(folder))
    assert "configs" not in head and "cannot be loaded by name" in body
