from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.model.registry import registry


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture(autouse=True)
def own_workflows() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = set(registry.names())
    yield
    for name in set(registry.names()) - before:
        registry.forget(name)
