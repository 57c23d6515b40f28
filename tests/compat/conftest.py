from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdwater.model.registry import registry


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, migrated_schema: Callable[[], str]) -> str:
    return migrated_schema() if request.param == "postgresql" else f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture(autouse=True)
def own_workflows() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = set(registry.names())
    yield
    for name in set(registry.names()) - before:
        registry.unregister(name)
