"""What the report says of a run's judges, against scipy and plain counting."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import combinations
from math import isnan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

import gristmill
import llm_judges
import scripts
from gristmill.judges._matches import Record
from gristmill.report import agreement, write_report
from gristmill.report.agreement import Judges, measure_judges
from gristmill.report.folder import open_run
from mills import config, write_prompts
from pages import Page

Row = tuple[float | None, ...]
"""What the judges gave a response, in their order."""


def scored(prompts: list[list[Row]], names: list[str], details: Any = None) -> list[dict[str, Any]]:
    """Rows of `scored`, as far as judges go."""
    return [
        {
            "prompt": f"P{n}?",
            "response": f"R{k}.",
            "reward": 1.0,
            "prompt_id": f"p{n}",
            "response_id": f"p{n}.{k}",
            "kept": True,
            "judgements": [
                {"judge": name, "model": f"m:{name}", "reward": reward, "detail": details}
                for name, reward in zip(names, row, strict=False)
            ],
        }
        for n, rows in enumerate(prompts)
        for k, row in enumerate(rows)
    ]


def folder_of(
    folder: Path,
    rows: list[dict[str, Any]],
    names: list[str],
    rejected: list[dict[str, Any]] | None = None,
) -> Path:
    """The folder of a run with such rows, written as the mill writes them."""
    from gristmill.mill.columns import SCHEMAS

    (folder / "data").mkdir(parents=True)
    for name, data in (("scored", rows), ("rejected", rejected or [])):
        table = pa.Table.from_pylist(data, SCHEMAS[name])
        pq.write_table(table, folder / "data" / f"{name}.parquet", row_group_size=50)
    judges = [{name: {"model": f"m:{name}"}} for name in names]
    (folder / "run.yaml").write_text(yaml.safe_dump({"name": "r", "judges": judges}))
    (folder / "metrics.json").write_text(json.dumps({"status": "complete"}))
    return folder


def measured(folder: Path, *args: Any) -> Judges:
    found = measure_judges(open_run(folder_of(folder, *args)))
    assert found is not None
    return found


def by_hand(prompts: list[list[Row]]) -> tuple[int, int, int, int]:
    """Pairs of two judges; alike, opposed, and ordered by one alone."""
    counts = [0, 0, 0, 0]
    for rows in prompts:
        known = [(a, b) for a, b, *_ in rows if a is not None and b is not None]
        for (a, b), (c, d) in combinations(known, 2):
            x, y = np.sign(c - a), np.sign(d - b)
            counts[0] += 1
            counts[1] += bool(x * y > 0)
            counts[2] += bool(x * y < 0)
            counts[3] += bool((x != 0) != (y != 0))
    return counts[0], counts[1], counts[2], counts[3]


REWARDS = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 2.0]), st.floats(-9, 9))
PROMPTS = st.lists(st.lists(st.tuples(REWARDS, REWARDS), max_size=6), max_size=12)


@given(PROMPTS)
def test_pairs_are_counted_as_by_hand(tmp_path_factory: Any, prompts: list[list[Row]]) -> None:
    folder = tmp_path_factory.mktemp("runs") / "run"
    found = measure_judges(open_run(folder_of(folder, scored(prompts, ["a", "b"]), ["a", "b"])))
    if not any(prompts):
        assert found is None
        return
    assert found is not None
    (two,) = found.agreements
    assert (two.pairs, two.alike, two.opposed, two.tied) == by_hand(prompts)
    counted = two.alike + two.opposed + two.tied
    if not counted:
        assert two.share is None is two.low
    else:
        assert two.share == pytest.approx((two.alike + two.tied / 2) / counted)
        if two.share is not None and two.low is not None and two.high is not None:
            assert 0 <= two.low <= two.share + 1e-12 and two.share - 1e-12 <= two.high <= 1
    for place, one in enumerate(found.opinions):
        given_ = [row[place] for rows in prompts for row in rows]
        known = [r for r in given_ if r is not None]
        assert (one.verdicts, one.silent) == (len(known), len(given_) - len(known))
        assert one.mean == (pytest.approx(float(np.mean(known))) if known else None)


@pytest.mark.parametrize("ties", [False, True])
def test_tau_of_one_prompt_is_scipys(tmp_path: Path, ties: bool) -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(0, 6, 40).astype(float) if ties else rng.normal(size=40)
    y = np.round(x + rng.normal(size=40), 0 if ties else 9)
    rows: list[Row] = list(zip(x.tolist(), y.tolist(), strict=True))
    tau: float = kendalltau(x, y)[0]  # type: ignore[assignment]
    (two,) = measured(tmp_path / "run", scored([rows], ["a", "b"]), ["a", "b"]).agreements
    assert two.tau == pytest.approx(tau)
    # One prompt has no spread over prompts to see.
    assert two.share is not None and two.low is None and two.responses == 40
    if not ties:
        assert two.share == pytest.approx((1 + tau) / 2)


def test_rows_are_read_in_batches_without_cutting_a_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    prompts = [
        [tuple(rng.integers(0, 3, 3).astype(float).tolist()) for _ in range(rng.integers(1, 9))]
        for _ in range(60)
    ]
    folder = folder_of(tmp_path / "run", scored(prompts, ["a", "b", "c"]), ["a", "b", "c"])
    whole = measure_judges(open_run(folder))
    assert whole is not None and len(whole.agreements) == 3
    for size in (1, 3, 7, 64):
        monkeypatch.setattr(agreement, "ROWS", size)
        found = measure_judges(open_run(folder))
        assert found is not None
        for one, other in zip(_numbers(found), _numbers(whole), strict=True):
            assert one == pytest.approx(other)


def _numbers(found: Judges) -> list[float | None]:
    rows = [asdict(each) for each in (*found.opinions, *found.agreements)]
    return [v for row in rows for v in row.values() if isinstance(v, int | float)]


def test_the_interval_is_that_of_shares_that_vary_from_prompt_to_prompt(tmp_path: Path) -> None:
    """Of prompts with equally many pairs it is the plain one of a mean."""
    rng = np.random.default_rng(7)
    prompts: list[list[Row]] = [
        [tuple(rng.normal(size=2).tolist()) for _ in range(4)] for _ in range(300)
    ]
    (two,) = measured(tmp_path / "run", scored(prompts, ["a", "b"]), ["a", "b"]).agreements
    shares = [by_hand([rows])[1] / 6 for rows in prompts]
    assert two.share == pytest.approx(np.mean(shares))
    half = 1.959964 * np.std(shares, ddof=1) / sqrt(300)
    assert two.low == pytest.approx(np.mean(shares) - half)
    assert two.low is not None and two.high is not None and two.low < 0.5 < two.high


def test_judges_of_right_and_wrong_have_a_kappa(tmp_path: Path) -> None:
    # Cohen's formula by hand: 20 and 15 alike of 50, chance 25/50 30/50 + 25/50 20/50.
    rows = [(1.0, 1.0)] * 20 + [(1.0, 0.0)] * 5 + [(0.0, 1.0)] * 10 + [(0.0, 0.0)] * 15
    (two,) = measured(
        tmp_path / "run", scored([[row] for row in rows], ["a", "b"]), ["a", "b"]
    ).agreements
    assert (two.same, two.kappa) == (pytest.approx(0.7), pytest.approx(0.4))
    assert two.pairs == 0 and two.share is None and two.tau is None


@pytest.mark.parametrize(
    ("rows", "same"),
    [([(1.0, 0.5), (0.0, 1.0)], None), ([(1.0, 1.0), (1.0, 1.0)], 1.0), ([(None, 1.0)], None)],
)
def test_no_kappa_where_none_is(tmp_path: Path, rows: list[Row], same: float | None) -> None:
    (two,) = measured(tmp_path / "run", scored([rows], ["a", "b"]), ["a", "b"]).agreements
    assert (two.same, two.kappa) == (same, None)


def test_the_place_is_counted_from_the_records(tmp_path: Path) -> None:
    one, other = Record(1, 1, 1, 0, 0, 1, 1, 0, 0), Record(0, 1, 1, 1, 0, 2, 0, 0, 0)
    rows = scored([[(1.0,)], [(0.0,)], [(0.0,)]], ["llm"])
    for row, detail in zip(
        rows, (f"{one}\nagainst", str(other), f"as an earlier response: {other}"), strict=True
    ):
        row["judgements"][0]["detail"] = detail
    lost = {
        "reason": "error:unreadable", "detail": f"{Record(unread=1, unheard=1)}; no verdict",
        "prompt_id": "p9", "response": "x", "judgements": [],
    }  # fmt: skip
    other_rows = [
        {**lost, "detail": "spent", "reason": "error:budget"},
        {**lost, "reason": "threshold:reward"},
        {**lost, "response": None, "reason": "error:timeout"},
        {"reason": "input:bad_json", "detail": "line 3", "prompt": "{"},
    ]
    found = measured(tmp_path / "run", rows, ["llm"], [lost, *other_rows])
    assert found.agreements == ()
    (judge,) = found.opinions
    assert (judge.verdicts, judge.failed) == (3, {"unreadable": 1, "budget": 1})
    lean = judge.leaning
    assert lean is not None
    assert (lean.replies, lean.first, lean.pairs) == (4, 0.75, 2)
    assert (lean.flipped, lean.tied, lean.unread) == (0.5, 0, 0.2)


def test_failures_are_those_of_the_judge_that_failed(tmp_path: Path) -> None:
    rows = scored([[(1.0, 2.0, 3.0)] * 2] * 3, ["reward", "math", "llm"])
    given_ = rows[0]["judgements"]
    base = {"prompt_id": "q", "response": "x", "detail": "d"}
    rejected = [
        {**base, "reason": "error:bad_reply", "judgements": []},
        {**base, "reason": "error:timeout", "judgements": given_[:1], "reward": 9.0},
        {**base, "reason": "error:timeout", "judgements": None, "reward": 7.0},
        {**base, "reason": "error:unreadable", "judgements": given_[:2]},
    ]
    # In the config `llm` comes first; it is asked last.
    found = measured(tmp_path / "run", rows, ["llm", "reward", "math"], rejected)
    reward, math, llm = found.opinions
    assert [o.name for o in found.opinions] == ["reward", "math", "llm"]
    assert (reward.failed, math.failed) == ({"bad_reply": 1}, {"timeout": 2})
    assert llm.failed == {"unreadable": 1}
    assert (reward.verdicts, math.verdicts, llm.verdicts) == (9, 7, 6)
    assert reward.mean == pytest.approx((6 * 1 + 1 + 7 + 1) / 9)


def test_a_judge_that_never_gave_a_verdict_is_named_by_the_config(tmp_path: Path) -> None:
    lost = {
        "reason": "error:unreadable", "detail": "no", "prompt_id": "p", "response": "x",
        "judgements": [{"judge": "reward", "model": "m:r", "reward": 1.0, "detail": None}],
    }  # fmt: skip
    found = measured(tmp_path / "run", [], ["llm", "reward"], [lost])
    assert [(o.name, o.model) for o in found.opinions] == [("reward", "m:r"), ("llm", "m:llm")]
    assert found.opinions[1].failed == {"unreadable": 1}


@pytest.mark.parametrize("names", [[], ["reward"], ["my_pkg.mod:Mine"]])
def test_nothing_to_say_of_one_judge_with_bare_rewards(tmp_path: Path, names: list[str]) -> None:
    rows = scored([[(1.0,)]], names)
    for row in rows:
        row["judgements"] = None
    folder = folder_of(tmp_path / "run", rows, names)
    assert measure_judges(open_run(folder)) is None
    assert 'id="judges"' not in write_report(folder).read_text()


def test_nothing_to_say_of_folders_without_judgements(normal: Path) -> None:
    assert measure_judges(open_run(normal)) is None


def test_a_users_judge_that_cannot_be_loaded_does_no_harm(tmp_path: Path) -> None:
    names = ["gone.mod:Mine", "reward"]
    found = measured(tmp_path / "run", scored([[(1.0, 2.0)] * 2], names), names)
    assert [o.name for o in found.opinions] == names


class TestOfARun:
    @pytest.fixture(autouse=True)
    def _forget(self) -> Any:
        for memory in (llm_judges, scripts):
            memory.forget()
        yield
        for memory in (llm_judges, scripts):
            memory.forget()

    def page(self, folder: Path, *judges: dict[str, Any]) -> tuple[Judges, Page]:
        settings = config(
            write_prompts(folder, 40),
            generate={"model": "scripted:scripts:answer", "responses": 3},
            judges=list(judges),
            keep=[],
        )
        gristmill.run(settings, folder / "out")
        found = measure_judges(open_run(folder / "out"))
        assert found is not None
        return found, Page((folder / "out" / "report.html").read_text())

    def test_a_chat_model_beside_a_reward_model(self, tmp_path: Path) -> None:
        found, page = self.page(
            tmp_path,
            {"llm": {"model": "scripted:llm_judges:leaning"}},
            {"reward": {"model": "scripted:scripts:grade"}},
        )
        assert [one.name for one in found.opinions] == ["reward", "llm"]
        (two,) = found.agreements
        # The sum of the digits of `Question 17?/2` mostly grows with the last of them.
        assert two.responses == 120 and two.share is not None and two.share > 0.7
        lean = found.opinions[1].leaning
        assert lean is not None and lean.pairs == 120 and lean.replies == 240
        assert lean.first is not None and lean.flipped is not None
        assert lean.first == pytest.approx(lean.flipped + (1 - lean.flipped) / 2)
        assert 0.15 < lean.flipped < 0.35 and lean.low is not None and lean.low > 0.5
        assert "What the judges gave" in page.text and "reward · llm" in page.text
        assert "Does the place decide?" in page.text and "Kappa" not in page.text

    @pytest.mark.parametrize("how", ["pairwise", "tournament"])
    def test_one_that_looks_at_the_place_alone_is_seen_through(
        self, tmp_path: Path, how: str
    ) -> None:
        found, page = self.page(
            tmp_path, {"llm": {"model": "scripted:llm_judges:first", "how": how}}
        )
        lean = found.opinions[0].leaning
        assert lean is not None and (lean.first, lean.flipped, lean.unread) == (1, 1, 0)
        assert lean.pairs == {"pairwise": 120, "tournament": 80}[how]
        assert "Do they agree?" not in page.text and "Does the place decide?" in page.text

    def test_one_that_cannot_be_read_is_seen_through_too(self, tmp_path: Path) -> None:
        found, page = self.page(tmp_path, {"llm": {"model": "scripted:llm_judges:nonsense"}})
        (judge,) = found.opinions
        assert (judge.verdicts, judge.failed, judge.mean) == (0, {"unreadable": 120}, None)
        assert judge.leaning is not None and judge.leaning.unread == 1
        assert "120 (unreadable)" in page.text and page.open == []

    def test_what_it_says_is_shown_as_text(self, tmp_path: Path) -> None:
        name = "<script>alert(1)</script>"
        rows = scored([[(1.0, 0.0), (0.0, 1.0)]], [name, "b"])
        text = write_report(folder_of(tmp_path / "run", rows, [name, "b"])).read_text()
        assert name not in text and "&lt;script&gt;alert(1)" in text
        assert not any(isnan(v) for v in _numbers(measured(tmp_path / "x", rows, [name, "b"])) if v)
        assert "Kappa" in text and "−1.00" in text
