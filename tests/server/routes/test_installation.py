"""Checks and deletions of old runs by the API: one at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from holdwater.operations.verification import verify_database
from tests.server.routes.conftest import Runs
from tests.suite.runners import Gate


def test_one_check_or_deletion_goes_on_at_a_time(
    api: httpx.Client, runs: Runs, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verify_at_the_gate(*args: Any) -> Any:
        gate()
        return verify_database(*args)

    monkeypatch.setattr("holdwater.server.routes.installation.verify_database", verify_at_the_gate)
    old = {"ended_before": "2001-01-01T00:00:00Z"}
    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(api.post, "/verify")
        try:
            gate.wait_started()
            for path, body in (("/verify", None), ("/retention/prune", old)):
                refused = api.post(path, json=body)
                assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
                assert refused.headers["retry-after"]
            assert api.post("/retention/preview", json=old).status_code == 200
        finally:
            gate.open.set()
        assert first.result().json()["runs"] >= 3
    assert api.post("/verify").status_code == 200
    assert api.post("/retention/prune", json=old).json()["pruned"] == 0
