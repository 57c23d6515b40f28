"""Daft as tests use it: on this machine, without telemetry.  DAFT_TESTS_ON_RAY: the address of a cluster instead."""

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
        address = os.environ.get("DAFT_TESTS_ON_RAY")
        if address:
            import ray  # type: ignore[import-untyped, import-not-found, unused-ignore]

            ray.init(address=address, log_to_driver=False, logging_level=40)
            daft.set_runner_ray(noop_if_initialized=True)
        else:
            daft.set_runner_native()
    return daft
