"""One server for all that only asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_models import chat_model, one_thread
from serving import Serving


@pytest.fixture(scope="session")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chat model of random weights, which goes on until its limit."""
    return chat_model(tmp_path_factory.mktemp("wild"), max_position_embeddings=4096)


@pytest.fixture(scope="package")
def there(wild: Path) -> Iterator[Serving]:
    with one_thread(), Serving(["tiny:instruct", "tiny:reward", f"hf:{wild}"]) as serving:
        yield serving
