"""A clean slate of scripted models for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import scripts


@pytest.fixture(autouse=True)
def _forget_scripts() -> Iterator[None]:
    scripts.forget()
    yield
    scripts.forget()
