"""What all tests share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

# Beside other workers of the suite (pytest-xdist): before torch counts the processors, and before
# rich takes the width that a worker is told for good.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.pop("COLUMNS", None)

import pytest
from hypothesis import HealthCheck, settings

from commands import gristmill as gristmill

# The same examples every time, and no clock: a busy machine must not fail a test.
settings.register_profile(
    "gristmill",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
# For a night or an afternoon: `python -m pytest tests/fuzz --hypothesis-profile=thorough`, other
# examples every time; what fails is kept in .hypothesis/ and tried first the next time.
settings.register_profile(
    "thorough", settings.get_profile("gristmill"), derandomize=False, max_examples=10_000
)
# The same, a tenth of it: `make hardknocks`.
settings.register_profile("many", settings.get_profile("thorough"), max_examples=1_000)
settings.load_profile("gristmill")

# A shell without job control has what it puts in the background ignore Ctrl-C, and tests send it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def shared_data() -> Path:
    """Public test data beside the repository; the test is skipped where it is absent."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("GRISTMILL_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set GRISTMILL_DATA")
    return folder
