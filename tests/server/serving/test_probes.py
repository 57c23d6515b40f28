"""Health, readiness and metrics of a server, and what its log has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from holdwater.packages.hosts.host_budget import HostBudget
from holdwater.server.awake_tenants import AwakeTenants
from tests.postgres.cluster import Cluster
from tests.server.serving.server_process import ServedHere, start_server
from tests.suite.waiting import wait_until

FAMILIES = """
    active_tasks active_workflows api_request_duration_seconds api_requests auth_failures context_merge_failures
    driver_commit_seconds driver_turn_age_seconds engine_wakes engines_awake host_crashes host_starts hosts
    http_request_duration_seconds leases_expired notifications rate_limited reconcile_seconds releases runs_dead
    schedule_lag_seconds scheduler_claim_attempts scheduler_heartbeat_writes scheduler_stale_claims_swept stream_clients
    task_duration_seconds tasks up work_oldest_ready_seconds work_ready workflow_duration_seconds workflows
"""


def read_metrics(served: ServedHere) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Samples by name and labels, without a key."""
    with served.stranger() as stranger:
        answer = stranger.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        samples.setdefault(family.name.removeprefix("holdwater_"), {})
        for sample in family.samples:
            samples.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return samples


def test_every_family_is_there(served: ServedHere) -> None:
    with served.client() as client:
        client.get("/v1/tenants/public/executions").raise_for_status()
    samples = read_metrics(served)
    assert [name for name in FAMILIES.split() if name not in samples] == []
    assert samples["holdwater_up"] == {(): 1.0}


def test_requests_are_counted_by_route_and_never_by_name(served: ServedHere) -> None:
    with served.client() as client, served.stranger() as stranger:
        client.get("/v1/tenants/public/executions/00000000-0000-7000-8000-000000000000")
        client.get("/v1/tenants/tenant-of-nobody/executions")
        client.get("/v1/no-such-path")
        stranger.get("/v1/tenants/public/executions")
    samples = read_metrics(served)
    counted = samples["holdwater_http_request_duration_seconds_count"]
    route = "/v1/tenants/{tenant}/executions/{run_id}"
    assert counted[(("method", "GET"), ("route", route), ("status", "404"))] >= 1
    assert counted[(("method", "GET"), ("route", "none"), ("status", "404"))] >= 1
    assert sum(samples["holdwater_auth_failures_total"].values()) >= 1
    with served.stranger() as stranger:
        text = stranger.get("/metrics").text
    assert not re.search("00000000-0000|tenant-of-nobody|no-such-path|public", text)


def test_a_prefix_of_dashboards_that_exist(postgres: Cluster, served: ServedHere) -> None:
    from holdwater.server.metrics.server_metrics import ServerMetrics

    metrics = ServerMetrics("cloacina", AwakeTenants(), HostBudget(1), lambda: True)
    metrics.engine_counts.on_claim("empty")
    from prometheus_client import generate_latest

    assert b'cloacina_scheduler_claim_attempts_total{outcome="empty"} 1.0' in generate_latest(metrics._registry)


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
