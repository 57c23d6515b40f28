"""Every store there is, against the one suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.storage import open_store

from .conformance import Conformance, Place


@pytest.fixture(params=["file", "in-memory database", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    url = {
        "file": f"sqlite:///{tmp_path}/runs.db?_synchronous=OFF",
        "in-memory database": "sqlite:///:memory:",
        "memory": "memory://",
    }[request.param]
    place = Place(lambda: open_store(url), shared=request.param == "file")
    yield place
    place.close()


class TestEveryStore(Conformance):
    pass
