"""Each kind of finished run, for tests of its pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import finished
from finished import RUNS, normal_run


@pytest.fixture(params=RUNS)
def any_run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Each kind of run in turn."""
    return RUNS[request.param](tmp_path / request.param)


@pytest.fixture
def normal(tmp_path: Path) -> Path:
    """A run as it should be."""
    return normal_run(tmp_path / "normal")


@pytest.fixture
def runs() -> Any:
    """What makes them, for tests that make runs of their own."""
    return finished
