"""Real config.json files of models that nobody here made: the fields that matter, as published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def config_file(tmp_path: Path) -> Any:
    """Writes a config.json and returns its path."""

    def write(values: Any, name: str = "config.json") -> str:
        path = tmp_path / name
        path.write_text(values if isinstance(values, str) else json.dumps(values))
        return str(path)

    return write
