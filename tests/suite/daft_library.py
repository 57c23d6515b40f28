"""Daft as tests use it: on this machine, without telemetry."""

from __future__ import annotations

import os
from typing import Any

import pytest

os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("SCARF_NO_ANALYTICS", "true")


def native_daft() -> Any:
    """Daft, set to run in this process; otherwise it would use Ray where another test has started that."""
    daft = pytest.importorskip("daft", reason="needs Daft: pip install 'holdwater[daft]'")
    if daft.runners._get_runner() is None:  # it can be set once per process
        daft.set_runner_native()
    return daft
