"""The page, the plot and the card: whatever was measured, and whatever it is called."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import bench_judges
from browser import hinders
from gristmill.bench.boards import REWARDBENCH
from gristmill.bench.page import reference_rows
from gristmill.bench.plot import plot
from gristmill.bench.run import Request, run
from pages import Page

HOSTILE = (
    "<script>alert(1)</script></pre></svg><img src=x onerror=alert(2)>"
    '"><a href="javascript:alert(3)">x</a>\u202egnp.exe {{ 7*7 }}{% raw %}| `x`'
)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    bench_judges.right.clear()
    yield


def evaluated(folder: Path, rows: list[dict[str, Any]], **asked: Any) -> tuple[Page, str]:
    """The page and the card of an evaluation of these rows."""
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    scored = asked.pop("scored", False)
    run(Request(str(path), scored, **asked), folder / "out")
    out = folder / "out"
    return Page((out / "report.html").read_text("utf-8")), (out / "card.md").read_text("utf-8")


def rows(count: int, subset: str = "mine") -> list[dict[str, Any]]:
    """Pairs of which the longer-is-better model gets every second one right."""
    return [
        {
            "prompt": f"{subset} {n}?",
            "chosen": "long " * (n % 2 + 1),
            "rejected": "middling",
            "subset": subset,
        }
        for n in range(count)
    ]


def test_nothing_that_a_row_or_a_judge_says_can_act(tmp_path: Path) -> None:
    hostile = [
        {"prompt": HOSTILE, "chosen": HOSTILE, "rejected": HOSTILE * 2, "category": HOSTILE},
        {"prompt": "?", "chosen": HOSTILE, "rejected": ""},
    ]
    page, card = evaluated(
        tmp_path,
        hostile,
        models=("scripted:bench_judges:length",),
        chats=("scripted:bench_judges:first",),
        orders=2,
    )
    assert page.open == []
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "img", "iframe", "object", "form"}
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert not (attributes.get("href") or "").startswith("javascript")
    assert "{{ 7*7 }}" in page.text and "⟦U+202E⟧" in page.text
    assert "<script>" not in card and "\u202e" not in card
    ET.parse(tmp_path / "out" / "sections.svg")


def test_ids_are_single_and_the_page_asks_for_nothing(tmp_path: Path) -> None:
    page, _ = evaluated(tmp_path, rows(8), models=("scripted:bench_judges:length",))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = [a["href"] for tag, a in page.tags if tag == "a"]
    assert links == ["sections.svg"]
    assert (tmp_path / "out" / "sections.svg").exists()


def test_it_shows_failures_with_both_texts(tmp_path: Path) -> None:
    page, _ = evaluated(tmp_path, rows(8), models=("scripted:bench_judges:length",))
    assert "better: 5.00" in page.text and "preferred: 8.00" in page.text
    assert "middling" in page.text and "pairs.jsonl:1" in page.text


def test_without_a_failure_it_says_so(tmp_path: Path) -> None:
    longer = [row for row in rows(8) if len(row["chosen"]) > len(row["rejected"])]
    page, _ = evaluated(tmp_path, longer, models=("scripted:bench_judges:length",))
    assert "No failure." in page.text


def test_a_line_for_guessing_is_spoken_of_where_the_plot_has_room_for_it(tmp_path: Path) -> None:
    models, line = ("scripted:bench_judges:length",), "The dashed line is what guessing gets."
    (tmp_path / "half").mkdir()
    half, _ = evaluated(tmp_path / "half", rows(8), models=models)
    longer = [row for row in rows(400) if len(row["chosen"]) > len(row["rejected"])]
    all_right, _ = evaluated(tmp_path, longer, models=models)
    assert line in half.text and line not in all_right.text


def test_rewardbench_has_published_rows_with_their_sources(tmp_path: Path) -> None:
    board = [row for subset in REWARDBENCH.rows for row in rows(2, subset)]
    page, card = evaluated(tmp_path, board, scored=True, models=("scripted:bench_judges:length",))
    assert "nvidia/Nemotron-4-340B-Reward (reward model, published) 92.0 95.8 87.1" in page.text
    assert "data card of nvidia/HelpSteer2" in page.text
    assert "gristmill did not measure them" in page.text
    assert "alpacaeval-easy 2 of 100 100 50.0 %" in page.text
    # What other people measured does not go into the card of this model.
    assert "Nemotron" not in card
    head = yaml.safe_load(card.split("```yaml\n")[1].split("```")[0])
    (result,) = head["model-index"][0]["results"]
    assert result["metrics"][0] == {"type": "accuracy", "name": "score", "value": 50.0}


def test_published_rows_are_true_to_the_arithmetic() -> None:
    for row in reference_rows(REWARDBENCH):
        score = REWARDBENCH.score(row["sections"])
        assert score == pytest.approx(row["score"], abs=0.06), row["model"]
        assert row["source"]
    assert reference_rows(None) == []


def test_several_judges_are_compared(tmp_path: Path) -> None:
    page, card = evaluated(
        tmp_path,
        rows(8),
        models=("scripted:bench_judges:length", "scripted:bench_judges:equal"),
    )
    assert "Judge against judge" in page.text
    assert "only first right" in page.text
    assert "is ahead with 50.0 %" in page.text
    assert "model-index" not in card


def test_an_evaluation_without_a_verdict_still_has_a_page(tmp_path: Path) -> None:
    page, card = evaluated(tmp_path, rows(3), models=("scripted:bench_judges:not_finite",))
    assert "3 rows without a verdict" in page.text
    assert "no judge has an overall score" in page.text
    assert "bad_reply 3" in card


def test_nothing_hinders_reading(tmp_path: Path) -> None:
    models = ("scripted:bench_judges:length", "scripted:bench_judges:equal")
    evaluated(tmp_path, rows(40) + rows(30, "another subset"), models=models)
    assert hinders(tmp_path / "out" / "report.html") == []


def test_both_orders_show_the_bias(tmp_path: Path) -> None:
    page, _ = evaluated(tmp_path, rows(8), chats=("scripted:bench_judges:first",), orders=2)
    assert "chooses what is first" in page.text
    assert "100.0 % 100.0 to 100.0" in page.text
    assert "The judge said: [[A]]" in page.text or "No failure." in page.text


class TestPlot:
    def one(self, score: float, low: float, high: float) -> dict[str, Any]:
        return {"name": "a", "values": {"Chat": {"score": score, "low": low, "high": high}}}

    def test_nothing_measured_is_no_plot(self) -> None:
        assert plot(["Chat"], [{"name": "a", "values": {}}], [], chance=0.5) is None

    @pytest.mark.parametrize("score", [0.0, 0.03, 0.5, 0.97, 1.0])
    def test_every_value_is_inside_the_picture(self, score: float) -> None:
        found = plot(
            ["Chat", "Safety"],
            [self.one(score, max(0, score - 0.1), min(1, score + 0.1))],
            [{"name": "p", "values": {"Chat": 0.9}}],
            chance=0.5,
        )
        assert found is not None
        (group,) = found.groups
        for dot in group.dots:
            assert found.left - 1e-6 <= dot.low <= dot.x <= dot.high <= found.right + 1e-6
            assert 0 < dot.y < found.base
        assert [(dot.number, dot.published) for dot in group.dots] == [(0, False), (0, True)]
        assert found.ticks[-1][1] == "100\u202f%"
        assert all(found.left - 1e-6 <= at <= found.right + 1e-6 for at, _ in found.ticks)
