from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, migrated_schema: Callable[[], str]) -> str:
    return migrated_schema() if request.param == "postgresql" else f"sqlite:///{tmp_path}/runs.db"
