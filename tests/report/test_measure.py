"""The arithmetic under the charts, against numpy on the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.report import write_report
from gristmill.report.folder import open_run
from gristmill.report.measure import Counts, Range, bin_edges, measure_gaps, measure_scores
from gristmill.report.overview import Truth, rate
from gristmill.report.pick import pick_pairs, pick_samples

FLOATS = st.floats(-1e9, 1e9, allow_nan=False)


def test_distributions_and_correlations_are_numpys(normal: Path) -> None:
    rows = pq.read_table(normal / "data/scored.parquet").to_pandas()
    found = measure_scores(open_run(normal))
    assert found is not None and found.correlation is not None
    names = [each.name for each in found.distributions]
    np.testing.assert_allclose(found.correlation, np.corrcoef(rows[names].T), atol=1e-6)
    for each in found.distributions:
        for counts, own in ((each.kept, rows[rows.kept]), (each.rejected, rows[~rows.kept])):
            values = own[each.name].to_numpy(np.float64)
            assert counts.n == counts.counts.sum() == len(values)
            assert counts.mean == pytest.approx(values.mean())
            for q in (0.1, 0.5, 0.9):
                assert counts.quantile(q) == pytest.approx(np.quantile(values, q), abs=0.03)


@pytest.mark.parametrize("odd", [1e308, -1e308, 1e31, float("inf"), float("-inf"), float("nan")])
def test_a_score_that_is_none_stops_no_page(normal: Path, odd: float) -> None:
    plain = measure_scores(open_run(normal))
    for name, column in (("scored", "reward"), ("preference", "chosen_score")):
        table = pq.read_table(normal / f"data/{name}.parquet")
        values = table[column].to_pylist()
        place = table.column_names.index(column)
        odd_ones = pa.array([odd, *values[1:]], table.schema.field(column).type)
        pq.write_table(table.set_column(place, column, odd_ones), normal / f"data/{name}.parquet")
    found = measure_scores(open_run(normal))
    assert found is not None and plain is not None
    first, second = (
        next(d for d in one.distributions if d.name == "reward") for one in (plain, found)
    )
    assert second.kept.n + second.rejected.n == first.kept.n + first.rejected.n - 1
    assert write_report(normal).stat().st_size > 10_000


def test_gaps_are_those_of_the_pairs(normal: Path) -> None:
    rows = pq.read_table(normal / "data/preference.parquet").to_pandas()
    gaps = (rows.chosen_score - rows.rejected_score).to_numpy()
    found = measure_gaps(open_run(normal))
    assert found is not None and found.n == len(gaps)
    assert found.quantile(0.5) == pytest.approx(np.median(gaps), abs=0.03)
    shown = [pair.gap for pair in pick_pairs(open_run(normal))]
    assert shown[0] == gaps.max() and shown[-1] == gaps.min()


def test_a_column_that_never_changes_correlates_with_nothing(tmp_path: Path, runs: Any) -> None:
    rows = runs.rows_of(5, 3)
    for row in rows:
        row["coherence"] = 3.1
    tables = runs.tables_of(rows)
    folder = runs.write_run(tmp_path / "run", tables, runs.metrics_of(tables, 5))
    found = measure_scores(open_run(folder))
    assert found is not None and found.correlation is not None
    assert np.isnan(found.correlation[2]).all()
    assert found.correlation[0, 0] == pytest.approx(1)


@given(st.lists(FLOATS, min_size=1, max_size=50))
def test_every_value_has_its_bin(values: list[float]) -> None:
    array = np.array(values)
    span = Range()
    span.add(array)
    for within in (None, (0.0, 4.0)):
        edges = bin_edges(span, within)
        assert (np.diff(edges) > 0).all() and len(edges) <= 60
        counts = Counts(edges)
        counts.add(array)
        assert counts.counts.sum() == len(values)
        median = counts.quantile(0.5)
        assert median is not None and span.low <= median <= span.high


def test_whole_numbers_get_a_bin_each() -> None:
    span = Range()
    span.add(np.array([0.0, 4.0, 2.0]))
    assert bin_edges(span, (0, 4)).tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5]


def test_few_responses_are_all_shown_once(tmp_path: Path, runs: Any) -> None:
    found = pick_samples(open_run(runs.small_run(tmp_path / "run")))
    assert [len(found[sort]) for sort in ("best", "worst", "random")] == [1, 1, 3]


def test_the_interval_of_a_share() -> None:
    # Wilson, 1927, for 8 of 10: 0.490 to 0.943.
    low, high = Truth(0.5, 0.8, 10, 10).margins[1]
    assert (low, high) == (pytest.approx(0.490, abs=1e-3), pytest.approx(0.943, abs=1e-3))


def test_a_rate_is_said_for_the_time_that_fits() -> None:
    assert rate(30, 60) == "30.0 responses/min"
