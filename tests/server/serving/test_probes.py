"""Health, readiness and metrics of a server, and what its log has."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from holdwater.server.awake_tenants import AwakeTenants
from tests.postgres.cluster import Cluster
from tests.server.serving.server_process import ServedHere, start_server
from tests.suite.waiting import wait_until


def test_ready_says_why_not_and_recovers(tmp_path: Path) -> None:
    with ExitStack() as opened:
        cluster = opened.enter_context(Cluster())
        server = opened.enter_context(start_server(cluster.url(), tmp_path / "home"))
        with server.stranger() as stranger, server.client() as client:
            assert stranger.get("/ready").json() == {"status": "ready"}
            client.get("/v1/tenants/public/executions").raise_for_status()
            cluster.stop()
            answer = stranger.get("/ready")
            assert (answer.status_code, answer.json()) == (
                503, {"status": "not ready", "reason": "database unreachable"},
            )  # fmt: skip
            assert stranger.get("/health").json() == {"status": "ok"}  # a new process would not help
            refused = client.get("/v1/tenants/public/executions")
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            assert stranger.get("/metrics").status_code == 200
            cluster.start()
            wait_until(lambda: stranger.get("/ready").status_code == 200)
            wait_until(lambda: client.get("/v1/tenants/public/executions").status_code == 200)


def test_an_engine_that_is_broken_is_told_without_its_name(
    served: ServedHere, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(AwakeTenants, "troubles", lambda self: {"acme": "stuck"})
    with served.stranger() as stranger:
        answer = stranger.get("/health")
    assert (answer.status_code, answer.json()) == (
        503, {"status": "unhealthy", "reason": "engines of 1 tenants are stuck"},
    )  # fmt: skip
    assert "the engine of tenant acme is stuck" in caplog.text


def test_the_log_has_a_line_for_each_request(new_database: Callable[[], str], tmp_path: Path) -> None:
    with start_server(new_database(), tmp_path / "home") as server:
        with server.client(headers={"x-request-id": "id-of-the-test"}) as client:
            client.get("/v1/tenants/public/executions", params={"text": "secret-of-a-query"}).raise_for_status()
            client.get("/health").raise_for_status()
        assert server.stop() == 0
        text = (server.home / "logs" / "holdwater-server.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    access = [line for line in lines if line["logger"] == "holdwater.server.access"]
    assert [(line["request"], line["tenant"]) for line in access] == [("id-of-the-test", "public")]
    assert access[0]["message"].startswith("GET /v1/tenants/public/executions 200 ")
    assert "secret-of-a-query" not in text
    assert server.bootstrap_key not in text + server.log()
