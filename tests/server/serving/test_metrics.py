"""Metrics of a server: every family is there with its labels, and has moved after what it counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from holdwater.packages.hosts.host_budget import HostBudget
from holdwater.server.awake_tenants import AwakeTenants
from holdwater.server.metrics import tenant_gauges
from holdwater.server.metrics.server_metrics import ServerMetrics
from holdwater.storage.postgres.liveness import owner_lock_key
from tests.postgres.cluster import Cluster
from tests.server.serving.conftest import create_database
from tests.server.serving.flows import iter_events
from tests.server.serving.packages import archive, execute, upload, wait_for_state
from tests.server.serving.server_process import ServedHere, serve_here
from tests.suite.waiting import wait_until

Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]
"""family or sample -> labels -> value"""

MOVED: dict[str, dict[str, str]] = {
    "active_tasks": {},
    "active_workflows": {},
    "api_request_duration_seconds_count": {"method": "GET", "status": "200"},
    "api_requests_total": {"method": "POST", "status": "202"},
    "auth_failures_total": {"reason": "unauthorized"},
    "db_pool_in_use": {},
    "driver_commit_seconds_count": {},
    "engine_wakes_total": {"cause": "request"},
    "engines_awake": {},
    "host_crashes_total": {},
    "host_starts_total": {"outcome": "ok"},
    "hosts": {"state": "busy"},
    "http_request_duration_seconds_count": {"route": "/v1/tenants", "method": "POST", "status": "201"},
    "leases_expired_total": {},
    "rate_limited_total": {},
    "reconcile_seconds": {},
    "releases": {"state": "active"},
    "runs_dead_total": {},
    "scheduler_claim_attempts_total": {"outcome": "claimed"},
    "scheduler_heartbeat_writes_total": {},
    "scheduler_stale_claims_swept_total": {},
    "stream_clients": {},
    "task_duration_seconds_count": {},
    "tasks_total": {"status": "failed", "reason": "infrastructure"},
    "up": {},
    "work_oldest_ready_seconds": {},
    "work_ready": {},
    "workflow_duration_seconds_count": {},
    "workflows_total": {"status": "failed", "reason": "task_error"},
}
"""sample -> labels of one that has moved after the work of this test"""
STILL: dict[str, dict[str, str]] = {
    "context_merge_failures": {},
    "driver_turn_age_seconds": {},
    "engine_wakes_total": {"cause": "news"},
    "notifications_total": {"outcome": "delivered"},
    "schedule_lag_seconds": {},
}
"""those that are there, and need not have moved"""
FLOWS = """
import os
import time
from pathlib import Path
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("good"):

    @task()
    def good(context):
        pass

with WorkflowBuilder("fails"):

    @task(retry_attempts=1)
    def fails(context):
        raise ValueError("no")

with WorkflowBuilder("dies"):

    @task(retry_attempts=1)
    def dies(context):
        os._exit(3)

with WorkflowBuilder("held"):

    @task(limit="one")
    def held(context):
        folder = Path(context["folder"])
        (folder / "here").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
"""


def read_metrics(served: ServedHere) -> Samples:
    """Samples by name and labels, without a key."""
    with served.stranger() as stranger:
        answer = stranger.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples: Samples = {}
    for family in text_string_to_metric_families(answer.text):
        samples.setdefault(family.name.removeprefix("holdwater_"), {})
        for sample in family.samples:
            samples.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return samples


def value(samples: Samples, name: str, labels: dict[str, str]) -> float:
    return samples.get(f"holdwater_{name}", {}).get(tuple(sorted(labels.items())), 0.0)


@pytest.fixture
def measured(postgres: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedHere]:
    """A server that is measured alone, whose leases are short."""
    monkeypatch.setattr(tenant_gauges, "KEPT_SECONDS", 0.0)
    with serve_here(create_database(postgres), tmp_path / "home", lease_seconds=1.5) as served:
        yield served


def test_every_family_is_there_and_moves(measured: ServedHere, tmp_path: Path) -> None:
    path, database = "/v1/tenants/measured", measured.database_url
    with ExitStack() as opened:
        god, stranger = opened.enter_context(measured.client()), opened.enter_context(measured.stranger())
        god.post("/v1/tenants", json={"name": "measured"}).raise_for_status()
        release = upload(god, archive("measured", flows=FLOWS), tenant="measured").json()["package_id"]
        wait_for_state(god, release, "active", tenant="measured")
        for name in ("good", "fails", "dies"):
            execute(god, name, tenant="measured")
        god.put(f"{path}/limits/one", json={"max": 1}).raise_for_status()
        runs = []
        for _ in range(2):  # one waits for the other
            started = god.post(f"{path}/workflows/held/execute", json={"context": {"folder": str(tmp_path)}})
            runs.append(started.json()["execution_id"])
        wait_until((tmp_path / "here").exists)
        wait_until(lambda: god.get(f"{path}/limits/one").json()["waiting"] == 1)
        stream = opened.enter_context(god.stream("GET", f"{path}/executions/{runs[0]}/stream"))
        events = iter_events(stream.iter_lines())  # it ends with the last reference
        next(events)
        while stranger.get(f"{path}/executions", headers={"authorization": "Bearer wrong"}).status_code != 429:
            pass
        opened.enter_context(measured.server.control.transaction())
        gauges = ("active_tasks", "active_workflows", "db_pool_in_use", "stream_clients", "work_ready", "up")
        during = read_metrics(measured)
        while not all([value(during, name, {}) for name in gauges]):
            during = read_metrics(measured)
        hung = opened.enter_context(psycopg.connect(database, autocommit=True))  # a process that renews no lease
        hung.execute("SELECT pg_advisory_lock_shared(%s)", (owner_lock_key("hung"),))
        hung.execute("UPDATE measured.work SET owner = 'hung', lease_until = 1 WHERE owner IS NULL")
        wait_until(lambda: value(read_metrics(measured), "scheduler_stale_claims_swept_total", {}))
        (tmp_path / "go").touch()
        for run in runs:
            wait_until(lambda run=run: god.get(f"{path}/executions/{run}").json()["status"] == "completed")  # type: ignore[misc]
        wait_until(lambda: value(read_metrics(measured), "leases_expired_total", {}))
        wait_until(lambda: value(read_metrics(measured), "scheduler_heartbeat_writes_total", {}))
        after = read_metrics(measured)
    unmoved = [name for name, labels in MOVED.items() if not max(value(one, name, labels) for one in (during, after))]
    assert unmoved == []
    missing = [name for name in STILL if name not in after and f"holdwater_{name}" not in after]
    assert missing == []
    unlabelled = [
        name for name, labels in STILL.items() if labels and tuple(labels.items()) not in after[f"holdwater_{name}"]
    ]
    assert unlabelled == []
    counted = {name.removesuffix("_total").removesuffix("_count") for name in (MOVED | STILL)}
    assert counted == {name for name in after if not name.startswith("holdwater_")}, "a family without a case here"


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
    with served.stranger() as stranger:
        text = stranger.get("/metrics").text
    assert not re.search("00000000-0000|tenant-of-nobody|no-such-path|public", text)


def test_a_prefix_of_dashboards_that_exist(postgres: Cluster, served: ServedHere) -> None:
    metrics = ServerMetrics("cloacina", AwakeTenants(), HostBudget(1), lambda: True)
    metrics.engine_counts.on_claim("empty")
    assert b'cloacina_scheduler_claim_attempts_total{outcome="empty"} 1.0' in generate_latest(metrics._registry)
