"""A training's report.html: what it says, and that nothing that was read can act in it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

import pages
from browser import browser, hinders
from gristmill.errors import DataError, StorageError
from gristmill.train.page import training_page
from train.metrics_of import HOSTILE, damaged, language_metrics, reward_metrics, write_folder

PNG = b"\x89PNG\r\n\x1a\n not looked at"


class Page(pages.Page):
    """The page of a training run, all of whose tags are closed."""

    VOID = frozenset({"meta", "link", "line", "polyline", "img"})

    def __init__(self, folder: Path) -> None:
        self.source = training_page(folder).read_text("utf-8")
        super().__init__(self.source)
        assert self.open == []

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def test_it_says_what_was_measured(tmp_path: Path) -> None:
    refused = [
        {"where": f"own.jsonl:{i}", "reason": "too_long", "detail": f"{i} {what}"}
        for i, what in enumerate(["tokens"] * 9 + ["letters"])
    ]
    folder = write_folder(tmp_path / "run", reward_metrics(), [*refused, "no mapping"])
    (folder / "curves.png").write_bytes(PNG)
    (folder / "run.yaml").write_text("name: <support>\n")
    with (folder / "log.jsonl").open("w") as log:
        for step in (10, 20):
            log.write(json.dumps({"step": step, "validation": {"loss": 9 / step}}) + "\n")
    page = Page(folder)
    metrics = reward_metrics()
    pairs = metrics["validation"]["pairs"]
    assert f"{100 * pairs['accuracy']:.1f}\u202f%" in page.words
    own = metrics["validation"]["attributes"]["helpfulness"]
    for key in ("pearson", "spearman", "mae", "baseline_mae", "rmse"):
        assert f"{own[key]:.3f}" in page.words
    image = page.named("img")[0]["src"]
    assert image == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    bins = [len(c["bins"]) for c in metrics["validation"]["calibration"].values()]
    assert len(page.named("svg")) == 5 and len(page.named("circle")) == sum(bins)
    assert "5.2500" in page.words  # before the training
    assert "0.9000" in page.words and "0.4500" in page.words
    # What the same words said is told once.
    assert "own.jsonl:0 0 tokens own.jsonl:9 9 letters" in page.text
    assert "own.jsonl:1" not in page.text
    assert "name: <support>" in page.text
    assert page.text.count("Verbosity is never given") == 1


def test_nothing_that_was_read_can_act(tmp_path: Path) -> None:
    metrics = reward_metrics()
    for key in ("kind", "name", "model", "status", "licence"):
        metrics[key] = HOSTILE
    metrics["warnings"] = [HOSTILE]
    metrics["versions"] = {HOSTILE: HOSTILE}
    metrics["refused"] = {HOSTILE: 3}
    metrics["sources"][0] |= {"file": HOSTILE, "refused": {HOSTILE: 3}}
    validation = metrics["validation"]
    validation[HOSTILE] = 1.0
    validation["attributes"][HOSTILE] = validation["attributes"]["coherence"]
    validation["calibration"][HOSTILE] = validation["calibration"]["coherence"]
    row = {"where": HOSTILE, "reason": HOSTILE, "detail": HOSTILE}
    folder = write_folder(tmp_path / "run", metrics, [row])
    (folder / "run.yaml").write_text(HOSTILE)
    lines = [{"step": i, "validation": {HOSTILE: 1.0}} for i in (1, 2)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = Page(folder)
    assert "<script" not in page.source and not page.named("script") and not page.named("img")
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert "{{ 7*7 }}" in page.text and not {"\u202e", "\0"} & set(page.source)
    policy = next(m["content"] for m in page.named("meta") if "http-equiv" in m)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        language_metrics("sft", loss=0.5, perplexity=1.65),
        language_metrics("dpo", loss=0.5, accuracy=0.8, margin=2.0),
        {"kind": "pretrain", "status": "interrupted", "validation": None},
    ],
    ids=["empty", "sft", "dpo", "pretrain"],
)
def test_every_kind_and_a_partial_run_have_a_page(tmp_path: Path, metrics: Any) -> None:
    page = Page(write_folder(tmp_path / "a run", metrics))
    assert "None" not in page.text and "nan" not in page.text.split()
    assert len(page.named("dl")) >= 4
    if metrics.get("kind") == "sft":
        assert "1.65" in page.words
    if not metrics:
        assert page.named("h1") and "a run" in page.words


def test_damaged_metrics_still_make_a_page(tmp_path: Path) -> None:
    # Every seventh: no divisor of the kinds of damage, so each kind is met all over.
    for metrics in damaged(reward_metrics(n=12, pairs=4))[::7]:
        Page(write_folder(tmp_path, metrics))


def test_lone_surrogates_do_not_stop_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"name": "\ud800"})
    (folder / "run.yaml").write_bytes(b"\xff\xfe")
    assert "⟦U+D800⟧" in Page(folder).text


def test_without_metrics_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"metrics\.json: missing: name the --out folder"):
        training_page(tmp_path)
    for text in ("{", "[1]"):
        (tmp_path / "metrics.json").write_text(text)
        with pytest.raises(DataError, match=r"metrics\.json: .*train again"):
            training_page(tmp_path)


def test_a_disk_that_refuses_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {})
    (folder / "report.html").mkdir()
    with pytest.raises(StorageError, match=r"report\.html: cannot"):
        training_page(folder)


def test_nothing_hinders_reading(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "run", reward_metrics())
    assert hinders(training_page(folder)) == []


def test_the_curves_are_as_wide_as_their_words_need(tmp_path: Path) -> None:
    from gristmill.train.curves import plot

    folder = write_folder(tmp_path / "run", reward_metrics())
    lines = [{"step": step, "loss": 1 / step, "lr": 0.1, "grad_norm": 1} for step in range(1, 9)]
    log = folder / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    plot(log, folder / "curves.png")
    with browser() as opened:
        page = opened.new_page(viewport={"width": 400, "height": 800})
        page.goto(training_page(folder).as_uri())
        shown = page.locator(".curves").evaluate("one => one.clientWidth / one.naturalWidth")
        box = page.locator(".curves").locator("..").bounding_box()
    # Ten points at 150 dots an inch.
    assert shown * 10 / 72 * 150 >= 11
    assert box["width"] <= 400
