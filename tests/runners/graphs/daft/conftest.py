"""Daft for all tests of this package."""

from __future__ import annotations

from typing import Any

import pytest

from tests.suite import daft_library


@pytest.fixture(scope="session", autouse=True)
def native_daft() -> Any:
    return daft_library.native_daft()
